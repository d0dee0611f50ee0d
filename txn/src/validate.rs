//! Step 3 of a commit: does what was read still hold?
//!
//! Called after the draw with the transaction's ticket. Never waits; see mvcc's `validate` for why
//! nothing before the ticket goes unnoticed. A tree without a newer commit costs two loads, however
//! much was read of it.

use std::ops::Bound;

use bytes::Bytes;
use heddle_base::{Timestamp, TreeId};
use heddle_mvcc::{Change, Guard, Overlay};

use crate::error::ConflictKind;
use crate::manager::Shared;
use crate::read_set::{Purpose, Range, ReadSet};

/// What no longer holds.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) tree: TreeId,
    pub(crate) key: Option<Bytes>,
    pub(crate) kind: ConflictKind,
}

/// The first read that somebody changed after the snapshot `since` and before `me`.
pub(crate) fn validate(
    shared: &Shared,
    reads: &ReadSet,
    since: Timestamp,
    me: Option<Timestamp>,
) -> Option<Broken> {
    if reads.is_empty() {
        return None;
    }
    let guard = heddle_mvcc::pin();
    for (tree, purpose, key) in reads.points() {
        let Some(state) = shared.trees.get(tree) else { continue };
        if state.overlay.changed(key, since, me, &guard) {
            let kind = match purpose {
                Purpose::Read => ConflictKind::PointRead,
                Purpose::Constraint => ConflictKind::Constraint,
            };
            return Some(Broken { tree, key: Some(Bytes::copy_from_slice(key)), kind });
        }
    }
    reads.ranges().iter().find_map(|range| {
        let state = shared.trees.get(range.tree)?;
        check_range(&state.overlay, range, since, me, &guard)
    })
}

fn check_range(
    overlay: &Overlay,
    range: &Range,
    since: Timestamp,
    me: Option<Timestamp>,
    guard: &Guard,
) -> Option<Broken> {
    let (lower, upper) = (as_slice(&range.lower), as_slice(&range.upper));
    let kind = match range.purpose {
        Purpose::Read => ConflictKind::RangeRead,
        Purpose::Constraint => ConflictKind::Constraint,
    };
    let (key, kind) = match overlay.range_changed(lower, upper, since, me, guard)? {
        Change::Key(key) => (Some(key), kind),
        Change::Evicted => (None, ConflictKind::Evicted),
    };
    Some(Broken { tree: range.tree, key, kind })
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &**key)
}
