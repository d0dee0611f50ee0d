//! Collection against readers, lockers and validators; and that everything is freed.
//!
//! Two threads, two preemptions.
#![cfg(heddle_loom)]

use bytes::Bytes;
use heddle_base::{Generation, Timestamp};
use heddle_loom_tests::{World, check, race};
use heddle_mvcc::{Direction, Status, TxnStatus, View, pin};
use std::ops::Bound::Unbounded;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A reader that reads the version of 1 if it can register for it.
fn read_at_one(world: &World) {
    if let Ok(slot) = world.registry.register(Timestamp(1), Timestamp(0), Generation(0)) {
        assert_eq!(world.get(0, 1, b"k"), Some(b"one".to_vec()));
        drop(slot);
    }
}

/// M3, G1: a snapshot that could be registered reads what it stands for, though a newer base is
/// published and collected for at the same moment.
#[test]
fn m3_registration_vs_collection_keeps_what_the_snapshot_reads() {
    check(|order| {
        let world = World::new();
        world.seed(b"k", 1, b"one");
        world.seed(b"k", 2, b"two");
        race(order, &world, |world| world.collect(2, 0), read_at_one);
    });
}

/// M3, G1: the same for the horizon.
#[test]
fn m3_registration_vs_horizon_keeps_what_the_snapshot_reads() {
    check(|order| {
        let world = World::new();
        world.seed(b"k", 1, b"one");
        world.seed(b"k", 2, b"two");
        race(order, &world, |world| world.collect(0, 2), read_at_one);
        assert_eq!(world.get(0, 2, b"k"), Some(b"two".to_vec()));
    });
}

/// I3, I4: chains beside one that is being unlinked are found, both ways.
fn scan_beside_an_unlink(direction: Direction) {
    check(move |order| {
        let world = World::new();
        for (key, ts) in [(b"a", 9), (b"b", 1), (b"c", 9)] {
            world.seed(key, ts, b"v");
        }
        race(
            order,
            &world,
            |world| assert_eq!(world.collect(1, 0).chains, 1),
            move |world| {
                let guard = pin();
                let view = View { base: Timestamp(1), ts: Timestamp(9) };
                let scan = world.overlay.scan(Unbounded, Unbounded, direction, view, &guard);
                assert_eq!(scan.count(), 2);
            },
        );
    });
}

#[test]
fn i4_forward_scan_vs_unlink_finds_the_neighbours() {
    scan_beside_an_unlink(Direction::Forward);
}

#[test]
fn i4_backward_scan_vs_unlink_finds_the_neighbours() {
    scan_beside_an_unlink(Direction::Backward);
}

/// I2, I3: an insertion beside an unlinking neighbour gets linked for good.
#[test]
fn i3_insert_vs_unlink_of_the_chain_before_it() {
    check(|order| {
        let world = World::new();
        world.seed(b"a", 1, b"v");
        race(order, &world, |world| world.collect(1, 0), |world| world.seed(b"b", 9, b"v"));
        let guard = pin();
        let view = View { base: Timestamp(1), ts: Timestamp(9) };
        let scan = world.overlay.scan(Unbounded, Unbounded, Direction::Forward, view, &guard);
        assert!(scan.map(|entry| entry.key.to_vec()).eq([b"b".to_vec()]));
    });
}

/// I4: what was linked before a walk began is found by it, though the chain in front of it goes and
/// others come.
#[test]
fn i4_insert_and_scan_vs_unlink_of_the_chain_before_it() {
    check(|order| {
        let world = World::new();
        world.seed(b"a", 1, b"v");
        race(
            order,
            &world,
            |world| world.collect(1, 0),
            |world| {
                world.seed(b"b", 9, b"v");
                let guard = pin();
                let view = View { base: Timestamp(1), ts: Timestamp(9) };
                for direction in [Direction::Forward, Direction::Backward] {
                    let scan = world.overlay.scan(Unbounded, Unbounded, direction, view, &guard);
                    assert_eq!(scan.count(), 1);
                }
                assert!(world.get(1, 9, b"b").is_some());
            },
        );
    });
}

/// M4, K2, C2, D2: a locker finds the last commit or a bound for it, and what it then commits is
/// kept and found, by key and in order, whether it met the chain, the dead chain or none.
#[test]
fn m4_locker_vs_collection_of_its_chain() {
    check(|order| {
        let world = World::new();
        world.seed(b"k", 1, b"old");
        let (_, status) = race(
            order,
            &world,
            |world| world.collect(1, 0),
            |world| {
                let status = TxnStatus::new();
                if let Ok(mut chain) = world.overlay.try_lock(b"k") {
                    assert!(chain.newest() >= Timestamp(1), "a stale writer would win");
                    chain.link(Some(Bytes::from_static(b"new")), &status);
                    status.set_drawing();
                    status.set_drawn(Timestamp(5));
                    status.set_committed(Timestamp(5));
                    drop(chain);
                    assert_eq!(world.get(1, 5, b"k"), Some(b"new".to_vec()));
                }
                status.get()
            },
        );
        if status == Status::Committed(Timestamp(5)) {
            assert_eq!(world.get(1, 5, b"k"), Some(b"new".to_vec()));
            let guard = pin();
            let view = View { base: Timestamp(1), ts: Timestamp(5) };
            let scan = world.overlay.scan(Unbounded, Unbounded, Direction::Forward, view, &guard);
            assert!(scan.map(|entry| entry.ts).eq([Timestamp(5)]));
        }
    });
}

/// M4, K2: a validator never misses a change because the collector takes it away meanwhile.
#[test]
fn m4_point_validator_vs_collection() {
    check(|order| {
        let world = World::new();
        world.seed(b"k", 1, b"v");
        race(
            order,
            &world,
            |world| world.collect(1, 0),
            |world| {
                let me = Some(Timestamp(5));
                assert!(world.overlay.changed(b"k", Timestamp(0), me, &pin()));
            },
        );
    });
}

/// M4 for ranges.
#[test]
fn m4_range_validator_vs_collection() {
    check(|order| {
        let world = World::new();
        world.seed(b"k", 1, b"v");
        race(
            order,
            &world,
            |world| world.collect(1, 0),
            |world| {
                let (since, me, guard) = (Timestamp(0), Some(Timestamp(5)), pin());
                let range = world.overlay.range_changed(Unbounded, Unbounded, since, me, &guard);
                assert!(range.is_some());
            },
        );
    });
}

/// C3: dropped in front of a version that stays, a change is still a change.
#[test]
fn c3_validator_vs_a_newer_version_dropped_before_an_older_one() {
    check(|order| {
        let world = World::new();
        world.seed(b"k", 1, b"one");
        world.seed(b"k", 3, b"three");
        let slot = world.registry.register(Timestamp(2), Timestamp(0), Generation(0)).unwrap();
        race(
            order,
            &world,
            |world| assert_eq!(world.collect(3, 0).versions, 1),
            |world| {
                let me = Some(Timestamp(5));
                assert!(world.overlay.changed(b"k", Timestamp(2), me, &pin()));
                assert_eq!(world.get(0, 2, b"k"), Some(b"one".to_vec()));
            },
        );
        drop(slot);
    });
}

static MADE: AtomicUsize = AtomicUsize::new(0);
static FREED: AtomicUsize = AtomicUsize::new(0);

/// A value that is counted when it is made and when it is dropped.
struct Counted;

impl Counted {
    fn bytes() -> Bytes {
        MADE.fetch_add(1, Ordering::SeqCst);
        Bytes::from_owner(Counted)
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        b"counted"
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        FREED.fetch_add(1, Ordering::SeqCst);
    }
}

fn write_counted(world: &World, ts: u64, commits: bool) {
    let status = TxnStatus::new();
    let mut chain = world.overlay.try_lock(b"k").unwrap();
    chain.link(Some(Counted::bytes()), &status);
    status.set_drawing();
    status.set_drawn(Timestamp(ts));
    if commits { status.set_committed(Timestamp(ts)) } else { status.set_void() }
}

/// M5: a reader's borrow stays good while its version and its chain go; and once all is done,
/// every value was freed exactly once: superseded, abandoned, collected and left over ones.
#[test]
fn m5_everything_is_freed_once_and_not_too_early() {
    let made_and_freed = || (MADE.load(Ordering::SeqCst), FREED.load(Ordering::SeqCst));
    check(move |order| {
        let (made, freed) = made_and_freed();
        assert_eq!(made, freed, "the execution before left something behind");
        let world = World::new();
        write_counted(&world, 1, true);
        write_counted(&world, 2, false);
        write_counted(&world, 3, true);
        race(
            order,
            &world,
            |world| world.collect(3, 0),
            |world| {
                let guard = pin();
                if let heddle_mvcc::Lookup::Put(value) = world.overlay.get(b"k", View::ALL, &guard)
                {
                    assert_eq!(&value[..], b"counted");
                }
            },
        );
        write_counted(&world, 4, true);
    });
    let (made, freed) = made_and_freed();
    assert_eq!(made, freed);
}
