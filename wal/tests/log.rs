//! The log as its users see it, on files in memory and on the simulator.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::time::Duration;

use common::{DB, commit, open, read_all, small, start};
use heddle_base::Timestamp;
use heddle_io::{Env, Fault, Operation, Simulation};
use heddle_wal::{Durability, Error, Log, LogOptions, Recovered};

use Durability::{Full, Normal, Off};

#[test]
fn what_was_committed_comes_back_in_order() {
    for seed in 0..20 {
        let simulation = Simulation::new(seed);
        simulation.block_on(async {
            let env = simulation.env();
            let log = start(&env, small()).await;
            for n in 1..=50_u64 {
                let ticket = commit(&log, vec![n as u8; n as usize * 7], Full).await.unwrap();
                assert_eq!(ticket, Timestamp(n));
            }
            log.append_control(b"done".to_vec()).await.unwrap();
            log.close(false).await.unwrap();
        });
        let env = simulation.restart();
        let (records, facts) = simulation.block_on(read_all(&env)).unwrap();
        assert_eq!(records.len(), 52, "seed {seed}");
        assert_eq!(records[0], Recovered::Control(b"first".to_vec().into()));
        for n in 1..=50_u64 {
            let bytes = vec![n as u8; n as usize * 7].into();
            assert_eq!(records[n as usize], Recovered::Commit { ticket: Timestamp(n), bytes });
        }
        assert_eq!(records[51], Recovered::Control(b"done".to_vec().into()));
        assert_eq!((facts.database_id, facts.last), (Some(common::ID), Timestamp(51)));
    }
}

#[test]
fn tickets_go_on_after_the_last_one_and_the_tail_is_kept_through_many_openings() {
    let simulation = Simulation::new(3);
    let mut expected = 0;
    for round in 0..12_u64 {
        let env = simulation.restart();
        simulation.block_on(async {
            let log = match round {
                0 => start(&env, small()).await,
                _ => open(&env, small()).await.unwrap(),
            };
            assert_eq!(log.durable(), Timestamp(expected));
            for _ in 0..round {
                expected += 1;
                let ticket = commit(&log, expected.to_le_bytes().to_vec(), Full).await.unwrap();
                assert_eq!(ticket, Timestamp(expected));
            }
            if round.is_multiple_of(3) {
                log.close(false).await.unwrap();
            }
        });
    }
    let env = simulation.restart();
    let (records, _) = simulation.block_on(read_all(&env)).unwrap();
    let commits = records.iter().filter(|record| matches!(record, Recovered::Commit { .. }));
    assert_eq!(commits.count() as u64, expected);
}

#[test]
fn records_larger_than_groups_and_segments_come_back_whole() {
    let simulation = Simulation::new(5);
    let sizes = [0, 1, 4000, 8100, 20_000, 70_000, 300_000, 17];
    simulation.block_on(async {
        let log = start(&simulation.env(), small()).await;
        for (n, size) in sizes.into_iter().enumerate() {
            commit(&log, vec![n as u8; size], Full).await.unwrap();
        }
        assert!(log.metrics().segments_made > 10);
    });
    let env = simulation.restart();
    let (records, _) = simulation.block_on(read_all(&env)).unwrap();
    for (n, size) in sizes.into_iter().enumerate() {
        let (ticket, bytes) = (Timestamp(n as u64 + 1), vec![n as u8; size].into());
        assert!(records[n + 1] == Recovered::Commit { ticket, bytes }, "record {n}");
    }
}

#[test]
fn an_idle_log_writes_nothing_and_accepts_nothing() {
    let simulation = Simulation::new(1);
    simulation.block_on(async {
        let env = simulation.env();
        let log = open(&env, small()).await.unwrap();
        assert!(!log.is_active());
        assert!(matches!(log.reserve(1, Full).await, Err(Error::Idle)));
        log.close(true).await.unwrap();
    });
    assert!(simulation.disk().files().is_empty());
}

#[test]
fn closing_with_removal_leaves_no_file() {
    let simulation = Simulation::new(1);
    simulation.block_on(async {
        let log = start(&simulation.env(), small()).await;
        for n in 0..100_u64 {
            commit(&log, vec![1; 900], Full).await.unwrap();
            if n.is_multiple_of(30) {
                log.recycle(log.durable()).await.unwrap();
            }
        }
        log.close(true).await.unwrap();
        assert!(matches!(log.reserve(1, Full).await, Err(Error::Closed)));
    });
    assert_eq!(simulation.disk().files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn dropping_permits_and_tickets_gives_everything_back() {
    let simulation = Simulation::new(1);
    simulation.block_on(async {
        let options = LogOptions { ring_slots: 4, ..small() };
        let log = start(&simulation.env(), options).await;
        for n in 0..200 {
            let permit = log.reserve(500, Full).await.unwrap();
            match n % 4 {
                0 => drop(permit),
                1 => permit.draw().void(),
                2 => drop(permit.draw()),
                _ => {
                    let draw = permit.draw();
                    let ticket = draw.ticket();
                    draw.fill(vec![3; 500]);
                    log.wait(ticket, Full).await.unwrap();
                }
            }
        }
        assert_eq!(log.installed(), log.drawn());
        log.wait(log.drawn(), Full).await.unwrap();
    });
}

#[test]
fn a_panic_between_draw_and_fill_leaves_a_void() {
    let env = Env::memory();
    let log = Log::in_memory(&env, LogOptions::default());
    let permit = log.try_reserve(10, Full).unwrap();
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _draw = permit.draw();
        panic!("on purpose");
    }));
    assert_eq!((log.installed(), log.durable()), (Timestamp(1), Timestamp(1)));
}

#[test]
fn a_log_in_memory_is_durable_when_installed() {
    let simulation = Simulation::new(1);
    let log = Log::in_memory(&simulation.env(), LogOptions { ring_slots: 2, ..small() });
    simulation.block_on(async {
        for n in 1..=100 {
            assert_eq!(commit(&log, vec![0; 10], Full).await.unwrap(), Timestamp(n));
            assert_eq!(log.durable(), Timestamp(n));
        }
        log.sync().await.unwrap();
        log.close(true).await.unwrap();
    });
    assert!(simulation.disk().files().is_empty());
}

#[test]
fn weaker_commits_lift_acked_and_are_synced_in_time() {
    let simulation = Simulation::new(1);
    simulation.block_on(async {
        let env = simulation.env();
        let log = start(&env, small()).await;
        let ticket = commit(&log, vec![1; 10], Normal).await.unwrap();
        assert_eq!((log.acked(), log.written()), (ticket, ticket));
        assert!(log.durable() < ticket);
        env.runtime.sleep(Duration::from_millis(400)).await;
        assert_eq!(log.durable(), ticket);

        let ticket = commit(&log, vec![1; 10], Off).await.unwrap();
        env.runtime.sleep(Duration::from_secs(5)).await;
        assert!(log.durable() < ticket);
        log.sync().await.unwrap();
        assert_eq!(log.durable(), ticket);

        commit(&log, vec![1; 10], Off).await.unwrap();
        let ticket = commit(&log, vec![1; 10], Full).await.unwrap();
        assert_eq!(log.durable(), ticket);
    });
}

#[test]
fn a_full_wait_for_a_weaker_commit_asks_for_its_sync() {
    let simulation = Simulation::new(1);
    simulation.block_on(async {
        let log = start(&simulation.env(), small()).await;
        let ticket = commit(&log, vec![1; 10], Off).await.unwrap();
        assert!(log.durable() < ticket);
        log.wait(ticket, Full).await.unwrap();
        assert_eq!(log.durable(), ticket);
    });
}

#[test]
fn the_strictest_level_in_a_group_decides() {
    let simulation = Simulation::new(1);
    simulation.block_on(async {
        let log = start(&simulation.env(), small()).await;
        let first = log.reserve(10, Off).await.unwrap().draw();
        let second = log.reserve(10, Full).await.unwrap().draw();
        let weak = first.ticket();
        second.fill(vec![2; 10]);
        first.fill(vec![1; 10]);
        log.wait(weak, Full).await.unwrap();
        assert_eq!(log.metrics().groups, 1);
    });
}

#[test]
fn w3_a_failed_write_poisons_and_reopening_finds_what_was_acknowledged() {
    for operation in [Operation::Write, Operation::Sync] {
        for seed in 0..20 {
            let simulation = Simulation::new(seed);
            let acknowledged = simulation.block_on(async {
                let level = if operation == Operation::Write { Full } else { Normal };
                let options = LogOptions { first_segment_bytes: 1 << 20, ..small() };
                let log = start(&simulation.env(), options).await;
                let mut acknowledged = 0;
                for n in 1..=30_u64 {
                    if n == 20 {
                        simulation.inject(Fault::on(operation).path_suffix("1"));
                    }
                    let done = match commit(&log, vec![9; 100], level).await {
                        Ok(_) if level == Normal => log.sync().await,
                        done => done.map(drop),
                    };
                    match done {
                        Ok(()) => acknowledged = n,
                        Err(Error::Poisoned(_)) => break,
                        Err(other) => panic!("{other}"),
                    }
                }
                assert!(log.is_poisoned());
                assert!(matches!(log.reserve(1, Full).await, Err(Error::Poisoned(_))));
                assert!(matches!(log.sync().await, Err(Error::Poisoned(_)) | Ok(())));
                assert!(matches!(log.close(false).await, Err(Error::Poisoned(_))));
                acknowledged
            });
            simulation.clear_faults();
            let env = simulation.restart();
            let (records, _) = simulation.block_on(read_all(&env)).unwrap();
            assert!(records.len() as u64 > acknowledged, "seed {seed}: {acknowledged}");
        }
    }
}

#[test]
fn a_full_disk_fails_a_reservation_and_nothing_else() {
    let simulation = Simulation::new(4);
    simulation.set_capacity(Some(300_000));
    simulation.block_on(async {
        let log = start(&simulation.env(), small()).await;
        let mut full = 0;
        for _ in 0..2000 {
            match commit(&log, vec![5; 1000], Full).await {
                Ok(_) => {}
                Err(Error::DiskFull(_)) => {
                    full += 1;
                    log.recycle(log.durable()).await.unwrap();
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert!(full > 5);
        assert!(!log.is_poisoned());
        assert!(log.metrics().segments_recycled > 5);
    });
}

#[test]
fn recycled_segments_never_bring_back_old_groups() {
    for seed in 0..30 {
        let simulation = Simulation::new(seed);
        simulation.block_on(async {
            let log = start(&simulation.env(), small()).await;
            for n in 0..300_u64 {
                commit(&log, vec![n as u8; 700], Full).await.unwrap();
                if n.is_multiple_of(10) {
                    log.recycle(log.durable()).await.unwrap();
                }
            }
        });
        let env = simulation.restart();
        let (records, _) = simulation.block_on(read_all(&env)).unwrap();
        let tickets: Vec<u64> = common::tickets(&records);
        assert_eq!(tickets.last(), Some(&300), "seed {seed}");
        assert!(tickets.windows(2).all(|pair| pair[0] + 1 == pair[1]), "seed {seed}");
        assert!(tickets.len() < 100);
    }
}

#[test]
fn an_idle_log_is_sealed_once() {
    let simulation = Simulation::new(1);
    simulation.block_on(async {
        let env = simulation.env();
        let log = start(&env, small()).await;
        commit(&log, vec![1; 10], Full).await.unwrap();
        env.runtime.sleep(Duration::from_secs(1)).await;
        assert_eq!(log.metrics().groups, 2);
        env.runtime.sleep(Duration::from_secs(9)).await;
        assert_eq!(log.metrics().groups, 2);
    });
    let env = simulation.restart();
    let opened = simulation.block_on(async {
        let mut opened = Log::open(&env, DB.as_ref(), small()).await.unwrap();
        while opened.recovery.next().await.unwrap().is_some() {}
        opened
    });
    assert!(!opened.recovery.rewrites());
}

#[test]
fn a_wait_for_a_ticket_that_nobody_drew_is_an_error() {
    let simulation = Simulation::new(1);
    simulation.block_on(async {
        let log = start(&simulation.env(), small()).await;
        let never = Timestamp(9);
        assert!(matches!(log.wait(never, Full).await, Err(Error::NeverDrawn(t)) if t == never));
    });
}

#[test]
fn several_groups_are_in_flight_when_commits_queue_up() {
    for seed in 0..10 {
        let simulation = Simulation::new(seed);
        simulation.block_on(async {
            let env = simulation.env();
            let options = LogOptions { segment_bytes: 1 << 20, window_bytes: 1 << 20, ..small() };
            let log = start(&env, options).await;
            for _ in 0..50 {
                let log = log.clone();
                let committer = async move {
                    for _ in 0..10 {
                        let ticket = commit(&log, vec![1; 3000], Full).await.unwrap();
                        assert!(log.durable() >= ticket);
                    }
                };
                env.runtime.spawn("committer", Box::pin(committer));
            }
            while log.durable() < Timestamp(500) {
                env.runtime.sleep(Duration::from_millis(1)).await;
            }
            assert!(log.metrics().max_in_flight > 1, "{:?}", log.metrics());
        });
        let env = simulation.restart();
        let (records, _) = simulation.block_on(read_all(&env)).unwrap();
        assert_eq!(common::tickets(&records), (1..=500).collect::<Vec<_>>());
    }
}
