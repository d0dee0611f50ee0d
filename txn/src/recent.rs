//! The keys of recent commits, by ticket: so that validation costs what was committed since the
//! snapshot, not the size of what was read.
//!
//! Written by [`crate::commit`] right after a draw; read by [`crate::validate`]. A ring: a slot is
//! about one ticket at a time.
//!
//! # Invariants
//! - E1: a slot is proof only for the ticket that it names. Of a ticket that no slot names (its
//!   owner has not come that far, it was overwritten, it was a control record) nothing is known
//!   here, and the chains have to be asked.
//! - E2: what is noted of a ticket is every key that it writes, or that there were too many.
//! - E3: a slot's ticket only grows.

use crossbeam_utils::CachePadded;
use heddle_base::sync::Mutex;
use heddle_base::{Timestamp, TreeId};

use crate::write_set::WriteSet;

const SLOTS: usize = if cfg!(any(heddle_loom, heddle_shuttle)) { 4 } else { 2048 };

/// A commit whose keys take more than this is not noted key by key.
const SLOT_BYTES: usize = 1024;

/// Something of what was asked for is not known here (E1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unknown;

#[derive(Debug, Default)]
struct Slot {
    ticket: u64,
    /// More than [`SLOT_BYTES`] (E2).
    too_many: bool,
    /// Tree, length and bytes of each key. Its memory stays for the next ticket.
    keys: Vec<u8>,
}

/// The last commits.
#[derive(Debug)]
pub(crate) struct Recent {
    slots: Box<[CachePadded<Mutex<Slot>>]>,
}

impl Recent {
    pub(crate) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| CachePadded::default()).collect() }
    }

    fn slot(&self, ticket: u64) -> &Mutex<Slot> {
        &self.slots[ticket as usize % SLOTS]
    }

    /// How many commits it reaches back at most.
    pub(crate) fn reach(&self) -> u64 {
        SLOTS as u64
    }

    /// Notes what the owner of a ticket writes (E2).
    #[inline]
    pub(crate) fn note(&self, ticket: Timestamp, writes: &WriteSet) {
        self.fill(ticket, |slot| {
            for tree in writes.trees() {
                for write in tree.iter() {
                    if !slot.push(tree.tree, &write.key) {
                        return;
                    }
                }
            }
        });
    }

    /// Notes that a ticket changes nothing after all.
    pub(crate) fn void(&self, ticket: Timestamp) {
        self.fill(ticket, |_| {});
    }

    #[inline]
    fn fill(&self, ticket: Timestamp, fill: impl FnOnce(&mut Slot)) {
        let mut slot = self.slot(ticket.get()).lock();
        // E3: somebody a whole ring later may have been faster.
        if slot.ticket <= ticket.get() {
            slot.ticket = ticket.get();
            slot.too_many = false;
            slot.keys.clear();
            fill(&mut slot);
        }
    }

    /// The first that `look` finds among the keys of the commits after `since` and before `end`.
    ///
    /// # Errors
    /// [`Unknown`]; `look` found nothing in what is known.
    pub(crate) fn find<T>(
        &self,
        since: Timestamp,
        end: Timestamp,
        mut look: impl FnMut(TreeId, &[u8]) -> Option<T>,
    ) -> Result<Option<T>, Unknown> {
        let (first, end) = (since.get() + 1, end.get());
        if end.saturating_sub(first) > self.reach() {
            return Err(Unknown);
        }
        for ticket in first..end {
            let slot = self.slot(ticket).lock();
            if slot.ticket != ticket || slot.too_many {
                return Err(Unknown);
            }
            if let Some(found) = slot.keys().find_map(|(tree, key)| look(tree, key)) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl Slot {
    /// `false`: it does not fit.
    #[inline]
    fn push(&mut self, tree: TreeId, key: &[u8]) -> bool {
        let Ok(len) = u32::try_from(key.len()) else {
            self.too_many = true;
            return false;
        };
        if self.keys.len() + 8 + key.len() > SLOT_BYTES {
            self.too_many = true;
            return false;
        }
        self.keys.extend_from_slice(&tree.get().to_ne_bytes());
        self.keys.extend_from_slice(&len.to_ne_bytes());
        self.keys.extend_from_slice(key);
        true
    }

    fn keys(&self) -> impl Iterator<Item = (TreeId, &[u8])> {
        let mut rest = &self.keys[..];
        std::iter::from_fn(move || {
            let (tree, after) = rest.split_first_chunk::<4>()?;
            let (len, after) = after.split_first_chunk::<4>()?;
            let (key, after) = after.split_at_checked(u32::from_ne_bytes(*len) as usize)?;
            rest = after;
            Some((TreeId(u32::from_ne_bytes(*tree)), key))
        })
    }
}

#[cfg(all(test, not(any(heddle_loom, heddle_shuttle))))]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn writes(rows: &[(u32, &'static [u8])]) -> WriteSet {
        let mut writes = WriteSet::default();
        for (tree, key) in rows {
            writes.write(TreeId(*tree), Bytes::from_static(key), None);
        }
        writes
    }

    fn found(recent: &Recent, since: u64, end: u64) -> Result<Vec<(u32, Vec<u8>)>, Unknown> {
        let mut all = Vec::new();
        recent.find(Timestamp(since), Timestamp(end), |tree, key| {
            all.push((tree.get(), key.to_vec()));
            None::<()>
        })?;
        Ok(all)
    }

    #[test]
    fn the_keys_between_snapshot_and_ticket_come_back() {
        let recent = Recent::new();
        recent.note(Timestamp(1), &writes(&[(1, b"a"), (1, b"b"), (2, b"")]));
        recent.void(Timestamp(2));
        recent.note(Timestamp(3), &writes(&[(1, b"c")]));
        let all = vec![(1, b"a".to_vec()), (1, b"b".to_vec()), (2, Vec::new()), (1, b"c".to_vec())];
        assert_eq!(found(&recent, 0, 4), Ok(all));
        assert_eq!(found(&recent, 1, 4), Ok(vec![(1, b"c".to_vec())]));
        assert_eq!(found(&recent, 1, 3), Ok(Vec::new()));
        assert_eq!(found(&recent, 3, 4), Ok(Vec::new()));
    }

    #[test]
    fn e1_what_was_not_noted_is_not_known() {
        let recent = Recent::new();
        recent.note(Timestamp(1), &writes(&[(1, b"a")]));
        recent.note(Timestamp(3), &writes(&[(1, b"b")]));
        assert_eq!(found(&recent, 0, 4), Err(Unknown), "nobody said what 2 does");
        assert_eq!(found(&recent, 2, 4), Ok(vec![(1, b"b".to_vec())]));
        recent.note(Timestamp(1 + SLOTS as u64), &writes(&[(1, b"c")]));
        assert_eq!(found(&recent, 0, 2), Err(Unknown), "overwritten");
        assert_eq!(found(&recent, 0, 2 + SLOTS as u64), Err(Unknown), "longer than the ring");
    }

    #[test]
    fn e2_too_many_keys_are_not_known_one_by_one() {
        let recent = Recent::new();
        let mut many = WriteSet::default();
        for key in 0..200u32 {
            many.write(TreeId(1), Bytes::copy_from_slice(&key.to_be_bytes()), None);
        }
        recent.note(Timestamp(1), &many);
        assert_eq!(found(&recent, 0, 2), Err(Unknown));
    }

    #[test]
    fn e3_a_late_owner_does_not_overwrite_a_newer_ticket() {
        let recent = Recent::new();
        let newer = 1 + SLOTS as u64;
        recent.note(Timestamp(newer), &writes(&[(1, b"new")]));
        recent.note(Timestamp(1), &writes(&[(1, b"old")]));
        assert_eq!(found(&recent, newer - 1, newer + 1), Ok(vec![(1, b"new".to_vec())]));
    }
}
