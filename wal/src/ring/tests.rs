//! The ring alone and among threads.

#![allow(clippy::disallowed_methods, reason = "the ring is tested without a runtime")]

use heddle_base::sync::{Arc, thread};

use super::*;

#[test]
fn r2_installed_is_the_filled_prefix() {
    let ring = Ring::new(8);
    ring.start_after(10);
    let tickets: Vec<u64> = (0..4).map(|_| ring.draw()).collect();
    assert_eq!((tickets, ring.drawn()), (vec![11, 12, 13, 14], 14));
    assert_eq!(ring.fill(12, Some("b")), 0);
    assert_eq!(ring.installed().get(), 10);
    assert_eq!(ring.fill(11, None), 2);
    assert_eq!(ring.installed().get(), 12);
    assert_eq!(ring.fill(14, Some("d")), 0);
    assert_eq!(ring.fill(13, Some("c")), 2);
    let taken: Vec<_> = (11..=14).map(|ticket| ring.take(ticket)).collect();
    assert_eq!(taken, [None, Some("b"), Some("c"), Some("d")]);
}

#[test]
fn r1_r3_many_threads_fill_and_one_takes_each_once_in_order() {
    const THREADS: u64 = 4;
    const EACH: u64 = 20_000;
    let ring = Arc::new(Ring::new(16));
    let permits = Arc::new(AtomicU64::new(16));
    let fillers: Vec<_> = (0..THREADS)
        .map(|_| {
            let (ring, permits) = (Arc::clone(&ring), Arc::clone(&permits));
            thread::spawn(move || {
                for n in 0..EACH {
                    let take = |free: u64| free.checked_sub(1);
                    while permits.fetch_update(Ordering::AcqRel, Ordering::Relaxed, take).is_err() {
                        thread::yield_now();
                    }
                    let ticket = ring.draw();
                    ring.fill(ticket, (n % 3 > 0).then_some(ticket));
                }
            })
        })
        .collect();
    let mut taken = 0;
    while taken < THREADS * EACH {
        if ring.installed().get() == taken {
            thread::yield_now();
            continue;
        }
        taken += 1;
        assert!(ring.take(taken).is_none_or(|record| record == taken));
        permits.fetch_add(1, Ordering::AcqRel);
    }
    fillers.into_iter().for_each(|filler| filler.join().unwrap());
    assert_eq!((ring.installed().get(), ring.drawn()), (taken, taken));
}
