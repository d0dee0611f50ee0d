//! Ordered reads, both ways, over chains and runs, beside insertions and collection.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::{World, view};
use heddle_base::Timestamp;
use heddle_mvcc::{
    Ahead, BlockNo, Change as Changed, Direction, Lookup, Overlay, Probe, RunBlock, SortedRun,
    View, pin,
};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

type Change = (Vec<u8>, Option<Vec<u8>>);

/// A run in memory whose blocks come and go as if they lay on disk: two of five are there.
#[derive(Debug)]
struct Run {
    ts: Timestamp,
    changes: BTreeMap<Vec<u8>, Option<Bytes>>,
    loaded: Mutex<VecDeque<BlockNo>>,
}

impl Run {
    fn new(ts: u64, changes: impl IntoIterator<Item = (Vec<u8>, Option<Bytes>)>) -> Arc<Self> {
        let (changes, loaded) = (changes.into_iter().collect(), Mutex::default());
        Arc::new(Self { ts: Timestamp(ts), changes, loaded })
    }

    fn load(&self, block: BlockNo) {
        let mut loaded = self.loaded.lock().expect("no panic");
        loaded.push_back(block);
        if loaded.len() > 2 {
            loaded.pop_front();
        }
    }

    /// The block of an entry, unless it is there.
    fn missing(&self, key: &[u8]) -> Option<BlockNo> {
        let block = BlockNo(key.iter().map(|byte| u32::from(*byte)).sum::<u32>() % 5);
        (!self.loaded.lock().expect("no panic").contains(&block)).then_some(block)
    }
}

impl SortedRun for Run {
    fn ts(&self) -> Timestamp {
        self.ts
    }

    fn may_contain(&self, key: &[u8]) -> bool {
        self.changes.contains_key(key)
    }

    fn may_intersect(&self, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> bool {
        ordered((lower, upper)) && self.changes.range::<[u8], _>((lower, upper)).next().is_some()
    }

    fn try_get(&self, key: &[u8]) -> Probe {
        match (self.changes.get(key), self.missing(key)) {
            (None, _) => Probe::Absent,
            (Some(_), Some(block)) => Probe::NeedsIo(block),
            (Some(value), None) => Probe::Found(value.clone()),
        }
    }

    fn try_seek(&self, near: Bound<&[u8]>, direction: Direction) -> Ahead {
        let entry = match direction {
            Direction::Forward => self.changes.range::<[u8], _>((near, Unbounded)).next(),
            Direction::Backward => self.changes.range::<[u8], _>((Unbounded, near)).next_back(),
        };
        let Some((key, value)) = entry else { return Ahead::End };
        match self.missing(key) {
            Some(block) => Ahead::NeedsIo(block),
            None => Ahead::Entry(Bytes::copy_from_slice(key), value.clone()),
        }
    }

    fn memory(&self) -> usize {
        1000
    }
}

type Runs = BTreeMap<Timestamp, Arc<Run>>;

fn load(runs: &Runs, needed: RunBlock) {
    runs[&needed.run].load(needed.block);
}

/// Reads both ways, loading what is missed.
fn scan(
    overlay: &Overlay,
    runs: &Runs,
    bounds: (Bound<&[u8]>, Bound<&[u8]>),
    view: View,
) -> Vec<Change> {
    let read = |direction| -> Vec<Change> {
        let mut found: Vec<Change> = Vec::new();
        loop {
            let last = found.last().map(|change| change.0.clone());
            let last = last.as_deref().map(Excluded);
            let (lower, upper) = match direction {
                Direction::Forward => (last.unwrap_or(bounds.0), bounds.1),
                Direction::Backward => (bounds.0, last.unwrap_or(bounds.1)),
            };
            let guard = pin();
            let mut scan = overlay.scan(lower, upper, direction, view, &guard);
            let rest = scan.by_ref();
            found.extend(
                rest.map(|entry| (entry.key.to_vec(), entry.value.map(|value| value.to_vec()))),
            );
            match scan.needs_io() {
                Some(needed) => load(runs, needed),
                None => return found,
            }
        }
    };
    let forward = read(Direction::Forward);
    let mut backward = read(Direction::Backward);
    backward.reverse();
    assert_eq!(forward, backward, "both ways see the same");
    forward
}

/// What a view sees of a key, loading what is missed.
fn get(overlay: &Overlay, runs: &Runs, view: View, key: &[u8]) -> Option<Option<Vec<u8>>> {
    loop {
        match overlay.get(key, view, &pin()) {
            Lookup::NeedsIo(needed) => load(runs, needed),
            Lookup::Missing => return None,
            Lookup::Tombstone => return Some(None),
            Lookup::Put(value) => return Some(Some(value.to_vec())),
        }
    }
}

fn random_bound<'k>(rng: &mut fastrand::Rng, key: &'k [u8]) -> Bound<&'k [u8]> {
    match rng.u8(0..5) {
        0 => Unbounded,
        1 | 2 => Included(key),
        _ => Excluded(key),
    }
}

/// Commits in chains and runs beside a list of them all.
struct Model {
    world: World,
    runs: Runs,
    history: Vec<(u64, Change)>,
    now: u64,
}

impl Model {
    fn new() -> Self {
        Self { world: World::new(), runs: Runs::new(), history: Vec::new(), now: 0 }
    }

    fn commit(&mut self, rng: &mut fastrand::Rng) {
        self.now += 1;
        let key = random_key(rng);
        let value = (rng.u8(0..4) > 0).then(|| self.now.to_string().into_bytes());
        self.world.commit(self.now, &key, value.as_deref());
        self.history.push((self.now, (key, value)));
    }

    fn run(&mut self, rng: &mut fastrand::Rng) {
        self.now += 1;
        let now = self.now;
        let changes: BTreeMap<_, _> = (0..rng.usize(1..15))
            .map(|_| {
                let value = (rng.u8(0..4) > 0).then(|| Bytes::from(now.to_string()));
                (random_key(rng), value)
            })
            .collect();
        let copied = changes
            .iter()
            .map(|(key, value)| (now, (key.clone(), value.as_ref().map(|value| value.to_vec()))));
        self.history.extend(copied);
        let run = Run::new(now, changes);
        self.runs.insert(run.ts, Arc::clone(&run));
        self.world.overlay.link_run(run);
    }

    fn seen(&self, bounds: (Bound<&[u8]>, Bound<&[u8]>), view: View) -> Vec<Change> {
        let mut newest = BTreeMap::new();
        for (ts, (key, value)) in &self.history {
            if *ts > view.ts.get() {
                break;
            }
            newest.insert(key.clone(), (*ts, value.clone()));
        }
        let within = |key: &[u8]| std::ops::RangeBounds::<[u8]>::contains(&bounds, key);
        newest
            .into_iter()
            .filter(|(key, (ts, _))| *ts > view.base.get() && within(key))
            .map(|(key, (_, value))| (key, value))
            .collect()
    }

    fn check(&self, rng: &mut fastrand::Rng, base: u64) {
        let ts = rng.u64(base..=self.now);
        let view = view(base, ts);
        let (low, high) = (random_key(rng), random_key(rng));
        let bounds = (random_bound(rng, &low), random_bound(rng, &high));
        if ordered(bounds) {
            let found = scan(&self.world.overlay, &self.runs, bounds, view);
            assert_eq!(found, self.seen(bounds, view));
        }
        let key = random_key(rng);
        let point = (Included(&key[..]), Included(&key[..]));
        let seen = self.seen(point, view).into_iter().next().map(|(_, value)| value);
        assert_eq!(get(&self.world.overlay, &self.runs, view, &key), seen);
    }
}

fn random_key(rng: &mut fastrand::Rng) -> Vec<u8> {
    let length = rng.usize(0..4) * 3;
    (0..length).map(|_| rng.u8(0..3)).collect()
}

fn ordered(bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    match bounds {
        (Included(low) | Excluded(low), Included(high) | Excluded(high)) => low < high,
        _ => true,
    }
}

#[test]
fn scans_and_points_agree_with_a_list_of_all_commits() {
    for seed in 0..40 {
        let mut rng = common::rng(seed);
        let mut model = Model::new();
        for _ in 0..150 {
            if seed % 2 == 1 && rng.u8(0..12) == 0 {
                model.run(&mut rng);
            } else {
                model.commit(&mut rng);
            }
            let base = rng.u64(0..=model.now);
            model.check(&mut rng, base);
        }
    }
}

#[test]
fn scans_agree_while_chains_and_runs_are_collected() {
    for seed in 0..40 {
        let mut rng = common::rng(seed);
        let mut model = Model::new();
        let mut base = 0;
        for _ in 0..200 {
            match rng.u8(0..12) {
                0 => model.run(&mut rng),
                1 => {
                    base = rng.u64(base..=model.now);
                    model.world.collect(base);
                }
                _ => model.commit(&mut rng),
            }
            model.check(&mut rng, base);
        }
        let now = model.now;
        model.world.collect(now);
        model.world.collect(now);
        assert_eq!(model.world.store.memory(), 0);
    }
}

#[test]
fn a_run_takes_part_in_first_committer_wins_and_validation() {
    let world = World::new();
    world.commit(5, b"k", Some(b"chain"));
    let run = Run::new(8, [(b"k".to_vec(), None)]);
    let runs = Runs::from([(run.ts, Arc::clone(&run))]);
    world.overlay.link_run(run);
    assert_eq!(world.get(7, b"k"), Some(Some(b"chain".to_vec())));
    assert_eq!(get(&world.overlay, &runs, view(0, 8), b"k"), Some(None));
    assert_eq!(world.newest(b"k"), 8);
    assert!(world.changed(b"k", 7, 9));
    assert!(!world.changed(b"k", 8, 9));
    assert!(!world.changed(b"l", 7, 9), "a key the run does not have");
    let range = world.overlay.range_changed(
        Included(b"j"),
        Unbounded,
        Timestamp(7),
        Some(Timestamp(9)),
        &pin(),
    );
    assert!(range.is_some());
}

#[test]
fn regression_a_run_that_went_still_bounds_keys_whose_chains_stay() {
    let world = World::new();
    world.commit(5, b"k", Some(b"chain"));
    let _old = world.snapshot(6, 0);
    world.overlay.link_run(Run::new(8, [(b"k".to_vec(), None)]));
    world.collect(8);
    assert_eq!(world.get(6, b"k"), Some(Some(b"chain".to_vec())));
    assert_eq!(world.newest(b"k"), 8);
    assert!(world.changed(b"k", 7, 9));
    assert!(!world.changed(b"k", 8, 9));
}

#[test]
fn a_run_stays_while_a_snapshot_reads_through_it() {
    let world = World::new();
    let run = Run::new(8, [(b"k".to_vec(), Some(Bytes::from_static(b"run")))]);
    let runs = Runs::from([(run.ts, Arc::clone(&run))]);
    world.overlay.link_run(run);
    let reader = world.snapshot(9, 0);
    world.collect(8);
    assert_eq!(get(&world.overlay, &runs, view(0, 9), b"k"), Some(Some(b"run".to_vec())));
    drop(reader);
    world.collect(8);
    assert!(world.overlay.is_empty(&pin()));
}

#[test]
fn a_run_that_is_to_be_committed_meets_only_keys_that_it_has() {
    let world = World::new();
    world.commit(5, b"k", Some(b"chain"));
    let met = |since, has: &[u8]| {
        let (all, since) = ((Unbounded, Unbounded), Timestamp(since));
        world.overlay.range_changed_where(all.0, all.1, since, None, &pin(), |key| key == has)
    };
    assert_eq!(met(4, b"k"), Some(Changed::Key(Bytes::from_static(b"k"))));
    assert_eq!(met(4, b"l"), None);
    assert_eq!(met(5, b"k"), None);
    // Of another run only the fences are asked.
    world.overlay.link_run(Run::new(8, [(b"m".to_vec(), None)]));
    assert_eq!(met(7, b"l"), Some(Changed::Evicted));
    assert_eq!(met(8, b"m"), None);
}

#[test]
fn a_run_whose_ticket_turned_void_leaves_no_trace() {
    let world = World::new();
    world.overlay.link_run(Run::new(7, [(b"k".to_vec(), None)]));
    world.overlay.link_run(Run::new(8, [(b"l".to_vec(), None)]));
    world.overlay.unlink_run(Timestamp(8));
    assert_eq!(world.get(9, b"l"), None);
    assert_eq!(world.newest(b"l"), 0);
    assert_eq!(world.newest(b"k"), 7);
    world.overlay.unlink_run(Timestamp(7));
    assert!(world.overlay.is_empty(&pin()) || world.newest(b"k") == 0);
}

#[test]
fn a_drain_takes_the_newest_changes_up_to_the_cut_in_batches() {
    let world = World::new();
    for ts in 1..=100u64 {
        world.commit(ts, &[(ts % 40) as u8], (ts % 7 > 0).then_some(b"v"));
    }
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let mut batch = Vec::new();
        let more =
            world.overlay.drain(after.as_deref(), Timestamp(20), Timestamp(90), 7, &mut batch);
        after = batch.last().map(|change| change.key.clone());
        all.extend(batch);
        if !more {
            break;
        }
    }
    let expected: Vec<_> = (0..40u64)
        .filter_map(|key| (21..=90u64).rev().find(|ts| ts % 40 == key))
        .map(|ts| ((ts % 40) as u8, ts))
        .collect();
    let drained: Vec<_> = all.iter().map(|change| (change.key[0], change.ts.get())).collect();
    assert_eq!(drained.len(), expected.len());
    assert!(expected.iter().all(|change| drained.contains(change)));
    assert!(drained.is_sorted());
    assert!(all.iter().all(|change| change.value.is_none() == (change.ts.get() % 7 == 0)));
}

/// Two writers insert keys of their own in every order, a collector removes what it may, and
/// readers of both directions must see each key that was installed when they began.
#[test]
fn i4_scans_miss_nothing_that_was_installed_beside_inserts_and_removals() {
    const KEYS: u64 = 6_000;
    let world = World::new();
    // Each writer publishes how many of its keys are in.
    let inserted = [AtomicU64::new(0), AtomicU64::new(0)];
    let done = AtomicBool::new(false);
    let key =
        |writer: u64, at: u64| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) << 1 | writer).to_be_bytes();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..2u64)
            .map(|writer| {
                let (world, count) = (&world, &inserted[writer as usize]);
                scope.spawn(move || {
                    for at in 0..KEYS {
                        // Odd ones stand in the base at once and may be collected.
                        let ts = if at % 2 == 0 { 10 } else { 1 };
                        world.commit(ts, &key(writer, at), Some(&at.to_be_bytes()));
                        count.store(at + 1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let (world, done, inserted) = (&world, &done, &inserted);
        scope.spawn(move || {
            while !done.load(Ordering::SeqCst) {
                world.collect(5);
            }
        });
        scope.spawn(move || {
            while !done.load(Ordering::SeqCst) {
                let floor: Vec<_> = inserted.iter().map(|n| n.load(Ordering::SeqCst)).collect();
                for direction in [Direction::Forward, Direction::Backward] {
                    let guard = pin();
                    let seen: Vec<_> = world
                        .overlay
                        .scan(Unbounded, Unbounded, direction, view(5, 10), &guard)
                        .map(|entry| entry.key.to_vec())
                        .collect();
                    let forward = direction == Direction::Forward;
                    assert!(seen.is_sorted_by(|a, b| if forward { a < b } else { a > b }));
                    let expected: u64 = floor.iter().map(|n| n.div_ceil(2)).sum();
                    assert!(seen.len() as u64 >= expected, "{} of {expected}", seen.len());
                }
            }
        });
        for writer in writers {
            writer.join().expect("no panic");
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(
        scan(&world.overlay, &Runs::new(), (Unbounded, Unbounded), view(5, 10)).len() as u64,
        KEYS
    );
    world.collect(10);
    world.collect(10);
    assert_eq!(world.store.memory(), 0);
}
