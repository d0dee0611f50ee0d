//! One result, handed from the thread that makes it to the future that awaits it.
//!
//! # Invariants
//! - C1: the future ends once: with the value, or with `None` if the promise was dropped unkept.
//! - C2: dropping the future never disturbs who keeps the promise; the value (and a buffer in it)
//!   is then dropped by the keeper (I1, I3 of the crate).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use heddle_base::sync::Mutex;

enum State<T> {
    Waiting(Option<Waker>),
    Kept(T),
    Over,
}

/// The keeper's end.
pub(crate) struct Promise<T>(Arc<Mutex<State<T>>>);

/// The waiter's end.
pub(crate) struct Completion<T>(Arc<Mutex<State<T>>>);

/// A promise and the future of its keeping.
pub(crate) fn completion<T>() -> (Promise<T>, Completion<T>) {
    let state = Arc::new(Mutex::new(State::Waiting(None)));
    (Promise(Arc::clone(&state)), Completion(state))
}

impl<T> Promise<T> {
    /// Hands over the value and wakes the waiter, if it is still there.
    pub(crate) fn keep(self, value: T) {
        settle(&self.0, State::Kept(value));
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if matches!(*self.0.lock(), State::Waiting(_)) {
            settle(&self.0, State::Over);
        }
    }
}

fn settle<T>(state: &Mutex<State<T>>, to: State<T>) {
    let before = std::mem::replace(&mut *state.lock(), to);
    if let State::Waiting(Some(waker)) = before {
        waker.wake();
    }
}

impl<T> Future for Completion<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = self.0.lock();
        match &mut *state {
            State::Waiting(Some(waker)) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            State::Waiting(none) => {
                *none = Some(cx.waker().clone());
                Poll::Pending
            }
            State::Kept(_) | State::Over => match std::mem::replace(&mut *state, State::Over) {
                State::Kept(value) => Poll::Ready(Some(value)),
                State::Waiting(_) | State::Over => Poll::Ready(None),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll<T>(completion: &mut Completion<T>) -> Poll<Option<T>> {
        Pin::new(completion).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn c1_a_kept_and_a_broken_promise() {
        let (promise, mut kept) = completion();
        assert!(poll(&mut kept).is_pending());
        promise.keep(5);
        assert_eq!(poll(&mut kept), Poll::Ready(Some(5)));

        let (promise, mut broken) = completion::<u8>();
        drop(promise);
        assert_eq!(poll(&mut broken), Poll::Ready(None));
    }

    #[test]
    fn c2_the_keeper_drops_what_nobody_awaits() {
        let value = Arc::new(());
        let (promise, waiter) = completion();
        drop(waiter);
        promise.keep(Arc::clone(&value));
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
