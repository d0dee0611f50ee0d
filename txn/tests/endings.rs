//! How commits end: dropped at each wait, they happened or did not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use heddle_io::Env;
use heddle_txn::{Durability, Mode, TxOptions};

const T: u32 = 2;

#[test]
fn dropped_at_the_gate_a_commit_never_happened() {
    let (m, t) = (manager(), table(T));
    let closed = block_on(m.close_gate(None)).unwrap();
    let mut tx = begin(&m);
    tx.put(&t, key(1), value(1)).unwrap();
    let mut commit = Box::pin(tx.commit());
    assert!(poll_once(&mut commit).is_pending());
    drop(commit);
    drop(closed);
    assert_eq!(rows(&mut begin(&m), &t), []);
    write(&m, &t, &[(1, Some(2))]);
    assert_eq!(rows(&mut begin(&m), &t), [(1, 2)]);
}

#[test]
fn dropped_at_a_chain_a_commit_never_happened() {
    let (m, t) = (manager(), table(T));
    let overlay = m.store().tree(t.id);
    // It gets the first key and waits for the second.
    let held = overlay.try_lock(&key(2)).unwrap();
    let mut tx = begin(&m);
    tx.put(&t, key(1), value(1)).unwrap();
    tx.put(&t, key(2), value(1)).unwrap();
    let mut commit = Box::pin(tx.commit());
    assert!(poll_once(&mut commit).is_pending());
    assert!(overlay.try_lock(&key(1)).is_err());
    drop(commit);
    drop(held);
    assert_eq!(rows(&mut begin(&m), &t), []);
    write(&m, &t, &[(1, Some(2)), (2, Some(2))]);
    assert_eq!(rows(&mut begin(&m), &t), [(1, 2), (2, 2)]);
}

#[test]
fn a_commit_that_waited_for_a_chain_goes_on() {
    let (m, t) = (manager(), table(T));
    let overlay = m.store().tree(t.id);
    let held = overlay.try_lock(&key(1)).unwrap();
    let mut tx = begin(&m);
    tx.put(&t, key(1), value(1)).unwrap();
    let mut commit = Box::pin(tx.commit());
    assert!(poll_once(&mut commit).is_pending());
    drop(held);
    assert!(block_on(commit).unwrap().is_some());
    assert_eq!(rows(&mut begin(&m), &t), [(1, 1)]);
}

#[test]
fn dropped_while_it_becomes_durable_a_commit_stands() {
    let (m, t) = (block_on(logged(&Env::memory())).unwrap(), table(T));
    for row in 0..50 {
        let mut tx = begin(&m);
        tx.put(&t, key(row), value(row)).unwrap();
        let mut durable = Box::pin(block_on(tx.publish()).unwrap().durable());
        let _ = poll_once(&mut durable);
        drop(durable);
    }
    assert_eq!(rows(&mut begin(&m), &t).len(), 50);
    let last = m.log().installed();
    block_on(m.log().wait(last, Durability::Full)).unwrap();
    assert_eq!(rows(&mut m.snapshot().unwrap(), &t).len(), 50);
}

#[test]
fn x3_a_read_is_confirmed_only_once_what_it_saw_is_durable() {
    let (m, t) = (block_on(logged(&Env::memory())).unwrap(), table(T));
    for mode in [Mode::ReadOnly, Mode::Optimistic, Mode::Immediate] {
        let weak = TxOptions { durability: Durability::Off, ..TxOptions::default() };
        let mut writer = m.try_begin(weak).unwrap();
        writer.put(&t, key(1), value(1)).unwrap();
        let seen = block_on(writer.commit()).unwrap().unwrap().ticket;
        let options = TxOptions { mode, durability: Durability::Full, ..TxOptions::default() };
        let mut reader = m.try_begin(options).unwrap();
        assert_eq!(rows(&mut reader, &t), [(1, 1)]);
        assert!(reader.snapshot() >= seen);
        assert!(m.log().durable() < seen, "nobody asked for a sync yet");
        assert!(block_on(reader.commit()).unwrap().is_none(), "it wrote nothing");
        assert!(m.log().durable() >= seen, "a {mode:?} read was confirmed too early");
    }
}
