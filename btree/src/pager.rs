//! The open file: its current state, its one writer, and what is left to be done.
//!
//! Neighbours: [`crate::opening`] opens it; [`crate::state`] is what it gives out; [`crate::page_writer`] and
//! [`crate::backfill`] change it.
//!
//! Invariants:
//! 1. Generations of states only grow, by one with each publication.
//! 2. There is one writer or one backfill at a time, and no writer while a backfill is unfinished.
//! 3. While the database is open the lock bytes of SQLite are held ([`crate::lock`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use heddle_base::sync::Mutex;
use heddle_base::sync::atomic::AtomicBool;
use heddle_base::{Generation, PageNo};
use heddle_io::{Env, File, IoBuf, OpenOptions};

use crate::backfill::{Backfill, Stage, Unfinished};
use crate::error::{Error, Result};
use crate::header::Header;
use crate::lock::FileLock;
use crate::opening;
use crate::page_writer::{PageWriter, Permit};
use crate::sqlite_wal::Frames;
pub use crate::state::Snapshot;
use crate::state::{Base, Core, read_full};
use crate::text::Encoding;
use crate::versions::Pending;

/// How a database is opened, and made if it is not there.
#[derive(Clone, Debug)]
pub struct PagerOptions {
    /// Write nothing at all.
    pub read_only: bool,
    /// Page size in bytes of a new database.
    pub page_size: u32,
    /// Bytes that a new database keeps free at the end of each page.
    pub reserved: u8,
    /// Encoding of a new database.
    pub encoding: Encoding,
    /// Whether and how a new database gives free pages back.
    pub auto_vacuum: AutoVacuum,
    /// Bytes of page images kept in memory for readers.
    pub cache_bytes: usize,
    /// Bytes of page images that a writer keeps in memory before it writes them to `-wal`.
    pub write_bytes: usize,
    /// Bytes on disk for images that only older snapshots need; beyond them the oldest snapshots end.
    pub old_image_bytes: u64,
    /// Open without locks, on a file system that has none: nothing then keeps other processes away.
    pub without_locks: bool,
}

impl Default for PagerOptions {
    fn default() -> Self {
        Self {
            read_only: false,
            page_size: 4096,
            reserved: 0,
            encoding: Encoding::Utf8,
            auto_vacuum: AutoVacuum::None,
            cache_bytes: 64 << 20,
            write_bytes: 16 << 20,
            old_image_bytes: 1 << 30,
            without_locks: false,
        }
    }
}

/// SQLite's `PRAGMA auto_vacuum`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoVacuum {
    /// Free pages stay in the file.
    #[default]
    None,
    /// Each commit gives all free pages back.
    Full,
    /// Free pages are given back on demand.
    Incremental,
}

/// What was found when a database was opened.
#[derive(Clone, Debug)]
pub struct Found {
    /// The database did not exist, and was made.
    pub created: bool,
    /// A transaction of another program had been interrupted, and was rolled back from its journal.
    pub journal_rolled_back: bool,
    /// There was a `-wal` with commits. It has been carried into the file, unless the file is open for reading only:
    /// then it is read through.
    pub wal_had_commits: bool,
    /// The header as it is now, which is as it was seen through `-wal`.
    pub header: Header,
}

/// What an open file takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PagerStats {
    /// Bytes of the images in the cache, with their bookkeeping.
    pub cached_bytes: usize,
    /// Images in the cache.
    pub cached_images: usize,
    /// Images that were put into the cache since the file was opened.
    pub inserted_images: u64,
    /// Images that had to leave the cache for others.
    pub evicted_images: u64,
    /// Images on disk that only older snapshots need.
    pub old_images: usize,
    /// States that are read, the current one included.
    pub live_states: usize,
}

/// An open database file. Clones are the same one.
#[derive(Clone)]
pub struct Pager(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) core: Arc<Core>,
    pub(crate) options: PagerOptions,
    /// Taken by a page writer until its backfill ends.
    pub(crate) writing: AtomicBool,
    current: Mutex<Current>,
    wal: Mutex<Wal>,
    _lock: FileLock,
}

struct Current {
    base: Arc<Base>,
    unfinished: Option<Unfinished>,
}

#[derive(Default)]
struct Wal {
    file: Option<Arc<dyn File>>,
    /// Its name is durable.
    named: bool,
}

/// The file of the same name with more behind it.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The directory that lists a file.
pub(crate) fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Pager {
    /// Opens a database, or makes a new one if the file is absent or empty. A hot rollback journal is rolled back, and
    /// a `-wal` that was left behind is carried into the file; both may be repeated if they are interrupted. Opened
    /// for reading only nothing is written: a `-wal` is read through, a hot journal is refused.
    ///
    /// # Errors
    /// `Locked`, `NotADatabase`, `Corrupt`, `Unsupported`, `Io`.
    ///
    /// # Cancel safety
    /// Each step leaves what SQLite can open.
    pub async fn open(env: &Env, path: &Path, options: PagerOptions) -> Result<(Pager, Found)> {
        opening::open(env, path, options).await
    }

    pub(crate) fn new(base: Arc<Base>, options: PagerOptions, lock: FileLock) -> Self {
        base.core.versions.lock().add(&base);
        Pager(Arc::new(Shared {
            core: Arc::clone(&base.core),
            options,
            writing: AtomicBool::new(false),
            current: Mutex::new(Current { base, unfinished: None }),
            wal: Mutex::default(),
            _lock: lock,
        }))
    }

    /// The newest published state.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.0.current.lock().base.clone())
    }

    /// Begins the next state. There is one writer at a time.
    ///
    /// # Errors
    /// `ReadOnly`, `Poisoned`; `WriterActive` if there is one, or an unfinished backfill (see
    /// [`Pager::unfinished_backfill`]).
    ///
    /// # Cancel safety
    /// It does not wait.
    pub async fn begin_write(&self) -> Result<PageWriter> {
        let permit = self.permit()?;
        Ok(PageWriter::new(permit, self.snapshot()))
    }

    fn permit(&self) -> Result<Permit> {
        if self.0.options.read_only {
            return Err(Error::ReadOnly { path: self.0.core.path.clone() });
        }
        self.0.core.check_poison()?;
        let permit = Permit::take(&self.0).ok_or(Error::WriterActive)?;
        if self.0.unfinished().is_some() { Err(Error::WriterActive) } else { Ok(permit) }
    }

    /// The backfill that was dropped before its end, to be done again.
    pub fn unfinished_backfill(&self) -> Option<Backfill> {
        let permit = Permit::take(&self.0)?;
        self.0.unfinished()?;
        Some(Backfill::new(permit, self.snapshot()))
    }

    /// Sets the write version in the file's header, without making a state, and syncs: [`Header::FENCE`] keeps stock
    /// SQLite from writing, and the version found at opening lets it again. Snapshots taken from now on have it in
    /// their header; the images of page 1 that older ones read may show it too.
    ///
    /// # Errors
    /// As [`Pager::begin_write`]; `Io`.
    ///
    /// # Cancel safety
    /// Either version may be in the file; the call may be repeated.
    pub async fn set_write_version(&self, version: u8) -> Result<()> {
        /// Where the header has it.
        const OFFSET: u64 = 18;
        let _permit = self.permit()?;
        let core = &self.0.core;
        core.finisher.settle().await;
        let done = core.write(&core.file, IoBuf::copy_of(&[version]), OFFSET).await;
        // Also after an error: what was read of page 1 may be of before or after.
        {
            let mut versions = core.versions.lock();
            versions.file_was_touched();
            core.cache.forget(PageNo(1));
        }
        done?;
        core.sync(&core.file).await?;
        let mut current = self.0.current.lock();
        let mut header = current.base.header.clone();
        header.write_version = version;
        current.base = Base::new(core, current.base.generation, header);
        core.versions.lock().add(&current.base);
        Ok(())
    }

    /// As [`Pager::set_write_version`], with a change counter (offsets 24 and 92), by which this very file is known again. Header
    /// and page count are then as this state has them.
    ///
    /// # Errors
    /// As [`Pager::set_write_version`].
    ///
    /// # Cancel safety
    /// Either header may be in the file; the call may be repeated.
    pub async fn set_lineage(&self, write_version: u8, counter: u32) -> Result<()> {
        let _permit = self.permit()?;
        let core = &self.0.core;
        core.finisher.settle().await;
        let mut header = self.snapshot().header().clone();
        header.write_version = write_version;
        header.change_counter = counter;
        header.version_valid_for = counter;
        // The bytes between, which the format reserves, stay. All lie in one sector: they are there, or they are not.
        let mut first = read_full(&*core.file, PageNo(1), Header::SIZE, 0).await?;
        header.write_into(&mut first);
        let done = core.write(&core.file, first, 0).await;
        {
            let mut versions = core.versions.lock();
            versions.file_was_touched();
            core.cache.forget(PageNo(1));
        }
        done?;
        core.sync(&core.file).await?;
        let mut current = self.0.current.lock();
        current.base = Base::new(core, current.base.generation, header);
        core.versions.lock().add(&current.base);
        Ok(())
    }

    /// Ends the work on the file: removes `-wal`, which holds nothing any more. Snapshots stay readable, and the file
    /// stays locked until the last one is gone.
    ///
    /// # Errors
    /// As [`Pager::begin_write`]; `Io`.
    ///
    /// # Cancel safety
    /// The call may be repeated.
    pub async fn close(&self) -> Result<()> {
        if self.0.options.read_only {
            return Ok(());
        }
        let _permit = self.permit()?;
        let core = &self.0.core;
        core.finisher.settle().await;
        *self.0.wal.lock() = Wal::default();
        let wal = self.0.wal_path();
        if core.env.io.metadata(&wal).await?.is_some() {
            core.env.io.remove(&wal).await?;
            core.env.io.sync_dir(dir_of(&core.path)).await?;
        }
        Ok(())
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.0.core.path
    }

    /// Whether it was opened for reading only.
    pub fn is_read_only(&self) -> bool {
        self.0.options.read_only
    }

    /// What the open file takes now.
    pub fn stats(&self) -> PagerStats {
        let cache = self.0.core.cache.stats();
        let versions = self.0.core.versions.lock();
        PagerStats {
            cached_bytes: cache.bytes,
            cached_images: cache.images,
            inserted_images: cache.inserts,
            evicted_images: cache.evictions,
            old_images: versions.old.len(),
            live_states: versions.count(),
        }
    }
}

impl std::fmt::Debug for Pager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pager({})", self.0.core.path.display())
    }
}

impl Shared {
    pub(crate) fn wal_path(&self) -> PathBuf {
        beside(&self.core.path, "-wal")
    }

    /// The `-wal` file, made if it is absent.
    pub(crate) async fn open_wal(&self) -> Result<Arc<dyn File>> {
        if let Some(wal) = &self.wal.lock().file {
            return Ok(Arc::clone(wal));
        }
        let wal = self.core.env.io.open(&self.wal_path(), OpenOptions::CREATE).await?;
        self.wal.lock().file = Some(Arc::clone(&wal));
        Ok(wal)
    }

    /// Makes the name of `-wal` durable.
    pub(crate) async fn sync_wal_name(&self) -> Result<()> {
        if !self.wal.lock().named {
            self.core.env.io.sync_dir(dir_of(&self.core.path)).await?;
            self.wal.lock().named = true;
        }
        Ok(())
    }

    /// Says where the pages of the next state lie, before it is current. Gives the oldest state that is read.
    pub(crate) fn begin_publication(
        &self,
        generation: Generation,
        page_count: u32,
        frames: &Arc<Frames>,
        wal: &Arc<dyn File>,
    ) -> u64 {
        let mut versions = self.core.versions.lock();
        let (frames, wal) = (Arc::clone(frames), Arc::clone(wal));
        let horizon = versions.horizon(generation.0);
        versions.pending = Some(Pending { generation: generation.0, page_count, frames, wal });
        horizon
    }

    /// Makes the next state current; its backfill is then unfinished.
    pub(crate) fn end_publication(
        &self,
        generation: Generation,
        header: Header,
        frames: Arc<Frames>,
        wal: Arc<dyn File>,
    ) -> Snapshot {
        let base = Base::new(&self.core, generation, header);
        self.core.versions.lock().add(&base);
        let mut current = self.current.lock();
        let before = std::mem::replace(&mut current.base, Arc::clone(&base));
        current.unfinished = Some(Unfinished { frames, wal, stage: Stage::Pages });
        drop(current);
        drop(before);
        Snapshot(base)
    }

    /// What must be done before the next state.
    pub(crate) fn unfinished(&self) -> Option<Unfinished> {
        self.current.lock().unfinished.clone()
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        if let Some(unfinished) = &mut self.current.lock().unfinished {
            unfinished.stage = stage;
        }
    }

    pub(crate) fn finished(&self) {
        self.current.lock().unfinished = None;
    }

    /// Adopts a `-wal` that was left behind as the frames of the current state, not yet carried into the file.
    pub(crate) fn adopt(&self, frames: Arc<Frames>, wal: Arc<dyn File>) {
        self.wal.lock().file = Some(Arc::clone(&wal));
        self.current.lock().unfinished = Some(Unfinished { frames, wal, stage: Stage::Pages });
    }
}
