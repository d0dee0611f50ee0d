//! What bad input gets: each its own error, nothing lost, and the database opens again once the cause is gone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails panics, and a test may start threads"
)]

use std::path::Path;

use heddle_engine::{Database, Env, Error, ErrorKind, Options, RowId};
use heddle_io::{Fault, Operation, Simulation};

mod common;
use common::{block_on, count, create, stock_check, stock_rows};

fn options() -> Options {
    Options { auto_checkpoint: false, ..Options::default() }
}

async fn open(path: &Path) -> heddle_engine::Result<Database> {
    Database::open(path, options()).await
}

/// A database with one table, `rows` rows of it in the file and `more` in the log alone, left by a process that was killed.
async fn killed(path: &Path, rows: i64, more: i64) {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join(path.file_name().unwrap());
    let db = open(&source).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await.unwrap();
    for n in 0..rows {
        tx.table("t").unwrap().insert((None::<i64>, n)).await.unwrap();
    }
    tx.commit().await.unwrap();
    db.checkpoint().await.unwrap();
    for n in 0..more {
        db.insert("t", (None::<i64>, n)).await.unwrap();
    }
    // A copy of what lies there now is what a kill leaves.
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), path.parent().unwrap().join(entry.file_name())).unwrap();
    }
    db.close().await.unwrap();
}

fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.contains("-log-") && name.rsplit('-').next().unwrap().parse::<u64>().is_ok()
    });
    files.sort();
    files
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    std::fs::write(&path, "this is a text, and no database; ".repeat(100)).unwrap();
    let before = std::fs::read(&path).unwrap();
    block_on(async {
        assert!(matches!(open(&path).await, Err(Error::NotADatabase { .. })));
        assert!(matches!(open(dir.path()).await, Err(Error::NotADatabase { .. })));
        let absent = Options { create: false, ..options() };
        let missing = Database::open(dir.path().join("none.db"), absent).await;
        assert!(matches!(missing, Err(Error::NotFound { .. })));
    });
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_truncated_database_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        killed(&path, 2000, 0).await;
        for segment in segments(dir.path()) {
            std::fs::remove_file(segment).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 8192]).unwrap();
        let refused = open(&path).await;
        assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(count(&open(&path).await.unwrap(), "t").await, 2000);
    });
}

#[test]
fn a_log_of_another_database_is_refused_until_it_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        killed(&other.path().join("x.db"), 5, 5).await;
        let db = open(&path).await.unwrap();
        create(&db, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await;
        db.close().await.unwrap();
        for segment in segments(other.path()) {
            std::fs::copy(&segment, dir.path().join(segment.file_name().unwrap())).unwrap();
        }
        let refused = open(&path).await;
        assert!(matches!(refused, Err(Error::ForeignLog { .. })), "{refused:?}");
        let reading = Options { read_only: true, ..options() };
        assert!(matches!(Database::open(&path, reading).await, Err(Error::ForeignLog { .. })));
        Database::discard_log(&path, &Env::system()).await.unwrap();
        assert_eq!(count(&open(&path).await.unwrap(), "t").await, 0);
    });
}

#[test]
fn a_database_that_another_program_changed_is_refused_until_the_log_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        killed(&path, 5, 5).await;
        // A program that does not heed the fence, and bumps the counter as stock does.
        let mut bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes[18], 3, "the fence");
        bytes[27] = bytes[27].wrapping_add(1);
        bytes[95] = bytes[95].wrapping_add(1);
        std::fs::write(&path, &bytes).unwrap();
        let refused = open(&path).await;
        assert!(matches!(refused, Err(Error::ChangedUnderLog { .. })), "{refused:?}");
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Corrupt);
        // The change undone, everything is there.
        bytes[27] = bytes[27].wrapping_sub(1);
        bytes[95] = bytes[95].wrapping_sub(1);
        std::fs::write(&path, &bytes).unwrap();
        let db = open(&path).await.unwrap();
        assert_eq!(count(&db, "t").await, 10);
        db.close().await.unwrap();
    });
    stock_check(&path);
}

#[test]
fn a_log_damaged_in_the_middle_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        killed(&path, 5, 50).await;
        let segment = segments(dir.path()).remove(0);
        let whole = std::fs::read(&segment).unwrap();
        let mut damaged = whole.clone();
        // A group in the middle: every group takes a block, the first block is the header.
        damaged[4096 * 20 + 100] ^= 1;
        std::fs::write(&segment, &damaged).unwrap();
        let refused = open(&path).await;
        assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
        std::fs::write(&segment, &whole).unwrap();
        assert_eq!(count(&open(&path).await.unwrap(), "t").await, 55);
    });
}

#[test]
fn reading_only_writes_nothing_and_asks_for_recovery_where_it_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let reading = Options { read_only: true, ..options() };
    block_on(async {
        killed(&path, 5, 5).await;
        let before = std::fs::read(&path).unwrap();
        let refused = Database::open(&path, reading.clone()).await;
        assert!(matches!(refused, Err(Error::NeedsRecovery { .. })), "{refused:?}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        open(&path).await.unwrap().close().await.unwrap();
        let db = Database::open(&path, reading).await.unwrap();
        assert_eq!(count(&db, "t").await, 10);
        let mut tx = db.begin().await.unwrap();
        let write = tx.table("t").unwrap().insert((None::<i64>, 1)).await;
        assert!(matches!(write, Err(Error::ReadOnly { .. })), "{write:?}");
        assert!(matches!(db.checkpoint().await, Err(Error::ReadOnly { .. })));
        drop(tx);
        db.close().await.unwrap();
    });
}

#[test]
fn a_database_is_opened_once_in_a_process_or_shared() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        killed(&path, 1, 0).await;
        let one = open(&path).await.unwrap();
        let alone = Options { share: false, ..options() };
        assert!(matches!(Database::open(&path, alone).await, Err(Error::AlreadyOpen { .. })));
        let two = open(&path).await.unwrap();
        one.close().await.unwrap();
        assert_eq!(count(&two, "t").await, 1);
        let clone = two.clone();
        two.close().await.unwrap();
        assert!(matches!(clone.begin().await, Err(Error::Closed)));
        assert!(matches!(clone.checkpoint().await, Err(Error::Closed)));
        assert!(matches!(clone.close().await, Err(Error::Closed)));
        assert_eq!(count(&open(&path).await.unwrap(), "t").await, 1);
    });
}

#[test]
fn a_file_that_another_process_holds_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        killed(&path, 1, 0).await;
        open(&path).await.unwrap().close().await.unwrap();
        let stock = rusqlite::Connection::open(&path).unwrap();
        stock.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (NULL, 7);").unwrap();
        let refused = open(&path).await;
        assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
        stock.execute_batch("COMMIT").unwrap();
        drop(stock);
        let db = open(&path).await.unwrap();
        assert_eq!(count(&db, "t").await, 2);
        let stock = rusqlite::Connection::open(&path).unwrap();
        assert!(stock.query_row("SELECT count(*) FROM t", [], |_| Ok(())).is_err());
        db.close().await.unwrap();
        assert!(stock.query_row("SELECT count(*) FROM t", [], |_| Ok(())).is_ok());
    });
}

#[test]
fn use_after_close_says_so_also_in_a_transaction() {
    block_on(async {
        let db = Database::open_in_memory(options()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE t (a)").await.unwrap();
        db.close().await.unwrap();
        assert!(matches!(tx.table("t"), Err(Error::Closed)));
        assert!(matches!(tx.commit().await, Err(Error::Closed)));
    });
}

#[test]
fn keys_and_records_over_the_limit_are_too_big() {
    block_on(async {
        let db = Database::open_in_memory(options()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE t (a)").await.unwrap();
        let huge = vec![0_u8; 1_100_000_000];
        let refused = tx.table("t").unwrap().insert((huge,)).await;
        assert!(matches!(refused, Err(Error::TooBig { .. })), "{refused:?}");
        tx.table("t").unwrap().insert((1,)).await.unwrap();
        tx.commit().await.unwrap();
    });
}

#[test]
fn a_full_disk_fails_the_checkpoint_and_nothing_else() {
    let sim = Simulation::new(1);
    let path = Path::new("/db/x.db");
    let options = Options { env: Some(sim.env()), ..options() };
    sim.block_on(async {
        let db = Database::open(path, options.clone()).await.unwrap();
        create(&db, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await;
        sim.inject(Fault::on(Operation::Write).path_suffix("-wal").os_error(28));
        let failed = db.checkpoint().await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::DiskFull, "{failed}");
        assert_eq!(db.metrics().checkpoint_failures, 1);
        db.transaction(|tx| Box::pin(async move { tx.table("t")?.insert((None::<i64>, 1)).await }))
            .await
            .unwrap();
        sim.clear_faults();
        db.checkpoint().await.unwrap();
        assert_eq!(count(&db, "t").await, 1);
        db.close().await.unwrap();
        let db = Database::open(path, options).await.unwrap();
        assert_eq!(count(&db, "t").await, 1);
        db.close().await.unwrap();
    });
}

#[test]
fn a_failed_sync_of_the_log_poisons_it_and_reopening_finds_what_was_acknowledged() {
    let sim = Simulation::new(2);
    let path = Path::new("/db/x.db");
    let options = Options { env: Some(sim.env()), ..options() };
    sim.block_on(async {
        let db = Database::open(path, options.clone()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await.unwrap();
        tx.table("t").unwrap().insert((None::<i64>, 1)).await.unwrap();
        tx.commit().await.unwrap();
        // A segment keeps the name by which it was made.
        for number in 0..4 {
            sim.inject(Fault::on_any().path_suffix(format!("-000000000{number}")).os_error(5));
        }
        let mut tx = db.begin().await.unwrap();
        tx.table("t").unwrap().insert((None::<i64>, 2)).await.unwrap();
        let failed = tx.commit().await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Poisoned, "{failed}");
        sim.clear_faults();
        let mut tx = db.begin().await.unwrap();
        assert!(tx.table("t").unwrap().get(RowId(1)).await.unwrap().is_some());
        drop(tx);
        assert!(db.close().await.is_err());
        let db = Database::open(path, options).await.unwrap();
        assert!(count(&db, "t").await >= 1);
        db.close().await.unwrap();
    });
}

#[test]
fn stock_takes_over_after_a_close() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        killed(&path, 3, 3).await;
        open(&path).await.unwrap().close().await.unwrap();
    });
    stock_check(&path);
    let stock = rusqlite::Connection::open(&path).unwrap();
    stock.execute("INSERT INTO t VALUES (NULL, 1)", []).unwrap();
    drop(stock);
    assert_eq!(stock_rows(&path, "SELECT count(*) FROM t"), ["7"]);
    block_on(async {
        let db = open(&path).await.unwrap();
        assert_eq!(count(&db, "t").await, 7);
    });
}
