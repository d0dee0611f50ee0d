//! Transactions larger than their budget: they commit through a file of their own, as a whole or not at all, wherever the power
//! goes; they are seen, merged and recovered like any other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

use std::collections::BTreeMap;
use std::path::Path;

use heddle_engine::{
    Database, Direction, Env, Error, ErrorKind, Options, Result, RowId, Transaction, TxOptions,
};
use heddle_io::{Fault, Operation, Simulation};

mod common;
use common::{block_on, create, stock_check, stock_rows};

const PATH: &str = "/db/x.db";

fn options(env: Env) -> Options {
    Options {
        env: Some(env),
        auto_checkpoint: false,
        page_size: 1024,
        transaction_bytes: 1 << 10,
        // Small segments, which a simulated disk is done with sooner.
        checkpoint_log_bytes: 128 << 10,
        ..Options::default()
    }
}

type Model = BTreeMap<i64, (i64, String)>;

async fn make_table(db: &Database) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, body TEXT)").await?;
    tx.create_index("CREATE UNIQUE INDEX by_n ON t (n)").await?;
    tx.commit().await?;
    Ok(())
}

fn body(id: i64, round: i64) -> String {
    format!("{id}/{round} ").repeat(1 + (id % 20) as usize)
}

/// Writes these rows in any order, and deletes every seventh of those that were there.
async fn change(tx: &mut Transaction, ids: std::ops::Range<i64>, round: i64) -> Result<()> {
    let mut table = tx.table("t")?;
    for id in ids {
        let id = (id * 7919) % 1_000_003;
        let row = (Some(id), id * 10 + round, body(id, round));
        if table.get(RowId(id)).await?.is_none() {
            table.insert(row).await?;
        } else if id % 7 == 0 {
            assert!(table.delete(RowId(id)).await?);
        } else {
            assert!(table.update(RowId(id), row).await?);
        }
    }
    Ok(())
}

/// The same, in the model.
fn change_model(model: &mut Model, ids: std::ops::Range<i64>, round: i64) {
    for id in ids {
        let id = (id * 7919) % 1_000_003;
        let row = (id * 10 + round, body(id, round));
        if id % 7 == 0 && model.contains_key(&id) {
            model.remove(&id);
        } else {
            model.insert(id, row);
        }
    }
}

/// All rows, both ways and by the index.
async fn read(tx: &mut Transaction) -> Result<Model> {
    let mut table = tx.table("t")?;
    let mut found = Model::new();
    let mut scan = table.scan(.., Direction::Ascending)?;
    while let Some(row) = scan.next().await? {
        found.insert(row.get("id")?, (row.get("n")?, row.get("body")?));
    }
    let mut backward = Vec::new();
    let mut scan = table.scan(.., Direction::Descending)?;
    while let Some(row) = scan.next().await? {
        backward.push(row.get::<i64>("id")?);
    }
    assert!(backward.iter().rev().eq(found.keys()), "backward as forward");
    let mut index = table.index("by_n")?;
    let mut by_index = Model::new();
    let mut scan = index.scan([0_i64; 0], Direction::Ascending)?;
    while let Some(row) = scan.next().await? {
        by_index.insert(row.get("id")?, (row.get("n")?, row.get("body")?));
    }
    assert_eq!(by_index.len(), found.len(), "by the index");
    assert!(by_index == found, "by the index");
    Ok(found)
}

async fn read_all(db: &Database) -> Result<Model> {
    read(&mut db.begin().await?).await
}

/// Waits until the files that went are gone for good.
async fn settle(env: &Env) {
    env.runtime.sleep(std::time::Duration::from_secs(1)).await;
    env.io.sync_dir("/db".as_ref()).await.unwrap();
}

fn run_files(sim: &Simulation) -> Vec<std::path::PathBuf> {
    let is_run = |path: &std::path::PathBuf| path.to_string_lossy().contains("-log-run-");
    sim.disk().files().into_iter().filter(is_run).collect()
}

#[test]
fn a_transaction_over_its_budget_is_seen_whole_merged_and_read_by_stock_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let mut model = Model::new();
    block_on(async {
        let options =
            Options { transaction_bytes: 16 << 10, auto_checkpoint: false, ..Options::default() };
        let db = Database::open(&path, options).await.unwrap();
        make_table(&db).await.unwrap();
        for round in 0..3 {
            let mut old = db.begin().await.unwrap();
            let before = model.clone();
            let mut tx = db.begin().await.unwrap();
            change(&mut tx, 0..2000, round).await.unwrap();
            change_model(&mut model, 0..2000, round);
            assert!(read(&mut tx).await.unwrap() == model, "its own writes");
            tx.commit().await.unwrap();
            assert!(read_all(&db).await.unwrap() == model, "a new snapshot");
            assert!(read(&mut old).await.unwrap() == before, "an old snapshot");
            if round == 1 {
                db.checkpoint().await.unwrap();
                assert_eq!(db.metrics().runs, 0);
                assert!(read(&mut old).await.unwrap() == before, "an old snapshot, after");
                assert!(read_all(&db).await.unwrap() == model, "after a checkpoint");
            }
        }
        let metrics = db.metrics();
        assert!(metrics.spilled_runs > 9 && metrics.runs == 1, "{metrics:?}");
        db.close().await.unwrap();
    });
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    stock_check(&path);
    let expected: Vec<String> = model.values().map(|(_, body)| body.clone()).collect();
    assert!(stock_rows(&path, "SELECT body FROM t ORDER BY id") == expected);
}

#[test]
fn runs_are_found_again_after_a_crash() {
    let sim = Simulation::new(1);
    let mut model = Model::new();
    let env = sim.env();
    sim.block_on(async {
        let db = Database::open(PATH, options(env)).await.unwrap();
        make_table(&db).await.unwrap();
        for round in 0..4 {
            let mut tx = db.begin().await.unwrap();
            change(&mut tx, round * 30..round * 30 + 100, round).await.unwrap();
            change_model(&mut model, round * 30..round * 30 + 100, round);
            tx.commit().await.unwrap();
            if round == 0 {
                db.checkpoint().await.unwrap();
            }
            // One in memory over the runs.
            let mut tx = db.begin().await.unwrap();
            change(&mut tx, 200 + round..202 + round, round).await.unwrap();
            change_model(&mut model, 200 + round..202 + round, round);
            tx.commit().await.unwrap();
        }
        assert_eq!(db.metrics().runs, 3);
    });
    let env = sim.restart();
    assert!(run_files(&sim).len() >= 3);
    sim.disk().write("/db/x.db-log-run-00000000000000aa", b"what a crash left");
    sim.block_on(async {
        let db = Database::open(PATH, options(env)).await.unwrap();
        assert_eq!((run_files(&sim).len(), db.metrics().runs), (3, 3));
        assert!(read_all(&db).await.unwrap() == model);
        db.vacuum().await.unwrap();
        assert!(read_all(&db).await.unwrap() == model, "vacuum takes the runs in");
        assert_eq!(db.metrics().runs, 0);
        db.close().await.unwrap();
    });
    assert_eq!(sim.disk().files(), [Path::new(PATH)]);
    let dir = tempfile::tempdir().unwrap();
    sim.disk().export("/db", dir.path()).unwrap();
    stock_check(&dir.path().join("x.db"));
}

/// One row, then many in one transaction; says when that is acknowledged.
async fn life(env: Env, acknowledged: &std::sync::atomic::AtomicBool) -> Result<()> {
    let own = Options { transaction_bytes: 600, ..options(env) };
    let db = Database::open(PATH, own).await?;
    make_table(&db).await?;
    let mut tx = db.begin().await?;
    let savepoint = tx.savepoint();
    change(&mut tx, 500..506, 9).await?;
    tx.rollback_to(savepoint)?;
    change(&mut tx, 0..16, 0).await?;
    tx.commit().await?;
    acknowledged.store(true, std::sync::atomic::Ordering::SeqCst);
    db.checkpoint().await?;
    db.close().await
}

#[test]
fn crash_a_large_commit_is_there_as_a_whole_or_not_at_all_and_no_file_stays() {
    let mut model = Model::new();
    change_model(&mut model, 0..16, 0);
    let mut at = 1;
    loop {
        let sim = Simulation::new(at);
        let acknowledged = std::sync::atomic::AtomicBool::new(false);
        sim.power_off_at(at);
        if let Some(ended) = sim.run(life(sim.env(), &acknowledged)) {
            ended.unwrap();
            assert!(at > 50, "a life has many operations, not {at}");
            break;
        }
        let env = sim.restart();
        sim.block_on(async {
            let db = Database::open(PATH, options(env)).await;
            let db = db.unwrap_or_else(|error| panic!("operation {at}: {error}"));
            let mut tx = db.begin().await.unwrap();
            let made = tx.table_names().contains(&"t".to_owned()) && {
                let mut table = tx.table("t").unwrap();
                table.index("by_n").is_ok()
            };
            let found = if made { read(&mut tx).await.unwrap() } else { Model::new() };
            let whole = found == model;
            let acknowledged = acknowledged.load(std::sync::atomic::Ordering::SeqCst);
            assert!(whole || (found.is_empty() && !acknowledged), "operation {at}: {found:?}");
            drop(tx);
            db.close().await.unwrap_or_else(|error| panic!("operation {at}: {error}"));
        });
        assert_eq!(sim.disk().files(), [Path::new(PATH)], "operation {at}");
        if at % 8 == 0 {
            let dir = tempfile::tempdir().unwrap();
            sim.disk().export("/db", dir.path()).unwrap();
            stock_check(&dir.path().join("x.db"));
        }
        at += 1;
    }
}

#[test]
fn corrupt_a_missing_or_damaged_run_is_told_with_its_file_and_commit_and_loses_nothing() {
    let sim = Simulation::new(3);
    let mut model = Model::new();
    change_model(&mut model, 0..100, 0);
    let env = sim.env();
    sim.block_on(async {
        let db = Database::open(PATH, options(env.clone())).await.unwrap();
        make_table(&db).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        change(&mut tx, 0..100, 0).await.unwrap();
        tx.commit().await.unwrap();
        settle(&env).await;
    });
    sim.restart();
    let [run] = &run_files(&sim)[..] else { panic!("one run") };
    let sound = sim.disk().read(run).unwrap();
    let mut rotten = sound.clone();
    let last = rotten.len() - 100;
    rotten[last] ^= 1;
    for damaged in [None, Some(rotten), Some(sound[..sound.len() / 2].to_vec())] {
        match damaged {
            None => sim.disk().remove(run),
            Some(bytes) => sim.disk().write(run, &bytes),
        }
        let env = sim.env();
        let opened = sim.block_on(async { Database::open(PATH, options(env)).await });
        let error = opened.expect_err("what is gone can't be read");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let said = error.to_string();
        let file = run.file_name().unwrap().to_string_lossy();
        assert!(said.contains(&*file) && said.contains("commit"), "{said}");
    }
    sim.disk().write(run, &sound);
    let env = sim.env();
    sim.block_on(async {
        let db = Database::open(PATH, options(env)).await.unwrap();
        assert!(read_all(&db).await.unwrap() == model);
        db.close().await.unwrap();
    });
}

#[test]
fn corrupt_a_damaged_block_fails_reads_and_checkpoints_and_the_log_is_kept() {
    let sim = Simulation::new(4);
    let env = sim.env();
    sim.block_on(async {
        let db = Database::open(PATH, options(env.clone())).await.unwrap();
        make_table(&db).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        change(&mut tx, 0..100, 0).await.unwrap();
        tx.commit().await.unwrap();
        settle(&env).await;
    });
    sim.restart();
    let [run] = &run_files(&sim)[..] else { panic!("one run") };
    sim.disk().flip_bit(run, 100, 3);
    let env = sim.env();
    sim.block_on(async {
        let db = Database::open(PATH, options(env)).await.unwrap();
        for failed in [read_all(&db).await.unwrap_err(), db.checkpoint().await.unwrap_err()] {
            assert!(matches!(&failed, Error::Corrupt { path, .. } if path == run), "{failed}");
        }
        assert!(db.close().await.is_err());
    });
    sim.disk().flip_bit(run, 100, 3);
    let env = sim.restart();
    sim.block_on(async {
        let db = Database::open(PATH, options(env)).await.unwrap();
        let mut model = Model::new();
        change_model(&mut model, 0..100, 0);
        assert!(read_all(&db).await.unwrap() == model);
    });
}

#[test]
fn a_full_disk_while_it_spills_is_that_transactions_error_alone() {
    let sim = Simulation::new(5);
    let env = sim.env();
    sim.block_on(async {
        let db = Database::open(PATH, options(env)).await.unwrap();
        make_table(&db).await.unwrap();
        sim.set_capacity(Some(0));
        let mut tx = db.begin().await.unwrap();
        let failed = change(&mut tx, 0..1000, 0).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::DiskFull, "{failed}");
        drop(tx);
        sim.set_capacity(None);
        sim.inject(Fault::on(Operation::Sync).path_suffix("").nth(1));
        let mut tx = db.begin().await.unwrap();
        let failed = change(&mut tx, 0..1000, 0).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Io, "{failed}");
        drop(tx);
        sim.clear_faults();
        let mut tx = db.begin().await.unwrap();
        change(&mut tx, 0..100, 1).await.unwrap();
        tx.commit().await.unwrap();
        db.close().await.unwrap();
    });
    assert_eq!(sim.disk().files(), [Path::new(PATH)]);
}

#[test]
fn an_index_is_built_and_a_large_transaction_retried_within_a_small_budget() {
    let sim = Simulation::new(6);
    let env = sim.env();
    sim.block_on(async {
        let db = Database::open(PATH, options(env)).await.unwrap();
        make_table(&db).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        change(&mut tx, 0..300, 0).await.unwrap();
        tx.create_index("CREATE INDEX by_body ON t (body)").await.unwrap();
        tx.commit().await.unwrap();
        create(&db, "CREATE INDEX by_both ON t (n, body)").await;
        assert_eq!(db.metrics().runs, 2);
        // Optimistic, over a row that a run wrote after the snapshot.
        let mut small = db.begin().await.unwrap();
        small.table("t").unwrap().set(RowId(7919), &[("body", &"mine")]).await.unwrap();
        let mut large = db.begin().await.unwrap();
        change(&mut large, 0..300, 5).await.unwrap();
        large.commit().await.unwrap();
        let failed = small.commit().await.unwrap_err();
        assert!(failed.is_conflict(), "{failed}");
        // And a large one over a row that a small one wrote.
        let mut large = db.begin().await.unwrap();
        change(&mut large, 0..300, 6).await.unwrap();
        let mut small = db.begin().await.unwrap();
        let changed = small.table("t").unwrap().set(RowId(7919), &[("body", &"mine")]).await;
        assert!(changed.unwrap());
        small.commit().await.unwrap();
        assert!(large.commit().await.unwrap_err().is_conflict());
        let tried = std::sync::atomic::AtomicU32::new(0);
        let tried = &tried;
        db.transaction(|tx| {
            Box::pin(async move {
                tried.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                change(tx, 0..300, 7).await
            })
        })
        .await
        .unwrap();
        assert_eq!(tried.load(std::sync::atomic::Ordering::SeqCst), 1);
        db.close().await.unwrap();
    });
    let dir = tempfile::tempdir().unwrap();
    sim.disk().export("/db", dir.path()).unwrap();
    stock_check(&dir.path().join("x.db"));
    let indexes = "SELECT count(*) FROM sqlite_schema WHERE type = 'index'";
    assert_eq!(stock_rows(&dir.path().join("x.db"), indexes), ["3"]);
}

#[test]
fn discarding_the_log_takes_its_runs_along() {
    let sim = Simulation::new(7);
    let env = sim.env();
    sim.block_on(async {
        let db = Database::open(PATH, options(env.clone())).await.unwrap();
        make_table(&db).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        change(&mut tx, 0..100, 0).await.unwrap();
        tx.commit().await.unwrap();
        settle(&env).await;
    });
    let env = sim.restart();
    assert_eq!(run_files(&sim).len(), 1);
    sim.block_on(async { Database::discard_log(PATH, &env).await }).unwrap();
    assert!(run_files(&sim).is_empty());
}

#[test]
fn a_run_is_merged_by_itself_soon_after_its_commit() {
    let sim = Simulation::new(8);
    let env = sim.env();
    sim.block_on(async {
        let own =
            Options { auto_checkpoint: true, transaction_bytes: 64 << 20, ..options(env.clone()) };
        let db = Database::open(PATH, own).await.unwrap();
        make_table(&db).await.unwrap();
        let small = TxOptions { transaction_bytes: Some(1 << 10), ..TxOptions::default() };
        let mut tx = db.begin_with(small).await.unwrap();
        change(&mut tx, 0..100, 0).await.unwrap();
        tx.commit().await.unwrap();
        env.runtime.sleep(std::time::Duration::from_secs(1)).await;
        let metrics = db.metrics();
        assert!(metrics.spilled_runs > 0 && metrics.runs == 0, "{metrics:?}");
        assert!(run_files(&sim).is_empty());
    });
}

/// Writes, savepoints, other writers, checkpoints, crashes at rest, against a map.
#[test]
fn large_transactions_do_to_a_table_what_they_do_to_a_map() {
    for seed in 0..4 {
        let sim = Simulation::new(seed);
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut model = Model::new();
        let env = sim.env();
        sim.block_on(async {
            let db = Database::open(PATH, options(env)).await.unwrap();
            make_table(&db).await.unwrap();
        });
        for _life in 0..3 {
            let env = sim.restart();
            sim.block_on(async {
                let db = Database::open(PATH, options(env)).await.unwrap();
                assert!(read_all(&db).await.unwrap() == model, "seed {seed}: after a crash");
                for _ in 0..4 {
                    transaction(&db, &mut model, &mut rng).await;
                    if rng.u32(..4) == 0 {
                        db.checkpoint().await.unwrap();
                    }
                    assert!(read_all(&db).await.unwrap() == model, "seed {seed}");
                }
            });
        }
    }
}

async fn transaction(db: &Database, model: &mut Model, rng: &mut fastrand::Rng) {
    let mut tx = db.begin().await.unwrap();
    let mut own = model.clone();
    let mut marks = Vec::new();
    for round in 0..rng.i64(1..8) {
        match rng.u32(..5) {
            0 => marks.push((tx.savepoint(), own.clone())),
            1 if !marks.is_empty() => {
                let at = rng.usize(..marks.len());
                marks.truncate(at + 1);
                let (mark, saved) = &marks[at];
                tx.rollback_to(*mark).unwrap();
                own.clone_from(saved);
            }
            2 if !marks.is_empty() => {
                let at = rng.usize(..marks.len());
                let (mark, _) = marks.drain(at..).next().unwrap();
                tx.release(mark).unwrap();
            }
            _ => {
                let from = rng.i64(0..100);
                let ids = from..from + rng.i64(1..60);
                change(&mut tx, ids.clone(), round).await.unwrap();
                change_model(&mut own, ids, round);
            }
        }
        assert!(read(&mut tx).await.unwrap() == own, "its own writes");
    }
    if rng.u32(..4) > 0 {
        tx.commit().await.unwrap();
        *model = own;
    }
}
