//! Definitions that stock SQLite refuses, and with which words; some that it takes where one would not think so.

use heddle_sql::ast::Statement;
use heddle_sql::parse::parse_one;
use heddle_sql::schema::build::{Context, table_from_ast};
use heddle_value::Collation;

const ALL: &[&str] = &[
    "CREATE TABLE t (a, b, A)",
    "CREATE TABLE t (a, \"A\")",
    "CREATE TABLE t (a PRIMARY KEY, b PRIMARY KEY)",
    "CREATE TABLE t (a PRIMARY KEY, b, PRIMARY KEY (b))",
    "CREATE TABLE t (a TEXT PRIMARY KEY AUTOINCREMENT)",
    "CREATE TABLE t (a INTEGER PRIMARY KEY DESC AUTOINCREMENT)",
    "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT) WITHOUT ROWID",
    "CREATE TABLE t (a foo) STRICT",
    "CREATE TABLE t (a varchar(10)) STRICT",
    "CREATE TABLE t (a INT, b) STRICT",
    "CREATE TABLE t (a) WITHOUT ROWID",
    "CREATE TABLE t (a, PRIMARY KEY (b))",
    "CREATE TABLE t (a, UNIQUE (b))",
    "CREATE TABLE t (a, UNIQUE (a, rowid))",
    "CREATE TABLE t (a, UNIQUE (a + 1))",
    "CREATE TABLE t (a, UNIQUE (\"zzz\"))",
    "CREATE TABLE t (a, PRIMARY KEY (a || 'x'))",
    "CREATE TABLE t (a, b AS (a) PRIMARY KEY)",
    "CREATE TABLE t (a, b PRIMARY KEY AS (a))",
    "CREATE TABLE t (a, b AS (a), PRIMARY KEY (b))",
    "CREATE TABLE t (a AS (1))",
    "CREATE TABLE t (a, b DEFAULT 5 AS (a))",
    "CREATE TABLE t (a, b AS (a) DEFAULT 5)",
    "CREATE TABLE t (a, b AS (c))",
    "CREATE TABLE t (a, b AS (t.a))",
    "CREATE TABLE t (a, b AS (rowid))",
    "CREATE TABLE t (a, b AS ((SELECT 1)))",
    "CREATE TABLE t (a, b AS (a) FOO)",
    "CREATE TABLE t (a DEFAULT (b))",
    "CREATE TABLE t (a DEFAULT (\"b\"))",
    "CREATE TABLE t (a DEFAULT (SELECT 1))",
    "CREATE TABLE t (a DEFAULT ((SELECT 1)))",
    "CREATE TABLE t (a DEFAULT (?))",
    "CREATE TABLE t (a COLLATE nothing)",
    "CREATE TABLE t (a, UNIQUE (a COLLATE nothing))",
    "CREATE TABLE t (a CHECK (b > 1))",
    "CREATE TABLE t (a CHECK (u.a > 1))",
    "CREATE TABLE t (a CHECK (main.t.b > 1))",
    "CREATE TABLE t (a CHECK (a IN (SELECT 1)))",
    "CREATE TABLE t (a CHECK (a IN t))",
    "CREATE TABLE t (a CHECK (EXISTS (SELECT 1)))",
    "CREATE TABLE t (a CHECK (a > ?1))",
    "CREATE TABLE t (a CHECK (RAISE(IGNORE)))",
    "CREATE TABLE t (a PRIMARY KEY, CHECK (rowid > 1)) WITHOUT ROWID",
    "CREATE TABLE t (a REFERENCES p (x, y))",
    "CREATE TABLE t (a, FOREIGN KEY (b) REFERENCES p)",
    "CREATE TABLE t (a, FOREIGN KEY (a) REFERENCES p (x, y))",
    "CREATE TABLE t (a, UNIQUE (a) ON CONFLICT FAIL, UNIQUE (a) ON CONFLICT IGNORE)",
    "CREATE TABLE t (a, PRIMARY KEY (a NULLS FIRST))",
];

/// The message alone, without what rusqlite adds.
fn words(error: rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        rusqlite::Error::SqliteFailure(_, Some(msg)) => msg,
        other => other.to_string(),
    }
}

fn ours(sql: &str) -> Result<(), String> {
    let parsed = parse_one(sql).map_err(|error| error.to_string())?;
    let Statement::CreateTable(create) = parsed.statement else { panic!("{sql}") };
    let context = Context { collations: &Collation::built_in, loading: false };
    let made = table_from_ast(&create.name.name.text, &create, context);
    made.map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn what_stock_refuses_is_refused_in_its_words() {
    let mut differences = Vec::new();
    for sql in ALL {
        let stock = rusqlite::Connection::open_in_memory().unwrap();
        let said = stock.execute_batch(sql).map_err(words);
        let ours = ours(sql);
        if ours != said {
            differences.push(format!("{sql}\n  stock {said:?}\n  ours  {ours:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_table_has_as_many_columns_as_in_stock() {
    let columns =
        |count: usize| (0..count).map(|at| format!("c{at}")).collect::<Vec<_>>().join(",");
    assert_eq!(ours(&format!("CREATE TABLE t ({})", columns(2000))), Ok(()));
    let sql = format!("CREATE TABLE t ({})", columns(2001));
    let stock = rusqlite::Connection::open_in_memory().unwrap();
    assert_eq!(ours(&sql), Err(words(stock.execute_batch(&sql).unwrap_err())));
}
