//! Gates: fair locks, shared or exclusive, waited for without a thread.
//!
//! The database has one and every table has one (DESIGN section 4). Committers pass shared, from
//! before step 1 to step 4; `BEGIN IMMEDIATE` and changes of the schema pass exclusively.
//!
//! One word says who holds the gate, so that passing an idle gate is one compare-and-swap; the
//! queue behind a mutex is touched only when somebody has to wait.
//!
//! # Invariants
//! - G1: first come, first served: who arrives while others wait goes behind them.
//! - G2: the bit `QUEUED` changes only under the queue's lock, and is set exactly while the queue
//!   has waiters. So whoever leaves after it was set hands over, and whoever set it saw him leave.
//! - G3: a pass is granted by whoever takes the waiter out of the queue, in the waiter's name. A
//!   waiter that is dropped after that gives the pass back.

use std::future::Future;
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use heddle_base::sync::Mutex;
use heddle_base::sync::atomic::{AtomicU64, Ordering};
use heddle_base::wait::{WaitList, WaiterId};
use heddle_io::Runtime;

const QUEUED: u64 = 1 << 63;
const EXCLUSIVE: u64 = 1 << 62;
const HOLDERS: u64 = EXCLUSIVE - 1;

/// How to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Beside other shared ones.
    Shared,
    /// Alone.
    Exclusive,
}

/// A fair shared or exclusive lock.
#[derive(Debug, Default)]
pub struct Gate {
    word: AtomicU64,
    queue: Mutex<WaitList<Mode>>,
}

/// The gate was not free in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gate was held for longer than {waited:?}")]
pub struct TimedOut {
    /// How long was waited.
    pub waited: Duration,
}

impl Gate {
    /// A gate that nobody holds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Passes at once, or not at all: never before somebody who waits (G1).
    #[inline]
    pub fn try_pass<G: Deref<Target = Gate>>(gate: G, mode: Mode) -> Option<Pass<G>> {
        if gate.try_take(mode, false) { Some(Pass { gate, mode }) } else { None }
    }

    /// Passes, waiting in line.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the line, or gives back what was granted meanwhile.
    pub fn pass<G: Deref<Target = Gate> + Unpin>(gate: G, mode: Mode) -> Passing<G> {
        Passing { gate: Some(gate), mode, waiter: None }
    }

    /// Passes, waiting in line for at most `timeout` (`None`: for ever).
    ///
    /// # Errors
    /// [`TimedOut`], with how long it waited.
    ///
    /// # Cancel safety
    /// As [`Gate::pass`].
    pub async fn pass_within<G: Deref<Target = Gate> + Unpin>(
        gate: G,
        mode: Mode,
        timeout: Option<Duration>,
        runtime: &dyn Runtime,
    ) -> Result<Pass<G>, TimedOut> {
        let mut passing = pin!(Gate::pass(gate, mode));
        let Some(timeout) = timeout else { return Ok(passing.await) };
        let mut sleep = None;
        std::future::poll_fn(|cx| {
            if let Poll::Ready(pass) = passing.as_mut().poll(cx) {
                return Poll::Ready(Ok(pass));
            }
            // Made only once there is something to wait for: an idle gate costs no timer.
            let sleep = sleep.get_or_insert_with(|| runtime.sleep(timeout));
            sleep.as_mut().poll(cx).map(|()| Err(TimedOut { waited: timeout }))
        })
        .await
    }

    /// Whether somebody holds it exclusively or waits.
    pub fn is_busy(&self) -> bool {
        self.word.load(Ordering::SeqCst) & (QUEUED | EXCLUSIVE) != 0
    }

    /// `in_turn`: the caller holds the queue's lock and acts for the waiter in front.
    #[inline]
    fn try_take(&self, mode: Mode, in_turn: bool) -> bool {
        let mut word = self.word.load(Ordering::SeqCst);
        loop {
            let Some(next) = taken(word, mode, in_turn) else { return false };
            match self.word.compare_exchange_weak(word, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Passes or gets in line, in one step.
    fn take_or_queue(&self, mode: Mode, waker: &Waker) -> Option<WaiterId> {
        let mut queue = self.queue.lock();
        let mut word = self.word.load(Ordering::SeqCst);
        loop {
            let free = taken(word, mode, false);
            let next = free.unwrap_or(word | QUEUED);
            match self.word.compare_exchange_weak(word, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) if free.is_some() => return None,
                Ok(_) => return Some(queue.push(mode, waker.clone())),
                Err(now) => word = now,
            }
        }
    }

    fn leave(&self, mode: Mode) {
        let before = match mode {
            Mode::Shared => self.word.fetch_sub(1, Ordering::SeqCst),
            Mode::Exclusive => self.word.fetch_and(!EXCLUSIVE, Ordering::SeqCst),
        };
        // Of several shared ones, the last to leave hands over.
        if before & QUEUED != 0 && (mode == Mode::Exclusive || before & HOLDERS == 1) {
            self.hand_over();
        }
    }

    /// Lets in whoever stands in front and may pass (G3).
    fn hand_over(&self) {
        let mut woken = Vec::new();
        let mut queue = self.queue.lock();
        while let Some(&mode) = queue.front()
            && self.try_take(mode, true)
        {
            woken.extend(queue.pop().map(|(_, waker)| waker));
        }
        if queue.is_empty() {
            self.word.fetch_and(!QUEUED, Ordering::SeqCst);
        }
        drop(queue);
        woken.into_iter().for_each(Waker::wake);
    }
}

/// The word after passing, if that is possible.
#[inline]
fn taken(word: u64, mode: Mode, in_turn: bool) -> Option<u64> {
    if word & QUEUED != 0 && !in_turn {
        return None;
    }
    match mode {
        Mode::Shared if word & EXCLUSIVE == 0 => Some(word + 1),
        Mode::Exclusive if word & (EXCLUSIVE | HOLDERS) == 0 => Some(word | EXCLUSIVE),
        _ => None,
    }
}

/// Holds a [`Gate`] until dropped. `G` is a reference, or an `Arc` for a pass that outlives a call.
#[derive(Debug)]
#[must_use = "the gate is left at once if the pass is dropped"]
pub struct Pass<G: Deref<Target = Gate>> {
    gate: G,
    mode: Mode,
}

impl<G: Deref<Target = Gate>> Pass<G> {
    /// How it was passed.
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

impl<G: Deref<Target = Gate>> Drop for Pass<G> {
    fn drop(&mut self) {
        self.gate.leave(self.mode);
    }
}

/// Waits for a [`Pass`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Passing<G: Deref<Target = Gate> + Unpin> {
    /// `None` once the pass was handed out.
    gate: Option<G>,
    mode: Mode,
    waiter: Option<WaiterId>,
}

impl<G: Deref<Target = Gate> + Unpin> Future for Passing<G> {
    type Output = Pass<G>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Pass<G>> {
        let this = self.get_mut();
        let mode = this.mode;
        let Some(gate) = &this.gate else { return Poll::Pending };
        match this.waiter {
            None if gate.try_take(mode, false) => {}
            None => {
                this.waiter = gate.take_or_queue(mode, cx.waker());
                if this.waiter.is_some() {
                    return Poll::Pending;
                }
            }
            Some(waiter) if gate.queue.lock().update(waiter, cx.waker()) => return Poll::Pending,
            Some(_) => this.waiter = None,
        }
        match this.gate.take() {
            Some(gate) => Poll::Ready(Pass { gate, mode }),
            None => Poll::Pending,
        }
    }
}

impl<G: Deref<Target = Gate> + Unpin> Drop for Passing<G> {
    fn drop(&mut self) {
        let (Some(gate), Some(waiter)) = (&self.gate, self.waiter) else { return };
        if gate.queue.lock().cancel(waiter) {
            // Those behind it may have waited for nothing else.
            gate.hand_over();
        } else {
            gate.leave(self.mode);
        }
    }
}

#[cfg(all(test, not(any(heddle_loom, heddle_shuttle))))]
mod tests;
