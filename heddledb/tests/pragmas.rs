//! Pragmas, as statements and as tables, beside stock SQLite on the same file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use heddledb::{Builder, Connection, Value, block_on};
use rusqlite::types::ValueRef;

/// The stock library of these tests is built with foreign keys on.
const SCHEMA: &str = "
    PRAGMA foreign_keys = OFF; PRAGMA user_version = 7; PRAGMA application_id = -5;
    CREATE TABLE p(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL DEFAULT 'x', n REAL UNIQUE);
    CREATE TABLE c(a REFERENCES p, b INT, d TEXT COLLATE NOCASE, FOREIGN KEY (b, d) REFERENCES q(x, y)
        ON UPDATE CASCADE ON DELETE SET NULL, UNIQUE(b, d));
    CREATE TABLE q(x INT, y TEXT, z AS (x + 1), w AS (x + 2) STORED, PRIMARY KEY(x, y DESC));
    CREATE TABLE w(k TEXT PRIMARY KEY, v ANY, u INT UNIQUE) STRICT, WITHOUT ROWID;
    CREATE INDEX i ON c(b DESC, a COLLATE NOCASE);
    CREATE UNIQUE INDEX e ON c(a + 1) WHERE b > 0;
    CREATE VIEW v(one, two) AS SELECT id, name FROM p;
    CREATE VIEW u AS SELECT *, 1 + 1 FROM c;
    INSERT INTO p(id, name, n) VALUES (1, 'a', 1.5), (2, 'b', 2.5);
    INSERT INTO q VALUES (1, 'Y');
    INSERT INTO c VALUES (1, 1, 'Y'), (9, 4, 'y'), (NULL, 3, 'Y'), (2, NULL, 'q');
";

fn stock_value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(v) => Value::Integer(v),
        ValueRef::Real(v) => Value::Real(v),
        ValueRef::Text(v) => Value::Text(String::from_utf8_lossy(v).into_owned()),
        ValueRef::Blob(v) => Value::Blob(v.to_vec()),
    }
}

type Answer = (Vec<String>, Vec<Vec<Value>>);

fn judge(stock: &rusqlite::Connection, sql: &str) -> Answer {
    let mut statement = stock.prepare(sql).unwrap();
    let names: Vec<String> = statement.column_names().map(ToString::to_string).collect();
    let mut rows = statement.query([]).unwrap();
    let mut all = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let values = (0..names.len()).map(|at| stock_value(row.get_ref(at).unwrap()));
        all.push(values.collect());
    }
    (names, all)
}

async fn ask(conn: &Connection, sql: &str) -> Answer {
    let mut rows = conn.query(sql, ()).await.unwrap();
    let names = rows.column_names();
    let mut all = Vec::new();
    while let Some(row) = rows.next().await.unwrap() {
        all.push(row.values());
    }
    (names, all)
}

fn file() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(SCHEMA).unwrap();
    (dir, path)
}

fn compare(statements: &[&str]) {
    let (_dir, path) = file();
    // Stock reads a copy: the file is ours while it is open.
    let copy = path.with_extension("copy");
    std::fs::copy(&path, &copy).unwrap();
    let stock = rusqlite::Connection::open(&copy).unwrap();
    stock.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    block_on(async {
        let conn = Builder::new_local(&path).build().await.unwrap().connect().unwrap();
        for sql in statements {
            assert_eq!(ask(&conn, sql).await, judge(&stock, sql), "{sql}");
        }
        // Inside a transaction they are the same.
        conn.execute("BEGIN", ()).await.unwrap();
        for sql in statements {
            assert_eq!(ask(&conn, sql).await, judge(&stock, sql), "{sql}");
        }
    });
}

#[test]
fn questions_about_the_schema() {
    let mut statements = Vec::new();
    for table in ["p", "c", "q", "w", "v", "u", "absent", "sqlite_schema", "P"] {
        for pragma in ["table_info", "table_xinfo", "foreign_key_list"] {
            statements.push(format!("PRAGMA {pragma}({table})"));
            statements.push(format!("PRAGMA main.{pragma} = '{table}'"));
            statements.push(format!("SELECT * FROM pragma_{pragma}('{table}')"));
        }
        if !["w", "q"].contains(&table) {
            statements.push(format!("PRAGMA index_list({table})"));
        }
    }
    for index in ["i", "e", "sqlite_autoindex_c_1", "sqlite_autoindex_w_2", "w", "absent"] {
        statements.push(format!("PRAGMA index_info({index})"));
        statements.push(format!("PRAGMA index_xinfo({index})"));
    }
    statements.push(
        "SELECT schema, name, type, ncol, wr, strict FROM pragma_table_list WHERE schema = 'main' ORDER BY name"
            .to_owned(),
    );
    statements
        .push("SELECT m.name, i.name FROM sqlite_schema m, pragma_table_info(m.name) i".to_owned());
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    compare(&statements);
}

#[test]
fn questions_about_the_file_and_the_connection() {
    compare(&[
        "PRAGMA user_version",
        "PRAGMA application_id",
        "PRAGMA schema_version",
        "PRAGMA encoding",
        "PRAGMA page_size",
        "PRAGMA page_count",
        "PRAGMA freelist_count",
        "PRAGMA auto_vacuum",
        "PRAGMA foreign_keys",
        "PRAGMA recursive_triggers",
        "PRAGMA defer_foreign_keys",
        "PRAGMA synchronous",
        "PRAGMA cache_size",
        "PRAGMA temp_store",
        "PRAGMA query_only",
        "PRAGMA integrity_check",
        "PRAGMA quick_check",
        "PRAGMA foreign_key_check",
        "PRAGMA foreign_key_check(c)",
        "PRAGMA foreign_key_check(p)",
        "PRAGMA collation_list",
        "PRAGMA nothing_of_this_name",
        "PRAGMA nothing_of_this_name = 3",
        "PRAGMA locking_mode",
        "PRAGMA busy_timeout",
        "PRAGMA busy_timeout = 100",
        "PRAGMA cache_size = 100",
        "PRAGMA cache_size",
        "PRAGMA temp_store = MEMORY",
        "PRAGMA temp_store",
        "SELECT user_version FROM pragma_user_version",
    ]);
}

#[test]
fn what_is_set_is_there() {
    let (_dir, path) = file();
    block_on(async {
        let db = Builder::new_local(&path).build().await.unwrap();
        let conn = db.connect().unwrap();
        let one = async |sql: &str| {
            let (_, rows) = ask(&conn, sql).await;
            rows.into_iter().flatten().next()
        };
        conn.execute("PRAGMA user_version = 42", ()).await.unwrap();
        conn.execute("PRAGMA application_id = 0x1234", ()).await.unwrap();
        assert_eq!(one("PRAGMA user_version").await, Some(Value::Integer(42)));
        assert_eq!(one("PRAGMA application_id").await, Some(Value::Integer(0x1234)));
        // It belongs to the transaction.
        conn.execute_batch("BEGIN; PRAGMA user_version = 43").await.unwrap();
        assert_eq!(one("PRAGMA user_version").await, Some(Value::Integer(43)));
        conn.execute_batch("ROLLBACK").await.unwrap();
        assert_eq!(one("PRAGMA user_version").await, Some(Value::Integer(42)));
        conn.execute_batch("BEGIN; PRAGMA user_version = 44; COMMIT").await.unwrap();
        // The first to write it wins.
        let other = db.connect().unwrap();
        conn.execute_batch("BEGIN; PRAGMA user_version = 45").await.unwrap();
        other.execute("PRAGMA user_version = 46", ()).await.unwrap();
        let error = conn.execute("COMMIT", ()).await.unwrap_err();
        assert!(matches!(error, heddledb::Error::Conflict { .. }), "{error}");
        assert_eq!(error.extended_code(), 517);
        assert!(!conn.is_autocommit());
        let again = conn.execute("SELECT 1", ()).await.unwrap_err();
        assert_eq!(again.to_string(), error.to_string());
        conn.execute("ROLLBACK", ()).await.unwrap();
        assert_eq!(one("PRAGMA user_version").await, Some(Value::Integer(46)));
        conn.execute("PRAGMA query_only = ON", ()).await.unwrap();
        let error = conn.execute("PRAGMA user_version = 1", ()).await.unwrap_err();
        assert_eq!(error.code(), 8);
        let (names, _) = ask(&conn, "PRAGMA wal_checkpoint").await;
        assert_eq!(names, ["busy", "log", "checkpointed"]);
        db.close().await.unwrap();
    });
    let stock = rusqlite::Connection::open(&path).unwrap();
    let (_, rows) = judge(&stock, "PRAGMA user_version");
    assert_eq!(rows, [[Value::Integer(46)]]);
}

#[test]
fn a_transaction_run_until_it_gets_through() {
    let (_dir, path) = file();
    block_on(async {
        let db = Builder::new_local(&path).build().await.unwrap();
        let other = db.connect().unwrap();
        let mut runs = 0;
        db.transact(|tx| {
            runs += 1;
            let (run, other) = (runs, other.clone());
            async move {
                tx.execute("PRAGMA user_version = 100", ()).await?;
                if run <= 2 {
                    other.execute(format!("PRAGMA user_version = {run}"), ()).await?;
                }
                Ok(())
            }
        })
        .await
        .unwrap();
        assert_eq!(runs, 3);
        let (_, rows) = ask(&other, "PRAGMA user_version").await;
        assert_eq!(rows, [[Value::Integer(100)]]);
    });
}
