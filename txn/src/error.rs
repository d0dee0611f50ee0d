//! Why a transaction fails, and what it met.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use heddle_base::{Timestamp, TreeId};

use crate::options::Isolation;
use crate::redo::DecodeError;

/// The result of an operation of a transaction.
pub type Result<T> = std::result::Result<T, Error>;

/// How two transactions met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConflictKind {
    /// Both wrote the key, and the other was first.
    WriteWrite,
    /// It read the key, which the other wrote.
    PointRead,
    /// It read a range, in which the other wrote.
    RangeRead,
    /// It checked a constraint by a read that is no longer true.
    Constraint,
    /// The definition of a table that it used was changed.
    Schema,
    /// Somebody may have written there since; what is remembered is too coarse to tell.
    Evicted,
}

impl ConflictKind {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            ConflictKind::WriteWrite => "write-write",
            ConflictKind::PointRead => "point read",
            ConflictKind::RangeRead => "range read",
            ConflictKind::Constraint => "constraint",
            ConflictKind::Schema => "schema",
            ConflictKind::Evicted => "evicted",
        }
    }
}

impl fmt::Display for ConflictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Another transaction committed first; of this one nothing happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// The tree in which they met; for a change of the schema, the table's.
    pub tree: TreeId,
    /// That tree's name.
    pub name: Arc<str>,
    /// The key, where one key is to blame.
    pub key: Option<Bytes>,
    /// How they met.
    pub kind: ConflictKind,
    /// The level of the transaction that failed.
    pub isolation: Isolation,
    /// A snapshot must reach this to see what the other did.
    pub until: Timestamp,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} conflict in {}", self.kind, self.name)
    }
}

/// Why an operation did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another transaction committed first. Begin again, see [`crate::Retry`].
    #[error("{0}")]
    Conflict(Box<Conflict>),
    /// Somebody held a gate for longer than the busy timeout. Nothing happened.
    #[error("{what} was held for longer than {waited:?}")]
    Busy {
        /// What was held.
        what: &'static str,
        /// How long was waited.
        waited: Duration,
    },
    /// Every slot for snapshots is taken.
    #[error("too many snapshots are open at once")]
    TooManySnapshots,
    /// A write in a transaction that only reads.
    #[error("the transaction is for reading only")]
    ReadOnly,
    /// A savepoint that was released, or is another transaction's.
    #[error("there is no such savepoint in this transaction")]
    NoSuchSavepoint,
    /// The log, or a run file beside it.
    #[error(transparent)]
    Log(#[from] heddle_wal::Error),
    /// The B-tree file.
    #[error(transparent)]
    Base(#[from] heddle_btree::Error),
    /// A commit record in the log that is none.
    #[error(transparent)]
    Record(#[from] DecodeError),
}

impl Error {
    /// The conflict, if it is one.
    pub fn conflict(&self) -> Option<&Conflict> {
        match self {
            Error::Conflict(conflict) => Some(conflict),
            _ => None,
        }
    }
}
