//! One transaction with more rows than its memory holds: how fast, and in how much memory.
//!
//! `cargo run --release -p heddle-engine --example large_transaction -- --rows 1000000 --budget-mib 4`

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use heddle_engine::{Database, Direction, Options, Result};

#[derive(Parser)]
struct Args {
    /// Rows in the transaction.
    #[arg(long, default_value_t = 1_000_000)]
    rows: i64,
    /// MiB that its writes may take in memory.
    #[arg(long, default_value_t = 4)]
    budget_mib: usize,
    /// Insert in a scattered order of rowids.
    #[arg(long)]
    scattered: bool,
    /// Where to make the database; a directory that is removed again, otherwise.
    #[arg(long)]
    path: Option<PathBuf>,
}

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "a program that measures reads the clock")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let dir = tempfile::tempdir()?;
    let path = args.path.clone().unwrap_or_else(|| dir.path().join("large.db"));
    let options = Options {
        transaction_bytes: args.budget_mib << 20,
        auto_checkpoint: false,
        ..Options::default()
    };
    let db = Database::open(&path, options).await?;
    let mut tx = db.begin().await?;
    tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)").await?;
    tx.commit().await?;

    let started = Instant::now();
    let mut tx = db.begin().await?;
    insert(&mut tx, &args).await?;
    say("inserted", started, &db);
    let started = Instant::now();
    tx.commit().await?;
    say("committed", started, &db);
    let started = Instant::now();
    anyhow::ensure!(count(&db).await? == args.rows, "rows are missing");
    say("scanned", started, &db);
    let started = Instant::now();
    db.checkpoint().await?;
    say("checkpoint", started, &db);
    let metrics = db.metrics();
    let mib = metrics.spilled_bytes >> 20;
    println!("{} files of {mib} MiB in all; {} left", metrics.spilled_runs, metrics.runs);
    Ok(db.close().await?)
}

async fn insert(tx: &mut heddle_engine::Transaction, args: &Args) -> Result<()> {
    let body =
        "a row of a hundred bytes or so, as tables of programs often have them, and a number: ";
    let mut table = tx.table("t")?;
    for n in 0..args.rows {
        let id = if args.scattered { (n * 7919) % 1_000_000_007 } else { n };
        table.insert((Some(id), format!("{body}{n}"))).await?;
    }
    Ok(())
}

async fn count(db: &Database) -> Result<i64> {
    let mut tx = db.begin().await?;
    let mut table = tx.table("t")?;
    let mut scan = table.scan(.., Direction::Ascending)?;
    let mut rows = 0;
    while scan.next().await?.is_some() {
        rows += 1;
    }
    Ok(rows)
}

fn say(what: &str, since: Instant, db: &Database) {
    let versions = db.metrics().version_bytes >> 10;
    let took = since.elapsed().as_secs_f64();
    println!("{what:>10} {took:6.2} s  versions {versions:>6} KiB  resident peak {} MiB", peak());
}

/// The most memory this process ever had, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
