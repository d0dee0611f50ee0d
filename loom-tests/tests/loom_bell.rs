//! How the log's own tasks are reached: a ring, and an answer.
//!
//! Two threads, two preemptions; under a second. A lost wake-up shows as loom's deadlock report.
#![cfg(heddle_loom)]

use heddle_loom_tests::{check, race};
use heddle_wal::seams::{Bell, reply};
use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};

struct Work {
    bell: Bell,
    pieces: AtomicU32,
}

/// L1: work is stored, then the bell rings; the task arms, then looks once more. Relaxed, as the flusher's own work is
/// ordered by nothing else.
#[test]
fn l1_ring_vs_sleep_loses_no_work() {
    check(|order| {
        race(
            order,
            &Arc::new(Work { bell: Bell::default(), pieces: AtomicU32::new(0) }),
            |work| {
                work.pieces.store(1, Ordering::Relaxed);
                work.bell.ring();
            },
            |work| block_on(work.bell.sleep_until(|| work.pieces.load(Ordering::Relaxed) == 1)),
        );
    });
}

/// The same where the task is woken by a first piece and sleeps again for a second.
#[test]
fn l1_ring_vs_second_sleep_loses_no_work() {
    check(|order| {
        race(
            order,
            &Arc::new(Work { bell: Bell::default(), pieces: AtomicU32::new(0) }),
            |work| {
                for _ in 0..2 {
                    work.pieces.fetch_add(1, Ordering::Relaxed);
                    work.bell.ring();
                }
            },
            |work| {
                for piece in 1..3 {
                    block_on(
                        work.bell.sleep_until(|| work.pieces.load(Ordering::Relaxed) >= piece),
                    );
                }
            },
        );
    });
}

/// Shutdown: who asked a task that ends without an answer is told so.
#[test]
fn an_answer_and_none_both_wake_who_asked() {
    for answer in [Some(7), None] {
        check(move |order| {
            let (respond, asked) = reply();
            let ends = std::sync::Mutex::new((Some(respond), Some(Box::pin(asked))));
            let told = AtomicBool::new(false);
            race(
                order,
                &Arc::new((ends, told)),
                move |shared| {
                    let respond = shared.0.lock().unwrap().0.take().unwrap();
                    respond(answer);
                },
                move |shared| {
                    let asked = shared.0.lock().unwrap().1.take().unwrap();
                    assert_eq!(block_on(asked), answer);
                    shared.1.store(true, Ordering::Relaxed);
                },
            );
        });
    }
}
