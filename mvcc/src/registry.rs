//! Who reads what: a slot per snapshot, each on a cache line of its own.
//!
//! Two reading threads must not slow each other: no shared count, no lock on the way in or out
//! except when a new block of slots is needed.
//!
//! # Invariants
//! - G1: a registration succeeds only if its base is not older than the floor and its timestamp
//!   not older than the horizon, both re-read after its slot was written and a SeqCst fence. The
//!   collector stores both, fences, then scans. So either the collector sees the slot, or the
//!   registration sees floor and horizon.
//! - G2: what a snapshot at or above the horizon, on a base at or above the floor, could need is
//!   kept anyway; so a registration that the scan missed loses nothing.

use crate::overlay::View;
use crossbeam_utils::CachePadded;
use heddle_base::sync::Mutex;
use heddle_base::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
use heddle_base::{Generation, Timestamp};

const FREE: u64 = u64::MAX;
const CLAIMED: u64 = u64::MAX - 1;
const FIRST: usize = if cfg!(any(heddle_loom, heddle_shuttle)) { 2 } else { 64 };
/// Each block doubles the last: 64 << 16 snapshots at once at most.
const BLOCKS: usize = if cfg!(any(heddle_loom, heddle_shuttle)) { 2 } else { 16 };

/// A registered snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// What it sees: commits up to here.
    pub ts: Timestamp,
    /// What its base holds: commits up to here.
    pub base_ts: Timestamp,
    /// Its base.
    pub generation: Generation,
}

impl Registered {
    /// What it reads in the version store.
    #[inline]
    pub fn view(&self) -> View {
        View { base: self.base_ts, ts: self.ts }
    }
}

/// Why a snapshot could not be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// A newer base is in force: pin that one and try again.
    #[error("the collector works for a base at {floor}, newer than the snapshot's")]
    Base {
        /// The base's timestamp that the collector works for.
        floor: Timestamp,
    },
    /// The collector dropped what a snapshot that old could have needed: read the watermark anew
    /// and try again.
    #[error("the collector works for snapshots from {horizon} on")]
    Old {
        /// No snapshot is registered below this any more.
        horizon: Timestamp,
    },
    /// Every slot is taken.
    #[error("too many snapshots are open at once")]
    Full,
}

#[derive(Debug)]
struct Line {
    ts: AtomicU64,
    base_ts: AtomicU64,
    generation: AtomicU64,
}

type Block = Vec<CachePadded<Line>>;

/// All registered snapshots.
#[derive(Debug)]
pub struct Registry {
    floor: CachePadded<AtomicU64>,
    horizon: CachePadded<AtomicU64>,
    blocks: [AtomicPtr<Block>; BLOCKS],
    grow: Mutex<()>,
    /// Spreads newcomers that have no slot to return to.
    hint: CachePadded<AtomicUsize>,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// A registry without snapshots.
    pub fn new() -> Self {
        let registry = Self {
            floor: CachePadded::new(AtomicU64::new(0)),
            horizon: CachePadded::new(AtomicU64::new(0)),
            blocks: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
            grow: Mutex::new(()),
            hint: CachePadded::new(AtomicUsize::new(0)),
        };
        registry.block_or_grow(0);
        registry
    }

    /// Registers a snapshot. Pin the base first; after success, re-read the current base and
    /// register anew if it moved on (the fence between is in here).
    ///
    /// # Errors
    /// [`Stale::Base`] if the collector already works for a newer base, [`Stale::Old`] if for newer
    /// snapshots; [`Stale::Full`].
    pub fn register(
        &self,
        ts: Timestamp,
        base_ts: Timestamp,
        generation: Generation,
    ) -> Result<Slot<'_>, Stale> {
        let slot = self.claim().ok_or(Stale::Full)?;
        let line = slot.line;
        line.base_ts.store(base_ts.get(), Ordering::Relaxed);
        line.generation.store(generation.get(), Ordering::Relaxed);
        line.ts.store(ts.get().min(CLAIMED - 1), Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let floor = Timestamp(self.floor.load(Ordering::SeqCst));
        let horizon = Timestamp(self.horizon.load(Ordering::SeqCst));
        match () {
            () if heddle_base::planted!("registration-unchecked") => Ok(slot),
            () if base_ts < floor => Err(Stale::Base { floor }),
            () if ts < horizon => Err(Stale::Old { horizon }),
            () => Ok(slot),
        }
    }

    /// As [`Registry::register`], for an owner that can't borrow the registry: it keeps the number
    /// and gives it to [`Registry::release`].
    ///
    /// # Errors
    /// As [`Registry::register`].
    pub fn register_detached(
        &self,
        ts: Timestamp,
        base_ts: Timestamp,
        generation: Generation,
    ) -> Result<SlotId, Stale> {
        let slot = self.register(ts, base_ts, generation)?;
        let slot = std::mem::ManuallyDrop::new(slot);
        Ok(SlotId { ..slot.id })
    }

    /// Ends a snapshot that was registered by [`Registry::register_detached`].
    pub fn release(&self, slot: SlotId) {
        if let Some(line) = self.block(slot.block).and_then(|block| block.get(slot.line)) {
            drop(Slot { line, id: SlotId { ..slot } });
        }
    }

    /// The oldest timestamp that a snapshot reads at.
    pub fn oldest(&self) -> Option<Timestamp> {
        let mut oldest = None;
        self.for_each(|snapshot| {
            oldest = Some(oldest.map_or(snapshot.ts, |ts: Timestamp| ts.min(snapshot.ts)));
        });
        oldest
    }

    /// Calls `visit` for each registered snapshot, in no order.
    pub fn for_each(&self, mut visit: impl FnMut(Registered)) {
        for line in (0..BLOCKS).map_while(|at| self.block(at)).flatten() {
            let ts = line.ts.load(Ordering::SeqCst);
            if ts < CLAIMED {
                visit(Registered {
                    ts: Timestamp(ts),
                    base_ts: Timestamp(line.base_ts.load(Ordering::Relaxed)),
                    generation: Generation(line.generation.load(Ordering::Relaxed)),
                });
            }
        }
    }

    /// Raises floor and horizon and says who is registered (G1). Sorted by timestamp.
    pub(crate) fn raise(&self, base_ts: Timestamp, horizon: Timestamp) -> Vec<Registered> {
        self.floor.fetch_max(base_ts.get(), Ordering::SeqCst);
        self.horizon.fetch_max(horizon.get(), Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let mut registered = Vec::new();
        self.for_each(|snapshot| registered.push(snapshot));
        registered.sort_by_key(|snapshot| snapshot.ts);
        registered
    }

    fn claim(&self) -> Option<Slot<'_>> {
        let start = preferred(&self.hint);
        for at in 0..BLOCKS {
            let block = self.block_or_grow(at);
            for step in 0..block.len() {
                let place = (start + step) % block.len();
                let line = &block[place];
                if line.ts.load(Ordering::Relaxed) == FREE
                    && line
                        .ts
                        .compare_exchange(FREE, CLAIMED, Ordering::SeqCst, Ordering::Relaxed)
                        .is_ok()
                {
                    return Some(Slot { line, id: SlotId { block: at, line: place } });
                }
            }
        }
        None
    }

    fn block(&self, at: usize) -> Option<&Block> {
        // SAFETY: set once from a Box, freed only when the registry is dropped.
        unsafe { self.blocks[at].load(Ordering::Acquire).as_ref() }
    }

    fn block_or_grow(&self, at: usize) -> &Block {
        if let Some(block) = self.block(at) {
            return block;
        }
        let _one_at_a_time = self.grow.lock();
        if self.block(at).is_none() {
            let lines = (0..FIRST << at).map(|_| {
                CachePadded::new(Line {
                    ts: AtomicU64::new(FREE),
                    base_ts: AtomicU64::new(0),
                    generation: AtomicU64::new(0),
                })
            });
            self.blocks[at].store(Box::into_raw(Box::new(lines.collect())), Ordering::Release);
        }
        // SAFETY: as in `block`; set just now or before.
        unsafe { &*self.blocks[at].load(Ordering::Acquire) }
    }
}

/// Where this thread begins to look: its own place, so that it finds its last slot again.
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
fn preferred(hint: &AtomicUsize) -> usize {
    thread_local! {
        static PLACE: std::cell::Cell<usize> = const { std::cell::Cell::new(usize::MAX) };
    }
    PLACE.with(|place| {
        if place.get() == usize::MAX {
            place.set(hint.fetch_add(7, Ordering::Relaxed));
        }
        place.get()
    })
}

#[cfg(any(heddle_loom, heddle_shuttle))]
fn preferred(_hint: &AtomicUsize) -> usize {
    0
}

impl Drop for Registry {
    fn drop(&mut self) {
        for block in &self.blocks {
            let block = block.load(Ordering::Acquire);
            if !block.is_null() {
                // SAFETY: from `Box::into_raw`, set once; no slot outlives the registry.
                drop(unsafe { Box::from_raw(block) });
            }
        }
    }
}

/// A registered snapshot by number: not Copy, since it is to be released once.
#[derive(Debug, PartialEq, Eq)]
pub struct SlotId {
    block: usize,
    line: usize,
}

/// A registered snapshot; ends when dropped.
#[derive(Debug)]
pub struct Slot<'a> {
    line: &'a Line,
    id: SlotId,
}

impl Slot<'_> {
    /// What is registered.
    pub fn registered(&self) -> Registered {
        Registered {
            ts: Timestamp(self.line.ts.load(Ordering::Relaxed)),
            base_ts: Timestamp(self.line.base_ts.load(Ordering::Relaxed)),
            generation: Generation(self.line.generation.load(Ordering::Relaxed)),
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        // Release: what the snapshot read happened before the collector finds the slot free.
        self.line.ts.store(FREE, Ordering::Release);
    }
}
