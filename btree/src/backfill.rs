//! Carries a published state from `-wal` into the database file.
//!
//! Neighbours: [`crate::page_writer`] publishes the state; [`crate::old_images`] keeps what older states need.
//!
//! Invariants:
//! 1. Page 1 reaches the file after all others are synced; `-wal` is emptied after page 1 is synced.
//! 2. A page is overwritten only after its image of before is recorded, or nobody needs it.
//! 3. A step that ended is remembered, a step that did not end may be done again: it writes the same bytes.

use std::sync::Arc;

use heddle_base::PageNo;
use heddle_base::sync::atomic::Ordering;
use heddle_io::{File, IoBuf};

use crate::error::Result;
use crate::finisher::join_all;
use crate::old_images::Slot;
use crate::page::Page;
use crate::page_writer::Permit;
use crate::pages::Pages;
use crate::sqlite_wal::{FRAME_HEADER, Frames};
use crate::state::{Core, Snapshot, read_full};

/// Bytes of pages that are carried at once.
const BATCH: usize = 1024 * 1024;

/// What is still to be done for a published state.
#[derive(Clone)]
pub(crate) struct Unfinished {
    pub(crate) frames: Arc<Frames>,
    pub(crate) wal: Arc<dyn File>,
    pub(crate) stage: Stage,
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Pages,
    First,
    Reset,
}

/// The right, and the duty, to carry a published state into the file. Dropped before its end, it is to be had again
/// from [`crate::pager::Pager::unfinished_backfill`].
pub struct Backfill {
    permit: Permit,
    snapshot: Snapshot,
}

impl Backfill {
    pub(crate) fn new(permit: Permit, snapshot: Snapshot) -> Self {
        Self { permit, snapshot }
    }

    fn core(&self) -> &Arc<Core> {
        &self.permit.0.core
    }

    /// What is left to do, if the step `stage` is.
    fn left(&self, stage: Stage) -> Option<Unfinished> {
        self.permit.0.unfinished().filter(|unfinished| unfinished.stage <= stage)
    }

    /// Writes all pages but the first, and syncs.
    ///
    /// # Errors
    /// `Io`, `Poisoned`.
    ///
    /// # Cancel safety
    /// May be called again.
    pub async fn pages_but_first(&mut self) -> Result<()> {
        let Some(left) = self.left(Stage::Pages) else { return Ok(()) };
        self.core().check_poison()?;
        self.core().finisher.settle().await;
        heddle_base::when_planted!("first-page-first", {
            self.carry(&left, &[PageNo(1)]).await?;
            self.core().sync(&self.core().file).await?;
        });
        let pages_at_once = BATCH / self.snapshot.header().page_size as usize;
        let mut pages: Vec<PageNo> = left.frames.keys().copied().filter(|p| p.get() != 1).collect();
        pages.sort_unstable();
        for pages in pages.chunks(pages_at_once) {
            self.preserve(pages).await?;
            self.carry(&left, pages).await?;
        }
        // What the file loses at its end, older states may still have.
        let generation = self.snapshot.generation().0;
        let live = self.core().versions.lock().live_before(generation);
        let longest = live.iter().map(|base| base.header.page_count).max().unwrap_or(0);
        drop(live);
        let mut cut = self.snapshot.page_count() + 1;
        while cut <= longest {
            let end = longest.min(cut + (pages_at_once as u32 - 1));
            let pages: Vec<PageNo> = (cut..=end).map(PageNo).collect();
            self.preserve(&pages).await?;
            cut = end + 1;
        }
        self.core().sync(&self.core().file).await?;
        self.permit.0.set_stage(Stage::First);
        Ok(())
    }

    /// Writes the first page, cuts the file to its length, and syncs. Does the step before, if it was not done.
    ///
    /// # Errors
    /// As [`Backfill::pages_but_first`].
    ///
    /// # Cancel safety
    /// May be called again.
    pub async fn first_page(&mut self) -> Result<()> {
        self.pages_but_first().await?;
        let Some(left) = self.left(Stage::First) else { return Ok(()) };
        let core = self.core();
        core.check_poison()?;
        core.finisher.settle().await;
        if left.frames.contains_key(&PageNo(1)) {
            self.preserve(&[PageNo(1)]).await?;
            self.carry(&left, &[PageNo(1)]).await?;
        }
        let header = self.snapshot.header();
        let len = u64::from(header.page_count) * u64::from(header.page_size);
        core.set_len(&core.file, len).await?;
        core.sync(&core.file).await?;
        let mut versions = core.versions.lock();
        versions.pending = None;
        let horizon = versions.horizon(self.snapshot.generation().0);
        versions.old.purge(horizon);
        drop(versions);
        self.permit.0.set_stage(Stage::Reset);
        Ok(())
    }

    /// Empties `-wal`. Does the steps before, if they were not done.
    ///
    /// # Errors
    /// As [`Backfill::pages_but_first`].
    ///
    /// # Cancel safety
    /// Dropped midway, the backfill is still unfinished.
    pub async fn reset(mut self) -> Result<()> {
        self.first_page().await?;
        let Some(left) = self.left(Stage::Reset) else { return Ok(()) };
        let core = self.core();
        core.check_poison()?;
        core.finisher.settle().await;
        core.set_len(&left.wal, 0).await?;
        core.sync(&left.wal).await?;
        self.permit.0.finished();
        Ok(())
    }

    /// Copies images that older states need, before they are overwritten.
    async fn preserve(&self, pages: &[PageNo]) -> Result<()> {
        let core = Arc::clone(self.core());
        let mut reserved = Reserved { core: &core, places: self.reserve(pages) };
        if reserved.places.is_empty() {
            return Ok(());
        }
        let size = self.snapshot.header().page_size as usize;
        let runs = reserved.places.chunk_by(|a, b| a.0.get() + 1 == b.0.get() && a.1 + 1 == b.1);
        let mut copies = Vec::new();
        for run in runs {
            let (first, slot) = run[0];
            let from = u64::from(first.get() - 1) * size as u64;
            let images = read_full(&*core.file, first, run.len() * size, from).await?;
            copies.push((images, u64::from(slot) * size as u64));
        }
        if let Err(error) = Self::keep(&core, copies).await {
            tracing::warn!(%error, "old images can't be kept: snapshots that need them end");
            let versions = core.versions.lock();
            for base in versions.live_before(self.snapshot.generation().0) {
                base.ended.store(true, Ordering::Relaxed);
            }
            return Ok(());
        }
        let mut versions = core.versions.lock();
        for (page, slot) in reserved.places.drain(..) {
            versions.old.record(page, self.snapshot.generation().0, slot);
        }
        Ok(())
    }

    async fn keep(core: &Core, copies: Vec<(IoBuf, u64)>) -> Result<()> {
        let file = core.versions.lock().old.file().cloned();
        let file = match file {
            Some(file) => file,
            None => {
                let file = core.env.io.open_unlinked(crate::pager::dir_of(&core.path)).await?;
                core.versions.lock().old.set_file(Arc::clone(&file));
                file
            }
        };
        for (images, offset) in copies {
            core.write(&file, images, offset).await?;
        }
        Ok(())
    }

    /// Places for the images that some older state needs. Over the budget, the oldest states end.
    fn reserve(&self, pages: &[PageNo]) -> Vec<(PageNo, Slot)> {
        let generation = self.snapshot.generation().0;
        let mut versions = self.core().versions.lock();
        let mut live = versions.live_before(generation);
        let mut places = Vec::new();
        for &page in pages {
            loop {
                let needed = live.iter().any(|base| {
                    page.get() <= base.header.page_count
                        && versions.old.find(page, base.generation.0).is_none()
                });
                if !needed {
                    break;
                }
                if let Some(slot) = versions.old.reserve() {
                    places.push((page, slot));
                    break;
                }
                live.remove(0).ended.store(true, Ordering::Relaxed);
                let horizon = live.first().map_or(generation, |base| base.generation.0);
                versions.old.purge(horizon);
            }
        }
        places
    }

    /// Writes pages, which are in order, from the cache or their frames into the file.
    async fn carry(&self, left: &Unfinished, pages: &[PageNo]) -> Result<()> {
        let core = self.core();
        let size = self.snapshot.header().page_size as usize;
        let images = self.images(left, pages, size).await?;
        let mut runs: Vec<(IoBuf, u64)> = Vec::new();
        for run in images.chunk_by(|a, b| a.0.get() + 1 == b.0.get()) {
            let mut buf = IoBuf::zeroed(run.len() * size);
            for (to, (_, image)) in buf.chunks_exact_mut(size).zip(run) {
                to.copy_from_slice(image);
            }
            runs.push((buf, u64::from(run[0].0.get() - 1) * size as u64));
        }
        let writes = runs.into_iter().map(|(buf, offset)| core.write(&core.file, buf, offset));
        join_all(writes).await.into_iter().collect()
    }

    async fn images(
        &self,
        left: &Unfinished,
        pages: &[PageNo],
        size: usize,
    ) -> Result<Vec<(PageNo, Page)>> {
        let mut images = Vec::with_capacity(pages.len());
        let mut absent = Vec::new();
        {
            let guard = crossbeam_epoch::pin();
            for &page in pages {
                let at = self.snapshot.generation().0;
                match (self.core().cache.get_page(page, at, &guard), left.frames.get(&page)) {
                    (Some(image), _) => images.push((page, image)),
                    (None, Some(&offset)) => absent.push((offset, page)),
                    (None, None) => {}
                }
            }
        }
        absent.sort_unstable();
        let frame = (FRAME_HEADER + size) as u64;
        for run in absent.chunk_by(|a, b| a.0 + frame == b.0) {
            let (offset, first) = run[0];
            let len = run.len() * (FRAME_HEADER + size) - FRAME_HEADER;
            let bytes = read_full(&*left.wal, first, len, offset).await?;
            for (&(_, page), image) in run.iter().zip(bytes.chunks(FRAME_HEADER + size)) {
                images.push((page, crate::page::PageBuf::copy_of(&image[..size]).freeze()));
            }
        }
        images.sort_unstable_by_key(|(page, _)| *page);
        Ok(images)
    }
}

/// Places that are given back unless an image is recorded in them.
struct Reserved<'a> {
    core: &'a Core,
    places: Vec<(PageNo, Slot)>,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.places.is_empty() {
            let mut versions = self.core.versions.lock();
            self.places.drain(..).for_each(|(_, slot)| versions.old.release(slot));
        }
    }
}
