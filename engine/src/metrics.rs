//! Counters and gauges of one database.

use std::time::Duration;

use crossbeam_utils::CachePadded;
use heddle_base::Timestamp;
use heddle_base::sync::atomic::{AtomicU64, Ordering};
use heddle_base::sync::{Mutex, thread_number};

/// A reading of a database's counters. Counts are since opening.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Transactions that committed.
    pub commits: u64,
    /// Transactions that ended without committing.
    pub rollbacks: u64,
    /// Commits refused because another transaction came first.
    pub conflicts: u64,
    /// The same by table or index, where there were any.
    pub conflicts_by_table: Vec<(String, u64)>,
    /// Attempts that [`crate::Database::transaction`] ran again.
    pub retries: u64,
    /// Groups of commits written to the log.
    pub groups: u64,
    /// Times the log waited for the disk.
    pub syncs: u64,
    /// Bytes written to the log.
    pub log_bytes_written: u64,
    /// Bytes of log that a recovery would read now.
    pub log_bytes: u64,
    /// Row versions in memory, in bytes.
    pub version_bytes: u64,
    /// Bytes that transactions over [`crate::Options::transaction_bytes`] moved to files, committed or not.
    pub spilled_bytes: u64,
    /// The files they made for that.
    pub spilled_runs: u64,
    /// Committed changes that lie in such a file and not in the database file yet: how many files.
    pub runs: u64,
    /// Page images in memory, in bytes.
    pub cached_bytes: u64,
    /// Checkpoints finished.
    pub checkpoints: u64,
    /// Checkpoints that failed.
    pub checkpoint_failures: u64,
    /// What the last failed checkpoint failed with, if none succeeded since.
    pub last_checkpoint_error: Option<String>,
    /// Changes merged into the file by checkpoints.
    pub checkpoint_changes: u64,
    /// How long the last checkpoint took.
    pub last_checkpoint: Duration,
    /// The step at which a running checkpoint is, `None` if there is none.
    pub checkpoint_step: Option<&'static str>,
    /// The file holds the commits up to here.
    pub checkpointed: Timestamp,
    /// The newest commit.
    pub newest_commit: Timestamp,
    /// The oldest snapshot that a transaction reads.
    pub oldest_snapshot: Option<Timestamp>,
    /// Transactions now open.
    pub open_transactions: u64,
}

/// The live counters behind [`Metrics`]. Relaxed: only statistics read them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    stripes: [CachePadded<Stripe>; STRIPES],
    pub(crate) conflicts: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) checkpoint_changes: AtomicU64,
    checkpoint: Mutex<Checkpoints>,
}

const STRIPES: usize = 16;

/// What the transactions of some threads count. One may begin by one stripe and end by another.
#[derive(Debug, Default)]
struct Stripe {
    begun: AtomicU64,
    commits: AtomicU64,
    rollbacks: AtomicU64,
}

#[derive(Debug, Default)]
struct Checkpoints {
    finished: u64,
    failed: u64,
    last: Duration,
    error: Option<String>,
    step: Option<&'static str>,
}

impl Counters {
    #[inline]
    pub(crate) fn begun(&self) {
        self.stripe().begun.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    fn stripe(&self) -> &Stripe {
        &self.stripes[thread_number() % STRIPES]
    }

    #[inline]
    pub(crate) fn ended(&self, committed: bool) {
        let stripe = self.stripe();
        let counter = if committed { &stripe.commits } else { &stripe.rollbacks };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn step(&self, step: Option<&'static str>) {
        self.checkpoint.lock().step = step;
    }

    pub(crate) fn checkpointed(&self, took: Duration) {
        let mut checkpoint = self.checkpoint.lock();
        checkpoint.finished += 1;
        checkpoint.last = took;
        checkpoint.error = None;
    }

    pub(crate) fn checkpoint_failed(&self, error: &crate::Error) {
        let mut checkpoint = self.checkpoint.lock();
        checkpoint.failed += 1;
        checkpoint.error = Some(error.to_string());
    }

    /// What these say; the other fields are the caller's.
    pub(crate) fn read(&self) -> Metrics {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let checkpoint = self.checkpoint.lock();
        let sum = |of: fn(&Stripe) -> &AtomicU64| -> u64 {
            self.stripes.iter().map(|stripe| load(of(stripe))).sum()
        };
        let (commits, rollbacks) = (sum(|s| &s.commits), sum(|s| &s.rollbacks));
        let begun = sum(|s| &s.begun);
        Metrics {
            commits,
            rollbacks,
            conflicts: load(&self.conflicts),
            retries: load(&self.retries),
            checkpoints: checkpoint.finished,
            checkpoint_failures: checkpoint.failed,
            last_checkpoint_error: checkpoint.error.clone(),
            checkpoint_changes: load(&self.checkpoint_changes),
            last_checkpoint: checkpoint.last,
            checkpoint_step: checkpoint.step,
            open_transactions: begun.saturating_sub(commits + rollbacks),
            ..Metrics::default()
        }
    }
}
