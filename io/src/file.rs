//! The two traits that every backend implements.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::{IoBuf, Result};

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOptions {
    /// Open for reading and writing; otherwise for reading only.
    pub write: bool,
    /// Create the file if it is absent.
    pub create: bool,
    /// With `create`: fail if the file is there already.
    pub create_new: bool,
    /// What the file is for, from which a backend chooses flags and ring.
    pub access: Access,
}

impl OpenOptions {
    /// An existing file, for reading only.
    pub const READ: OpenOptions =
        OpenOptions { write: false, create: false, create_new: false, access: Access::Pages };
    /// An existing file, for reading and writing.
    pub const WRITE: OpenOptions = OpenOptions { write: true, ..OpenOptions::READ };
    /// A file for reading and writing that is created if absent.
    pub const CREATE: OpenOptions = OpenOptions { create: true, ..OpenOptions::WRITE };
    /// A new file for reading and writing.
    pub const CREATE_NEW: OpenOptions = OpenOptions { create_new: true, ..OpenOptions::CREATE };

    /// The same for another purpose.
    pub const fn with_access(self, access: Access) -> OpenOptions {
        OpenOptions { access, ..self }
    }
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Pages, read at random through the cache of the OS.
    Pages,
    /// The redo log: large sequential writes, durable one by one. The backend opens it a second
    /// time with O_DIRECT and O_DSYNC if the file system allows that and it pays; a write whose
    /// offset, length or address is not a multiple of [`IoBuf::ALIGN`] goes through the buffered
    /// descriptor instead.
    Log,
}

/// What [`File::try_read_at`] could do without blocking.
#[derive(Debug)]
pub enum TryRead {
    /// This many bytes were read (fewer than asked for only at the end of the file).
    Done(usize),
    /// Not without waiting: use [`File::read_at`].
    WouldBlock,
}

/// Facts about a file by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Bytes.
    pub len: u64,
    /// Whether writing is permitted.
    pub writable: bool,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Device and inode: the identity of a file whatever its name.
    pub identity: (u64, u64),
}

/// Which lock on a byte range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// Many may hold it.
    Shared,
    /// One holds it.
    Exclusive,
}

/// An open file. Offsets and lengths are in bytes.
///
/// # Cancel safety
/// Dropping any of these futures leaves the operation running to its end in the background, or
/// never begun (I3). The buffer is then dropped with it.
#[async_trait]
#[expect(clippy::len_without_is_empty, reason = "it asks the system and may fail: no collection")]
pub trait File: Send + Sync + 'static {
    /// The name it was opened by.
    fn path(&self) -> &Path;

    /// Reads `buf.len()` bytes at `offset` into `buf`; fewer only at the end of the file.
    async fn read_at(&self, buf: IoBuf, offset: u64) -> (Result<usize>, IoBuf);

    /// Reads what is in memory (the cache of the OS) without blocking and without a thread hop.
    /// A backend that can't tell answers `WouldBlock`.
    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> Result<TryRead>;

    /// Writes all of `buf` at `offset`, growing the file if need be. Not yet durable.
    async fn write_at(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf);

    /// As [`File::write_at`], done by the calling thread if the backend can: a copy into the cache
    /// of the OS costs less than a hop, but may block where that cache is full of unwritten pages.
    async fn write_here(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        self.write_at(buf, offset).await
    }

    /// Writes all of `buf` at `offset` and returns when it is on disk. The file is not to grow by
    /// this (see [`File::preallocate`]). Several may be in flight at once, and then finish in any
    /// order. After an error what is on disk in that range is unknown.
    async fn write_durable_at(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf);

    /// As [`File::write_durable_at`], done by the calling thread if the backend can: for a thread
    /// of the database's own with nothing else to do, to which a hop would only add latency. A
    /// backend without real disks treats it as `write_durable_at`.
    async fn write_durable_here(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        self.write_durable_at(buf, offset).await
    }

    /// Makes every finished write durable, and the length with it. After an error nothing that
    /// was written since the last success may be relied upon, and a second call proves nothing.
    async fn sync_data(&self) -> Result<()>;

    /// Truncates, or grows with zeros.
    async fn set_len(&self, len: u64) -> Result<()>;

    /// The length now.
    async fn len(&self) -> Result<u64>;

    /// Makes `range` of the file real: blocks allocated and zeros written, so that later durable
    /// writes change no metadata. A full disk is found here and nowhere else. Does not sync.
    async fn preallocate(&self, range: Range<u64>) -> Result<()>;

    /// Takes a lock on a byte range for this open file (OFD), against other processes and other
    /// opens of the same file. `false` if somebody else holds one in the way. Never waits.
    fn try_lock(&self, range: Range<u64>, kind: LockKind) -> Result<bool>;

    /// Gives up the lock on a byte range.
    fn unlock(&self, range: Range<u64>) -> Result<()>;
}

/// A file system.
///
/// # Cancel safety
/// As for [`File`].
#[async_trait]
pub trait Io: Send + Sync + 'static {
    /// A short name for messages and metrics: `uring`, `blocking`, `memory`, `simulated`.
    fn name(&self) -> &'static str;

    /// Opens a file.
    async fn open(&self, path: &Path, options: OpenOptions) -> Result<Arc<dyn File>>;

    /// Opens a new file in `dir` that has no name and vanishes when closed.
    async fn open_unlinked(&self, dir: &Path) -> Result<Arc<dyn File>>;

    /// Facts about a file, `None` if there is none of that name.
    async fn metadata(&self, path: &Path) -> Result<Option<Metadata>>;

    /// Renames a file over whatever has the name. Durable after [`Io::sync_dir`].
    async fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a file's name. Durable after [`Io::sync_dir`].
    async fn remove(&self, path: &Path) -> Result<()>;

    /// Names of the entries of a directory (without the directory's own), sorted.
    async fn list(&self, dir: &Path) -> Result<Vec<PathBuf>>;

    /// Makes creations, renames and removals in a directory durable.
    async fn sync_dir(&self, dir: &Path) -> Result<()>;

    /// Free bytes that this user may fill on the file system that holds `path`.
    async fn free_space(&self, path: &Path) -> Result<u64>;

    /// Waits for every operation in flight, then frees threads and rings. Later operations fail.
    async fn shutdown(&self);
}

impl fmt::Debug for dyn File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({})", self.path().display())
    }
}

impl fmt::Debug for dyn Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Io({})", self.name())
    }
}
