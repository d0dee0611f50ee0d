//! A database file in memory, as the pages of a tree's reader.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_epoch::Guard;
use heddle_base::PageNo;
use heddle_btree::error::{Error, Result};
use heddle_btree::pages::Pages;

/// All pages of a file. It can play a cache that forgets: then every fourth page asked for, or so, must be loaded.
#[derive(Clone)]
pub struct FileImage(Arc<Inner>);

struct Inner {
    pages: Vec<Arc<[u8]>>,
    usable: usize,
    /// The state of a generator of pseudo-random numbers, if pages are to be missed.
    misses: Option<AtomicU64>,
}

impl FileImage {
    /// Reads a file that nobody writes to. `None` if it is no database.
    pub fn read(path: &Path, misses: bool) -> Option<Self> {
        Self::new(&std::fs::read(path).ok()?, misses)
    }

    /// The pages in the bytes of a file, of which an unfinished last one is left out.
    pub fn new(bytes: &[u8], misses: bool) -> Option<Self> {
        let page_size = match u16::from_be_bytes([*bytes.get(16)?, *bytes.get(17)?]) {
            1 => 65_536,
            size => usize::from(size),
        };
        if page_size < 512 || !page_size.is_power_of_two() {
            return None;
        }
        let usable = page_size - usize::from(*bytes.get(20)?);
        (usable >= 480).then(|| {
            Self(Arc::new(Inner {
                pages: bytes.chunks_exact(page_size).map(Arc::from).collect(),
                usable,
                misses: misses.then(AtomicU64::default),
            }))
        })
    }

    fn at(&self, page: PageNo) -> Result<&Arc<[u8]>> {
        let index = (page.get() as usize).wrapping_sub(1);
        self.0
            .pages
            .get(index)
            .ok_or(Error::Corrupt { page, reason: "it lies beyond the end of the file".into() })
    }

    fn is_missed(&self) -> bool {
        let Some(misses) = &self.0.misses else {
            return false;
        };
        let state = misses.load(Ordering::Relaxed);
        let next =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        misses.store(next, Ordering::Relaxed);
        next >> 62 == 0
    }
}

impl Pages for FileImage {
    type Page = Arc<[u8]>;

    fn usable_size(&self) -> usize {
        self.0.usable
    }

    fn page_count(&self) -> u32 {
        self.0.pages.len() as u32
    }

    fn cached<'g>(&'g self, page: PageNo, _guard: &'g Guard) -> Result<Option<&'g [u8]>> {
        let image = self.at(page)?;
        Ok((!self.is_missed()).then_some(&**image))
    }

    fn cached_page(&self, page: PageNo, _guard: &Guard) -> Result<Option<Arc<[u8]>>> {
        let image = self.at(page)?;
        Ok((!self.is_missed()).then(|| Arc::clone(image)))
    }

    async fn page(&self, page: PageNo) -> Result<Arc<[u8]>> {
        Ok(Arc::clone(self.at(page)?))
    }

    async fn prefetch(&self, pages: &[PageNo]) {
        for &page in pages {
            assert!(page.is_some());
        }
    }
}
