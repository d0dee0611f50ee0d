//! Many tasks on several threads at once, and what must hold throughout.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Bound::Unbounded;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use common::*;
use heddle_txn::{
    Direction, Error, Isolation, Manager, Mode, Result, Retry, Transaction, TxOptions,
};

const T: u32 = 2;
const ACCOUNTS: i64 = 16;

fn threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

async fn read(tx: &mut Transaction, row: i64) -> Result<i64> {
    Ok(tx.get(&table(T), &key(row)).await?.map_or(0, |v| number(&v)))
}

/// Runs `body` until it commits; returns its ticket and how often it failed.
async fn retried<F, Fut>(manager: &Manager, options: TxOptions, body: F) -> (u64, u32)
where
    F: Fn(Transaction) -> Fut,
    Fut: Future<Output = Result<Transaction>>,
{
    let mut retry = Retry::new(manager, options);
    loop {
        let tx = retry.begin().await.unwrap();
        match body(tx).await.unwrap().commit().await {
            Ok(committed) => {
                return (committed.map_or(0, |c| c.ticket.get()), retry.failures());
            }
            Err(Error::Conflict(conflict)) => retry.failed(*conflict),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn readers_always_see_the_whole_bank() {
    let m = manager();
    let opening: Vec<_> = (0..ACCOUNTS).map(|account| (account, Some(100))).collect();
    write(&m, &table(T), &opening);
    let done = Arc::new(AtomicBool::new(false));
    threads().block_on(async {
        let mut tasks = Vec::new();
        for task in 0..16u64 {
            let m = m.clone();
            tasks.push(tokio::spawn(async move {
                let mut rng = fastrand::Rng::with_seed(task);
                for round in 0..300 {
                    let (from, to) = (rng.i64(..ACCOUNTS), rng.i64(..ACCOUNTS));
                    let mode = if round % 50 == 0 { Mode::Immediate } else { Mode::Optimistic };
                    let isolation = match round % 2 {
                        0 => Isolation::Serializable,
                        _ => Isolation::Snapshot,
                    };
                    let options = TxOptions { mode, isolation, ..TxOptions::default() };
                    let body = |mut tx: Transaction| async move {
                        let t = table(T);
                        let balance = read(&mut tx, from).await?;
                        tx.put(&t, key(from), value(balance - 1))?;
                        let balance = read(&mut tx, to).await?;
                        tx.put(&t, key(to), value(balance + 1))?;
                        Ok(tx)
                    };
                    retried(&m, options, body).await;
                }
            }));
        }
        let collector = {
            let (m, done) = (m.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                while !done.load(Ordering::SeqCst) {
                    m.collect(1000);
                    tokio::task::yield_now().await;
                }
            })
        };
        let reader = {
            let (m, done) = (m.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut looks = 0;
                while !done.load(Ordering::SeqCst) {
                    for mode in [Mode::Acknowledged, Mode::ReadOnly] {
                        let mut tx =
                            m.try_begin(TxOptions { mode, ..TxOptions::default() }).unwrap();
                        let mut sum = 0;
                        for account in 0..ACCOUNTS {
                            sum += read(&mut tx, account).await.unwrap();
                        }
                        assert_eq!(sum, 100 * ACCOUNTS);
                        let mut cursor =
                            tx.range(&table(T), Unbounded, Unbounded, Direction::Backward);
                        let mut sum = 0;
                        while let Some(balance) =
                            cursor.next_with(&mut tx, |_, v| number(v)).await.unwrap()
                        {
                            sum += balance;
                        }
                        assert_eq!(sum, 100 * ACCOUNTS);
                        looks += 1;
                    }
                    tokio::task::yield_now().await;
                }
                looks
            })
        };
        for task in tasks {
            task.await.unwrap();
        }
        done.store(true, Ordering::SeqCst);
        assert!(reader.await.unwrap() > 0);
        collector.await.unwrap();
    });
}

#[test]
fn a_hot_counter_loses_no_increment() {
    let m = manager();
    let failures = Arc::new(AtomicU64::new(0));
    threads().block_on(async {
        let tasks: Vec<_> = (0..32)
            .map(|_| {
                let (m, failures) = (m.clone(), Arc::clone(&failures));
                tokio::spawn(async move {
                    for _ in 0..100 {
                        let body = |mut tx: Transaction| async move {
                            let count = read(&mut tx, 1).await?;
                            tokio::task::yield_now().await;
                            tx.put(&table(T), key(1), value(count + 1))?;
                            Ok(tx)
                        };
                        let (_, failed) = retried(&m, TxOptions::default(), body).await;
                        failures.fetch_add(u64::from(failed), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(rows(&mut begin(&m), &table(T)), [(1, 3200)]);
    eprintln!("{} conflicts in 3200 commits", failures.load(Ordering::Relaxed));
}

/// What a committed transaction did: the counters it found, and that it raised.
#[derive(Debug, Clone)]
struct Did {
    ticket: u64,
    found: BTreeMap<i64, i64>,
    raised: Vec<i64>,
}

#[test]
fn the_order_of_tickets_is_a_serial_order() {
    let m = manager();
    let history = Arc::new(Mutex::new(Vec::<Did>::new()));
    threads().block_on(async {
        let tasks: Vec<_> = (0..16u64)
            .map(|task| {
                let (m, history) = (m.clone(), Arc::clone(&history));
                tokio::spawn(async move {
                    let mut rng = fastrand::Rng::with_seed(task);
                    for _ in 0..200 {
                        let reads: Vec<i64> = (0..3).map(|_| rng.i64(..8)).collect();
                        let write = rng.i64(..8);
                        loop {
                            let mut tx = m.try_begin(TxOptions::default()).unwrap();
                            let mut found = BTreeMap::new();
                            for row in reads.iter().chain([&write]) {
                                found.insert(*row, read(&mut tx, *row).await.unwrap());
                            }
                            if rng.bool() {
                                tokio::task::yield_now().await;
                            }
                            let raised = vec![write];
                            tx.put(&table(T), key(write), value(found[&write] + 1)).unwrap();
                            match tx.commit().await {
                                Ok(committed) => {
                                    let ticket = committed.unwrap().ticket.get();
                                    history.lock().unwrap().push(Did { ticket, found, raised });
                                    break;
                                }
                                Err(Error::Conflict(_)) => {}
                                Err(other) => panic!("{other}"),
                            }
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let mut history = Arc::try_unwrap(history).unwrap().into_inner().unwrap();
    history.sort_by_key(|did| did.ticket);
    // Run one after another in that order, each finds exactly what it found.
    let mut state: BTreeMap<i64, i64> = BTreeMap::new();
    for did in &history {
        for (row, found) in &did.found {
            assert_eq!(state.get(row).copied().unwrap_or(0), *found, "{did:?}");
        }
        for row in &did.raised {
            *state.entry(*row).or_default() += 1;
        }
    }
    assert_eq!(history.len(), 3200);
}

#[test]
fn keys_are_claimed_once() {
    let m = manager();
    let claimed = Arc::new(AtomicU64::new(0));
    threads().block_on(async {
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let (m, claimed) = (m.clone(), Arc::clone(&claimed));
                tokio::spawn(async move {
                    for row in 0..200 {
                        let mut tx = m.try_begin(TxOptions::default()).unwrap();
                        if tx.get(&table(T), &key(row)).await.unwrap().is_some() {
                            continue;
                        }
                        tx.put(&table(T), key(row), value(task)).unwrap();
                        match tx.commit().await {
                            Ok(_) => drop(claimed.fetch_add(1, Ordering::SeqCst)),
                            Err(Error::Conflict(_)) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(claimed.load(Ordering::SeqCst), 200);
    assert_eq!(rows(&mut begin(&m), &table(T)).len(), 200);
}
