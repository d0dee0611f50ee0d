//! What is measured. One file for each kind of workload.

mod checkpoint;
mod commits;
mod held;
mod opening;
mod reads;
pub mod whole;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use tokio::runtime::Runtime;

use crate::peer::Peer;
use crate::report::{Better, Case, Sample};

/// A workload, as named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// Insert one row per transaction.
    Insert,
    /// Read and update one random row per transaction.
    Update,
    /// Move an amount between two accounts drawn by Zipf's law (0.99).
    Transfer,
    /// Everybody increments the same row.
    Hot,
    /// Insert 100 rows per transaction; a figure is transactions.
    Batch,
    /// Insert a row with a unique text index and a second index.
    Indexed,
    /// Read one row by its key, each in a transaction of its own; writers are threads here.
    Points,
    /// 32 readers (points and ranges of 100 rows) beside 32 updaters.
    Mixed,
    /// Count all rows and sum a column.
    Scan,
    /// Load all rows in one transaction.
    Load,
    /// Commit latency beside a checkpoint of as many changed rows as a load has, and without.
    Checkpoint,
    /// Updates beside a reader that stays at its snapshot: 600 seconds unless `--seconds` says otherwise.
    Held,
    /// Open a database of `--gigabytes`.
    Open,
    /// Open a database whose last 500,000 small commits are only in its log.
    Recovery,
}

/// What a run has to work with.
#[derive(Debug)]
pub struct Bed<'a> {
    pub runtime: &'a Runtime,
    /// An empty folder.
    pub at: &'a Path,
    /// A folder that stays from run to run.
    pub kept: PathBuf,
    pub workers: usize,
    pub span: Duration,
    pub rows: i64,
    pub accounts: i64,
    pub gigabytes: f64,
}

impl Workload {
    pub const ALL: [Workload; 14] = [
        Workload::Insert,
        Workload::Update,
        Workload::Transfer,
        Workload::Hot,
        Workload::Batch,
        Workload::Indexed,
        Workload::Points,
        Workload::Mixed,
        Workload::Scan,
        Workload::Load,
        Workload::Checkpoint,
        Workload::Held,
        Workload::Open,
        Workload::Recovery,
    ];

    /// The numbers of workers it is run with unless told otherwise.
    pub fn workers(self) -> &'static [usize] {
        match self {
            Workload::Insert => &[1, 4, 16, 64, 256, 1024],
            Workload::Update => &[16, 64],
            Workload::Batch => &[4, 64],
            Workload::Points => &[1, 2],
            Workload::Transfer | Workload::Hot | Workload::Indexed | Workload::Held => &[64],
            Workload::Mixed => &[64],
            Workload::Checkpoint => &[16],
            Workload::Scan | Workload::Load | Workload::Open | Workload::Recovery => &[1],
        }
    }

    /// How long it is driven unless told otherwise.
    pub fn seconds(self) -> f64 {
        if self == Workload::Held { 600.0 } else { 5.0 }
    }

    /// Threads of the runtime for tasks, if it matters to the workload.
    pub fn threads(self, workers: usize) -> Option<usize> {
        (self == Workload::Points).then_some(workers)
    }

    pub fn case(self, workers: usize) -> Case {
        let of = |workload, of_workers: &str, unit, better| Case {
            workload,
            setting: if of_workers.is_empty() {
                "one session".to_owned()
            } else {
                format!("{workers} {of_workers}")
            },
            unit,
            better,
        };
        let commits = |workload| of(workload, "writers", "commits/s", Better::Higher);
        match self {
            Workload::Insert => commits("insert 1 row"),
            Workload::Update => commits("read and update 1 random row"),
            Workload::Transfer => commits("transfer between 2 accounts, zipf 0.99"),
            Workload::Hot => commits("one hot row"),
            Workload::Batch => commits("insert 100 rows"),
            Workload::Indexed => commits("insert with a unique text index and a second index"),
            Workload::Points => of("point read by key", "threads", "reads/s", Better::Higher),
            Workload::Mixed => {
                of("readers beside as many updaters", "sessions", "reads/s", Better::Higher)
            }
            Workload::Scan => of("full scan, count and sum", "", "ms", Better::Lower),
            Workload::Load => of("load in one transaction", "", "s", Better::Lower),
            Workload::Checkpoint => of(
                "commit latency beside a checkpoint",
                "writers",
                "p99.9 beside / without",
                Better::Lower,
            ),
            Workload::Held => of(
                "updates beside a held snapshot",
                "writers",
                "last tenth / first tenth",
                Better::Higher,
            ),
            Workload::Open => of("open a large database", "", "ms", Better::Lower),
            Workload::Recovery => {
                of("recover small commits from the log", "", "commits/s", Better::Higher)
            }
        }
    }

    /// Runs it once; `None` if it makes no sense for this peer.
    pub fn run<P: Peer>(self, bed: &Bed<'_>) -> Result<Option<Sample>> {
        match self {
            Workload::Insert => commits::insert::<P>(bed, 1).map(Some),
            Workload::Batch => commits::insert::<P>(bed, 100).map(Some),
            Workload::Update => commits::update::<P>(bed).map(Some),
            Workload::Transfer => commits::transfer::<P>(bed).map(Some),
            Workload::Hot => commits::hot::<P>(bed).map(Some),
            Workload::Indexed => commits::indexed::<P>(bed).map(Some),
            Workload::Points => reads::points::<P>(bed).map(Some),
            Workload::Mixed => reads::mixed::<P>(bed).map(Some),
            Workload::Scan => whole::scan::<P>(bed).map(Some),
            Workload::Load => whole::load::<P>(bed).map(Some),
            Workload::Checkpoint => checkpoint::run::<P>(bed),
            Workload::Held => held::run::<P>(bed),
            Workload::Open => opening::open::<P>(bed),
            Workload::Recovery => opening::recover::<P>(bed),
        }
    }
}
