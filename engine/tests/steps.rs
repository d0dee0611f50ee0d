//! Stock SQLite looks at the file between any two steps of a checkpoint; a process that ends there loses nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails panics, and a test may start threads"
)]

use std::path::Path;

use heddle_engine::{Database, Direction, Options, RowId};

mod common;
use common::{block_on, stock_check, stock_rows};

fn options() -> Options {
    Options { auto_checkpoint: false, ..Options::default() }
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

async fn fill(db: &Database) {
    let mut tx = db.begin().await.unwrap();
    tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)").await.unwrap();
    let mut table = tx.table("t").unwrap();
    for i in 0..500 {
        table.insert((None::<i64>, format!("first {i}"))).await.unwrap();
    }
    tx.commit().await.unwrap();
    db.checkpoint().await.unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.create_table("CREATE TABLE u (a TEXT PRIMARY KEY) WITHOUT ROWID").await.unwrap();
    tx.table("u").unwrap().insert(("x",)).await.unwrap();
    let mut table = tx.table("t").unwrap();
    for i in 1..=400 {
        table.update(RowId(i), (Some(i), format!("second {i}"))).await.unwrap();
    }
    table.delete(RowId(500)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn read(db: &Database) -> (usize, usize) {
    let mut tx = db.begin().await.unwrap();
    let mut table = tx.table("t").unwrap();
    let mut scan = table.scan(.., Direction::Descending).unwrap();
    let (mut rows, mut second) = (0, 0);
    while let Some(row) = scan.next().await.unwrap() {
        rows += 1;
        second += usize::from(row.get::<String>("body").unwrap().starts_with("second"));
    }
    (rows, second)
}

#[test]
fn between_any_two_steps_the_files_can_be_opened_by_stock_and_by_us() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        let db = Database::open(&path, options()).await.unwrap();
        fill(&db).await;
        let mut old = db.snapshot().await.unwrap();
        let mut steps = db.checkpoint_steps().await.unwrap().unwrap();
        let mut names = Vec::new();
        loop {
            // Somebody reads, now and from before, whatever the step.
            assert_eq!(read(&db).await, (499, 400));
            let mut table = old.table("t").unwrap();
            assert!(table.get(RowId(400)).await.unwrap().is_some());
            let copy = tempfile::tempdir().unwrap();
            copy_all(dir.path(), copy.path());
            let other = copy.path().join("x.db");
            // We open what a killed process left.
            let ours = tempfile::tempdir().unwrap();
            copy_all(copy.path(), ours.path());
            let again = Database::open(ours.path().join("x.db"), options()).await.unwrap();
            assert_eq!(read(&again).await, (499, 400), "after {names:?}");
            again.close().await.unwrap();
            stock_check(&ours.path().join("x.db"));
            // Stock opens it first, and may finish the checkpoint; then we do.
            stock_check(&other);
            let rows = stock_rows(&other, "SELECT count(*) FROM t");
            assert!(rows == ["500"] || rows == ["499"], "{rows:?} after {names:?}");
            let write = rusqlite::Connection::open(&other).unwrap();
            assert!(
                write.execute("INSERT INTO t VALUES (NULL, 'stock')", []).is_err(),
                "the fence"
            );
            drop(write);
            let again = Database::open(&other, options()).await.unwrap();
            assert_eq!(read(&again).await, (499, 400), "after stock, after {names:?}");
            again.close().await.unwrap();
            stock_check(&other);
            match steps.step().await.unwrap() {
                Some(name) => names.push(name),
                None => break,
            }
        }
        let all =
            ["merge", "intent", "frames", "sync", "publish", "done", "pages", "first", "reset"];
        assert_eq!(names, all);
        drop(steps);
        drop(old);
        db.close().await.unwrap();
    });
    stock_check(&path);
    assert_eq!(stock_rows(&path, "SELECT count(*) FROM t WHERE body LIKE 'second%'"), ["400"]);
    assert_eq!(stock_rows(&path, "SELECT a FROM u"), ["x"]);
}
