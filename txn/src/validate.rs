//! Step 3 of a commit: does what was read still hold?
//!
//! Twice: before the chains are locked, for what was committed until then, and after the draw, with
//! the transaction's ticket, for the remainder. Never waits. What was committed since the snapshot
//! is asked of [`crate::recent`] by ticket; where that does not reach, or where little was read and
//! much was committed, the chains are asked (see mvcc's `validate`). A tree without a newer commit
//! costs two loads, however much was read of it.
//!
//! # Invariants
//! - V1: `holds` only rises to a ticket up to which nothing that was read has changed: to what was
//!   installed before the look, since all of that is published and so is seen.
//! - V2: what the recent commits do not know, the chains are asked.

use std::ops::Bound;

use bytes::Bytes;
use heddle_base::{Timestamp, TreeId};
use heddle_mvcc::{Change, Guard, Overlay};

use crate::error::ConflictKind;
use crate::manager::Shared;
use crate::read_set::{Purpose, Range, ReadSet};
use crate::recent::Unknown;

/// What no longer holds.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) tree: TreeId,
    pub(crate) key: Option<Bytes>,
    pub(crate) kind: ConflictKind,
}

/// Fewer commits than this since the snapshot are left to the look after the draw.
const FEW: u64 = 8;

/// One look at a point's chain costs as much as comparing it with so many keys.
const CHAIN_LOOK: u64 = 30;
/// As much as this costs a slot of the recent commits beside its keys.
const SLOT_LOOK: u64 = 8;

/// A transaction's reads, on their way to be confirmed.
pub(crate) struct Validation<'a> {
    shared: &'a Shared,
    reads: &'a ReadSet,
    /// Everything read is as it was, up to here (V1).
    holds: Timestamp,
}

impl<'a> Validation<'a> {
    /// What was read at the snapshot `since`.
    pub(crate) fn new(shared: &'a Shared, reads: &'a ReadSet, since: Timestamp) -> Self {
        Self { shared, reads, holds: since }
    }

    /// Before the draw: a read that somebody has changed already.
    pub(crate) fn ahead(&mut self) -> Option<Broken> {
        let installed = self.shared.log.installed();
        if self.reads.is_empty() || installed.get() <= self.holds.get() + FEW {
            return None;
        }
        let broken = self.check(Timestamp(installed.get() + 1), None);
        self.holds = installed;
        broken
    }

    /// After the draw of `me`: the first read that somebody changed after the snapshot and before.
    pub(crate) fn finish(&self, me: Timestamp) -> Option<Broken> {
        if self.reads.is_empty() {
            return None;
        }
        self.check(me, Some(me))
    }

    /// As [`Validation::ahead`], for a caller that is alone behind the exclusive gate: nobody draws before
    /// him any more, so that this look says all.
    pub(crate) fn alone(&self) -> Option<Broken> {
        if self.reads.is_empty() {
            return None;
        }
        self.check(Timestamp(self.shared.log.drawn().get() + 1), None)
    }

    fn check(&self, end: Timestamp, me: Option<Timestamp>) -> Option<Broken> {
        let guard = heddle_mvcc::pin();
        let commits = end.get().saturating_sub(self.holds.get() + 1);
        let points = self.reads.point_count() as u64;
        let ranges = self.has_touched_ranges();
        let slots = if ranges { 0 } else { SLOT_LOOK };
        let points_too = commits.saturating_mul(slots + points) < points.saturating_mul(CHAIN_LOOK);
        if ranges || points_too {
            match self.among_recent(end, points_too) {
                Ok(Some(broken)) => return Some(broken),
                Ok(None) if points_too => return None,
                Ok(None) => return self.points_by_chain(me, &guard),
                // V2.
                Err(Unknown) => {}
            }
        }
        self.points_by_chain(me, &guard).or_else(|| self.ranges_by_chain(me, &guard))
    }

    /// Whether there is any range in a tree that somebody changed.
    fn has_touched_ranges(&self) -> bool {
        self.reads.ranges().iter().any(|range| {
            let state = self.shared.trees.get(range.tree);
            state.is_some_and(|state| !state.overlay.untouched(self.holds))
        })
    }

    fn among_recent(&self, end: Timestamp, points_too: bool) -> Result<Option<Broken>, Unknown> {
        self.shared.recent.find(self.holds, end, |tree, key| {
            let range = self.reads.ranges().iter().find(|range| range.covers(tree, key));
            let range = range.filter(|_| !heddle_base::planted!("range-unvalidated"));
            let kind = match range {
                Some(range) => range_kind(range.purpose),
                None if points_too => point_kind(self.reads.purpose_of(tree, key)?),
                None => return None,
            };
            Some(Broken { tree, key: Some(Bytes::copy_from_slice(key)), kind })
        })
    }

    fn points_by_chain(&self, me: Option<Timestamp>, guard: &Guard) -> Option<Broken> {
        self.reads.points().find_map(|(tree, purpose, key)| {
            let state = self.shared.trees.get(tree)?;
            let changed = state.overlay.changed(key, self.holds, me, guard);
            changed.then(|| {
                let key = Some(Bytes::copy_from_slice(key));
                Broken { tree, key, kind: point_kind(purpose) }
            })
        })
    }

    fn ranges_by_chain(&self, me: Option<Timestamp>, guard: &Guard) -> Option<Broken> {
        heddle_base::when_planted!("range-unvalidated", { return None });
        self.reads.ranges().iter().find_map(|range| {
            let state = self.shared.trees.get(range.tree)?;
            self.range_by_chain(&state.overlay, range, me, guard)
        })
    }

    fn range_by_chain(
        &self,
        overlay: &Overlay,
        range: &Range,
        me: Option<Timestamp>,
        guard: &Guard,
    ) -> Option<Broken> {
        let (lower, upper) = (as_slice(&range.lower), as_slice(&range.upper));
        let (key, kind) = match overlay.range_changed(lower, upper, self.holds, me, guard)? {
            Change::Key(key) => (Some(key), range_kind(range.purpose)),
            Change::Evicted => (None, ConflictKind::Evicted),
        };
        Some(Broken { tree: range.tree, key, kind })
    }
}

fn point_kind(purpose: Purpose) -> ConflictKind {
    match purpose {
        Purpose::Read => ConflictKind::PointRead,
        Purpose::Constraint => ConflictKind::Constraint,
    }
}

fn range_kind(purpose: Purpose) -> ConflictKind {
    match purpose {
        Purpose::Read => ConflictKind::RangeRead,
        Purpose::Constraint => ConflictKind::Constraint,
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &**key)
}

#[cfg(all(test, not(any(heddle_loom, heddle_shuttle))))]
mod tests;
