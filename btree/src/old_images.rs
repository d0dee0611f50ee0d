//! Images that only older states need, kept in a file without a name.
//!
//! Before a backfill overwrites a page in the database file, its image of before is copied here, once, if some state
//! that is still read needs it. Neighbours: [`crate::backfill`] puts images in; [`crate::versions`] looks them up.
//!
//! Invariants:
//! 1. An image recorded with `until` is what the states before `until` see of the page, down to the next smaller
//!    `until` recorded for it.
//! 2. A slot is free, or reserved by the running backfill, or recorded: never two of these.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use heddle_base::PageNo;
use heddle_io::File;
use smallvec::SmallVec;

/// Where an image lies, in pages from the start of the file.
pub(crate) type Slot = u32;

/// The index of what is kept.
pub(crate) struct OldImages {
    file: Option<Arc<dyn File>>,
    by_page: HashMap<PageNo, SmallVec<[(u64, Slot); 1]>, foldhash::fast::RandomState>,
    by_until: BTreeMap<u64, Vec<(PageNo, Slot)>>,
    free: Vec<Slot>,
    end: Slot,
    most: Slot,
}

impl OldImages {
    /// Nothing, and room for `most` images.
    pub(crate) fn new(most: Slot) -> Self {
        Self {
            file: None,
            by_page: HashMap::default(),
            by_until: BTreeMap::new(),
            free: Vec::new(),
            end: 0,
            most,
        }
    }

    pub(crate) fn file(&self) -> Option<&Arc<dyn File>> {
        self.file.as_ref()
    }

    pub(crate) fn set_file(&mut self, file: Arc<dyn File>) {
        self.file.get_or_insert(file);
    }

    /// The image of a page that the state `at` sees: where it lies, and which state saw it no more.
    pub(crate) fn find(&self, page: PageNo, at: u64) -> Option<(u64, Slot)> {
        if self.by_page.is_empty() {
            return None;
        }
        let later = self.by_page.get(&page)?.iter().filter(|(until, _)| *until > at);
        later.min_by_key(|(until, _)| *until).copied()
    }

    /// A place for an image, if the budget has one.
    pub(crate) fn reserve(&mut self) -> Option<Slot> {
        self.free.pop().or_else(|| {
            let slot = self.end;
            (slot < self.most).then(|| self.end += 1)?;
            Some(slot)
        })
    }

    /// Gives a reserved place back.
    pub(crate) fn release(&mut self, slot: Slot) {
        self.free.push(slot);
    }

    /// Says that the reserved slot now holds the page's image, which states before `until` see.
    pub(crate) fn record(&mut self, page: PageNo, until: u64, slot: Slot) {
        self.by_page.entry(page).or_default().push((until, slot));
        self.by_until.entry(until).or_default().push((page, slot));
    }

    /// Forgets what no state from `horizon` on needs.
    pub(crate) fn purge(&mut self, horizon: u64) {
        while let Some(oldest) = self.by_until.first_entry() {
            let until = *oldest.key();
            if until > horizon {
                break;
            }
            for (page, slot) in oldest.remove() {
                self.free.push(slot);
                if let Some(images) = self.by_page.get_mut(&page) {
                    images.retain(|image| image.0 != until);
                    if images.is_empty() {
                        self.by_page.remove(&page);
                    }
                }
            }
        }
        if self.by_until.is_empty() && self.free.len() == self.end as usize {
            self.free = Vec::new();
            self.end = 0;
            // A new file gives the disk back what the last one took.
            self.file = None;
        }
    }

    /// How many images are kept.
    pub(crate) fn len(&self) -> usize {
        self.by_until.values().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i1_a_state_finds_the_image_with_the_next_end() {
        let mut old = OldImages::new(3);
        for until in [4, 9, 6] {
            let slot = old.reserve().unwrap();
            old.record(PageNo(5), until, slot);
        }
        assert_eq!(old.reserve(), None, "the budget");
        let untils = [3, 4, 5, 6, 8, 9].map(|at| old.find(PageNo(5), at).map(|found| found.0));
        assert_eq!(untils, [Some(4), Some(6), Some(6), Some(9), Some(9), None]);
        old.purge(6);
        assert_eq!(old.find(PageNo(5), 3), Some((9, 1)));
        assert!(old.reserve().is_some() && old.reserve().is_some() && old.reserve().is_none());
        old.release(0);
        old.release(2);
        old.purge(9);
        assert_eq!((old.len(), old.end), (0, 0));
    }
}
