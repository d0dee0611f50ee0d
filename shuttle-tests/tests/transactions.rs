//! Whole transactions of `heddle-txn` over files in memory: begin, merged reads, commit pipeline,
//! retry, gates and collection, on several threads.
#![cfg(heddle_shuttle)]

use bytes::Bytes;
use heddle_base::{SchemaVersion, Timestamp, TreeId};
use heddle_btree::pager::{Pager, PagerOptions};
use heddle_btree::tree::TreeKind;
use heddle_mvcc::{Store, StoreOptions};
use heddle_shuttle_tests::history::{Id, Record, anomaly, out_of_order};
use heddle_shuttle_tests::{run, world};
use heddle_txn::{
    Base, Direction, Error, Isolation, Manager, ManagerOptions, Mode, Parts, Retry, Roots,
    Transaction, TreeRef, TxOptions,
};
use heddle_wal::{Log, LogOptions};
use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Mutex;
use shuttle::thread;
use std::ops::Bound::Unbounded;
use std::path::Path;
use std::sync::Arc;

const KEYS: u8 = 4;

fn manager() -> Manager {
    let env = world::env();
    let (pager, _) =
        block_on(Pager::open(&env, Path::new("x.db"), PagerOptions::default())).unwrap();
    let snapshot = pager.snapshot();
    let base = Base { ts: Timestamp::ZERO, snapshot, roots: Arc::new(Roots::default()) };
    let log = LogOptions { ring_slots: 8, ..LogOptions::default() };
    let log = Log::in_memory(&env, log);
    let store = Store::new(StoreOptions { evicted_slots: 2, seed: 1 });
    let options = ManagerOptions { patience: 2, ..ManagerOptions::default() };
    Manager::new(Parts { env, store, log, base, options })
}

fn table() -> TreeRef {
    TreeRef {
        id: TreeId(2),
        kind: Arc::new(TreeKind::Table),
        table: TreeId(2),
        name: "t".into(),
        schema_version: SchemaVersion(0),
    }
}

fn key(row: u8) -> Bytes {
    Bytes::copy_from_slice(&heddle_btree::key::encode_rowid(row.into()))
}

fn number(value: &[u8]) -> u64 {
    value.try_into().map_or(0, u64::from_be_bytes)
}

/// No timeouts: the clock stands still.
fn options(mode: Mode) -> TxOptions {
    TxOptions { mode, busy_timeout: None, ..TxOptions::default() }
}

async fn read_all(tx: &mut Transaction, direction: Direction) -> Vec<(u8, u64)> {
    let mut cursor = tx.range(&table(), Unbounded, Unbounded, direction);
    let mut rows = Vec::new();
    while let Some((key, value)) = cursor.next(tx).await.unwrap() {
        rows.push((heddle_btree::key::decode_rowid(&key).unwrap() as u8, number(&value)));
    }
    rows
}

/// Reads and writes at random, until it commits. What it read and wrote in the end.
async fn transact(manager: &Manager, id: Id) -> Record {
    let mode = match thread_rng().gen_range(0..6) {
        0 => Mode::Immediate,
        1 => Mode::ReadOnly,
        _ => Mode::Optimistic,
    };
    let mut retry = Retry::new(manager, options(mode));
    loop {
        let mut tx = retry.begin().await.unwrap();
        let snapshot = tx.snapshot().get();
        let mut reads: Vec<(u8, Option<Id>)> = Vec::new();
        if thread_rng().gen_range(0..4) == 0 {
            let direction =
                if thread_rng().r#gen() { Direction::Forward } else { Direction::Backward };
            let rows = read_all(&mut tx, direction).await;
            reads.extend(
                (0..KEYS)
                    .map(|key| (key, rows.iter().find(|(row, _)| *row == key).map(|(_, id)| *id))),
            );
        } else {
            let row = thread_rng().gen_range(0..KEYS);
            let seen = tx.get(&table(), &key(row)).await.unwrap();
            reads.push((row, seen.map(|value| number(&value))));
        }
        let mut writes = Vec::new();
        if mode != Mode::ReadOnly {
            for _ in 0..thread_rng().gen_range(0..3) {
                let row = thread_rng().gen_range(0..KEYS);
                tx.put(&table(), key(row), Bytes::copy_from_slice(&id.to_be_bytes())).unwrap();
                if !writes.contains(&row) {
                    writes.push(row);
                }
            }
        }
        match tx.commit().await {
            Ok(committed) => {
                let ticket = committed.map(|committed| committed.ticket.get());
                let ticket = ticket.filter(|_| !writes.is_empty());
                return Record { id, ticket, snapshot, reads, writes };
            }
            Err(Error::Conflict(conflict)) => {
                assert!(mode != Mode::Immediate, "{conflict}");
                retry.failed(*conflict);
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn histories_are_serializable_and_every_retry_gets_through() {
    run(|| {
        let manager = manager();
        let history = Arc::new(Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..3u64)
            .map(|thread| {
                let (manager, history) = (manager.clone(), Arc::clone(&history));
                thread::spawn(move || {
                    for n in 1..=3 {
                        let record = block_on(transact(&manager, thread * 100 + n));
                        history.lock().unwrap().push(record);
                    }
                    manager.collect(8);
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let history = history.lock().unwrap();
        assert_eq!(anomaly(&history), None);
        assert!(out_of_order(&history).is_none(), "{history:#?}");
    });
}

/// Transfers between accounts, at both isolation levels, beside readers: the sum never changes.
#[test]
fn readers_always_see_the_whole_bank() {
    run(|| {
        let manager = manager();
        block_on(async {
            let mut tx = manager.begin(options(Mode::Optimistic)).await.unwrap();
            for row in 0..KEYS {
                tx.put(&table(), key(row), Bytes::copy_from_slice(&100u64.to_be_bytes())).unwrap();
            }
            tx.commit().await.unwrap();
        });
        let transfers = (0..2).map(|_| {
            let manager = manager.clone();
            thread::spawn(move || (0..3).for_each(|_| block_on(transfer(&manager))))
        });
        let mut threads: Vec<_> = transfers.collect();
        let reader = manager.clone();
        threads.push(thread::spawn(move || {
            for mode in [Mode::ReadOnly, Mode::Acknowledged, Mode::Optimistic] {
                block_on(async {
                    let mut tx = reader.begin(options(mode)).await.unwrap();
                    let rows = read_all(&mut tx, Direction::Forward).await;
                    let sum: u64 = rows.iter().map(|(_, balance)| balance).sum();
                    assert_eq!(sum, 100 * u64::from(KEYS), "{rows:?}");
                });
                reader.collect(8);
            }
        }));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

async fn transfer(manager: &Manager) {
    let isolation =
        if thread_rng().r#gen() { Isolation::Serializable } else { Isolation::Snapshot };
    let (from, to) = (thread_rng().gen_range(0..KEYS), thread_rng().gen_range(0..KEYS));
    let mut retry = Retry::new(manager, TxOptions { isolation, ..options(Mode::Optimistic) });
    loop {
        let mut tx = retry.begin().await.unwrap();
        for (row, change) in [(from, -1), (to, 1)] {
            let balance = number(&tx.get(&table(), &key(row)).await.unwrap().unwrap());
            let balance = balance.wrapping_add_signed(change);
            tx.put(&table(), key(row), Bytes::copy_from_slice(&balance.to_be_bytes())).unwrap();
        }
        match tx.commit().await {
            Ok(_) => return,
            Err(Error::Conflict(conflict)) => retry.failed(*conflict),
            Err(other) => panic!("{other}"),
        }
    }
}
