//! Two databases that start alike: one for us, one for stock.

use std::path::{Path, PathBuf};

use heddle_engine::{Database, Options, Transaction};
use heddle_sql::bind::Environment;
use heddle_sql::ddl::{self, Outcome};
use heddle_sql::exec::Resources;
use heddle_sql::parse::parse_one;
use heddle_sql::schema::{self, DatabaseIndex, Databases, build};
use heddle_sql::session::Extensions;
use rusqlite::Connection;

use crate::block_on;

/// A row of `sqlite_schema`.
type Row = (String, String, String, Option<String>);

/// The message alone, without what rusqlite adds.
fn words(error: rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        rusqlite::Error::SqliteFailure(_, Some(msg)) => msg,
        other => other.to_string(),
    }
}

fn rows_of_stock(path: &Path) -> Vec<Row> {
    let stock = Connection::open(path).unwrap();
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid";
    let mut query = stock.prepare(sql).unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

fn rows_of(tx: &Transaction) -> Vec<Row> {
    let row = |object: &std::sync::Arc<heddle_engine::raw::Object>| {
        (
            object.kind.as_str().to_owned(),
            object.name.to_string(),
            object.table.to_string(),
            object.sql.as_ref().map(ToString::to_string),
        )
    };
    tx.schema().objects().iter().map(row).collect()
}

/// One of our databases, with a `temp` beside it.
struct Ours {
    main: Database,
    temp: Database,
    extensions: Extensions,
}

impl Ours {
    async fn open(path: &Path) -> Ours {
        Ours {
            main: Database::open(path, Options::default()).await.unwrap(),
            temp: Database::open_in_memory(Options::default()).await.unwrap(),
            extensions: Extensions::default(),
        }
    }

    /// Runs a statement in a transaction of its own.
    async fn run(&self, sql: &str) -> Result<(), String> {
        let parsed = parse_one(sql).map_err(|error| error.to_string())?;
        let main = self.main.begin().await.unwrap();
        let temp = self.temp.begin().await.unwrap();
        let mut list = Vec::new();
        let both = [(&main, "main", DatabaseIndex::MAIN), (&temp, "temp", DatabaseIndex::TEMP)];
        for (tx, name, at) in both {
            let collations = |name: &str| self.extensions.collation(name);
            let schema = build(tx.schema(), tx.schema_tree(), at, &collations);
            list.push(Some(schema::Database { name: name.into(), schema }));
        }
        let databases = Databases { list };
        let environment = Environment { databases: &databases, extensions: &self.extensions };
        let mut resources =
            Resources { transactions: vec![Some(main), Some(temp)], ..Resources::default() };
        let text = &sql[parsed.text.clone()];
        let outcome = ddl::run(&parsed.statement, text, environment, &mut resources).await;
        let outcome: Result<Outcome, String> = outcome.map_err(|error| error.to_string());
        for tx in resources.transactions.into_iter().flatten() {
            if outcome.is_ok() {
                tx.commit().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            } else {
                tx.rollback();
            }
        }
        outcome.map(|_| ())
    }
}

/// Makes two files by `setup`, has both analyzed by each of the statements, and gives what each then has in `sqlite_stat1`.
pub(crate) fn statistics(setup: &str, statements: &[&str]) -> [Vec<String>; 2] {
    let dir = tempfile::tempdir().unwrap();
    let [ours, stock] = ["ours.db", "stock.db"].map(|name| dir.path().join(name));
    for path in [&ours, &stock] {
        Connection::open(path).unwrap().execute_batch(setup).unwrap();
    }
    block_on(async {
        let database = Ours::open(&ours).await;
        for sql in statements {
            database.run(sql).await.unwrap();
        }
        database.main.close().await.unwrap();
    });
    assert_eq!(unsound(&ours), [""; 0]);
    let of_stock = Connection::open(&stock).unwrap();
    statements.iter().for_each(|sql| of_stock.execute_batch(sql).unwrap());
    drop(of_stock);
    [ours, stock].map(|path| {
        let connection = Connection::open(path).unwrap();
        let sql =
            "SELECT tbl || '|' || ifnull(idx, '-') || '|' || stat FROM sqlite_stat1 ORDER BY 1";
        let mut query = connection.prepare(sql).unwrap();
        let rows = query.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    })
}

/// Makes two files by `setup`, and gives both the same statements. All that differs is listed.
pub(crate) fn differences(setup: &str, statements: &[&str]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = ["ours.db", "stock.db"].iter().map(|n| dir.path().join(n)).collect();
    for path in &paths {
        let stock = Connection::open(path).unwrap();
        stock.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        stock.execute_batch(setup).unwrap();
    }
    let stock = Connection::open(&paths[1]).unwrap();
    stock.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    let mut found = Vec::new();
    block_on(async {
        let ours = Ours::open(&paths[0]).await;
        for sql in statements {
            let said = stock.execute_batch(sql).map_err(words);
            let answered = ours.run(sql).await;
            if answered != said {
                found.push(format!("{sql}\n  stock {said:?}\n  ours  {answered:?}"));
            }
            let (a, b) = (rows_of(&ours.main.begin().await.unwrap()), rows_of_stock(&paths[1]));
            if a != b {
                let only = |one: &[Row], other: &[Row]| {
                    one.iter().filter(|row| !other.contains(row)).cloned().collect::<Vec<_>>()
                };
                found.push(format!(
                    "{sql}\n  only stock {:?}\n  only ours  {:?}",
                    only(&b, &a),
                    only(&a, &b)
                ));
                break;
            }
        }
        ours.main.close().await.unwrap();
    });
    if found.is_empty() {
        assert_eq!(rows_of_stock(&paths[0]), rows_of_stock(&paths[1]));
    }
    found.extend(unsound(&paths[0]));
    found.extend(other_rows(&paths[0], &paths[1]));
    found
}

/// What stock finds wrong with a file.
fn unsound(path: &Path) -> Vec<String> {
    let stock = Connection::open(path).unwrap();
    let mut query = stock.prepare("PRAGMA integrity_check").unwrap();
    let found = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    found.map(Result::unwrap).filter(|line| line != "ok").collect()
}

/// Tables whose rows differ.
fn other_rows(ours: &Path, stock: &Path) -> Vec<String> {
    let tables = rows_of_stock(stock).into_iter().filter(|row| row.0 == "table" && row.1 != "made");
    let dump = |path: &Path, table: &str| {
        let stock = Connection::open(path).unwrap();
        let sql = format!("SELECT * FROM \"{}\"", table.replace('"', "\"\""));
        let mut query = stock.prepare(&sql).ok()?;
        let columns = query.column_count();
        let rows = query.query_map([], |row| {
            let values = (0..columns).map(|at| Ok(format!("{:?}", row.get_ref(at)?)));
            values.collect::<rusqlite::Result<Vec<_>>>()
        });
        Some(rows.unwrap().map(Result::unwrap).collect::<Vec<_>>())
    };
    tables
        .filter(|row| dump(ours, &row.1) != dump(stock, &row.1))
        .map(|row| {
            let (a, b) = (dump(ours, &row.1), dump(stock, &row.1));
            format!("rows of {}\n  stock {b:?}\n  ours  {a:?}", row.1)
        })
        .collect()
}

/// As [`differences`], of which there must be none.
#[track_caller]
pub(crate) fn same(setup: &str, statements: &[&str]) {
    let found = differences(setup, statements);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
