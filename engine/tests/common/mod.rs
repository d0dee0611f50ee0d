//! What the tests of the engine share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test uses what it needs, and panics if it fails"
)]

use std::future::Future;
use std::path::Path;

use heddle_engine::{Database, Direction};

/// Runs a future on a runtime as users have it.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(future)
}

/// Stock SQLite finds nothing wrong with the file.
pub(crate) fn stock_check(path: &Path) {
    let stock = rusqlite::Connection::open(path).unwrap();
    let mut verdict = stock.prepare("PRAGMA integrity_check").unwrap();
    let verdict: Vec<String> =
        verdict.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(verdict, ["ok"], "{}", path.display());
}

/// The first column of a query's rows, as text.
pub(crate) fn stock_rows(path: &Path, sql: &str) -> Vec<String> {
    let stock = rusqlite::Connection::open(path).unwrap();
    let mut query = stock.prepare(sql).unwrap();
    let rows = query.query_map([], |row| {
        let value: rusqlite::types::Value = row.get(0)?;
        Ok(match value {
            rusqlite::types::Value::Null => "NULL".to_owned(),
            rusqlite::types::Value::Integer(v) => v.to_string(),
            rusqlite::types::Value::Real(v) => format!("{v:?}"),
            rusqlite::types::Value::Text(v) => v,
            rusqlite::types::Value::Blob(v) => format!("{v:?}"),
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Makes a table or an index, in a transaction of its own.
pub(crate) async fn create(db: &Database, sql: &str) {
    let mut tx = db.begin().await.unwrap();
    match sql.contains("TABLE") {
        true => tx.create_table(sql).await.unwrap(),
        false => tx.create_index(sql).await.unwrap(),
    }
    tx.commit().await.unwrap();
}

/// How many rows a transaction that begins now sees.
pub(crate) async fn count(db: &Database, table: &str) -> usize {
    let mut tx = db.begin().await.unwrap();
    let mut table = tx.table(table).unwrap();
    let mut scan = table.scan(.., Direction::Ascending).unwrap();
    let mut rows = 0;
    while scan.next().await.unwrap().is_some() {
        rows += 1;
    }
    rows
}
