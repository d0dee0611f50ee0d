//! A connection's session, handed from one to the next.
//!
//! # Invariants
//! - H1: the session is in the slot, or one future has it ([`Baton`]), or it was handed to one that waits. Nobody keeps a lock while
//!   he waits.
//! - H2: who waits gets it in the order of asking. One that goes away hands it on.
//! - H3: it comes back tidy: what a future that was dropped midway has left is undone before the next one has it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::task::{Poll, Waker};

use heddle_sql::session::Session;
use parking_lot::Mutex;

/// Where the session is when nobody has it.
pub(crate) struct Slot {
    inner: Mutex<Inner>,
    status: Status,
}

struct Inner {
    session: Option<Box<Session>>,
    line: VecDeque<Arc<Waiting>>,
    /// The transaction that is to be rolled back as soon as the session comes back.
    to_roll_back: Option<u64>,
}

/// One in the line.
#[derive(Default)]
struct Waiting {
    inner: Mutex<(Option<Box<Session>>, Option<Waker>)>,
}

/// What can be asked without having the session: as of when it was last put back.
#[derive(Debug, Default)]
pub(crate) struct Status {
    last_insert_rowid: AtomicI64,
    changes: AtomicI64,
    total_changes: AtomicI64,
    in_transaction: AtomicBool,
}

impl Status {
    fn take(&self, session: &Session) {
        self.last_insert_rowid.store(session.last_insert_rowid(), Ordering::Release);
        self.changes.store(session.changes(), Ordering::Release);
        self.total_changes.store(session.total_changes(), Ordering::Release);
        self.in_transaction.store(!session.is_autocommit(), Ordering::Release);
    }

    pub(crate) fn last_insert_rowid(&self) -> i64 {
        self.last_insert_rowid.load(Ordering::Acquire)
    }

    pub(crate) fn changes(&self) -> i64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(crate) fn total_changes(&self) -> i64 {
        self.total_changes.load(Ordering::Acquire)
    }

    pub(crate) fn is_autocommit(&self) -> bool {
        !self.in_transaction.load(Ordering::Acquire)
    }
}

impl Slot {
    pub(crate) fn new(session: Session) -> Slot {
        let inner =
            Inner { session: Some(Box::new(session)), line: VecDeque::new(), to_roll_back: None };
        Slot { inner: Mutex::new(inner), status: Status::default() }
    }

    pub(crate) fn status(&self) -> &Status {
        &self.status
    }

    /// Waits for the session (H2).
    ///
    /// # Cancel safety
    /// Dropped while it waits, it leaves the line.
    pub(crate) async fn take(self: &Arc<Slot>) -> Baton {
        let waiting = {
            let mut inner = self.inner.lock();
            if let Some(session) = inner.session.take() {
                return Baton { slot: Arc::clone(self), session: Some(session) };
            }
            let waiting = Arc::new(Waiting::default());
            inner.line.push_back(Arc::clone(&waiting));
            waiting
        };
        let place = Place { slot: self, waiting };
        poll_fn(|cx| {
            let mut inner = place.waiting.inner.lock();
            match inner.0.take() {
                Some(session) => {
                    Poll::Ready(Baton { slot: Arc::clone(self), session: Some(session) })
                }
                None => {
                    inner.1 = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Puts it back, or hands it to the next in the line (H2, H3).
    fn give(&self, mut session: Box<Session>) {
        session.tidy();
        let mut inner = self.inner.lock();
        if inner.to_roll_back.take() == Some(session.epoch()) {
            session.end_transaction();
        }
        self.status.take(&session);
        let next = inner.line.pop_front();
        let Some(next) = next else {
            inner.session = Some(session);
            return;
        };
        // Under the slot's lock still: one that goes away sees either its place in the line or the session.
        let mut place = next.inner.lock();
        place.0 = Some(session);
        let waker = place.1.take();
        drop(place);
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Rolls a transaction back at once, or, if somebody has the session, as soon as it comes back.
    pub(crate) fn roll_back(&self, epoch: u64) {
        let mut inner = self.inner.lock();
        match inner.session.as_mut() {
            Some(session) => {
                if session.epoch() == epoch {
                    session.end_transaction();
                    self.status.take(session);
                }
            }
            None => inner.to_roll_back = Some(epoch),
        }
    }

    /// Works on the session if nobody has it.
    pub(crate) fn try_with<R>(&self, work: impl FnOnce(&mut Session) -> R) -> Option<R> {
        self.inner.lock().session.as_mut().map(|session| work(session))
    }
}

/// A place in the line.
struct Place<'a> {
    slot: &'a Slot,
    waiting: Arc<Waiting>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut inner = self.slot.inner.lock();
        inner.line.retain(|waiting| !Arc::ptr_eq(waiting, &self.waiting));
        drop(inner);
        let handed = self.waiting.inner.lock().0.take();
        if let Some(session) = handed {
            self.slot.give(session);
        }
    }
}

/// The session, for one step.
pub(crate) struct Baton {
    slot: Arc<Slot>,
    /// There until it is dropped.
    session: Option<Box<Session>>,
}

#[allow(clippy::expect_used, reason = "the session is there until the drop")]
impl Deref for Baton {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session.as_deref().expect("the session is there until the drop")
    }
}

#[allow(clippy::expect_used, reason = "the session is there until the drop")]
impl DerefMut for Baton {
    fn deref_mut(&mut self) -> &mut Session {
        self.session.as_deref_mut().expect("the session is there until the drop")
    }
}

impl Drop for Baton {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.slot.give(session);
        }
    }
}
