//! What the loom tests share: how a model is run, and one-line commits.
//!
//! `cargo xtask loom` runs them; `README.md` says what each would catch.
#![cfg(heddle_loom)]

use bytes::Bytes;
use heddle_base::{Timestamp, TreeId};
use heddle_mvcc::{
    GcInput, GcStats, LockedChain, Lookup, Overlay, Registry, Store, StoreOptions, TxnStatus, View,
    pin,
};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use std::sync::atomic::{AtomicUsize, Ordering as StdOrdering};

/// Explores the interleavings of `body`, up to the bound on preemptions that
/// `LOOM_MAX_PREEMPTIONS` sets (2 if it is unset), for at most `LOOM_MAX_DURATION` seconds, and
/// says how many there were. `body` runs once per interleaving.
///
/// Loom explores twice, with the two sides of [`race`] in both orders (`body`'s argument): it
/// starts from the order in which the main thread goes first, and remembers of each atomic only
/// the last access. So a side that loads a word before it writes it would hide that the other,
/// which only loads it, could have come in between.
pub fn check(body: impl Fn(Order) + Send + Sync + 'static) {
    let body = std::sync::Arc::new(body);
    for order in [Order::FirstLeads, Order::SecondLeads] {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = model.preemption_bound.or(Some(2));
        model.max_branches = 50_000;
        model.max_duration = model.max_duration.map(|limit| limit / 2);
        let limit = model.max_duration;
        let executions = std::sync::Arc::new(AtomicUsize::new(0));
        let counted = std::sync::Arc::clone(&executions);
        let body = std::sync::Arc::clone(&body);
        #[allow(clippy::disallowed_methods)]
        let start = std::time::Instant::now();
        model.check(move || {
            counted.fetch_add(1, StdOrdering::Relaxed);
            body(order);
        });
        let (executions, took) = (executions.load(StdOrdering::Relaxed), start.elapsed());
        let ended = if limit.is_some_and(|limit| took >= limit) { "time was up" } else { "all" };
        eprintln!("{order:?}: {executions} executions in {took:.1?}: {ended}");
    }
}

/// Which side of a race the main thread takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    FirstLeads,
    SecondLeads,
}

/// Runs two sides at once over one shared thing; what they return.
pub fn race<S: Send + Sync + 'static, A: Send + 'static, B: Send + 'static>(
    order: Order,
    shared: &Arc<S>,
    first: impl FnOnce(&S) -> A + Send + 'static,
    second: impl FnOnce(&S) -> B + Send + 'static,
) -> (A, B) {
    let other = Arc::clone(shared);
    if order == Order::FirstLeads {
        let thread = loom::thread::spawn(move || second(&other));
        let a = first(shared);
        (a, thread.join().unwrap())
    } else {
        let thread = loom::thread::spawn(move || first(&other));
        let b = second(shared);
        (thread.join().unwrap(), b)
    }
}

/// Whether any interleaving of a model makes `body` say that something went wrong: for models of a
/// rule left out, which must. A panic in there could not unwind past loom's own types.
pub fn finds(body: impl Fn(Order) -> bool + Send + Sync + 'static) -> bool {
    let found = std::sync::Arc::new(AtomicUsize::new(0));
    let seen = std::sync::Arc::clone(&found);
    check(move |order| {
        if body(order) {
            seen.fetch_add(1, StdOrdering::Relaxed);
        }
    });
    let found = found.load(StdOrdering::Relaxed);
    eprintln!("went wrong in {found} of them");
    found > 0
}

/// One tree, its store, a registry, a ticket counter and the watermark of what is published.
pub struct World {
    pub store: Store,
    pub overlay: Arc<Overlay>,
    pub registry: Registry,
    pub tickets: AtomicU64,
    pub installed: AtomicU64,
}

impl World {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::unshared())
    }

    pub fn unshared() -> Self {
        let store = Store::new(StoreOptions { evicted_slots: 1, seed: 1 });
        let overlay = store.tree(TreeId(2));
        Self {
            store,
            overlay,
            registry: Registry::new(),
            tickets: AtomicU64::new(0),
            installed: AtomicU64::new(0),
        }
    }

    /// Says `Drawing`, draws, says `Drawn`: step 2 of a commit.
    pub fn draw(&self, status: &TxnStatus) -> Timestamp {
        status.set_drawing();
        let ticket = Timestamp(1 + self.tickets.fetch_add(1, Ordering::SeqCst));
        status.set_drawn(ticket);
        ticket
    }

    /// Commits one write without waiting; `None` if somebody holds the chain.
    pub fn commit(&self, key: &[u8], value: &'static [u8]) -> Option<Timestamp> {
        let status = TxnStatus::new();
        let chain = self.lock(key, value, &status)?;
        let ticket = self.draw(&status);
        status.set_committed(ticket);
        drop(chain);
        Some(ticket)
    }

    /// Locks a chain and links a pending version: step 1 of a commit.
    pub fn lock(
        &self,
        key: &[u8],
        value: &'static [u8],
        status: &Arc<TxnStatus>,
    ) -> Option<LockedChain<'_>> {
        let mut chain = self.overlay.try_lock(key).ok()?;
        chain.link(Some(Bytes::from_static(value)), status);
        Some(chain)
    }

    /// Links a version that was committed at `ts`, as recovery does.
    pub fn seed(&self, key: &[u8], ts: u64, value: &'static [u8]) {
        let mut chain = self.overlay.try_lock(key).unwrap();
        chain.link(Some(Bytes::from_static(value)), &TxnStatus::committed_at(Timestamp(ts)));
    }

    pub fn get(&self, base: u64, ts: u64, key: &[u8]) -> Option<Vec<u8>> {
        let view = View { base: Timestamp(base), ts: Timestamp(ts) };
        match self.overlay.get(key, view, &pin()) {
            Lookup::Put(value) => Some(value.to_vec()),
            Lookup::Missing | Lookup::Tombstone | Lookup::NeedsIo(_) => None,
        }
    }

    pub fn collect(&self, base: u64, horizon: u64) -> GcStats {
        self.store.collect(GcInput {
            base_ts: Timestamp(base),
            horizon: Timestamp(horizon),
            registry: &self.registry,
            budget: 8,
        })
    }
}
