//! One transaction and two: what they see, how they meet, and how they end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::ops::Bound;
use std::task::Poll;

use common::*;
use heddle_txn::{ConflictKind, Direction, Error, Isolation, Mode, Retry, Transaction, TxOptions};

const T: u32 = 2;

fn conflict(error: Error) -> heddle_txn::Conflict {
    match error {
        Error::Conflict(conflict) => *conflict,
        other => panic!("{other}"),
    }
}

fn get(tx: &mut Transaction, row: i64) -> Option<i64> {
    block_on(tx.get(&table(T), &key(row))).unwrap().map(|v| number(&v))
}

#[test]
fn a_transaction_sees_its_own_writes_and_its_snapshot() {
    let (m, t) = (manager(), table(T));
    write(&m, &t, &[(1, Some(10)), (2, Some(20))]);
    let mut tx = begin(&m);
    tx.put(&t, key(1), value(11)).unwrap();
    tx.delete(&t, key(2)).unwrap();
    tx.put(&t, key(3), value(30)).unwrap();
    write(&m, &t, &[(4, Some(40))]);
    assert_eq!(rows(&mut tx, &t), [(1, 11), (3, 30)]);
    assert_eq!((get(&mut tx, 2), get(&mut tx, 4)), (None, None));
    let mut other = begin(&m);
    assert_eq!(rows(&mut other, &t), [(1, 10), (2, 20), (4, 40)]);
}

#[test]
fn dropping_a_transaction_rolls_it_back() {
    let (m, t) = (manager(), table(T));
    let mut tx = begin(&m);
    tx.put(&t, key(1), value(1)).unwrap();
    drop(tx);
    assert_eq!(rows(&mut begin(&m), &t), []);
}

#[test]
fn the_first_committer_wins_a_key() {
    let (m, t) = (manager(), table(T));
    let (mut a, mut b) = (begin(&m), begin(&m));
    a.put(&t, key(1), value(1)).unwrap();
    b.put(&t, key(1), value(2)).unwrap();
    block_on(a.commit()).unwrap();
    let met = conflict(block_on(b.commit()).unwrap_err());
    assert_eq!((met.kind, met.key, &*met.name), (ConflictKind::WriteWrite, Some(key(1)), "table2"));
    assert_eq!(rows(&mut begin(&m), &t), [(1, 1)]);
}

#[test]
fn conflicts_say_how_transactions_met() {
    let (m, t) = (manager(), table(T));
    let cases = [ConflictKind::PointRead, ConflictKind::RangeRead, ConflictKind::Constraint];
    for (at, kind) in cases.into_iter().enumerate() {
        let mut tx = begin(&m);
        match kind {
            ConflictKind::PointRead => drop(get(&mut tx, 1)),
            ConflictKind::RangeRead => drop(rows(&mut tx, &t)),
            _ => drop(block_on(tx.get_for_constraint(&t, &key(1))).unwrap()),
        }
        tx.put(&t, key(100 + at as i64), value(0)).unwrap();
        write(&m, &t, &[(1, Some(at as i64))]);
        let met = conflict(block_on(tx.commit()).unwrap_err());
        assert_eq!((met.kind, met.key), (kind, Some(key(1))));
        assert_eq!(met.isolation, Isolation::Serializable);
    }
    assert_eq!(m.metrics().conflicts, 3);
    assert_eq!(m.metrics().conflicts_by_tree, [(t.id, 3)]);
}

#[test]
fn snapshot_isolation_defends_constraint_reads_only() {
    let (m, t) = (manager(), table(T));
    let options = TxOptions { isolation: Isolation::Snapshot, ..TxOptions::default() };
    for constraint in [false, true] {
        let mut tx = m.try_begin(options).unwrap();
        match constraint {
            false => drop((get(&mut tx, 1), rows(&mut tx, &t))),
            true => drop(block_on(tx.get_for_constraint(&t, &key(1))).unwrap()),
        }
        tx.put(&t, key(2), value(0)).unwrap();
        write(&m, &t, &[(1, Some(1))]);
        match (constraint, block_on(tx.commit())) {
            (false, Ok(Some(_))) => {}
            (true, Err(error)) => assert_eq!(conflict(error).kind, ConflictKind::Constraint),
            (_, other) => panic!("{constraint}: {other:?}"),
        }
    }
}

#[test]
fn a_range_is_defended_as_far_as_it_was_walked() {
    let (m, t) = (manager(), table(T));
    write(&m, &t, &[(10, Some(1)), (20, Some(2)), (30, Some(3))]);
    let walk = |tx: &mut Transaction, direction, steps| {
        let mut cursor = tx.range(&t, Bound::Unbounded, Bound::Unbounded, direction);
        for _ in 0..steps {
            block_on(cursor.next(tx)).unwrap();
        }
    };
    // To the second key; in its gap, beyond it, and the tail from the end.
    let cases = [
        (Direction::Forward, 2, 15, false),
        (Direction::Forward, 2, 25, true),
        (Direction::Backward, 1, 25, true),
        (Direction::Backward, 1, 35, false),
        (Direction::Backward, 4, 5, false),
        (Direction::Forward, 4, 40, false),
    ];
    for (direction, steps, row, passes) in cases {
        let mut tx = begin(&m);
        walk(&mut tx, direction, steps);
        tx.put(&t, key(1000), value(0)).unwrap();
        write(&m, &t, &[(row, Some(0))]);
        let outcome = block_on(tx.commit());
        assert_eq!(outcome.is_ok(), passes, "{direction:?} {steps} {row}: {outcome:?}");
        write(&m, &t, &[(row, None), (1000, None)]);
    }
}

#[test]
fn a_cursor_sees_what_its_transaction_writes_ahead_of_it() {
    let (m, t) = (manager(), table(T));
    write(&m, &t, &[(1, Some(1)), (3, Some(3)), (5, Some(5))]);
    let mut tx = begin(&m);
    let mut cursor = tx.range(&t, Bound::Unbounded, Bound::Unbounded, Direction::Forward);
    let mut seen = Vec::new();
    while let Some((k, _)) = block_on(cursor.next(&mut tx)).unwrap() {
        let row = rowid(&k);
        seen.push(row);
        if row == 1 {
            tx.put(&t, key(0), value(0)).unwrap();
            tx.put(&t, key(4), value(4)).unwrap();
            tx.delete(&t, key(3)).unwrap();
        }
    }
    assert_eq!(seen, [1, 4, 5]);
}

#[test]
fn readers_refuse_to_write() {
    let (m, t) = (manager(), table(T));
    for mode in [Mode::ReadOnly, Mode::Acknowledged] {
        let mut tx = m.try_begin(TxOptions { mode, ..TxOptions::default() }).unwrap();
        assert!(matches!(tx.put(&t, key(1), value(1)), Err(Error::ReadOnly)));
        assert_eq!(block_on(tx.commit()).unwrap(), None);
    }
}

#[test]
fn an_immediate_transaction_never_conflicts() {
    let (m, t) = (manager(), table(T));
    write(&m, &t, &[(1, Some(1))]);
    let options = TxOptions { mode: Mode::Immediate, ..TxOptions::default() };
    let mut other = begin(&m);
    let read = get(&mut other, 1);
    let mut tx = block_on(m.begin(options)).unwrap();
    rows(&mut tx, &t);
    tx.put(&t, key(1), value(2)).unwrap();
    // The other one waits at the gate, and then conflicts.
    other.put(&t, key(1), value(read.unwrap() + 10)).unwrap();
    let mut waiting = Box::pin(other.commit());
    assert!(poll_once(&mut waiting).is_pending());
    block_on(tx.commit()).unwrap();
    assert!(block_on(waiting).unwrap_err().conflict().is_some());
    assert_eq!(rows(&mut begin(&m), &t), [(1, 2)]);
}

#[test]
fn immediate_transactions_take_turns_in_order() {
    let m = manager();
    let options = TxOptions { mode: Mode::Immediate, ..TxOptions::default() };
    let first = block_on(m.begin(options)).unwrap();
    let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(m.begin(options))).collect();
    for begin in &mut waiting {
        assert!(poll_once(begin).is_pending());
    }
    drop(waiting.remove(1));
    drop(first);
    for mut begin in waiting {
        let tx = match poll_once(&mut begin) {
            Poll::Ready(tx) => tx.unwrap(),
            Poll::Pending => panic!("it is its turn"),
        };
        drop(tx);
    }
}

#[test]
fn whoever_retries_gets_through() {
    let (m, t) = (manager(), table(T));
    write(&m, &t, &[(1, Some(0))]);
    let mut retry = Retry::new(&m, TxOptions::default());
    loop {
        let mut tx = block_on(retry.begin()).unwrap();
        let read = get(&mut tx, 1).unwrap();
        tx.put(&t, key(1), value(read + 1)).unwrap();
        if tx.options().mode == Mode::Optimistic {
            // Somebody is always faster.
            write(&m, &t, &[(1, Some(100 + i64::from(retry.failures())))]);
        }
        match block_on(tx.commit()) {
            Ok(_) => break,
            Err(error) => retry.failed(conflict(error)),
        }
    }
    assert_eq!(retry.failures(), 8);
    assert_eq!(rows(&mut begin(&m), &t), [(1, 108)]);
}

#[test]
fn savepoints_undo_what_cursors_then_miss() {
    let (m, t) = (manager(), table(T));
    let mut tx = begin(&m);
    tx.put(&t, key(1), value(1)).unwrap();
    let outer = tx.savepoint();
    tx.put(&t, key(2), value(2)).unwrap();
    let inner = tx.savepoint();
    tx.put(&t, key(1), value(9)).unwrap();
    tx.release(inner).unwrap();
    assert_eq!(rows(&mut tx, &t), [(1, 9), (2, 2)]);
    tx.rollback_to(outer).unwrap();
    assert!(matches!(tx.rollback_to(inner), Err(Error::NoSuchSavepoint)));
    assert_eq!(rows(&mut tx, &t), [(1, 1)]);
    block_on(tx.commit()).unwrap();
    assert_eq!(rows(&mut begin(&m), &t), [(1, 1)]);
}
