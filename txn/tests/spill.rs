//! Transactions larger than memory: their own reads, what others see, whom they conflict with, and which files stay.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::path::Path;

use bytes::Bytes;
use common::*;
use heddle_base::Timestamp;
use heddle_io::{Env, Simulation};
use heddle_txn::{
    ConflictKind, Cursor, Direction, Durability, Error, Isolation, Manager, Mode, Retry, Savepoint,
    Transaction, TreeRef, TxOptions,
};
use heddle_wal::run::list_runs;
use proptest::prelude::*;

const T: u32 = 2;
const OTHER: u32 = 7;

/// A budget that a few rows exceed.
fn tiny() -> TxOptions {
    TxOptions { write_budget: 1024, ..TxOptions::default() }
}

async fn spilling(m: &Manager, rows: std::ops::Range<i64>) -> Transaction {
    let mut tx = m.begin(tiny()).await.unwrap();
    for row in rows {
        put(&mut tx, T, row, Some(row)).await;
    }
    assert!(tx.spilled_bytes() > 0, "the budget is tiny");
    tx
}

async fn put(tx: &mut Transaction, tree: u32, row: i64, new: Option<i64>) {
    match new {
        Some(new) => tx.put(&table(tree), key(row), value(new)).unwrap(),
        None => tx.delete(&table(tree), key(row)).unwrap(),
    }
    tx.make_room().await.unwrap();
}

async fn walk(
    tx: &mut Transaction,
    tree: &TreeRef,
    bounds: (Bound<i64>, Bound<i64>),
    way: Direction,
) -> Vec<(i64, i64)> {
    let mut cursor = tx.range(tree, bounds.0.map(key), bounds.1.map(key), way);
    rest(&mut cursor, tx).await
}

async fn rest(cursor: &mut Cursor, tx: &mut Transaction) -> Vec<(i64, i64)> {
    let mut found = Vec::new();
    while let Some(row) = cursor.next_with(tx, |k, v| (rowid(k), number(v))).await.unwrap() {
        found.push(row);
    }
    found
}

async fn all(tx: &mut Transaction, tree: u32) -> Vec<(i64, i64)> {
    let tree = table(tree);
    let forward = walk(tx, &tree, (Unbounded, Unbounded), Direction::Forward).await;
    let mut backward = walk(tx, &tree, (Unbounded, Unbounded), Direction::Backward).await;
    backward.reverse();
    assert_eq!(forward, backward, "both ways meet the same");
    forward
}

async fn now(m: &Manager, tree: u32) -> Vec<(i64, i64)> {
    all(&mut m.begin(TxOptions::default()).await.unwrap(), tree).await
}

async fn write_one(m: &Manager, row: i64, new: i64) {
    let mut tx = m.begin(TxOptions::default()).await.unwrap();
    tx.put(&table(T), key(row), value(new)).unwrap();
    tx.commit().await.unwrap();
}

/// How many run files there are, once those that are being removed are gone.
async fn runs(env: &Env) -> usize {
    heddle_mvcc::pin().flush();
    for _ in 0..100 {
        // Overlays let go of a run when no reader can stand in its epoch any more.
        heddle_mvcc::pin().flush();
        env.runtime.sleep(std::time::Duration::from_millis(1)).await;
    }
    list_runs(env, Path::new(DB)).await.unwrap().len()
}

fn same(rows: std::ops::Range<i64>) -> Vec<(i64, i64)> {
    rows.map(|row| (row, row)).collect()
}

fn conflict<T: std::fmt::Debug>(result: Result<T, Error>) -> (ConflictKind, Option<i64>) {
    match result {
        Err(Error::Conflict(conflict)) => (conflict.kind, conflict.key.map(|k| rowid(&k))),
        other => panic!("{other:?}"),
    }
}

// ---- what it reads itself ----

#[derive(Debug, Clone)]
enum Act {
    Write(u32, i64, Option<i64>),
    Read(u32, i64),
    Range(u32, (Bound<i64>, Bound<i64>), bool),
    Savepoint,
    RollbackTo(usize),
    Release(usize),
}

const ROWS: i64 = 120;

fn bound() -> impl Strategy<Value = Bound<i64>> {
    prop_oneof![
        Just(Unbounded),
        (-2..ROWS + 2).prop_map(Included),
        (-2..ROWS + 2).prop_map(Excluded)
    ]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let tree = || prop_oneof![3 => Just(T), 1 => Just(OTHER)];
    let act = prop_oneof![
        30 => (tree(), 0..ROWS, any::<Option<i64>>()).prop_map(|(t, r, v)| Act::Write(t, r, v)),
        3 => (tree(), 0..ROWS).prop_map(|(t, r)| Act::Read(t, r)),
        2 => (tree(), (bound(), bound()), any::<bool>()).prop_map(|(t, b, w)| Act::Range(t, b, w)),
        2 => Just(Act::Savepoint),
        1 => (0usize..4).prop_map(Act::RollbackTo),
        1 => (0usize..4).prop_map(Act::Release),
    ];
    proptest::collection::vec(act, 1..500)
}

type Model = BTreeMap<(u32, i64), i64>;

fn expected(model: &Model, tree: u32, (lower, upper): (Bound<i64>, Bound<i64>)) -> Vec<(i64, i64)> {
    let within = |row: i64| std::ops::RangeBounds::contains(&(lower, upper), &row);
    let rows = model.iter().filter(|((t, row), _)| *t == tree && within(*row));
    rows.map(|((_, row), value)| (*row, *value)).collect()
}

async fn act(
    tx: &mut Transaction,
    model: &mut Model,
    saved: &mut Vec<(Savepoint, Model)>,
    act: Act,
) {
    match act {
        Act::Write(tree, row, new) => {
            put(tx, tree, row, new).await;
            match new {
                Some(new) => model.insert((tree, row), new),
                None => model.remove(&(tree, row)),
            };
        }
        Act::Read(tree, row) => {
            let seen = tx.get(&table(tree), &key(row)).await.unwrap();
            assert_eq!(seen.map(|v| number(&v)), model.get(&(tree, row)).copied());
            let at_once = tx.try_get_with(&table(tree), &key(row), |v| v.map(number)).unwrap();
            assert!(at_once.is_none_or(|seen| seen == model.get(&(tree, row)).copied()));
        }
        Act::Range(tree, bounds, forward) => {
            let way = if forward { Direction::Forward } else { Direction::Backward };
            let mut expected = expected(model, tree, bounds);
            if !forward {
                expected.reverse();
            }
            assert_eq!(walk(tx, &table(tree), bounds, way).await, expected);
        }
        Act::Savepoint => saved.push((tx.savepoint(), model.clone())),
        Act::RollbackTo(at) if at < saved.len() => {
            saved.truncate(at + 1);
            tx.rollback_to(saved[at].0).unwrap();
            *model = saved[at].1.clone();
        }
        Act::Release(at) if at < saved.len() => {
            tx.release(saved[at].0).unwrap();
            saved.truncate(at);
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_spilled_transaction_reads_and_commits_what_a_model_holds(
        before in proptest::collection::vec((0..ROWS, any::<i64>()), 0..40),
        acts in acts(),
        budget in prop_oneof![Just(0usize), Just(400), Just(1024), Just(4096)],
    ) {
        let simulation = Simulation::new(1);
        let env = simulation.env();
        simulation.block_on(async {
            let m = logged(&env).await.unwrap();
            let mut model = Model::new();
            for (row, new) in before {
                write_one(&m, row, new).await;
                model.insert((T, row), new);
            }
            let old = model.clone();
            let mut reader = m.begin(TxOptions::default()).await.unwrap();
            let mut tx = m.begin(TxOptions { write_budget: budget, ..tiny() }).await.unwrap();
            let mut saved = Vec::new();
            for next in acts {
                act(&mut tx, &mut model, &mut saved, next).await;
            }
            for tree in [T, OTHER] {
                assert_eq!(all(&mut tx, tree).await, expected(&model, tree, (Unbounded, Unbounded)));
            }
            tx.commit().await.unwrap();
            for tree in [T, OTHER] {
                let (all_rows, whole) = ((Unbounded, Unbounded), now(&m, tree).await);
                assert_eq!(whole, expected(&model, tree, all_rows));
                assert_eq!(all(&mut reader, tree).await, expected(&old, tree, all_rows));
            }
            for row in 0..ROWS {
                let mut tx = m.begin(TxOptions::default()).await.unwrap();
                let seen = tx.get(&table(T), &key(row)).await.unwrap();
                assert_eq!(seen.map(|v| number(&v)), model.get(&(T, row)).copied());
            }
            assert!(runs(&env).await <= 1);
        });
    }
}

#[test]
fn c2_a_walk_sees_what_is_written_ahead_of_it_also_when_that_spills() {
    let simulation = Simulation::new(2);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        let mut tx = spilling(&m, 0..100).await;
        let mut cursor = tx.range(&table(T), Unbounded, Unbounded, Direction::Forward);
        let mut seen = Vec::new();
        while let Some(row) = cursor.next_with(&mut tx, |k, _| rowid(k)).await.unwrap() {
            seen.push(row);
            if row < 50 {
                // Ahead: one more, one less; behind: unseen.
                put(&mut tx, T, row + 1000, Some(0)).await;
                put(&mut tx, T, row + 50, None).await;
                put(&mut tx, T, row - 1000, Some(0)).await;
            }
        }
        let expected: Vec<i64> = (0..50).chain(1000..1050).collect();
        assert_eq!(seen, expected);
    });
}

#[test]
fn s3_rolling_back_drops_the_runs_of_the_interval_and_their_files() {
    let simulation = Simulation::new(3);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        let mut tx = spilling(&m, 0..100).await;
        put(&mut tx, T, 0, Some(-1)).await;
        let mark = tx.savepoint();
        let before = tx.spilled_bytes();
        for row in 50..200 {
            put(&mut tx, T, row, Some(0)).await;
        }
        assert!(tx.spilled_bytes() > before);
        tx.rollback_to(mark).unwrap();
        let mut expected = same(0..100);
        expected[0] = (0, -1);
        assert_eq!(all(&mut tx, T).await, expected);
        tx.rollback_to(mark).unwrap();
        drop(tx);
        assert_eq!(runs(&env).await, 0);
        assert_eq!(now(&m, T).await, []);
    });
}

#[test]
fn many_runs_of_one_interval_are_merged_on_the_way() {
    let simulation = Simulation::new(4);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        let mut tx = spilling(&m, 0..3000).await;
        let spilled = m.metrics().spilled_runs;
        assert!(spilled > 100 && runs(&env).await < 32, "of {spilled}");
        assert_eq!(all(&mut tx, T).await, same(0..3000));
        tx.commit().await.unwrap();
        assert_eq!(runs(&env).await, 1);
        assert_eq!(now(&m, T).await, same(0..3000));
    });
}

// ---- what others see ----

#[test]
fn snapshots_before_and_after_a_run_see_what_was_there_then() {
    let simulation = Simulation::new(5);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        write_one(&m, 5, -5).await;
        let mut before = m.begin(TxOptions::default()).await.unwrap();
        let tx = spilling(&m, 0..100).await;
        assert_eq!(now(&m, T).await, [(5, -5)], "nobody sees it before its commit");
        tx.commit().await.unwrap();
        let mut after = m.begin(TxOptions::default()).await.unwrap();
        write_one(&m, 7, -7).await;
        let mut second = m.begin(tiny()).await.unwrap();
        for row in 0..100 {
            put(&mut second, T, row, (row % 2 == 0).then_some(0)).await;
        }
        second.commit().await.unwrap();
        write_one(&m, 8, -8).await;
        assert_eq!(all(&mut before, T).await, [(5, -5)]);
        assert_eq!(all(&mut after, T).await, same(0..100));
        let evens = (0..100).filter(|row| row % 2 == 0);
        let evens: Vec<_> = evens.map(|row| (row, if row == 8 { -8 } else { 0 })).collect();
        assert_eq!(now(&m, T).await, evens);
        assert_eq!(all(&mut m.snapshot().unwrap(), T).await, evens);
        assert_eq!(after.get(&table(T), &key(99)).await.unwrap(), Some(value(99)));
        assert_eq!(before.get(&table(T), &key(99)).await.unwrap(), None);
    });
}

#[test]
fn u2_a_run_that_a_base_holds_goes_with_its_last_reader() {
    let simulation = Simulation::new(6);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        spilling(&m, 0..100).await.commit().await.unwrap();
        let (ticket, run) = m.runs().pop().unwrap();
        assert_eq!((run.len(), run.trees().len()), (100, 1));
        drop(run);
        assert_eq!(m.metrics().runs, 1);
        let mut reader = m.begin(TxOptions::default()).await.unwrap();
        // As if a checkpoint had merged it: what the base holds is not this test's business.
        let base = m.base();
        m.publish_base(heddle_txn::Base { ts: ticket, ..base });
        m.release_runs(ticket);
        m.collect(usize::MAX);
        assert!(m.runs().is_empty());
        assert_eq!(all(&mut reader, T).await, same(0..100));
        assert_eq!(runs(&env).await, 1);
        drop(reader);
        m.collect(usize::MAX);
        assert_eq!(runs(&env).await, 0);
        assert_eq!(m.store().memory(), 0);
    });
}

// ---- whom it meets ----

#[test]
fn a_run_conflicts_with_what_was_written_to_its_keys_since_its_snapshot() {
    let simulation = Simulation::new(7);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        let tx = spilling(&m, 0..100).await;
        write_one(&m, 50, -1).await;
        assert_eq!(conflict(tx.commit().await), (ConflictKind::WriteWrite, Some(50)));
        assert_eq!(now(&m, T).await, [(50, -1)]);
        // Neighbours of its keys are nobody's business.
        let tx = spilling(&m, 0..100).await;
        write_one(&m, 1000, -1).await;
        tx.commit().await.unwrap();
        // Of another run only the bounds are compared.
        let second = spilling(&m, 50..150).await;
        let third = spilling(&m, 2000..2100).await;
        spilling(&m, 0..100).await.commit().await.unwrap();
        assert_eq!(conflict(second.commit().await).0, ConflictKind::Evicted);
        third.commit().await.unwrap();
        assert_eq!(now(&m, T).await.len(), 201);
        // The two that failed left no file.
        assert_eq!(runs(&env).await, 3);
    });
}

#[test]
fn a_run_conflicts_with_changes_of_what_it_read() {
    let simulation = Simulation::new(8);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        write_one(&m, 1000, 1).await;
        for isolation in [Isolation::Serializable, Isolation::Snapshot] {
            let mut tx = m.begin(TxOptions { isolation, ..tiny() }).await.unwrap();
            tx.get(&table(T), &key(1000)).await.unwrap();
            for row in 0..100 {
                put(&mut tx, T, row, Some(row)).await;
            }
            write_one(&m, 1000, 2).await;
            let result = tx.commit().await;
            if isolation == Isolation::Serializable {
                assert_eq!(conflict(result), (ConflictKind::PointRead, Some(1000)));
            } else {
                result.unwrap();
            }
        }
    });
}

#[test]
fn who_wrote_or_read_what_a_run_has_conflicts_and_gets_through_again() {
    let simulation = Simulation::new(9);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        let t = table(T);
        let mut writer = m.begin(TxOptions::default()).await.unwrap();
        let mut reader = m.begin(TxOptions::default()).await.unwrap();
        let mut ranger = m.begin(TxOptions::default()).await.unwrap();
        let mut beside = m.begin(TxOptions::default()).await.unwrap();
        let mut large = spilling(&m, 0..100).await;
        writer.put(&t, key(50), value(-1)).unwrap();
        reader.get(&t, &key(50)).await.unwrap();
        reader.put(&t, key(500), value(-1)).unwrap();
        walk(&mut ranger, &t, (Included(90), Included(200)), Direction::Backward).await;
        ranger.put(&t, key(501), value(-1)).unwrap();
        walk(&mut beside, &t, (Included(200), Included(300)), Direction::Forward).await;
        beside.get(&t, &key(1000)).await.unwrap();
        beside.put(&t, key(502), value(-1)).unwrap();
        put(&mut large, OTHER, 1, Some(1)).await;
        large.commit().await.unwrap();
        let lost = conflict(writer.commit().await).0;
        assert!(matches!(lost, ConflictKind::WriteWrite | ConflictKind::Evicted), "{lost:?}");
        assert_eq!(conflict(reader.commit().await), (ConflictKind::PointRead, Some(50)));
        assert_eq!(conflict(ranger.commit().await).0, ConflictKind::Evicted);
        beside.commit().await.unwrap();
        let mut again = m.begin(TxOptions::default()).await.unwrap();
        assert_eq!(again.get(&t, &key(50)).await.unwrap(), Some(value(50)));
        again.put(&t, key(50), value(-1)).unwrap();
        again.commit().await.unwrap();
        assert_eq!(now(&m, T).await.len(), 101);
    });
}

#[test]
fn a_retry_of_a_spilled_transaction_gets_through() {
    let simulation = Simulation::new(10);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        let mut retry = Retry::new(&m, tiny());
        for attempt in 0.. {
            let mut tx = retry.begin().await.unwrap();
            for row in 0..100 {
                put(&mut tx, T, row, Some(attempt)).await;
            }
            // Somebody is always faster, until the gate is closed to him.
            let hurried = TxOptions { busy_timeout: Some(Default::default()), ..tiny() };
            let mut other = m.begin(hurried).await.unwrap();
            other.put(&table(T), key(attempt), value(-1)).unwrap();
            let other = other.commit().await;
            match tx.commit().await {
                Ok(_) => {
                    assert!(matches!(other, Err(Error::Busy { .. })));
                    break;
                }
                Err(Error::Conflict(conflict)) => retry.failed(*conflict),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(retry.failures(), 8);
        assert_eq!(now(&m, T).await, (0..100).map(|row| (row, 8)).collect::<Vec<_>>());
    });
}

#[test]
fn closing_a_table_lists_the_keys_of_runs_too() {
    let simulation = Simulation::new(11);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        let mut builder = m.begin(tiny()).await.unwrap();
        for row in 0..100 {
            put(&mut builder, OTHER, row, Some(row)).await;
        }
        write_one(&m, 1000, 1).await;
        spilling(&m, 0..100).await.commit().await.unwrap();
        let changed = builder.close_table(&table(T)).await.unwrap().unwrap();
        let changed: Vec<i64> = changed.iter().map(|k| rowid(k)).collect();
        assert_eq!(changed, (0..100).chain([1000]).collect::<Vec<_>>());
        builder.commit().await.unwrap();
        assert_eq!(now(&m, OTHER).await, same(0..100));
    });
}

#[test]
fn e3_who_closed_a_table_before_spilling_keeps_its_writes_in_memory() {
    let simulation = Simulation::new(12);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        let mut tx = m.begin(tiny()).await.unwrap();
        tx.close_table(&table(T)).await.unwrap();
        for row in 0..100 {
            put(&mut tx, T, row, Some(row)).await;
        }
        assert_eq!(tx.spilled_bytes(), 0);
        tx.commit().await.unwrap();
        assert_eq!(now(&m, T).await, same(0..100));
    });
}

#[test]
fn an_immediate_transaction_spills_and_commits() {
    let simulation = Simulation::new(13);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        let options = TxOptions { mode: Mode::Immediate, ..tiny() };
        let mut tx = m.begin(options).await.unwrap();
        for row in 0..100 {
            put(&mut tx, T, row, Some(row)).await;
        }
        assert!(tx.spilled_bytes() > 0);
        let committed = tx.commit().await.unwrap().unwrap();
        assert!(m.log().durable() >= committed.ticket);
        assert_eq!(now(&m, T).await, same(0..100));
    });
}

#[test]
fn a_database_without_files_keeps_all_writes_in_memory() {
    let (m, t) = (manager(), table(T));
    let mut tx = m.try_begin(tiny()).unwrap();
    for row in 0..100 {
        tx.put(&t, key(row), value(row)).unwrap();
        assert!(!tx.needs_room());
        block_on(tx.make_room()).unwrap();
    }
    block_on(tx.commit()).unwrap();
    assert_eq!(rows(&mut begin(&m), &t), same(0..100));
}

// ---- failures ----

#[test]
fn e2_dropped_at_each_wait_a_spill_leaves_the_writes_and_no_file() {
    for polls in 0..60 {
        let simulation = Simulation::new(polls);
        let env = simulation.env();
        simulation.block_on(async {
            let m = logged(&env).await.unwrap();
            let mut tx = m.begin(tiny()).await.unwrap();
            let mark = tx.savepoint();
            for row in 0..100 {
                tx.put(&table(T), key(row), value(row)).unwrap();
            }
            tx.savepoint();
            for row in 50..150 {
                tx.put(&table(T), key(row), value(row)).unwrap();
            }
            let mut left = polls;
            let mut spill = Box::pin(tx.make_room());
            let ended = std::future::poll_fn(|cx| {
                if left == 0 {
                    return std::task::Poll::Ready(false);
                }
                left -= 1;
                spill.as_mut().poll(cx).map(|result| result.is_ok())
            })
            .await;
            drop(spill);
            assert_eq!(tx.needs_room(), !ended);
            assert_eq!(all(&mut tx, T).await, same(0..150));
            assert_eq!(runs(&env).await, if ended { 2 } else { 0 });
            if polls % 2 == 0 {
                tx.rollback_to(mark).unwrap();
                assert_eq!(all(&mut tx, T).await, []);
            }
            let left = if polls % 2 == 0 { 0..0 } else { 0..150 };
            tx.commit().await.unwrap();
            assert_eq!(now(&m, T).await, same(left));
        });
    }
}

#[test]
fn a_full_disk_fails_the_spill_and_nothing_else() {
    let simulation = Simulation::new(15);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        let mut tx = m.begin(tiny()).await.unwrap();
        for row in 0..100 {
            tx.put(&table(T), key(row), value(row)).unwrap();
        }
        let full = heddle_io::Fault::on_any().os_error(28);
        simulation.inject(full);
        let error = tx.make_room().await.unwrap_err();
        assert!(matches!(error, Error::Log(heddle_wal::Error::DiskFull(_))), "{error:?}");
        simulation.clear_faults();
        assert_eq!(runs(&env).await, 0);
        write_one(&m, 1000, 1).await;
        tx.make_room().await.unwrap();
        assert!(tx.spilled_bytes() > 0);
        tx.commit().await.unwrap();
        assert_eq!(now(&m, T).await.len(), 101);
    });
}

#[test]
fn corrupt_runs_are_named_and_never_read_as_something_else() {
    for seed in 0..30 {
        let simulation = Simulation::new(seed);
        let env = simulation.env();
        simulation.block_on(async {
            let m = logged(&env).await.unwrap();
            let mut own = spilling(&m, 1000..1100).await;
            spilling(&m, 0..100).await.commit().await.unwrap();
            let files = simulation.disk().files();
            let files = files.into_iter().filter(|path| path.to_string_lossy().contains("-run-"));
            let files: Vec<_> = files.collect();
            for path in &files {
                // Beyond the header, which is not read again, in the first block.
                simulation.disk().flip_bit(path, 40 + seed, 1);
            }
            let named = |error: &Error| match error {
                Error::Log(heddle_wal::Error::Corrupt { path, .. }) => {
                    assert!(files.contains(path))
                }
                other => panic!("seed {seed}: {other}"),
            };
            let mut reader = m.begin(TxOptions::default()).await.unwrap();
            named(&reader.get(&table(T), &key(0)).await.unwrap_err());
            let mut cursor = reader.range(&table(T), Unbounded, Unbounded, Direction::Forward);
            named(&cursor.next(&mut reader).await.unwrap_err());
            named(&own.get(&table(T), &key(1000)).await.unwrap_err());
            let mut cursor =
                own.range(&table(T), Included(key(1000)), Unbounded, Direction::Forward);
            named(&cursor.next(&mut own).await.unwrap_err());
            named(&own.commit().await.unwrap_err());
            write_one(&m, 2000, 1).await;
        });
    }
}

/// Commits two rows in memory, then a run over them and others, then a row again.
async fn three_commits(env: Env, done: &std::cell::Cell<u32>) -> heddle_txn::Result<()> {
    let m = logged(&env).await?;
    let mut tx = m.begin(tiny()).await?;
    for row in [10, 2000] {
        tx.put(&table(T), key(row), value(-1))?;
    }
    tx.commit().await?;
    done.set(1);
    let mut tx = m.begin(tiny()).await?;
    for row in 0..200 {
        tx.put(&table(T), key(row), value(row))?;
        tx.make_room().await?;
    }
    tx.delete(&table(T), key(2000))?;
    tx.commit().await?;
    done.set(2);
    let mut tx = m.begin(tiny()).await?;
    tx.put(&table(T), key(3000), value(3000))?;
    tx.commit().await?;
    done.set(3);
    Ok(())
}

#[test]
fn crash_at_each_operation_a_run_is_committed_or_is_not() {
    let mut seen = [0; 4];
    for at in 1.. {
        let simulation = Simulation::new(at);
        let done = std::cell::Cell::new(0);
        simulation.power_off_at(at);
        let ended = simulation.run(three_commits(simulation.env(), &done)).is_some();
        simulation.crash();
        let env = simulation.restart();
        simulation.block_on(async {
            let m = logged(&env).await.unwrap_or_else(|e| panic!("power off at {at}: {e}"));
            let states = [
                Vec::new(),
                vec![(10, -1), (2000, -1)],
                same(0..200),
                [same(0..200), same(3000..3001)].concat(),
            ];
            let found = now(&m, T).await;
            let state = states.iter().position(|state| *state == found);
            let state = state.unwrap_or_else(|| panic!("power off at {at}: {found:?}"));
            assert!(state as u32 >= done.get(), "power off at {at}: lost what was acknowledged");
            seen[state] += 1;
            assert_eq!(m.runs().len(), usize::from(state >= 2));
        });
        if ended {
            break;
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn a_weak_commit_of_a_run_is_found_if_its_record_is() {
    let simulation = Simulation::new(17);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        let options = TxOptions { durability: Durability::Off, ..tiny() };
        let mut tx = m.begin(options).await.unwrap();
        for row in 0..100 {
            put(&mut tx, T, row, Some(row)).await;
        }
        let ticket = tx.commit().await.unwrap().unwrap().ticket;
        assert!(m.log().durable() < ticket);
        m.log().sync().await.unwrap();
    });
    simulation.crash();
    let env = simulation.restart();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        assert_eq!(now(&m, T).await, same(0..100));
    });
}

// ---- beside others ----

/// Rows that move an amount from one to another, one at a time, beside transactions that move all of them
/// at once and spill: the sum is the same in every snapshot.
#[test]
fn isolation_small_writers_beside_spilling_ones_keep_the_sum() {
    const ACCOUNTS: i64 = 60;
    let env = Env::memory();
    let m = block_on(logged(&env)).unwrap();
    write(&m, &table(T), &(0..ACCOUNTS).map(|row| (row, Some(100))).collect::<Vec<_>>());
    let attempt = |tx: &mut Transaction, seed: u64, whole: bool| {
        let t = table(T);
        let mut rng = fastrand::Rng::with_seed(seed);
        let count = if whole { ACCOUNTS } else { 2 };
        let first = rng.i64(0..ACCOUNTS);
        let amount = rng.i64(1..10);
        for n in 0..count {
            let row = (first + n * 7) % ACCOUNTS;
            let held = block_on(tx.get(&t, &key(row))).unwrap().map(|v| number(&v)).unwrap();
            let held = if n % 2 == 0 { held - amount } else { held + amount };
            tx.put(&t, key(row), value(held)).unwrap();
            block_on(tx.make_room()).unwrap();
        }
    };
    let sum = |tx: &mut Transaction| rows(tx, &table(T)).iter().map(|row| row.1).sum::<i64>();
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            let (m, attempt, sum) = (&m, &attempt, &sum);
            scope.spawn(move || {
                for n in 0..60 {
                    let options = TxOptions { durability: Durability::Off, ..tiny() };
                    let mut retry = Retry::new(m, options);
                    loop {
                        let mut tx = block_on(retry.begin()).unwrap();
                        attempt(&mut tx, thread << 32 | n, thread == 0);
                        match block_on(tx.commit()) {
                            Ok(_) => break,
                            Err(Error::Conflict(conflict)) => retry.failed(*conflict),
                            Err(other) => panic!("{other}"),
                        }
                    }
                    assert_eq!(sum(&mut begin(m)), ACCOUNTS * 100);
                }
            });
        }
    });
    assert_eq!(m.runs().len(), 60);
    assert!(m.runs().is_sorted_by(|a, b| a.0 < b.0) && m.runs()[0].0 > Timestamp::ZERO);
}

#[test]
fn large_values_spill_and_come_back() {
    let simulation = Simulation::new(18);
    let env = simulation.env();
    simulation.block_on(async {
        let m = logged(&env).await.unwrap();
        let large = |n: u8| Bytes::from(vec![n; 200_000]);
        let mut tx = m.begin(tiny()).await.unwrap();
        for n in 0..5 {
            tx.put(&table(T), key(i64::from(n)), large(n)).unwrap();
            tx.make_room().await.unwrap();
        }
        assert_eq!(tx.get(&table(T), &key(3)).await.unwrap(), Some(large(3)));
        tx.commit().await.unwrap();
        let mut tx = m.begin(TxOptions::default()).await.unwrap();
        let mut cursor = tx.range(&table(T), Unbounded, Unbounded, Direction::Backward);
        for n in (0..5).rev() {
            let found = cursor.next(&mut tx).await.unwrap();
            assert_eq!(found, Some((key(i64::from(n)), large(n))));
        }
        assert_eq!(cursor.next(&mut tx).await.unwrap(), None);
    });
}
