//! One value from one task to another.
//!
//! # Invariants
//! - P1: the value is taken once; a promise dropped without a value is told to who waits.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use heddle_base::sync::{Arc, Mutex};

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    value: Option<T>,
    ended: bool,
    waker: Option<Waker>,
}

/// Gives the value.
#[derive(Debug)]
pub(crate) struct Promise<T>(Arc<Shared<T>>);

/// Receives it.
#[derive(Debug)]
pub(crate) struct Promised<T>(Arc<Shared<T>>);

/// A pair.
pub(crate) fn promise<T>() -> (Promise<T>, Promised<T>) {
    let state = State { value: None, ended: false, waker: None };
    let shared = Arc::new(Shared { state: Mutex::new(state) });
    (Promise(Arc::clone(&shared)), Promised(shared))
}

impl<T> Promise<T> {
    /// Hands the value over.
    pub(crate) fn keep(self, value: T) {
        self.0.state.lock().value = Some(value);
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.ended = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Promised<T> {
    /// Waits for the value; `None` if the other side ended without one (P1).
    pub(crate) async fn wait(self) -> Option<T> {
        poll_fn(|cx| {
            let mut state = self.0.state.lock();
            if state.ended {
                Poll::Ready(state.value.take())
            } else {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}
