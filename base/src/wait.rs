//! A list of wakers: the core of every asynchronous wait of ours.
//!
//! It knows no runtime, so the same code runs under tokio, under loom, under shuttle and in the
//! simulator. It is not synchronised by itself: its owner keeps it in a [`crate::sync::Mutex`]
//! beside the state that is waited for, and wakes *after* releasing that lock.
//!
//! # Invariants
//! - Q1: waiters leave in the order in which they came, unless they are cancelled.
//! - Q2: a waiter that was popped is never popped again; its owner learns of it by
//!   [`WaitList::update`] or [`WaitList::cancel`] answering `false`, and then owns what it was
//!   woken for: on cancellation it must pass that on.

use std::collections::VecDeque;
use std::task::Waker;

/// Names one waiter in one [`WaitList`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaiterId(u64);

/// Wakers in order of arrival, each with a payload that says what it waits for.
#[derive(Debug)]
pub struct WaitList<T> {
    next: u64,
    waiters: VecDeque<(WaiterId, T, Waker)>,
}

impl<T> Default for WaitList<T> {
    fn default() -> Self {
        Self { next: 0, waiters: VecDeque::new() }
    }
}

impl<T> WaitList<T> {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Adds a waiter at the end.
    pub fn push(&mut self, payload: T, waker: Waker) -> WaiterId {
        let id = WaiterId(self.next);
        self.next += 1;
        self.waiters.push_back((id, payload, waker));
        id
    }

    /// Replaces a waiter's waker on a new poll. `false` if it was already popped.
    pub fn update(&mut self, id: WaiterId, waker: &Waker) -> bool {
        match self.position(id) {
            Some(at) => {
                if let Some((_, _, old)) = self.waiters.get_mut(at) {
                    old.clone_from(waker);
                }
                true
            }
            None => false,
        }
    }

    /// Takes a waiter out before its turn. `false` if it was already popped (see Q2).
    pub fn cancel(&mut self, id: WaiterId) -> bool {
        match self.position(id) {
            Some(at) => self.waiters.remove(at).is_some(),
            None => false,
        }
    }

    /// The payload of the waiter whose turn it is.
    pub fn front(&self) -> Option<&T> {
        self.waiters.front().map(|(_, payload, _)| payload)
    }

    /// Whether it is this waiter's turn.
    pub fn is_front(&self, id: WaiterId) -> bool {
        self.waiters.front().is_some_and(|(front, _, _)| *front == id)
    }

    /// Takes out the waiter whose turn it is.
    pub fn pop(&mut self) -> Option<(T, Waker)> {
        self.waiters.pop_front().map(|(_, payload, waker)| (payload, waker))
    }

    /// Takes out every waiter for which `ready` holds, in order, into `woken`.
    pub fn pop_where(&mut self, mut ready: impl FnMut(&T) -> bool, woken: &mut Vec<Waker>) {
        let mut at = 0;
        while let Some((_, payload, _)) = self.waiters.get(at) {
            if ready(payload) {
                woken.extend(self.waiters.remove(at).map(|(_, _, waker)| waker));
            } else {
                at += 1;
            }
        }
    }

    /// Ids only grow along the list, so a binary search finds one.
    fn position(&self, id: WaiterId) -> Option<usize> {
        self.waiters.binary_search_by_key(&id, |(other, _, _)| *other).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q1_q2_order_and_cancellation() {
        let waker = Waker::noop();
        let mut list = WaitList::default();
        let ids: Vec<_> = (0..4).map(|n| list.push(n, waker.clone())).collect();
        assert!(list.cancel(ids[1]));
        assert!(!list.cancel(ids[1]));
        assert_eq!(list.pop().map(|(n, _)| n), Some(0));
        assert!(!list.update(ids[0], waker));
        assert!(list.is_front(ids[2]));
        let mut woken = Vec::new();
        list.pop_where(|n| *n == 3, &mut woken);
        assert_eq!((woken.len(), list.len()), (1, 1));
    }
}
