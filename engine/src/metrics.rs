//! Counters and gauges of one database.

use std::time::Duration;

/// A reading of a database's counters. Counts are since opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Transactions that wrote and committed.
    pub commits: u64,
    /// Transactions that ended without committing.
    pub rollbacks: u64,
    /// Commits refused because another transaction came first.
    pub conflicts: u64,
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
    /// Checkpoints finished.
    pub checkpoints: u64,
    /// Checkpoints that failed.
    pub checkpoint_failures: u64,
    /// Changes merged into the file by checkpoints.
    pub checkpoint_changes: u64,
    /// How long the last checkpoint took.
    pub last_checkpoint: Duration,
    /// Transactions now open.
    pub open_transactions: u64,
}
