//! Loss of power, full disks, failing syncs and abandoned calls, at every operation of the pager, in the simulator.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod common;

use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::pin;
use std::task::Poll;

use common::scratch;
use common::states::{checkpoint, judge, put, shows, states};
use heddle_btree::pager::{Pager, PagerOptions};
use heddle_btree::{Error, Result};
use heddle_io::{Env, Fault, Operation, Simulation};

const DB: &str = "/d/x.db";

fn options() -> PagerOptions {
    PagerOptions { cache_bytes: 30_000, write_bytes: 10_000, ..PagerOptions::default() }
}

async fn open(env: &Env) -> Result<Pager> {
    Ok(Pager::open(env, Path::new(DB), options()).await?.0)
}

/// What stock makes of the disk as it is.
fn stock_says(simulation: &Simulation) -> i64 {
    let x = scratch();
    simulation.disk().export("/d", x.dir.path()).unwrap();
    judge(&x.path)
}

/// Opens the file, makes the states after the first of these, closes.
async fn run(env: &Env, files: &[Vec<u8>], reached: &mut usize) -> Result<()> {
    let pager = open(env).await?;
    for pair in files.windows(2) {
        let snapshot = pager.snapshot();
        checkpoint(&pager, &pair[0], &pair[1]).await?;
        drop(snapshot);
        *reached += 1;
    }
    pager.close().await
}

/// Power goes at each operation in turn. What comes back, to stock and to us, is one whole state: the last one that
/// was complete, or the one that was on its way.
#[test]
fn crash_at_every_operation_leaves_a_whole_state() {
    let files = states(512, 0, 4);
    for seed in 0..3 {
        let operations = (1..).find(|&count| !crash_at(&files, seed, count));
        assert!(operations > Some(60), "{operations:?} operations");
    }
}

/// Cuts the power at one operation, and looks at what is left. False if the run ended before.
fn crash_at(files: &[Vec<u8>], seed: u64, count: u64) -> bool {
    let simulation = Simulation::new(seed << 32 | count);
    simulation.disk().write(DB, &files[0]);
    simulation.power_off_at(count);
    let env = simulation.env();
    let mut reached = 0;
    let ended = simulation.run(run(&env, files, &mut reached));
    if let Some(ended) = ended {
        ended.unwrap();
        return false;
    }
    let env = simulation.restart();
    let state = stock_says(&simulation) as usize;
    assert!(state == reached || state == reached + 1, "count {count}: {state} after {reached}");
    // A second loss of power, while the first is recovered from.
    simulation.power_off_at(count % 11 + 1);
    let _ = simulation.run(open(&env));
    let env = simulation.restart();
    assert_eq!(stock_says(&simulation) as usize, state, "count {count}");
    simulation.block_on(async {
        let pager = open(&env).await.unwrap();
        assert!(shows(&pager.snapshot(), &files[state]).await.unwrap(), "count {count}");
        pager.close().await.unwrap();
    });
    assert_eq!(simulation.disk().read(DB).unwrap(), files[state], "count {count}");
    assert_eq!(simulation.disk().files().len(), 1);
    true
}

#[test]
fn crash_while_a_database_is_made_leaves_none_or_a_whole_one() {
    for count in 1..40 {
        let simulation = Simulation::new(count);
        simulation.power_off_at(count);
        let env = simulation.env();
        let _ = simulation.run(open(&env));
        let env = simulation.restart();
        simulation.block_on(open(&env)).unwrap();
    }
}

/// A disk that is full at the nth write, and then has room: the same writer goes on.
#[test]
fn io_error_full_disk_is_no_commit_and_can_be_retried() {
    let files = states(512, 0, 2);
    for nth in 1..12 {
        let simulation = Simulation::new(nth);
        simulation.disk().write(DB, &files[0]);
        let env = simulation.env();
        let failed = simulation.block_on(async {
            let pager = open(&env).await.unwrap();
            simulation
                .inject(Fault::on(Operation::Write).path_suffix("-wal").nth(nth).os_error(28));
            let mut writer = pager.begin_write().await.unwrap();
            put(&mut writer, &files[0], &files[1]);
            let mut failed = false;
            for full in [writer.spill().await, writer.write_frames().await] {
                failed |= match full {
                    Err(Error::Io(error)) => error.is_disk_full(),
                    other => other.map(|()| false).unwrap(),
                };
            }
            simulation.clear_faults();
            if failed {
                writer.write_frames().await.unwrap();
            }
            writer.sync_wal().await.unwrap();
            writer.publish().1.reset().await.unwrap();
            assert!(shows(&pager.snapshot(), &files[1]).await.unwrap());
            pager.close().await.unwrap();
            failed
        });
        assert!(failed || nth > 3, "write {nth} was to fail");
        assert_eq!(stock_says(&simulation), 1);
    }
}

/// After a failed sync nothing more is written, and reopening finds a whole state.
#[test]
fn io_error_a_failed_sync_poisons() {
    let files = states(512, 0, 2);
    for (suffix, nth) in [("-wal", 1), (".db", 1), (".db", 2), ("-wal", 2)] {
        let simulation = Simulation::new(nth);
        simulation.disk().write(DB, &files[0]);
        let env = simulation.env();
        simulation.block_on(async {
            let pager = open(&env).await.unwrap();
            simulation.inject(Fault::on(Operation::Sync).path_suffix(suffix).nth(nth));
            let failed = checkpoint(&pager, &files[0], &files[1]).await;
            assert!(matches!(failed, Err(Error::Io(_))), "{suffix} {nth}");
            assert!(matches!(pager.begin_write().await, Err(Error::Poisoned)));
            if let Some(backfill) = pager.unfinished_backfill() {
                assert!(matches!(backfill.reset().await, Err(Error::Poisoned)));
            }
        });
        let env = simulation.restart();
        let state = stock_says(&simulation);
        simulation.block_on(async {
            let pager = open(&env).await.unwrap();
            assert!(shows(&pager.snapshot(), &files[state as usize]).await.unwrap());
        });
    }
}

/// Polls a future at most so often, then drops it.
async fn at_most<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Steps are abandoned after ever more polls, and begun again: late writes of the abandoned ones do no harm.
#[test]
fn abandoned_steps_are_done_again() {
    let files = states(512, 0, 4);
    for seed in 0..60 {
        let simulation = Simulation::new(seed);
        simulation.disk().write(DB, &files[0]);
        let env = simulation.env();
        simulation.block_on(async {
            let pager = open(&env).await.unwrap();
            for (round, pair) in files.windows(2).enumerate() {
                let mut polls = seed as u32 % 7 + round as u32;
                let held = pager.snapshot();
                loop {
                    polls += 1;
                    let mut writer = pager.begin_write().await.unwrap();
                    put(&mut writer, &pair[0], &pair[1]);
                    if at_most(polls, writer.spill()).await.is_none() {
                        continue;
                    }
                    match at_most(polls, writer.write_frames()).await {
                        None => continue,
                        Some(done) => done.unwrap(),
                    }
                    writer.sync_wal().await.unwrap();
                    drop(writer.publish());
                    break;
                }
                let mut polls = seed as u32 % 5;
                loop {
                    polls += 1;
                    let backfill = pager.unfinished_backfill().unwrap();
                    if let Some(done) = at_most(polls, backfill.reset()).await {
                        done.unwrap();
                        break;
                    }
                }
                assert!(shows(&held, &pair[0]).await.unwrap(), "seed {seed}");
                assert!(shows(&pager.snapshot(), &pair[1]).await.unwrap(), "seed {seed}");
            }
            pager.close().await.unwrap();
        });
        assert_eq!(stock_says(&simulation), 3, "seed {seed}");
    }
}
