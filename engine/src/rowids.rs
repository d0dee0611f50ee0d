//! Which rowid a new row gets.
//!
//! One more than the largest among three: the transaction's own view, what is committed, and what
//! others have reserved. So a lone writer gets exactly SQLite's numbers, and two inserters
//! never want the same row.
//!
//! # Invariants
//! - A1: a rowid given out is larger than every live reservation of another transaction.
//! - A2: `committed`, while known, is at least the largest rowid of the newest committed state. A commit raises it
//!   before its reservation ends, so that nobody falls in between.
//! - A3: a commit that deleted the largest row makes `committed` unknown: the next allocation looks again.

use std::collections::HashMap;

use heddle_base::sync::{Arc, Mutex};
use heddle_base::{RowId, Timestamp, TreeId};

/// Names one transaction's reservations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Holder(pub(crate) u64);

/// The tables' allocators.
#[derive(Debug, Default)]
pub(crate) struct RowIds {
    tables: Mutex<HashMap<TreeId, Arc<TableIds>>>,
}

/// One table's allocator.
#[derive(Debug, Default)]
pub(crate) struct TableIds {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The largest committed rowid (A2), `None` if it must be looked up; 0 for an empty table.
    committed: Option<i64>,
    /// The largest rowid committed since that is unknown.
    seen: i64,
    /// The newest commit that may have made the largest rowid smaller.
    lowered: Timestamp,
    /// The largest rowid of each holder, in order. Who allocates mostly holds the last.
    live: Vec<(i64, Holder)>,
}

/// What an allocation answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allocation {
    Given(RowId),
    /// The largest rowid is in use.
    Exhausted,
    /// Look up the largest rowid of the transaction's view and of the newest state, then ask again.
    LookUp,
}

impl RowIds {
    pub(crate) fn table(&self, tree: TreeId) -> Arc<TableIds> {
        Arc::clone(self.tables.lock().entry(tree).or_default())
    }

    pub(crate) fn forget(&self, tree: TreeId) {
        self.tables.lock().remove(&tree);
    }
}

/// What one transaction holds in one table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    holder: Holder,
    /// The largest rowid it reserved.
    reserved: Option<i64>,
}

impl Held {
    pub(crate) fn new(holder: Holder) -> Held {
        Held { holder, reserved: None }
    }

    pub(crate) fn reserved(&self) -> Option<i64> {
        self.reserved
    }
}

impl TableIds {
    /// Reserves the next rowid. `view` is the largest rowid in the transaction's view, if it had to
    /// look; `snapshot` is where that view began.
    pub(crate) fn allocate(
        &self,
        held: &mut Held,
        snapshot: Timestamp,
        view: Option<i64>,
    ) -> Allocation {
        let mut state = self.state.lock();
        let Some(committed) = state.committed else {
            return Allocation::LookUp;
        };
        let own = match view.max(held.reserved) {
            Some(own) => own,
            // Where nothing was lowered since, no view holds more than the committed maximum.
            None if state.lowered <= snapshot => committed,
            None => return Allocation::LookUp,
        };
        let reserved = state.live.last().map_or(0, |(rowid, _)| *rowid);
        match committed.max(own).max(reserved).max(0).checked_add(1) {
            Some(next) => {
                state.reserve(held, next);
                Allocation::Given(RowId(next))
            }
            None => Allocation::Exhausted,
        }
    }

    /// Says what the largest committed rowid is, as of a look that began when nothing was known.
    pub(crate) fn learn(&self, largest: i64) {
        let mut state = self.state.lock();
        let largest = largest.max(state.seen);
        state.committed = Some(state.committed.map_or(largest, |known| known.max(largest)));
    }

    /// Notes a rowid that the caller chose itself, so that allocations of others pass it by.
    pub(crate) fn reserve(&self, held: &mut Held, rowid: RowId) {
        self.state.lock().reserve(held, rowid.0);
    }

    /// Brings the reservation back to what it was at a savepoint; `None` ends it.
    pub(crate) fn give_back(&self, held: &mut Held, to: Option<i64>) {
        let mut state = self.state.lock();
        state.release(held);
        if let Some(to) = to {
            state.reserve(held, to);
        }
    }

    /// After a commit at `at` that deleted rowids up to `deleted`. What was reserved is in the table now, or
    /// at least may have been.
    pub(crate) fn committed(&self, held: &mut Held, at: Timestamp, deleted: Option<i64>) {
        let mut state = self.state.lock();
        if let Some(inserted) = held.reserved {
            state.committed = state.committed.map(|known| known.max(inserted));
            state.seen = state.seen.max(inserted);
        }
        if let Some(deleted) = deleted
            && state.committed.is_none_or(|known| deleted >= known)
        {
            state.committed = None;
            state.seen = 0;
            state.lowered = state.lowered.max(at);
        }
        state.release(held);
    }
}

impl State {
    /// One entry for each holder: its largest.
    fn reserve(&mut self, held: &mut Held, rowid: i64) {
        if held.reserved.is_none_or(|largest| largest < rowid) {
            match self.live.last_mut() {
                Some(last) if Some(last.0) == held.reserved && last.1 == held.holder => {
                    last.0 = rowid;
                }
                _ => {
                    self.release(held);
                    let entry = (rowid, held.holder);
                    let at = self.live.partition_point(|other| *other < entry);
                    self.live.insert(at, entry);
                }
            }
            held.reserved = Some(rowid);
        }
    }

    fn release(&mut self, held: &mut Held) {
        if let Some(rowid) = held.reserved.take()
            && let Ok(at) = self.live.binary_search(&(rowid, held.holder))
        {
            self.live.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(allocation: Allocation) -> i64 {
        match allocation {
            Allocation::Given(rowid) => rowid.0,
            other => panic!("a rowid is expected, not {other:?}"),
        }
    }

    #[test]
    fn a1_two_writers_get_different_rowids_and_a_rollback_gives_them_back() {
        let ids = TableIds::default();
        let (mut a, mut b) = (Held::new(Holder(1)), Held::new(Holder(2)));
        assert_eq!(ids.allocate(&mut a, Timestamp(5), None), Allocation::LookUp);
        ids.learn(7);
        assert_eq!(given(ids.allocate(&mut a, Timestamp(5), None)), 8);
        assert_eq!(given(ids.allocate(&mut b, Timestamp(5), None)), 9);
        assert_eq!(given(ids.allocate(&mut a, Timestamp(5), None)), 10);
        ids.give_back(&mut a, None);
        assert_eq!(given(ids.allocate(&mut b, Timestamp(5), None)), 10);
        ids.committed(&mut b, Timestamp(6), None);
        assert_eq!(given(ids.allocate(&mut a, Timestamp(6), None)), 11);
    }

    #[test]
    fn a3_after_the_largest_row_went_its_number_comes_again() {
        let ids = TableIds::default();
        let mut a = Held::new(Holder(1));
        ids.learn(7);
        ids.committed(&mut a, Timestamp(6), Some(7));
        assert_eq!(ids.allocate(&mut a, Timestamp(6), None), Allocation::LookUp);
        ids.learn(6);
        assert_eq!(given(ids.allocate(&mut a, Timestamp(6), None)), 7);
        // A view from before still has row 7.
        let mut old = Held::new(Holder(3));
        assert_eq!(ids.allocate(&mut old, Timestamp(5), None), Allocation::LookUp);
        assert_eq!(given(ids.allocate(&mut old, Timestamp(5), Some(7))), 8);
    }

    #[test]
    fn the_largest_rowid_exhausts() {
        let ids = TableIds::default();
        ids.learn(i64::MAX);
        let mut a = Held::new(Holder(1));
        assert_eq!(ids.allocate(&mut a, Timestamp(1), None), Allocation::Exhausted);
    }
}
