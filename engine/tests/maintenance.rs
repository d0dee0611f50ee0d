//! What goes on in the background, as its effects are seen from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails panics, and a test may start threads"
)]

use std::sync::mpsc;
use std::time::Duration;

use heddle_engine::{Database, Options};

mod common;
use common::block_on;

/// Versions in two trees, more in each than one step of collection looks at, and all of them needed.
async fn fill_and_close() {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::open(dir.path().join("x.db"), Options::default()).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.create_table("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)").await.unwrap();
    tx.create_index("CREATE INDEX by_b ON t (b)").await.unwrap();
    tx.commit().await.unwrap();
    for batch in 0..20 {
        let mut tx = db.begin().await.unwrap();
        let mut table = tx.table("t").unwrap();
        for i in 0..1000 {
            table.insert((None::<i64>, format!("{batch} {i} {:60}", ""))).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    db.close().await.unwrap();
}

#[test]
fn collection_ends_when_more_is_needed_than_one_step_looks_at() {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        block_on(fill_and_close());
        let _ = done.send(());
    });
    let ended = ended.recv_timeout(Duration::from_secs(60));
    assert!(ended.is_ok(), "the database neither works nor closes: {ended:?}");
}
