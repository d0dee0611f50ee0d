//! The portable backend: system calls that block, on threads kept for them.
//!
//! Pages and log have a pool each, so that a durable write never queues behind page reads.
//! [`File::write_durable_here`] and [`File::try_read_at`] use the caller's thread.
//!
//! # Invariants
//! - B1: a buffer moves into the job and comes back with its result; a caller that goes away
//!   leaves it there (I1, I3 of the crate; P1 of [`crate::pool`]).
//! - B2: shutdown ends when no job runs, and no call has begun after it.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::os::{Handle, names};
use crate::pool::Pool;
use crate::{
    Access, Error, File, Io, IoBuf, LockKind, Metadata, OpenOptions, Operation, Result, TryRead,
};

/// Threads for each of the two kinds of file. Disks gain little beyond.
const THREADS: usize = 16;

/// See the module.
pub struct BlockingIo {
    pages: Arc<Pool>,
    log: Arc<Pool>,
}

impl BlockingIo {
    /// A backend whose threads start as they are needed.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            pages: Arc::new(Pool::new("heddle-pages", THREADS)),
            log: Arc::new(Pool::new("heddle-log", THREADS)),
        })
    }

    async fn run<R: Send + 'static>(
        &self,
        operation: Operation,
        path: &Path,
        work: impl FnOnce(&Path) -> io::Result<R> + Send + 'static,
    ) -> Result<R> {
        on_path(&self.pages, operation, path, work).await
    }
}

/// Does `work` with `path` on a pool.
pub(crate) async fn on_path<R: Send + 'static>(
    pool: &Pool,
    operation: Operation,
    path: &Path,
    work: impl FnOnce(&Path) -> io::Result<R> + Send + 'static,
) -> Result<R> {
    let done = match pool.run(path.to_owned(), move |path| work(&path)) {
        Ok(running) => running.await.unwrap_or_else(|| Err(panicked())),
        Err((closed, _)) => Err(closed),
    };
    done.map_err(|source| Error::new(operation, path, source))
}

fn panicked() -> io::Error {
    io::Error::other("the thread that did it panicked")
}

/// An open file whose blocking calls run on a pool.
#[derive(Clone)]
pub(crate) struct PooledFile {
    handle: Arc<Handle>,
    pool: Arc<Pool>,
}

impl PooledFile {
    pub(crate) fn new(handle: Handle, pool: &Arc<Pool>) -> Self {
        Self { handle: Arc::new(handle), pool: Arc::clone(pool) }
    }

    /// The file itself.
    #[cfg(target_os = "linux")]
    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// Does `work` with the buffer, on the pool.
    async fn transfer<R: Send + 'static>(
        &self,
        operation: Operation,
        buf: IoBuf,
        offset: u64,
        work: impl FnOnce(&Handle, &mut IoBuf) -> io::Result<R> + Send + 'static,
    ) -> (Result<R>, IoBuf) {
        let job = move |(handle, mut buf): (Arc<Handle>, IoBuf)| (work(&handle, &mut buf), buf);
        let (done, buf) = match self.pool.run((Arc::clone(&self.handle), buf), job) {
            Ok(running) => running.await.unwrap_or_else(|| (Err(panicked()), IoBuf::empty())),
            Err((closed, (_, buf))) => (Err(closed), buf),
        };
        (done.map_err(|source| self.error_at(operation, offset, source)), buf)
    }

    /// Does `work` on the pool.
    async fn call<R: Send + 'static>(
        &self,
        operation: Operation,
        offset: Option<u64>,
        work: impl FnOnce(&Handle) -> io::Result<R> + Send + 'static,
    ) -> Result<R> {
        let done = match self.pool.run(Arc::clone(&self.handle), move |handle| work(&handle)) {
            Ok(running) => running.await.unwrap_or_else(|| Err(panicked())),
            Err((closed, _)) => Err(closed),
        };
        done.map_err(|source| match offset {
            Some(offset) => self.error_at(operation, offset, source),
            None => Error::new(operation, self.handle.path(), source),
        })
    }

    fn error_at(&self, operation: Operation, offset: u64, source: io::Error) -> Error {
        Error::at(operation, self.handle.path(), offset, source)
    }
}

#[async_trait]
impl File for PooledFile {
    fn path(&self) -> &Path {
        self.handle.path()
    }

    async fn read_at(&self, buf: IoBuf, offset: u64) -> (Result<usize>, IoBuf) {
        self.transfer(Operation::Read, buf, offset, move |file, buf| file.read(buf, offset)).await
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> Result<TryRead> {
        self.pool
            .check_open()
            .and_then(|()| self.handle.try_read(buf, offset))
            .map_err(|source| self.error_at(Operation::Read, offset, source))
    }

    async fn write_at(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        let write = move |file: &Handle, buf: &mut IoBuf| file.write(buf, offset);
        self.transfer(Operation::Write, buf, offset, write).await
    }

    async fn write_durable_at(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        let write = move |file: &Handle, buf: &mut IoBuf| file.write_durable(buf, offset);
        self.transfer(Operation::Write, buf, offset, write).await
    }

    async fn write_here(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        let done = self.pool.enter().and_then(|_entered| self.handle.write(&buf, offset));
        (done.map_err(|source| self.error_at(Operation::Write, offset, source)), buf)
    }

    async fn write_durable_here(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        let done = self.pool.enter().and_then(|_entered| self.handle.write_durable(&buf, offset));
        (done.map_err(|source| self.error_at(Operation::Write, offset, source)), buf)
    }

    async fn sync_data(&self) -> Result<()> {
        self.call(Operation::Sync, None, Handle::sync_data).await
    }

    async fn set_len(&self, len: u64) -> Result<()> {
        self.call(Operation::SetLen, Some(len), move |file| file.set_len(len)).await
    }

    async fn len(&self) -> Result<u64> {
        // Never blocks worth a hop: the inode of an open file is in memory.
        self.pool
            .check_open()
            .and_then(|()| self.handle.len())
            .map_err(|source| Error::new(Operation::Metadata, self.handle.path(), source))
    }

    async fn preallocate(&self, range: Range<u64>) -> Result<()> {
        let start = range.start;
        let work = move |file: &Handle| file.preallocate(range);
        self.call(Operation::Preallocate, Some(start), work).await
    }

    fn try_lock(&self, range: Range<u64>, kind: LockKind) -> Result<bool> {
        let start = range.start;
        self.pool
            .check_open()
            .and_then(|()| self.handle.try_lock(range, kind))
            .map_err(|source| self.error_at(Operation::Lock, start, source))
    }

    fn unlock(&self, range: Range<u64>) -> Result<()> {
        let start = range.start;
        let done = self.handle.unlock(range);
        done.map_err(|source| self.error_at(Operation::Lock, start, source))
    }
}

#[async_trait]
impl Io for BlockingIo {
    fn name(&self) -> &'static str {
        "blocking"
    }

    async fn open(&self, path: &Path, options: OpenOptions) -> Result<Arc<dyn File>> {
        let opened = self.run(Operation::Open, path, move |path| Handle::open(path, options));
        let pool = match options.access {
            Access::Pages => &self.pages,
            Access::Log => &self.log,
        };
        Ok(Arc::new(PooledFile::new(opened.await?, pool)))
    }

    async fn open_unlinked(&self, dir: &Path) -> Result<Arc<dyn File>> {
        let handle = self.run(Operation::Open, dir, names::open_unlinked).await?;
        Ok(Arc::new(PooledFile::new(handle, &self.pages)))
    }

    async fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        self.run(Operation::Metadata, path, names::metadata).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let to = to.to_owned();
        self.run(Operation::Rename, from, move |from| std::fs::rename(from, to)).await
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        self.run(Operation::Remove, path, |path| std::fs::remove_file(path)).await
    }

    async fn list(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        self.run(Operation::List, dir, names::list).await
    }

    async fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.run(Operation::SyncDir, dir, names::sync_dir).await
    }

    async fn free_space(&self, path: &Path) -> Result<u64> {
        self.run(Operation::Metadata, path, names::free_space).await
    }

    async fn shutdown(&self) {
        self.pages.close();
        self.log.close();
        self.pages.drained().await;
        self.log.drained().await;
    }
}

impl std::fmt::Debug for BlockingIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlockingIo")
    }
}
