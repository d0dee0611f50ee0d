//! A walk's place in its transaction's own writes: those in memory, over those that were spilled.
//!
//! Part of [`crate::cursor`]. What is written ahead of the walk, or spilled, or rolled back while it goes
//! on, moves the place: it is sought anew behind the last key.
//!
//! # Invariants
//! - O1: of equal keys the write in memory counts, then that of the newest run.
//! - O2: without runs a step is a step in the write set, and nothing else.

use std::ops::Bound;

use heddle_wal::run::{RunPlace, RunSeek, RunStep};

use crate::cursor::Bounds;
use crate::runs::{Lacking, run_direction};
use crate::spill::OwnRun;
use crate::write_set::{Position, TreeWrites, WriteSet};

/// The place, good for one version of the write set.
#[derive(Debug, Default)]
pub(crate) struct OwnSide {
    version: Option<u64>,
    at: Option<Position>,
    /// One for each run, the newest last. Empty while there is none.
    heads: Vec<Head>,
}

/// The place in one run.
#[derive(Debug)]
enum Head {
    Unsought,
    /// On a write, which is still to be handed over unless it was passed.
    At {
        place: RunPlace,
        passed: bool,
    },
    End,
}

impl OwnSide {
    /// Makes sure that the place is the first within the bounds, beyond `last` if the walk has moved.
    /// Otherwise a block of a run is lacking.
    #[inline]
    pub(crate) fn prepare(
        &mut self,
        writes: &WriteSet,
        bounds: &Bounds,
        last: Option<&[u8]>,
    ) -> Option<Lacking> {
        if self.version != Some(writes.version()) {
            let near = last.map_or(bounds.near(), Bound::Excluded);
            let tree = writes.tree(bounds.tree);
            self.at = tree.and_then(|tree| tree.seek(near, bounds.direction));
            self.heads.clear();
            self.heads.extend(writes.runs().iter().map(|_| Head::Unsought));
            self.version = Some(writes.version());
        }
        if self.heads.is_empty() { None } else { self.prepare_runs(writes.runs(), bounds, last) }
    }

    #[cold]
    fn prepare_runs(
        &mut self,
        runs: &[OwnRun],
        bounds: &Bounds,
        last: Option<&[u8]>,
    ) -> Option<Lacking> {
        let direction = run_direction(bounds.direction);
        for (head, run) in self.heads.iter_mut().zip(runs) {
            let file = run.file();
            let lacking = |block| Some(Lacking { file: std::sync::Arc::clone(file), block });
            match head {
                Head::At { passed: false, .. } | Head::End => {}
                Head::Unsought => {
                    let near = last.map_or(bounds.near(), Bound::Excluded);
                    *head = match file.try_seek(bounds.tree, near, direction) {
                        RunSeek::End => Head::End,
                        RunSeek::At(place) => Head::At { place, passed: false },
                        RunSeek::NeedsIo(block) => return lacking(block),
                    };
                }
                Head::At { place, passed } => match file.try_step(place, direction) {
                    RunStep::End => *head = Head::End,
                    RunStep::Moved => *passed = false,
                    RunStep::NeedsIo(block) => return lacking(block),
                },
            }
        }
        None
    }

    /// The transaction's next write; `Some(_, None)` is a deletion.
    #[inline]
    pub(crate) fn peek<'a>(
        &'a self,
        writes: &'a WriteSet,
        bounds: &Bounds,
    ) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let tree: Option<&TreeWrites> = writes.tree(bounds.tree);
        let write = tree.zip(self.at).and_then(|(tree, at)| tree.at(at));
        let write = write.filter(|write| bounds.holds(&write.key));
        let write = write.map(|write| (&*write.key, write.value.as_deref()));
        if self.heads.is_empty() { write } else { self.peek_runs(write, bounds) }
    }

    #[cold]
    fn peek_runs<'a>(
        &'a self,
        mut first: Option<(&'a [u8], Option<&'a [u8]>)>,
        bounds: &Bounds,
    ) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        for head in self.heads.iter().rev() {
            let Head::At { place, passed: false } = head else { continue };
            let key = place.key();
            // O1: who comes later in this loop has to be ahead.
            if bounds.holds(key) && first.is_none_or(|first| bounds.order(key, first.0).is_lt()) {
                first = Some((key, place.value()));
            }
        }
        first
    }

    /// Goes beyond the write that was seen, of this key.
    #[inline]
    pub(crate) fn pass(&mut self, writes: &WriteSet, bounds: &Bounds, key: &[u8]) {
        if self.heads.is_empty() {
            self.step(writes, bounds);
        } else {
            self.pass_runs(writes, bounds, key);
        }
    }

    #[inline]
    fn step(&mut self, writes: &WriteSet, bounds: &Bounds) {
        let tree = writes.tree(bounds.tree);
        self.at = tree.zip(self.at).and_then(|(tree, at)| tree.step(at, bounds.direction));
    }

    #[cold]
    fn pass_runs(&mut self, writes: &WriteSet, bounds: &Bounds, key: &[u8]) {
        let tree = writes.tree(bounds.tree);
        let write = tree.zip(self.at).and_then(|(tree, at)| tree.at(at));
        if write.is_some_and(|write| *write.key == *key) {
            self.step(writes, bounds);
        }
        for head in &mut self.heads {
            if let Head::At { place, passed } = head {
                *passed |= place.key() == key;
            }
        }
    }
}
