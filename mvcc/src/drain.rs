//! What a checkpoint takes: a tree's newest versions up to a cut, in key order, in batches.
//!
//! The checkpointer registers its cut as a snapshot before it asks, so nothing it wants is
//! collected; between batches it holds no epoch guard, however long its I/O takes. Runs it merges by
//! itself, in order and with I/O: of a key that both have, the later timestamp counts.

use crate::overlay::{Overlay, View};
use bytes::Bytes;
use heddle_base::Timestamp;
use std::ops::Bound;

/// A key's newest change up to the cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained {
    /// The key.
    pub key: Bytes,
    /// When it was committed.
    pub ts: Timestamp,
    /// The value; `None`: delete the key.
    pub value: Option<Bytes>,
}

impl Overlay {
    /// Appends to `batch` up to `limit` changes in chains, committed after `base_ts` and up to `cut`,
    /// of keys beyond `after` (`None`: from the start). Returns whether there may be more: then go on
    /// after the last key of the batch.
    pub fn drain(
        &self,
        after: Option<&[u8]>,
        base_ts: Timestamp,
        cut: Timestamp,
        limit: usize,
        batch: &mut Vec<Drained>,
    ) -> bool {
        let guard = crossbeam_epoch::pin();
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let view = View { base: base_ts, ts: cut };
        let before = batch.len();
        batch.extend(self.scan_chains(lower, view, &guard).take(limit).map(|entry| Drained {
            key: Bytes::copy_from_slice(&entry.key),
            ts: entry.ts,
            value: entry.value.map(|value| value.into_owned()),
        }));
        batch.len() - before == limit
    }
}
