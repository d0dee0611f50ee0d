//! HeddleDB beside its peers: `cargo xtask bench -- <workload> ..`.
//!
//! Peers and HeddleDB run in turn, alone, several times; a table shows the median of each figure and how
//! each peer compares with SQLite and with the best peer of the run. Every commit is on disk before it is
//! acknowledged. A row is about 100 bytes.
//!
//! - [`peer`]: what a database must be able to do to take part; [`peers`]: those that do.
//! - [`workloads`]: what is measured; [`drive`]: many sessions at once; [`latency`], [`machine`]: what is read off.
//! - [`report`]: medians and tables.

#![allow(clippy::disallowed_methods, reason = "what is measured is real time, not a simulator's")]

mod data;
mod drive;
mod latency;
mod machine;
mod peer;
mod peers;
mod report;
mod workloads;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};

use peers::keyvalue::KeyValue;
use report::Sample;
use workloads::{Bed, Workload};

/// Measures HeddleDB beside its peers.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench --")]
struct Arguments {
    /// What to measure; several, or `all`.
    #[arg(required = true, value_parser = parse_workloads)]
    workloads: Vec<Vec<Workload>>,
    /// Concurrent sessions, separated by commas. Default: what the workload is defined with.
    #[arg(long, value_delimiter = ',')]
    writers: Vec<usize>,
    /// How long each peer is driven in each run. Default: 5 (600 for `held`).
    #[arg(long)]
    seconds: Option<f64>,
    /// Which peers take part, separated by commas. Default: all that were built in.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<PeerName>,
    /// How many turns each peer gets.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Rows in the table where a workload begins with a full one.
    #[arg(long, default_value_t = 1_000_000)]
    rows: i64,
    /// Accounts for transfers, and rows updated beside a held snapshot.
    #[arg(long, default_value_t = 100_000)]
    accounts: i64,
    /// Size of the database that `open` opens.
    #[arg(long, default_value_t = 2.0)]
    gigabytes: f64,
    /// Threads of the runtime on which tasks run. Default: one for each core.
    #[arg(long)]
    threads: Option<usize>,
    /// Where the databases are made: a folder on the disk to measure. Default: the folder of temporary files.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Print one JSON object with everything at the end.
    #[arg(long)]
    json: bool,
}

fn parse_workloads(word: &str) -> Result<Vec<Workload>, String> {
    if word == "all" {
        Ok(Workload::ALL.to_vec())
    } else {
        Workload::from_str(word, true).map(|w| vec![w])
    }
}

/// A peer, as named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PeerName {
    /// SQLite, a connection for each session.
    Sqlite,
    /// SQLite, writers behind one connection.
    SqliteQueue,
    #[cfg(feature = "turso")]
    Turso,
    Fjall,
    Redb,
    Lmdb,
    #[cfg(feature = "rocksdb")]
    Rocksdb,
    #[cfg(feature = "heddle")]
    Heddle,
    /// HeddleDB's B-tree cursor alone: scans only.
    #[cfg(feature = "heddle")]
    BareCursor,
}

impl PeerName {
    fn name(self) -> &'static str {
        match self {
            PeerName::Sqlite => "sqlite",
            PeerName::SqliteQueue => "sqlite-queue",
            #[cfg(feature = "turso")]
            PeerName::Turso => "turso",
            PeerName::Fjall => "fjall",
            PeerName::Redb => "redb",
            PeerName::Lmdb => "lmdb",
            #[cfg(feature = "rocksdb")]
            PeerName::Rocksdb => "rocksdb",
            #[cfg(feature = "heddle")]
            PeerName::Heddle => "heddle",
            #[cfg(feature = "heddle")]
            PeerName::BareCursor => "bare-cursor",
        }
    }

    fn run(self, workload: Workload, bed: &Bed<'_>) -> Result<Option<Sample>> {
        match self {
            PeerName::Sqlite => workload.run::<peers::sqlite::Pooled>(bed),
            PeerName::SqliteQueue => workload.run::<peers::sqlite::Queued>(bed),
            #[cfg(feature = "turso")]
            PeerName::Turso => workload.run::<peers::turso::Turso>(bed),
            PeerName::Fjall => workload.run::<KeyValue<peers::lsm::Fjall>>(bed),
            PeerName::Redb => workload.run::<KeyValue<peers::redb::Redb>>(bed),
            PeerName::Lmdb => workload.run::<KeyValue<peers::lmdb::Lmdb>>(bed),
            #[cfg(feature = "rocksdb")]
            PeerName::Rocksdb => workload.run::<KeyValue<peers::rocks::Rocks>>(bed),
            #[cfg(feature = "heddle")]
            PeerName::Heddle => workload.run::<peers::heddle::Heddle>(bed),
            #[cfg(feature = "heddle")]
            PeerName::BareCursor if workload == Workload::Scan => peers::bare::scan(bed).map(Some),
            #[cfg(feature = "heddle")]
            PeerName::BareCursor => Ok(None),
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.runs > 0, "at least one run");
    let kept = match &arguments.dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    };
    let kept = kept.context("a folder for the databases")?;
    let mut objects = Vec::new();
    for workload in arguments.workloads.iter().flatten() {
        let usual = workload.workers();
        let settings = if arguments.writers.is_empty() { usual } else { &arguments.writers };
        for workers in settings {
            let result = measure(&arguments, *workload, *workers, kept.path())?;
            println!("{}", result.table());
            objects.push(result.json());
        }
    }
    if arguments.json {
        println!("{}", serde_json::json!({ "results": objects }));
    }
    Ok(())
}

/// Says on a terminal whose turn it is.
fn show_turn(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r{text:<60}\r");
    }
}

/// One workload in one setting: the peers in turn, as often as asked for.
fn measure(
    arguments: &Arguments,
    workload: Workload,
    workers: usize,
    kept: &std::path::Path,
) -> Result<report::Result> {
    let peers =
        if arguments.peers.is_empty() { PeerName::value_variants() } else { &arguments.peers };
    let mut result = report::Result::new(workload.case(workers));
    let seconds = arguments.seconds.unwrap_or(workload.seconds());
    for run in 1..=arguments.runs {
        for peer in peers {
            eprint!(
                "\r{workload:?} {workers}, run {run} of {}, {:<14}",
                arguments.runs,
                peer.name()
            );
            let at = tempfile::tempdir_in(kept)?;
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            if let Some(threads) = workload.threads(workers).or(arguments.threads) {
                runtime.worker_threads(threads);
            }
            let runtime = runtime.enable_time().build()?;
            let bed = Bed {
                runtime: &runtime,
                at: at.path(),
                kept: kept.to_owned(),
                workers,
                span: Duration::from_secs_f64(seconds),
                rows: arguments.rows,
                accounts: arguments.accounts,
                gigabytes: arguments.gigabytes,
            };
            match peer.run(workload, &bed) {
                Ok(Some(sample)) => result.add(peer.name(), sample),
                Ok(None) => {}
                Err(error) => result.fail(peer.name(), &error),
            }
        }
    }
    show_turn("");
    Ok(result)
}
