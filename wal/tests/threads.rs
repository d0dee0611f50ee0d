//! Many committers on threads of the operating system, on real files.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use heddle_base::Timestamp;
use heddle_io::Env;
use heddle_wal::{Durability, Log, LogOptions, Recovered};

const TASKS: u64 = 24;
const EACH: u64 = 60;

async fn committer(log: Log, task: u64) -> Vec<(Timestamp, Vec<u8>)> {
    let mut mine = Vec::new();
    for n in 0..EACH {
        let len = if n % 20 == 7 { 20_000 } else { 30 + (task * n % 300) as usize };
        let record = vec![(task ^ n) as u8; len];
        let level = if n % 5 == 0 { Durability::Normal } else { Durability::Full };
        let permit = log.reserve(record.len(), level).await.unwrap();
        if n % 9 == 4 {
            drop(permit);
            continue;
        }
        let draw = permit.draw();
        let ticket = draw.ticket();
        if n % 11 == 3 {
            draw.void();
            continue;
        }
        draw.fill(record.clone());
        log.wait(ticket, level).await.unwrap();
        assert!(log.acked() >= ticket && log.installed() >= ticket);
        mine.push((ticket, record));
    }
    mine
}

async fn everything_comes_back(env: Env) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let options = LogOptions { ring_slots: 16, max_in_flight: 4, ..common::small() };
    let mut expected = BTreeMap::new();
    for round in 0..2_u64 {
        let log = open(&env, &path, options.clone(), &expected).await;
        if round == 0 {
            log.activate(1, b"start".to_vec()).await.unwrap();
        }
        let tasks: Vec<_> = (0..TASKS).map(|n| tokio::spawn(committer(log.clone(), n))).collect();
        for task in tasks {
            expected.extend(task.await.unwrap());
        }
        log.close(false).await.unwrap();
    }
    open(&env, &path, options, &expected).await.close(true).await.unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    env.io.shutdown().await;
}

/// Opens the log and checks that it holds what is expected.
async fn open(
    env: &Env,
    path: &Path,
    options: LogOptions,
    expected: &BTreeMap<Timestamp, Vec<u8>>,
) -> Log {
    let mut opened = Log::open(env, path, options).await.unwrap();
    let mut found = BTreeMap::new();
    while let Some(record) = opened.recovery.next().await.unwrap() {
        if let Recovered::Commit { ticket, bytes } = record {
            found.insert(ticket, bytes.to_vec());
        }
    }
    assert!(found == *expected, "{} commits, not {}", found.len(), expected.len());
    opened.recovery.finish().await.unwrap();
    opened.log
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_comes_back_from_the_system() {
    everything_comes_back(Env::system()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_comes_back_from_blocking_files() {
    everything_comes_back(Env::blocking()).await;
}
