//! What the tests of the log share.

#![allow(dead_code, clippy::unwrap_used, reason = "a test; not every file uses everything")]

use heddle_base::Timestamp;
use heddle_io::Env;
use heddle_wal::{Durability, Facts, Log, LogOptions, Recovered, Result};

pub(crate) const DB: &str = "/d/x.db";
pub(crate) const ID: u64 = 0x1234_5678;

/// Segments and groups so small that every border is met soon.
pub(crate) fn small() -> LogOptions {
    LogOptions {
        first_segment_bytes: 32 << 10,
        segment_bytes: 24 << 10,
        window_bytes: 32 << 10,
        group_bytes: 8 << 10,
        max_in_flight: 4,
        ring_slots: 64,
        ..LogOptions::default()
    }
}

/// Opens a log and reads it through.
pub(crate) async fn open(env: &Env, options: LogOptions) -> Result<Log> {
    let opened = Log::open(env, DB.as_ref(), options).await?;
    opened.recovery.finish().await?;
    Ok(opened.log)
}

/// Opens a log that isn't there, and activates it.
pub(crate) async fn start(env: &Env, options: LogOptions) -> Log {
    let log = open(env, options).await.unwrap();
    log.activate(ID, b"first".to_vec()).await.unwrap();
    log
}

/// Commits one record and waits for it.
pub(crate) async fn commit(log: &Log, record: Vec<u8>, level: Durability) -> Result<Timestamp> {
    let draw = log.reserve(record.len(), level).await?.draw();
    let ticket = draw.ticket();
    draw.fill(record);
    log.wait(ticket, level).await?;
    Ok(ticket)
}

/// All records of the log, which is taken over and dropped.
pub(crate) async fn read_all(env: &Env) -> Result<(Vec<Recovered>, Facts)> {
    let mut opened = Log::open(env, DB.as_ref(), small()).await?;
    let mut records = Vec::new();
    while let Some(record) = opened.recovery.next().await? {
        records.push(record);
    }
    let facts = opened.recovery.facts();
    opened.recovery.finish().await?;
    Ok((records, facts))
}

/// The commits' tickets.
pub(crate) fn tickets(records: &[Recovered]) -> Vec<u64> {
    let ticket = |record: &Recovered| match record {
        Recovered::Commit { ticket, .. } => Some(ticket.get()),
        Recovered::Control(_) => None,
    };
    records.iter().filter_map(ticket).collect()
}
