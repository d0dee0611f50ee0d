//! How callers reach the log's own tasks: a bell that costs one load while the task is awake, and
//! a reply that comes back once.
//!
//! # Invariants
//! - L1: a task that went to sleep after arming the bell and finding nothing to do is woken by
//!   the first ring after whatever gives it something to do.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};

use heddle_base::sync::atomic::{AtomicBool, Ordering, fence};
use heddle_base::sync::{Arc, Mutex};

/// Wakes one task.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    armed: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Bell {
    /// Wakes the task if it sleeps. What there is to do has been stored before.
    #[inline]
    pub(crate) fn ring(&self) {
        // Pairs with the fence in `arm`: either this sees it armed, or the task sees the work.
        fence(Ordering::SeqCst);
        if self.armed.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    fn wake(&self) {
        if self.armed.swap(false, Ordering::AcqRel) {
            let waker = self.waker.lock().take();
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// Before a task returns `Pending`; it looks for work once more after this.
    pub(crate) fn arm(&self, cx: &Context<'_>) {
        *self.waker.lock() = Some(cx.waker().clone());
        self.armed.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// The task found work after all.
    pub(crate) fn disarm(&self) {
        self.armed.store(false, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Shared<T> {
    value: Option<T>,
    waker: Option<Waker>,
    gone: bool,
}

/// The side that answers. Dropped without an answer, the other side gets `None`.
#[derive(Debug)]
pub(crate) struct Reply<T>(Arc<Mutex<Shared<T>>>);

/// A question's two ends.
pub(crate) fn reply<T: Send>() -> (Reply<T>, impl Future<Output = Option<T>> + Send) {
    let shared = Arc::new(Mutex::new(Shared { value: None, waker: None, gone: false }));
    let asking = Arc::clone(&shared);
    let answer = poll_fn(move |cx| {
        let mut shared = asking.lock();
        if shared.value.is_some() || shared.gone {
            return Poll::Ready(shared.value.take());
        }
        shared.waker = Some(cx.waker().clone());
        Poll::Pending
    });
    (Reply(shared), answer)
}

impl<T> Reply<T> {
    /// Answers.
    pub(crate) fn send(self, value: T) {
        self.0.lock().value = Some(value);
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        let mut shared = self.0.lock();
        shared.gone = true;
        let waker = shared.waker.take();
        drop(shared);
        waker.into_iter().for_each(Waker::wake);
    }
}
