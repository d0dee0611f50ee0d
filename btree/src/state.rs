//! States of the database, and reads at one of them.
//!
//! Neighbours: [`crate::pager`] makes them current; [`crate::cache`] keeps images; [`crate::versions`] says where the
//! others lie.
//!
//! Invariants:
//! 1. All that a state shows was so at one moment: the images of its pages never change.
//! 2. A state that was ended still gives what is cached; what must be read is `SnapshotTooOld`.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_epoch::Guard;
use heddle_base::sync::Mutex;
use heddle_base::sync::atomic::{AtomicBool, Ordering};
use heddle_base::{Generation, PageNo};
use heddle_io::{Env, File, IoBuf, TryRead};

use crate::cache::PageCache;
use crate::error::{Error, Result};
use crate::finisher::{Finisher, join_all};
use crate::header::Header;
use crate::page::{Page, PageBuf};
use crate::pages::Pages;
use crate::versions::{Source, Versions};

/// Bytes that one read of several pages asks for at most.
const LONGEST_READ: usize = 128 * 1024;

/// What all states of an open file share.
pub(crate) struct Core {
    pub(crate) cache: PageCache,
    pub(crate) versions: Mutex<Versions>,
    pub(crate) file: Arc<dyn File>,
    pub(crate) env: Env,
    pub(crate) path: PathBuf,
    pub(crate) finisher: Finisher,
    pub(crate) poisoned: AtomicBool,
}

impl Core {
    pub(crate) fn check_poison(&self) -> Result<()> {
        if self.poisoned.load(Ordering::Acquire) { Err(Error::Poisoned) } else { Ok(()) }
    }

    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    /// Writes, to the end even if nobody waits.
    pub(crate) async fn write(&self, file: &Arc<dyn File>, buf: IoBuf, offset: u64) -> Result<()> {
        let file = Arc::clone(file);
        self.finisher.run(async move { Ok(file.write_at(buf, offset).await.0?) }).await
    }

    /// Sets a length, to the end even if nobody waits.
    pub(crate) async fn set_len(&self, file: &Arc<dyn File>, len: u64) -> Result<()> {
        let file = Arc::clone(file);
        self.finisher.run(async move { Ok(file.set_len(len).await?) }).await
    }

    /// Syncs, and poisons if that fails.
    pub(crate) async fn sync(&self, file: &Arc<dyn File>) -> Result<()> {
        self.check_poison()?;
        let synced = file.sync_data().await;
        if synced.is_err() {
            self.poison();
        }
        Ok(synced?)
    }
}

/// One state of the file.
pub(crate) struct Base {
    pub(crate) generation: Generation,
    pub(crate) header: Header,
    pub(crate) core: Arc<Core>,
    pub(crate) ended: AtomicBool,
}

impl Base {
    pub(crate) fn new(core: &Arc<Core>, generation: Generation, header: Header) -> Arc<Self> {
        let (core, ended) = (Arc::clone(core), AtomicBool::new(false));
        Arc::new(Self { generation, header, core, ended })
    }

    #[inline]
    fn check(&self, page: PageNo) -> Result<()> {
        if page.get().wrapping_sub(1) >= self.header.page_count {
            return Err(no_such_page(page));
        }
        Ok(())
    }

    async fn load(&self, page: PageNo) -> Result<Page> {
        let size = self.header.page_size as usize;
        loop {
            let (source, file, offset) = self.core.versions.lock().resolve(self, page)?;
            let image = read_full(&*file, page, size, offset).await;
            let image = image.map(|buf| PageBuf::from_io(buf).freeze());
            if let Some(image) = self.keep(page, source, image)? {
                return Ok(image);
            }
        }
    }

    /// Caches what was read, if it is what it was read for; `None` if the file may have changed meanwhile, which each
    /// published state does once at most.
    fn keep(&self, page: PageNo, source: Source, image: Result<Page>) -> Result<Option<Page>> {
        let versions = self.core.versions.lock();
        if versions.resolve(self, page)?.0 != source {
            return Ok(None);
        }
        let image = image?;
        let from = self.generation.0;
        // Still under the lock, so that a new state that changes the page comes before or after.
        self.core.cache.insert(page, from, source.until(), image.clone());
        Ok(Some(image))
    }

    /// Pages that lie one after another in the database file, and are not cached.
    fn runs(&self, pages: &[PageNo]) -> Vec<Vec<(PageNo, Source)>> {
        let guard = crossbeam_epoch::pin();
        let at = self.generation.0;
        let mut wanted: Vec<PageNo> = pages
            .iter()
            .copied()
            .filter(|&page| self.check(page).is_ok())
            .filter(|&page| self.core.cache.get(page, at, &guard).is_none())
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let longest = LONGEST_READ / self.header.page_size as usize;
        let mut runs: Vec<Vec<(PageNo, Source)>> = Vec::new();
        let versions = self.core.versions.lock();
        for page in wanted {
            // Whoever asks for the page is told of a failure.
            let Ok((source, _, _)) = versions.resolve(self, page) else { continue };
            if let Some(run) = runs.last_mut()
                && let (Some(last), Source::File { .. }) = (run.last(), source)
                && last.0.get() + 1 == page.get()
                && matches!(last.1, Source::File { .. })
                && run.len() < longest.max(1)
            {
                run.push((page, source));
            } else {
                runs.push(vec![(page, source)]);
            }
        }
        runs
    }

    async fn load_run(&self, run: Vec<(PageNo, Source)>) {
        let Some(&(first, _)) = run.first() else { return };
        if run.len() == 1 {
            let _ = self.load(first).await;
            return;
        }
        let size = self.header.page_size as usize;
        let offset = u64::from(first.get() - 1) * size as u64;
        let Ok(bytes) = read_full(&*self.core.file, first, run.len() * size, offset).await else {
            return;
        };
        for ((page, source), image) in run.into_iter().zip(bytes.chunks_exact(size)) {
            let _ = self.keep(page, source, Ok(PageBuf::copy_of(image).freeze()));
        }
    }
}

/// There is no page of that number.
pub(crate) fn no_such_page(page: PageNo) -> Error {
    Error::Corrupt { page, reason: "there is no such page".into() }
}

/// Reads `size` bytes, without waiting if they are in memory.
pub(crate) async fn read_full(
    file: &dyn File,
    page: PageNo,
    size: usize,
    offset: u64,
) -> Result<IoBuf> {
    let mut buf = IoBuf::zeroed(size);
    let read = match file.try_read_at(&mut buf, offset)? {
        TryRead::Done(read) => read,
        TryRead::WouldBlock => {
            let (read, full) = file.read_at(buf, offset).await;
            buf = full;
            read?
        }
    };
    if read < size {
        return Err(Error::Corrupt { page, reason: "the file ends before it does".into() });
    }
    Ok(buf)
}

/// An immutable state of the database, and what keeps it readable.
#[derive(Clone)]
pub struct Snapshot(pub(crate) Arc<Base>);

impl Snapshot {
    /// Which state this is.
    pub fn generation(&self) -> Generation {
        self.0.generation
    }

    /// The header of this state. Its write version is that of when the state became current.
    pub fn header(&self) -> &Header {
        &self.0.header
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot({:?}, {} pages)", self.0.generation, self.0.header.page_count)
    }
}

impl Pages for Snapshot {
    type Page = Page;

    #[inline]
    fn usable_size(&self) -> usize {
        self.0.header.usable_size()
    }

    #[inline]
    fn page_count(&self) -> u32 {
        self.0.header.page_count
    }

    #[inline]
    fn cached<'g>(&'g self, page: PageNo, guard: &'g Guard) -> Result<Option<&'g [u8]>> {
        self.0.check(page)?;
        Ok(self.0.core.cache.get(page, self.0.generation.0, guard))
    }

    fn cached_page(&self, page: PageNo, guard: &Guard) -> Result<Option<Page>> {
        self.0.check(page)?;
        Ok(self.0.core.cache.get_page(page, self.0.generation.0, guard))
    }

    async fn page(&self, page: PageNo) -> Result<Page> {
        let cached = self.cached_page(page, &crossbeam_epoch::pin())?;
        match cached {
            Some(image) => Ok(image),
            None => self.0.load(page).await,
        }
    }

    async fn prefetch(&self, pages: &[PageNo]) {
        let runs = self.0.runs(pages);
        join_all(runs.into_iter().map(|run| self.0.load_run(run))).await;
    }
}
