//! The backend of Linux: io_uring, driven by tokio-uring on threads of its own.
//!
//! Pages and log have a ring each, so that a durable write never queues behind page reads. The
//! rings transfer and sync; names, lengths and allocation go through a small pool, as in
//! [`crate::blocking`]. A hop to a ring's thread costs from 4 us (cores awake) to 60 us (asleep),
//! therefore [`File::try_read_at`] and [`File::write_durable_here`] stay on the caller's thread.
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

/// Threads for what does not go through a ring.
const THREADS: usize = 4;

/// See the module.
pub struct UringIo {
    pages: Arc<Ring>,
    log: Arc<Ring>,
    pool: Arc<Pool>,
}

impl UringIo {
    /// Starts both rings.
    ///
    /// # Errors
    /// Where the kernel is too old for io_uring, or a container's rules refuse it.
    pub fn new() -> io::Result<Arc<Self>> {
        probe()?;
        Ok(Arc::new(Self {
            pages: Arc::new(Ring::start("heddle-ring-pages")?),
            log: Arc::new(Ring::start("heddle-ring-log")?),
            pool: Arc::new(Pool::new("heddle-files", THREADS)),
        }))
    }

    async fn run<R: Send + 'static>(
        &self,
        operation: Operation,
        path: &Path,
        work: impl FnOnce(&Path) -> io::Result<R> + Send + 'static,
    ) -> Result<R> {
        on_path(&self.pool, operation, path, work).await
    }

    fn file(&self, handle: Handle, access: Access) -> Arc<dyn File> {
        let ring = match access {
            Access::Pages => &self.pages,
            Access::Log => &self.log,
        };
        let pooled = PooledFile::new(handle, &self.pool);
        Arc::new(RingFile {
            pooled,
            ring: Arc::clone(ring),
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
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel's io_uring is too old",
        ))
    }
}

struct RingFile {
    pooled: PooledFile,
    ring: Arc<Ring>,
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
                (
                    Err(io::Error::other("the ring's thread panicked")),
                    IoBuf::empty(),
                )
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
        (
            done.map(drop)
                .map_err(self.error_at(Operation::Write, offset)),
            buf,
        )
    }

    async fn write_durable_at(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        let (done, buf) = self.submit(Action::WriteDurable, buf, offset).await;
        (
            done.map(drop)
                .map_err(self.error_at(Operation::Write, offset)),
            buf,
        )
    }

    async fn write_durable_here(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        self.pooled.write_durable_here(buf, offset).await
    }

    async fn sync_data(&self) -> Result<()> {
        let (done, _) = self.submit(Action::Sync, IoBuf::empty(), 0).await;
        done.map(drop)
            .map_err(|source| Error::new(Operation::Sync, self.path(), source))
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
        self.run(Operation::Rename, from, move |from| {
            std::fs::rename(from, to)
        })
        .await
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        self.run(Operation::Remove, path, |path| std::fs::remove_file(path))
            .await
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
        self.pool.close();
        self.pages.close();
        self.log.close();
        self.pages.ended().await;
        self.log.ended().await;
        self.pool.drained().await;
    }
}

impl std::fmt::Debug for UringIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UringIo")
    }
}
