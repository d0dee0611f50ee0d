//! The power goes at each operation of the disk in turn, while rows are committed and checkpointed: what was
//! acknowledged is there after recovery, what was not is there as a whole or not at all, and stock SQLite finds the file sound.
//!
//! The disk of the simulator keeps synced writes; of the others it keeps, tears or loses what it likes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails panics, and a test may start threads"
)]

use std::collections::BTreeMap;
use std::path::Path;

use heddle_engine::{Database, Direction, Env, Options, Result, RowId};
use heddle_io::Simulation;

mod common;
use common::stock_check;

const PATH: &str = "/db/x.db";

fn options(env: Env) -> Options {
    Options {
        env: Some(env),
        auto_checkpoint: false,
        page_size: 1024,
        // Small segments, so that the log goes from one to the next.
        checkpoint_log_bytes: 128 << 10,
        ..Options::default()
    }
}

/// What must be in the table, and what may be.
#[derive(Debug, Clone, Default)]
struct Model {
    acknowledged: BTreeMap<i64, i64>,
    /// The next state, while its commit is on its way.
    pending: Option<BTreeMap<i64, i64>>,
}

async fn rows(db: &Database) -> Result<BTreeMap<i64, i64>> {
    let mut tx = db.begin().await?;
    let mut found = BTreeMap::new();
    if !tx.table_names().contains(&"t".to_owned()) {
        return Ok(found);
    }
    let mut table = tx.table("t")?;
    let mut scan = table.scan(.., Direction::Ascending)?;
    while let Some(row) = scan.next().await? {
        found.insert(row.get("id")?, row.get("n")?);
    }
    Ok(found)
}

/// Every row is found by the index too, and nothing else.
async fn check_index(db: &Database, model: &BTreeMap<i64, i64>) -> Result<()> {
    let mut tx = db.begin().await?;
    let Ok(mut table) = tx.table("t") else { return Ok(()) };
    let Ok(mut index) = table.index("by_n") else { return Ok(()) };
    let mut scan = index.scan([0_i64; 0], Direction::Ascending)?;
    let mut found = BTreeMap::new();
    while let Some(row) = scan.next().await? {
        found.insert(row.get("id")?, row.get("n")?);
    }
    assert_eq!(found, *model, "the index");
    Ok(())
}

/// A life of the database: everything that a crash may interrupt.
async fn life(env: Env, model: &std::sync::Mutex<Model>, rounds: i64) -> Result<()> {
    let db = Database::open(PATH, options(env)).await?;
    let mut tx = db.begin().await?;
    if !tx.table_names().contains(&"t".to_owned()) {
        tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, body TEXT)").await?;
        tx.create_index("CREATE INDEX by_n ON t (n)").await?;
    }
    tx.commit().await?;
    for round in 0..rounds {
        let before = model.lock().unwrap().acknowledged.clone();
        let mut next = before.clone();
        let mut tx = db.begin().await?;
        let mut table = tx.table("t")?;
        let body = "x".repeat(if round % 3 == 0 { 1500 } else { 40 });
        for i in 0..4 {
            let id = table.insert((None::<i64>, round * 10 + i, body.as_str())).await?;
            next.insert(id.0, round * 10 + i);
        }
        if let Some((&first, _)) = before.iter().next() {
            table.delete(RowId(first)).await?;
            next.remove(&first);
        }
        if let Some((&last, &n)) = before.iter().next_back() {
            table.set(RowId(last), &[("n", &(n + 1000))]).await?;
            next.insert(last, n + 1000);
        }
        model.lock().unwrap().pending = Some(next.clone());
        tx.commit().await?;
        {
            let mut model = model.lock().unwrap();
            model.acknowledged = next;
            model.pending = None;
        }
        if round % 2 == 1 {
            db.checkpoint().await?;
        }
    }
    db.close().await
}

/// After a crash: stock may look first; then the database opens, and has what it must have.
fn survivors(sim: &Simulation, model: &std::sync::Mutex<Model>, label: &str) {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("x.db");
    // What stock sees by itself: some earlier state, sound.
    let disk = sim.disk();
    let exported = disk.export("/db", dir.path()).is_ok() && image.exists();
    // An interrupted creation leaves zeros, which we take for a new database, and stock for none.
    if exported && std::fs::read(&image).unwrap().iter().any(|&byte| byte != 0) {
        stock_check_lenient(&image, label);
    }
    let env = sim.env();
    let found = sim.block_on(async {
        let db =
            Database::open(PATH, options(env)).await.unwrap_or_else(|e| panic!("{label}: {e}"));
        let found = rows(&db).await.unwrap();
        check_index(&db, &found).await.unwrap();
        db.checkpoint().await.unwrap_or_else(|e| panic!("{label}: {e}"));
        let again = rows(&db).await.unwrap();
        assert_eq!(found, again, "{label}: a checkpoint changes nothing");
        db.close().await.unwrap_or_else(|e| panic!("{label}: {e}"));
        found
    });
    let mut model = model.lock().unwrap();
    let fits = found == model.acknowledged || Some(&found) == model.pending.as_ref();
    assert!(fits, "{label}: found {found:?}, of {model:?}");
    model.acknowledged = found;
    model.pending = None;
    let dir = tempfile::tempdir().unwrap();
    sim.disk().export("/db", dir.path()).unwrap();
    stock_check(&dir.path().join("x.db"));
    let left: Vec<_> = sim.disk().files();
    assert_eq!(left, [Path::new(PATH)], "{label}: only the database is left");
}

/// Stock SQLite finds the file sound as it lies there, read-only or not.
fn stock_check_lenient(path: &Path, label: &str) {
    let stock = rusqlite::Connection::open(path).unwrap();
    let verdict: String = stock.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok", "{label}");
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_goes() {
    let seeds = std::env::var("HEDDLE_SEEDS").ok().and_then(|v| v.parse().ok()).unwrap_or(2);
    for seed in 0..seeds {
        let mut at = 1;
        loop {
            let sim = Simulation::new(seed * 1_000_003 + at);
            let model = std::sync::Mutex::new(Model::default());
            sim.power_off_at(at);
            let ended = sim.run(life(sim.env(), &model, 4));
            if let Some(outcome) = ended {
                outcome.unwrap();
                assert!(at > 50, "a life has many operations, not {at}");
                break;
            }
            sim.restart();
            survivors(&sim, &model, &format!("seed {seed}, power off at {at}"));
            at += 1;
        }
    }
}

#[test]
fn recovery_itself_may_be_interrupted_again_and_again() {
    for seed in 0..30 {
        let sim = Simulation::new(seed);
        let model = std::sync::Mutex::new(Model::default());
        for life_number in 0..4_u64 {
            sim.power_off_at(20 + (seed * 7 + life_number * 31) % 150);
            let _ = sim.run(life(sim.env(), &model, 3));
            sim.restart();
            // What was pending may be there or not; a life that goes on has looked.
            let env = sim.env();
            let known = sim.block_on(async {
                let db = Database::open(PATH, options(env)).await.unwrap();
                rows(&db).await.unwrap()
            });
            sim.restart();
            let mut model = model.lock().unwrap();
            let fits = known == model.acknowledged || Some(&known) == model.pending.as_ref();
            assert!(fits, "seed {seed}, life {life_number}: {known:?} of {model:?}");
            model.acknowledged = known;
            model.pending = None;
        }
        survivors(&sim, &model, &format!("seed {seed}"));
    }
}

#[test]
fn tables_that_were_empty_at_a_crash_are_not_mixed_up_with_later_ones() {
    let sim = Simulation::new(1);
    let env = sim.env();
    sim.block_on(async {
        let db = Database::open(PATH, options(env)).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE a (id INTEGER PRIMARY KEY, n INT)").await.unwrap();
        tx.create_table("CREATE TABLE b (key TEXT PRIMARY KEY) WITHOUT ROWID").await.unwrap();
        tx.commit().await.unwrap();
    });
    let env = sim.restart();
    sim.block_on(async {
        let db = Database::open(PATH, options(env)).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE c (id INTEGER PRIMARY KEY, n INT)").await.unwrap();
        tx.table("c").unwrap().insert((None::<i64>, 1)).await.unwrap();
        tx.table("b").unwrap().insert(("x",)).await.unwrap();
        tx.commit().await.unwrap();
        db.close().await.unwrap();
    });
    let dir = tempfile::tempdir().unwrap();
    sim.disk().export("/db", dir.path()).unwrap();
    stock_check(&dir.path().join("x.db"));
}

#[test]
fn a_check_knows_the_trees_of_a_table_that_was_dropped_since_the_last_checkpoint() {
    let sim = Simulation::new(2);
    let env = sim.env();
    sim.block_on(async {
        let db = Database::open(PATH, options(env)).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE a (id INTEGER PRIMARY KEY, n INT UNIQUE)").await.unwrap();
        tx.commit().await.unwrap();
        db.checkpoint().await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.drop_table("a").await.unwrap();
        tx.commit().await.unwrap();
    });
    let env = sim.restart();
    sim.block_on(async {
        let db = Database::open(PATH, options(env)).await.unwrap();
        assert_eq!(db.check().await.unwrap(), [""; 0]);
        db.close().await.unwrap();
    });
}
