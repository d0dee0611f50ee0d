//! Collection: which versions are kept, and how the others go.
//!
//! Called by the engine after a base was published and whenever memory is wanted, in bounded
//! steps. Takes each chain's lock for a moment; a chain that is locked or waited for is passed.
//!
//! # Invariants
//! - K1: a version is kept if it is the newest at or before some `ts` that a snapshot has or can
//!   still get, on a base older than the version. Snapshots can get any `ts` from the horizon on,
//!   on the newest base; older ones are registered. That covers tombstones, and lets a hot row's
//!   versions between two snapshots go before the next checkpoint.
//! - K2: before a version is dropped its chain's floor is raised; before a chain is unlinked its
//!   newest timestamp is in the evicted table and in the tree's own bound (M4).

use crate::chain::{Chain, DEAD, LOCKED, Version};
use crate::index::Index;
use crate::overlay::Overlay;
use crate::registry::{Registered, Registry};
use crate::scan::{Direction, seek};
use crossbeam_epoch::{Guard, Shared};
use heddle_base::Timestamp;
use heddle_base::sync::atomic::Ordering;
use std::ops::{AddAssign, Bound};

/// Chains looked at under one epoch guard.
const BATCH: usize = if cfg!(any(heddle_loom, heddle_shuttle)) { 2 } else { 128 };

/// What a step of collection works with.
#[derive(Debug, Clone, Copy)]
pub struct GcInput<'a> {
    /// The newest published base holds exactly the commits up to here.
    pub base_ts: Timestamp,
    /// No snapshot will be taken below this any more: at most the oldest watermark at which any
    /// may start, now or after the log was poisoned. Zero if unknown.
    pub horizon: Timestamp,
    /// Who can read what. A running checkpoint registers its cut here as a snapshot.
    pub registry: &'a Registry,
    /// How many chains to look at, at most.
    pub budget: usize,
}

/// What a step of collection did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GcStats {
    /// Chains looked at.
    pub visited: usize,
    /// Chains passed because somebody held or awaited them.
    pub busy: usize,
    /// Versions dropped.
    pub versions: usize,
    /// Chains unlinked.
    pub chains: usize,
    /// Memory given back, in bytes, once no reader can stand on it.
    pub freed: usize,
    /// Trees whose last chain was reached.
    pub finished: usize,
}

impl AddAssign for GcStats {
    fn add_assign(&mut self, other: Self) {
        self.visited += other.visited;
        self.busy += other.busy;
        self.versions += other.versions;
        self.chains += other.chains;
        self.freed += other.freed;
        self.finished += other.finished;
    }
}

/// Who needs what (K1).
pub(crate) struct Needs {
    base_ts: Timestamp,
    horizon: Timestamp,
    /// Sorted by timestamp.
    registered: Vec<Registered>,
}

impl Needs {
    /// Raises the registry's floor and horizon, then looks who is there.
    pub(crate) fn survey(input: &GcInput<'_>) -> Self {
        let GcInput { base_ts, horizon, registry, .. } = *input;
        Self { base_ts, horizon, registered: registry.raise(base_ts, horizon) }
    }

    /// Whether a version at `ts` is needed, when the next newer one stands at `newer`.
    fn keeps(&self, ts: Timestamp, newer: Timestamp) -> bool {
        if ts > self.base_ts && newer > self.horizon {
            return true;
        }
        let from = self.registered.partition_point(|snapshot| snapshot.ts < ts);
        self.registered[from..]
            .iter()
            .take_while(|snapshot| match heddle_base::planted!("gc-too-far") {
                true => snapshot.ts.get() + 1 < newer.get(),
                false => snapshot.ts < newer,
            })
            .any(|snapshot| snapshot.base_ts < ts)
    }

    /// Whether a run at `ts` is needed: it is, as long as anybody may read through it.
    fn keeps_run(&self, ts: Timestamp) -> bool {
        self.keeps(ts, Timestamp::MAX)
    }
}

impl Overlay {
    /// Looks at up to `budget` chains, from where the last step stopped.
    pub(crate) fn collect(&self, needs: &Needs, budget: usize) -> GcStats {
        let mut stats = GcStats::default();
        let Some(mut round) = self.round.try_lock() else {
            return stats;
        };
        stats.freed += self.retain_runs(|ts| needs.keeps_run(ts));
        if round.resume.is_none() {
            if !round.is_worthwhile(needs.base_ts, self.garbage.load(Ordering::Relaxed)) {
                stats.finished += 1;
                return stats;
            }
            round.base_ts = needs.base_ts;
            round.chains = 0;
            self.garbage.store(0, Ordering::Relaxed);
        }
        let mut left = 0;
        while stats.visited < budget {
            let guard = crossbeam_epoch::pin();
            let near = round.resume.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let mut at = seek(&self.index, near, Direction::Forward, &guard);
            let mut last = None;
            for _ in 0..BATCH.min(budget - stats.visited) {
                let Some(chain) = at else { break };
                at = Index::after(chain, &guard);
                last = Some(chain.key());
                stats.visited += 1;
                round.chains += 1;
                if !is_settled(chain, needs, &guard) {
                    left += usize::from(self.collect_chain(chain, needs, &guard, &mut stats));
                }
            }
            if at.is_none() {
                round.resume = None;
                stats.finished += 1;
                break;
            }
            round.resume = last.map(Into::into);
        }
        self.garbage.fetch_add(left, Ordering::Relaxed);
        stats
    }

    /// Collects a chain; whether there may be more to collect later.
    fn collect_chain(
        &self,
        chain: &Chain,
        needs: &Needs,
        guard: &Guard,
        stats: &mut GcStats,
    ) -> bool {
        if nothing_to_do(chain, needs, guard) {
            return true;
        }
        // Only a chain that is neither locked, nor dead, nor waited for.
        if chain.word.compare_exchange(0, LOCKED, Ordering::SeqCst, Ordering::Relaxed).is_err() {
            stats.busy += 1;
            return true;
        }
        let freed = trim(chain, needs, guard, stats);
        let address = std::ptr::from_ref(chain).addr();
        self.memory.sub(address, freed);
        stats.freed += freed;
        if chain.versions(guard).next().is_none() {
            // Fold first, then let the chain be missed (K2).
            let newest = chain.floor();
            self.evicted.fold(self.tree(), chain.key(), newest);
            self.evicted_max.fetch_max(newest.get(), Ordering::SeqCst);
            let dead = chain.word.compare_exchange(
                LOCKED,
                LOCKED | DEAD,
                Ordering::SeqCst,
                Ordering::Relaxed,
            );
            if dead.is_ok() {
                stats.chains += 1;
                stats.freed += chain.bytes();
                self.memory.sub(address, chain.bytes());
                self.unlink(chain, self.evicted.hash(chain.key()), guard);
                Index::release(chain, guard);
                return false;
            }
        }
        let left = !is_settled(chain, needs, guard);
        self.queues.unlock(chain);
        left
    }
}

/// Where the collector stands in an overlay.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// It goes on behind this key; `None`: it begins anew.
    resume: Option<Box<[u8]>>,
    /// Chains looked at in this round, or in the last if it has ended.
    chains: usize,
    /// The newest base when it began.
    base_ts: Timestamp,
}

impl Round {
    /// So few chains are always looked at.
    const FEW: usize = 4096;
    /// Otherwise at least one in so many must have something to collect.
    const SPARSE: usize = 8;

    /// Whether another round will find enough: between two bases most chains have one version, which
    /// is needed, and to look at all of them costs more than commits do.
    fn is_worthwhile(&self, base_ts: Timestamp, garbage: usize) -> bool {
        self.chains <= Self::FEW
            || self.base_ts < base_ts
            || garbage.saturating_mul(Self::SPARSE) >= self.chains
    }
}

/// A single version that no base has yet: it stays until one does, whoever reads.
fn is_settled(chain: &Chain, needs: &Needs, guard: &Guard) -> bool {
    let mut versions = chain.versions(guard);
    versions.next().and_then(Version::committed).is_some_and(|ts| ts > needs.base_ts)
        && versions.next().is_none()
}

/// A look without the lock: a single version that is needed, as most chains have between two
/// checkpoints. It may be wrong only towards doing nothing.
fn nothing_to_do(chain: &Chain, needs: &Needs, guard: &Guard) -> bool {
    let mut versions = chain.versions(guard);
    versions.next().and_then(Version::committed).is_some_and(|ts| needs.keeps(ts, Timestamp::MAX))
        && versions.next().is_none()
}

/// Drops the versions of a locked chain that nobody needs. Returns their bytes.
fn trim(chain: &Chain, needs: &Needs, guard: &Guard, stats: &mut GcStats) -> usize {
    let mut freed = 0;
    let mut newer = Timestamp::MAX;
    let mut link = &chain.head;
    let mut at: Shared<'_, Version> = link.load(Ordering::Acquire, guard);
    // SAFETY: reached under the guard; only the lock's holder, us, drops versions (C1).
    while let Some(version) = unsafe { at.as_ref() } {
        let older = version.older.load(Ordering::Acquire, guard);
        let committed = version.committed();
        if let Some(ts) = committed
            && !needs.keeps(ts, newer)
        {
            chain.raise_floor(ts);
            link.store(older, Ordering::Release);
            freed += version.bytes();
            stats.versions += 1;
            // SAFETY: unlinked just now, and only once; readers on it follow its `older` still.
            unsafe { guard.defer_destroy(at) };
        } else {
            link = &version.older;
        }
        newer = committed.unwrap_or(newer);
        at = older;
    }
    freed
}
