//! Room in the log: who waits for it gets it, is refused, or goes away and passes it on; also when the log closes or is poisoned.
//!
//! Two or three threads, two preemptions; under a second. A lost wake-up shows as loom's deadlock report.
#![cfg(heddle_loom)]

use heddle_loom_tests::{Order, check, race};
use heddle_wal::seams::Budget;
use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

/// A giver beside one who gets in line: it was free already, or the giver sees who waits.
#[test]
fn b1_give_vs_wait_loses_no_wake() {
    check(|order| {
        let budget = Arc::new(Budget::new(0));
        race(
            order,
            &budget,
            |budget| budget.give(1, 2),
            |budget| assert!(block_on(budget.taken(2, || false))),
        );
        assert!(!budget.try_take(0), "given twice");
    });
}

/// Two who wait, one after the other gives back what it took.
#[test]
fn b1_two_that_wait_both_get_it() {
    check(|order| {
        let budget = Arc::new(Budget::new(1));
        let turn = |budget: &Budget| {
            assert!(block_on(budget.taken(0, || false)));
            budget.give(1, 0);
        };
        race(order, &budget, turn, turn);
        assert!(budget.try_take(0), "lost on the way");
    });
}

struct Closing {
    budget: Budget,
    closed: AtomicBool,
}

/// Shutdown and poisoning: the flag is raised, then all who wait are failed. Who gets in line meanwhile asks the flag once
/// he stands there.
#[test]
fn b2_close_vs_wait_leaves_nobody_asleep() {
    check(|order| {
        let closed = AtomicBool::new(false);
        race(
            order,
            &Arc::new(Closing { budget: Budget::new(0), closed }),
            |closing| {
                closing.closed.store(true, Ordering::SeqCst);
                closing.budget.fail_all();
            },
            |closing| {
                let refused = || closing.closed.load(Ordering::SeqCst);
                assert!(!block_on(closing.budget.taken(0, refused)));
            },
        );
    });
}

type Waiting = Pin<Box<dyn Future<Output = bool> + Send>>;
type Line = (&'static Budget, std::sync::Mutex<Option<Waiting>>);

/// The first in line goes away while room is given: the second gets it.
fn cancel_beside_give(order: Order) {
    // The waiters borrow the budget and move between threads.
    let raw: *mut Budget = Box::into_raw(Box::new(Budget::new(0)));
    {
        // SAFETY: freed below, after all that borrows it is gone.
        let budget: &'static Budget = unsafe { &*raw };
        let mut first: Waiting = Box::pin(budget.taken(0, || false));
        let mut second: Waiting = Box::pin(budget.taken(0, || false));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        let line: Arc<Line> = Arc::new((budget, std::sync::Mutex::new(Some(first))));
        race(order, &line, |line| line.0.give(1, 0), |line| drop(line.1.lock().unwrap().take()));
        assert!(second.as_mut().poll(&mut cx).is_ready(), "the room is lost");
    }
    // SAFETY: made above; every borrow has ended.
    drop(unsafe { Box::from_raw(raw) });
}

#[test]
fn b3_cancel_vs_give_passes_the_room_on() {
    check(cancel_beside_give);
}
