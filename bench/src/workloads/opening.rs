//! Opening: a large database, and one whose latest commits are only in its log.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, params};

use super::Bed;
use crate::data::{Dice, Keys};
use crate::drive::{Outcome, Step, drive};
use crate::machine;
use crate::peer::{Peer, Session, Upkeep};
use crate::peers::sqlite;
use crate::report::Sample;

/// Text in a row of the large database.
const LARGE_BODY: usize = 3000;

/// Small commits in the log that is recovered.
const COMMITS: u64 = 500_000;

/// Opens a large database that stock SQLite made. Peers with other formats are left out.
pub fn open<P: Peer>(bed: &Bed<'_>) -> Result<Option<Sample>> {
    if !reads_sqlite::<P>(bed)? {
        return Ok(None);
    }
    let large = bed.kept.join("large.db");
    if !large.exists() {
        make_large(&large, bed.gigabytes)?;
    }
    fs::hard_link(&large, bed.at.join(sqlite::FILE)).context("the large database")?;
    bed.runtime.block_on(async {
        let memory = machine::resident_bytes();
        let begin = Instant::now();
        let peer = P::open(bed.at, Upkeep::Automatic).await?;
        let opened = begin.elapsed().as_secs_f64() * 1e3;
        let found = peer.session().await?.get(1).await?;
        let read = begin.elapsed().as_secs_f64() * 1e3 - opened;
        let grown = machine::resident_bytes().saturating_sub(memory) as f64 / 1e6;
        ensure!(found.is_some(), "the first row is missing");
        peer.close().await?;
        let figures = vec![("first read ms", read), ("memory MB", grown)];
        Ok(Some(Sample { headline: opened, figures }))
    })
}

/// Whether the peer keeps its rows in a SQLite file: tried with a new database.
fn reads_sqlite<P: Peer>(bed: &Bed<'_>) -> Result<bool> {
    let trial = bed.at.join("trial");
    fs::create_dir(&trial)?;
    let peer = bed.runtime.block_on(P::open(&trial, Upkeep::Automatic))?;
    bed.runtime.block_on(peer.close())?;
    Ok(trial.join(sqlite::FILE).exists())
}

fn make_large(path: &Path, gigabytes: f64) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    let _ = fs::remove_file(&unfinished);
    let mut db = Connection::open(&unfinished)?;
    db.pragma_update(None, "synchronous", "OFF")?;
    for table in sqlite::TABLES {
        db.execute(table, [])?;
    }
    let rows = (gigabytes * (1 << 30) as f64 / LARGE_BODY as f64) as u64;
    let tx = db.transaction()?;
    let mut insert = tx.prepare("INSERT INTO rows (n, body) VALUES (0, ?1)")?;
    let body = "large ".repeat(LARGE_BODY / 6);
    for _ in 0..rows {
        insert.execute(params![body])?;
    }
    drop(insert);
    tx.commit()?;
    // So that no peer's first sync pays for this file: its mode is settled, its pages are on disk.
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    drop(db);
    fs::File::open(&unfinished)?.sync_all()?;
    Ok(fs::rename(&unfinished, path)?)
}

/// Inserts until enough commits are in the log.
#[derive(Debug, Clone)]
struct InsertUpTo {
    keys: Arc<Keys>,
    dice: Dice,
    left: u64,
}

impl<S: Session> Step<S> for InsertUpTo {
    async fn run(&mut self, session: &mut S) -> Result<Outcome> {
        if self.left == 0 {
            return Ok(Outcome { operations: 0, retries: 0 });
        }
        self.left -= 1;
        let row = self.keys.row(&mut self.dice.0);
        session.insert(&[row]).await.map(Outcome::commit)
    }
}

/// Fills a log with small commits, copies the files as a crash would leave them, and times opening the copy.
pub fn recover<P: Peer>(bed: &Bed<'_>) -> Result<Option<Sample>> {
    if !reads_sqlite::<P>(bed)? {
        return Ok(None);
    }
    const WRITERS: usize = 256;
    let (at, copy) = (bed.at.join("live"), bed.at.join("copy"));
    fs::create_dir(&at)?;
    fs::create_dir(&copy)?;
    let peer = bed.runtime.block_on(P::open(&at, Upkeep::Manual))?;
    let mut commits = 0;
    while commits < COMMITS {
        let left = (COMMITS - commits).div_ceil(WRITERS as u64);
        let step = InsertUpTo { keys: Arc::new(Keys::after(0)), dice: Dice::new(), left };
        let driven = drive(bed.runtime, &peer, &at, bed.span, WRITERS, step)?;
        commits += driven.first.operations;
    }
    copy_files(&at, &copy)?;
    bed.runtime.block_on(peer.close())?;
    bed.runtime.block_on(async {
        let begin = Instant::now();
        let peer = P::open(&copy, Upkeep::Manual).await?;
        let took = begin.elapsed().as_secs_f64();
        let (rows, _) = peer.session().await?.range(0, usize::MAX).await?;
        ensure!(rows == commits, "{rows} rows of {commits} came back");
        peer.close().await?;
        Ok(Some(Sample { headline: commits as f64 / took, figures: vec![("s", took)] }))
    })
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy_files(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
