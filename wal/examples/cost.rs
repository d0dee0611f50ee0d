//! What the log costs a committer besides the disk, and how fast a recovery reads.
//!
//! `cargo run --release -p heddle-wal --example cost -- [DIR]`

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a program that prints")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use heddle_io::{Env, ThreadRuntime};
use heddle_wal::{Durability, Log, LogOptions, Recovered, Result};

const COMMITS: u64 = 1_000_000;
const RECORD: usize = 120;

fn main() -> Result<()> {
    let dir = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    ThreadRuntime::new().block_on(async {
        let memory = Log::in_memory(&Env::memory(), LogOptions::default());
        let start = Instant::now();
        commits(&memory, Durability::Full, true).await?;
        report("commit in memory, waited for", start.elapsed());

        let (env, path) = (Env::system(), dir.join("heddle-log-cost"));
        Log::discard(&env, &path).await?;
        let opened = Log::open(&env, &path, LogOptions::default()).await?;
        opened.recovery.finish().await?;
        let log = opened.log;
        log.activate(1, b"start".to_vec()).await?;
        let start = Instant::now();
        commits(&log, Durability::Off, false).await?;
        report("commit at OFF, not waited for", start.elapsed());
        log.close(false).await?;

        let start = Instant::now();
        let mut opened = Log::open(&env, &path, LogOptions::default()).await?;
        let mut count = 0_u64;
        while let Some(record) = opened.recovery.next().await? {
            count += u64::from(matches!(record, Recovered::Commit { .. }));
        }
        report("recovered", start.elapsed());
        println!("{count} commits in {} bytes", opened.recovery.facts().bytes);
        Log::discard(&env, &path).await?;
        env.io.shutdown().await;
        Ok(())
    })
}

async fn commits(log: &Log, level: Durability, wait: bool) -> Result<()> {
    let record = Bytes::from(vec![7; RECORD]);
    for _ in 0..COMMITS {
        let permit = match log.try_reserve(RECORD, level) {
            Some(permit) => permit,
            None => log.reserve(RECORD, level).await?,
        };
        let draw = permit.draw();
        let ticket = draw.ticket();
        draw.fill(record.clone());
        if wait {
            log.wait(ticket, level).await?;
        }
    }
    Ok(())
}

fn report(what: &str, elapsed: Duration) {
    let each = elapsed.as_secs_f64() * 1e9 / COMMITS as f64;
    println!("{what:<32} {each:>7.0} ns each {:>12.0}/s", 1e9 / each);
}
