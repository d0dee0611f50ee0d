//! What changed since a snapshot: step 3 of a commit, from the store's side.
//!
//! Called before the draw (`me` is `None`: what is committed by now) and after it, when the
//! transaction's status says `Drawn(me)`. Never waits.
//!
//! # Invariants
//! - X1: after the draw, no version with a ticket between the snapshot's and mine goes unnoticed:
//!   it is committed, or pending with a status of at least `Drawing` (see [`crate::status`], S2).
//! - X2: what is reported may be no conflict in the end (a committer that turns void, an evicted
//!   neighbour in the same slot, a run that only may have the key); what is not reported is none.
//! - X3: before the draw, no commit goes unnoticed that was published before the call.

use crate::chain::{Chain, Version};
use crate::index::Index;
use crate::overlay::Overlay;
use crate::scan::{Direction, seek};
use crate::status::Status;
use bytes::Bytes;
use crossbeam_epoch::Guard;
use heddle_base::Timestamp;
use heddle_base::sync::atomic::Ordering;
use heddle_base::sync::hint;
use std::ops::Bound;

/// Looks at somebody who is drawing, before counting it as smaller.
const LOOKS: usize = if cfg!(any(heddle_loom, heddle_shuttle)) { 1 } else { 32 };

/// Why a range counts as changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// This key changed.
    Key(Bytes),
    /// Something in the tree changed and is not remembered exactly: a chain went, or a run reaches
    /// into the range.
    Evicted,
}

impl Overlay {
    /// Whether a key changed after the snapshot `since`, before `me`.
    pub fn changed(
        &self,
        key: &[u8],
        since: Timestamp,
        me: Option<Timestamp>,
        guard: &Guard,
    ) -> bool {
        if self.untouched(since) {
            return false;
        }
        match self.find(key, guard).map(|chain| verdict(chain, since, me, guard)) {
            Some(Verdict::Changed) => return true,
            Some(Verdict::Same) => {}
            Some(Verdict::Unknown) | None => {
                if self.evicted_bound(key) > since {
                    return true;
                }
            }
        }
        let in_a_run = self.runs(guard).iter().any(|run| {
            run.ts() > since && me.is_none_or(|me| run.ts() < me) && run.may_contain(key)
        });
        // After the look: a run that was missed had raised the floor first.
        in_a_run || self.run_floor.load(Ordering::SeqCst) > since.get()
    }

    /// Whether anything between two bounds changed after the snapshot `since`, before `me`.
    pub fn range_changed(
        &self,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
        since: Timestamp,
        me: Option<Timestamp>,
        guard: &Guard,
    ) -> Option<Change> {
        self.range_changed_where(lower, upper, since, me, guard, |_| true)
    }

    /// As [`Overlay::range_changed`], where only some keys count: those that a run may have, when
    /// first-committer-wins is asked for the run. Its caller holds the exclusive gate, so that nobody
    /// writes meanwhile.
    pub fn range_changed_where(
        &self,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
        since: Timestamp,
        me: Option<Timestamp>,
        guard: &Guard,
        counts: impl Fn(&[u8]) -> bool,
    ) -> Option<Change> {
        if self.untouched(since) {
            return None;
        }
        let mut at = seek(&self.index, lower, Direction::Forward, guard);
        while let Some(chain) = at {
            if !below(chain.key(), upper) {
                break;
            }
            if verdict(chain, since, me, guard) == Verdict::Changed && counts(chain.key()) {
                return Some(Change::Key(Bytes::copy_from_slice(chain.key())));
            }
            at = Index::after(chain, guard);
        }
        let in_a_run = self.runs(guard).iter().any(|run| {
            run.ts() > since && me.is_none_or(|me| run.ts() < me) && run.may_intersect(lower, upper)
        });
        if in_a_run {
            return Some(Change::Evicted);
        }
        // After the walk: a chain that went meanwhile was folded before it was unlinked (M4).
        (self.evicted_max.load(Ordering::SeqCst) > since.get()).then_some(Change::Evicted)
    }

    /// Whether some key changed after `since` and no version here says so any more, since a base holds it. Asked after
    /// a scan of the versions, by a caller who keeps others from writing in the tree.
    pub fn forgot_since(&self, since: Timestamp, guard: &Guard) -> bool {
        let mut at = seek(&self.index, Bound::Unbounded, Direction::Forward, guard);
        while let Some(chain) = at {
            let newer = |version| matches!(outcome(version), Status::Committed(ts) if ts > since);
            if chain.floor() > since && !chain.versions(guard).any(newer) {
                return true;
            }
            at = Index::after(chain, guard);
        }
        // After the walk, as for a range (M4).
        self.evicted_max.load(Ordering::SeqCst) > since.get()
            || self.run_floor.load(Ordering::SeqCst) > since.get()
    }

    /// Nothing in this tree is newer than `since` or pending: two loads, in this order (L2).
    #[inline]
    pub fn untouched(&self, since: Timestamp) -> bool {
        self.pending.load(Ordering::SeqCst) == 0
            && self.last_commit.load(Ordering::SeqCst) <= since.get()
    }
}

fn below(key: &[u8], upper: Bound<&[u8]>) -> bool {
    match upper {
        Bound::Unbounded => true,
        Bound::Included(upper) => key <= upper,
        Bound::Excluded(upper) => key < upper,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Changed,
    Same,
    /// No version before mine is here: the evicted timestamps decide.
    Unknown,
}

/// What a chain's newest version before `me` says, and what was dropped from the chain: of two
/// versions the newer may go first, when only an old snapshot still needs the older one.
fn verdict(chain: &Chain, since: Timestamp, me: Option<Timestamp>, guard: &Guard) -> Verdict {
    let before_me = |ts: Timestamp| me.is_none_or(|me| ts < me);
    // Nobody who is on the way comes before one who has not drawn.
    let pending_before_me = |ts: Timestamp| me.is_some_and(|me| ts < me);
    let mut known = false;
    for version in chain.versions(guard) {
        match outcome(version) {
            // A pending one that has not begun to draw comes after me; so do larger tickets.
            Status::Void | Status::Locked => {}
            Status::Drawing if me.is_some() => return Verdict::Changed,
            Status::Drawn(ts) if pending_before_me(ts) => return Verdict::Changed,
            Status::Committed(ts) if before_me(ts) => {
                if ts > since {
                    return Verdict::Changed;
                }
                known = true;
                break;
            }
            Status::Drawing | Status::Drawn(_) | Status::Committed(_) => {}
        }
    }
    // After the walk: what the walk did not meet any more had raised the floor (C3).
    match chain.floor() {
        floor if floor > since => Verdict::Changed,
        floor if known || floor > Timestamp::ZERO => Verdict::Same,
        _ => Verdict::Unknown,
    }
}

/// A version's status, with a few more looks at one that is just being drawn.
fn outcome(version: &Version) -> Status {
    for _ in 1..LOOKS {
        match version.state() {
            Status::Drawing => hint::spin_loop(),
            known => return known,
        }
    }
    version.state()
}
