//! Collection against readers, lockers and validators; and that everything is freed.
//!
//! Two threads, two preemptions; 8 s in all, half of it tall chains.
#![cfg(heddle_loom)]

use bytes::Bytes;
use heddle_base::{Generation, Timestamp};
use heddle_loom_tests::{World, check, race};
use heddle_mvcc::{Direction, Lookup, TxnStatus, View, pin};
use loom::sync::atomic;
use std::collections::BTreeSet;
use std::ops::Bound::{Included, Unbounded};
use std::sync::Mutex;

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

/// I2, I3: an insertion beside an unlinking neighbour gets linked for good, on every level.
fn insert_beside_an_unlink(gone: &'static [u8], new: &'static [u8]) {
    check(move |order| {
        let world = World::new();
        world.seed(gone, 1, b"v");
        race(order, &world, |world| world.collect(1, 0), move |world| world.seed(new, 9, b"v"));
        let guard = pin();
        let view = View { base: Timestamp(1), ts: Timestamp(9) };
        for direction in [Direction::Forward, Direction::Backward] {
            let scan = world.overlay.scan(Unbounded, Unbounded, direction, view, &guard);
            assert!(scan.map(|entry| entry.key.to_vec()).eq([new.to_vec()]));
        }
    });
}

#[test]
fn i3_insert_vs_unlink_of_the_chain_before_it() {
    insert_beside_an_unlink(b"a", b"b");
}

#[test]
fn i3_insert_vs_unlink_of_the_tall_chain_before_it() {
    insert_beside_an_unlink(b"A", b"B");
}

/// I4: what was linked before a walk began is found by it, though the tall chain in front of it has
/// left the lowest level and not yet the upper one.
#[test]
fn i4_insert_and_scan_vs_unlink_of_the_tall_chain_before_it() {
    check(|order| {
        let world = World::new();
        world.seed(b"A", 1, b"v");
        race(
            order,
            &world,
            |world| world.collect(1, 0),
            |world| {
                world.seed(b"b", 9, b"v");
                let guard = pin();
                let view = View { base: Timestamp(1), ts: Timestamp(9) };
                let from_b = Included(&b"b"[..]);
                let first = world.overlay.scan(from_b, Unbounded, Direction::Forward, view, &guard);
                assert_eq!(first.count(), 1);
            },
        );
    });
}

/// What a scan of everything after 1 and up to 5 meets.
fn newest(world: &World, direction: Direction) -> Vec<Timestamp> {
    let (guard, view) = (pin(), View { base: Timestamp(1), ts: Timestamp(5) });
    let scan = world.overlay.scan(Unbounded, Unbounded, direction, view, &guard);
    scan.map(|entry| entry.ts).collect()
}

/// M4, K2, C2, D2: a locker finds the last commit or a bound for it, and what it then commits is
/// kept and found, by key and in order, whether it met the chain, the dead chain or none.
fn locker_vs_collection(key: &'static [u8]) {
    check(move |order| {
        let world = World::new();
        world.seed(key, 1, b"old");
        let (_, committed) = race(
            order,
            &world,
            |world| world.collect(1, 0),
            move |world| {
                let Ok(mut chain) = world.overlay.try_lock(key) else { return false };
                assert!(chain.newest() >= Timestamp(1), "a stale writer would win");
                let status = TxnStatus::committed_at(Timestamp(5));
                chain.link(Some(Bytes::from_static(b"new")), &status);
                drop(chain);
                assert_eq!(world.get(1, 5, key), Some(b"new".to_vec()));
                // On an upper level the dead chain may still stand behind the new one (I3, I4).
                assert!(newest(world, Direction::Backward) == [Timestamp(5)]);
                true
            },
        );
        if committed {
            assert_eq!(world.get(1, 5, key), Some(b"new".to_vec()));
            assert_eq!(newest(&world, Direction::Forward), [Timestamp(5)]);
            assert_eq!(newest(&world, Direction::Backward), [Timestamp(5)]);
        }
    });
}

#[test]
fn m4_locker_vs_collection_of_its_chain() {
    locker_vs_collection(b"k");
}

#[test]
fn m4_locker_vs_collection_of_its_tall_chain() {
    locker_vs_collection(b"K");
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

/// Which counted values there are, made and not yet dropped; the model runs one at a time.
static ALIVE: Mutex<BTreeSet<u8>> = Mutex::new(BTreeSet::new());

/// A value that is its own number, and on record while it is not dropped.
struct Counted([u8; 1]);

impl Counted {
    fn bytes(number: u8) -> Bytes {
        assert!(ALIVE.lock().unwrap().insert(number));
        Bytes::from_owner(Counted([number]))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let alive = ALIVE.lock().unwrap().remove(&self.0[0]);
        assert!(alive, "freed twice");
    }
}

fn write_counted(world: &World, ts: u8, commits: bool) {
    let status = TxnStatus::new();
    let mut chain = world.overlay.try_lock(b"K").unwrap();
    chain.link(Some(Counted::bytes(ts)), &status);
    status.set_drawing();
    status.set_drawn(Timestamp(ts.into()));
    if commits { status.set_committed(Timestamp(ts.into())) } else { status.set_void() }
}

/// M5: a reader's borrow stays good while its version and its chain go; and once all is done,
/// every value was freed exactly once: superseded, abandoned, collected and left over ones.
#[test]
fn m5_everything_is_freed_once_and_not_too_early() {
    check(move |order| {
        assert!(ALIVE.lock().unwrap().is_empty(), "the execution before left something behind");
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
                let view = View { base: Timestamp(0), ts: Timestamp(2) };
                if let Lookup::Put(value) = world.overlay.get(b"K", view, &guard) {
                    assert_eq!(&value[..], [1]);
                    world.installed.load(atomic::Ordering::SeqCst);
                    assert!(ALIVE.lock().unwrap().contains(&1), "freed under a reader");
                }
            },
        );
        write_counted(&world, 4, true);
    });
    assert!(ALIVE.lock().unwrap().is_empty());
}
