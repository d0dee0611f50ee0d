//! What all transactions share, and where they begin.
//!
//! # Invariants
//! - N1: beginning a transaction touches no cache line that other threads write at the same rate:
//!   each thread has a lane with a pin of the newest base, and the registry's slots are its own.
//! - N2: a lane may show an older base for a moment while a new one is published; then the
//!   registry refuses if that matters, and the lane is read again.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_utils::CachePadded;
use heddle_base::sync::atomic::AtomicU64;
use heddle_base::sync::{Arc, Mutex, thread_number};
use heddle_base::{SchemaVersion, Timestamp, TreeId};
use heddle_io::Env;
use heddle_mvcc::{GcInput, GcStats, Registry, Stale, Store};
use heddle_wal::Log;

use crate::base::{Base, Pin};
use crate::error::{Error, Result};
use crate::gate::{self, Gate, Pass};
use crate::options::{ManagerOptions, Mode, TxOptions};
use crate::recent::Recent;
use crate::runs::Runs;
use crate::transaction::Transaction;
use crate::trees::Trees;
use crate::view::View;

const LANES: usize = if cfg!(any(heddle_loom, heddle_shuttle)) { 1 } else { 32 };

/// What a manager joins.
#[derive(Debug)]
pub struct Parts {
    /// Clock, and where runs are written.
    pub env: Env,
    /// The versions, empty.
    pub store: Store,
    /// The log.
    pub log: Log,
    /// The file as recovery found it.
    pub base: Base,
    /// Choices for all transactions.
    pub options: ManagerOptions,
}

/// Begins transactions. Clones are the same one.
#[derive(Clone)]
pub struct Manager(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    lanes: Box<[CachePadded<Mutex<Arc<Pin>>>]>,
    publishing: Mutex<()>,
}

/// What every transaction can reach.
pub(crate) struct Shared {
    pub(crate) env: Env,
    pub(crate) store: Arc<Store>,
    pub(crate) log: Log,
    pub(crate) registry: Registry,
    pub(crate) trees: Trees,
    pub(crate) recent: Recent,
    /// The committed runs.
    pub(crate) runs: Runs,
    /// The database beside whose log runs are written, unless it has no files.
    pub(crate) db_path: Option<PathBuf>,
    pub(crate) spilled: Spilled,
    /// The database's gate.
    pub(crate) gate: Gate,
    pub(crate) options: ManagerOptions,
    pub(crate) conflicts: AtomicU64,
}

/// Runs that transactions wrote, committed or not.
#[derive(Debug, Default)]
pub(crate) struct Spilled {
    pub(crate) runs: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl Shared {
    /// Waits until a new snapshot would see a commit that was drawn already. Whoever drew before is
    /// in the synchronous part of a commit, so that this is short.
    pub(crate) async fn reach(&self, ts: Timestamp) {
        let log = &self.log;
        let mut looks = 0;
        std::future::poll_fn(|cx| {
            while log.installed() < ts && !log.is_poisoned() {
                looks += 1;
                if looks % 64 == 0 {
                    cx.waker().wake_by_ref();
                    return std::task::Poll::Pending;
                }
                heddle_base::sync::hint::spin_loop();
            }
            std::task::Poll::Ready(())
        })
        .await;
    }

    /// As [`Shared::reach`], for all that were drawn so far.
    pub(crate) async fn reach_drawn(&self) {
        self.reach(self.log.drawn()).await;
    }
}

/// The database's gate, for a pass that outlives a call.
#[derive(Clone)]
pub(crate) struct DatabaseGate(pub(crate) Arc<Shared>);

impl std::ops::Deref for DatabaseGate {
    type Target = Gate;

    fn deref(&self) -> &Gate {
        &self.0.gate
    }
}

/// What the transactions did since the database was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Conflicts of all kinds.
    pub conflicts: u64,
    /// Conflicts by tree, where there were any.
    pub conflicts_by_tree: Vec<(TreeId, u64)>,
    /// Run files that transactions larger than memory wrote, committed or not.
    pub spilled_runs: u64,
    /// Their bytes.
    pub spilled_bytes: u64,
    /// Committed runs that no base holds for good yet.
    pub runs: usize,
    /// The oldest snapshot in use.
    pub oldest_snapshot: Option<Timestamp>,
}

impl Manager {
    /// A manager over these parts.
    pub fn new(parts: Parts) -> Self {
        let Parts { env, store, log, base, options } = parts;
        let store = Arc::new(store);
        let shared = Arc::new(Shared {
            env,
            trees: Trees::new(Arc::clone(&store)),
            store,
            runs: Runs::default(),
            db_path: log.db_path(),
            spilled: Spilled::default(),
            log,
            registry: Registry::new(),
            recent: Recent::new(),
            gate: Gate::new(),
            options,
            conflicts: AtomicU64::new(0),
        });
        let lanes = (0..LANES).map(|_| {
            let pin = Pin { shared: Arc::clone(&shared), base: base.clone() };
            CachePadded::new(Mutex::new(Arc::new(pin)))
        });
        let lanes = lanes.collect();
        Self(Arc::new(Inner { shared, lanes, publishing: Mutex::new(()) }))
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`Error::Busy`] if it is immediate and somebody holds the gate for longer than its timeout;
    /// [`Error::TooManySnapshots`].
    ///
    /// # Cancel safety
    /// Dropped while waiting, it leaves the line.
    pub async fn begin(&self, options: TxOptions) -> Result<Transaction> {
        heddle_base::when_planted!("registration-unchecked", {
            let pin = Arc::clone(&self.0.lanes[0].lock());
            let ts = self.watermark(options.mode).max(pin.base.ts);
            self.env().runtime.sleep(std::time::Duration::from_micros(500)).await;
            let generation = pin.base.snapshot.generation();
            let slot = pin.shared.registry.register_detached(ts, pin.base.ts, generation);
            if let (Ok(slot), true) = (slot, options.mode != Mode::Immediate) {
                return Ok(Transaction::new(View::new(pin, ts, slot), options, None));
            }
        });
        if options.mode != Mode::Immediate {
            return self.try_begin(options);
        }
        let gate = DatabaseGate(Arc::clone(&self.0.shared));
        let gate = match Gate::try_pass(gate.clone(), gate::Mode::Exclusive) {
            Some(pass) => pass,
            None => {
                let runtime = &*self.0.shared.env.runtime;
                let wait = options.busy_timeout;
                Gate::pass_within(gate, gate::Mode::Exclusive, wait, runtime)
                    .await
                    .map_err(|e| Error::Busy { what: "the database", waited: e.waited })?
            }
        };
        // Everybody who drew a ticket has filled it: one who just did may still be counting.
        self.0.shared.reach_drawn().await;
        self.start(options, Some(gate))
    }

    /// As [`Manager::begin`], for a transaction that need not wait: any that is not immediate.
    ///
    /// # Errors
    /// [`Error::TooManySnapshots`]; [`Error::Busy`] if it is immediate and the gate is not free.
    pub fn try_begin(&self, options: TxOptions) -> Result<Transaction> {
        if options.mode != Mode::Immediate {
            return self.start(options, None);
        }
        let gate = DatabaseGate(Arc::clone(&self.0.shared));
        let pass = Gate::try_pass(gate, gate::Mode::Exclusive);
        let busy = Error::Busy { what: "the database", waited: std::time::Duration::ZERO };
        self.start(options, Some(pass.ok_or(busy)?))
    }

    /// A transaction that reads what is acknowledged, and so needs no confirmation.
    ///
    /// # Errors
    /// [`Error::TooManySnapshots`].
    pub fn snapshot(&self) -> Result<Transaction> {
        self.start(TxOptions { mode: Mode::Acknowledged, ..TxOptions::default() }, None)
    }

    /// A look at the newest committed state, durable or not, that nobody is to be told of.
    ///
    /// # Errors
    /// [`Error::TooManySnapshots`].
    pub fn peek(&self) -> Result<Transaction> {
        self.start(TxOptions { mode: Mode::ReadOnly, ..TxOptions::default() }, None)
    }

    fn start(&self, options: TxOptions, gate: Option<Pass<DatabaseGate>>) -> Result<Transaction> {
        Ok(Transaction::new(self.view(options.mode)?, options, gate))
    }

    /// Takes a snapshot: pins the base, registers, and tries again if the collector moved past.
    fn view(&self, mode: Mode) -> Result<View> {
        let lane = &self.0.lanes[thread_number() % self.0.lanes.len()];
        loop {
            let pin = Arc::clone(&lane.lock());
            let ts = self.watermark(mode).max(pin.base.ts);
            let generation = pin.base.snapshot.generation();
            match pin.shared.registry.register_detached(ts, pin.base.ts, generation) {
                Ok(slot) => return Ok(View::new(pin, ts, slot)),
                Err(Stale::Base { .. } | Stale::Old { .. }) => heddle_base::sync::hint::spin_loop(),
                Err(Stale::Full) => return Err(Error::TooManySnapshots),
            }
        }
    }

    /// What a new snapshot sees.
    #[inline]
    fn watermark(&self, mode: Mode) -> Timestamp {
        let log = &self.0.shared.log;
        match mode {
            Mode::Acknowledged => log.acked(),
            // What will never be durable is not to be built on.
            _ if log.is_poisoned() => log.durable(),
            _ => log.installed(),
        }
    }

    /// Makes a new base the one that new snapshots read. Collection may work for it from then on.
    pub fn publish_base(&self, base: Base) {
        let _one_at_a_time = self.0.publishing.lock();
        for lane in &self.0.lanes {
            let pin = Pin { shared: Arc::clone(&self.0.shared), base: base.clone() };
            let old = std::mem::replace(&mut *lane.lock(), Arc::new(pin));
            // Outside the lock: it may be the last user of the old pages.
            drop(old);
        }
    }

    /// The newest base.
    pub fn base(&self) -> Base {
        let _not_half_published = self.0.publishing.lock();
        self.0.lanes[0].lock().base.clone()
    }

    pub(crate) fn base_ts(&self) -> Timestamp {
        self.0.lanes[0].lock().base.ts
    }

    /// One bounded step of collection. Returns what it did.
    pub fn collect(&self, budget: usize) -> GcStats {
        let shared = &self.0.shared;
        let base_ts = self.base_ts();
        // Every kind of snapshot starts at or above `durable`, also once the log is poisoned.
        let horizon = shared.log.durable().max(base_ts);
        shared.store.collect(GcInput { base_ts, horizon, registry: &shared.registry, budget })
    }

    /// The versions.
    pub fn store(&self) -> &Store {
        &self.0.shared.store
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.0.shared.log
    }

    /// Who reads what.
    pub fn registry(&self) -> &Registry {
        &self.0.shared.registry
    }

    /// Where files, time and randomness come from.
    pub fn env(&self) -> &Env {
        &self.0.shared.env
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// Sets the version of a table's definition, as the catalog that recovery loaded has it.
    pub fn set_schema_version(&self, table: TreeId, version: SchemaVersion) {
        self.0.shared.trees.make(table, || "".into()).set_version(version);
    }

    /// Closes the database to committers until the pass is dropped, as an immediate transaction does.
    ///
    /// # Errors
    /// [`Error::Busy`].
    ///
    /// # Cancel safety
    /// Dropped while waiting, it leaves the line.
    pub async fn close_gate(&self, wait: Option<std::time::Duration>) -> Result<Closed> {
        let gate = DatabaseGate(Arc::clone(&self.0.shared));
        let runtime = &*self.0.shared.env.runtime;
        let pass = Gate::pass_within(gate, gate::Mode::Exclusive, wait, runtime)
            .await
            .map_err(|e| Error::Busy { what: "the database", waited: e.waited })?;
        self.0.shared.reach_drawn().await;
        Ok(Closed { _pass: pass })
    }

    /// What the transactions did so far.
    pub fn metrics(&self) -> Metrics {
        let shared = &self.0.shared;
        let mut metrics = Metrics {
            conflicts: shared.conflicts.load(Relaxed),
            oldest_snapshot: shared.registry.oldest(),
            spilled_runs: shared.spilled.runs.load(Relaxed),
            spilled_bytes: shared.spilled.bytes.load(Relaxed),
            runs: self.runs().len(),
            ..Metrics::default()
        };
        shared.trees.for_each(|state| {
            let count = state.conflicts.load(Relaxed);
            if count > 0 {
                metrics.conflicts_by_tree.push((state.overlay.tree(), count));
            }
        });
        metrics
    }
}

/// While it lives, nobody commits.
#[must_use = "the gate opens at once if this is dropped"]
pub struct Closed {
    _pass: Pass<DatabaseGate>,
}

impl std::fmt::Debug for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Closed")
    }
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manager").field("base", &self.base()).finish_non_exhaustive()
    }
}
