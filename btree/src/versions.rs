//! Where the image of a page lies that a given state sees.
//!
//! One of three places: the frames of the state that is published but not yet carried into the file; the old images
//! kept for older states ([`crate::old_images`]); the database file. Neighbours: [`crate::state`] asks before it reads
//! a page and again after: the read counts only if the answer is the same, since the file may be written meanwhile.
//!
//! Invariants:
//! 1. Before the file's copy of a page changes, the image of before is recorded if a state that is read needs it, or
//!    that state is ended.
//! 2. At most one state is not yet in the file. All others read the file, where nothing is recorded for them.
//! 3. Two equal [`Source`]s name the same bytes: generations and stamps never come back.

use std::sync::{Arc, Weak};

use heddle_base::PageNo;
use heddle_base::sync::atomic::Ordering;
use heddle_io::File;

use crate::cache::PageCache;
use crate::error::{Error, Result};
use crate::old_images::{OldImages, Slot};
use crate::sqlite_wal::Frames;
use crate::state::Base;

/// What identifies an image, until the database is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The database file, as it is until the state `until` is carried into it.
    File {
        /// The state that changes the page, or [`PageCache::OPEN`].
        until: u64,
        /// Counts changes of the file's header that make no state.
        stamp: u64,
    },
    /// A frame of the state's own.
    Frame {
        /// The state.
        generation: u64,
        /// Where the image begins in `-wal`.
        offset: u64,
    },
    /// An old image that was kept.
    Old {
        /// The state that changed the page.
        until: u64,
        /// Where it lies.
        slot: Slot,
    },
}

impl Source {
    /// The first state that does not see the image.
    pub(crate) fn until(self) -> u64 {
        match self {
            Source::File { until, .. } | Source::Old { until, .. } => until,
            Source::Frame { .. } => PageCache::OPEN,
        }
    }
}

/// A state whose pages are not yet in the file.
pub(crate) struct Pending {
    pub(crate) generation: u64,
    pub(crate) page_count: u32,
    pub(crate) frames: Arc<Frames>,
    pub(crate) wal: Arc<dyn File>,
}

impl Pending {
    fn changes(&self, page: PageNo) -> bool {
        page.get() > self.page_count || self.frames.contains_key(&page)
    }
}

/// See the module.
pub(crate) struct Versions {
    pub(crate) pending: Option<Pending>,
    pub(crate) old: OldImages,
    /// All states that may still be read, in order.
    live: Vec<(u64, Weak<Base>)>,
    stamp: u64,
}

impl Versions {
    pub(crate) fn new(old: OldImages) -> Self {
        Self { pending: None, old, live: Vec::new(), stamp: 0 }
    }

    /// Where a page of a state lies: what is there, in which file, at which byte.
    pub(crate) fn resolve(
        &self,
        base: &Base,
        page: PageNo,
    ) -> Result<(Source, Arc<dyn File>, u64)> {
        if base.ended.load(Ordering::Relaxed) {
            return Err(Error::SnapshotTooOld);
        }
        let at = base.generation.0;
        let size = u64::from(base.header.page_size);
        if let Some((until, slot)) = self.old.find(page, at)
            && let Some(file) = self.old.file()
        {
            return Ok((Source::Old { until, slot }, file.clone(), u64::from(slot) * size));
        }
        let mut until = PageCache::OPEN;
        if let Some(pending) = self.pending.as_ref().filter(|pending| pending.changes(page)) {
            if at < pending.generation {
                until = pending.generation;
            } else if let Some(&offset) = pending.frames.get(&page) {
                let source = Source::Frame { generation: pending.generation, offset };
                return Ok((source, pending.wal.clone(), offset));
            }
        }
        let offset = u64::from(page.get().saturating_sub(1)) * size;
        Ok((Source::File { until, stamp: self.stamp }, base.core.file.clone(), offset))
    }

    /// Says that the file's copy of some page changed, and no state with it.
    pub(crate) fn file_was_touched(&mut self) {
        self.stamp += 1;
    }

    /// Adds the newest state.
    pub(crate) fn add(&mut self, base: &Arc<Base>) {
        self.live.retain(|(_, base)| base.strong_count() > 0);
        self.live.push((base.generation.0, Arc::downgrade(base)));
    }

    /// The states before `generation` that are read and not ended, the oldest first.
    pub(crate) fn live_before(&self, generation: u64) -> Vec<Arc<Base>> {
        let before = self.live.iter().take_while(|(live, _)| *live < generation);
        before
            .filter_map(|(_, base)| base.upgrade())
            .filter(|base| !base.ended.load(Ordering::Relaxed))
            .collect()
    }

    /// The oldest state that is read, if not even `generation` is.
    pub(crate) fn horizon(&self, generation: u64) -> u64 {
        let live = self.live.iter().find(|(_, base)| {
            base.upgrade().is_some_and(|base| !base.ended.load(Ordering::Relaxed))
        });
        live.map_or(generation, |(live, _)| (*live).min(generation))
    }

    /// How many states are read.
    pub(crate) fn count(&self) -> usize {
        self.live.iter().filter(|(_, base)| base.strong_count() > 0).count()
    }
}
