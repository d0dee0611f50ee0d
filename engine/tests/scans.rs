//! Scans whose rows are lent where they lie in the file: what they note, what they see, and that they give the same as
//! any other way of reading.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

use heddle_engine::{Database, Direction, Error, Options, RowId, Scan};

mod common;
use common::block_on;

/// A table of 2,000 rows in the file, `n` ten times the rowid, and every hundredth with a text that overflows its page.
async fn merged() -> Database {
    let db = Database::open_in_memory(Options::default()).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, body TEXT)").await.unwrap();
    let mut table = tx.table("t").unwrap();
    for id in 1..=2000 {
        let body = "x".repeat(if id % 100 == 0 { 9_000 } else { 20 });
        table.insert((id, id * 10, body)).await.unwrap();
    }
    tx.commit().await.unwrap();
    db.checkpoint().await.unwrap();
    db
}

async fn walked(mut scan: Scan<'_>) -> Vec<(i64, i64, usize)> {
    let mut rows = Vec::new();
    while match scan.try_step() {
        Some(on_row) => on_row,
        None => scan.step().await.unwrap(),
    } {
        let row = scan.row().expect("a step came to a row");
        let body: String = row.get("body").unwrap();
        rows.push((row.rowid().unwrap().0, row.get("n").unwrap(), body.len()));
    }
    assert!(scan.row().is_none(), "beyond the last row");
    rows
}

fn expected(ids: impl Iterator<Item = i64>) -> Vec<(i64, i64, usize)> {
    ids.map(|id| (id, id * 10, if id % 100 == 0 { 9_000 } else { 20 })).collect()
}

#[test]
fn bounds_hold_in_both_directions_over_rows_in_the_file() {
    block_on(async {
        let db = merged().await;
        let mut tx = db.snapshot().await.unwrap();
        let mut table = tx.table("t").unwrap();
        let up = Direction::Ascending;
        let down = Direction::Descending;
        assert_eq!(walked(table.scan(.., up).unwrap()).await, expected(1..=2000));
        assert_eq!(walked(table.scan(.., down).unwrap()).await, expected((1..=2000).rev()));
        let part = RowId(99)..RowId(302);
        assert_eq!(walked(table.scan(part.clone(), up).unwrap()).await, expected(99..302));
        assert_eq!(walked(table.scan(part, down).unwrap()).await, expected((99..302).rev()));
        let closed = RowId(1999)..=RowId(i64::MAX);
        assert_eq!(walked(table.scan(closed, up).unwrap()).await, expected(1999..=2000));
        let nothing = RowId(2001)..RowId(i64::MAX);
        assert_eq!(walked(table.scan(nothing, down).unwrap()).await, []);
        let lowest = RowId(i64::MIN)..RowId(i64::MIN);
        assert_eq!(walked(table.scan(lowest, up).unwrap()).await, []);
    });
}

#[test]
fn a_walk_sees_what_others_committed_before_its_snapshot_and_nothing_later() {
    block_on(async {
        let db = merged().await;
        let change = async |id: i64, n: i64| {
            let mut tx = db.begin().await.unwrap();
            let mut table = tx.table("t").unwrap();
            assert!(table.set(RowId(id), &[("n", &n)]).await.unwrap());
            tx.commit().await.unwrap();
        };
        change(5, -1).await;
        let mut tx = db.snapshot().await.unwrap();
        change(7, -2).await;
        let mut table = tx.table("t").unwrap();
        let rows = walked(table.scan(RowId(4)..RowId(9), Direction::Ascending).unwrap()).await;
        let numbers: Vec<i64> = rows.iter().map(|row| row.1).collect();
        assert_eq!(numbers, [40, -1, 60, 70, 80]);
    });
}

#[test]
fn what_was_walked_is_defended_and_what_lies_beyond_is_not() {
    block_on(async {
        let db = merged().await;
        for (other, conflicts) in [(10, true), (12, false)] {
            let mut tx = db.begin().await.unwrap();
            let mut table = tx.table("t").unwrap();
            let mut scan = table.scan(RowId(2).., Direction::Ascending).unwrap();
            for _ in 2..=10 {
                assert!(scan.step().await.unwrap());
            }
            drop(scan);
            table.insert((None::<i64>, 0, "")).await.unwrap();
            let mut rival = db.begin().await.unwrap();
            assert!(rival.table("t").unwrap().delete(RowId(other)).await.unwrap());
            rival.commit().await.unwrap();
            let outcome = tx.commit().await;
            assert_eq!(matches!(outcome, Err(Error::Conflict(_))), conflicts, "{outcome:?}");
        }
    });
}

#[test]
fn a_reader_begun_on_any_thread_sees_the_newest_schema() {
    block_on(async {
        let db = merged().await;
        for round in 0..8 {
            let mut old = db.snapshot().await.unwrap();
            let name = format!("made{round}");
            let mut tx = db.begin().await.unwrap();
            tx.create_table(&format!("CREATE TABLE {name} (a)")).await.unwrap();
            tx.commit().await.unwrap();
            let readers: Vec<_> = (0..8)
                .map(|_| {
                    let (db, name) = (db.clone(), name.clone());
                    tokio::spawn(async move {
                        let mut tx = db.snapshot().await.unwrap();
                        tx.table(&name).map(drop).is_ok()
                    })
                })
                .collect();
            for reader in readers {
                assert!(reader.await.unwrap());
            }
            assert!(!old.table_names().contains(&name), "a snapshot keeps its schema");
        }
    });
}
