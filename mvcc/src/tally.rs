//! A sum that many threads add to without sharing a cache line.

use crossbeam_utils::CachePadded;
use heddle_base::sync::atomic::{AtomicUsize, Ordering};

const SHARDS: usize = if cfg!(any(heddle_loom, heddle_shuttle)) { 1 } else { 16 };

/// A sharded count that wraps within a shard: only the sum of all shards means something.
#[derive(Debug)]
pub(crate) struct Tally([CachePadded<AtomicUsize>; SHARDS]);

impl Default for Tally {
    fn default() -> Self {
        Self(std::array::from_fn(|_| CachePadded::new(AtomicUsize::new(0))))
    }
}

impl Tally {
    fn shard(&self, address: usize) -> &AtomicUsize {
        // Allocations differ above the lowest bits; the address spreads threads well enough.
        &self.0[(address >> 6) % SHARDS]
    }

    pub(crate) fn add(&self, address: usize, amount: usize) {
        self.shard(address).fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, address: usize, amount: usize) {
        self.shard(address).fetch_sub(amount, Ordering::Relaxed);
    }

    /// The sum. Not a snapshot: adders may be half counted, and a sum below zero reads as zero.
    pub(crate) fn sum(&self) -> usize {
        let sum = self
            .0
            .iter()
            .fold(0usize, |sum, shard| sum.wrapping_add(shard.load(Ordering::Relaxed)));
        if sum > usize::MAX / 2 { 0 } else { sum }
    }
}
