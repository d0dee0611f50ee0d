//! How fast rows are loaded, scanned and read by key, beside stock SQLite and beside the bare B-tree
//! cursor over the same file, in the same run.
//!
//! `cargo run --release -p heddle-engine --example read_rate [rows] [load|scan|points]..`
//!
//! Scans and points are the best of five rounds, in CPU time of the thread that reads (a load and two
//! threads: as the clock says), everything cached on both sides. What is read: one integer
//! column of every row (scan), or of a random row, each in a snapshot of its own (point) or all in one.

#![expect(clippy::disallowed_methods, reason = "a measurement needs the clock and threads")]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use heddle_btree::cursor::Step;
use heddle_btree::pager::{Pager, PagerOptions};
use heddle_btree::record::Record;
use heddle_btree::tree::Tree;
use heddle_engine::{Database, Direction, Options, RowId};
use rusqlite::Connection;

const CACHE_BYTES: usize = 400 << 20;
const POINTS: usize = 500_000;
const ROUNDS: usize = 5;
const TABLE: &str =
    "CREATE TABLE rows (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, body TEXT NOT NULL)";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    let rows = match arguments.peek().map(|word| word.parse::<i64>()) {
        Some(Ok(rows)) => {
            arguments.next();
            rows
        }
        _ => 1_000_000,
    };
    let words: Vec<String> = arguments.collect();
    let wanted = |word: &str| words.is_empty() || words.iter().any(|w| w == word);
    let dir = tempfile::tempdir()?;
    let (ours, theirs) = (dir.path().join("ours.db"), dir.path().join("theirs.db"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;

    let (db, took) = runtime.block_on(load(&ours, rows))?;
    report("load", took, rows as usize);
    if wanted("load") {
        report("load, SQLite", load_stock(&theirs, rows)?, rows as usize);
    }
    runtime.block_on(db.checkpoint())?;
    if wanted("scan") {
        let took = best(|| runtime.block_on(scan(&db)))?;
        report("scan", took, rows as usize);
    }
    if wanted("points") {
        points(&runtime, &db, rows)?;
    }
    runtime.block_on(db.close())?;
    drop(runtime);

    let stock = connect(&ours)?;
    if wanted("scan") {
        let mut sum = stock.prepare("SELECT count(*), sum(n) FROM rows")?;
        let took = best(|| Ok(sum.query_row([], |row| row.get::<_, i64>(1))?))?;
        report("scan, SQLite count and sum", took, rows as usize);
        let mut step = stock.prepare("SELECT n FROM rows")?;
        let took = best(|| {
            let mut rows = step.query([])?;
            let mut sum = 0;
            while let Some(row) = rows.next()? {
                sum += row.get::<_, i64>(0)?;
            }
            Ok(sum)
        })?;
        report("scan, SQLite stepping", took, rows as usize);
    }
    if wanted("points") {
        let mut point = stock.prepare("SELECT n FROM rows WHERE id = ?1")?;
        let ids = ids(rows, 1);
        let mut read = || {
            let mut sum = 0;
            for id in &ids {
                sum += point.query_row([id], |row| row.get::<_, i64>(0))?;
            }
            Ok(sum)
        };
        report("points, SQLite", best(&mut read)?, POINTS);
        stock.execute_batch("BEGIN")?;
        report("points, SQLite, one transaction", best(read)?, POINTS);
        stock.execute_batch("COMMIT")?;
    }
    if wanted("scan") {
        let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'rows'";
        let root = heddle_btree::tree::Tree::table(heddle_base::PageNo(stock.query_row(
            root,
            [],
            |row| row.get(0),
        )?));
        drop(stock);
        report("scan, bare cursor", bare(&ours, &root)?, rows as usize);
    }
    Ok(())
}

/// A body of 88 bytes, other for each row.
fn body(rng: &mut fastrand::Rng) -> String {
    (0..88).map(|_| rng.alphanumeric()).collect()
}

async fn load(path: &Path, rows: i64) -> Result<(Database, Duration)> {
    let options = Options { cache_bytes: CACHE_BYTES, ..Options::default() };
    let db = Database::open(path, options).await?;
    let mut tx = db.begin().await?;
    tx.create_table(TABLE).await?;
    tx.commit().await?;
    let mut rng = fastrand::Rng::with_seed(7);
    let begin = Instant::now();
    let mut tx = db.begin().await?;
    let mut table = tx.table("rows")?;
    for _ in 0..rows {
        table.insert((None::<i64>, 1, body(&mut rng))).await?;
    }
    let inserted = begin.elapsed();
    tx.commit().await?;
    report("load, inserts alone", inserted, rows as usize);
    Ok((db, begin.elapsed()))
}

fn connect(path: &Path) -> Result<Connection> {
    let stock = Connection::open(path)?;
    let mode: String = stock.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    ensure!(mode == "wal", "journal mode {mode}");
    stock.pragma_update(None, "synchronous", "FULL")?;
    stock.pragma_update(None, "cache_size", -((CACHE_BYTES >> 10) as i64))?;
    Ok(stock)
}

fn load_stock(path: &Path, rows: i64) -> Result<Duration> {
    let mut stock = connect(path)?;
    stock.execute_batch(TABLE)?;
    let mut rng = fastrand::Rng::with_seed(7);
    let begin = Instant::now();
    let tx = stock.transaction()?;
    let mut insert = tx.prepare("INSERT INTO rows (n, body) VALUES (?1, ?2)")?;
    for _ in 0..rows {
        insert.execute((1, body(&mut rng)))?;
    }
    drop(insert);
    tx.commit()?;
    Ok(begin.elapsed())
}

async fn scan(db: &Database) -> Result<i64> {
    let mut tx = db.snapshot().await?;
    let mut table = tx.table("rows")?;
    let mut scan = table.scan(.., Direction::Ascending)?;
    let mut sum = 0;
    while match scan.try_step() {
        Some(on_row) => on_row,
        None => scan.step().await?,
    } {
        sum += scan.row().context("a step came to a row")?.get::<i64>(1)?;
    }
    Ok(sum)
}

/// The file's tree as a cursor walks it, without anything above.
fn bare(path: &Path, tree: &Tree) -> Result<Duration> {
    let env = heddle_io::Env::system();
    let waiting = tokio::runtime::Builder::new_current_thread().build()?;
    let options = PagerOptions { cache_bytes: CACHE_BYTES, ..PagerOptions::default() };
    let (pager, _) = waiting.block_on(Pager::open(&env, path, options))?;
    best(|| {
        let mut cursor = tree.cursor(pager.snapshot());
        let mut sum = 0;
        loop {
            match cursor.try_next()? {
                Step::Row => {
                    let value = Record::parse(cursor.row()?.1.local)?.column(1)?;
                    sum += value.and_then(|value| value.integer()).unwrap_or(0);
                }
                Step::NeedsIo => waiting.block_on(cursor.load())?,
                Step::End => return Ok(sum),
            }
        }
    })
}

fn ids(rows: i64, seed: u64) -> Vec<i64> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..POINTS).map(|_| rng.i64(1..=rows)).collect()
}

async fn read_points(db: &Database, ids: &[i64]) -> Result<i64> {
    let mut sum = 0;
    for id in ids {
        let mut tx = db.snapshot().await?;
        let mut rows = tx.table("rows")?;
        let row = rows.get(RowId(*id)).await?.context("a row is missing")?;
        sum += row.get::<i64>(1)?;
    }
    Ok(sum)
}

fn points(runtime: &tokio::runtime::Runtime, db: &Database, rows: i64) -> Result<()> {
    let drawn = [ids(rows, 1), ids(rows, 2)];
    let alone = best(|| runtime.block_on(read_points(db, &drawn[0])))?;
    report("points, a snapshot each", alone, POINTS);
    let in_one = best(|| {
        runtime.block_on(async {
            let mut tx = db.snapshot().await?;
            let mut rows = tx.table("rows")?;
            let mut sum = 0;
            for id in &drawn[0] {
                let row = rows.get(RowId(*id)).await?.context("a row is missing")?;
                sum += row.get::<i64>(1)?;
            }
            Ok(sum)
        })
    })?;
    report("points, one snapshot", in_one, POINTS);
    // Threads of their own: what the runtime costs is not what is measured.
    let (mut both, mut cpu) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let spent = std::thread::scope(|scope| {
            let each = drawn.each_ref().map(|ids| {
                scope.spawn(|| {
                    let waiting = tokio::runtime::Builder::new_current_thread().build()?;
                    waiting.block_on(read_points(db, ids))?;
                    anyhow::Ok(cpu_time())
                })
            });
            let mut spent = Duration::ZERO;
            for thread in each {
                spent += thread.join().map_err(|_| anyhow::anyhow!("a reader panicked"))??;
            }
            anyhow::Ok(spent)
        })?;
        (both, cpu) = (both.min(begin.elapsed()), cpu.min(spent));
    }
    report("points, 2 threads", both, 2 * POINTS);
    report("points, 2 threads, CPU time", cpu, 2 * POINTS);
    Ok(())
}

/// CPU time of this thread so far.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let spent = stat.split_whitespace().next().and_then(|word| word.parse().ok());
    Duration::from_nanos(spent.unwrap_or(0))
}

fn best(mut run: impl FnMut() -> Result<i64>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let begin = cpu_time();
        let sum = std::hint::black_box(run()?);
        best = best.min(cpu_time() - begin);
        ensure!(sum > 0, "nothing was read");
    }
    Ok(best)
}

#[expect(clippy::print_stdout, reason = "a measurement is printed")]
fn report(what: &str, took: Duration, count: usize) {
    let each = took.as_nanos() as f64 / count.max(1) as f64;
    let rate = count as f64 / took.as_secs_f64() / 1e6;
    println!("{what:32} {took:>10.2?}  {each:7.1} ns each  {rate:6.2} M/s");
}
