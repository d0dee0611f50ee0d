//! Validation: points, ranges, and those who are between their locks and their publication.

#![allow(clippy::expect_used)]

mod common;

use bytes::Bytes;
use common::World;
use heddle_base::Timestamp;
use heddle_mvcc::{Change, TxnStatus, pin};
use std::ops::Bound;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

impl World {
    fn range(&self, bounds: (Bound<&[u8]>, Bound<&[u8]>), since: u64, me: u64) -> Option<Change> {
        let me = (me > 0).then_some(Timestamp(me));
        self.overlay.range_changed(bounds.0, bounds.1, Timestamp(since), me, &pin())
    }

    /// Runs `look` while somebody holds `key` with a pending version, at each stage of a commit at
    /// `ticket`: locked, drawing, drawn, committed.
    fn stages(&self, key: &[u8], ticket: u64, mut look: impl FnMut() -> bool) -> [bool; 4] {
        let status = TxnStatus::new();
        let mut chain = self.overlay.try_lock(key).expect("free");
        chain.link(Some(Bytes::from_static(b"pending")), &status);
        let locked = look();
        status.set_drawing();
        let drawing = look();
        status.set_drawn(Timestamp(ticket));
        let drawn = look();
        status.set_committed(Timestamp(ticket));
        [locked, drawing, drawn, look()]
    }
}

#[test]
fn a_point_changed_if_a_commit_lies_between_snapshot_and_ticket() {
    let world = World::new();
    world.commit(10, b"k", Some(b"v"));
    assert!(world.changed(b"k", 9, 11));
    assert!(!world.changed(b"k", 10, 11), "my snapshot has it");
    assert!(!world.changed(b"k", 5, 10), "that is my own");
    assert!(!world.changed(b"k", 5, 9), "it came after me");
    assert!(!world.changed(b"other", 0, 99));
    world.commit(20, b"k", None);
    assert!(world.changed(b"k", 10, 21), "a deletion is a change");
    assert!(!world.changed(b"k", 10, 15), "of the two only the first came before me");
    assert!(world.changed(b"k", 9, 15));
}

#[test]
fn an_absent_key_that_was_inserted_changed() {
    let world = World::new();
    assert!(!world.changed(b"k", 5, 9));
    world.commit(7, b"k", Some(b"v"));
    assert!(world.changed(b"k", 5, 9));
}

#[test]
fn x1_pending_versions_count_from_drawing_on_if_their_ticket_is_smaller() {
    let world = World::new();
    world.commit(1, b"k", Some(b"v"));
    let point = |ticket| world.stages(b"k", ticket, || world.changed(b"k", 5, 10));
    // Locked will draw after me; drawing counts as smaller; then the ticket decides.
    assert_eq!(point(8), [false, true, true, true]);
    let other = World::new();
    other.commit(1, b"k", Some(b"v"));
    let stages = other.stages(b"k", 12, || other.changed(b"k", 5, 10));
    assert_eq!(stages, [false, true, false, false]);
}

#[test]
fn x1_holds_for_ranges_too() {
    let world = World::new();
    let all = (Unbounded, Unbounded);
    let stages = world.stages(b"k", 8, || world.range(all, 5, 10).is_some());
    assert_eq!(stages, [false, true, true, true]);
}

#[test]
fn a_void_transaction_changes_nothing() {
    let world = World::new();
    let status = TxnStatus::new();
    let mut chain = world.overlay.try_lock(b"k").expect("free");
    chain.link(None, &status);
    status.set_drawing();
    status.set_drawn(Timestamp(8));
    status.set_void();
    assert!(!world.changed(b"k", 5, 10));
    drop(chain);
    assert!(!world.changed(b"k", 5, 10));
    assert_eq!(world.range((Unbounded, Unbounded), 5, 10), None);
}

#[test]
fn one_is_no_conflict_to_oneself() {
    let world = World::new();
    let status = TxnStatus::new();
    let mut chain = world.overlay.try_lock(b"k").expect("free");
    chain.link(None, &status);
    assert!(!world.overlay.changed(b"k", Timestamp(5), None, &pin()), "before the draw");
    status.set_drawing();
    status.set_drawn(Timestamp(10));
    assert!(!world.changed(b"k", 5, 10));
    assert_eq!(world.range((Unbounded, Unbounded), 5, 10), None);
}

#[test]
fn before_the_draw_every_commit_since_the_snapshot_counts() {
    let world = World::new();
    world.commit(10, b"k", Some(b"v"));
    let changed = |since| world.overlay.changed(b"k", Timestamp(since), None, &pin());
    assert!(changed(9));
    assert!(!changed(10));
}

#[test]
fn a_range_changed_only_within_its_bounds() {
    let world = World::new();
    for (ts, key) in [(1, b"b"), (2, b"d"), (3, b"f")] {
        world.commit(ts, key, Some(b"v"));
    }
    world.commit(10, b"d", None);
    let d = Some(Change::Key(Bytes::from_static(b"d")));
    assert_eq!(world.range((Unbounded, Unbounded), 5, 20), d);
    assert_eq!(world.range((Included(b"d"), Included(b"d")), 5, 20), d);
    assert_eq!(world.range((Included(b"a"), Excluded(b"d")), 5, 20), None);
    assert_eq!(world.range((Excluded(b"d"), Unbounded), 5, 20), None);
    assert_eq!(world.range((Included(b"c"), Included(b"e")), 5, 20), d);
    assert_eq!(world.range((Unbounded, Unbounded), 10, 20), None);
    assert_eq!(world.range((Unbounded, Unbounded), 5, 10), None);
}

#[test]
fn a_phantom_is_found() {
    let world = World::new();
    world.commit(1, b"a", Some(b"v"));
    world.commit(2, b"z", Some(b"v"));
    world.commit(7, b"m", Some(b"v"));
    let found = world.range((Included(b"b"), Included(b"y")), 5, 9);
    assert_eq!(found, Some(Change::Key(Bytes::from_static(b"m"))));
}

#[test]
fn a_range_whose_chains_went_is_conservative_per_tree() {
    let world = World::new();
    world.commit(7, b"m", Some(b"v"));
    world.collect(7);
    // Nobody remembers which key it was.
    assert_eq!(world.range((Included(b"a"), Included(b"b")), 5, 9), Some(Change::Evicted));
    assert_eq!(world.range((Included(b"a"), Included(b"b")), 7, 9), None);
    let other = world.store.tree(heddle_base::TreeId(99));
    let seen = other.range_changed(Unbounded, Unbounded, Timestamp(5), None, &pin());
    assert_eq!(seen, None, "another tree notices nothing");
}

/// Random commits, reads validated against a list of all commits: a change must never be missed,
/// and without any collection none may be invented.
#[test]
fn validation_agrees_with_a_list_of_all_commits() {
    for seed in 0..40 {
        let world = World::new();
        let mut rng = common::rng(seed);
        let mut history: Vec<(u64, [u8; 1])> = Vec::new();
        let mut collected = false;
        for ts in 1..=120u64 {
            let key = [rng.u8(0..20)];
            world.commit(ts, &key, (rng.u8(0..5) > 0).then_some(b"v"));
            history.push((ts, key));
            if seed % 2 == 1 && rng.u8(0..20) == 0 {
                collected = true;
                world.collect(rng.u64(0..=ts));
            }
            let since = rng.u64(0..=ts);
            let me = rng.u64(since + 1..=ts + 2);
            let within = |at: u64| since < at && at < me;
            let key = [rng.u8(0..20)];
            let changed = history.iter().any(|(at, k)| *k == key && within(*at));
            let found = world.changed(&key, since, me);
            assert!(found || !changed, "seed {seed}: {key:?} changed in {since}..{me}");
            assert!(collected || found == changed, "seed {seed}: {key:?} is the same");
            let (from, to) = ([rng.u8(0..20)], [rng.u8(0..20)]);
            let changed = history.iter().any(|(at, k)| from <= *k && *k < to && within(*at));
            let found = world.range((Included(&from), Excluded(&to)), since, me).is_some();
            assert!(found || !changed, "seed {seed}: {from:?}..{to:?} changed in {since}..{me}");
            assert!(collected || found == changed, "seed {seed}: {from:?}..{to:?} is the same");
        }
    }
}

#[test]
fn a_status_is_shared_by_all_versions_of_its_transaction() {
    let status = TxnStatus::new();
    let world = World::new();
    let mut chain = world.overlay.try_lock(b"k").expect("free");
    chain.link(None, &status);
    assert_eq!(Arc::strong_count(&status), 2);
}
