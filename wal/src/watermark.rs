//! A number that only grows, and those who wait for it: how a group's commits learn that they are
//! on disk.
//!
//! Raised by the flusher ([`crate::flusher`]) and by the ring ([`crate::ring`]); waited for by
//! [`crate::Log::wait`].
//!
//! Waking a thousand tasks costs the thread that does it a thousand queue operations and some
//! system calls. The flusher has better things to do: it wakes one waiter and leaves it the
//! others ([`Watermark::notify`]), which that one wakes from inside its own executor, where it is
//! cheap. Should it never come, [`Watermark::rescue`] does.
//!
//! # Invariants
//! - M1: the value never falls.
//! - M2: a wait ends with success only if the value has reached its target, and then it does end:
//!   either it saw the value, or its waker was called or lies in the handoff.
//! - M3: a handoff is taken by the next registered waiter that is polled to its end or dropped,
//!   or by a rescue. No lock is held while a waker runs.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};

use crossbeam_utils::CachePadded;
use heddle_base::sync::Mutex;
use heddle_base::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use heddle_base::wait::{WaitList, WaiterId};

/// From how many ready waiters on one of them wakes the others.
const HANDOFF: usize = if cfg!(any(heddle_loom, heddle_shuttle)) { 2 } else { 8 };

/// See the module.
#[derive(Debug)]
pub struct Watermark {
    value: CachePadded<AtomicU64>,
    /// How many are in the list; read without its lock.
    waiting: AtomicUsize,
    /// Whether there is a handoff; read without its lock.
    handed: AtomicBool,
    failed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiters: WaitList<u64>,
    handoff: Vec<Waker>,
}

/// The watermark will not rise any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed;

impl Watermark {
    /// A watermark at `value`.
    pub fn new(value: u64) -> Self {
        Self {
            value: CachePadded::new(AtomicU64::new(value)),
            waiting: AtomicUsize::new(0),
            handed: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            state: Mutex::new(State::default()),
        }
    }

    /// The value now.
    #[inline]
    pub fn get(&self) -> u64 {
        self.value.load(Ordering::Acquire)
    }

    /// Raises the value, if it is below, without telling anybody: [`Watermark::notify`] follows.
    #[inline]
    pub fn raise(&self, to: u64) {
        self.value.fetch_max(to, Ordering::AcqRel);
    }

    /// Raises the value by one if it is `from`; without telling anybody.
    #[inline]
    pub fn step(&self, from: u64) -> bool {
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        self.value.compare_exchange(from, from + 1, success, failure).is_ok()
    }

    /// Wakes those whose target has been reached, all but the first by way of the handoff.
    /// Returns how many there were.
    #[inline]
    pub fn notify(&self) -> usize {
        // Pairs with the fence in `poll`: either this sees the waiter, or that one sees the value.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) == 0 { 0 } else { self.wake_ready() }
    }

    fn wake_ready(&self) -> usize {
        let mut ready = Vec::new();
        let mut state = self.state.lock();
        let value = self.get();
        state.waiters.pop_where(|target| *target <= value, &mut ready);
        self.waiting.store(state.waiters.len(), Ordering::Relaxed);
        heddle_base::when_planted!("lost-wake-up", { ready.truncate(1) });
        let count = ready.len();
        if count >= HANDOFF {
            state.handoff.extend(ready.drain(1..));
            self.handed.store(!state.handoff.is_empty(), Ordering::Release);
        }
        drop(state);
        ready.into_iter().for_each(Waker::wake);
        count
    }

    /// Wakes what a handoff has left lying. Returns how many.
    pub fn rescue(&self) -> usize {
        let left = self.take_handoff();
        let count = left.len();
        left.into_iter().for_each(Waker::wake);
        count
    }

    /// Whether a handoff waits to be taken.
    #[inline]
    pub fn is_handed(&self) -> bool {
        self.handed.load(Ordering::Acquire)
    }

    fn take_handoff(&self) -> Vec<Waker> {
        if !self.is_handed() {
            return Vec::new();
        }
        let mut state = self.state.lock();
        self.handed.store(false, Ordering::Release);
        std::mem::take(&mut state.handoff)
    }

    /// Ends all waits that the value has not reached, now and later.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        let mut all = Vec::new();
        let mut state = self.state.lock();
        state.waiters.pop_where(|_| true, &mut all);
        all.append(&mut state.handoff);
        self.handed.store(false, Ordering::Release);
        self.waiting.store(0, Ordering::Relaxed);
        drop(state);
        all.into_iter().for_each(Waker::wake);
    }

    /// Whether a wait for `target` has ended, without registering.
    #[inline]
    fn outcome(&self, target: u64) -> Option<Result<(), Failed>> {
        if self.get() >= target {
            Some(Ok(()))
        } else if self.failed.load(Ordering::Acquire) {
            // Again: it may have risen just before it failed.
            Some(if self.get() >= target { Ok(()) } else { Err(Failed) })
        } else {
            None
        }
    }

    /// Ends when the value has reached `target`.
    ///
    /// # Errors
    /// [`Failed`] once it never will.
    ///
    /// # Cancel safety
    /// Dropping it leaves the line, and passes on what it was to pass on.
    pub fn reached(&self, target: u64) -> impl Future<Output = Result<(), Failed>> + Send + '_ {
        let mut wait = Wait { mark: self, id: None };
        poll_fn(move |cx| wait.poll(target, cx))
    }
}

/// One who waits. Passes the handoff on when it ends, in whatever way (M3).
struct Wait<'a> {
    mark: &'a Watermark,
    id: Option<WaiterId>,
}

impl Wait<'_> {
    fn poll(&mut self, target: u64, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        let mark = self.mark;
        if let Some(outcome) = mark.outcome(target) {
            self.leave();
            return Poll::Ready(outcome);
        }
        let mut state = mark.state.lock();
        let known = self.id.is_some_and(|id| state.waiters.update(id, cx.waker()));
        if !known {
            self.id = Some(state.waiters.push(target, cx.waker().clone()));
            mark.waiting.store(state.waiters.len(), Ordering::Relaxed);
        }
        drop(state);
        // Pairs with the fence in `notify`; for `fail` the list's lock does.
        fence(Ordering::SeqCst);
        match mark.outcome(target) {
            Some(outcome) => {
                self.leave();
                Poll::Ready(outcome)
            }
            None => Poll::Pending,
        }
    }

    fn leave(&mut self) {
        if let Some(id) = self.id.take() {
            let mut state = self.mark.state.lock();
            if state.waiters.cancel(id) {
                self.mark.waiting.store(state.waiters.len(), Ordering::Relaxed);
            }
            drop(state);
            self.mark.rescue();
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(all(test, not(any(heddle_loom, heddle_shuttle))))]
mod tests;
