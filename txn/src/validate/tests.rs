//! Validation by recent commits against validation by chains, and both against a list of all commits.
#![allow(clippy::expect_used, reason = "a test that can't be set up fails")]

use super::*;
use crate::base::{Base, Roots};
use crate::manager::{Manager, Parts};
use crate::options::{ManagerOptions, Mode, TxOptions};
use crate::trees::TreeRef;
use heddle_base::SchemaVersion;
use heddle_btree::pager::{Pager, PagerOptions};
use heddle_btree::tree::TreeKind;
use heddle_io::Env;
use heddle_mvcc::{Direction, Store, StoreOptions};
use heddle_wal::{Log, LogOptions};
use std::future::Future;
use std::path::Path;
use std::task::{Context, Poll, Waker};

/// Everything is in memory: one poll is enough, or a few.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        std::thread::yield_now();
    }
}

fn manager() -> Manager {
    let env = Env::memory();
    let (pager, _) = block_on(Pager::open(&env, Path::new("x.db"), PagerOptions::default()))
        .expect("a new database");
    let roots = std::sync::Arc::new(Roots::default());
    let base = Base { ts: Timestamp::ZERO, snapshot: pager.snapshot(), roots };
    let log = Log::in_memory(&env, LogOptions::default());
    let store = Store::new(StoreOptions { seed: 1, ..StoreOptions::default() });
    Manager::new(Parts { env, store, log, base, options: ManagerOptions::default() })
}

fn tree(id: u32) -> TreeRef {
    TreeRef {
        id: TreeId(id),
        kind: std::sync::Arc::new(TreeKind::Table),
        table: TreeId(id),
        name: "t".into(),
        schema_version: SchemaVersion(0),
    }
}

fn commit(manager: &Manager, keys: &[(u32, u8)], mode: Mode) -> Timestamp {
    let options = TxOptions { mode, ..TxOptions::default() };
    let mut tx = block_on(manager.begin(options)).expect("it begins");
    for (id, key) in keys {
        tx.put(&tree(*id), Bytes::copy_from_slice(&[*key]), Bytes::new()).expect("it writes");
    }
    block_on(tx.commit()).expect("nobody is in the way").expect("it wrote").ticket
}

fn read_set(rng: &mut fastrand::Rng) -> ReadSet {
    let mut reads = ReadSet::new(1 << 20);
    for _ in 0..[0, 1, 2, 40][rng.usize(0..4)] {
        reads.point(TreeId(rng.u32(1..4)), &[rng.u8(..)], Purpose::Read);
    }
    for _ in 0..rng.usize(0..3) {
        let (a, b) = ([rng.u8(..)], [rng.u8(..)]);
        let id = TreeId(rng.u32(1..4));
        let near = if rng.bool() { Bound::Included(&a[..]) } else { Bound::Excluded(&a[..]) };
        let open = reads.open(id, near, Direction::Forward, Purpose::Constraint);
        let far = if rng.bool() { Bound::Included(&b[..]) } else { Bound::Excluded(&b[..]) };
        reads.extend(open, far, Direction::Forward);
    }
    reads
}

/// Whether a key was read, by the definition.
fn was_read(reads: &ReadSet, id: u32, key: u8) -> bool {
    reads.points().any(|(tree, _, point)| tree.get() == id && point == [key])
        || reads.ranges().iter().any(|range| range.covers(TreeId(id), &[key]))
}

#[test]
fn v2_recent_commits_chains_and_a_list_of_all_commits_agree() {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut outcomes = [0; 2];
    for _ in 0..30 {
        let manager = manager();
        let shared = manager.shared();
        let mut history = Vec::new();
        for _ in 0..80 {
            let keys: Vec<_> = (0..rng.usize(1..4)).map(|_| (rng.u32(1..3), rng.u8(..))).collect();
            let mode = if rng.u8(0..8) == 0 { Mode::Immediate } else { Mode::Optimistic };
            let ticket = commit(&manager, &keys, mode);
            history.extend(keys.iter().map(|key| (ticket, *key)));
            let reads = read_set(&mut rng);
            let since = Timestamp(rng.u64(0..=ticket.get()));
            let me = Timestamp(rng.u64(since.get() + 1..=ticket.get() + 1));
            let changed = history
                .iter()
                .any(|(at, (id, key))| since < *at && *at < me && was_read(&reads, *id, *key));
            let validation = Validation::new(shared, &reads, since);
            let guard = heddle_mvcc::pin();
            let by_chain = validation
                .points_by_chain(Some(me), &guard)
                .or_else(|| validation.ranges_by_chain(Some(me), &guard));
            let by_recent = validation.among_recent(me, true).expect("it reaches back");
            assert_eq!(by_chain.is_some(), changed, "{reads:?} {since}..{me}");
            assert_eq!(by_recent.is_some(), changed, "{reads:?} {since}..{me}");
            assert_eq!(validation.finish(me).is_some(), changed, "{reads:?} {since}..{me}");
            outcomes[usize::from(changed)] += 1;
        }
    }
    assert!(outcomes[0] > 500 && outcomes[1] > 500, "{outcomes:?}");
}

#[test]
fn v1_a_look_ahead_and_the_remainder_see_what_one_look_sees() {
    let mut rng = fastrand::Rng::with_seed(8);
    for _ in 0..200 {
        let manager = manager();
        let shared = manager.shared();
        let reads = read_set(&mut rng);
        let since = commit(&manager, &[(1, 0)], Mode::Optimistic);
        let mut changed = false;
        let mut round = |rng: &mut fastrand::Rng| {
            for _ in 0..rng.usize(0..25) {
                let (id, key) = (rng.u32(1..4), rng.u8(..));
                commit(&manager, &[(id, key)], Mode::Optimistic);
                changed |= was_read(&reads, id, key);
            }
            changed
        };
        let mut validation = Validation::new(shared, &reads, since);
        let first = round(&mut rng);
        let ahead = validation.ahead();
        assert!(ahead.is_none() || first, "nothing is invented");
        if ahead.is_some() {
            continue;
        }
        let all = round(&mut rng);
        let me = Timestamp(shared.log.drawn().get() + 1);
        assert_eq!(validation.finish(me).is_some(), all);
    }
}

#[test]
fn what_the_recent_commits_forgot_is_asked_of_the_chains() {
    let manager = manager();
    let shared = manager.shared();
    let since = commit(&manager, &[(1, 0)], Mode::Optimistic);
    commit(&manager, &[(1, 7)], Mode::Optimistic);
    for _ in 0..shared.recent.reach() {
        commit(&manager, &[(2, 0)], Mode::Optimistic);
    }
    let mut reads = ReadSet::new(1 << 20);
    let open = reads.open(TreeId(1), Bound::Included(&[5]), Direction::Forward, Purpose::Read);
    reads.extend(open, Bound::Included(&[9]), Direction::Forward);
    let me = Timestamp(shared.log.drawn().get() + 1);
    let mut validation = Validation::new(shared, &reads, since);
    assert!(validation.among_recent(me, true).is_err());
    assert_eq!(validation.finish(me).map(|broken| broken.kind), Some(ConflictKind::RangeRead));
    assert!(validation.ahead().is_some());
}
