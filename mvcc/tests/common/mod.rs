//! What the tests of the version store share: one-line commits, lookups and collections.
#![allow(dead_code, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use heddle_base::{Generation, Timestamp, TreeId};
use heddle_mvcc::{
    GcInput, GcStats, Lookup, Overlay, Registry, Slot, Store, StoreOptions, TxnStatus, View, pin,
};
use std::sync::Arc;

/// A store with one tree in use.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) registry: Registry,
}

/// The tree in use.
pub(crate) const TREE: TreeId = TreeId(7);

impl World {
    pub(crate) fn new() -> Self {
        Self::with_evicted_slots(1024)
    }

    pub(crate) fn with_evicted_slots(evicted_slots: usize) -> Self {
        let store = Store::new(StoreOptions { evicted_slots, seed: 1 });
        let overlay = store.tree(TREE);
        Self { store, overlay, registry: Registry::new() }
    }

    /// Commits one write at `ts`.
    pub(crate) fn commit(&self, ts: u64, key: &[u8], value: Option<&[u8]>) {
        commit(&self.overlay, ts, key, value);
    }

    /// Registers a snapshot at `ts` on the base at `base`.
    pub(crate) fn snapshot(&self, ts: u64, base: u64) -> Slot<'_> {
        self.registry
            .register(Timestamp(ts), Timestamp(base), Generation(base))
            .expect("a fresh snapshot")
    }

    /// Collects everything there is, for a base at `base`.
    pub(crate) fn collect(&self, base: u64) -> GcStats {
        self.collect_from(base, 0)
    }

    /// The same with a horizon.
    pub(crate) fn collect_from(&self, base: u64, horizon: u64) -> GcStats {
        self.store.collect(GcInput {
            base_ts: Timestamp(base),
            horizon: Timestamp(horizon),
            registry: &self.registry,
            budget: usize::MAX,
        })
    }

    /// What a reader at `ts` on the empty base sees.
    pub(crate) fn get(&self, ts: u64, key: &[u8]) -> Option<Option<Vec<u8>>> {
        get(&self.overlay, view(0, ts), key)
    }

    /// What first-committer-wins compares with.
    pub(crate) fn newest(&self, key: &[u8]) -> u64 {
        self.overlay.try_lock(key).expect("nobody holds it").newest().get()
    }

    pub(crate) fn changed(&self, key: &[u8], since: u64, me: u64) -> bool {
        self.overlay.changed(key, Timestamp(since), Some(Timestamp(me)), &pin())
    }
}

/// Commits one write at `ts`, through all the steps of a committer.
pub(crate) fn commit(overlay: &Overlay, ts: u64, key: &[u8], value: Option<&[u8]>) {
    let status = TxnStatus::new();
    // The collector may hold it for a moment.
    let mut chain = loop {
        match overlay.try_lock(key) {
            Ok(chain) => break chain,
            Err(_) => std::thread::yield_now(),
        }
    };
    chain.link(value.map(Bytes::copy_from_slice), &status);
    status.set_drawing();
    status.set_drawn(Timestamp(ts));
    status.set_committed(Timestamp(ts));
}

/// A reader on the base at `base`.
pub(crate) fn view(base: u64, ts: u64) -> View {
    View { base: Timestamp(base), ts: Timestamp(ts) }
}

/// `None`: not here; `Some(None)`: deleted.
pub(crate) fn get(overlay: &Overlay, view: View, key: &[u8]) -> Option<Option<Vec<u8>>> {
    match overlay.get(key, view, &pin()) {
        Lookup::Missing => None,
        Lookup::Tombstone => Some(None),
        Lookup::Put(value) => Some(Some(value.to_vec())),
        Lookup::NeedsIo(needed) => panic!("{needed:?} is not loaded here"),
    }
}

/// A small generator of its own, so that a failing seed can be run again.
pub(crate) fn rng(seed: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed(seed)
}
