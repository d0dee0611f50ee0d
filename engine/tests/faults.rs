//! A disk that fails, is slow, or loses power while a file is made: who notices, who waits, and that calling again helps.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails panics, and a test may start threads"
)]

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use heddle_engine::{Database, Direction, Env, Error, ErrorKind, Options, Result, RowId};
use heddle_io::{Fault, Simulation};

mod common;
use common::{create, stock_check, stock_rows};

const PATH: &str = "/db/x.db";

fn options(env: Env) -> Options {
    Options {
        env: Some(env),
        auto_checkpoint: false,
        page_size: 512,
        checkpoint_log_bytes: 128 << 10,
        ..Options::default()
    }
}

async fn with_table(env: Env) -> Result<Database> {
    let db = Database::open(PATH, options(env)).await?;
    let mut tx = db.begin().await?;
    tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)").await?;
    tx.commit().await?;
    Ok(db)
}

async fn count(db: &Database) -> usize {
    let mut tx = db.snapshot().await.unwrap();
    let mut table = tx.table("t").unwrap();
    let mut scan = table.scan(.., Direction::Ascending).unwrap();
    let mut rows = 0;
    while scan.next().await.unwrap().is_some() {
        rows += 1;
    }
    rows
}

/// The file as the disk has it, in a directory of the system.
fn exported(sim: &Simulation) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    sim.disk().export("/db", dir.path()).unwrap();
    dir
}

#[test]
fn a_checkpoint_that_failed_succeeds_when_it_is_called_again() {
    for (suffix, error) in [("x.db-wal", 28), ("x.db-wal", 5), ("x.db", 28), ("x.db", 5)] {
        for nth in 1.. {
            let label = format!("operation {nth} on {suffix} fails with {error}");
            let sim = Simulation::new(nth);
            let fired = sim.block_on(async {
                let db = with_table(sim.env()).await.unwrap();
                for i in 0..20_i64 {
                    db.insert("t", (None::<i64>, format!("{i:200}"))).await.unwrap();
                }
                sim.inject(Fault::on_any().path_suffix(suffix).nth(nth).os_error(error));
                let failed = db.checkpoint().await;
                let fired = sim.faults_fired() > 0;
                sim.clear_faults();
                assert_eq!(count(&db).await, 20, "{label}");
                db.insert("t", (None::<i64>, "after")).await.unwrap();
                let again = db.checkpoint().await;
                match (failed, &again) {
                    (_, Ok(_)) => {}
                    // After a sync that failed nobody knows what is on disk: only opening the file helps.
                    (Err(_), Err(Error::Poisoned { .. })) => {}
                    other => panic!("{label}: {other:?}"),
                }
                assert_eq!(count(&db).await, 21, "{label}");
                let closed = db.close().await;
                assert_eq!(closed.is_ok(), again.is_ok(), "{label}: {closed:?}");
                let db = Database::open(PATH, options(sim.env())).await.unwrap();
                assert_eq!(count(&db).await, 21, "{label}");
                db.close().await.unwrap();
                fired
            });
            let dir = exported(&sim);
            stock_check(&dir.path().join("x.db"));
            if !fired {
                assert!(nth > 3, "a checkpoint does more to {suffix} than {nth} operations");
                break;
            }
        }
    }
}

/// Whether some operation failed, and whether the close did.
async fn closed_after_failures(sim: &Simulation, part: &str, nth: u64) -> (bool, bool) {
    let db = with_table(sim.env()).await.unwrap();
    db.insert("t", (None::<i64>, "kept")).await.unwrap();
    db.close().await.unwrap();
    // Nothing comes before what fails, so that the checkpoint of the close finds nothing to do.
    let db = Database::open(PATH, options(sim.env())).await.unwrap();
    sim.inject(Fault::on_any().path_part(part).from(nth).os_error(5));
    for _ in 0..2 {
        let _ = db.insert("t", (None::<i64>, "lost or not")).await;
        // For the next segment to be prepared.
        sim.env().runtime.sleep(Duration::from_millis(50)).await;
    }
    let fired = sim.faults_fired() > 0;
    sim.clear_faults();
    (fired, db.close().await.is_err())
}

#[test]
fn a_close_that_fails_leaves_the_file_fenced_while_the_log_may_hold_a_commit() {
    const WRITE_VERSION: usize = 18;
    for part in ["-log", "-log-new"] {
        let mut unclosed = 0;
        for nth in 1.. {
            let sim = Simulation::new(nth);
            let (fired, open) = sim.block_on(closed_after_failures(&sim, part, nth));
            let file = sim.disk().read(Path::new(PATH)).unwrap();
            assert_eq!(file[WRITE_VERSION] == 3, open, "{part}, {nth}");
            unclosed += usize::from(open);
            sim.block_on(async {
                let db = Database::open(PATH, options(sim.env())).await.unwrap();
                assert!((1..=3).contains(&count(&db).await), "{part}, {nth}");
                db.close().await.unwrap();
            });
            if !fired {
                assert!(unclosed > 0, "no failure lay after the log had begun");
                break;
            }
        }
    }
}

#[test]
fn a_creation_that_was_interrupted_is_begun_anew() {
    let mut lengths = std::collections::BTreeSet::new();
    for at in 1.. {
        let sim = Simulation::new(at);
        sim.power_off_at(at);
        let ended = sim.run(with_table(sim.env()));
        sim.restart();
        let found = sim.disk().read(Path::new(PATH));
        lengths.insert(found.as_ref().map(Vec::len));
        let blank = found.is_none_or(|file| file.iter().all(|byte| *byte == 0));
        if ended.is_some() {
            break;
        }
        sim.block_on(async {
            let db = Database::open(PATH, options(sim.env())).await.unwrap();
            let mut tx = db.begin().await.unwrap();
            assert!(!blank || tx.table_names().is_empty());
            let sql = "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, body TEXT)";
            tx.create_table(sql).await.unwrap();
            tx.commit().await.unwrap();
            db.insert("t", (None::<i64>, "x")).await.unwrap();
            db.close().await.unwrap();
        });
        let dir = exported(&sim);
        stock_check(&dir.path().join("x.db"));
        assert_eq!(stock_rows(&dir.path().join("x.db"), "SELECT body FROM t"), ["x"]);
    }
    for length in [None, Some(0), Some(512)] {
        assert!(lengths.contains(&length), "no crash left {length:?} bytes: {lengths:?}");
    }
}

#[test]
fn a_creation_whose_first_page_was_half_written_is_begun_anew() {
    for page_size in [512, 4096, 65_536] {
        let whole = {
            let sim = Simulation::new(1);
            sim.block_on(async {
                let options = Options { page_size, ..options(sim.env()) };
                Database::open(PATH, options).await.unwrap().close().await.unwrap();
            });
            sim.disk().read(PATH).unwrap()
        };
        for written in [0, 1, 15, 16, 17, 18, 40, 99, 100, 101, 105, whole.len()] {
            for grown in [false, true] {
                let sim = Simulation::new(2);
                let mut file = whole[..written].to_vec();
                file.resize(if grown { whole.len() } else { written }, 0);
                sim.disk().write(PATH, &file);
                sim.block_on(async {
                    let options = Options { page_size, ..options(sim.env()) };
                    let opened = Database::open(PATH, options).await;
                    let db =
                        opened.unwrap_or_else(|error| panic!("{page_size}, {written}: {error}"));
                    create(&db, "CREATE TABLE t (n INT)").await;
                    db.close().await.unwrap();
                });
                stock_check(&exported(&sim).path().join("x.db"));
            }
        }
    }
}

#[test]
fn while_the_disk_stalls_committers_wait_and_readers_do_not() {
    let sim = Simulation::new(1);
    let env = sim.env();
    let stall = Duration::from_secs(30);
    sim.block_on(async {
        let db = with_table(env.clone()).await.unwrap();
        db.insert("t", (None::<i64>, "a")).await.unwrap();
        assert_eq!(count(&db).await, 1);
        sim.set_delays(stall, stall);
        let started = env.runtime.now();
        let passed = || env.runtime.now() - started;
        let other = db.clone();
        let mut insert = pin!(other.insert("t", (None::<i64>, "b")));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(insert.as_mut().poll(&mut cx).is_pending());
        // Plain reads are at what is acknowledged.
        assert_eq!(count(&db).await, 1);
        // A transaction sees what is on its way, and is itself confirmed only once that is on disk.
        let mut tx = db.begin().await.unwrap();
        assert!(tx.table("t").unwrap().get(RowId(2)).await.unwrap().is_some());
        assert_eq!(passed(), Duration::ZERO, "a reader waited");
        tx.commit().await.unwrap();
        assert!(passed() >= stall, "confirmed after {:?}", passed());
        insert.await.unwrap();
        assert_eq!(count(&db).await, 2);
        sim.set_delays(Duration::ZERO, Duration::from_micros(100));
        db.close().await.unwrap();
    });
}

#[test]
fn while_a_checkpoint_stalls_those_who_begin_are_told_that_memory_is_full() {
    let sim = Simulation::new(2);
    let env = sim.env();
    sim.block_on(async {
        let options = Options {
            auto_checkpoint: true,
            memory_bytes: 256 << 10,
            busy_timeout: Duration::from_secs(5),
            ..options(env.clone())
        };
        let db = Database::open(PATH, options).await.unwrap();
        create(&db, "CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)").await;
        let mut tx = db.begin().await.unwrap();
        let mut table = tx.table("t").unwrap();
        for _ in 0..1500 {
            table.insert((None::<i64>, "x".repeat(1000))).await.unwrap();
        }
        tx.commit().await.unwrap();
        sim.set_delays(Duration::from_secs(60), Duration::from_secs(60));
        // The checkpoint, which memory calls for, has begun.
        let started = env.runtime.now();
        let refused = loop {
            match db.begin().await {
                Ok(tx) => drop(tx),
                Err(error) => break error,
            }
            assert!(env.runtime.now() - started < Duration::from_secs(600), "nobody is refused");
            env.runtime.sleep(Duration::from_millis(10)).await;
        };
        assert_eq!(refused.kind(), ErrorKind::Busy, "{refused}");
        let Error::Busy { waited, .. } = refused else { panic!("{refused}") };
        assert!(waited >= Duration::from_secs(5), "{waited:?}");
        // Readers hold nothing up and are not held up.
        let before = env.runtime.now();
        assert_eq!(count(&db).await, 1500);
        assert_eq!(env.runtime.now(), before);
        sim.set_delays(Duration::ZERO, Duration::from_micros(100));
        // Once the disk goes on, so does everybody.
        loop {
            match db.insert("t", (None::<i64>, "after")).await {
                Ok(_) => break,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error}"),
            }
        }
        db.close().await.unwrap();
    });
    let dir = exported(&sim);
    stock_check(&dir.path().join("x.db"));
    assert_eq!(stock_rows(&dir.path().join("x.db"), "SELECT count(*) FROM t"), ["1501"]);
}

#[test]
fn a_damaged_wal_that_the_file_still_needs_is_noticed() {
    // In the header, in the first frame.
    for offset in [5, 100] {
        let sim = Simulation::new(7);
        sim.block_on(async {
            let db = with_table(sim.env()).await.unwrap();
            db.insert("t", (None::<i64>, "in -wal alone")).await.unwrap();
            let mut steps = db.checkpoint_steps().await.unwrap().unwrap();
            // From here on the log needs the commits no more, and the file does not have them yet.
            while steps.step().await.unwrap().is_some_and(|next| next != "pages") {}
        });
        sim.crash();
        let wal = Path::new("/db/x.db-wal");
        assert!(sim.disk().flip_bit(wal, offset, 3));
        let error = sim.block_on(async { Database::open(PATH, options(sim.env())).await.err() });
        let error =
            error.unwrap_or_else(|| panic!("with byte {offset} the state was taken for whole"));
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
}

#[test]
fn a_log_that_a_failed_close_left_without_records_begins_anew() {
    for nth in 1.. {
        let sim = Simulation::new(nth);
        sim.block_on(async {
            let db = with_table(sim.env()).await.unwrap();
            db.insert("t", (None::<i64>, "kept")).await.unwrap();
            db.checkpoint().await.unwrap();
        });
        sim.crash();
        // Taken over twice, the log ends with a segment that holds a seal and nothing else.
        drop(sim.block_on(Database::open(PATH, options(sim.env()))).unwrap());
        sim.crash();
        let closed = sim.block_on(async {
            let db = Database::open(PATH, options(sim.env())).await.unwrap();
            let remove = Fault::on(heddle_io::Operation::Remove);
            sim.inject(remove.path_part("-log-0").from(nth).os_error(5));
            db.close().await
        });
        let fired = sim.faults_fired() > 0;
        assert_eq!(closed.is_err(), fired, "{nth}: {closed:?}");
        sim.clear_faults();
        sim.crash();
        sim.block_on(async {
            let db = Database::open(PATH, options(sim.env())).await.unwrap();
            db.insert("t", (None::<i64>, "after")).await.unwrap();
        });
        sim.crash();
        sim.block_on(async {
            let db = Database::open(PATH, options(sim.env())).await.unwrap();
            assert_eq!(count(&db).await, 2, "{nth}");
            db.close().await.unwrap();
        });
        if !fired {
            assert!(nth > 2, "a close removes several files");
            break;
        }
    }
}
