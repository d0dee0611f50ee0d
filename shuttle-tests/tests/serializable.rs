//! Random small transactions, retries, checkpoints and collection on several threads: the history
//! is serializable, in the order of the tickets, and all memory comes back.
#![cfg(heddle_shuttle)]

use heddle_shuttle_tests::history::{anomaly, out_of_order};
use heddle_shuttle_tests::mini::{KEYS, Mini, Rule};
use heddle_shuttle_tests::run;
use shuttle::sync::Arc;
use shuttle::thread;
use std::sync::atomic::{AtomicUsize, Ordering};

const THREADS: u64 = 3;
const TRANSACTIONS: u64 = 4;

/// One history: three writers and a checkpointer.
fn history(without: Rule) -> Arc<Mini> {
    let mini = Mini::new(without);
    let writers = (0..THREADS).map(|thread| {
        let mini = Arc::clone(&mini);
        thread::spawn(move || {
            for n in 0..TRANSACTIONS {
                let id = 1 + thread * 100 + n;
                if !mini.transact(id) {
                    mini.await_turn((id % u64::from(KEYS)) as u8);
                    mini.transact(id + 50);
                }
            }
        })
    });
    let mut threads: Vec<_> = writers.collect();
    let other = Arc::clone(&mini);
    threads.push(thread::spawn(move || {
        for _ in 0..3 {
            other.checkpoint();
            other.collect();
        }
    }));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    mini
}

#[test]
fn histories_are_serializable_in_the_order_of_tickets() {
    run(|| {
        let mini = history(Rule::None);
        {
            let history = mini.history.lock().unwrap();
            assert_eq!(anomaly(&history), None);
            assert!(out_of_order(&history).is_none(), "{history:#?}");
        }
        assert_eq!(mini.wind_up(), 0, "memory that nobody needs any more");
    });
}

/// Whether the checks notice that a rule is left out, in any of the schedules.
fn noticed(without: Rule) -> bool {
    let bad = std::sync::Arc::new(AtomicUsize::new(0));
    let seen = std::sync::Arc::clone(&bad);
    run(move || {
        let mini = history(without);
        let history = mini.history.lock().unwrap();
        let cycle = anomaly(&history).is_some();
        assert!(!cycle || out_of_order(&history).is_some(), "a cycle fits no order");
        seen.fetch_add(usize::from(cycle), Ordering::Relaxed);
    });
    let bad = bad.load(Ordering::Relaxed);
    eprintln!("without {without:?}: {bad} cycles");
    bad > 0
}

#[test]
fn validating_before_the_draw_is_noticed() {
    assert!(noticed(Rule::ValidateFirst));
}

#[test]
fn drawing_unannounced_is_noticed() {
    assert!(noticed(Rule::Unannounced));
}

/// Two writers of one key in snapshots of each other: here it shows, since what is written is read.
#[test]
fn history_checks_know_a_lost_update() {
    use heddle_shuttle_tests::history::Record;
    let record = |id, ticket| Record {
        id,
        ticket: Some(ticket),
        snapshot: 0,
        reads: vec![(0, None)],
        writes: vec![0],
    };
    let history = [record(1, 1), record(2, 2)];
    assert!(anomaly(&history).is_some());
    assert_eq!(out_of_order(&history).map(|record| record.id), Some(2));
    assert!(anomaly(&history[..1]).is_none());
}
