//! Byte-range locks of an open file description (OFD).
//!
//! Unlike POSIX locks they do not vanish when some other descriptor of the file is closed in the
//! process, and they keep two opens within one process apart.

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::LockKind;

/// Takes a lock; false if another open file holds one in the way. Never waits.
#[cfg(target_os = "linux")]
pub(super) fn try_lock(fd: BorrowedFd<'_>, range: Range<u64>, kind: LockKind) -> io::Result<bool> {
    let wanted = match kind {
        LockKind::Shared => libc::F_RDLCK,
        LockKind::Exclusive => libc::F_WRLCK,
    };
    match set(fd, range, wanted) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Gives up the locks within a range.
#[cfg(target_os = "linux")]
pub(super) fn unlock(fd: BorrowedFd<'_>, range: Range<u64>) -> io::Result<()> {
    set(fd, range, libc::F_UNLCK)
}

#[cfg(target_os = "linux")]
fn set(fd: BorrowedFd<'_>, range: Range<u64>, kind: libc::c_int) -> io::Result<()> {
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    if range.is_empty() {
        // To fcntl a length of 0 means "to the end of the file, wherever that is".
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let lock = libc::flock {
        l_type: libc::c_short::try_from(kind).map_err(invalid)?,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: libc::off_t::try_from(range.start).map_err(invalid)?,
        l_len: libc::off_t::try_from(range.end - range.start).map_err(invalid)?,
        // Must be 0 for OFD locks.
        l_pid: 0,
    };
    // SAFETY: the descriptor is open while it is borrowed, and `lock` is a valid flock which the
    // kernel only reads.
    #[allow(unsafe_code)]
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// No such locks here.
#[cfg(not(target_os = "linux"))]
pub(super) fn try_lock(_: BorrowedFd<'_>, _: Range<u64>, _: LockKind) -> io::Result<bool> {
    Err(unsupported())
}

/// No such locks here.
#[cfg(not(target_os = "linux"))]
pub(super) fn unlock(_: BorrowedFd<'_>, _: Range<u64>) -> io::Result<()> {
    Err(unsupported())
}

#[cfg(not(target_os = "linux"))]
fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this system has no locks of open files (OFD)")
}
