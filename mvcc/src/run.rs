//! Sorted runs: a transaction larger than memory, linked as one object with one timestamp.
//!
//! Linked by the commit pipeline under the exclusive gate, after the draw and before the status is
//! published; merged by reads, validation and the drain; let go by [`crate::collect`].
//!
//! # Invariants
//! - R1: a run is immutable, and linked before `installed` reaches its timestamp.
//! - R2: newer runs come first.

use crate::overlay::Overlay;
use bytes::Bytes;
use crossbeam_epoch::{Guard, Owned};
use heddle_base::Timestamp;
use heddle_base::sync::atomic::Ordering;
use std::fmt::Debug;
use std::ops::Bound;
use std::sync::Arc;

/// An immutable sorted source of changes that were committed together.
pub trait SortedRun: Debug + Send + Sync {
    /// When all of it was committed.
    fn ts(&self) -> Timestamp;

    /// A key's change, if the run has one; `Some(None)` is a tombstone. Fences and a filter first.
    fn get(&self, key: &[u8]) -> Option<Option<Bytes>>;

    /// The first change at or above a lower bound.
    fn first(&self, lower: Bound<&[u8]>) -> Option<(Bytes, Option<Bytes>)>;

    /// The last change at or below an upper bound.
    fn last(&self, upper: Bound<&[u8]>) -> Option<(Bytes, Option<Bytes>)>;

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

    /// Lets go of the runs that `kept` refuses; returns how many bytes they had.
    pub(crate) fn retain_runs(&self, kept: impl Fn(Timestamp) -> bool) -> usize {
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

    /// The newest commit to a key by a run, or a bound for it once a run went. Not a chain's
    /// business: a run that wrote a key leaves no trace in the key's chain.
    pub(crate) fn newest_in_runs(&self, key: &[u8], guard: &Guard) -> Timestamp {
        let standing = self.runs(guard).iter().find(|run| run.get(key).is_some());
        // After the look: a run that was missed had raised the floor first.
        let gone = Timestamp(self.run_floor.load(Ordering::SeqCst));
        standing.map_or(Timestamp::ZERO, |run| run.ts()).max(gone)
    }
}
