//! Waiting for a chain: in order of arrival, and safe to give up at any poll.

mod common;

use common::World;
use heddle_mvcc::{LockedChain, Overlay, Turn};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Somebody who waits, and how often he was woken.
struct Waiter<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
    wakes: Arc<Wakes>,
}

impl<'a, T> Waiter<'a, T> {
    fn new(future: impl Future<Output = T> + Send + 'a) -> Self {
        Self { future: Box::pin(future), wakes: Arc::default() }
    }

    fn poll(&mut self) -> Option<T> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    fn woken(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }
}

fn lock(overlay: &Overlay) -> Waiter<'_, LockedChain<'_>> {
    Waiter::new(overlay.lock(b"k"))
}

fn turn(overlay: &Overlay) -> Waiter<'_, Turn<'_>> {
    Waiter::new(overlay.queue(b"k"))
}

#[test]
fn q1_a_lock_is_handed_over_in_order_and_never_free_in_between() {
    let world = World::new();
    let held = world.overlay.try_lock(b"k").expect("free");
    let mut waiters: Vec<_> = (0..4).map(|_| lock(&world.overlay)).collect();
    assert!(waiters.iter_mut().all(|waiter| waiter.poll().is_none()));
    drop(held);
    for at in 0..waiters.len() {
        let woken: Vec<_> = waiters.iter().map(Waiter::woken).collect();
        assert!(woken.iter().enumerate().all(|(n, woken)| *woken == usize::from(n <= at)));
        assert!(world.overlay.try_lock(b"k").is_err(), "handed over, not free");
        let locked = waiters[at].poll().expect("it is this one's turn");
        drop(locked);
    }
    assert!(world.overlay.try_lock(b"k").is_ok());
}

#[test]
fn q3_a_waiter_that_gives_up_leaves_the_line() {
    let world = World::new();
    let held = world.overlay.try_lock(b"k").expect("free");
    let (mut first, mut second) = (lock(&world.overlay), lock(&world.overlay));
    assert!(first.poll().is_none() && second.poll().is_none());
    drop(first);
    drop(held);
    assert_eq!(second.woken(), 1);
    assert!(second.poll().is_some());
}

#[test]
fn q3_a_waiter_that_gives_up_after_the_grant_passes_it_on() {
    let world = World::new();
    let held = world.overlay.try_lock(b"k").expect("free");
    let (mut first, mut second) = (lock(&world.overlay), lock(&world.overlay));
    assert!(first.poll().is_none() && second.poll().is_none());
    drop(held);
    assert_eq!((first.woken(), second.woken()), (1, 0));
    drop(first);
    assert_eq!(second.woken(), 1);
    assert!(second.poll().is_some());
    assert!(world.overlay.try_lock(b"k").is_ok());
}

#[test]
fn q2_turns_come_one_at_a_time_in_order_once_the_chain_is_free() {
    let world = World::new();
    let held = world.overlay.try_lock(b"k").expect("free");
    let mut waiters: Vec<_> = (0..3).map(|_| turn(&world.overlay)).collect();
    assert!(waiters.iter_mut().all(|waiter| waiter.poll().is_none()));
    drop(held);
    assert_eq!(waiters.iter().map(Waiter::woken).collect::<Vec<_>>(), [1, 0, 0]);
    let first = waiters[0].poll().expect("granted");
    // Ends by an unlock of whoever had the chain next.
    drop(world.overlay.try_lock(b"k").expect("free"));
    assert_eq!(waiters[1].woken(), 1);
    drop(first);
    assert_eq!(waiters[2].woken(), 0, "the first turn was over already");
    // Ends by being dropped.
    drop(waiters[1].poll().expect("granted"));
    assert_eq!(waiters[2].woken(), 1);
    assert!(waiters[2].poll().is_some());
}

#[test]
fn q3_a_turn_that_is_not_taken_passes_on() {
    let world = World::new();
    let held = world.overlay.try_lock(b"k").expect("free");
    let (mut first, mut second) = (turn(&world.overlay), turn(&world.overlay));
    assert!(first.poll().is_none() && second.poll().is_none());
    drop(held);
    drop(first);
    assert_eq!(second.woken(), 1);
    assert!(second.poll().is_some());
}

#[test]
fn there_is_nothing_to_wait_for_where_there_is_no_chain() {
    let world = World::new();
    assert!(turn(&world.overlay).poll().is_some());
    assert!(lock(&world.overlay).poll().is_some());
}

#[test]
fn a_chain_that_is_waited_for_is_not_collected_and_goes_afterwards() {
    let world = World::new();
    world.commit(1, b"k", Some(b"v"));
    let held = turn(&world.overlay).poll().expect("free");
    assert_eq!(world.collect(1).busy, 1);
    drop(held);
    assert_eq!(world.collect(1).chains, 1);
    assert_eq!(world.store.memory(), 0);
}

/// Runs a future on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// Threads lock, queue and give up at random beside the collector; every increment counts, nobody
/// is left asleep, and nothing stays behind.
#[test]
fn threads_that_wait_and_give_up_lose_neither_wakes_nor_updates() {
    const ROUNDS: u64 = 1_500;
    let world = World::new();
    let next = std::sync::atomic::AtomicU64::new(1);
    thread::scope(|scope| {
        for seed in 0..3 {
            let (world, next) = (&world, &next);
            scope.spawn(move || {
                let mut rng = common::rng(seed);
                for _ in 0..ROUNDS {
                    match rng.u32(0..6) {
                        0 => {
                            // Asks, and gives up at once if it would wait.
                            drop(lock(&world.overlay).poll());
                            drop(turn(&world.overlay).poll());
                        }
                        1 => drop(block_on(world.overlay.queue(b"k"))),
                        2 => {
                            world.collect(0);
                        }
                        _ => {}
                    }
                    let mut chain = block_on(world.overlay.lock(b"k"));
                    let guard = heddle_mvcc::pin();
                    let old = chain.newest_version(&guard).and_then(|(_, value)| {
                        Some(u64::from_be_bytes(value?.as_ref().try_into().ok()?))
                    });
                    let ts = heddle_base::Timestamp(next.fetch_add(1, Ordering::SeqCst));
                    let status = heddle_mvcc::TxnStatus::new();
                    let new = old.unwrap_or(0) + 1;
                    chain.link(Some(bytes::Bytes::copy_from_slice(&new.to_be_bytes())), &status);
                    status.set_drawing();
                    status.set_drawn(ts);
                    status.set_committed(ts);
                }
            });
        }
    });
    let total = 3 * ROUNDS;
    assert_eq!(world.get(u64::MAX, b"k"), Some(Some(total.to_be_bytes().to_vec())));
    assert_eq!(world.collect(total).chains, 1);
    assert_eq!(world.store.memory(), 0);
}
