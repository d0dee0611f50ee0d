//! Sleeps for any executor: one thread that wakes wakers at their time.
//!
//! # Invariants
//! - T1: a sleep never ends early.
//! - T2: a sleep that is dropped leaves nothing behind.
//! - T3: the thread lives until its timer is dropped and nobody sleeps.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use heddle_base::sync::Mutex;

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the clock behind heddle_io::Runtime")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// See the module.
pub(crate) struct Timer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sleepers: BTreeMap<Key, Waker>,
    next_id: u64,
    thread: Option<Thread>,
    closed: bool,
}

/// When, and a number that tells apart those who sleep until the same moment.
type Key = (Instant, u64);

impl Timer {
    /// A timer whose thread starts with the first sleeper.
    pub(crate) fn new() -> Self {
        Self { shared: Arc::default() }
    }

    /// Ends after `duration`.
    pub(crate) fn sleep(&self, duration: Duration) -> Sleep {
        let now = monotonic();
        // Beyond what the clock can say is as good as never.
        let deadline = now.checked_add(duration).unwrap_or(now + Duration::from_secs(1 << 32));
        Sleep { deadline, key: None, shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.closed = true;
        if let Some(thread) = &state.thread {
            thread.unpark();
        }
    }
}

impl Shared {
    fn serve(&self) {
        loop {
            let mut state = self.state.lock();
            let now = monotonic();
            let mut due = Vec::new();
            while let Some(entry) = state.sleepers.first_entry()
                && entry.key().0 <= now
            {
                due.push(entry.remove());
            }
            let next = state.sleepers.first_key_value().map(|(key, _)| key.0);
            if next.is_none() && due.is_empty() && state.closed {
                return;
            }
            drop(state);
            if !due.is_empty() {
                due.into_iter().for_each(Waker::wake);
                continue;
            }
            match next {
                Some(next) => std::thread::park_timeout(next.saturating_duration_since(now)),
                None => std::thread::park(),
            }
        }
    }

    /// Notes a sleeper, and tells the thread if it is now the first to wake.
    fn insert(self: &Arc<Self>, deadline: Instant, waker: Waker) -> Key {
        let mut state = self.state.lock();
        let key = (deadline, state.next_id);
        state.next_id += 1;
        state.sleepers.insert(key, waker);
        let first = state.sleepers.first_key_value().is_some_and(|(first, _)| *first == key);
        match &state.thread {
            Some(thread) if first => thread.unpark(),
            Some(_) => {}
            None => state.thread = Some(start(Arc::clone(self))),
        }
        key
    }
}

fn start(shared: Arc<Shared>) -> Thread {
    #[expect(clippy::expect_used, reason = "as std::thread::spawn: nothing works without threads")]
    std::thread::Builder::new()
        .name("heddle-timer".to_owned())
        .spawn(move || shared.serve())
        .expect("the system can start a thread")
        .thread()
        .clone()
}

/// The future of [`Timer::sleep`].
pub(crate) struct Sleep {
    deadline: Instant,
    key: Option<Key>,
    shared: Arc<Shared>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if monotonic() >= self.deadline {
            return Poll::Ready(());
        }
        if let Some(key) = self.key
            && let Some(waker) = self.shared.state.lock().sleepers.get_mut(&key)
        {
            waker.clone_from(cx.waker());
            return Poll::Pending;
        }
        self.key = Some(self.shared.insert(self.deadline, cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.shared.state.lock().sleepers.remove(&key);
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::block_on;

    #[test]
    fn t1_sleeps_end_in_order_and_not_early() {
        let timer = Timer::new();
        let start = monotonic();
        let long = timer.sleep(Duration::from_millis(30));
        block_on(timer.sleep(Duration::from_millis(5)));
        assert!(start.elapsed() >= Duration::from_millis(5));
        block_on(long);
        assert!(start.elapsed() >= Duration::from_millis(30));
    }

    #[test]
    fn t2_a_dropped_sleep_is_forgotten() {
        let timer = Timer::new();
        let mut sleep = timer.sleep(Duration::from_secs(3600));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut sleep).poll(&mut cx).is_pending());
        assert_eq!(timer.shared.state.lock().sleepers.len(), 1);
        drop(sleep);
        assert!(timer.shared.state.lock().sleepers.is_empty());
    }
}
