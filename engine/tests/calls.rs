//! One-shot calls on the database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails panics, and a test may start threads"
)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use heddle_engine::{Constraint, Database, Error, Options, RowId};

mod common;
use common::{block_on, stock_check, stock_rows};

async fn open(path: &std::path::Path) -> Database {
    let db = Database::open(path, Options::default()).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, name TEXT UNIQUE)")
        .await
        .unwrap();
    tx.create_table("CREATE TABLE w (k TEXT, v INT, PRIMARY KEY (k)) WITHOUT ROWID").await.unwrap();
    tx.commit().await.unwrap();
    db
}

#[test]
fn each_call_is_a_transaction_and_is_there_for_stock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        let db = open(&path).await;
        let a = db.insert("t", (None::<i64>, 1, "a")).await.unwrap();
        let b = db.insert("t", (None::<i64>, 2, "b")).await.unwrap();
        assert_eq!((a, b), (RowId(1), RowId(2)));
        let row = db.get("t", b).await.unwrap().unwrap();
        assert!(db.update("t", b, (Some(b.0), 3, "c")).await.unwrap());
        // The row is as it was read.
        assert_eq!((row.get::<i64>("n").unwrap(), row.get::<String>(2).unwrap()), (2, "b".into()));
        assert!(db.set("T", a, &[("n", &10)]).await.unwrap());
        assert_eq!(db.get("t", a).await.unwrap().unwrap().get::<i64>("n").unwrap(), 10);
        assert!(!db.set("t", RowId(9), &[("n", &10)]).await.unwrap());
        assert!(!db.update("t", RowId(9), (None::<i64>, 3, "x")).await.unwrap());
        assert!(!db.delete("t", RowId(9)).await.unwrap());
        assert!(db.get("t", RowId(9)).await.unwrap().is_none());
        db.insert("w", ("k", 1)).await.unwrap();
        db.insert("w", ("l", 2)).await.unwrap();
        assert!(db.update_key("w", ("k",), ("k", 5)).await.unwrap());
        assert!(db.delete_key("w", ("l",)).await.unwrap());
        assert!(!db.delete_key("w", ("l",)).await.unwrap());
        assert_eq!(db.get_key("w", ("k",)).await.unwrap().unwrap().get::<i64>("v").unwrap(), 5);
        assert!(db.get_key("w", ("l",)).await.unwrap().is_none());
        let refused = db.insert("t", (None::<i64>, 2, "c")).await;
        assert!(
            matches!(refused, Err(Error::Constraint(Constraint::Unique { .. }))),
            "{refused:?}"
        );
        let refused = db.insert("no", (1,)).await;
        assert!(matches!(refused, Err(Error::NoSuchTable { .. })), "{refused:?}");
        assert!(db.delete("t", b).await.unwrap());
        let clone = db.clone();
        db.close().await.unwrap();
        assert!(matches!(clone.get("t", a).await, Err(Error::Closed)));
        assert!(matches!(clone.delete("t", a).await, Err(Error::Closed)));
    });
    stock_check(&path);
    assert_eq!(stock_rows(&path, "SELECT id || ' ' || n || ' ' || name FROM t"), ["1 10 a"]);
    assert_eq!(stock_rows(&path, "SELECT k || v FROM w"), ["k5"]);
}

#[test]
fn a_write_is_in_its_place_after_one_poll_if_nothing_needs_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        let db = open(&path).await;
        db.insert("t", (None::<i64>, 1, "a")).await.unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let other = db.clone();
        let mut insert = pin!(other.insert("t", (None::<i64>, 2, "b")));
        let first = insert.as_mut().poll(&mut cx);
        // A transaction reads what is published, durable or not.
        let mut tx = db.begin().await.unwrap();
        assert!(tx.table("t").unwrap().get(RowId(2)).await.unwrap().is_some());
        tx.rollback();
        match first {
            Poll::Ready(rowid) => assert_eq!(rowid.unwrap(), RowId(2)),
            Poll::Pending => assert_eq!(insert.await.unwrap(), RowId(2)),
        }
        let mut get = pin!(other.get("t", RowId(1)));
        assert!(matches!(get.as_mut().poll(&mut cx), Poll::Ready(Ok(Some(_)))));
        db.close().await.unwrap();
    });
}

#[test]
fn calls_that_meet_on_one_row_all_get_through() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        let db = open(&path).await;
        let row = db.insert("t", (None::<i64>, 0, "a")).await.unwrap();
        let tasks: Vec<_> = (0..40_i64)
            .map(|n| {
                let db = db.clone();
                tokio::spawn(async move {
                    assert!(db.set("t", row, &[("n", &n)]).await.unwrap());
                    db.insert("t", (None::<i64>, n, format!("row {n}"))).await.unwrap()
                })
            })
            .collect();
        let mut ids = Vec::new();
        for task in tasks {
            ids.push(task.await.unwrap().0);
        }
        ids.sort_unstable();
        assert_eq!(ids, (2..42).collect::<Vec<i64>>());
        db.close().await.unwrap();
    });
    stock_check(&path);
    assert_eq!(stock_rows(&path, "SELECT count(*) FROM t"), ["41"]);
}
