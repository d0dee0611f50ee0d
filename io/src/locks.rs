//! Byte-range locks with the semantics of OFD locks, for backends without an operating system.
//!
//! # Invariants
//! - K1: no two owners hold overlapping ranges unless both are shared.
//! - K2: one owner's ranges never overlap: a new lock replaces what it covers, as fcntl does.

use std::ops::Range;

use crate::LockKind;

/// The locks on one file.
#[derive(Debug, Default)]
pub(crate) struct RangeLocks {
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    owner: u64,
    range: Range<u64>,
    kind: LockKind,
}

impl RangeLocks {
    /// Takes or converts a lock; false if another owner is in the way.
    pub(crate) fn try_lock(&mut self, owner: u64, range: Range<u64>, kind: LockKind) -> bool {
        let blocked = self.held.iter().any(|held| {
            held.owner != owner
                && overlap(&held.range, &range)
                && (kind == LockKind::Exclusive || held.kind == LockKind::Exclusive)
        });
        if blocked {
            return false;
        }
        self.unlock(owner, range.clone());
        self.held.push(Held { owner, range, kind });
        true
    }

    /// Gives up the owner's locks within `range`.
    pub(crate) fn unlock(&mut self, owner: u64, range: Range<u64>) {
        for held in std::mem::take(&mut self.held) {
            if held.owner != owner || !overlap(&held.range, &range) {
                self.held.push(held);
                continue;
            }
            let (before, after) = (held.range.start..range.start, range.end..held.range.end);
            for rest in [before, after] {
                if !rest.is_empty() {
                    self.held.push(Held { range: rest, ..held });
                }
            }
        }
    }

    /// Gives up all of the owner's locks, as closing the file does.
    pub(crate) fn release(&mut self, owner: u64) {
        self.held.retain(|held| held.owner != owner);
    }
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

#[cfg(test)]
mod tests {
    use super::*;
    use LockKind::{Exclusive, Shared};

    #[test]
    fn k1_shared_beside_shared_only() {
        let mut locks = RangeLocks::default();
        assert!(locks.try_lock(1, 0..10, Shared));
        assert!(locks.try_lock(2, 5..15, Shared));
        assert!(!locks.try_lock(2, 5..15, Exclusive));
        assert!(locks.try_lock(2, 10..15, Exclusive));
        assert!(!locks.try_lock(1, 14..20, Shared));
        locks.release(2);
        assert!(locks.try_lock(1, 14..20, Shared));
    }

    #[test]
    fn k2_unlocking_the_middle_keeps_both_ends() {
        let mut locks = RangeLocks::default();
        assert!(locks.try_lock(1, 0..30, Exclusive));
        locks.unlock(1, 10..20);
        assert!(locks.try_lock(2, 10..20, Exclusive));
        assert!(!locks.try_lock(2, 9..10, Shared));
        assert!(!locks.try_lock(2, 20..21, Shared));
    }
}
