//! Names: what a file system does besides reading and writing an open file.

use std::ffi::CString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Handle;
use crate::Metadata;

/// A new file in `dir` without a name.
pub(crate) fn open_unlinked(dir: &Path) -> io::Result<Handle> {
    // Any refusal is answered by the way that needs nothing of the file system; a real reason
    // (no such directory, no permission) then comes from there.
    let file = anonymous(dir).or_else(|_| created_and_unlinked(dir))?;
    Ok(Handle::unlinked(dir.join("(unlinked)"), file))
}

#[cfg(target_os = "linux")]
fn anonymous(dir: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(libc::O_TMPFILE).open(dir)
}

#[cfg(not(target_os = "linux"))]
fn anonymous(_dir: &Path) -> io::Result<fs::File> {
    Err(ErrorKind::Unsupported.into())
}

fn created_and_unlinked(dir: &Path) -> io::Result<fs::File> {
    let path = dir.join(format!(".heddle-{:016x}", fastrand::u64(..)));
    let mut options = fs::OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Facts about a file, `None` if there is none.
pub(crate) fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    Ok(Some(Metadata {
        len: found.len(),
        writable: rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok(),
        is_dir: found.is_dir(),
        identity: (found.dev(), found.ino()),
    }))
}

/// Names in a directory, sorted.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir)?;
    let mut names = entries
        .map(|entry| entry.map(|entry| PathBuf::from(entry.file_name())))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    match fs::File::open(dir)?.sync_all() {
        // Some network file systems can't, and are as durable as they will ever be.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

/// Bytes that this user may still fill.
pub(crate) fn free_space(path: &Path) -> io::Result<u64> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    let facts = rustix::fs::statvfs(&name)?;
    Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
}
