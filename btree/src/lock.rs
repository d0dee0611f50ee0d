//! SQLite's lock bytes, taken as locks of the open file.
//!
//! Who may write holds all of them exclusively, so that no other process reads a torn state or writes. Who only reads
//! shares the file with other readers, as SQLite does; but under a write-ahead log that would not keep a process of
//! stock SQLite from checkpointing into the file, so such a file is held alone, if this user may write it.
//!
//! Not here: two opens within one process, which the engine's registry tells apart by device and inode.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use heddle_io::{Env, File, LockKind, OpenOptions};

use crate::error::{Error, Result};

const PENDING: Range<u64> = 0x4000_0000..0x4000_0001;
const RESERVED: Range<u64> = 0x4000_0001..0x4000_0002;
const SHARED: Range<u64> = 0x4000_0002..0x4000_0200;
const ALL: Range<u64> = 0x4000_0000..0x4000_0200;

/// Locks of one open file, held as long as this.
pub(crate) struct FileLock {
    /// A second open of the file which holds them, where the first is for reading only.
    _holder: Option<Arc<dyn File>>,
}

fn locked(path: &Path) -> Error {
    Error::Locked { path: path.to_owned() }
}

impl FileLock {
    /// No lock at all, for file systems that have none.
    pub(crate) fn none() -> Self {
        Self { _holder: None }
    }

    /// Keeps everybody else out.
    pub(crate) fn exclusive(path: &Path, file: &dyn File) -> Result<Self> {
        if file.try_lock(ALL, LockKind::Exclusive)? { Ok(Self::none()) } else { Err(locked(path)) }
    }

    /// Keeps writers out, as SQLite's readers do.
    pub(crate) fn shared(path: &Path, file: &dyn File) -> Result<Self> {
        if !file.try_lock(PENDING, LockKind::Shared)? {
            return Err(locked(path));
        }
        let shared = file.try_lock(SHARED, LockKind::Shared)?;
        file.unlock(PENDING)?;
        if shared { Ok(Self::none()) } else { Err(locked(path)) }
    }

    /// Turns a reader's lock into one that keeps everybody out, if this user may write the file.
    pub(crate) async fn alone(self, env: &Env, path: &Path, file: &dyn File) -> Result<Self> {
        let holder = match env.io.open(path, OpenOptions::WRITE).await {
            Ok(holder) => holder,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Ok(self),
            Err(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {
                return Ok(self);
            }
            Err(error) => return Err(error.into()),
        };
        file.unlock(ALL)?;
        if holder.try_lock(ALL, LockKind::Exclusive)? {
            Ok(Self { _holder: Some(holder) })
        } else {
            Err(locked(path))
        }
    }

    /// Whether some other process is in a write transaction, so that its rollback journal is not a left-over.
    pub(crate) fn writer_is_active(file: &dyn File) -> Result<bool> {
        let free = file.try_lock(RESERVED, LockKind::Shared)?;
        if free {
            file.unlock(RESERVED)?;
        }
        Ok(!free)
    }
}
