//! The write set: what a transaction wrote, private until it commits.
//!
//! Per tree a sorted sequence in chunks: appending in key order, as a bulk load does, is one
//! comparison and a push; anything else is two binary searches and a short move. What was spilled
//! ([`crate::spill`]) stands below it in runs, the newest of which comes last.
//!
//! # Invariants
//! - S1: trees rise; within a tree keys rise strictly, across chunks as well; no chunk is empty.
//! - S2: while a savepoint is open, `undo` holds, in order of time, what each key had before it was
//!   first written after the newest savepoint of that moment. Undoing backwards to a mark restores
//!   the state of the mark.
//! - S3: the runs of each interval between marks are its own; what is in memory is newer than all runs,
//!   and after a spill `undo` begins anew. So going back to a mark drops the runs made after it.
//! - S4: `version` changes with every change, so that a position noted with it is good as long as
//!   it is the same.

use bytes::Bytes;
use heddle_base::TreeId;
use heddle_mvcc::Direction;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::error::{Error, Result};
use crate::spill::OwnRun;

const CHUNK: usize = 256;

/// One write of one key.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    prefix: u64,
    pub(crate) key: Bytes,
    /// `None` is a deletion.
    pub(crate) value: Option<Bytes>,
    /// Which write of the transaction this was.
    seq: u64,
}

/// What a write weighs beside its key and value.
const WRITE_BYTES: usize = size_of::<Write>();

/// A mark to roll back to, valid in the transaction that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Savepoint(u64);

#[derive(Debug)]
struct Mark {
    id: u64,
    undo: usize,
    /// Writes with a smaller number are older than the mark.
    seq: u64,
    /// Keys in memory, and runs, that are older than the mark.
    len: usize,
    runs: usize,
}

/// What was written between two marks and is in memory.
#[derive(Debug)]
pub(crate) struct Interval {
    /// How many marks are older.
    pub(crate) number: usize,
    pub(crate) writes: BTreeMap<(TreeId, Bytes), Option<Bytes>>,
}

#[derive(Debug)]
struct Undo {
    tree: TreeId,
    key: Bytes,
    before: Option<(Option<Bytes>, u64)>,
}

impl Undo {
    fn bytes(&self) -> usize {
        let value = self.before.as_ref().and_then(|(value, _)| value.as_ref());
        size_of::<Self>() + self.key.len() + value.map_or(0, Bytes::len)
    }
}

/// Where a write stands in its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    chunk: usize,
    at: usize,
}

/// The writes to one tree.
#[derive(Debug)]
pub(crate) struct TreeWrites {
    pub(crate) tree: TreeId,
    chunks: SmallVec<[Vec<Write>; 1]>,
}

#[inline]
fn prefix_of(key: &[u8]) -> u64 {
    match key.first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            key.iter().fold(0, |prefix, &byte| prefix << 8 | u64::from(byte))
                << (8 * (8 - key.len()) % 64)
        }
    }
}

/// A key prepared for comparisons.
#[derive(Clone, Copy)]
struct Probe<'k> {
    prefix: u64,
    key: &'k [u8],
}

impl Write {
    #[inline]
    fn compare(&self, probe: Probe<'_>) -> std::cmp::Ordering {
        self.prefix.cmp(&probe.prefix).then_with(|| (*self.key).cmp(probe.key))
    }

    fn bytes(&self) -> usize {
        WRITE_BYTES + self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

impl TreeWrites {
    fn new(tree: TreeId) -> Self {
        Self { tree, chunks: SmallVec::new() }
    }

    /// The writes in key order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Write> {
        self.chunks.iter().flatten()
    }

    /// The writes in key order, to be taken apart.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Write> {
        self.chunks.iter_mut().flatten()
    }

    fn probe(key: &[u8]) -> Probe<'_> {
        Probe { prefix: prefix_of(key), key }
    }

    /// Where a key is, or where it would be inserted: at the end of a chunk rather than at the
    /// beginning of the next.
    #[inline]
    fn find(&self, probe: Probe<'_>) -> std::result::Result<Position, Position> {
        let Some(last) = self.chunks.len().checked_sub(1) else {
            return Err(Position { chunk: 0, at: 0 });
        };
        // Keys mostly come in order.
        let tail = &self.chunks[last];
        match tail.last().map(|write| write.compare(probe)) {
            Some(std::cmp::Ordering::Less) => {
                return Err(Position { chunk: last, at: tail.len() });
            }
            Some(std::cmp::Ordering::Equal) => {
                return Ok(Position { chunk: last, at: tail.len() - 1 });
            }
            _ => {}
        }
        let after = self.chunks.partition_point(|chunk| {
            chunk.first().is_some_and(|first| first.compare(probe).is_le())
        });
        let chunk = after.saturating_sub(1);
        match self.chunks[chunk].binary_search_by(|write| write.compare(probe)) {
            Ok(at) => Ok(Position { chunk, at }),
            Err(at) => Err(Position { chunk, at }),
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Write> {
        self.find(Self::probe(key)).ok().and_then(|at| self.at(at))
    }

    #[inline]
    pub(crate) fn at(&self, at: Position) -> Option<&Write> {
        self.chunks.get(at.chunk)?.get(at.at)
    }

    fn insert(&mut self, mut at: Position, write: Write) {
        if self.chunks.is_empty() {
            self.chunks.push(Vec::new());
        }
        if self.chunks[at.chunk].len() >= CHUNK {
            let end = at.chunk + 1 == self.chunks.len() && at.at == CHUNK;
            let upper = if end {
                Vec::with_capacity(CHUNK)
            } else {
                self.chunks[at.chunk].split_off(CHUNK / 2)
            };
            self.chunks.insert(at.chunk + 1, upper);
            if end || at.at > CHUNK / 2 {
                at = Position { chunk: at.chunk + 1, at: if end { 0 } else { at.at - CHUNK / 2 } };
            }
        }
        self.chunks[at.chunk].insert(at.at, write);
    }

    fn remove(&mut self, at: Position) -> Write {
        let removed = self.chunks[at.chunk].remove(at.at);
        if self.chunks[at.chunk].is_empty() {
            self.chunks.remove(at.chunk);
        }
        removed
    }

    /// The first write within a near bound, in a direction.
    pub(crate) fn seek(&self, near: Bound<&[u8]>, direction: Direction) -> Option<Position> {
        let (key, inclusive) = match near {
            Bound::Unbounded => {
                return match direction {
                    Direction::Forward => self.settle(Position { chunk: 0, at: 0 }),
                    Direction::Backward => {
                        self.before(Position { chunk: self.chunks.len(), at: 0 })
                    }
                };
            }
            Bound::Included(key) => (key, true),
            Bound::Excluded(key) => (key, false),
        };
        match (self.find(Self::probe(key)), direction) {
            (Ok(at), _) if inclusive => Some(at),
            (Ok(at), _) => self.step(at, direction),
            (Err(gap), Direction::Forward) => self.settle(gap),
            (Err(gap), Direction::Backward) => self.before(gap),
        }
    }

    /// The next write in a direction.
    #[inline]
    pub(crate) fn step(&self, at: Position, direction: Direction) -> Option<Position> {
        match direction {
            Direction::Forward => self.settle(Position { at: at.at + 1, ..at }),
            Direction::Backward => self.before(at),
        }
    }

    /// The write at a gap.
    fn settle(&self, gap: Position) -> Option<Position> {
        let chunk = self.chunks.get(gap.chunk)?;
        if gap.at < chunk.len() {
            return Some(gap);
        }
        (gap.chunk + 1 < self.chunks.len()).then_some(Position { chunk: gap.chunk + 1, at: 0 })
    }

    /// The write before a gap.
    fn before(&self, gap: Position) -> Option<Position> {
        if gap.at > 0 {
            return Some(Position { at: gap.at - 1, ..gap });
        }
        let chunk = gap.chunk.checked_sub(1)?;
        let at = self.chunks.get(chunk)?.len().checked_sub(1)?;
        Some(Position { chunk, at })
    }
}

/// All writes of a transaction.
#[derive(Debug, Default)]
pub(crate) struct WriteSet {
    trees: SmallVec<[TreeWrites; 2]>,
    version: u64,
    bytes: usize,
    len: usize,
    marks: Vec<Mark>,
    undo: Vec<Undo>,
    undo_bytes: usize,
    runs: Vec<OwnRun>,
}

impl WriteSet {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0 && self.runs.is_empty()
    }

    /// How many keys in memory were written.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// About how much memory it takes, in bytes, without what savepoints keep.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// As [`WriteSet::bytes`], and what savepoints keep.
    #[inline]
    pub(crate) fn weight(&self) -> usize {
        self.bytes + self.undo_bytes
    }

    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The writes, tree by tree.
    pub(crate) fn trees(&self) -> &[TreeWrites] {
        &self.trees
    }

    /// The writes, tree by tree, to be taken apart.
    pub(crate) fn trees_mut(&mut self) -> &mut [TreeWrites] {
        &mut self.trees
    }

    #[inline]
    pub(crate) fn tree(&self, tree: TreeId) -> Option<&TreeWrites> {
        self.trees.iter().find(|writes| writes.tree == tree && !writes.chunks.is_empty())
    }

    /// The transaction's own write of a key, if that is in memory.
    #[inline]
    pub(crate) fn get(&self, tree: TreeId, key: &[u8]) -> Option<&Write> {
        if self.len == 0 {
            return None;
        }
        self.tree(tree)?.get(key)
    }

    /// Writes a key.
    pub(crate) fn write(&mut self, tree: TreeId, key: Bytes, value: Option<Bytes>) {
        self.version += 1;
        let seq = self.version;
        let at = match self.trees.iter().position(|writes| writes.tree >= tree) {
            Some(at) if self.trees[at].tree == tree => at,
            Some(at) => {
                self.trees.insert(at, TreeWrites::new(tree));
                at
            }
            None => {
                self.trees.push(TreeWrites::new(tree));
                self.trees.len() - 1
            }
        };
        let writes = &mut self.trees[at];
        let probe = TreeWrites::probe(&key);
        match writes.find(probe) {
            Ok(place) => {
                let write = &mut writes.chunks[place.chunk][place.at];
                self.bytes -= write.bytes();
                let before = std::mem::replace(&mut write.value, value);
                let before_seq = std::mem::replace(&mut write.seq, seq);
                self.bytes += write.bytes();
                if self.marks.last().is_some_and(|mark| before_seq < mark.seq) {
                    self.push_undo(Undo { tree, key, before: Some((before, before_seq)) });
                }
            }
            Err(place) => {
                if !self.marks.is_empty() {
                    let undo = Undo { tree, key: key.clone(), before: None };
                    self.undo_bytes += undo.bytes();
                    self.undo.push(undo);
                }
                let write = Write { prefix: probe.prefix, key, value, seq };
                self.bytes += write.bytes();
                self.len += 1;
                writes.insert(place, write);
            }
        }
    }

    fn push_undo(&mut self, undo: Undo) {
        self.undo_bytes += undo.bytes();
        self.undo.push(undo);
    }

    pub(crate) fn savepoint(&mut self) -> Savepoint {
        self.version += 1;
        let (len, runs) = (self.len, self.runs.len());
        let mark = Mark { id: self.version, undo: self.undo.len(), seq: self.version, len, runs };
        let savepoint = Savepoint(mark.id);
        self.marks.push(mark);
        savepoint
    }

    fn find_mark(&self, savepoint: Savepoint) -> Result<usize> {
        // Ids only grow along the list.
        self.marks
            .binary_search_by_key(&savepoint.0, |mark| mark.id)
            .map_err(|_| Error::NoSuchSavepoint)
    }

    /// Undoes what was written since a savepoint, which stays; those after it go.
    pub(crate) fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        let at = self.find_mark(savepoint)?;
        self.marks.truncate(at + 1);
        let Mark { undo: keep, runs, .. } = self.marks[at];
        self.version += 1;
        self.runs.truncate(runs);
        while self.undo.len() > keep {
            if let Some(undo) = self.undo.pop() {
                self.undo_bytes -= undo.bytes();
                self.restore(undo);
            }
        }
        Ok(())
    }

    /// Forgets a savepoint and those after it; what was written stays.
    pub(crate) fn release(&mut self, savepoint: Savepoint) -> Result<()> {
        let at = self.find_mark(savepoint)?;
        self.marks.truncate(at);
        if self.marks.is_empty() {
            self.forget_savepoints();
        }
        Ok(())
    }

    /// Forgets all savepoints.
    pub(crate) fn forget_savepoints(&mut self) {
        self.marks.clear();
        self.undo.clear();
        self.undo_bytes = 0;
    }

    fn restore(&mut self, undo: Undo) {
        let Some(writes) = self.trees.iter_mut().find(|writes| writes.tree == undo.tree) else {
            return;
        };
        let Ok(place) = writes.find(TreeWrites::probe(&undo.key)) else { return };
        match undo.before {
            Some((value, seq)) => {
                let write = &mut writes.chunks[place.chunk][place.at];
                self.bytes -= write.bytes();
                (write.value, write.seq) = (value, seq);
                self.bytes += write.bytes();
            }
            None => {
                self.bytes -= writes.remove(place).bytes();
                self.len -= 1;
            }
        }
    }
}

// ---- what was spilled ----

impl WriteSet {
    #[inline]
    pub(crate) fn has_runs(&self) -> bool {
        !self.runs.is_empty()
    }

    /// The runs, the newest last.
    pub(crate) fn runs(&self) -> &[OwnRun] {
        &self.runs
    }

    /// The interval that is being written: how many marks are older.
    pub(crate) fn interval(&self) -> usize {
        self.marks.len()
    }

    /// What is in memory of each interval, the oldest first; `None`: all of it is of the newest.
    pub(crate) fn intervals(&self) -> Option<Vec<Interval>> {
        if self.marks.iter().all(|mark| mark.undo == 0 && mark.len == 0) {
            return None;
        }
        // Of keys that were written again later, the state at the end of the interval in question.
        let mut then = BTreeMap::<(TreeId, &Bytes), Option<&Option<Bytes>>>::new();
        let mut intervals = Vec::new();
        let mut end = self.undo.len();
        for (at, mark) in self.marks.iter().enumerate().rev() {
            let undone = &self.undo[mark.undo..end];
            end = mark.undo;
            let mut writes = BTreeMap::new();
            for Undo { tree, key, .. } in undone {
                let now = || self.get(*tree, key).map(|write| &write.value);
                if let Some(value) = then.get(&(*tree, key)).copied().unwrap_or_else(now) {
                    writes.insert((*tree, key.clone()), value.clone());
                }
            }
            for Undo { tree, key, before } in undone.iter().rev() {
                then.insert((*tree, key), before.as_ref().map(|(value, _)| value));
            }
            intervals.push(Interval { number: at + 1, writes });
        }
        let mut writes = BTreeMap::new();
        for tree in &self.trees {
            for write in tree.iter() {
                let then = then.get(&(tree.tree, &write.key)).copied();
                if let Some(value) = then.unwrap_or(Some(&write.value)) {
                    writes.insert((tree.tree, write.key.clone()), value.clone());
                }
            }
        }
        intervals.push(Interval { number: 0, writes });
        intervals.reverse();
        intervals.retain(|interval| !interval.writes.is_empty());
        Some(intervals)
    }

    /// Replaces what is in memory by runs of it, with the numbers of their intervals, which ascend.
    pub(crate) fn take_runs(&mut self, runs: Vec<(usize, OwnRun)>) {
        self.version += 1;
        for (at, mark) in self.marks.iter_mut().enumerate() {
            // An interval that wrote something since the last spill is at least as new as all runs.
            let older = runs.iter().filter(|(number, _)| *number <= at).count();
            if older > 0 {
                mark.runs = self.runs.len() + older;
            }
            (mark.undo, mark.len) = (0, 0);
        }
        self.runs.extend(runs.into_iter().map(|(_, run)| run));
        self.trees.clear();
        self.undo.clear();
        (self.bytes, self.len, self.undo_bytes) = (0, 0, 0);
    }

    /// The runs of the interval that is being written.
    pub(crate) fn newest_interval(&self) -> &[OwnRun] {
        let older = self.marks.last().map_or(0, |mark| mark.runs);
        self.runs.get(older..).unwrap_or_default()
    }

    /// Replaces so many of the newest runs, all of the interval that is being written, by one of them all.
    pub(crate) fn replace_newest_runs(&mut self, count: usize, merged: OwnRun) {
        self.version += 1;
        self.runs.truncate(self.runs.len().saturating_sub(count));
        self.runs.push(merged);
    }

    /// Gives the newest run away.
    pub(crate) fn pop_run(&mut self) -> Option<OwnRun> {
        self.version += 1;
        self.runs.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const TREE: TreeId = TreeId(2);

    type Model = BTreeMap<(u32, Vec<u8>), Option<Vec<u8>>>;

    fn contents(set: &WriteSet) -> Model {
        let mut model = Model::new();
        for tree in set.trees() {
            for write in tree.iter() {
                let value = write.value.as_ref().map(|value| value.to_vec());
                assert!(model.insert((tree.tree.get(), write.key.to_vec()), value).is_none());
            }
        }
        model
    }

    #[test]
    fn prefixes_order_as_keys_do() {
        let keys: [&[u8]; 6] = [b"", b"\0", b"a", b"ab", b"abcdefgh", b"abcdefghi"];
        for pair in keys.windows(2) {
            assert!(prefix_of(pair[0]) <= prefix_of(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn a_million_rows_in_order_fill_their_chunks() {
        let mut set = WriteSet::default();
        for row in 0..10_000u64 {
            set.write(TREE, Bytes::copy_from_slice(&row.to_be_bytes()), None);
        }
        let tree = set.tree(TREE).unwrap();
        assert_eq!(tree.chunks.len(), 10_000usize.div_ceil(CHUNK));
        assert!(tree.iter().is_sorted_by(|a, b| a.key < b.key));
    }

    #[derive(Debug, Clone)]
    enum Act {
        Write(u32, u16, Option<u8>),
        Savepoint,
        RollbackTo(usize),
        Release(usize),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            20 => (0u32..3, 0u16..600, any::<Option<u8>>()).prop_map(|(t, k, v)| Act::Write(t, k, v)),
            2 => Just(Act::Savepoint),
            1 => (0usize..4).prop_map(Act::RollbackTo),
            1 => (0usize..4).prop_map(Act::Release),
        ];
        proptest::collection::vec(act, 0..1500)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn s2_savepoints_restore_what_a_model_says(acts in acts()) {
            let mut set = WriteSet::default();
            let mut model = Model::new();
            let mut saved: Vec<(Savepoint, Model)> = Vec::new();
            for act in acts {
                match act {
                    Act::Write(tree, key, value) => {
                        let key = key.to_be_bytes();
                        let value = value.map(|value| vec![value]);
                        model.insert((tree, key.to_vec()), value.clone());
                        set.write(TreeId(tree), Bytes::copy_from_slice(&key), value.map(Bytes::from));
                    }
                    Act::Savepoint => saved.push((set.savepoint(), model.clone())),
                    Act::RollbackTo(at) if at < saved.len() => {
                        saved.truncate(at + 1);
                        set.rollback_to(saved[at].0).unwrap();
                        model = saved[at].1.clone();
                    }
                    Act::Release(at) if at < saved.len() => {
                        let gone = saved.drain(at..).next().unwrap().0;
                        set.release(gone).unwrap();
                        prop_assert!(set.rollback_to(gone).is_err());
                    }
                    _ => {}
                }
            }
            prop_assert_eq!(contents(&set), model.clone());
            prop_assert_eq!(set.len(), model.len());
            let weight: usize = set.trees().iter().flat_map(TreeWrites::iter).map(Write::bytes).sum();
            prop_assert_eq!(set.bytes(), weight);
        }

        #[test]
        fn s1_seeks_and_steps_go_where_a_model_goes(
            keys in proptest::collection::btree_set(0u16..2000, 0..900),
            near in 0u16..2001,
            inclusive: bool,
        ) {
            let mut set = WriteSet::default();
            let mut shuffled: Vec<_> = keys.iter().copied().collect();
            fastrand::Rng::with_seed(7).shuffle(&mut shuffled);
            for key in shuffled {
                set.write(TREE, Bytes::copy_from_slice(&key.to_be_bytes()), None);
            }
            let empty = TreeWrites::new(TREE);
            let tree = set.tree(TREE).unwrap_or(&empty);
            let bytes = near.to_be_bytes();
            let bound = if inclusive { Bound::Included(&bytes[..]) } else { Bound::Excluded(&bytes[..]) };
            for direction in [Direction::Forward, Direction::Backward] {
                let mut found = Vec::new();
                let mut at = tree.seek(bound, direction);
                while let Some(place) = at {
                    let key = &tree.at(place).unwrap().key;
                    found.push(u16::from_be_bytes([key[0], key[1]]));
                    at = tree.step(place, direction);
                }
                let mut expected: Vec<u16> = match direction {
                    Direction::Forward => keys.iter().copied().filter(|k| *k >= near).collect(),
                    Direction::Backward => keys.iter().rev().copied().filter(|k| *k <= near).collect(),
                };
                if !inclusive {
                    expected.retain(|key| *key != near);
                }
                prop_assert_eq!(found, expected);
            }
        }
    }
}
