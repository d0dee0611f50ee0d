//! The registry: registration against publication of a base, and slots that are used again.
//!
//! Two threads, two preemptions; under a second.
#![cfg(heddle_loom)]

use heddle_base::{Generation, Timestamp};
use heddle_loom_tests::{check, race};
use heddle_mvcc::Registry;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

struct Shared {
    registry: Registry,
    base: AtomicU64,
    gone: AtomicBool,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            registry: Registry::new(),
            base: AtomicU64::new(0),
            gone: AtomicBool::new(false),
        })
    }
}

/// G1 for publication: a publisher stores the new base, fences, then scans; a reader registers,
/// then reads the base again. Nobody reads a base that the publisher took for unused.
#[test]
fn g1_registration_vs_publication_never_uses_a_base_that_went() {
    check(|order| {
        race(
            order,
            &Shared::new(),
            |shared| {
                shared.base.store(1, Ordering::SeqCst);
                fence(Ordering::SeqCst);
                let mut used = false;
                shared.registry.for_each(|snapshot| used |= snapshot.generation == Generation(0));
                if !used {
                    shared.gone.store(true, Ordering::SeqCst);
                }
            },
            |shared| {
                let seen = shared.base.load(Ordering::SeqCst);
                let (ts, base) = (Timestamp(5), Timestamp(seen));
                let slot = shared.registry.register(ts, base, Generation(seen)).unwrap();
                // Else it would try again with the newer base.
                if shared.base.load(Ordering::SeqCst) == seen && seen == 0 {
                    let gone = shared.gone.load(Ordering::SeqCst);
                    assert!(!gone, "its base went while it was registered");
                }
                drop(slot);
            },
        );
    });
}

/// Two registrations at once get two slots, and both are seen once both are there.
#[test]
fn two_registrations_take_two_slots() {
    check(|order| {
        let shared = Shared::new();
        let register = |shared: &Shared, ts| {
            let slot = shared.registry.register(Timestamp(ts), Timestamp(0), Generation(0));
            std::mem::forget(slot.unwrap());
        };
        race(order, &shared, move |shared| register(shared, 3), move |shared| register(shared, 4));
        let mut seen = Vec::new();
        shared.registry.for_each(|snapshot| seen.push(snapshot.ts.get()));
        seen.sort();
        assert_eq!(seen, [3, 4]);
        assert_eq!(shared.registry.oldest(), Some(Timestamp(3)));
    });
}

/// A slot that ends while another begins in its place: who scans sees one registration, the other,
/// or none, except that an old timestamp may come with the new base.
#[test]
fn a_slot_used_again_is_never_seen_half_and_half_once_it_counts() {
    check(|order| {
        let shared = Shared::new();
        race(
            order,
            &shared,
            |shared| {
                for n in [1, 2] {
                    drop(shared.registry.register(Timestamp(n), Timestamp(n), Generation(n)));
                }
            },
            |shared| {
                shared.registry.for_each(|snapshot| {
                    // In the mixed case the new registration is not complete, and will see
                    // whatever the scanner stored before it scanned (G1).
                    let (ts, base) = (snapshot.ts.get(), snapshot.base_ts.get());
                    assert!(ts == base || (ts, base) == (1, 2), "{snapshot:?}");
                });
            },
        );
        assert_eq!(shared.registry.oldest(), None);
    });
}
