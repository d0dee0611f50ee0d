//! Chains: lock, link, publish, unlock, against each other and against readers.
//!
//! Two threads, two preemptions; 18 s in all.
#![cfg(heddle_loom)]

use heddle_base::Timestamp;
use heddle_loom_tests::{World, check, race};
use heddle_mvcc::{Direction, TxnStatus, View, pin};
use loom::sync::atomic::Ordering;
use std::ops::Bound::Unbounded;

/// M2, L1: of two committers on one key nobody is lost, and the chain's order is the tickets'.
#[test]
fn m2_two_committers_on_one_key_stand_in_ticket_order() {
    check(|order| {
        let world = World::new();
        let (first, second) = race(
            order,
            &world,
            |world| world.commit(b"k", b"first"),
            |world| world.commit(b"k", b"second"),
        );
        assert!(first.is_some() || second.is_some(), "one of them found the chain free");
        for (ticket, value) in [(first, b"first".to_vec()), (second, b"second".to_vec())] {
            if let Some(ticket) = ticket {
                assert_eq!(world.get(0, ticket.get(), b"k"), Some(value));
            }
        }
    });
}

/// I2: two lockers of a missing key make one chain.
#[test]
fn i2_two_lockers_of_a_missing_key_make_one_chain() {
    check(|order| {
        let world = World::new();
        let commit = |world: &World| world.commit(b"K", b"v").is_some();
        let (first, second) = race(order, &world, commit, commit);
        assert!(first || second);
        let guard = pin();
        let scan = |direction| {
            world.overlay.scan(Unbounded, Unbounded, direction, View::ALL, &guard).count()
        };
        assert_eq!((scan(Direction::Forward), scan(Direction::Backward)), (1, 1));
    });
}

/// I2, C4: chains linked side by side on both levels all stay linked.
#[test]
fn i2_neighbours_inserted_side_by_side_are_both_found() {
    check(|order| {
        let world = World::new();
        race(
            order,
            &world,
            |world| assert!(world.commit(b"A", b"v").is_some()),
            |world| assert!(world.commit(b"B", b"v").is_some()),
        );
        let guard = pin();
        let scan = world.overlay.scan(Unbounded, Unbounded, Direction::Forward, View::ALL, &guard);
        assert_eq!(scan.count(), 2);
        assert!(world.get(0, 9, b"A").is_some() && world.get(0, 9, b"B").is_some());
    });
}

/// M1: both writes of a transaction, or neither, by the watermark alone; through a point and a scan.
#[test]
fn m1_reader_vs_install_sees_all_or_nothing() {
    check(|order| {
        let world = World::new();
        race(
            order,
            &world,
            |world| {
                let status = TxnStatus::new();
                let held = [world.lock(b"a", b"v", &status), world.lock(b"b", b"v", &status)];
                let ticket = world.draw(&status);
                status.set_committed(ticket);
                world.installed.store(ticket.get(), Ordering::Release);
                drop(held);
            },
            |world| {
                let ts = world.installed.load(Ordering::Acquire);
                let a = world.get(0, ts, b"a");
                let guard = pin();
                let view = View { base: Timestamp(0), ts: Timestamp(ts) };
                let scan =
                    world.overlay.scan(Unbounded, Unbounded, Direction::Forward, view, &guard);
                let seen: Vec<_> = scan.map(|entry| entry.key.to_vec()).collect();
                assert_eq!(a.is_some(), ts > 0);
                let both = [b"a".to_vec(), b"b".to_vec()];
                assert_eq!(seen, if ts > 0 { &both[..] } else { &[] });
            },
        );
    });
}

/// M1, L1: what is given up was never there, and leaves nothing behind.
#[test]
fn m1_reader_vs_void_sees_nothing() {
    check(|order| {
        let world = World::new();
        world.seed(b"k", 1, b"old");
        let memory = world.overlay.memory();
        race(
            order,
            &world,
            |world| {
                let status = TxnStatus::new();
                let chain = world.lock(b"k", b"new", &status);
                world.draw(&status);
                status.set_void();
                drop(chain);
            },
            |world| assert_eq!(world.get(0, 9, b"k"), Some(b"old".to_vec())),
        );
        assert_eq!(world.get(0, 9, b"k"), Some(b"old".to_vec()));
        assert_eq!(world.overlay.memory(), memory);
    });
}
