//! The log's ticket ring and watermarks: the filled prefix has no holes, and no wake-up is lost.
//!
//! Two threads, two preemptions; under a second.
#![cfg(heddle_loom)]

use heddle_loom_tests::{Order, check, race};
use heddle_wal::ring::Ring;
use heddle_wal::watermark::{Failed, Watermark};
use loom::future::block_on;
use loom::sync::Arc;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

/// R1, R2: whoever fills last carries `installed` over both, a void as well as a record.
#[test]
fn r2_two_fillers_leave_no_hole() {
    for second_is_void in [false, true] {
        check(move |order| {
            let ring = Arc::new(Ring::new(4));
            let (first, second) = race(
                order,
                &ring,
                |ring| {
                    let ticket = ring.draw();
                    ring.fill(ticket, Some(ticket));
                    ticket
                },
                move |ring| {
                    let ticket = ring.draw();
                    ring.fill(ticket, (!second_is_void).then_some(ticket));
                    ticket
                },
            );
            assert_eq!(first + second, 3, "two tickets, 1 and 2");
            assert_eq!(ring.installed().get(), 2, "a hole stayed");
            assert_eq!(ring.take(first), Some(first));
            assert_eq!(ring.take(second), (!second_is_void).then_some(second));
        });
    }
}

/// R2: what lies at or below `installed` can be taken, whole.
#[test]
fn r2_what_is_installed_is_filled() {
    check(|order| {
        let ring = Arc::new(Ring::new(4));
        race(
            order,
            &ring,
            |ring| {
                for _ in 0..2 {
                    let ticket = ring.draw();
                    ring.fill(ticket, Some(ticket * 10));
                }
            },
            |ring| {
                for ticket in 1..=ring.installed().get() {
                    assert_eq!(ring.take(ticket), Some(ticket * 10));
                }
            },
        );
    });
}

/// R2: so it is if somebody else than its filler stepped over it.
#[test]
fn r2_what_another_filler_stepped_over_is_filled() {
    check(|order| {
        let ring = Arc::new(Ring::new(4));
        race(
            order,
            &ring,
            |ring| {
                let ticket = ring.draw();
                ring.fill(ticket, Some(ticket * 10));
            },
            |ring| {
                let ticket = ring.draw();
                ring.fill(ticket, Some(ticket * 10));
                for ticket in 1..=ring.installed().get() {
                    assert_eq!(ring.take(ticket), Some(ticket * 10));
                }
            },
        );
    });
}

/// R3: a slot is filled anew while its first filler still looks whether it must step on.
#[test]
fn r3_a_slot_used_again_under_the_feet_of_its_filler() {
    check(|order| {
        let ring = Arc::new(Ring::new(1));
        race(
            order,
            &ring,
            |ring| {
                ring.fill(ring.draw(), Some(1));
                ring.installed().notify();
            },
            |ring| {
                block_on(ring.installed().reached(1)).unwrap();
                assert_eq!(ring.take(1), Some(1));
                assert_eq!(ring.draw(), 2);
                ring.fill(2, Some(2));
            },
        );
        assert_eq!(ring.installed().get(), 2);
        assert_eq!(ring.take(2), Some(2));
    });
}

/// M2: raised and told, or seen to be raised: the waiter ends.
#[test]
fn m2_raise_vs_wait_loses_no_wake() {
    check(|order| {
        race(
            order,
            &Arc::new(Watermark::new(0)),
            |mark| {
                mark.raise(1);
                mark.notify();
            },
            |mark| assert_eq!(block_on(mark.reached(1)), Ok(())),
        );
    });
}

/// M2: a failure ends the waits that it cuts off.
#[test]
fn m2_fail_vs_wait_loses_no_wake() {
    check(|order| {
        race(
            order,
            &Arc::new(Watermark::new(0)),
            |mark| mark.fail(),
            |mark| assert_eq!(block_on(mark.reached(1)), Err(Failed)),
        );
    });
}

/// M2: what was reached before the failure stays reached.
#[test]
fn m2_reached_before_the_failure_is_success() {
    check(|order| {
        race(
            order,
            &Arc::new(Watermark::new(0)),
            |mark| {
                mark.raise(1);
                mark.fail();
            },
            |mark| {
                assert_eq!(block_on(mark.reached(1)), Ok(()));
                assert_eq!(block_on(mark.reached(2)), Err(Failed));
            },
        );
    });
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Waiting = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send>>;
type Line = (&'static Watermark, std::sync::Mutex<Option<Waiting>>);

/// M3: two wait; the value rises while the first, to whom the second is handed, goes away.
fn handoff_beside_cancel(order: Order) {
    // The waiters borrow the watermark and move between threads.
    let raw: *mut Watermark = Box::into_raw(Box::new(Watermark::new(0)));
    {
        // SAFETY: freed below, after all that borrows it is gone.
        let mark: &'static Watermark = unsafe { &*raw };
        let wakes = StdArc::new(Wakes::default());
        let waker = Waker::from(StdArc::clone(&wakes));
        let mut first: Waiting = Box::pin(mark.reached(1));
        let mut second: Waiting = Box::pin(mark.reached(1));
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let line: Arc<Line> = Arc::new((mark, std::sync::Mutex::new(Some(first))));
        race(
            order,
            &line,
            |line| {
                line.0.raise(1);
                line.0.notify();
            },
            |line| drop(line.1.lock().unwrap().take()),
        );
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1, "the second sleeps for ever");
        assert_eq!(block_on(second), Ok(()));
    }
    // SAFETY: made above; every borrow has ended.
    drop(unsafe { Box::from_raw(raw) });
}

#[test]
fn m3_notify_vs_cancel_passes_the_handoff_on() {
    check(handoff_beside_cancel);
}
