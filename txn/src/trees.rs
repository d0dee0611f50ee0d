//! What all transactions know of a tree: its versions, its gate, the version of its definition.
//!
//! Found by id without a lock: a radix table whose entries are made once and stay until the
//! database is closed (a tree that was dropped costs a few kilobytes until then).
//!
//! # Invariants
//! - E1: an entry is complete before its slot is filled: who fills one takes no lock and waits for nobody meanwhile. So a
//!   model checker, which does not see inside a `OnceLock`, never has to switch threads there.

use std::sync::OnceLock;

use heddle_base::sync::atomic::{AtomicU64, Ordering};
use heddle_base::sync::{Arc, Mutex};
use heddle_base::{SchemaVersion, TreeId};
use heddle_btree::tree::TreeKind;
use heddle_mvcc::{Overlay, Store};

use crate::gate::Gate;

/// A tree as a transaction's catalog knows it.
#[derive(Debug, Clone)]
pub struct TreeRef {
    /// Its number.
    pub id: TreeId,
    /// What orders it.
    pub kind: std::sync::Arc<TreeKind>,
    /// The table it belongs to, by the number of that table's own tree: whose gate it is under.
    pub table: TreeId,
    /// Its name, for messages.
    pub name: std::sync::Arc<str>,
    /// The version of the table's definition that the catalog has.
    pub schema_version: SchemaVersion,
}

/// The shared state of one tree.
#[derive(Debug)]
pub(crate) struct TreeState {
    pub(crate) overlay: Arc<Overlay>,
    /// Of the table, if the tree is one.
    pub(crate) gate: Arc<Gate>,
    version: AtomicU64,
    /// Only for messages.
    name: Mutex<std::sync::Arc<str>>,
    /// Conflicts met in it.
    pub(crate) conflicts: AtomicU64,
}

impl TreeState {
    /// The version of the table's definition. Stable for who has passed the gate.
    pub(crate) fn version(&self) -> SchemaVersion {
        SchemaVersion(self.version.load(Ordering::SeqCst))
    }

    /// Raises the version; the caller holds the gate exclusively.
    pub(crate) fn set_version(&self, version: SchemaVersion) {
        self.version.fetch_max(version.get(), Ordering::SeqCst);
    }

    pub(crate) fn name(&self) -> std::sync::Arc<str> {
        std::sync::Arc::clone(&self.name.lock())
    }

    pub(crate) fn rename(&self, name: &std::sync::Arc<str>) {
        *self.name.lock() = std::sync::Arc::clone(name);
    }
}

const LOW_BITS: u32 = 8;
const MID_BITS: u32 = 12;
const TOP_BITS: u32 = 12;

type Leaf = Box<[OnceLock<Box<TreeState>>]>;
type Middle = Box<[OnceLock<Leaf>]>;

/// All trees that were ever used.
pub(crate) struct Trees {
    store: Arc<Store>,
    top: Box<[OnceLock<Middle>]>,
}

fn slots<T>(bits: u32) -> Box<[OnceLock<T>]> {
    (0..1usize << bits).map(|_| OnceLock::new()).collect()
}

/// Indexes into the three levels.
fn place(id: TreeId) -> (usize, usize, usize) {
    let id = id.get();
    (
        (id >> (LOW_BITS + MID_BITS)) as usize,
        (id >> LOW_BITS) as usize & ((1 << MID_BITS) - 1),
        id as usize & ((1 << LOW_BITS) - 1),
    )
}

impl Trees {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store, top: slots(TOP_BITS) }
    }

    /// A tree that somebody used before.
    #[inline]
    pub(crate) fn get(&self, id: TreeId) -> Option<&TreeState> {
        let (top, mid, low) = place(id);
        let leaf = self.top.get(top)?.get()?.get(mid)?.get()?;
        leaf.get(low)?.get().map(|state| &**state)
    }

    /// A tree, made known if it is new. `name` is called only then.
    #[inline]
    pub(crate) fn make(
        &self,
        id: TreeId,
        name: impl FnOnce() -> std::sync::Arc<str>,
    ) -> &TreeState {
        match self.get(id) {
            Some(state) => state,
            None => self.make_new(id, name()),
        }
    }

    #[cold]
    fn make_new(&self, id: TreeId, name: std::sync::Arc<str>) -> &TreeState {
        let (top, mid, low) = place(id);
        // The indexes have as many bits as their levels: they are in bounds.
        let middle = self.top[top].get_or_init(|| slots(MID_BITS));
        let leaf = middle[mid].get_or_init(|| slots(LOW_BITS));
        let state = Box::new(TreeState {
            overlay: self.store.tree(id),
            gate: Arc::new(Gate::new()),
            version: AtomicU64::new(0),
            name: Mutex::new(name),
            conflicts: AtomicU64::new(0),
        });
        leaf[low].get_or_init(|| state)
    }

    /// Calls `visit` for each tree that was ever used.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&TreeState)) {
        for leaf in self.top.iter().filter_map(OnceLock::get).flatten().filter_map(OnceLock::get) {
            leaf.iter().filter_map(OnceLock::get).for_each(|state| visit(state));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heddle_mvcc::StoreOptions;

    #[test]
    fn trees_far_apart_are_found_again() {
        let trees = Trees::new(Arc::new(Store::new(StoreOptions::default())));
        let ids = [0, 1, 255, 256, 1 << 20, u32::MAX].map(TreeId);
        for id in ids {
            assert!(trees.get(id).is_none());
            assert_eq!(trees.make(id, || "t".into()).overlay.tree(), id);
        }
        for id in ids {
            assert_eq!(trees.get(id).map(|state| state.overlay.tree()), Some(id));
        }
        let mut count = 0;
        trees.for_each(|_| count += 1);
        assert_eq!(count, ids.len());
    }
}
