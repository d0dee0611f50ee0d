//! The backend of Linux: io_uring, driven by tokio-uring on threads of its own.
//!
//! Pages and log have a ring each, so that neither queues behind the other. The rings transfer
//! and sync; names, lengths and allocation go through pools, as in [`crate::blocking`]. A hop to
//! a ring's thread costs from 4 us (cores awake) to 60 us (asleep), therefore
//! [`File::try_read_at`], [`File::write_here`] and [`File::write_durable_here`] stay on the
//! caller's thread.
//!
//! Durable writes have a choice of route ([`DurableWrites`]), since measurement is of two minds:
//! on idle cores the ring is a tenth faster from depth 4 on and takes half the processor time;
//! beside busy cores its completions wait for whole scheduler ticks, and a pool of threads is
//! half as fast again with a third of the tail (`examples/durable_writes.rs`). What a database
//! does meanwhile keeps cores busy, so the pool is the default.
//!
//! Guard rails around tokio-uring are the invariants U1 to U4 of [`ring`].

mod operation;
mod ring;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use self::operation::Action;
use self::ring::Ring;
use crate::blocking::{PooledFile, on_path};
use crate::os::{Handle, names};
use crate::pool::Pool;
use crate::{
    Access, Error, File, Io, IoBuf, LockKind, Metadata, OpenOptions, Operation, Result, TryRead,
};

/// Threads for names, lengths and allocation.
const PAGE_THREADS: usize = 4;
/// Threads for durable writes: as many as it pays to have in flight.
const LOG_THREADS: usize = 16;

/// By which route [`File::write_durable_at`] goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DurableWrites {
    /// A thread per write in flight: best beside busy cores, and the default.
    #[default]
    Pool,
    /// The ring: best on idle cores, and cheapest in processor time.
    Ring,
}

/// See the module.
pub struct UringIo {
    pages: Arc<Ring>,
    log: Arc<Ring>,
    page_pool: Arc<Pool>,
    log_pool: Arc<Pool>,
    durable_writes: DurableWrites,
}

impl UringIo {
    /// Starts both rings.
    ///
    /// # Errors
    /// Where the kernel is too old for io_uring, or a container's rules refuse it.
    pub fn new() -> io::Result<Arc<Self>> {
        Self::with(DurableWrites::default())
    }

    /// As [`UringIo::new`], with a choice of route for durable writes.
    ///
    /// # Errors
    /// As [`UringIo::new`].
    pub fn with(durable_writes: DurableWrites) -> io::Result<Arc<Self>> {
        probe()?;
        Ok(Arc::new(Self {
            pages: Arc::new(Ring::start("heddle-ring-pages")?),
            log: Arc::new(Ring::start("heddle-ring-log")?),
            page_pool: Arc::new(Pool::new("heddle-files", PAGE_THREADS)),
            log_pool: Arc::new(Pool::new("heddle-log", LOG_THREADS)),
            durable_writes,
        }))
    }

    async fn run<R: Send + 'static>(
        &self,
        operation: Operation,
        path: &Path,
        work: impl FnOnce(&Path) -> io::Result<R> + Send + 'static,
    ) -> Result<R> {
        on_path(&self.page_pool, operation, path, work).await
    }

    fn file(&self, handle: Handle, access: Access) -> Arc<dyn File> {
        let (ring, pool) = match access {
            Access::Pages => (&self.pages, &self.page_pool),
            Access::Log => (&self.log, &self.log_pool),
        };
        Arc::new(RingFile {
            pooled: PooledFile::new(handle, pool),
            ring: Arc::clone(ring),
            durable_writes: self.durable_writes,
        })
    }
}

/// Whether the kernel has a ring with all that we ask of it.
fn probe() -> io::Result<()> {
    let ring = io_uring::IoUring::new(2)?;
    let mut known = io_uring::Probe::new();
    ring.submitter().register_probe(&mut known)?;
    let wanted = [
        io_uring::opcode::Read::CODE,
        io_uring::opcode::Write::CODE,
        io_uring::opcode::Fsync::CODE,
    ];
    if wanted.into_iter().all(|code| known.is_supported(code)) {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this kernel's io_uring is too old"))
    }
}

struct RingFile {
    pooled: PooledFile,
    ring: Arc<Ring>,
    durable_writes: DurableWrites,
}

impl RingFile {
    async fn submit(&self, action: Action, buf: IoBuf, offset: u64) -> (io::Result<usize>, IoBuf) {
        let handle = self.pooled.handle();
        if matches!(action, Action::Write | Action::WriteDurable)
            && let Err(error) = handle.check_writable()
        {
            return (Err(error), buf);
        }
        match self.ring.submit(action, Arc::clone(handle), buf, offset) {
            Ok(running) => running.await.unwrap_or_else(|| {
                (Err(io::Error::other("the ring's thread panicked")), IoBuf::empty())
            }),
            Err((closed, buf)) => (Err(closed), buf),
        }
    }

    fn error_at(&self, operation: Operation, offset: u64) -> impl Fn(io::Error) -> Error + '_ {
        move |source| Error::at(operation, self.path(), offset, source)
    }
}

#[async_trait]
impl File for RingFile {
    fn path(&self) -> &Path {
        self.pooled.path()
    }

    async fn read_at(&self, buf: IoBuf, offset: u64) -> (Result<usize>, IoBuf) {
        let (done, buf) = self.submit(Action::Read, buf, offset).await;
        (done.map_err(self.error_at(Operation::Read, offset)), buf)
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> Result<TryRead> {
        self.pooled.try_read_at(buf, offset)
    }

    async fn write_at(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        let (done, buf) = self.submit(Action::Write, buf, offset).await;
        (done.map(drop).map_err(self.error_at(Operation::Write, offset)), buf)
    }

    async fn write_durable_at(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        if self.durable_writes == DurableWrites::Pool {
            return self.pooled.write_durable_at(buf, offset).await;
        }
        let (done, buf) = self.submit(Action::WriteDurable, buf, offset).await;
        (done.map(drop).map_err(self.error_at(Operation::Write, offset)), buf)
    }

    async fn write_here(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        self.pooled.write_here(buf, offset).await
    }

    async fn write_durable_here(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        self.pooled.write_durable_here(buf, offset).await
    }

    async fn sync_data(&self) -> Result<()> {
        let (done, _) = self.submit(Action::Sync, IoBuf::empty(), 0).await;
        done.map(drop).map_err(|source| Error::new(Operation::Sync, self.path(), source))
    }

    async fn set_len(&self, len: u64) -> Result<()> {
        self.pooled.set_len(len).await
    }

    async fn len(&self) -> Result<u64> {
        self.pooled.len().await
    }

    async fn preallocate(&self, range: Range<u64>) -> Result<()> {
        self.pooled.preallocate(range).await
    }

    fn try_lock(&self, range: Range<u64>, kind: LockKind) -> Result<bool> {
        self.pooled.try_lock(range, kind)
    }

    fn unlock(&self, range: Range<u64>) -> Result<()> {
        self.pooled.unlock(range)
    }
}

#[async_trait]
impl Io for UringIo {
    fn name(&self) -> &'static str {
        "uring"
    }

    async fn open(&self, path: &Path, options: OpenOptions) -> Result<Arc<dyn File>> {
        let open = move |path: &Path| Handle::open(path, options);
        let handle = self.run(Operation::Open, path, open).await?;
        Ok(self.file(handle, options.access))
    }

    async fn open_unlinked(&self, dir: &Path) -> Result<Arc<dyn File>> {
        let handle = self.run(Operation::Open, dir, names::open_unlinked).await?;
        Ok(self.file(handle, Access::Pages))
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
        self.page_pool.close();
        self.log_pool.close();
        self.pages.close();
        self.log.close();
        self.pages.ended().await;
        self.log.ended().await;
        self.page_pool.drained().await;
        self.log_pool.drained().await;
    }
}

impl std::fmt::Debug for UringIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UringIo")
    }
}
