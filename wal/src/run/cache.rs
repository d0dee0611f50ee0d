//! The blocks of one run that are in memory.
//!
//! Filled by [`super::file`]'s `load`; looked into by every read of the run.
//!
//! # Invariants
//! - K1: a block that somebody has a [`RunPin`] of is found: who loads a block, keeps the pin, and asks again
//!   gets his answer.
//! - K2: without pins the cache holds at most its budget. A block larger than `LARGEST` is held by pins alone.
//! - K3: a lock is held for a look at a few slots, never across an await or a read.

use std::sync::{Arc, Weak};

use heddle_base::sync::Mutex;

use super::format::{Block, TARGET};

/// Shards, each with a lock of its own.
const SHARDS: usize = 8;
/// Blocks a shard keeps for itself.
const SLOTS: usize = 8;
/// The largest block that is kept without a pin.
const LARGEST: usize = 2 * TARGET;

/// Keeps a loaded block in memory.
#[derive(Debug, Clone)]
#[must_use = "a block that nobody pins may be gone before it is looked at"]
pub struct RunPin {
    _block: Arc<Block>,
}

impl RunPin {
    pub(super) fn of(block: Arc<Block>) -> RunPin {
        RunPin { _block: block }
    }
}

enum Slot {
    Kept(Arc<Block>),
    Pinned(Weak<Block>),
}

impl Slot {
    fn block(&self) -> Option<Arc<Block>> {
        match self {
            Slot::Kept(block) => Some(Arc::clone(block)),
            Slot::Pinned(block) => block.upgrade(),
        }
    }

    fn is_pinned(&self) -> bool {
        match self {
            Slot::Kept(block) => Arc::strong_count(block) > 1,
            Slot::Pinned(block) => block.strong_count() > 0,
        }
    }
}

/// See the module. In a shard, the block used last comes first.
#[derive(Default)]
pub(super) struct Cache([Mutex<Vec<(u32, Slot)>>; SHARDS]);

impl Cache {
    /// Most bytes without pins.
    pub(super) const fn budget() -> usize {
        SHARDS * SLOTS * LARGEST
    }

    fn shard(&self, number: u32) -> &Mutex<Vec<(u32, Slot)>> {
        &self.0[number as usize % SHARDS]
    }

    pub(super) fn get(&self, number: u32) -> Option<Arc<Block>> {
        let mut shard = self.shard(number).lock();
        let at = shard.iter().position(|(found, _)| *found == number)?;
        if let Some(slots) = shard.get_mut(..=at) {
            slots.rotate_right(1);
        }
        shard.first().and_then(|(_, slot)| slot.block())
    }

    pub(super) fn put(&self, block: Arc<Block>) -> RunPin {
        let number = block.number();
        let mut shard = self.shard(number).lock();
        shard.retain(|(found, _)| *found != number);
        let slot = if block.size() > LARGEST {
            Slot::Pinned(Arc::downgrade(&block))
        } else {
            Slot::Kept(Arc::clone(&block))
        };
        shard.insert(0, (number, slot));
        let mut at = shard.len();
        while shard.len() > SLOTS && at > 1 {
            at -= 1;
            if shard.get(at).is_some_and(|(_, slot)| !slot.is_pinned()) {
                shard.remove(at);
            }
        }
        drop(shard);
        RunPin::of(block)
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let blocks = |shard: &Mutex<Vec<(u32, Slot)>>| shard.lock().len();
        write!(f, "Cache({} blocks)", self.0.iter().map(blocks).sum::<usize>())
    }
}
