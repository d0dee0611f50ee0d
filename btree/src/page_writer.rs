//! The one writer of the next state: private images, frames in `-wal`, publication.
//!
//! Images beyond a budget are written as frames before the state is complete, without a commit frame, so that a
//! state of any size takes bounded memory; a page that is put again gets another frame. Neighbours: the writers of
//! trees change pages through [`PagesMut`]; [`crate::backfill`] goes on after publication.
//!
//! Invariants:
//! 1. No commit frame is written before all other frames of its state. The last one holds page 1.
//! 2. A page is in `dirty`, or its newest image is the frame in `frames`, or the state before has it.
//! 3. Every page that the new state has and the one before had not, or had cut off, has an image, but for the page of
//!    SQLite's lock bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use heddle_base::sync::atomic::Ordering;
use heddle_base::{Generation, PageNo};
use heddle_io::{File, IoBuf};

use crate::backfill::Backfill;
use crate::error::Result;
use crate::header::Header;
use crate::page::{Page, PageBuf};
use crate::pager::Shared;
use crate::pages::{Pages, PagesMut};
use crate::sqlite_wal::{FRAME_HEADER, FrameWriter, Frames, HEADER};
use crate::state::{Snapshot, no_such_page, read_full};

/// Bytes of frames that go into one write, or a little more.
const BATCH: usize = 256 * 1024;
/// Bytes by which the last write may be longer: its sector's rest.
const SECTOR: usize = 4096;
/// Pages that are replaced in the cache under one lock.
const AT_ONCE: usize = 256;

/// Holds the right to write; gives it back when dropped.
pub(crate) struct Permit(pub(crate) Arc<Shared>);

impl Permit {
    /// The right to write, if nobody has it.
    pub(crate) fn take(shared: &Arc<Shared>) -> Option<Self> {
        let taken = shared.writing.swap(true, Ordering::AcqRel);
        (!taken).then(|| Self(Arc::clone(shared)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.writing.store(false, Ordering::Release);
    }
}

/// Private images on top of the newest state.
pub struct PageWriter {
    permit: Permit,
    base: Snapshot,
    header: Header,
    dirty: BTreeMap<PageNo, Page>,
    frames: Frames,
    /// Images that were in memory when the last frames were written.
    kept: BTreeMap<PageNo, Page>,
    /// The smallest page count that the new state had.
    low: u32,
    wal: Option<(Arc<dyn File>, FrameWriter)>,
    /// All of the state is in `-wal`, up to its commit frame.
    complete: bool,
}

impl PageWriter {
    pub(crate) fn new(permit: Permit, base: Snapshot) -> Self {
        let header = base.header().clone();
        Self {
            low: header.page_count,
            permit,
            base,
            header,
            dirty: BTreeMap::new(),
            frames: Frames::default(),
            kept: BTreeMap::new(),
            wal: None,
            complete: false,
        }
    }

    /// What the new state begins from.
    pub fn base(&self) -> &Snapshot {
        &self.base
    }

    /// How many pages of the new state are in `-wal` so far.
    pub fn frame_count(&self) -> usize {
        self.frames.len()
    }

    /// Bytes of the private images in memory.
    pub fn dirty_bytes(&self) -> usize {
        self.dirty.len() * self.page_size().max(IoBuf::ALIGN)
    }

    /// Writes the private images to `-wal` if they are over their budget. [`PagesMut::page`] does so too.
    ///
    /// # Errors
    /// `Io`, as of a full disk; nothing is lost then, and the call may be repeated. `Poisoned`.
    ///
    /// # Cancel safety
    /// As after an error.
    pub async fn spill(&mut self) -> Result<()> {
        if self.dirty_bytes() > self.permit.0.options.write_bytes {
            let pages = self.dirty.keys().copied().filter(|page| page.get() != 1).collect();
            self.append(pages, None).await?;
        }
        Ok(())
    }

    /// Writes the rest of the private images, and page 1 with the header, into `-wal`: the state is then complete.
    /// After an error `-wal` has no commit frame, and the call may be repeated.
    ///
    /// # Errors
    /// `Io`, as of a full disk; `Poisoned`, also if what was written can't be cut off again.
    ///
    /// # Cancel safety
    /// Dropped midway, the frames have a commit at their end or none; the next writer replaces them.
    pub async fn write_frames(&mut self) -> Result<()> {
        self.fill_gaps();
        let first = PagesMut::page(self, PageNo(1)).await?;
        let mut first = PageBuf::copy_of(&first);
        self.header.write_into(&mut first);
        self.dirty.insert(PageNo(1), first.freeze());
        let mut pages: Vec<PageNo> = self.dirty.keys().copied().collect();
        pages.rotate_left(1);
        self.append(pages, Some(self.header.page_count)).await?;
        self.complete = true;
        Ok(())
    }

    /// Makes the frames, and the name of `-wal`, durable.
    ///
    /// # Errors
    /// `Io`, and from then on `Poisoned`.
    ///
    /// # Cancel safety
    /// May be called again.
    pub async fn sync_wal(&mut self) -> Result<()> {
        let shared = &self.permit.0;
        if let Some((wal, _)) = &self.wal {
            shared.core.sync(wal).await?;
            shared.sync_wal_name().await?;
        }
        Ok(())
    }

    /// Shows the new state to those who ask from now on. Belongs after [`PageWriter::sync_wal`].
    ///
    /// # Panics
    /// If the frames were not written, or pages were put after.
    pub fn publish(self) -> (Generation, Backfill) {
        assert!(self.complete && self.dirty.is_empty(), "frames are written before publication");
        let Self { permit, base, header, frames, mut kept, wal, .. } = self;
        #[expect(clippy::expect_used, reason = "it was made when the frames were written")]
        let (wal, _) = wal.expect("a complete state has a -wal");
        let shared = &permit.0;
        let generation = base.generation().next();
        let cut = (header.page_count + 1..=base.page_count()).map(PageNo);
        let mut changed: Vec<PageNo> = frames.keys().copied().chain(cut).collect();
        changed.sort_unstable();
        let frames = Arc::new(frames);
        let horizon = shared.begin_publication(generation, header.page_count, &frames, &wal);
        for pages in changed.chunks(AT_ONCE) {
            let images = pages.iter().map(|&page| (page, kept.remove(&page)));
            shared.core.cache.replace(images, generation.0, horizon);
        }
        let snapshot = shared.end_publication(generation, header, frames, wal);
        drop(base);
        (generation, Backfill::new(permit, snapshot))
    }

    /// Invariant 3.
    fn fill_gaps(&mut self) {
        let size = self.page_size();
        let lock_page = PageNo((0x4000_0000 / size) as u32 + 1);
        for page in (self.low + 1..=self.header.page_count).map(PageNo) {
            if page != lock_page && !self.frames.contains_key(&page) {
                self.dirty.entry(page).or_insert_with(|| PageBuf::zeroed(size).freeze());
            }
        }
        self.low = self.header.page_count;
    }

    /// Writes frames of dirty pages in this order; the last one with `commit`. What a batch wrote is dirty no more.
    async fn append(&mut self, pages: Vec<PageNo>, commit: Option<u32>) -> Result<()> {
        self.permit.0.core.check_poison()?;
        if self.wal.is_none() {
            self.begin_wal().await?;
        }
        let Some((wal, writer)) = &mut self.wal else { return Ok(()) };
        let core = &self.permit.0.core;
        core.finisher.settle().await;
        let frame = FRAME_HEADER + self.header.page_size as usize;
        let last = pages.last().copied();
        for pages in pages.chunks((BATCH / frame).max(1)) {
            let start = writer.offset();
            let mut next = writer.clone();
            let mut buf = IoBuf::zeroed(pages.len() * frame + SECTOR + frame);
            buf.resize(0);
            let mut offsets = Vec::with_capacity(pages.len());
            for &page in pages {
                let Some(image) = self.dirty.get(&page) else { continue };
                let mark = commit.filter(|_| Some(page) == last).unwrap_or(0);
                offsets.push((page, next.frame(&mut buf, page, image, mark)));
                // As SQLite does: so that a torn write of what follows can't harm the commit frame.
                let end = next.sector_end();
                while mark != 0 && next.offset() < end {
                    next.frame(&mut buf, page, image, mark);
                }
            }
            if let Err(error) = core.write(wal, buf, start).await {
                if commit.is_some() && core.set_len(wal, start).await.is_err() {
                    core.poison();
                }
                return Err(error);
            }
            *writer = next;
            for (page, offset) in offsets {
                self.frames.insert(page, offset);
                if let Some(image) = self.dirty.remove(&page)
                    && commit.is_some()
                {
                    self.kept.insert(page, image);
                }
            }
        }
        Ok(())
    }

    /// Begins a new `-wal` over whatever is there.
    async fn begin_wal(&mut self) -> Result<()> {
        let shared = &self.permit.0;
        shared.core.finisher.settle().await;
        let wal = shared.open_wal().await?;
        shared.core.set_len(&wal, 0).await?;
        let mut header = IoBuf::zeroed(HEADER);
        header.resize(0);
        let salts = shared.core.env.runtime.random();
        let writer = FrameWriter::begin(&mut header, self.header.page_size, salts);
        shared.core.write(&wal, header, 0).await?;
        self.wal = Some((wal, writer));
        Ok(())
    }
}

impl PagesMut for PageWriter {
    fn page_size(&self) -> usize {
        self.header.page_size as usize
    }

    fn usable_size(&self) -> usize {
        self.header.usable_size()
    }

    fn page_count(&self) -> u32 {
        self.header.page_count
    }

    async fn page(&mut self, page: PageNo) -> Result<Page> {
        self.spill().await?;
        if let Some(image) = self.dirty.get(&page).or_else(|| self.kept.get(&page)) {
            return Ok(image.clone());
        }
        if page.get().wrapping_sub(1) >= self.header.page_count {
            return Err(no_such_page(page));
        }
        match (self.frames.get(&page), &self.wal) {
            (Some(&offset), Some((wal, _))) => {
                let image = read_full(&**wal, page, self.page_size(), offset).await?;
                Ok(PageBuf::from_io(image).freeze())
            }
            // Cut off, and not put since the state grew again.
            _ if page.get() > self.low => Ok(PageBuf::zeroed(self.page_size()).freeze()),
            _ => self.base.page(page).await,
        }
    }

    async fn relieve(&mut self) -> Result<()> {
        self.spill().await
    }

    fn put(&mut self, page: PageNo, image: PageBuf) {
        assert!(page.is_some() && image.len() == self.page_size(), "{page} is not such a page");
        self.header.page_count = self.header.page_count.max(page.get());
        self.kept.remove(&page);
        self.dirty.insert(page, image.freeze());
        self.complete = false;
    }

    fn header(&self) -> &Header {
        &self.header
    }

    fn header_mut(&mut self) -> &mut Header {
        self.complete = false;
        &mut self.header
    }

    fn set_page_count(&mut self, count: u32) {
        let count = count.clamp(1, self.header.page_count);
        self.header.page_count = count;
        self.low = self.low.min(count);
        self.dirty.retain(|page, _| page.get() <= count);
        self.kept.retain(|page, _| page.get() <= count);
        self.frames.retain(|page, _| page.get() <= count);
        self.complete = false;
    }
}
