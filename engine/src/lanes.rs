//! What a thread begins transactions with: its own copies of what all of them share.
//!
//! Two reading threads must not slow each other, so a transaction counts on nothing that other threads count on: its
//! thread's lane has a reference to the core and a copy of the newest catalog. A lane is made when its thread comes
//! first, and anew after the schema has changed.
//!
//! # Invariants
//! - L1: a lane's catalog is the newest one as of `version` of the history, and holds from `since` on. A snapshot that
//!   could see another one finds that out as [`History::at`] does (history H2), and asks there.

use crossbeam_utils::CachePadded;
use heddle_base::Timestamp;
use heddle_base::sync::{Arc, Mutex, thread_number};

use crate::catalog::Catalog;
use crate::catalog::history::Newest;
use crate::core::Core;

const LANES: usize = if cfg!(any(heddle_loom, heddle_shuttle)) { 1 } else { 32 };

/// Where a thread's lane is, once it has one.
type Place = CachePadded<Mutex<Option<Arc<Lane>>>>;

/// The lanes of one open database.
pub(crate) struct Lanes {
    core: Arc<Core>,
    lanes: Box<[Place]>,
}

/// See the module. On cache lines of its own, with its count.
#[repr(align(128))]
pub(crate) struct Lane {
    core: Arc<Core>,
    catalog: std::sync::Arc<Catalog>,
    since: Timestamp,
    version: u64,
}

impl Lane {
    #[inline]
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("core", &self.core).finish_non_exhaustive()
    }
}

impl Lanes {
    pub(crate) fn new(core: Arc<Core>) -> Lanes {
        let lanes = (0..LANES).map(|_| CachePadded::new(Mutex::new(None))).collect();
        Lanes { core, lanes }
    }

    #[inline]
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// This thread's lane, and the catalog that a snapshot at `at` sees; `None` while a change of the schema is under
    /// way.
    #[inline]
    pub(crate) fn begin(&self, at: Timestamp) -> Option<(Arc<Lane>, std::sync::Arc<Catalog>)> {
        let version = self.core.history.settled_version()?;
        let mut lane = self.lanes[thread_number() % self.lanes.len()].lock();
        let fresh = match &mut *lane {
            Some(lane) if lane.version == version => lane,
            stale => stale.insert(self.renewed()),
        };
        if fresh.since <= at {
            return Some((Arc::clone(fresh), std::sync::Arc::clone(&fresh.catalog)));
        }
        let fresh = Arc::clone(fresh);
        drop(lane);
        Some((fresh, self.core.history.at(at)?))
    }

    #[cold]
    fn renewed(&self) -> Arc<Lane> {
        let Newest { catalog, since, version } = self.core.history.newest();
        let core = Arc::clone(&self.core);
        // A copy, so that its count is the lane's own.
        let catalog = std::sync::Arc::new(Catalog::clone(&catalog));
        Arc::new(Lane { core, catalog, since, version })
    }
}
