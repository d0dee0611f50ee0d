//! What each commit writes, so that a reader can tell from the ledger alone what must be there.
//!
//! # Invariants
//! - P1: a writer's commits are numbered from 1 and made one after another; each sets the writer's line in the ledger to its
//!   number, and what it writes beside that follows from writer and number alone.

use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use heddle_engine::{AutoVacuum, Database, Durability, Error, Options};

/// Writers of entries, numbered from 1.
pub(crate) const WRITERS: i64 = 12;
/// The writer of whole tables.
pub(crate) const BULK: i64 = 100;
/// The writer that changes the schema.
pub(crate) const SCHEMA: i64 = 101;
/// Accounts, and what each begins with.
pub(crate) const ACCOUNTS: i64 = 50;
/// See [`ACCOUNTS`].
pub(crate) const DEPOSIT: i64 = 1000;
/// Commits of a writer whose entries are still there.
pub(crate) const KEPT: i64 = 20;
/// Rows that each commit of [`BULK`] writes.
pub(crate) const BULK_ROWS: i64 = 1500;

/// The tables, which the first transaction makes.
pub(crate) const TABLES: [&str; 4] = [
    "CREATE TABLE ledger (writer INTEGER PRIMARY KEY, n INT NOT NULL)",
    "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INT NOT NULL)",
    "CREATE TABLE entry (id INTEGER PRIMARY KEY, writer INT, n INT, part INT, body TEXT, UNIQUE (writer, n, part))",
    "CREATE TABLE bulk (id INTEGER PRIMARY KEY, n INT NOT NULL, body TEXT)",
];

/// How many entries a commit adds.
pub(crate) fn parts(writer: i64, n: i64) -> i64 {
    1 + (writer * 31 + n * 7) % 4
}

/// What an entry says.
pub(crate) fn body(writer: i64, n: i64, part: i64) -> String {
    // Now and then more than fits on a page.
    let long = if (writer + n) % 40 == 0 { 9000 } else { 0 };
    let fill = long + (writer * 7 + n * 13 + part * 101) % 300;
    format!("{writer}/{n}/{part} {}", "x".repeat(usize::try_from(fill).unwrap_or(0)))
}

/// What there is beside [`TABLES`] after this many changes of the schema: (the table `extra`, its column `more`, the index
/// `by_body`).
pub(crate) fn schema(n: i64) -> (bool, bool, bool) {
    match n % 4 {
        1 => (true, false, false),
        2 => (true, true, true),
        3 => (true, true, false),
        _ => (false, false, false),
    }
}

/// Opens the database. Who was killed, or only dropped it, may hold its locks a moment longer.
pub(crate) async fn open(path: &Path, rng: &mut Rng) -> Result<Database, Error> {
    let options = options(rng);
    let mut waited = 0;
    loop {
        match Database::open(path, options.clone()).await {
            Err(Error::Locked { .. }) if waited < 1000 => waited += 1,
            outcome => return outcome,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How it is opened: each time otherwise, with everything small, so that much happens.
fn options(rng: &mut Rng) -> Options {
    Options {
        page_size: [512, 1024, 4096, 16384][rng.usize(0..4)],
        auto_vacuum: [AutoVacuum::None, AutoVacuum::Full, AutoVacuum::Incremental][rng.usize(0..3)],
        durability: durability(rng),
        cache_bytes: 1 << 20,
        memory_bytes: 8 << 20,
        // So small that a bulk commit spills.
        transaction_bytes: [128 << 10, 64 << 20][rng.usize(0..2)],
        checkpoint_log_bytes: [256 << 10, 2 << 20][rng.usize(0..2)],
        ..Options::default()
    }
}

/// Any level: a killed process loses nothing at either, for the system has what was written.
pub(crate) fn durability(rng: &mut Rng) -> Durability {
    [Durability::Full, Durability::Full, Durability::Normal, Durability::Off][rng.usize(0..4)]
}
