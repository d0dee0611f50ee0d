//! Collection: what it keeps, what it drops, and what is remembered of what went.

mod common;

use common::{World, rng};
use heddle_base::Timestamp;
use heddle_mvcc::{Change, Registered, Stale, pin};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Version 8 went before version 5, which an old snapshot still reads.
fn old_version_outlives_a_newer_one() -> World {
    let world = World::new();
    world.commit(5, b"k", Some(b"five"));
    let old = world.snapshot(7, 0);
    world.commit(8, b"k", Some(b"eight"));
    assert_eq!(world.collect(8).versions, 1);
    assert_eq!(world.get(7, b"k"), Some(Some(b"five".to_vec())));
    std::mem::forget(old);
    world
}

#[test]
fn regression_a_dropped_newer_version_still_loses_first_committer_wins() {
    assert_eq!(old_version_outlives_a_newer_one().newest(b"k"), 8);
}

#[test]
fn regression_a_dropped_newer_version_still_fails_validation() {
    let world = old_version_outlives_a_newer_one();
    assert!(world.changed(b"k", 7, 20));
    assert!(!world.changed(b"k", 8, 20));
    let all = (Bound::Unbounded, Bound::Unbounded);
    let changed =
        world.overlay.range_changed(all.0, all.1, Timestamp(7), Some(Timestamp(20)), &pin());
    assert!(matches!(changed, Some(Change::Key(_))));
}

#[test]
fn regression_a_version_kept_for_an_old_snapshot_hides_nothing_from_a_new_one() {
    let world = old_version_outlives_a_newer_one();
    let new = common::view(8, 9);
    assert_eq!(common::get(&world.overlay, new, b"k"), None, "the base at 8 decides");
    let all = (Bound::Unbounded, Bound::Unbounded);
    let guard = pin();
    let mut scan = world.overlay.scan(all.0, all.1, heddle_mvcc::Direction::Forward, new, &guard);
    assert_eq!(scan.next(), None);
}

#[test]
fn a_version_newer_than_the_base_stays_without_any_snapshot() {
    let world = World::new();
    world.commit(5, b"k", Some(b"five"));
    assert_eq!(world.collect(4).versions, 0);
    assert_eq!(world.get(9, b"k"), Some(Some(b"five".to_vec())));
    let stats = world.collect(5);
    assert_eq!((stats.versions, stats.chains), (1, 1));
    assert_eq!(world.get(9, b"k"), None);
}

#[test]
fn a_tombstone_stays_while_a_snapshot_on_an_older_base_needs_it() {
    let world = World::new();
    world.commit(5, b"k", None);
    let reader = world.snapshot(6, 4);
    assert_eq!(world.collect(5).versions, 0);
    assert_eq!(world.get(6, b"k"), Some(None));
    drop(reader);
    assert_eq!(world.collect(5).versions, 1);
}

#[test]
fn below_the_horizon_only_registered_snapshots_keep_superseded_versions() {
    let world = World::new();
    for ts in 1..=10 {
        world.commit(ts, b"hot", Some(&ts.to_be_bytes()));
    }
    let reader = world.snapshot(3, 0);
    // The base holds nothing yet: versions 3 (the reader), 8 (new snapshots from the horizon on),
    // 9 and 10 are needed.
    assert_eq!(world.collect_from(0, 8).versions, 6);
    assert_eq!(world.get(3, b"hot"), Some(Some(3u64.to_be_bytes().to_vec())));
    for ts in 8..=10u64 {
        assert_eq!(world.get(ts, b"hot"), Some(Some(ts.to_be_bytes().to_vec())));
    }
    drop(reader);
    assert_eq!(world.collect_from(0, 10).versions, 3);
    assert_eq!(world.get(10, b"hot"), Some(Some(10u64.to_be_bytes().to_vec())));
    assert_eq!(world.newest(b"hot"), 10);
}

#[test]
fn a_snapshot_below_the_horizon_or_on_an_old_base_is_refused() {
    let world = World::new();
    world.collect_from(5, 8);
    let register = |ts, base| {
        let slot = world.registry.register(Timestamp(ts), Timestamp(base), Default::default());
        slot.map(|slot| slot.registered())
    };
    assert_eq!(register(9, 4), Err(Stale::Base { floor: Timestamp(5) }));
    assert_eq!(register(7, 5), Err(Stale::Old { horizon: Timestamp(8) }));
    let taken =
        Registered { ts: Timestamp(8), base_ts: Timestamp(5), generation: Default::default() };
    assert_eq!(register(8, 5), Ok(taken));
    assert_eq!(world.registry.oldest(), None);
}

#[test]
fn what_went_is_bounded_by_the_evicted_timestamps_and_never_underestimated() {
    // One slot for all keys: the most conservative table there is.
    for slots in [1, 4096] {
        let world = World::with_evicted_slots(slots);
        let mut newest = BTreeMap::new();
        let mut rng = rng(3);
        for ts in 1..=400u64 {
            let key = [rng.u8(0..40)];
            world.commit(ts, &key, Some(b"v"));
            newest.insert(key, ts);
        }
        world.collect(400);
        for (key, ts) in &newest {
            assert!(world.changed(key, ts - 1, 500), "a read before its last commit must fail");
            assert!(world.newest(key) >= *ts);
            if slots > 1 {
                assert!(!world.changed(key, *ts, 500), "{key:?} shares its slot with nobody");
            }
        }
        let never = b"never written";
        assert_eq!(world.changed(never, 1, 500), slots == 1);
    }
}

#[test]
fn a_locked_or_awaited_chain_is_passed() {
    let world = World::new();
    world.commit(1, b"a", Some(b"1"));
    let held = world.overlay.try_lock(b"a").expect("free");
    let stats = world.collect(1);
    assert_eq!((stats.busy, stats.chains), (1, 0));
    drop(held);
    assert_eq!(world.collect(1).chains, 1);
}

#[test]
fn memory_returns_to_zero() {
    let world = World::new();
    assert_eq!(world.store.memory(), 0);
    for ts in 1..=500u64 {
        world.commit(ts, &(ts % 90).to_be_bytes(), Some(&vec![7; ts as usize]));
    }
    // An abandoned one: linked, then given up.
    let status = heddle_mvcc::TxnStatus::new();
    let mut chain = world.overlay.try_lock(b"abandoned").expect("free");
    chain.link(Some(b"nobody sees this".as_slice().into()), &status);
    status.set_void();
    drop(chain);
    assert!(world.store.memory() > 500 * 250);
    let stats = world.collect(500);
    assert_eq!((stats.chains, stats.versions), (91, 500));
    assert_eq!(world.store.memory(), 0);
    assert!(world.overlay.is_empty(&pin()));
}

#[test]
fn steps_with_a_budget_go_around_all_trees() {
    let world = World::new();
    let others: Vec<_> = (0..5).map(|n| world.store.tree(heddle_base::TreeId(100 + n))).collect();
    let mut ts = 0;
    for overlay in others.iter().chain([&world.overlay]) {
        for key in 0..30u8 {
            ts += 1;
            common::commit(overlay, ts, &[key], Some(b"v"));
        }
    }
    let mut steps = 0;
    while world.store.memory() > 0 {
        let stats = world.store.collect(heddle_mvcc::GcInput {
            base_ts: Timestamp(ts),
            horizon: Timestamp(0),
            registry: &world.registry,
            budget: 7,
        });
        assert!(stats.visited <= 7);
        steps += 1;
        assert!(steps < 100, "every step must go on where the last one stopped");
    }
    assert!(steps >= 180 / 7);
}

/// A history of commits, snapshots and bases, beside a model that keeps everything. After each
/// collection every registered snapshot, and every snapshot that can still be taken, must read
/// what the model says, where the model falls back to the base.
#[test]
fn collection_keeps_exactly_what_snapshots_can_read() {
    for seed in 0..60 {
        History::new().run(seed, 400);
    }
}

/// A timestamp and a value, or a tombstone.
type Version = (u64, Option<Vec<u8>>);

struct History {
    world: World,
    /// All versions ever, per key.
    versions: BTreeMap<u8, Vec<Version>>,
    now: u64,
    base: u64,
    horizon: u64,
}

impl History {
    fn new() -> Self {
        Self { world: World::new(), versions: BTreeMap::new(), now: 0, base: 0, horizon: 0 }
    }

    fn run(mut self, seed: u64, steps: usize) {
        let mut rng = rng(seed);
        // Slots borrow the world's registry, which `self` must not move under.
        let registry = heddle_mvcc::Registry::new();
        let mut snapshots: Vec<heddle_mvcc::Slot<'_>> = Vec::new();
        for _ in 0..steps {
            match rng.u32(0..10) {
                0..5 => self.commit(&mut rng),
                5 => {
                    let ts = Timestamp(rng.u64(self.horizon.max(self.base)..=self.now.max(1)));
                    snapshots.extend(registry.register(
                        ts,
                        Timestamp(self.base),
                        Default::default(),
                    ));
                }
                6 if !snapshots.is_empty() => {
                    snapshots.swap_remove(rng.usize(0..snapshots.len()));
                }
                7 => self.base = rng.u64(self.base..=self.now),
                8 => self.horizon = rng.u64(self.horizon..=self.now),
                _ => self.collect(&registry, &mut rng),
            }
            for snapshot in &snapshots {
                self.check(snapshot.registered().ts, snapshot.registered().base_ts);
            }
        }
        drop(snapshots);
        // With nobody left and everything in the base, nothing stays.
        // Twice, since the first step goes on where the last one stopped.
        self.world.collect(self.now);
        self.world.collect(self.now);
        assert_eq!(self.world.store.memory(), 0);
    }

    fn commit(&mut self, rng: &mut fastrand::Rng) {
        self.now += 1;
        let key = rng.u8(0..6);
        let value = (rng.u8(0..4) > 0).then(|| self.now.to_string().into_bytes());
        self.world.commit(self.now, &[key], value.as_deref());
        self.versions.entry(key).or_default().push((self.now, value));
    }

    fn collect(&mut self, registry: &heddle_mvcc::Registry, rng: &mut fastrand::Rng) {
        self.world.store.collect(heddle_mvcc::GcInput {
            base_ts: Timestamp(self.base),
            horizon: Timestamp(self.horizon),
            registry,
            budget: rng.usize(1..10),
        });
        for ts in self.horizon.max(self.base)..=self.now {
            self.check(Timestamp(ts), Timestamp(self.base));
        }
        for (key, versions) in &self.versions {
            let newest = versions.last().map_or(0, |(ts, _)| *ts);
            assert!(self.world.newest(&[*key]) >= newest);
            assert!(self.world.changed(&[*key], newest - 1, u64::MAX));
        }
    }

    /// A reader takes what the store shows, and otherwise its base.
    fn check(&self, ts: Timestamp, base: Timestamp) {
        for (key, versions) in &self.versions {
            let at = |ts: u64| {
                versions.iter().rev().find(|(at, _)| *at <= ts).and_then(|(_, value)| value.clone())
            };
            let view = heddle_mvcc::View { base, ts };
            let seen = common::get(&self.world.overlay, view, &[*key]);
            let seen = seen.unwrap_or_else(|| at(base.get()));
            assert_eq!(seen, at(ts.get()), "key {key} at {ts} over the base at {base}");
        }
    }
}

/// Between two checkpoints nearly every chain of a growing tree has one version, which is needed.
#[test]
fn a_round_that_would_find_nothing_is_left_out() {
    const CHAINS: u64 = 10_000;
    let world = World::new();
    let key = |n: u64| n.to_be_bytes();
    for n in 1..=CHAINS {
        world.commit(n, &key(n), Some(b"v"));
    }
    assert_eq!(world.collect(0).visited, CHAINS as usize, "the first looks");
    let idle = world.collect(0);
    assert_eq!((idle.visited, idle.finished), (0, 1), "nothing was superseded since");

    // A few updates are not worth it, many are.
    let mut ts = CHAINS;
    for n in 1..=CHAINS / 100 {
        ts += 1;
        world.commit(ts, &key(n), Some(b"w"));
    }
    assert_eq!(world.collect_from(0, ts).visited, 0);
    for n in 1..=CHAINS / 8 {
        ts += 1;
        world.commit(ts, &key(n), Some(b"x"));
    }
    assert_eq!(world.collect_from(0, ts).versions, (CHAINS / 100 + CHAINS / 8) as usize);
    assert_eq!(world.collect_from(0, ts).visited, 0);

    let all = world.collect(ts);
    assert_eq!((all.visited, all.chains), (CHAINS as usize, CHAINS as usize), "a newer base");
    assert_eq!(world.overlay.memory(), 0);
}

/// What a round left because somebody read it counts for the next.
#[test]
fn what_an_old_snapshot_kept_goes_once_the_snapshot_has_ended() {
    const CHAINS: u64 = 10_000;
    let world = World::new();
    for n in 1..=CHAINS {
        world.commit(n, &n.to_be_bytes(), Some(b"v"));
    }
    let reader = world.snapshot(CHAINS, 0);
    assert_eq!(world.collect(CHAINS).versions, 0);
    drop(reader);
    assert_eq!(world.collect(CHAINS).versions, CHAINS as usize);
    assert_eq!(world.overlay.memory(), 0);
}
