//! How fast a database recovers small commits from its log, and how fast a checkpoint merges changed rows:
//! `cargo run --release -p heddle-engine --example recovery_rate -- DIR [COMMITS]`.
//!
//! The first run fills `DIR` with a database whose commits are only in its log, as a crash leaves them; a run that
//! finds it there opens it and then checkpoints it, on a copy, and prints both rates.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program"
)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use heddle_engine::{Database, Durability, Options, TxOptions};

const TASKS: u64 = 64;

fn options() -> Options {
    Options { auto_checkpoint: false, memory_bytes: 8 << 30, ..Options::default() }
}

async fn fill(at: &Path, commits: u64) -> Result<()> {
    let db = Database::open(at.join("x.db"), options()).await?;
    let mut tx = db.begin().await?;
    tx.create_table("CREATE TABLE rows (id INTEGER PRIMARY KEY, n INT, body TEXT)").await?;
    tx.commit().await?;
    let begin = Instant::now();
    let tasks: Vec<_> =
        (0..TASKS).map(|_| tokio::spawn(insert(db.clone(), commits / TASKS))).collect();
    for task in tasks {
        task.await??;
    }
    let took = begin.elapsed().as_secs_f64();
    println!("filled: {commits} commits in {took:.2} s, {:.0} commits/s", commits as f64 / took);
    Ok(())
}

async fn insert(db: Database, count: u64) -> Result<()> {
    let weak = TxOptions { durability: Some(Durability::Off), ..TxOptions::default() };
    let body = "x".repeat(80);
    for n in 0..count {
        let body = body.as_str();
        db.transaction_with(weak, |tx| {
            Box::pin(async move {
                tx.table("rows")?.insert((None::<i64>, n as i64, body)).await?;
                Ok(())
            })
        })
        .await?;
    }
    Ok(())
}

/// The files as they lie there, so that each run finds the same.
fn copy(from: &Path) -> Result<tempfile::TempDir> {
    let to = tempfile::tempdir_in(from)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.path().join(entry.file_name()))?;
        }
    }
    Ok(to)
}

async fn measure(at: &Path) -> Result<()> {
    let begin = Instant::now();
    let db = Database::open(at.join("x.db"), options()).await?;
    let took = begin.elapsed().as_secs_f64();
    let commits = db.metrics().newest_commit.get();
    println!("recovered: {commits} commits in {took:.3} s, {:.0} commits/s", commits as f64 / took);
    let begin = Instant::now();
    let report = db.checkpoint().await?;
    let took = begin.elapsed().as_secs_f64();
    let changes = report.changes;
    println!("checkpoint: {changes} rows in {took:.3} s, {:.0} rows/s", changes as f64 / took);
    Ok(())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let at = PathBuf::from(arguments.next().context("a folder")?);
    let commits = arguments.next().map_or(Ok(1_000_000), |count| count.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    if at.join("x.db").exists() {
        let copy = copy(&at)?;
        runtime.block_on(measure(copy.path()))
    } else {
        std::fs::create_dir_all(&at)?;
        runtime.block_on(fill(&at, commits))
    }
}
