//! Many async writers on one SQLite file, beside stock SQLite doing the same.
//!
//! `cargo run --release --example many_writers -- [PATH] [--writers N] [--seconds S] [--json]`
//!
//! N tasks insert, update, delete and read rows of one table, each write a durable transaction of its own,
//! with updates crowding on few rows. Then as many threads do the same with stock SQLite (WAL,
//! `synchronous=FULL`). At the end stock SQLite checks the file that HeddleDB wrote.
//!
//! PATH may be any SQLite database: the work is done in a table of its own, `heddle_many_writers`, and other
//! tables are left alone.

#![allow(clippy::disallowed_methods, reason = "a program measures real time on real threads")]

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use fastrand::Rng;
use hdrhistogram::Histogram;
use heddle_engine::{Database, Options, RowId};
use rusqlite::{Connection, TransactionBehavior};
use serde_json::json;

const TABLE: &str = "heddle_many_writers";
const CREATE: &str = "CREATE TABLE IF NOT EXISTS heddle_many_writers \
     (id INTEGER PRIMARY KEY, writer INTEGER NOT NULL, n INTEGER NOT NULL, note TEXT NOT NULL)";
const NOTE: &str = "Many threads pass at once through the heddle, and none of them is crossed.";

/// Rows that everybody reads and updates.
const SHARED_ROWS: i64 = 1000;

#[derive(Debug, Parser)]
#[command(about = "Many async writers on one SQLite file, beside stock SQLite doing the same")]
struct Arguments {
    /// Any SQLite database; made if there is none. Default: one in a temporary folder.
    path: Option<PathBuf>,
    /// Concurrent writers.
    #[arg(long, default_value_t = 256)]
    writers: usize,
    /// How long each of the two databases works.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Print one JSON object with everything at the end.
    #[arg(long)]
    json: bool,
}

/// What a writer does next.
#[derive(Debug, Clone, Copy)]
enum Action {
    Insert,
    /// Reads a row and writes it back with one more.
    Update(i64),
    Delete(i64),
    Read(i64),
}

/// Draws what one writer does: 40 inserts, 35 updates, 10 deletes, 15 reads in a hundred.
#[derive(Debug)]
struct Plan {
    rng: Rng,
    first_shared: i64,
    own: Vec<i64>,
}

impl Plan {
    fn new(writer: usize, first_shared: i64) -> Self {
        Plan { rng: Rng::with_seed(writer as u64), first_shared, own: Vec::new() }
    }

    fn next(&mut self) -> Action {
        match self.rng.u32(0..100) {
            0..40 => Action::Insert,
            40..75 => Action::Update(self.shared()),
            75..85 => self.own.pop().map_or(Action::Insert, Action::Delete),
            _ => Action::Read(self.shared()),
        }
    }

    /// A shared row, the first ones far more often than the last ones.
    fn shared(&mut self) -> i64 {
        let skewed = self.rng.f64().powi(3);
        self.first_shared + (skewed * SHARED_ROWS as f64) as i64
    }
}

/// What all writers count together while they work.
#[derive(Debug, Default)]
struct Progress {
    commits: AtomicU64,
    reads: AtomicU64,
    retries: AtomicU64,
    done: AtomicBool,
}

/// What a database did.
#[derive(Debug)]
struct Outcome {
    seconds: f64,
    commits: u64,
    reads: u64,
    conflicts: u64,
    retries: u64,
    latencies: Histogram<u64>,
    /// Times the disk was waited for, and bytes written to the log, where that is known.
    syncs: Option<u64>,
    log_bytes: Option<u64>,
}

impl Outcome {
    fn rate(&self) -> f64 {
        self.commits as f64 / self.seconds
    }

    fn milliseconds(&self, share: f64) -> f64 {
        self.latencies.value_at_quantile(share) as f64 / 1e6
    }

    fn per_commit(&self, count: u64) -> f64 {
        count as f64 / self.commits.max(1) as f64
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "commits_per_second": self.rate(),
            "commits": self.commits,
            "reads": self.reads,
            "seconds": self.seconds,
            "commits_per_fsync": self.syncs.map(|syncs| self.commits as f64 / syncs.max(1) as f64),
            "conflicts": self.conflicts,
            "retries": self.retries,
            "p50_ms": self.milliseconds(0.5),
            "p99_ms": self.milliseconds(0.99),
            "p999_ms": self.milliseconds(0.999),
            "log_bytes_per_commit": self.log_bytes.map(|bytes| self.per_commit(bytes)),
        })
    }
}

fn latencies() -> Result<Histogram<u64>> {
    // Nanoseconds, up to 1000 seconds.
    Ok(Histogram::new_with_bounds(1, 1_000_000_000_000, 3)?)
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.writers > 0, "at least one writer");
    let span = Duration::from_secs_f64(arguments.seconds);
    let temporary;
    let path = match &arguments.path {
        Some(path) => path.clone(),
        None => {
            temporary = tempfile::tempdir()?;
            temporary.path().join("many_writers.db")
        }
    };
    println!("{}: {} writers for {} s", path.display(), arguments.writers, arguments.seconds);
    let heddle = run_heddle(&path, arguments.writers, span).await?;

    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let beside = tempfile::tempdir_in(folder.unwrap_or(Path::new(".")))?;
    let stock_path = beside.path().join("stock.db");
    let writers = arguments.writers;
    let stock =
        tokio::task::spawn_blocking(move || run_sqlite(&stock_path, writers, span)).await??;

    show(&heddle, &stock);
    let verdict = integrity_check(&path)?;
    println!("\nPRAGMA integrity_check by stock SQLite {}: {verdict}", rusqlite::version());
    if arguments.json {
        let object = json!({
            "path": path,
            "writers": arguments.writers,
            "heddle": heddle.json(),
            "sqlite": stock.json(),
            "times_sqlite": heddle.rate() / stock.rate(),
            "integrity_check": verdict,
        });
        println!("{object}");
    }
    ensure!(verdict == "ok", "the file did not pass: {verdict}");
    Ok(())
}

/// The work through HeddleDB's engine: a task for each writer.
async fn run_heddle(path: &Path, writers: usize, span: Duration) -> Result<Outcome> {
    let db = Database::open(path, Options::default()).await?;
    let first_shared = prepare(&db).await?;
    let before = db.metrics();
    let progress = Arc::new(Progress::default());
    let shown = show_progress("HeddleDB", Arc::clone(&progress));
    let begin = Instant::now();
    let mut tasks = Vec::with_capacity(writers);
    for writer in 0..writers {
        let (db, progress) = (db.clone(), Arc::clone(&progress));
        let plan = Plan::new(writer, first_shared);
        tasks.push(tokio::spawn(write_with_heddle(db, writer, plan, begin + span, progress)));
    }
    let mut all = latencies()?;
    for task in tasks {
        all.add(task.await??)?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    progress.done.store(true, Ordering::Relaxed);
    shown.join().ok().context("the progress line failed")?;
    let after = db.metrics();
    db.close().await?;
    Ok(Outcome {
        seconds,
        commits: progress.commits.load(Ordering::Relaxed),
        reads: progress.reads.load(Ordering::Relaxed),
        conflicts: after.conflicts - before.conflicts,
        retries: progress.retries.load(Ordering::Relaxed),
        latencies: all,
        syncs: Some(after.syncs - before.syncs),
        log_bytes: Some(after.log_bytes_written - before.log_bytes_written),
    })
}

/// Makes the table and the shared rows, and says which is the first of them.
async fn prepare(db: &Database) -> Result<i64> {
    let mut tx = db.begin().await?;
    tx.create_table(CREATE).await?;
    let mut table = tx.table(TABLE)?;
    let mut first = None;
    for _ in 0..SHARED_ROWS {
        let id = table.insert((None::<i64>, -1, 0, NOTE)).await?;
        first.get_or_insert(id.0);
    }
    tx.commit().await?;
    first.context("no shared rows")
}

async fn write_with_heddle(
    db: Database,
    writer: usize,
    mut plan: Plan,
    deadline: Instant,
    progress: Arc<Progress>,
) -> Result<Histogram<u64>> {
    let mut latencies = latencies()?;
    while Instant::now() < deadline {
        let action = plan.next();
        let begin = Instant::now();
        if let Action::Read(id) = action {
            let mut tx = db.snapshot().await?;
            let n: Option<i64> = match tx.table(TABLE)?.get(RowId(id)).await? {
                Some(row) => Some(row.get("n")?),
                None => None,
            };
            std::hint::black_box(n);
            progress.reads.fetch_add(1, Ordering::Relaxed);
            // A task that never waits would keep its thread from the others.
            tokio::task::consume_budget().await;
            continue;
        }
        let mut attempts = 0;
        let inserted = db
            .transaction(|tx| {
                attempts += 1;
                Box::pin(async move {
                    let mut table = tx.table(TABLE)?;
                    match action {
                        Action::Insert => {
                            return table
                                .insert((None::<i64>, writer as i64, 0, NOTE))
                                .await
                                .map(Some);
                        }
                        Action::Update(id) => {
                            let n: Option<i64> = match table.get(RowId(id)).await? {
                                Some(row) => Some(row.get("n")?),
                                None => None,
                            };
                            if let Some(n) = n {
                                table.set(RowId(id), &[("n", &(n + 1))]).await?;
                            }
                        }
                        Action::Delete(id) => drop(table.delete(RowId(id)).await?),
                        Action::Read(_) => {}
                    }
                    Ok(None)
                })
            })
            .await?;
        latencies.saturating_record(begin.elapsed().as_nanos() as u64);
        plan.own.extend(inserted.map(|id| id.0));
        progress.commits.fetch_add(1, Ordering::Relaxed);
        progress.retries.fetch_add(attempts - 1, Ordering::Relaxed);
    }
    Ok(latencies)
}

/// The same with stock SQLite: a thread for each writer. Writers share one connection behind a lock,
/// since hundreds of connections would sleep in SQLite's busy handler; readers have their own.
fn run_sqlite(path: &Path, writers: usize, span: Duration) -> Result<Outcome> {
    let db = connect(path)?;
    db.execute(CREATE, [])?;
    db.execute_batch("BEGIN IMMEDIATE")?;
    for _ in 0..SHARED_ROWS {
        insert(&db, -1)?;
    }
    db.execute_batch("COMMIT")?;
    let db = Arc::new(Mutex::new(db));
    let progress = Arc::new(Progress::default());
    let shown = show_progress("SQLite", Arc::clone(&progress));
    let begin = Instant::now();
    let mut threads = Vec::with_capacity(writers);
    for writer in 0..writers {
        let (db, progress, path) = (Arc::clone(&db), Arc::clone(&progress), path.to_owned());
        let plan = Plan::new(writer, 1);
        let work = move || write_with_sqlite(&db, &path, writer, plan, begin + span, &progress);
        threads.push(std::thread::Builder::new().stack_size(512 << 10).spawn(work)?);
    }
    let mut all = latencies()?;
    for thread in threads {
        all.add(thread.join().ok().context("a writer panicked")??)?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    progress.done.store(true, Ordering::Relaxed);
    shown.join().ok().context("the progress line failed")?;
    let commits = progress.commits.load(Ordering::Relaxed);
    Ok(Outcome {
        seconds,
        commits,
        reads: progress.reads.load(Ordering::Relaxed),
        conflicts: 0,
        retries: 0,
        latencies: all,
        // In WAL mode with synchronous=FULL each commit syncs the log once, checkpoints aside.
        syncs: Some(commits),
        log_bytes: None,
    })
}

fn connect(path: &Path) -> Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(60))?;
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    ensure!(mode == "wal", "journal mode {mode}");
    db.pragma_update(None, "synchronous", "FULL")?;
    Ok(db)
}

fn insert(db: &Connection, writer: i64) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO heddle_many_writers (writer, n, note) VALUES (?1, 0, ?2)";
    db.prepare_cached(sql)?.execute((writer, NOTE))?;
    Ok(db.last_insert_rowid())
}

fn write_with_sqlite(
    writing: &Mutex<Connection>,
    path: &Path,
    writer: usize,
    mut plan: Plan,
    deadline: Instant,
    progress: &Progress,
) -> Result<Histogram<u64>> {
    const SELECT: &str = "SELECT n FROM heddle_many_writers WHERE id = ?1";
    let reading = connect(path)?;
    let mut latencies = latencies()?;
    while Instant::now() < deadline {
        let action = plan.next();
        let begin = Instant::now();
        if let Action::Read(id) = action {
            let n: i64 = reading.prepare_cached(SELECT)?.query_row([id], |row| row.get(0))?;
            std::hint::black_box(n);
            progress.reads.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let mut db = writing.lock().unwrap_or_else(PoisonError::into_inner);
        match action {
            Action::Insert => plan.own.push(insert(&db, writer as i64)?),
            Action::Update(id) => {
                let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let n: i64 = tx.prepare_cached(SELECT)?.query_row([id], |row| row.get(0))?;
                let sql = "UPDATE heddle_many_writers SET n = ?2 WHERE id = ?1";
                tx.prepare_cached(sql)?.execute([id, n + 1])?;
                tx.commit()?;
            }
            Action::Delete(id) => {
                let sql = "DELETE FROM heddle_many_writers WHERE id = ?1";
                db.prepare_cached(sql)?.execute([id])?;
            }
            Action::Read(_) => {}
        }
        drop(db);
        latencies.saturating_record(begin.elapsed().as_nanos() as u64);
        progress.commits.fetch_add(1, Ordering::Relaxed);
    }
    Ok(latencies)
}

/// A line that says how far the writers are, until they are done.
fn show_progress(name: &'static str, progress: Arc<Progress>) -> std::thread::JoinHandle<()> {
    let terminal = std::io::stderr().is_terminal();
    let begin = Instant::now();
    std::thread::spawn(move || {
        let mut ticks = 0_u32;
        while !progress.done.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(100));
            ticks += 1;
            let end = if terminal { '\r' } else { '\n' };
            if ticks.is_multiple_of(if terminal { 2 } else { 10 }) {
                let seconds = begin.elapsed().as_secs_f64();
                let commits = progress.commits.load(Ordering::Relaxed);
                let retries = progress.retries.load(Ordering::Relaxed);
                let rate = commits as f64 / seconds;
                eprint!(
                    "  {name:<9} {seconds:4.1} s  {commits:>9} commits  {rate:>8.0}/s  {retries:>7} retries  {end}"
                );
                let _ = std::io::stderr().flush();
            }
        }
        if terminal {
            eprint!("{:78}\r", "");
        }
    })
}

fn show(heddle: &Outcome, stock: &Outcome) {
    let line = |name: &str, figure: &dyn Fn(&Outcome) -> Option<f64>, digits: usize| {
        let cell = |outcome: &Outcome| {
            figure(outcome).map_or("-".to_owned(), |value| format!("{value:.digits$}"))
        };
        println!("{name:<24} {:>12} {:>12}", cell(heddle), cell(stock));
    };
    println!("\n{:<24} {:>12} {:>12}", "", "HeddleDB", "SQLite");
    line("commits/s", &|o| Some(o.rate()), 0);
    line("reads/s", &|o| Some(o.reads as f64 / o.seconds), 0);
    line("commits per fsync", &|o| o.syncs.map(|s| o.commits as f64 / s.max(1) as f64), 1);
    line("conflicts", &|o| Some(o.conflicts as f64), 0);
    line("retries", &|o| Some(o.retries as f64), 0);
    line("commit p50, ms", &|o| Some(o.milliseconds(0.5)), 3);
    line("commit p99, ms", &|o| Some(o.milliseconds(0.99)), 3);
    line("commit p99.9, ms", &|o| Some(o.milliseconds(0.999)), 3);
    line("log bytes per commit", &|o| o.log_bytes.map(|bytes| o.per_commit(bytes)), 0);
    println!("\nHeddleDB made {:.1} times as many commits.", heddle.rate() / stock.rate());
}

/// What stock SQLite finds in the file.
fn integrity_check(path: &Path) -> Result<String> {
    let db = Connection::open(path)?;
    Ok(db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?)
}
