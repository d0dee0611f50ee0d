//! Why reading or writing the file fails.

use std::borrow::Cow;
use std::path::PathBuf;

use heddle_base::PageNo;

use crate::layout::Corrupt;

/// The result of what this crate does.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. `Clone`, since one failure may be told to many.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system, or its simulation, refused.
    #[error(transparent)]
    Io(#[from] heddle_io::Error),
    /// The file is damaged.
    #[error("page {page} is corrupt: {reason}")]
    Corrupt {
        /// The page at fault.
        page: PageNo,
        /// What is wrong with it.
        reason: Cow<'static, str>,
    },
    /// The file can't be a database.
    #[error("{} is not a database: {reason}", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What gives it away.
        reason: &'static str,
    },
    /// The file is, or may be, sound, but this build can't use it.
    #[error("{} can't be used: {what}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is not supported, and what to do about it.
        what: &'static str,
    },
    /// Somebody else, in this process or another, has the file open.
    #[error("{} is locked by another user of the file", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A write to a database that was opened for reading.
    #[error("{} was opened for reading only", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// There is a page writer already, or its backfill is unfinished.
    #[error("another page writer or an unfinished backfill holds the file")]
    WriterActive,
    /// A merge was given changes that its tree can't take: an error of the caller's.
    #[error("changes to the tree with root page {root} are no merge's: {reason}")]
    BadChange {
        /// The tree's root.
        root: PageNo,
        /// What is wrong with them.
        reason: &'static str,
    },
    /// Whoever gives a merge its changes could not read them.
    #[error("the changes to be merged can't be read: {0}")]
    Changes(std::sync::Arc<dyn std::error::Error + Send + Sync>),
    /// The file has as many pages as the format allows.
    #[error("the database has as many pages as its format allows")]
    Full,
    /// What an old snapshot needs was given up, since it took more disk than it may.
    #[error("the snapshot is too old: what it needs took more disk than it may")]
    SnapshotTooOld,
    /// A sync failed earlier: what is on disk is unknown until the file is opened again.
    #[error("an earlier sync failed: no checkpoint until the database is opened again")]
    Poisoned,
}

impl From<Corrupt> for Error {
    fn from(corrupt: Corrupt) -> Self {
        Error::Corrupt { page: corrupt.page, reason: Cow::Borrowed(corrupt.reason) }
    }
}
