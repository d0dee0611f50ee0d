//! A database in miniature: one tree, a counter for tickets, a map for the B-tree.
//!
//! It goes through the steps of a commit, of a snapshot and of a checkpoint as the layers above the
//! version store do, without files and without a log.

use crate::history::{Id, Record};
use bytes::Bytes;
use heddle_base::{Generation, Timestamp, TreeId};
use heddle_mvcc::{
    Direction, GcInput, LockedChain, Lookup, Overlay, Registered, Registry, Slot, Store,
    StoreOptions, TxnStatus, View, pin,
};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::sync::{Arc, Mutex};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::Unbounded;

/// How many keys there are.
pub const KEYS: u8 = 4;

/// A rule left out, to see that the checks notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    None,
    /// Validates before it draws.
    ValidateFirst,
    /// Draws without having said so.
    Unannounced,
}

/// The B-tree: exactly the commits up to a timestamp.
#[derive(Debug, Default)]
struct Base {
    ts: u64,
    rows: BTreeMap<u8, Id>,
}

pub struct Mini {
    store: Store,
    overlay: Arc<Overlay>,
    registry: Registry,
    tickets: AtomicU64,
    installed: AtomicU64,
    /// Filled tickets above `installed`.
    filled: Mutex<BTreeSet<u64>>,
    base: Mutex<Arc<Base>>,
    pub history: Mutex<Vec<Record>>,
    without: Rule,
}

impl Mini {
    pub fn new(without: Rule) -> Arc<Self> {
        let store = Store::new(StoreOptions { evicted_slots: 2, seed: 1 });
        let overlay = store.tree(TreeId(2));
        Arc::new(Self {
            store,
            overlay,
            registry: Registry::new(),
            tickets: AtomicU64::new(0),
            installed: AtomicU64::new(0),
            filled: Mutex::new(BTreeSet::new()),
            base: Mutex::new(Arc::default()),
            history: Mutex::new(Vec::new()),
            without,
        })
    }

    fn current(&self) -> Arc<Base> {
        Arc::clone(&self.base.lock().unwrap())
    }

    /// Pins a base, registers, and looks again.
    fn snapshot(&self) -> (Slot<'_>, Arc<Base>) {
        loop {
            let base = self.current();
            let ts = Timestamp(self.installed.load(Ordering::SeqCst));
            let slot = self.registry.register(ts, Timestamp(base.ts), Generation(base.ts));
            match slot {
                Ok(slot) if self.current().ts == base.ts => return (slot, base),
                _ => shuttle::thread::yield_now(),
            }
        }
    }

    fn fill(&self, ticket: u64) {
        let mut filled = self.filled.lock().unwrap();
        filled.insert(ticket);
        let mut upto = self.installed.load(Ordering::SeqCst);
        while filled.remove(&(upto + 1)) {
            upto += 1;
        }
        self.installed.store(upto, Ordering::SeqCst);
    }

    fn read(&self, key: u8, view: View, base: &Base) -> Option<Id> {
        match self.overlay.get(&[key], view, &pin()) {
            Lookup::Put(value) => Some(number(&value)),
            Lookup::Tombstone | Lookup::NeedsIo(_) => None,
            Lookup::Missing => base.rows.get(&key).copied(),
        }
    }

    /// All keys, merged from overlay and base, in a direction.
    fn read_all(&self, direction: Direction, view: View, base: &Base) -> Vec<(u8, Option<Id>)> {
        let mut rows: BTreeMap<u8, Option<Id>> =
            (0..KEYS).map(|key| (key, base.rows.get(&key).copied())).collect();
        let guard = pin();
        for entry in self.overlay.scan(Unbounded, Unbounded, direction, view, &guard) {
            rows.insert(entry.key[0], entry.value.map(|value| number(&value)));
        }
        rows.into_iter().collect()
    }

    /// One transaction of random reads and writes. Whether it committed.
    pub fn transact(&self, id: Id) -> bool {
        let mut rng = thread_rng();
        let (slot, base) = self.snapshot();
        let registered = slot.registered();
        let all = rng.gen_range(0..4) == 0;
        let reads: Vec<_> = if all {
            let direction = if rng.r#gen() { Direction::Forward } else { Direction::Backward };
            self.read_all(direction, registered.view(), &base)
        } else {
            let keys: BTreeSet<u8> = (0..2).map(|_| rng.gen_range(0..KEYS)).collect();
            keys.into_iter().map(|key| (key, self.read(key, registered.view(), &base))).collect()
        };
        let writes: BTreeSet<u8> =
            (0..rng.gen_range(0..3)).map(|_| rng.gen_range(0..KEYS)).collect();
        let ticket = match self.commit(id, registered, &reads, all, &writes) {
            Some(ticket) => ticket,
            None => return false,
        };
        drop(slot);
        self.history.lock().unwrap().push(Record {
            id,
            ticket,
            snapshot: registered.ts.get(),
            reads,
            writes: writes.into_iter().collect(),
        });
        true
    }

    /// Steps 1 to 5. `None`: a conflict; `Some(None)`: there was nothing to write.
    fn commit(
        &self,
        id: Id,
        snapshot: Registered,
        reads: &[(u8, Option<Id>)],
        all: bool,
        writes: &BTreeSet<u8>,
    ) -> Option<Option<u64>> {
        if writes.is_empty() {
            return Some(None);
        }
        let status = TxnStatus::new();
        let mut held: Vec<LockedChain<'_>> = Vec::new();
        for key in writes {
            let key = [*key];
            let mut chain = if thread_rng().r#gen() {
                shuttle::future::block_on(self.overlay.lock(&key))
            } else {
                self.overlay.try_lock(&key).ok()?
            };
            if chain.newest() > snapshot.ts {
                return None;
            }
            chain.link(Some(Bytes::copy_from_slice(&id.to_be_bytes())), &status);
            held.push(chain);
        }
        let (ticket, valid) = self.draw_and_validate(&status, snapshot.ts, reads, all);
        if valid {
            status.set_committed(ticket)
        } else {
            status.set_void()
        }
        self.fill(ticket.get());
        drop(held);
        valid.then_some(Some(ticket.get()))
    }

    fn draw_and_validate(
        &self,
        status: &TxnStatus,
        since: Timestamp,
        reads: &[(u8, Option<Id>)],
        all: bool,
    ) -> (Timestamp, bool) {
        let valid = |me: Option<Timestamp>| {
            let guard = pin();
            if all {
                self.overlay.range_changed(Unbounded, Unbounded, since, me, &guard).is_none()
            } else {
                reads.iter().all(|(key, _)| !self.overlay.changed(&[*key], since, me, &guard))
            }
        };
        let draw = || Timestamp(1 + self.tickets.fetch_add(1, Ordering::SeqCst));
        match self.without {
            Rule::ValidateFirst => {
                let valid = valid(None);
                status.set_drawing();
                let ticket = draw();
                status.set_drawn(ticket);
                (ticket, valid)
            }
            Rule::Unannounced => {
                let ticket = draw();
                let valid = valid(Some(ticket));
                status.set_drawn(ticket);
                (ticket, valid)
            }
            Rule::None => {
                status.set_drawing();
                let ticket = draw();
                status.set_drawn(ticket);
                (ticket, valid(Some(ticket)))
            }
        }
    }

    /// Queues on a key, as a retry does before it takes its new snapshot.
    pub fn await_turn(&self, key: u8) {
        drop(shuttle::future::block_on(self.overlay.queue(&[key])));
    }

    /// Takes what was committed up to a cut into a new base, publishes it and collects.
    pub fn checkpoint(&self) {
        let (cut, base) = self.snapshot();
        let mut rows = base.rows.clone();
        let (upto, mut after) = (cut.registered().ts, None);
        loop {
            let mut batch = Vec::new();
            let base_ts = Timestamp(base.ts);
            let more = self.overlay.drain(after.as_deref(), base_ts, upto, 2, &mut batch);
            for change in &batch {
                match &change.value {
                    Some(value) => rows.insert(change.key[0], number(value)),
                    None => rows.remove(&change.key[0]),
                };
            }
            after = batch.last().map(|change| change.key.clone());
            if !more {
                break;
            }
        }
        *self.base.lock().unwrap() = Arc::new(Base { ts: upto.get(), rows });
        drop(cut);
        self.collect();
    }

    /// One step of collection.
    pub fn collect(&self) {
        let horizon = Timestamp(self.installed.load(Ordering::SeqCst));
        self.store.collect(GcInput {
            base_ts: Timestamp(self.current().ts),
            horizon,
            registry: &self.registry,
            budget: 3,
        });
    }

    /// After all is done: everything in the base, nothing in memory.
    pub fn wind_up(&self) -> usize {
        for _ in 0..8 {
            self.checkpoint();
        }
        self.store.memory()
    }
}

fn number(value: &Bytes) -> Id {
    value.as_ref().try_into().map_or(0, Id::from_be_bytes)
}
