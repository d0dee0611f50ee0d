//! One open file: its buffered descriptor, and for a log a second, direct and synchronous one.
//!
//! # Invariants
//! - H1: reads and transfers that are not aligned never use the direct descriptor.
//! - H2: a durable write returns success only after the kernel said that the bytes are on disk.
//! - H3: what the file system refuses (O_DIRECT, RWF_NOWAIT) is found out once, and from then on
//!   done by plainer means with the same promise.

use std::fs::{File, OpenOptions as StdOptions};
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::lock;
use crate::{Access, IoBuf, LockKind, OpenOptions, TryRead};

/// See the module.
pub(crate) struct Handle {
    path: PathBuf,
    writable: bool,
    buffered: File,
    direct: Option<Direct>,
    refused_nowait: AtomicBool,
}

/// The second descriptor of a log.
struct Direct {
    file: File,
    refused: AtomicBool,
}

/// Bytes of zeros written by one call of [`Handle::preallocate`].
const ZEROS: usize = 1 << 20;

impl Handle {
    /// Opens the file at `path`.
    pub(crate) fn open(path: &Path, options: OpenOptions) -> io::Result<Handle> {
        let buffered = StdOptions::new()
            .read(true)
            .write(options.write)
            .create(options.create && options.write)
            .create_new(options.create_new && options.write)
            .open(path)?;
        if buffered.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let direct = match options.access {
            Access::Log if options.write => Direct::open(path),
            Access::Log | Access::Pages => None,
        };
        Ok(Self::new(path.to_owned(), options.write, buffered, direct))
    }

    /// A file that is open already and has no name.
    pub(crate) fn unlinked(path: PathBuf, file: File) -> Handle {
        Self::new(path, true, file, None)
    }

    fn new(path: PathBuf, writable: bool, buffered: File, direct: Option<Direct>) -> Handle {
        Handle { path, writable, buffered, direct, refused_nowait: AtomicBool::new(false) }
    }

    /// The name it was opened by.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor for ordinary transfers.
    #[cfg(target_os = "linux")]
    pub(crate) fn buffered(&self) -> &File {
        &self.buffered
    }

    /// The descriptor on which a plain write of these bytes is durable, if there is one.
    pub(crate) fn direct_for(&self, bytes: &[u8], offset: u64) -> Option<&File> {
        let direct = self.direct.as_ref()?;
        let aligned = bytes.as_ptr().addr().is_multiple_of(IoBuf::ALIGN)
            && bytes.len().is_multiple_of(IoBuf::ALIGN)
            && offset.is_multiple_of(IoBuf::ALIGN as u64);
        let usable = aligned && !direct.refused.load(Ordering::Relaxed);
        usable.then_some(&direct.file)
    }

    /// Notes that the file system refused a direct write that was aligned.
    pub(crate) fn direct_was_refused(&self) {
        if let Some(direct) = &self.direct
            && !direct.refused.swap(true, Ordering::Relaxed)
        {
            tracing::debug!(path = %self.path.display(), "direct writes refused: buffered now");
        }
    }

    /// Fails if the file was opened for reading only.
    pub(crate) fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    /// Fills `buf`, or as much of it as there is before the end of the file.
    pub(crate) fn read(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.buffered.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Fills `buf` from the cache of the OS, without waiting for the disk.
    #[cfg(target_os = "linux")]
    pub(crate) fn try_read(&self, buf: &mut [u8], offset: u64) -> io::Result<TryRead> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        if self.refused_nowait.load(Ordering::Relaxed) {
            return Ok(TryRead::WouldBlock);
        }
        let mut done = 0;
        while done < buf.len() {
            let parts = &mut [io::IoSliceMut::new(&mut buf[done..])];
            let at = offset + done as u64;
            match preadv2(&self.buffered, parts, at, ReadWriteFlags::NOWAIT) {
                // Some kernels say 0 for "not cached": only the length tells the end for sure.
                Ok(0) if at < self.len()? => return Ok(TryRead::WouldBlock),
                Ok(0) => break,
                Ok(count) => done += count,
                Err(Errno::AGAIN) => return Ok(TryRead::WouldBlock),
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    self.refused_nowait.store(true, Ordering::Relaxed);
                    return Ok(TryRead::WouldBlock);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(TryRead::Done(done))
    }

    /// Elsewhere nobody can tell.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn try_read(&self, _buf: &mut [u8], _offset: u64) -> io::Result<TryRead> {
        self.refused_nowait.store(true, Ordering::Relaxed);
        Ok(TryRead::WouldBlock)
    }

    /// Writes all of `bytes` into the cache of the OS.
    pub(crate) fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        self.buffered.write_all_at(bytes, offset)
    }

    /// Writes all of `bytes` to the disk (H2).
    pub(crate) fn write_durable(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        if let Some(direct) = self.direct_for(bytes, offset) {
            match direct.write_all_at(bytes, offset) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.direct_was_refused();
                }
                done => return done,
            }
        }
        self.buffered.write_all_at(bytes, offset)?;
        self.sync_data()
    }

    /// Makes finished writes durable.
    pub(crate) fn sync_data(&self) -> io::Result<()> {
        retry(|| self.buffered.sync_data())
    }

    /// Truncates or grows.
    pub(crate) fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        self.buffered.set_len(len)
    }

    /// The length now.
    pub(crate) fn len(&self) -> io::Result<u64> {
        Ok(self.buffered.metadata()?.len())
    }

    /// Allocates blocks and writes zeros over the range.
    pub(crate) fn preallocate(&self, range: Range<u64>) -> io::Result<()> {
        self.check_writable()?;
        self.allocate(&range)?;
        let zeros = IoBuf::zeroed(ZEROS.min(usize::try_from(range_len(&range)).unwrap_or(ZEROS)));
        let mut at = range.start;
        while at < range.end {
            let count = usize::try_from(range.end - at).unwrap_or(ZEROS).min(zeros.len());
            self.buffered.write_all_at(&zeros[..count], at)?;
            at += count as u64;
        }
        Ok(())
    }

    /// Asks for the blocks at once, so that they lie together and a full disk is told before
    /// anything is written. Where the file system can't, writing the zeros does it.
    #[cfg(target_os = "linux")]
    fn allocate(&self, range: &Range<u64>) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        if range.is_empty() {
            return Ok(());
        }
        loop {
            let flags = FallocateFlags::empty();
            match fallocate(&self.buffered, flags, range.start, range_len(range)) {
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, reason = "the same shape on every system")]
    fn allocate(&self, _range: &Range<u64>) -> io::Result<()> {
        Ok(())
    }

    /// See [`crate::File::try_lock`].
    pub(crate) fn try_lock(&self, range: Range<u64>, kind: LockKind) -> io::Result<bool> {
        if kind == LockKind::Exclusive {
            self.check_writable()?;
        }
        lock::try_lock(self.buffered.as_fd(), range, kind)
    }

    /// See [`crate::File::unlock`].
    pub(crate) fn unlock(&self, range: Range<u64>) -> io::Result<()> {
        lock::unlock(self.buffered.as_fd(), range)
    }
}

impl Direct {
    /// `None` where the file system refuses such a descriptor (H3).
    #[cfg(target_os = "linux")]
    fn open(path: &Path) -> Option<Direct> {
        let opened =
            StdOptions::new().write(true).custom_flags(libc::O_DIRECT | libc::O_DSYNC).open(path);
        match opened {
            Ok(file) => Some(Direct { file, refused: AtomicBool::new(false) }),
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "no direct writes");
                None
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn open(_path: &Path) -> Option<Direct> {
        None
    }
}

fn range_len(range: &Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

fn retry(mut call: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
