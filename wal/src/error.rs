//! What can go wrong with the log.

use std::path::PathBuf;

use heddle_base::Timestamp;

/// The result of a log operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of the log. Cheap enough to be told to every commit of a group.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No room for another segment. Only this reservation failed; the log goes on.
    #[error("no room to prepare a log segment: {0}")]
    DiskFull(heddle_io::Error),
    /// A file operation failed outside the path of commits.
    #[error(transparent)]
    Io(#[from] heddle_io::Error),
    /// An earlier write or sync of the log failed: what reached the disk since is unknown, a
    /// second sync would prove nothing, so nothing more is accepted until the log is reopened.
    #[error("the log is poisoned by an earlier failure: {0}")]
    Poisoned(heddle_io::Error),
    /// The record is larger than [`crate::LogOptions::max_record_bytes`].
    #[error("a log record of {bytes} bytes is over the limit of {limit}")]
    TooBig {
        /// Bytes of the record.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// The log has no segment yet: [`crate::Log::activate`] comes first.
    #[error("the log is idle")]
    Idle,
    /// [`crate::Log::activate`] on a log that has a segment.
    #[error("the log is active already")]
    AlreadyActive,
    /// The content of a segment, or of a run file, can't be what was written.
    #[error("{path}, byte {offset}: the log is corrupt: {what}")]
    Corrupt {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What was found.
        what: &'static str,
    },
    /// A segment between others is gone.
    #[error("log segment {path} is missing")]
    MissingSegment {
        /// The name it should have.
        path: PathBuf,
    },
    /// A run file that a commit names is gone.
    #[error("run file {path}, which holds a commit's changes, is missing")]
    MissingRun {
        /// The name it should have.
        path: PathBuf,
    },
    /// A change was put into a run out of order.
    #[error("{path}: changes of a run must come in the order of their trees and keys")]
    RunOrder {
        /// The run.
        path: PathBuf,
    },
    /// A segment of another database lies among ours.
    #[error("{path} belongs to another database (id {found:#x}, expected {expected:#x})")]
    Foreign {
        /// The segment.
        path: PathBuf,
        /// The id in the first segment.
        expected: u64,
        /// The id in this one.
        found: u64,
    },
    /// A newer program wrote the log.
    #[error("{path} has log format version {found}; this program knows up to {known}")]
    NewerFormat {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// A wait for a ticket that nobody has drawn.
    #[error("ticket {0} was never drawn")]
    NeverDrawn(Timestamp),
}

impl Error {
    /// Whether making room on the disk lets a retry succeed.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Error::DiskFull(_))
    }
}
