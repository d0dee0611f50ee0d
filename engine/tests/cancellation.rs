//! A future of the public API is dropped at each of its polls in turn: what it did is done as a whole or not at all, and
//! the database is usable at once.
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
use std::time::Duration;

use heddle_engine::{Database, Direction, Options, Result};

mod common;
use common::{block_on, stock_check, stock_rows};

/// Polls a future up to `polls` times, with pauses for what it waits for, and drops it; `Some` if it ended.
async fn drop_after<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        // Woken or not: it is polled again.
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(output);
        }
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    None
}

async fn insert(db: &Database, n: i64) -> Result<()> {
    let mut tx = db.begin().await?;
    let mut t = tx.table("t")?;
    t.insert((None::<i64>, n, format!("text {n}"))).await?;
    t.insert((None::<i64>, -n, format!("text {}", -n))).await?;
    tx.commit().await.map(drop)
}

/// How often each number is there; both of a pair or none.
async fn pairs(db: &Database) -> Vec<i64> {
    let mut tx = db.begin().await.unwrap();
    let mut t = tx.table("t").unwrap();
    let mut scan = t.scan(.., Direction::Ascending).unwrap();
    let mut numbers: Vec<i64> = Vec::new();
    while let Some(row) = scan.next().await.unwrap() {
        numbers.push(row.get("n").unwrap());
    }
    let mut positive: Vec<i64> = numbers.iter().copied().filter(|n| *n > 0).collect();
    let mut negative: Vec<i64> = numbers.iter().copied().filter(|n| *n < 0).map(|n| -n).collect();
    positive.sort_unstable();
    negative.sort_unstable();
    assert_eq!(positive, negative, "half a transaction");
    positive
}

#[test]
fn commits_checkpoints_and_closes_may_be_dropped_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    for polls in 0..12 {
        let path = dir.path().join(format!("x{polls}.db"));
        let sure = block_on(async {
            let db = Database::open(&path, Options::default()).await.unwrap();
            let mut tx = db.begin().await.unwrap();
            let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, body TEXT UNIQUE)";
            tx.create_table(sql).await.unwrap();
            drop_after(tx.commit(), polls).await;
            // It may still be on its way; then this one conflicts, or finds it there.
            let mut tx = db.begin().await.unwrap();
            if tx.create_table(sql).await.is_ok() {
                let _ = tx.commit().await;
            } else {
                tx.rollback();
            }
            drop_after(insert(&db, 1), polls).await;
            insert(&db, 2).await.unwrap();
            drop_after(
                db.transaction(|tx| {
                    Box::pin(async move {
                        let mut t = tx.table("t")?;
                        t.insert((None::<i64>, 3, "three")).await?;
                        t.insert((None::<i64>, -3, "minus three")).await
                    })
                }),
                polls,
            )
            .await;
            drop_after(db.checkpoint(), polls).await;
            insert(&db, 4).await.unwrap();
            let found = pairs(&db).await;
            assert!(found.contains(&2) && found.contains(&4), "{found:?}");
            db.checkpoint().await.unwrap();
            drop_after(db.close(), polls).await;
            // Closed already, or on the way there: the next open waits for it.
            let db = Database::open(&path, Options::default()).await.unwrap();
            let again = pairs(&db).await;
            assert!(found.iter().all(|n| again.contains(n)), "{found:?} {again:?}");
            db.close().await.unwrap();
            again
        });
        stock_check(&path);
        let rows = stock_rows(&path, "SELECT count(*) FROM t");
        assert_eq!(rows, [(sure.len() * 2).to_string()]);
    }
}

#[test]
fn opening_may_be_dropped_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        for polls in 0..12 {
            drop_after(Database::open(&path, Options::default()), polls).await;
            let db = Database::open(&path, Options::default()).await.unwrap();
            db.close().await.unwrap();
        }
    });
}

#[test]
fn the_futures_of_the_api_can_be_sent_to_other_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    block_on(async {
        let db = is_send(Database::open_in_memory(Options::default())).await.unwrap();
        let mut tx = is_send(db.begin()).await.unwrap();
        is_send(tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)")).await.unwrap();
        is_send(tx.create_index("CREATE INDEX i ON t (n)")).await.unwrap();
        let mut t = tx.table("t").unwrap();
        let id = is_send(t.insert((None::<i64>, 1))).await.unwrap();
        is_send(t.set(id, &[("n", &2)])).await.unwrap();
        is_send(t.get(id)).await.unwrap();
        is_send(t.scan(.., Direction::Ascending).unwrap().next()).await.unwrap();
        is_send(t.delete(id)).await.unwrap();
        is_send(tx.commit()).await.unwrap();
        is_send(db.checkpoint()).await.unwrap();
        is_send(db.close()).await.unwrap();
    });
}
