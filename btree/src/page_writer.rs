//! The one writer of the next state: private images, frames in `-wal`, publication, backfill.
//!
//! Invariants:
//! 1. No commit frame is written before all other frames of its state.
//! 2. Page 1 reaches the file after all others are synced; `-wal` is emptied after page 1 is synced.

use std::collections::BTreeMap;
use std::sync::Arc;

use heddle_base::sync::atomic::Ordering;
use heddle_base::{Generation, PageNo};
use heddle_io::{File, IoBuf, OpenOptions};

use crate::error::{Error, Result};
use crate::header::Header;
use crate::page::{Page, PageBuf};
use crate::pager::{Pager, Snapshot};
use crate::pages::{Pages, PagesMut};
use crate::sqlite_wal::FrameWriter;

/// Holds the right to write; gives it back when dropped.
struct Permit(Pager);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.writing.store(false, Ordering::Release);
    }
}

/// Private images on top of the newest state.
pub struct PageWriter {
    permit: Permit,
    base: Snapshot,
    header: Header,
    dirty: BTreeMap<PageNo, Page>,
    wal: Option<Arc<dyn File>>,
}

impl PageWriter {
    pub(crate) fn new(pager: Pager) -> Self {
        let base = pager.snapshot();
        let header = base.header().clone();
        Self { permit: Permit(pager), base, header, dirty: BTreeMap::new(), wal: None }
    }

    /// What the new state begins from.
    pub fn base(&self) -> &Snapshot {
        &self.base
    }

    /// Bytes of the private images.
    pub fn dirty_bytes(&self) -> usize {
        self.dirty.len() * self.header.page_size as usize
    }

    /// Writes all private images and the header into `-wal`. After an error `-wal` is empty again, and the call may be
    /// repeated.
    ///
    /// # Errors
    /// `Io`; `Poisoned` if not even emptying `-wal` succeeds.
    ///
    /// # Cancel safety
    /// Dropped midway, the frames have no commit or have it at their end; the next writer replaces them.
    pub async fn write_frames(&mut self) -> Result<()> {
        let first = self.page(PageNo(1)).await?;
        let mut first = PageBuf::copy_of(&first);
        self.header.write_into(&mut first);
        self.dirty.insert(PageNo(1), first.freeze());
        let shared = &self.permit.0.0;
        shared.check_poison()?;
        let wal = shared.env.io.open(&self.permit.0.wal_path(), OpenOptions::CREATE).await?;
        let salts = shared.env.runtime.random();
        if let Err(error) = self.frames(&*wal, salts).await {
            if wal.set_len(0).await.is_err() {
                shared.poisoned.store(true, Ordering::Release);
            }
            return Err(error);
        }
        self.wal = Some(wal);
        Ok(())
    }

    async fn frames(&self, wal: &dyn File, salts: u64) -> Result<()> {
        wal.set_len(0).await?;
        let (head, mut writer) = FrameWriter::begin(self.header.page_size, 0, salts);
        wal.write_at(head, 0).await.0?;
        let mut left = self.dirty.len();
        for (page, image) in &self.dirty {
            left -= 1;
            let commit = if left == 0 { self.header.page_count } else { 0 };
            let (frame, at) = writer.frame(*page, image, commit);
            wal.write_at(frame, at).await.0?;
            let end = writer.sector_end();
            while commit != 0 && writer.offset() < end {
                let (frame, at) = writer.frame(*page, image, commit);
                wal.write_at(frame, at).await.0?;
            }
        }
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
        let shared = &self.permit.0.0;
        if let Some(wal) = &self.wal {
            shared.sync(&**wal).await?;
            let dir = shared.path.parent().filter(|dir| !dir.as_os_str().is_empty());
            shared.env.io.sync_dir(dir.unwrap_or(std::path::Path::new("."))).await?;
        }
        Ok(())
    }

    /// Shows the new state to those who ask from now on. Belongs after [`PageWriter::sync_wal`].
    pub fn publish(self) -> (Generation, Backfill) {
        assert!(self.wal.is_some(), "frames are written before they are published");
        let pager = &self.permit.0;
        let generation = pager.publish(self.header, &self.dirty);
        let snapshot = pager.snapshot();
        let pages = self.dirty.keys().copied().collect();
        drop(self.base);
        (generation, Backfill { permit: self.permit, snapshot, pages, rest: false, first: false })
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
        match self.dirty.get(&page) {
            Some(image) => Ok(image.clone()),
            None if page.get() > self.header.page_count => {
                Err(Error::Corrupt { page, reason: "there is no such page".into() })
            }
            None => self.base.page(page).await,
        }
    }

    fn put(&mut self, page: PageNo, image: PageBuf) {
        assert!(page.is_some() && image.len() == self.header.page_size as usize);
        self.header.page_count = self.header.page_count.max(page.get());
        self.dirty.insert(page, image.freeze());
    }

    fn header(&self) -> &Header {
        &self.header
    }

    fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    fn set_page_count(&mut self, count: u32) {
        self.header.page_count = count.clamp(1, self.header.page_count);
        self.dirty.retain(|page, _| page.get() <= count.max(1));
    }
}

/// Carries a published state from `-wal` into the file, in three steps.
pub struct Backfill {
    permit: Permit,
    snapshot: Snapshot,
    pages: Vec<PageNo>,
    rest: bool,
    first: bool,
}

impl Backfill {
    pub(crate) fn new(pager: Pager, snapshot: Snapshot, pages: Vec<PageNo>) -> Self {
        Self { permit: Permit(pager), snapshot, pages, rest: false, first: false }
    }

    /// Writes all pages but the first, and syncs.
    ///
    /// # Errors
    /// `Io`, `Poisoned`.
    ///
    /// # Cancel safety
    /// May be called again; it then begins anew.
    pub async fn pages_but_first(&mut self) -> Result<()> {
        self.preserve().await?;
        for &page in self.pages.iter().filter(|page| page.get() != 1) {
            self.write(page).await?;
        }
        let shared = &self.permit.0.0;
        shared.sync(&*shared.file).await?;
        self.rest = true;
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
        if !self.rest {
            self.pages_but_first().await?;
        }
        self.write(PageNo(1)).await?;
        let shared = &self.permit.0.0;
        let header = self.snapshot.header();
        shared.file.set_len(u64::from(header.page_count) * u64::from(header.page_size)).await?;
        shared.sync(&*shared.file).await?;
        self.first = true;
        Ok(())
    }

    /// Empties `-wal`. Does the steps before, if they were not done.
    ///
    /// # Errors
    /// As [`Backfill::pages_but_first`].
    ///
    /// # Cancel safety
    /// Dropped midway, [`Pager::unfinished_backfill`] gives it back.
    pub async fn reset(mut self) -> Result<()> {
        if !self.first {
            self.first_page().await?;
        }
        let shared = &self.permit.0.0;
        let wal = shared.env.io.open(&self.permit.0.wal_path(), OpenOptions::CREATE).await?;
        wal.set_len(0).await?;
        shared.sync(&*wal).await?;
        self.permit.0.backfilled();
        Ok(())
    }

    /// Loads what older states need of the pages about to change (the pager's invariant 3).
    async fn preserve(&self) -> Result<()> {
        for older in self.permit.0.older() {
            let cut = self.snapshot.page_count() + 1..=older.page_count();
            for page in self.pages.iter().copied().chain(cut.map(PageNo)) {
                if page.get() <= older.page_count() {
                    older.page(page).await?;
                }
            }
        }
        Ok(())
    }

    async fn write(&self, page: PageNo) -> Result<()> {
        let image = self.snapshot.page(page).await?;
        let offset = u64::from(page.get() - 1) * image.len() as u64;
        let file = &self.permit.0.0.file;
        Ok(file.write_at(IoBuf::copy_of(&image), offset).await.0?)
    }
}
