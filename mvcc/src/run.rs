//! Sorted runs: a transaction larger than memory, linked as one object with one timestamp.
//!
//! Linked by the commit pipeline under the exclusive gate, after the draw and before the ticket is
//! filled; merged by reads and by the checkpoint; let go by [`crate::collect`]. A run's blocks may
//! lie on disk, and nothing here waits for them: who reads is told which block is missing
//! ([`RunBlock`]), and comes back once it is there. Validation asks only what is in memory, and
//! takes "perhaps" for yes.
//!
//! # Invariants
//! - R1: a run is immutable, and linked before `installed` reaches its timestamp.
//! - R2: newer runs come first.
//! - R3: what a run is asked without blocking it answers without blocking, or says what it needs.

use crate::overlay::Overlay;
use crate::scan::Direction;
use bytes::Bytes;
use crossbeam_epoch::{Guard, Owned};
use heddle_base::Timestamp;
use heddle_base::sync::atomic::Ordering;
use std::fmt::Debug;
use std::ops::Bound;
use std::sync::Arc;

/// A block of a run; the number means something to the run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockNo(pub u32);

/// A block that a read lacks: of the run with this timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunBlock {
    /// The run.
    pub run: Timestamp,
    /// Its block.
    pub block: BlockNo,
}

/// What a run has of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Nothing.
    Absent,
    /// This change; `None` is a tombstone.
    Found(Option<Bytes>),
    /// To be known once this block was loaded.
    NeedsIo(BlockNo),
}

/// What a run has at or beyond a bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ahead {
    /// Nothing.
    End,
    /// This change of this key comes first; `None` is a tombstone.
    Entry(Bytes, Option<Bytes>),
    /// To be known once this block was loaded.
    NeedsIo(BlockNo),
}

/// An immutable sorted source of changes that were committed together.
pub trait SortedRun: Debug + Send + Sync {
    /// When all of it was committed.
    fn ts(&self) -> Timestamp;

    /// Whether it may have a change of a key: by fences and a filter, never by I/O.
    fn may_contain(&self, key: &[u8]) -> bool;

    /// Whether it may have a change between two bounds: by fences, never by I/O.
    fn may_intersect(&self, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> bool;

    /// A key's change.
    fn try_get(&self, key: &[u8]) -> Probe;

    /// The first change within a near bound, in a direction.
    fn try_seek(&self, near: Bound<&[u8]>, direction: Direction) -> Ahead;

    /// Memory it takes, in bytes.
    fn memory(&self) -> usize;
}

/// The runs of one overlay, newest first. Replaced as a whole.
pub(crate) type Runs = Vec<Arc<dyn SortedRun>>;

impl Overlay {
    /// Links a run. Caller holds the exclusive gate and has drawn its ticket (R1).
    pub fn link_run(&self, run: Arc<dyn SortedRun>) {
        let _one_at_a_time = self.runs_lock.lock();
        let guard = crossbeam_epoch::pin();
        self.last_commit.fetch_max(run.ts().get(), Ordering::SeqCst);
        self.memory.add(0, run.memory());
        let mut runs = self.runs(&guard).to_vec();
        runs.push(run);
        runs.sort_by_key(|run| std::cmp::Reverse(run.ts()));
        self.replace_runs(runs, &guard);
    }

    /// Takes out a run whose ticket turned void: nobody has seen it, and nobody will.
    pub fn unlink_run(&self, ts: Timestamp) {
        let _one_at_a_time = self.runs_lock.lock();
        let guard = crossbeam_epoch::pin();
        let (go, stay): (Runs, Runs) =
            self.runs(&guard).iter().cloned().partition(|run| run.ts() == ts);
        self.replace_runs(stay, &guard);
        self.memory.sub(0, go.iter().map(|run| run.memory()).sum());
    }

    /// Lets go of the runs that `kept` refuses; returns how many bytes they had.
    pub(crate) fn retain_runs(&self, kept: impl Fn(Timestamp) -> bool) -> usize {
        if self.runs(&crossbeam_epoch::pin()).is_empty() {
            return 0;
        }
        let _one_at_a_time = self.runs_lock.lock();
        let guard = crossbeam_epoch::pin();
        let (stay, go): (Runs, Runs) =
            self.runs(&guard).iter().cloned().partition(|run| kept(run.ts()));
        if go.is_empty() {
            return 0;
        }
        for run in &go {
            self.run_floor.fetch_max(run.ts().get(), Ordering::SeqCst);
            self.evicted_max.fetch_max(run.ts().get(), Ordering::SeqCst);
        }
        self.replace_runs(stay, &guard);
        let freed = go.iter().map(|run| run.memory()).sum();
        self.memory.sub(0, freed);
        freed
    }

    fn replace_runs(&self, runs: Runs, guard: &Guard) {
        let old = if runs.is_empty() {
            self.runs.swap(crossbeam_epoch::Shared::null(), Ordering::AcqRel, guard)
        } else {
            self.runs.swap(Owned::new(runs), Ordering::AcqRel, guard)
        };
        if !old.is_null() {
            // SAFETY: swapped out, so unreachable for whoever pins from now on; swapped out once.
            unsafe { guard.defer_destroy(old) };
        }
    }

    #[inline]
    pub(crate) fn runs<'g>(&'g self, guard: &'g Guard) -> &'g [Arc<dyn SortedRun>] {
        // SAFETY: loaded under the guard; freed only after it (M5).
        unsafe { self.runs.load(Ordering::Acquire, guard).as_ref() }.map_or(&[], Vec::as_slice)
    }

    /// The newest commit to a key by a run that may have it, or a bound for it once a run went. Not
    /// a chain's business: a run that wrote a key leaves no trace in the key's chain.
    pub(crate) fn newest_in_runs(&self, key: &[u8], guard: &Guard) -> Timestamp {
        let standing = self.runs(guard).iter().find(|run| run.may_contain(key));
        // After the look: a run that was missed had raised the floor first.
        let gone = Timestamp(self.run_floor.load(Ordering::SeqCst));
        standing.map_or(Timestamp::ZERO, |run| run.ts()).max(gone)
    }
}
