//! All overlays of a database.

use crate::collect::{GcInput, GcStats, Needs};
use crate::evicted::Evicted;
use crate::overlay::Overlay;
use heddle_base::TreeId;
use heddle_base::sync::{Arc, Mutex};
use std::collections::BTreeMap;

/// How a store is made.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// Slots of the evicted table, of 8 bytes each; rounded up to a power of two. Default 32768.
    pub evicted_slots: usize,
    /// Seeds the hash of keys. Take it from the runtime's randomness.
    pub seed: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { evicted_slots: 32 << 10, seed: 0 }
    }
}

/// The version store. Its users keep the `Arc<Overlay>` of the trees they use.
#[derive(Debug)]
pub struct Store {
    evicted: Evicted,
    trees: Mutex<Trees>,
}

#[derive(Debug, Default)]
struct Trees {
    overlays: BTreeMap<TreeId, Arc<Overlay>>,
    /// The tree the collector goes on with.
    resume: Option<TreeId>,
}

impl Store {
    /// A store without versions.
    pub fn new(options: StoreOptions) -> Self {
        Self {
            evicted: Evicted::new(options.evicted_slots, options.seed),
            trees: Mutex::new(Trees::default()),
        }
    }

    /// A tree's overlay, made if it is missing. Takes a lock: keep the result.
    pub fn tree(&self, id: TreeId) -> Arc<Overlay> {
        let mut trees = self.trees.lock();
        let made = trees
            .overlays
            .entry(id)
            .or_insert_with(|| Arc::new(Overlay::new(id, self.evicted.clone())));
        Arc::clone(made)
    }

    /// Forgets a tree that was dropped; who still holds its overlay can go on reading it.
    pub fn drop_tree(&self, id: TreeId) {
        self.trees.lock().overlays.remove(&id);
    }

    /// All trees, in order of their ids.
    pub fn trees(&self) -> Vec<Arc<Overlay>> {
        self.trees.lock().overlays.values().map(Arc::clone).collect()
    }

    /// Memory taken by all versions, in bytes; approximate while others write.
    pub fn memory(&self) -> usize {
        self.trees.lock().overlays.values().map(|overlay| overlay.memory()).sum()
    }

    /// One bounded step of collection, going on where the last one stopped, at most once around.
    pub fn collect(&self, input: GcInput<'_>) -> GcStats {
        let needs = Needs::survey(&input);
        let (order, count) = self.order();
        let mut stats = GcStats::default();
        let mut resume = None;
        for overlay in order {
            if stats.visited >= input.budget {
                resume = Some(overlay.tree());
                break;
            }
            let finished = stats.finished;
            stats += overlay.collect(&needs, input.budget - stats.visited);
            if stats.finished == finished && stats.visited >= input.budget {
                resume = Some(overlay.tree());
                break;
            }
        }
        debug_assert!(stats.finished <= count, "a step goes around at most once");
        self.trees.lock().resume = resume;
        stats
    }

    /// The overlays, beginning with the one where the collector stopped.
    fn order(&self) -> (Vec<Arc<Overlay>>, usize) {
        let trees = self.trees.lock();
        let from = trees.resume.unwrap_or_default();
        let order: Vec<_> = trees
            .overlays
            .range(from..)
            .chain(trees.overlays.range(..from))
            .map(|(_, overlay)| Arc::clone(overlay))
            .collect();
        let count = order.len();
        (order, count)
    }
}
