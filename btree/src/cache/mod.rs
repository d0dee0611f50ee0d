//! The page cache: images of pages by number and state, read without a lock, bounded in bytes.
//!
//! Neighbours: [`crate::state`] reads and fills it; [`crate::page_writer`] replaces what a new state changed.
//! [`table`] finds, [`entry`] is what is found, [`policy`] chooses what goes.
//!
//! Invariants:
//! 1. A hit takes no lock, allocates nothing and writes no memory that other threads read, but for one store a tick.
//! 2. After each call the images cost at most the budget, whatever was asked.
//! 3. What [`PageCache::get`] lends stays as long as the guard: eviction unlinks, and frees an epoch later.

mod entry;
mod policy;
mod table;
#[cfg(test)]
mod tests;

use crossbeam_epoch::Guard;
use crossbeam_utils::CachePadded;
use heddle_base::PageNo;
use heddle_base::sync::Mutex;
use heddle_base::sync::atomic::{AtomicU32, Ordering};

use self::entry::{Entry, cost};
use self::policy::{Name, Policy};
use self::table::Table;
use crate::page::Page;

/// Ticks that pass while the small queue is filled once.
const TICKS: u64 = 4;

/// See the module.
pub(crate) struct PageCache {
    table: Table,
    tick: CachePadded<AtomicU32>,
    policy: Mutex<Policy>,
    budget: usize,
    /// Inserts that make a tick.
    tick_len: u64,
    most_ghosts: usize,
}

/// What a cache holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheStats {
    pub(crate) bytes: usize,
    pub(crate) images: usize,
    pub(crate) evictions: u64,
    pub(crate) inserts: u64,
}

impl PageCache {
    /// The `until` of an image that no later state has changed.
    pub(crate) const OPEN: u64 = Entry::OPEN;

    /// An empty cache for at most `budget` bytes.
    pub(crate) fn new(budget: usize, page_size: usize) -> Self {
        let pages = budget / cost(page_size);
        Self {
            table: Table::new(),
            tick: CachePadded::new(AtomicU32::new(1)),
            policy: Mutex::new(Policy::new()),
            budget,
            tick_len: (pages as u64 / 10 / TICKS).max(1),
            most_ghosts: pages.max(8),
        }
    }

    /// The image of a page that a state sees, if it is here.
    #[inline]
    pub(crate) fn get<'g>(&self, page: PageNo, at: u64, guard: &'g Guard) -> Option<&'g [u8]> {
        Some(self.hit(page, at, guard)?.bytes())
    }

    /// As [`PageCache::get`], owned.
    pub(crate) fn get_page(&self, page: PageNo, at: u64, guard: &Guard) -> Option<Page> {
        Some(self.hit(page, at, guard)?.image().clone())
    }

    #[inline]
    fn hit<'g>(&self, page: PageNo, at: u64, guard: &'g Guard) -> Option<&'g Entry> {
        let entry = self.table.find(page, at, guard)?;
        entry.touch(self.tick.load(Ordering::Relaxed));
        Some(entry)
    }

    /// Keeps an image that the states from `from` up to, without, `until` see. The caller makes sure that no later
    /// state is published meanwhile that changes the page.
    pub(crate) fn insert(&self, page: PageNo, from: u64, until: u64, image: Page) {
        let guard = crossbeam_epoch::pin();
        let mut policy = self.policy.lock();
        // Images with the same end are the same version of the page.
        if let Some(entry) = self.table.list(page, &guard).find(|entry| entry.until() == until) {
            entry.lower_from(from);
            return;
        }
        let main = policy.is_ghost(page);
        self.push(&mut policy, (page, from, until), image, main, 0, &guard);
        self.shrink(&mut policy, &guard);
    }

    /// Ends what is cached of pages that the state `at` changes, and takes in those of their new images that are
    /// given. No state before `horizon` is read any more.
    pub(crate) fn replace(
        &self,
        pages: impl IntoIterator<Item = (PageNo, Option<Page>)>,
        at: u64,
        horizon: u64,
    ) {
        let guard = crossbeam_epoch::pin();
        let mut policy = self.policy.lock();
        policy.horizon = horizon;
        for (page, image) in pages {
            let mut before = (false, 0);
            let mut dead = false;
            for entry in self.table.list(page, &guard) {
                if entry.until() == Entry::OPEN && entry.from() < at {
                    entry.close(at);
                    before = (entry.in_main.load(Ordering::Relaxed), entry.heat());
                }
                dead |= entry.until() <= horizon;
            }
            if dead {
                self.unlink(&mut policy, page, &guard, |entry| entry.until() <= horizon);
            }
            if let Some(image) = image {
                let key = (page, at, Entry::OPEN);
                self.push(&mut policy, key, image, before.0, before.1, &guard);
            }
        }
        self.shrink(&mut policy, &guard);
    }

    /// Drops every image of a page.
    pub(crate) fn forget(&self, page: PageNo) {
        let guard = crossbeam_epoch::pin();
        self.unlink(&mut self.policy.lock(), page, &guard, |_| true);
    }

    pub(crate) fn stats(&self) -> CacheStats {
        let policy = self.policy.lock();
        CacheStats {
            bytes: policy.bytes(),
            images: policy.small.entries + policy.main.entries,
            evictions: policy.evictions,
            inserts: policy.inserts,
        }
    }

    fn push(
        &self,
        policy: &mut Policy,
        (page, from, until): (PageNo, u64, u64),
        image: Page,
        main: bool,
        heat: u8,
        guard: &Guard,
    ) {
        policy.inserts += 1;
        if policy.inserts.is_multiple_of(self.tick_len) {
            self.tick.fetch_add(1, Ordering::Relaxed);
        }
        let id = policy.next_id;
        policy.next_id += 1;
        let entry = Entry::new(page, id, from, until, image);
        entry.set_heat(heat, self.tick.load(Ordering::Relaxed));
        entry.in_main.store(main, Ordering::Relaxed);
        policy.queue(main).push(Name { page, id }, entry.cost());
        self.table.push(entry, guard);
    }

    fn unlink(
        &self,
        policy: &mut Policy,
        page: PageNo,
        guard: &Guard,
        mut wanted: impl FnMut(&Entry) -> bool,
    ) {
        self.table.unlink(page, guard, |entry| {
            let out = wanted(entry);
            if out {
                let main = entry.in_main.load(Ordering::Relaxed);
                policy.queue(main).removed(entry.cost());
            }
            out
        });
        for main in [false, true] {
            if policy.queue(main).is_stale() {
                let names = &mut policy.queue(main).names;
                names.retain(|name| {
                    let mut list = self.table.list(name.page, guard);
                    list.any(|entry| {
                        entry.id == name.id && entry.in_main.load(Ordering::Relaxed) == main
                    })
                });
            }
        }
    }

    /// Evicts until the budget holds.
    fn shrink(&self, policy: &mut Policy, guard: &Guard) {
        while policy.bytes() > self.budget {
            let small_first = policy.small.bytes > self.budget / 10 || policy.main.entries == 0;
            let main = !small_first;
            let Some(name) = policy.queue(main).names.pop_front() else { return };
            let mut list = self.table.list(name.page, guard);
            let found = list.find(|entry| entry.id == name.id);
            let Some(entry) = found.filter(|e| e.in_main.load(Ordering::Relaxed) == main) else {
                continue;
            };
            let (heat, tick) = (entry.heat(), self.tick.load(Ordering::Relaxed));
            if heat > 0 && entry.until() > policy.horizon {
                policy.queue(main).removed(entry.cost());
                entry.in_main.store(true, Ordering::Relaxed);
                entry.set_heat(if main { heat - 1 } else { 0 }, tick);
                policy.main.push(name, entry.cost());
                continue;
            }
            let current = entry.until() == Entry::OPEN;
            policy.queue(main).removed(entry.cost());
            self.table.unlink(name.page, guard, |entry| entry.id == name.id);
            policy.evictions += 1;
            if current && !main {
                policy.remember(name.page, self.most_ghosts);
            }
        }
    }
}
