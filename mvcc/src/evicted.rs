//! What is remembered of chains that are gone: a fixed table of timestamps.
//!
//! Written by [`crate::collect`] before a chain is unlinked; read by lockers and validators that
//! miss a chain.
//!
//! # Invariants
//! - V1: a slot only grows. It bounds the newest commit of every evicted chain that hashes to it,
//!   so a missing chain means "nothing newer than its slot".

use foldhash::fast::FixedState;
use heddle_base::sync::Arc;
use heddle_base::sync::atomic::{AtomicU64, Ordering};
use heddle_base::{Timestamp, TreeId};
use std::hash::BuildHasher;

/// The table, shared by all overlays of a store.
#[derive(Debug, Clone)]
pub(crate) struct Evicted(Arc<Table>);

#[derive(Debug)]
struct Table {
    seed: FixedState,
    slots: Box<[AtomicU64]>,
}

impl Evicted {
    /// A table of `slots` slots (rounded up to a power of two), of 8 bytes each.
    pub(crate) fn new(slots: usize, seed: u64) -> Self {
        let slots = (0..slots.max(1).next_power_of_two()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Table { seed: FixedState::with_seed(seed), slots }))
    }

    /// The hash of a key, which also decides its height in the index: seeded, so that nobody
    /// outside can pick keys that collide.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.0.seed.hash_one(key)
    }

    fn slot(&self, tree: TreeId, key: &[u8]) -> &AtomicU64 {
        let hash = self.hash(key) ^ u64::from(tree.get()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        &self.0.slots[(hash >> 20) as usize & (self.0.slots.len() - 1)]
    }

    /// Remembers that a chain whose newest commit was `ts` goes (V1).
    pub(crate) fn fold(&self, tree: TreeId, key: &[u8], ts: Timestamp) {
        self.slot(tree, key).fetch_max(ts.get(), Ordering::SeqCst);
    }

    /// No evicted chain of this key had a commit newer than this.
    pub(crate) fn bound(&self, tree: TreeId, key: &[u8]) -> Timestamp {
        Timestamp(self.slot(tree, key).load(Ordering::SeqCst))
    }
}
