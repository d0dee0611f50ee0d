//! Waiting for a chain: no wake-up is lost, and who gives up passes on what it was granted.
//!
//! Two threads, two preemptions; 4 s in all. A lost wake-up shows as loom's deadlock report.
#![cfg(heddle_loom)]

use heddle_loom_tests::{Order, World, check, race};
use loom::future::block_on;
use loom::sync::Arc;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

/// Q1: an unlock beside a waiter's asking hands over or leaves free; it never goes unnoticed.
#[test]
fn q1_unlock_vs_lock_loses_no_wake() {
    check(|order| {
        let world = World::new();
        race(
            order,
            &world,
            |world| drop(world.overlay.try_lock(b"k")),
            |world| drop(block_on(world.overlay.lock(b"k"))),
        );
        assert!(world.overlay.try_lock(b"k").is_ok());
    });
}

/// Q2: the same for turns.
#[test]
fn q2_unlock_vs_queue_loses_no_wake() {
    check(|order| {
        let world = World::new();
        race(
            order,
            &world,
            |world| drop(world.overlay.try_lock(b"k")),
            |world| drop(block_on(world.overlay.queue(b"k"))),
        );
        assert!(world.overlay.try_lock(b"k").is_ok());
    });
}

/// Q1: of two that wait by turns each gets the lock.
#[test]
fn q1_two_lockers_that_wait_both_get_it() {
    check(|order| {
        let world = World::new();
        let lock = |world: &World| drop(block_on(world.overlay.lock(b"k")));
        race(order, &world, lock, lock);
        assert!(world.overlay.try_lock(b"k").is_ok());
    });
}

/// C2: a chain is not collected from under somebody who waits for it.
#[test]
fn c2_collect_vs_queue_wakes_the_waiter() {
    check(|order| {
        let world = World::new();
        world.seed(b"k", 1, b"v");
        race(
            order,
            &world,
            |world| world.collect(1, 0),
            |world| {
                drop(block_on(world.overlay.queue(b"k")));
                drop(block_on(world.overlay.lock(b"k")));
            },
        );
        world.collect(1, 0);
        world.collect(1, 0);
        assert_eq!(world.overlay.memory(), 0);
    });
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// What is taken out of a cell by the thread whose part it is.
type Part<T> = std::sync::Mutex<Option<T>>;
type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A chain is held, two wait in line; the hold ends on one thread while the first in line gives up
/// on the other. The second must be woken, and own what it was woken for.
fn cancel_beside_unlock<T: 'static>(order: Order, ask: fn(&'static World) -> Waiting<T>) {
    struct Line<T> {
        held: Part<heddle_mvcc::LockedChain<'static>>,
        first: Part<Waiting<T>>,
    }
    // The hold and the waiters borrow the world and move between threads.
    let world: *mut World = Box::into_raw(Box::new(World::unshared()));
    {
        // SAFETY: freed below, after all that borrows it is gone.
        let world: &'static World = unsafe { &*world };
        let held = world.overlay.try_lock(b"k").unwrap();
        let (mut first, mut second) = (ask(world), ask(world));
        let wakes = StdArc::new(Wakes::default());
        let waker = Waker::from(StdArc::clone(&wakes));
        for future in [&mut first, &mut second] {
            assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let line = Arc::new(Line { held: Part::new(Some(held)), first: Part::new(Some(first)) });
        race(
            order,
            &line,
            |line| drop(line.held.lock().unwrap().take()),
            |line| drop(line.first.lock().unwrap().take()),
        );
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1, "the second in line sleeps for ever");
        drop(block_on(second));
        assert!(world.overlay.try_lock(b"k").is_ok());
    }
    // SAFETY: made above; every borrow has ended.
    drop(unsafe { Box::from_raw(world) });
}

/// Q3: a waiter that gives up beside the unlock passes the lock on, before or after its grant.
#[test]
fn q3_cancel_vs_unlock_passes_the_lock_on() {
    check(|order| cancel_beside_unlock(order, |world| Box::pin(world.overlay.lock(b"k"))));
}

/// Q3: the same for turns.
#[test]
fn q3_cancel_vs_unlock_passes_the_turn_on() {
    check(|order| cancel_beside_unlock(order, |world| Box::pin(world.overlay.queue(b"k"))));
}
