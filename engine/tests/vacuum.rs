//! VACUUM and incremental vacuum: what stock SQLite says of the file, beside writers, and wherever the power goes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails panics, and a test may start threads"
)]

use std::collections::BTreeMap;
use std::path::Path;

use heddle_engine::{
    AutoVacuum, Database, Direction, Env, Error, ErrorKind, Options, Result, RowId,
};
use heddle_io::Simulation;

mod common;
use common::{block_on, stock_check, stock_rows};

fn options() -> Options {
    Options { auto_checkpoint: false, page_size: 1024, ..Options::default() }
}

/// Everything in the file, as stock reads it, rowids included.
fn contents(path: &Path) -> Vec<Vec<String>> {
    let tables =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name";
    let mut all =
        vec![stock_rows(path, "SELECT type || name || coalesce(sql, '') FROM sqlite_schema")];
    for table in stock_rows(path, tables) {
        let columns = stock_rows(path, &format!("SELECT name FROM pragma_table_info('{table}')"));
        let columns: Vec<String> =
            columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
        let rowid = match stock_rows(path, &format!("SELECT wr FROM pragma_table_list('{table}')"))
            [0]
        .as_str()
        {
            "1" => "",
            _ => "rowid || ' ' || ",
        };
        let sql =
            format!("SELECT {rowid}{} FROM \"{table}\" ORDER BY 1", columns.join(" || ' ' || "));
        all.push(stock_rows(path, &sql));
    }
    all
}

fn free_pages(path: &Path) -> String {
    stock_rows(path, "PRAGMA freelist_count").remove(0)
}

/// A file with every kind of tree, also those that are not understood here, and with holes.
fn with_holes(path: &Path, auto_vacuum: &str) {
    let stock = rusqlite::Connection::open(path).unwrap();
    stock
        .execute_batch(&format!(
            "PRAGMA page_size = 1024; PRAGMA auto_vacuum = {auto_vacuum}; PRAGMA user_version = 17;
             CREATE TABLE plain (a, b TEXT);
             CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT UNIQUE);
             CREATE TABLE bare (k TEXT COLLATE NOCASE, n INT, v, PRIMARY KEY (k, n DESC)) WITHOUT ROWID;
             CREATE TABLE gone (x);
             CREATE INDEX lower_b ON plain (lower(b) DESC);
             CREATE INDEX some ON plain (a) WHERE a > 10;
             CREATE INDEX both ON plain (b, a DESC);
             CREATE TABLE counted (n INT, doubled INT GENERATED ALWAYS AS (n * 2) STORED);
             CREATE VIEW seen AS SELECT a FROM plain;
             CREATE TRIGGER t AFTER INSERT ON counted BEGIN DELETE FROM counted WHERE n < 0; END;
             CREATE VIRTUAL TABLE words USING fts5 (body);
             WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 2000)
             INSERT INTO plain SELECT n, 'Text ' || (n * 7919 % 2000) || hex(zeroblob(n % 50 * 20)) FROM i;
             INSERT INTO auto (v) SELECT b FROM plain;
             INSERT INTO bare SELECT 'k' || (a % 100), a, b FROM plain;
             INSERT INTO gone SELECT b FROM plain;
             INSERT INTO counted (n) SELECT a FROM plain;
             INSERT INTO words SELECT b FROM plain WHERE a < 200;
             DELETE FROM plain WHERE a % 3 = 0;
             DELETE FROM auto WHERE id % 2 = 0;
             DELETE FROM bare WHERE n % 5 <> 0;
             DROP TABLE gone;
             ANALYZE;"
        ))
        .unwrap();
}

#[test]
fn a_vacuumed_file_has_no_free_pages_and_the_same_contents() {
    for auto_vacuum in ["NONE", "FULL", "INCREMENTAL"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        with_holes(&path, auto_vacuum);
        let (before, long) = (contents(&path), std::fs::metadata(&path).unwrap().len());
        let by_stock = dir.path().join("stock.db");
        std::fs::copy(&path, &by_stock).unwrap();
        rusqlite::Connection::open(&by_stock).unwrap().execute_batch("VACUUM").unwrap();
        let shortest = std::fs::metadata(&by_stock).unwrap().len();
        block_on(async {
            let db = Database::open(&path, options()).await.unwrap();
            // Nothing was committed since it was opened.
            let report = db.vacuum().await.unwrap();
            assert!(report.pages_freed > 0 || auto_vacuum == "FULL", "{report:?}");
            assert_eq!(db.check().await.unwrap(), [""; 0]);
            db.close().await.unwrap();
        });
        stock_check(&path);
        assert_eq!(free_pages(&path), "0", "{auto_vacuum}");
        assert_eq!(contents(&path), before, "{auto_vacuum}");
        assert_eq!(stock_rows(&path, "PRAGMA user_version"), ["17"]);
        let short = std::fs::metadata(&path).unwrap().len();
        assert!(short < long, "{auto_vacuum}: {short} of {long}");
        assert!(short <= shortest + shortest / 20, "{auto_vacuum}: {short}, by stock {shortest}");
        // And all of it can be used, here and there.
        block_on(async {
            let db = Database::open(&path, options()).await.unwrap();
            let mut tx = db.begin().await.unwrap();
            tx.table("auto").unwrap().insert((None::<i64>, "new")).await.unwrap();
            tx.table("bare").unwrap().insert(("K7", 1, "new")).await.unwrap();
            tx.drop_table("counted").await.unwrap();
            tx.commit().await.unwrap();
            db.close().await.unwrap();
        });
        let stock = rusqlite::Connection::open(&path).unwrap();
        stock
            .execute_batch("INSERT INTO plain VALUES (1, 'x'); INSERT INTO words VALUES ('y')")
            .unwrap();
        drop(stock);
        stock_check(&path);
        assert_eq!(stock_rows(&path, "SELECT max(id) FROM auto"), ["2001"]);
    }
}

#[test]
fn readers_and_writers_go_on_between_any_two_steps_of_a_vacuum() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        let db = Database::open(&path, options()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)").await.unwrap();
        tx.create_index("CREATE UNIQUE INDEX by_body ON t (body)").await.unwrap();
        let mut table = tx.table("t").unwrap();
        for i in 0..1000 {
            table.insert((None::<i64>, format!("row {i} {:50}", ""))).await.unwrap();
        }
        tx.commit().await.unwrap();
        db.checkpoint().await.unwrap();
        // Changes that the file does not hold: rows, and a table made and one dropped.
        let mut tx = db.begin().await.unwrap();
        let mut table = tx.table("t").unwrap();
        for i in (1..=1000).step_by(2) {
            table.delete(RowId(i)).await.unwrap();
        }
        table.insert((5000, "late")).await.unwrap();
        table.set(RowId(2), &[("body", &"changed")]).await.unwrap();
        tx.create_table("CREATE TABLE u (a TEXT PRIMARY KEY) WITHOUT ROWID").await.unwrap();
        tx.commit().await.unwrap();
        let mut old = db.snapshot().await.unwrap();
        let mut steps = db.vacuum_steps().await.unwrap().unwrap();
        let mut count = 0;
        loop {
            let mut tx = db.begin().await.unwrap();
            tx.table("u").unwrap().insert((format!("step {count}"),)).await.unwrap();
            tx.table("t").unwrap().insert((None::<i64>, format!("step {count}"))).await.unwrap();
            tx.commit().await.unwrap();
            let mut tx = db.begin().await.unwrap();
            assert!(tx.table("t").unwrap().get(RowId(5000)).await.unwrap().is_some());
            let mut table = tx.table("t").unwrap();
            let mut index = table.index("by_body").unwrap();
            assert!(index.get(("changed",)).await.unwrap().is_some());
            // As it was, whatever was written since.
            let mut table = old.table("t").unwrap();
            let mut scan = table.scan(.., Direction::Ascending).unwrap();
            let mut rows = 0;
            while let Some(row) = scan.next().await.unwrap() {
                assert!(row.get::<String>("body").is_ok());
                rows += 1;
            }
            assert_eq!(rows, 501);
            count += 1;
            if steps.step().await.unwrap().is_none() {
                break;
            }
        }
        assert!(steps.report().pages_freed > 0);
        drop((steps, old));
        db.close().await.unwrap();
    });
    stock_check(&path);
    assert_eq!(stock_rows(&path, "SELECT count(*) FROM t"), ["511"]);
    assert_eq!(stock_rows(&path, "SELECT count(*) FROM u"), ["10"]);
}

#[test]
fn incremental_vacuum_gives_back_as_many_pages_as_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let options = || Options { auto_vacuum: AutoVacuum::Incremental, ..options() };
    block_on(async {
        let db = Database::open(&path, options()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)").await.unwrap();
        let mut table = tx.table("t").unwrap();
        for i in 0..1000 {
            table.insert((None::<i64>, format!("row {i} {:90}", ""))).await.unwrap();
        }
        tx.commit().await.unwrap();
        db.checkpoint().await.unwrap();
        let mut tx = db.begin().await.unwrap();
        for i in 1..=900 {
            tx.table("t").unwrap().delete(RowId(i)).await.unwrap();
        }
        tx.commit().await.unwrap();
        assert_eq!(db.checkpoint().await.unwrap().pages_freed, 0);
        assert_eq!(db.incremental_vacuum(10).await.unwrap().pages_freed, 10);
        db.close().await.unwrap();
    });
    stock_check(&path);
    assert_ne!(free_pages(&path), "0");
    block_on(async {
        let db = Database::open(&path, options()).await.unwrap();
        let all = db.incremental_vacuum(u32::MAX).await.unwrap();
        assert!(all.pages_freed > 20, "{all:?}");
        let again = db.incremental_vacuum(u32::MAX).await.unwrap();
        assert_eq!(again.pages_freed, 0);
        db.close().await.unwrap();
    });
    stock_check(&path);
    assert_eq!(free_pages(&path), "0");
    assert_eq!(stock_rows(&path, "SELECT count(*) FROM t"), ["100"]);
}

const PATH: &str = "/db/x.db";

fn simulated(env: Env) -> Options {
    Options {
        env: Some(env),
        auto_checkpoint: false,
        page_size: 512,
        // Small segments, which are quickly written.
        checkpoint_log_bytes: 128 << 10,
        ..Options::default()
    }
}

async fn fill(env: Env) -> Result<()> {
    let db = Database::open(PATH, simulated(env)).await?;
    let mut tx = db.begin().await?;
    tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, body TEXT)").await?;
    tx.create_index("CREATE INDEX by_n ON t (n)").await?;
    let mut table = tx.table("t")?;
    for i in 0..60_u32 {
        table.insert((None::<i64>, i, "x".repeat(i as usize * 10))).await?;
    }
    tx.commit().await?;
    db.checkpoint().await?;
    let mut tx = db.begin().await?;
    for i in 1..=40 {
        tx.table("t")?.delete(RowId(i)).await?;
    }
    tx.commit().await?;
    db.close().await
}

async fn rows(db: &Database) -> Result<BTreeMap<i64, i64>> {
    let mut tx = db.begin().await?;
    let mut table = tx.table("t")?;
    let mut scan = table.scan(.., Direction::Ascending)?;
    let mut found = BTreeMap::new();
    while let Some(row) = scan.next().await? {
        found.insert(row.get("id")?, row.get("n")?);
    }
    Ok(found)
}

async fn life(env: Env) -> Result<()> {
    let db = Database::open(PATH, simulated(env)).await?;
    let mut tx = db.begin().await?;
    tx.table("t")?.insert((100, 100, "before")).await?;
    tx.commit().await?;
    db.vacuum().await?;
    db.close().await
}

#[test]
fn wherever_the_power_goes_in_a_vacuum_nothing_is_lost() {
    let first = Simulation::new(0);
    first.block_on(fill(first.env())).unwrap();
    let filled = tempfile::tempdir().unwrap();
    first.disk().export("/db", filled.path()).unwrap();
    let mut at = 1;
    loop {
        let sim = Simulation::new(at);
        sim.disk().import(filled.path(), "/db").unwrap();
        sim.power_off_at(at);
        let ended = sim.run(life(sim.env()));
        let whole = ended.is_some();
        if let Some(outcome) = ended {
            outcome.unwrap();
        }
        let env = sim.restart();
        let found = sim.block_on(async {
            let db = Database::open(PATH, simulated(env)).await.unwrap();
            let found = rows(&db).await.unwrap();
            assert_eq!(db.check().await.unwrap(), [""; 0], "power off at {at}");
            db.close().await.unwrap();
            found
        });
        let kept: BTreeMap<i64, i64> = (41..=60).map(|id| (id, id - 1)).collect();
        let mut with_new = kept.clone();
        with_new.insert(100, 100);
        assert!(found == with_new || (!whole && found == kept), "power off at {at}: {found:?}");
        let dir = tempfile::tempdir().unwrap();
        sim.disk().export("/db", dir.path()).unwrap();
        stock_check(&dir.path().join("x.db"));
        if whole {
            assert_eq!(free_pages(&dir.path().join("x.db")), "0");
            break;
        }
        at += 1;
    }
    assert!(at > 20, "a vacuum has many operations, not {at}");
}

#[test]
fn without_room_on_the_disk_a_vacuum_writes_nothing() {
    let sim = Simulation::new(1);
    sim.block_on(fill(sim.env())).unwrap();
    let taken: usize =
        sim.disk().files().iter().map(|file| sim.disk().read(file).map_or(0, |f| f.len())).sum();
    sim.block_on(async {
        let db = Database::open(PATH, simulated(sim.env())).await.unwrap();
        db.insert("t", (100, 100, "before")).await.unwrap();
        let used: usize = sim
            .disk()
            .files()
            .iter()
            .map(|file| sim.disk().read(file).map_or(0, |f| f.len()))
            .sum();
        sim.set_capacity(Some((used + taken / 10) as u64));
        let refused = db.vacuum().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::DiskFull, "{refused}");
        assert!(matches!(refused, Error::DiskFull { .. }), "{refused}");
        sim.set_capacity(None);
        db.vacuum().await.unwrap();
        assert_eq!(rows(&db).await.unwrap().len(), 21);
        db.close().await.unwrap();
    });
}
