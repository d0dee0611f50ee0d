//! The open file: its locks, its current state, and snapshots of states.
//!
//! A state ([`Base`]) has a two-level table of page images, filled as pages are asked for. The next state shares the
//! tables of untouched pages. Neighbours: [`crate::page_writer`] makes the next state; [`crate::sqlite_wal`].
//!
//! Invariants:
//! 1. An image once in a slot stays there as long as the state: borrowing it needs no lock.
//! 2. A slot that is empty in the newest state was not changed since the file was opened, so the file holds it.
//! 3. Before the file's copy of a page changes, every older state still held has its image in a slot.
//! 4. While the database is open the lock bytes of SQLite are held: exclusively, or shared if it is read-only.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};

use crossbeam_epoch::Guard;
use heddle_base::sync::Mutex;
use heddle_base::sync::atomic::{AtomicBool, Ordering};
use heddle_base::{Generation, PageNo};
use heddle_io::{Env, File, IoBuf, LockKind, OpenOptions, TryRead};

use crate::error::{Error, Result};
use crate::header::Header;
use crate::page::{Page, PageBuf};
use crate::page_writer::{Backfill, PageWriter};
use crate::pages::Pages;
use crate::sqlite_wal;
use crate::text::Encoding;

/// PENDING, RESERVED and the 510 SHARED bytes of SQLite.
const LOCK_BYTES: Range<u64> = 0x4000_0000..0x4000_0200;
const CHUNK: usize = 256;

/// How a database is opened, and made if it is not there.
#[derive(Clone, Debug)]
pub struct PagerOptions {
    /// Write nothing at all, and share the file with other readers.
    pub read_only: bool,
    /// Page size in bytes of a new database.
    pub page_size: u32,
    /// Encoding of a new database.
    pub encoding: Encoding,
}

impl Default for PagerOptions {
    fn default() -> Self {
        Self { read_only: false, page_size: 4096, encoding: Encoding::Utf8 }
    }
}

/// An open database file. Clones are the same one.
#[derive(Clone)]
pub struct Pager(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) env: Env,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    pub(crate) read_only: bool,
    pub(crate) poisoned: AtomicBool,
    /// Taken by a page writer until its backfill ends.
    pub(crate) writing: AtomicBool,
    state: Mutex<State>,
}

struct State {
    current: Arc<Base>,
    older: Vec<Weak<Base>>,
    unfinished: Option<Vec<PageNo>>,
}

type Chunk = [OnceLock<Page>; CHUNK];

/// One state of the file.
pub(crate) struct Base {
    generation: Generation,
    pub(crate) header: Header,
    file: Arc<dyn File>,
    chunks: Vec<OnceLock<Arc<Chunk>>>,
}

/// An immutable state of the database, and what keeps it readable.
#[derive(Clone)]
pub struct Snapshot(pub(crate) Arc<Base>);

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl Pager {
    /// Opens a database, or makes a new one if the file is absent or empty. A `-wal` that was left behind is
    /// checkpointed first.
    ///
    /// # Errors
    /// `Locked`, `NotADatabase`, `Unsupported` (a rollback journal, or a `-wal` under a read-only open), `Io`.
    ///
    /// # Cancel safety
    /// Each step leaves what SQLite can open.
    pub async fn open(env: &Env, path: &Path, options: PagerOptions) -> Result<Pager> {
        let access = if options.read_only { OpenOptions::READ } else { OpenOptions::CREATE };
        let file = env.io.open(path, access).await?;
        let kind = if options.read_only { LockKind::Shared } else { LockKind::Exclusive };
        if !file.try_lock(LOCK_BYTES, kind)? {
            return Err(Error::Locked { path: path.to_owned() });
        }
        let unsupported = |what| Error::Unsupported { path: path.to_owned(), what };
        let journal = env.io.metadata(&beside(path, "-journal")).await?;
        if journal.is_some_and(|journal| journal.len > 0) && journal_is_begun(env, path).await? {
            return Err(unsupported(
                "a rollback journal lies beside it: open it with stock SQLite once",
            ));
        }
        let wal = beside(path, "-wal");
        if env.io.metadata(&wal).await?.is_some_and(|wal| wal.len > 0) {
            let access = if options.read_only { OpenOptions::READ } else { OpenOptions::WRITE };
            let wal = env.io.open(&wal, access).await?;
            match sqlite_wal::read(&*wal).await? {
                Some(_) if options.read_only => {
                    return Err(unsupported(
                        "its -wal must be checkpointed, and it is opened for reading only",
                    ));
                }
                Some(committed) => checkpoint_left_over(&*file, &*wal, &committed).await?,
                None => {}
            }
        }
        if file.len().await? == 0 {
            if options.read_only {
                return Err(Error::NotADatabase { path: path.to_owned(), reason: "it is empty" });
            }
            create(env, path, &*file, &options).await?;
        }
        let base = Base::first(path, file.clone()).await?;
        Ok(Pager(Arc::new(Shared {
            env: env.clone(),
            path: path.to_owned(),
            file,
            read_only: options.read_only,
            poisoned: AtomicBool::new(false),
            writing: AtomicBool::new(false),
            state: Mutex::new(State {
                current: Arc::new(base),
                older: Vec::new(),
                unfinished: None,
            }),
        })))
    }

    /// The newest published state.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.0.state.lock().current.clone())
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
        if self.0.read_only {
            return Err(Error::ReadOnly { path: self.0.path.clone() });
        }
        self.0.check_poison()?;
        if self.0.state.lock().unfinished.is_some() || self.0.writing.swap(true, Ordering::AcqRel) {
            return Err(Error::WriterActive);
        }
        Ok(PageWriter::new(self.clone()))
    }

    /// The backfill that was dropped before its end, to be begun again.
    pub fn unfinished_backfill(&self) -> Option<Backfill> {
        if self.0.writing.swap(true, Ordering::AcqRel) {
            return None;
        }
        let Some(pages) = self.0.state.lock().unfinished.clone() else {
            self.0.writing.store(false, Ordering::Release);
            return None;
        };
        Some(Backfill::new(self.clone(), self.snapshot(), pages))
    }

    pub(crate) fn wal_path(&self) -> PathBuf {
        beside(&self.0.path, "-wal")
    }

    /// Makes the next state current; its backfill is then unfinished.
    pub(crate) fn publish(
        &self,
        header: Header,
        dirty: &std::collections::BTreeMap<PageNo, Page>,
    ) -> Generation {
        let mut state = self.0.state.lock();
        let next = Arc::new(state.current.next(header, dirty));
        let generation = next.generation;
        let old = std::mem::replace(&mut state.current, next);
        state.older.retain(|base| base.strong_count() > 0);
        state.older.push(Arc::downgrade(&old));
        state.unfinished = Some(dirty.keys().copied().collect());
        generation
    }

    pub(crate) fn backfilled(&self) {
        self.0.state.lock().unfinished = None;
    }

    /// States before the current one that somebody still reads.
    pub(crate) fn older(&self) -> Vec<Snapshot> {
        let state = self.0.state.lock();
        state.older.iter().filter_map(Weak::upgrade).map(Snapshot).collect()
    }
}

impl Shared {
    pub(crate) fn check_poison(&self) -> Result<()> {
        if self.poisoned.load(Ordering::Acquire) { Err(Error::Poisoned) } else { Ok(()) }
    }

    /// Syncs, and poisons if that fails.
    pub(crate) async fn sync(&self, file: &dyn File) -> Result<()> {
        self.check_poison()?;
        let synced = file.sync_data().await;
        if synced.is_err() {
            self.poisoned.store(true, Ordering::Release);
        }
        Ok(synced?)
    }
}

/// Whether a journal begins as a live one does: SQLite ends one by zeroing its first byte.
async fn journal_is_begun(env: &Env, path: &Path) -> Result<bool> {
    let journal = env.io.open(&beside(path, "-journal"), OpenOptions::READ).await?;
    let (read, first) = journal.read_at(IoBuf::zeroed(1), 0).await;
    Ok(read? == 1 && first[0] != 0)
}

async fn checkpoint_left_over(
    file: &dyn File,
    wal: &dyn File,
    committed: &sqlite_wal::Committed,
) -> Result<()> {
    // Stock may have died before it synced its `-wal`, under synchronous=NORMAL.
    wal.sync_data().await?;
    let size = committed.page_size as usize;
    for (page, offset) in committed.pages.iter().rev() {
        let (read, buf) = wal.read_at(IoBuf::zeroed(size), *offset).await;
        if read? < size {
            return Err(Error::Corrupt {
                page: *page,
                reason: "its frame in the -wal is cut off".into(),
            });
        }
        file.write_at(buf, u64::from(page.get() - 1) * size as u64).await.0?;
    }
    file.set_len(u64::from(committed.page_count) * size as u64).await?;
    file.sync_data().await?;
    wal.set_len(0).await?;
    wal.sync_data().await?;
    Ok(())
}

async fn create(env: &Env, path: &Path, file: &dyn File, options: &PagerOptions) -> Result<()> {
    let size = options.page_size;
    if !(512..=65_536).contains(&size) || !size.is_power_of_two() {
        let what = "the page size asked for is no power of two from 512 to 65536";
        return Err(Error::Unsupported { path: path.to_owned(), what });
    }
    let mut page = IoBuf::zeroed(size as usize);
    Header::new(size, options.encoding).write_into(&mut page);
    // An empty leaf of a table: kind 13, no cell, content from the end of the page (0 stands for 65536).
    page[100] = 13;
    page[105..107].copy_from_slice(&u16::try_from(size).unwrap_or(0).to_be_bytes());
    file.write_at(page, 0).await.0?;
    file.sync_data().await?;
    if let Some(dir) = path.parent() {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        env.io.sync_dir(dir).await?;
    }
    Ok(())
}

impl Base {
    async fn first(path: &Path, file: Arc<dyn File>) -> Result<Base> {
        let not_a_database = |reason| Error::NotADatabase { path: path.to_owned(), reason };
        let (read, first) = file.read_at(IoBuf::zeroed(Header::SIZE), 0).await;
        let mut header = Header::parse(&first[..read?]).map_err(not_a_database)?;
        if header.read_version > 2 {
            let what = "its read version says that newer software is needed";
            return Err(Error::Unsupported { path: path.to_owned(), what });
        }
        let pages =
            u32::try_from(file.len().await? / u64::from(header.page_size)).unwrap_or(u32::MAX - 1);
        // As stock does: the count in the header holds only if the counter beside it matches.
        if header.page_count == 0 || header.change_counter != header.version_valid_for {
            header.page_count = pages;
        }
        if header.page_count > pages || pages == 0 {
            return Err(not_a_database("it is shorter than the page count in its header"));
        }
        let chunks =
            (0..(header.page_count as usize).div_ceil(CHUNK)).map(|_| OnceLock::new()).collect();
        Ok(Base { generation: Generation(1), header, file, chunks })
    }

    fn next(&self, header: Header, dirty: &std::collections::BTreeMap<PageNo, Page>) -> Base {
        let count = header.page_count as usize;
        let mut chunks: Vec<OnceLock<Arc<Chunk>>> = Vec::new();
        for at in 0..count.div_ceil(CHUNK) {
            let old = self.chunks.get(at).and_then(OnceLock::get);
            let (low, high) = (at * CHUNK, (at + 1) * CHUNK);
            let changed = dirty.range(PageNo(low as u32 + 1)..=PageNo(high as u32));
            // A table that reaches past the end of either state must not bring an image back.
            let shared = high <= count && high <= self.header.page_count as usize;
            let cell = OnceLock::new();
            if changed.clone().next().is_none() && shared {
                if let Some(old) = old {
                    let _ = cell.set(old.clone());
                }
            } else {
                let fresh = new_chunk();
                for (page, image) in changed {
                    let _ = fresh[page.get() as usize - 1 - low].set(image.clone());
                }
                let kept = CHUNK
                    .min(count - low)
                    .min((self.header.page_count as usize).saturating_sub(low));
                for (slot, new) in
                    old.iter().flat_map(|old| old.iter()).zip(fresh.iter()).take(kept)
                {
                    if let Some(image) = slot.get() {
                        let _ = new.set(image.clone());
                    }
                }
                let _ = cell.set(fresh);
            }
            chunks.push(cell);
        }
        Base { generation: self.generation.next(), header, file: self.file.clone(), chunks }
    }

    fn slot(&self, page: PageNo) -> Result<(usize, usize)> {
        if page.get() == 0 || page.get() > self.header.page_count {
            return Err(Error::Corrupt { page, reason: "there is no such page".into() });
        }
        let index = page.get() as usize - 1;
        Ok((index / CHUNK, index % CHUNK))
    }

    fn get(&self, page: PageNo) -> Result<Option<&Page>> {
        let (chunk, slot) = self.slot(page)?;
        Ok(self.chunks[chunk].get().and_then(|chunk| chunk[slot].get()))
    }

    async fn load(&self, page: PageNo) -> Result<Page> {
        let (chunk, slot) = self.slot(page)?;
        let size = self.header.page_size as usize;
        let offset = u64::from(page.get() - 1) * size as u64;
        let mut buf = IoBuf::zeroed(size);
        let read = match self.file.try_read_at(&mut buf, offset)? {
            TryRead::Done(read) => read,
            TryRead::WouldBlock => {
                let (read, full) = self.file.read_at(buf, offset).await;
                buf = full;
                read?
            }
        };
        let slot = &self.chunks[chunk].get_or_init(new_chunk)[slot];
        // Invariant 3: if a backfill came in between, the slot was filled before it, and that image counts.
        if read < size && slot.get().is_none() {
            return Err(Error::Corrupt { page, reason: "the file ends before it".into() });
        }
        Ok(slot.get_or_init(|| PageBuf::from_io(buf).freeze()).clone())
    }
}

fn new_chunk() -> Arc<Chunk> {
    Arc::new(std::array::from_fn(|_| OnceLock::new()))
}

impl Snapshot {
    /// Which state this is.
    pub fn generation(&self) -> Generation {
        self.0.generation
    }

    /// The header of this state.
    pub fn header(&self) -> &Header {
        &self.0.header
    }
}

impl Pages for Snapshot {
    type Page = Page;

    fn usable_size(&self) -> usize {
        self.0.header.usable_size()
    }

    fn page_count(&self) -> u32 {
        self.0.header.page_count
    }

    fn cached<'g>(&'g self, page: PageNo, _guard: &'g Guard) -> Result<Option<&'g [u8]>> {
        Ok(self.0.get(page)?.map(|image| &**image))
    }

    fn cached_page(&self, page: PageNo, _guard: &Guard) -> Result<Option<Page>> {
        Ok(self.0.get(page)?.cloned())
    }

    async fn page(&self, page: PageNo) -> Result<Page> {
        match self.0.get(page)? {
            Some(image) => Ok(image.clone()),
            None => self.0.load(page).await,
        }
    }

    async fn prefetch(&self, pages: &[PageNo]) {
        for &page in pages {
            // Whoever asks for the page is told of a failure.
            let _ = self.page(page).await;
        }
    }
}
