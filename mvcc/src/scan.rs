//! Ordered reads of an overlay, both ways.
//!
//! Chains and runs are merged; of equal keys the newest version counts. A scan lives under one
//! epoch guard and so within one poll: to go on later, start a new one behind the last key. So also
//! where it ends because a block of a run is not in memory ([`Scan::needs_io`]).

use crate::chain::Chain;
use crate::index::Index;
use crate::overlay::{Entry, Overlay, View};
use crate::run::{Ahead, RunBlock, SortedRun};
use crossbeam_epoch::Guard;
use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;

/// Which way to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Rising keys.
    Forward,
    /// Falling keys.
    Backward,
}

/// Keys with the versions of them that a reader sees, tombstones included.
#[derive(Debug)]
pub struct Scan<'g, 'b> {
    overlay: &'g Overlay,
    guard: &'g Guard,
    view: View,
    direction: Direction,
    /// Where it ends: the bound on the far side.
    far: Bound<&'b [u8]>,
    chain: Option<&'g Chain>,
    runs: Vec<RunScan<'g>>,
    needs: Option<RunBlock>,
}

#[derive(Debug)]
struct RunScan<'g> {
    run: &'g Arc<dyn SortedRun>,
    next: Ahead,
}

impl RunScan<'_> {
    fn is_at(&self, key: &[u8]) -> bool {
        matches!(&self.next, Ahead::Entry(at, _) if **at == *key)
    }
}

impl Overlay {
    /// Reads between two bounds.
    pub fn scan<'g, 'b>(
        &'g self,
        lower: Bound<&'b [u8]>,
        upper: Bound<&'b [u8]>,
        direction: Direction,
        view: View,
        guard: &'g Guard,
    ) -> Scan<'g, 'b> {
        let (near, far) = match direction {
            Direction::Forward => (lower, upper),
            Direction::Backward => (upper, lower),
        };
        let chain = seek(&self.index, near, direction, guard);
        let runs = self
            .runs(guard)
            .iter()
            .filter(|run| view.covers(run.ts()) && run.may_intersect(lower, upper))
            .map(|run| RunScan { run, next: run.try_seek(near, direction) })
            .collect();
        Scan { overlay: self, guard, view, direction, far, chain, runs, needs: None }
    }

    /// As [`Overlay::scan`], forward and without the runs: who merges those by himself.
    pub(crate) fn scan_chains<'g>(
        &'g self,
        lower: Bound<&[u8]>,
        view: View,
        guard: &'g Guard,
    ) -> Scan<'g, 'static> {
        let direction = Direction::Forward;
        let chain = seek(&self.index, lower, direction, guard);
        let far = Bound::Unbounded;
        Scan { overlay: self, guard, view, direction, far, chain, runs: Vec::new(), needs: None }
    }
}

/// The first chain within a near bound.
pub(crate) fn seek<'g>(
    index: &'g Index,
    near: Bound<&[u8]>,
    direction: Direction,
    guard: &'g Guard,
) -> Option<&'g Chain> {
    match (direction, near) {
        (Direction::Forward, Bound::Unbounded) => index.first(guard),
        (Direction::Forward, Bound::Included(key)) => index.lower(key, true, guard),
        (Direction::Forward, Bound::Excluded(key)) => index.lower(key, false, guard),
        (Direction::Backward, Bound::Unbounded) => index.last(guard),
        (Direction::Backward, Bound::Included(key)) => index.upper(key, true, guard),
        (Direction::Backward, Bound::Excluded(key)) => index.upper(key, false, guard),
    }
}

impl<'g> Scan<'g, '_> {
    /// The block without which the scan could not go on, if that is why it ended.
    #[inline]
    pub fn needs_io(&self) -> Option<RunBlock> {
        self.needs
    }

    /// Whether a key lies within the far bound.
    fn within(&self, key: &[u8]) -> bool {
        match (self.direction, self.far) {
            (_, Bound::Unbounded) => true,
            (Direction::Forward, Bound::Included(far)) => key <= far,
            (Direction::Forward, Bound::Excluded(far)) => key < far,
            (Direction::Backward, Bound::Included(far)) => key >= far,
            (Direction::Backward, Bound::Excluded(far)) => key > far,
        }
    }

    /// The next key in the scan's direction comes first.
    fn ahead(&self, a: &[u8], b: &[u8]) -> bool {
        match self.direction {
            Direction::Forward => a < b,
            Direction::Backward => a > b,
        }
    }

    fn advance_chain(&mut self) {
        self.chain = self.chain.and_then(|chain| match self.direction {
            Direction::Forward => Index::after(chain, self.guard),
            Direction::Backward => self.overlay.index.upper(chain.key(), false, self.guard),
        });
    }

    /// The next chain's entry; the chain stays current.
    fn peek_chain(&mut self) -> Option<Entry<'g>> {
        while let Some(chain) = self.chain {
            if !self.within(chain.key()) {
                self.chain = None;
                break;
            }
            if let Some((ts, version)) = chain.visible(self.view, self.guard) {
                let value = version.value().map(Cow::Borrowed);
                return Some(Entry { key: Cow::Borrowed(chain.key()), ts, value });
            }
            self.advance_chain();
        }
        None
    }

    /// Merges runs into the next entry. Runs are newest first, so of equal keys the first counts.
    fn merge(&mut self) -> Option<Entry<'g>> {
        if self.needs.is_some() {
            return None;
        }
        let mut best = self.peek_chain();
        for scan in &self.runs {
            let (key, value) = match &scan.next {
                Ahead::Entry(key, value) => (key, value),
                Ahead::End => continue,
                Ahead::NeedsIo(block) => {
                    self.needs = Some(RunBlock { run: scan.run.ts(), block: *block });
                    return None;
                }
            };
            let wins = self.within(key)
                && best.as_ref().is_none_or(|best| {
                    self.ahead(key, &best.key) || (**key == *best.key && scan.run.ts() > best.ts)
                });
            if wins {
                best = Some(Entry {
                    key: Cow::Owned(key.to_vec()),
                    ts: scan.run.ts(),
                    value: value.clone().map(Cow::Owned),
                });
            }
        }
        let best = best?;
        if self.chain.is_some_and(|chain| chain.key() == &*best.key) {
            self.advance_chain();
        }
        for scan in self.runs.iter_mut().filter(|scan| scan.is_at(&best.key)) {
            scan.next = scan.run.try_seek(Bound::Excluded(&best.key), self.direction);
        }
        Some(best)
    }
}

impl<'g> Iterator for Scan<'g, '_> {
    type Item = Entry<'g>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'g>> {
        if !self.runs.is_empty() {
            return self.merge();
        }
        let entry = self.peek_chain()?;
        self.advance_chain();
        Some(entry)
    }
}
