//! One tree's versions: point reads, and the state that the other modules share.
//!
//! A reader needs an epoch guard and a snapshot's timestamp, takes no lock and counts no
//! reference. What it does not find here stands in the B-tree at the snapshot's base.

use crate::chain::Chain;
use crate::collect::Round;
use crate::directory::Directory;
use crate::evicted::Evicted;
use crate::index::Index;
use crate::queue::Queues;
use crate::run::{Probe, RunBlock, Runs};
use crate::tally::Tally;
use bytes::Bytes;
use crossbeam_epoch::{Atomic, Guard};
use crossbeam_utils::CachePadded;
use heddle_base::sync::Mutex;
use heddle_base::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use heddle_base::{Timestamp, TreeId};
use std::borrow::Cow;

/// The versions of one tree.
#[derive(Debug)]
pub struct Overlay {
    tree: TreeId,
    pub(crate) index: Index,
    pub(crate) directory: Directory,
    pub(crate) runs: Atomic<Runs>,
    pub(crate) runs_lock: Mutex<()>,
    pub(crate) evicted: Evicted,
    /// The newest timestamp of any chain or run that went: for ranges.
    pub(crate) evicted_max: AtomicU64,
    /// The newest timestamp of any run that went: a bound for every key.
    pub(crate) run_floor: AtomicU64,
    /// The newest commit to this tree, among settled ones.
    pub(crate) last_commit: CachePadded<AtomicU64>,
    /// Chains with versions linked and not settled.
    pub(crate) pending: CachePadded<AtomicUsize>,
    pub(crate) memory: Tally,
    pub(crate) queues: Queues,
    /// How much there may be to collect since the collector last began here: versions that were
    /// superseded, chains left empty, and what it left. Only a reason to look or not.
    pub(crate) garbage: CachePadded<AtomicUsize>,
    /// Where the collector stands.
    pub(crate) round: Mutex<Round>,
}

/// What a reader can see: the commits after its base and up to its timestamp. Those up to the base
/// stand in the B-tree, and only there: what is left of them here is for older snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The base holds exactly the commits up to here.
    pub base: Timestamp,
    /// The snapshot's timestamp.
    pub ts: Timestamp,
}

impl View {
    /// Every commit that is still here.
    pub const ALL: View = View { base: Timestamp::ZERO, ts: Timestamp::MAX };

    /// Whether a commit lies in it.
    #[inline]
    pub(crate) fn covers(&self, ts: Timestamp) -> bool {
        self.base < ts && ts <= self.ts
    }
}

/// What a snapshot sees of a key here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<'g> {
    /// Nothing: the B-tree decides.
    Missing,
    /// This value.
    Put(Cow<'g, Bytes>),
    /// Deleted.
    Tombstone,
    /// A run may have it, in a block that is not in memory: load that and ask again.
    NeedsIo(RunBlock),
}

/// A key with the version of it that a reader sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'g> {
    /// The key.
    pub key: Cow<'g, [u8]>,
    /// When the version was committed.
    pub ts: Timestamp,
    /// The value; `None` is a tombstone.
    pub value: Option<Cow<'g, Bytes>>,
}

impl Overlay {
    pub(crate) fn new(tree: TreeId, evicted: Evicted) -> Self {
        Self {
            tree,
            index: Index::new(),
            directory: Directory::new(),
            runs: Atomic::null(),
            runs_lock: Mutex::new(()),
            evicted,
            evicted_max: AtomicU64::new(0),
            run_floor: AtomicU64::new(0),
            last_commit: CachePadded::new(AtomicU64::new(0)),
            pending: CachePadded::new(AtomicUsize::new(0)),
            memory: Tally::default(),
            queues: Queues::default(),
            garbage: CachePadded::new(AtomicUsize::new(0)),
            round: Mutex::default(),
        }
    }

    /// Whose versions these are.
    pub fn tree(&self) -> TreeId {
        self.tree
    }

    /// Whether nothing is here: then the B-tree can be read directly.
    #[inline]
    pub fn is_empty(&self, guard: &Guard) -> bool {
        self.index.is_empty(guard) && self.runs.load(Ordering::Acquire, guard).is_null()
    }

    /// Memory taken by chains, versions and runs, in bytes; approximate while others write.
    pub fn memory(&self) -> usize {
        self.memory.sum()
    }

    /// What a reader sees of a key.
    #[inline]
    pub fn get<'g>(&'g self, key: &[u8], view: View, guard: &'g Guard) -> Lookup<'g> {
        if self.is_empty(guard) {
            return Lookup::Missing;
        }
        let found = self.find(key, guard).and_then(|chain| chain.visible(view, guard));
        let floor = found.map_or(Timestamp::ZERO, |(at, _)| at);
        for run in self.runs(guard).iter().filter(|run| view.covers(run.ts())) {
            if run.ts() < floor {
                break;
            }
            match run.try_get(key) {
                Probe::Found(Some(value)) => return Lookup::Put(Cow::Owned(value)),
                Probe::Found(None) => return Lookup::Tombstone,
                Probe::Absent => {}
                Probe::NeedsIo(block) => return Lookup::NeedsIo(RunBlock { run: run.ts(), block }),
            }
        }
        match found.map(|(_, version)| version.value()) {
            None => Lookup::Missing,
            Some(None) => Lookup::Tombstone,
            Some(Some(value)) => Lookup::Put(Cow::Borrowed(value)),
        }
    }

    /// The chain of a key.
    #[inline]
    pub(crate) fn find<'g>(&'g self, key: &[u8], guard: &'g Guard) -> Option<&'g Chain> {
        self.directory.get(key, self.evicted.hash(key), guard)
    }

    /// Takes a dead chain out of directory and index. Idempotent: a locker that meets a dead chain
    /// helps.
    pub(crate) fn unlink(&self, chain: &Chain, hash: u64, guard: &Guard) {
        self.directory.remove(chain, hash);
        self.index.unlink(chain, guard);
    }

    /// No chain of this key that went had a commit newer than this.
    pub(crate) fn evicted_bound(&self, key: &[u8]) -> Timestamp {
        self.evicted.bound(self.tree, key)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        // SAFETY: exclusive access; the runs belong to the overlay and were not swapped out.
        unsafe {
            let guard = crossbeam_epoch::unprotected();
            let runs = self.runs.load(Ordering::Acquire, guard);
            if !runs.is_null() {
                drop(runs.into_owned());
            }
        }
    }
}
