//! What the maintenance task is told: that there may be work, what was asked for, that it is over.
//!
//! # Invariants
//! - U1: a request is answered once: by who takes it, or as [`Error::Closed`] when nobody will.
//! - U2: the task is started once, by the first who tells it something, and not after the end.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use heddle_base::sync::Mutex;
use heddle_base::sync::atomic::{AtomicBool, Ordering};

use crate::checkpoint::Purpose;
use crate::database::CheckpointReport;
use crate::promise::{Promise, promise};
use crate::{Error, Result};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// Whether the task was told to look, so that telling it again costs one load.
    poked: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Request>,
    ended: bool,
    waker: Option<Waker>,
    /// Starts the task (U2).
    starter: Option<Starter>,
}

type Starter = Box<dyn FnOnce() + Send>;

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("requests", &self.requests.len())
            .field("ended", &self.ended)
            .field("started", &self.starter.is_none())
            .finish()
    }
}

/// What somebody waits for.
#[derive(Debug)]
pub(crate) enum Request {
    Checkpoint(Purpose, Promise<Result<CheckpointReport>>),
    Close(Promise<Result<()>>),
}

/// What there is to do.
#[derive(Debug)]
pub(crate) enum Work {
    /// Look whether anything is over its limit.
    Look,
    Asked(Request),
    /// Nobody has the database open any more.
    Ended,
}

impl Pulse {
    /// Says how the task is started (U2).
    pub(crate) fn begin_with(&self, starter: impl FnOnce() + Send + 'static) {
        self.state.lock().starter = Some(Box::new(starter));
    }

    /// Starts the task now.
    pub(crate) fn begin(&self) {
        self.wake(|_| {});
    }

    /// Says that something may be over its limit.
    #[inline]
    pub(crate) fn poke(&self) {
        // Relaxed suffices for a repeated poke; the first goes on under the lock.
        if !self.poked.load(Ordering::Relaxed) && !self.poked.swap(true, Ordering::SeqCst) {
            self.wake(|_| {});
        }
    }

    /// Asks for a checkpoint, and waits for it.
    ///
    /// # Cancel safety
    /// Dropped, the checkpoint runs all the same.
    pub(crate) async fn checkpoint(&self, purpose: Purpose) -> Result<CheckpointReport> {
        let (kept, outcome) = promise();
        self.ask(Request::Checkpoint(purpose, kept));
        outcome.wait().await.unwrap_or(Err(Error::Closed))
    }

    /// Asks for the end, and waits for it.
    ///
    /// # Cancel safety
    /// Dropped, the database is closed all the same.
    pub(crate) async fn close(&self) -> Result<()> {
        let (kept, outcome) = promise();
        self.ask(Request::Close(kept));
        outcome.wait().await.unwrap_or(Err(Error::Closed))
    }

    fn ask(&self, request: Request) {
        self.wake(|state| {
            if !state.ended {
                state.requests.push_back(request);
            }
        });
    }

    /// Ends it; who asked and was not answered learns that the database is closed (U1).
    pub(crate) fn end(&self) {
        let mut forgotten = VecDeque::new();
        let mut unneeded = None;
        self.wake(|state| {
            state.ended = true;
            forgotten = std::mem::take(&mut state.requests);
            unneeded = state.starter.take();
        });
        drop((forgotten, unneeded));
    }

    fn wake(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let (waker, starter) = (state.waker.take(), state.starter.take());
        drop(state);
        if let Some(starter) = starter {
            starter();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits for work. For the maintenance task alone.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn next(&self) -> Work {
        poll_fn(|cx| {
            let mut state = self.state.lock();
            if let Some(request) = state.requests.pop_front() {
                return Poll::Ready(Work::Asked(request));
            }
            if state.ended {
                return Poll::Ready(Work::Ended);
            }
            if self.poked.swap(false, Ordering::SeqCst) {
                return Poll::Ready(Work::Look);
            }
            state.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}
