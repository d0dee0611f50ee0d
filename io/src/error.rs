//! What failed, on which file, where.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The result of an operation on a file.
pub type Result<T> = std::result::Result<T, Error>;

/// What was attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Operation {
    Open,
    Read,
    Write,
    Sync,
    SetLen,
    Preallocate,
    Metadata,
    Rename,
    Remove,
    List,
    SyncDir,
    Lock,
}

/// A failed operation: what, on which file, at which byte, and the operating system's reason.
///
/// Cheap to clone, since one failed sync is told to every commit of its group.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    operation: Operation,
    path: PathBuf,
    offset: Option<u64>,
    source: std::io::Error,
}

impl Error {
    /// An error of `operation` on the file at `path`.
    pub fn new(operation: Operation, path: &Path, source: std::io::Error) -> Self {
        Self(Arc::new(Inner { operation, path: path.to_owned(), offset: None, source }))
    }

    /// The same at a byte offset.
    pub fn at(operation: Operation, path: &Path, offset: u64, source: std::io::Error) -> Self {
        Self(Arc::new(Inner { operation, path: path.to_owned(), offset: Some(offset), source }))
    }

    /// What was attempted.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The file it was attempted on.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The byte offset, where one is known.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// The operating system's classification.
    pub fn kind(&self) -> ErrorKind {
        self.0.source.kind()
    }

    /// Whether the disk (or the quota) is full: nothing is damaged, and a retry after making room
    /// may succeed.
    pub fn is_disk_full(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
        )
    }

    /// Whether the backend had been shut down.
    pub fn is_closed(&self) -> bool {
        self.0.source.get_ref().is_some_and(|inner| inner.is::<Closed>())
    }

    /// Whether the file does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { operation, path, offset, source } = &*self.0;
        write!(f, "{operation:?} of {}", path.display())?;
        if let Some(offset) = offset {
            write!(f, " at byte {offset}")?;
        }
        write!(f, " failed: {source}")
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0.source)
    }
}

/// The reason given after [`crate::Io::shutdown`].
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the I/O backend was shut down")
    }
}

impl std::error::Error for Closed {}

/// The operation came after the shutdown of its backend.
pub(crate) fn closed() -> std::io::Error {
    std::io::Error::other(Closed)
}
