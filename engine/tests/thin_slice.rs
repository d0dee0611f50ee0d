//! The whole way once: commit, an end without a close, recovery, checkpoint, and stock SQLite reading the rows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails panics, and a test may start threads"
)]

use heddle_engine::{Database, Direction, Error, Options, RowId};

mod common;
use common::{block_on, stock_check, stock_rows};

#[test]
fn rows_in_memory_are_written_and_read() {
    block_on(async {
        let db = Database::open_in_memory(Options::default()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE account (id INTEGER PRIMARY KEY, owner TEXT, balance INT)")
            .await
            .unwrap();
        tx.create_index("CREATE UNIQUE INDEX by_owner ON account (owner)").await.unwrap();
        tx.commit().await.unwrap();
        for round in 0..3 {
            for i in 0..100 {
                let owner = format!("owner {round} {i}");
                db.transaction(|tx| {
                    let owner = &owner;
                    Box::pin(async move {
                        tx.table("account")?.insert((None::<i64>, owner.as_str(), i)).await
                    })
                })
                .await
                .unwrap();
            }
            let report = db.checkpoint().await.unwrap();
            assert!(report.changes >= 200, "{report:?}");
        }
        let mut tx = db.begin().await.unwrap();
        let mut table = tx.table("account").unwrap();
        let mut scan = table.scan(.., Direction::Ascending).unwrap();
        let mut count = 0;
        while let Some(row) = scan.next().await.unwrap() {
            count += 1;
            assert_eq!(row.rowid(), Some(RowId(count)));
        }
        assert_eq!(count, 300);
        let mut index = table.index("by_owner").unwrap();
        let row = index.get(("owner 1 7",)).await.unwrap();
        assert_eq!(row.unwrap().get::<i64>("balance").unwrap(), 7);
        drop(tx);
        let other = db.clone();
        db.close().await.unwrap();
        assert!(matches!(other.begin().await, Err(Error::Closed)));
    });
}

#[test]
fn what_was_committed_survives_and_stock_sqlite_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        let db = Database::open(&path, Options::default()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)").await.unwrap();
        tx.table("t").unwrap().insert((None::<i64>, "one")).await.unwrap();
        tx.commit().await.unwrap();
        drop(db);
        let db = Database::open(&path, Options::default()).await.unwrap();
        db.insert("t", (None::<i64>, "two")).await.unwrap();
        db.checkpoint().await.unwrap();
        db.insert("t", (None::<i64>, "three")).await.unwrap();
        db.close().await.unwrap();
    });
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["x.db"]);
    stock_check(&path);
    assert_eq!(stock_rows(&path, "SELECT b FROM t ORDER BY a"), ["one", "two", "three"]);
}
