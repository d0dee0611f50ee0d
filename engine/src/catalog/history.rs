//! Which catalog a snapshot sees.
//!
//! # Invariants
//! - H1: entries are in the order of their timestamps; the first is at or below every live snapshot.
//! - H2: while a change of the schema commits, `changing` is set: it is set before the commit draws its
//!   ticket and cleared after its entry is here. So a snapshot that sees the change either finds the
//!   entry or finds `changing` set, and then waits.

use std::sync::Arc;

use heddle_base::Timestamp;
use heddle_base::sync::Mutex;
use heddle_base::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use heddle_base::wait::WaitList;

use crate::catalog::Catalog;

/// The catalogs that snapshots may still see.
#[derive(Debug)]
pub(crate) struct History {
    changing: AtomicBool,
    /// How many changes there were.
    version: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// (first timestamp at which it holds, catalog)
    entries: Vec<(Timestamp, Arc<Catalog>)>,
    waiters: WaitList<()>,
}

/// The newest catalog, since when it holds, and how many changes led to it.
pub(crate) struct Newest {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) since: Timestamp,
    pub(crate) version: u64,
}

impl History {
    pub(crate) fn new(at: Timestamp, catalog: Catalog) -> History {
        let entries = vec![(at, Arc::new(catalog))];
        History {
            changing: AtomicBool::new(false),
            version: AtomicU64::new(0),
            state: Mutex::new(State { entries, waiters: WaitList::default() }),
        }
    }

    /// The catalog that a snapshot at `at` sees, or `None` while a change is under way (H2).
    pub(crate) fn at(&self, at: Timestamp) -> Option<Arc<Catalog>> {
        // Pairs with the store in `begin_change`: SeqCst, so that who drew after it is seen.
        if self.changing.load(Ordering::SeqCst) {
            return None;
        }
        let state = self.state.lock();
        let entry = state.entries.iter().rev().find(|(from, _)| *from <= at);
        entry.or(state.entries.first()).map(|(_, catalog)| Arc::clone(catalog))
    }

    /// The newest catalog.
    pub(crate) fn newest(&self) -> Newest {
        let state = self.state.lock();
        let Some((since, catalog)) = state.entries.last() else {
            unreachable!("H1: there is always an entry: trimming keeps the last")
        };
        let version = self.version.load(Ordering::SeqCst);
        Newest { catalog: Arc::clone(catalog), since: *since, version }
    }

    /// How many changes there were; `None` while one is under way (H2). As long as that stays, so does the
    /// newest catalog.
    #[inline]
    pub(crate) fn settled_version(&self) -> Option<u64> {
        // In this order: who sees a change that has ended sees its count.
        if self.changing.load(Ordering::SeqCst) {
            return None;
        }
        Some(self.version.load(Ordering::SeqCst))
    }

    /// Before the ticket of a schema change is drawn; `false` if another change is under way.
    pub(crate) fn begin_change(&self) -> bool {
        let begun = self.changing.compare_exchange(false, true, Ordering::SeqCst, Ordering::SeqCst);
        begun.is_ok()
    }

    /// After the change was published at `at`, or failed.
    pub(crate) fn end_change(&self, published: Option<(Timestamp, Arc<Catalog>)>) {
        let mut state = self.state.lock();
        if let Some((at, catalog)) = published {
            debug_assert!(state.entries.last().is_none_or(|(last, _)| *last < at), "H1");
            state.entries.push((at, catalog));
            self.version.fetch_add(1, Ordering::SeqCst);
        }
        self.changing.store(false, Ordering::SeqCst);
        let woken: Vec<_> = std::iter::from_fn(|| state.waiters.pop()).collect();
        drop(state);
        for (_, waker) in woken {
            waker.wake();
        }
    }

    /// Waits until no change is under way.
    ///
    /// # Cancel safety
    /// Dropping it forgets it.
    pub(crate) async fn settled(&self) {
        let mut waiting = None;
        std::future::poll_fn(|cx| {
            let mut state = self.state.lock();
            if !self.changing.load(Ordering::SeqCst) {
                if let Some(id) = waiting.take() {
                    state.waiters.cancel(id);
                }
                return std::task::Poll::Ready(());
            }
            match waiting {
                Some(id) if state.waiters.update(id, cx.waker()) => {}
                _ => waiting = Some(state.waiters.push((), cx.waker().clone())),
            }
            std::task::Poll::Pending
        })
        .await;
    }

    /// Forgets catalogs that no snapshot at or above `oldest` can see.
    pub(crate) fn trim(&self, oldest: Timestamp) {
        let mut state = self.state.lock();
        let keep = state.entries.iter().rposition(|(from, _)| *from <= oldest).unwrap_or(0);
        state.entries.drain(..keep);
    }
}
