//! The read set: what a transaction's decisions rest on, to be looked at again when it commits.
//!
//! Points are kept as they come, in one buffer; ranges as far as they were walked. Beyond a budget
//! neighbouring points become ranges, and neighbouring ranges one.
//!
//! # Invariants
//! - D1: what was read stays covered, however coarse the set gets.
//! - D2: an absent key is read like a present one; a range includes the gaps between its keys.
//! - D3: a constraint read counts at every isolation level, and stays one when it is coarsened.

use std::ops::Bound;

use heddle_base::TreeId;
use heddle_mvcc::Direction;
use smallvec::SmallVec;

/// What a read was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Defended by the serializable level.
    Read,
    /// Defended at every level (D3).
    Constraint,
}

/// A key that was read.
#[derive(Debug, Clone, Copy)]
struct Point {
    tree: TreeId,
    purpose: Purpose,
    at: usize,
    len: usize,
}

/// A range that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) tree: TreeId,
    pub(crate) purpose: Purpose,
    pub(crate) lower: Bound<Vec<u8>>,
    pub(crate) upper: Bound<Vec<u8>>,
}

impl Range {
    /// Whether a key lies in it.
    pub(crate) fn covers(&self, tree: TreeId, key: &[u8]) -> bool {
        self.tree == tree
            && match &self.lower {
                Bound::Unbounded => true,
                Bound::Included(lower) => key >= &lower[..],
                Bound::Excluded(lower) => key > &lower[..],
            }
            && match &self.upper {
                Bound::Unbounded => true,
                Bound::Included(upper) => key <= &upper[..],
                Bound::Excluded(upper) => key < &upper[..],
            }
    }
}

/// A range that a cursor still extends. Good as long as the set was not coarsened since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenRange {
    at: usize,
    epoch: u32,
}

/// What a transaction read.
#[derive(Debug, Default)]
pub(crate) struct ReadSet {
    points: SmallVec<[Point; 2]>,
    keys: Vec<u8>,
    ranges: Vec<Range>,
    range_bytes: usize,
    budget: usize,
    /// Counts coarsenings.
    epoch: u32,
}

const RANGE_BYTES: usize = size_of::<Range>() + 32;
/// So many neighbours become one range.
const FOLD: usize = 16;

impl ReadSet {
    pub(crate) fn new(budget: usize) -> Self {
        Self { budget: budget.max(1024), ..Self::default() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.points.is_empty() && self.ranges.is_empty()
    }

    /// The keys that were read.
    pub(crate) fn points(&self) -> impl Iterator<Item = (TreeId, Purpose, &[u8])> {
        // Points lie within `keys` by construction.
        self.points.iter().map(|p| (p.tree, p.purpose, &self.keys[p.at..p.at + p.len]))
    }

    pub(crate) fn point_count(&self) -> usize {
        self.points.len()
    }

    /// What a key was read for, if it was read as a point. Compares with each.
    pub(crate) fn purpose_of(&self, tree: TreeId, key: &[u8]) -> Option<Purpose> {
        self.points().find(|point| point.0 == tree && point.2 == key).map(|point| point.1)
    }

    /// The ranges that were read.
    pub(crate) fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    fn bytes(&self) -> usize {
        self.keys.len() + self.points.len() * size_of::<Point>() + self.range_bytes
    }

    /// Adds a key.
    #[inline]
    pub(crate) fn point(&mut self, tree: TreeId, key: &[u8], purpose: Purpose) {
        let at = self.keys.len();
        self.keys.extend_from_slice(key);
        self.points.push(Point { tree, purpose, at, len: key.len() });
        if self.bytes() > self.budget {
            self.coarsen();
        }
    }

    /// Begins a range at its near bound; nothing of it was walked yet.
    pub(crate) fn open(
        &mut self,
        tree: TreeId,
        near: Bound<&[u8]>,
        direction: Direction,
        purpose: Purpose,
    ) -> OpenRange {
        if self.bytes() > self.budget {
            self.coarsen();
        }
        // Nothing was walked yet: the range ends where it begins. Only of the largest key nothing is
        // known before the first step, and until then everything counts.
        let near = near.map(<[u8]>::to_vec);
        let (lower, upper) = match (direction, near) {
            (Direction::Forward, Bound::Unbounded) => {
                (Bound::Unbounded, Bound::Excluded(Vec::new()))
            }
            (Direction::Backward, Bound::Unbounded) => (Bound::Unbounded, Bound::Unbounded),
            (Direction::Forward, near) => (near.clone(), excluded(near)),
            (Direction::Backward, near) => (excluded(near.clone()), near),
        };
        self.range_bytes += RANGE_BYTES;
        self.ranges.push(Range { tree, purpose, lower, upper });
        OpenRange { at: self.ranges.len() - 1, epoch: self.epoch }
    }

    /// Moves the far end of an open range to a bound. `false`: it was coarsened; open another from
    /// where the cursor stands.
    #[inline]
    pub(crate) fn extend(
        &mut self,
        open: OpenRange,
        far: Bound<&[u8]>,
        direction: Direction,
    ) -> bool {
        if open.epoch != self.epoch {
            return false;
        }
        let Some(range) = self.ranges.get_mut(open.at) else { return false };
        let end = match direction {
            Direction::Forward => &mut range.upper,
            Direction::Backward => &mut range.lower,
        };
        match (far, end) {
            (Bound::Included(key), Bound::Included(end)) => {
                end.clear();
                end.extend_from_slice(key);
            }
            (far, end) => *end = far.map(<[u8]>::to_vec),
        }
        true
    }

    /// Makes the set smaller and coarser (D1): to half its budget, if that can be.
    #[cold]
    fn coarsen(&mut self) {
        self.epoch += 1;
        let mut ranges = std::mem::take(&mut self.ranges);
        let mut points: Vec<_> = self.points().collect();
        points.sort_unstable();
        points.dedup();
        ranges.extend(points.chunks(FOLD).flat_map(fold_points));
        self.points.clear();
        self.keys.clear();
        ranges.sort_unstable_by(compare_ranges);
        let mut fold = 1;
        while ranges.len() * RANGE_BYTES > self.budget / 2 && fold < 1 << 16 {
            fold *= FOLD;
            ranges = fold_ranges(ranges);
        }
        self.range_bytes = ranges.len() * RANGE_BYTES;
        self.ranges = ranges;
    }
}

/// Ranges that cover these sorted points: one for each tree and purpose among them.
fn fold_points<'a>(points: &'a [(TreeId, Purpose, &'a [u8])]) -> impl Iterator<Item = Range> + 'a {
    points.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).filter_map(|group| {
        let (first, last) = (group.first()?, group.last()?);
        Some(Range {
            tree: first.0,
            purpose: first.1,
            lower: Bound::Included(first.2.to_vec()),
            upper: Bound::Included(last.2.to_vec()),
        })
    })
}

/// Each run of neighbours within a tree and purpose becomes one range.
fn fold_ranges(ranges: Vec<Range>) -> Vec<Range> {
    let mut folded: Vec<Range> = Vec::with_capacity(ranges.len() / FOLD + 1);
    let mut members = 0;
    for range in ranges {
        match folded.last_mut() {
            Some(last)
                if members < FOLD && (last.tree, last.purpose) == (range.tree, range.purpose) =>
            {
                members += 1;
                if compare_upper(&range.upper, &last.upper).is_gt() {
                    last.upper = range.upper;
                }
            }
            _ => {
                members = 1;
                folded.push(range);
            }
        }
    }
    folded
}

fn excluded(bound: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn compare_ranges(a: &Range, b: &Range) -> std::cmp::Ordering {
    fn rank(range: &Range) -> (TreeId, Purpose, u8, &[u8], u8) {
        let (kind, key, above) = match &range.lower {
            Bound::Unbounded => (0, &[][..], 0),
            Bound::Included(key) => (1, &key[..], 0),
            Bound::Excluded(key) => (1, &key[..], 1),
        };
        (range.tree, range.purpose, kind, key, above)
    }
    rank(a).cmp(&rank(b))
}

fn compare_upper(a: &Bound<Vec<u8>>, b: &Bound<Vec<u8>>) -> std::cmp::Ordering {
    fn rank(bound: &Bound<Vec<u8>>) -> (u8, &[u8], u8) {
        match bound {
            Bound::Excluded(key) => (0, key, 0),
            Bound::Included(key) => (0, key, 1),
            Bound::Unbounded => (1, &[], 0),
        }
    }
    rank(a).cmp(&rank(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn covers(set: &ReadSet, tree: TreeId, purpose: Purpose, key: &[u8]) -> bool {
        set.points().any(|(t, p, k)| t == tree && p == purpose && k == key)
            || set.ranges().iter().any(|range| range.purpose == purpose && range.covers(tree, key))
    }

    #[test]
    fn a_range_that_was_not_walked_covers_nothing() {
        let mut set = ReadSet::new(1 << 20);
        let tree = TreeId(1);
        let open = set.open(tree, Bound::Included(b"b"), Direction::Forward, Purpose::Read);
        assert!(!covers(&set, tree, Purpose::Read, b"b"));
        assert!(set.extend(open, Bound::Included(b"d"), Direction::Forward));
        assert!(covers(&set, tree, Purpose::Read, b"b") && covers(&set, tree, Purpose::Read, b"d"));
        assert!(!covers(&set, tree, Purpose::Read, b"da"));
    }

    proptest! {
        #[test]
        fn d1_d3_coarsening_loses_nothing(
            points in proptest::collection::vec((0u32..3, any::<bool>(), 0u16..5000), 1..600),
        ) {
            let mut set = ReadSet::new(1024);
            let mut open = None;
            for (at, (tree, constraint, key)) in points.iter().enumerate() {
                let purpose = if *constraint { Purpose::Constraint } else { Purpose::Read };
                set.point(TreeId(*tree), &key.to_be_bytes(), purpose);
                if at % 50 == 0 {
                    let near = Bound::Included(&b"\x00\x10"[..]);
                    let range = set.open(TreeId(9), near, Direction::Forward, Purpose::Read);
                    prop_assert!(set.extend(range, Bound::Included(b"\x00\x20"), Direction::Forward));
                    open = Some(range);
                }
            }
            prop_assert!(set.bytes() < 4096, "{}", set.bytes());
            for (tree, constraint, key) in &points {
                let purpose = if *constraint { Purpose::Constraint } else { Purpose::Read };
                prop_assert!(covers(&set, TreeId(*tree), purpose, &key.to_be_bytes()));
            }
            prop_assert!(open.is_some() && covers(&set, TreeId(9), Purpose::Read, b"\x00\x18"));
        }
    }
}
