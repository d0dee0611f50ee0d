//! What an interrupted stock process leaves behind: we and stock make the same file of it.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod common;

use std::path::{Path, PathBuf};

use common::{Scratch, block_on, scratch};
use heddle_btree::Error;
use heddle_btree::pager::{Found, Pager, PagerOptions};
use heddle_io::Env;
use rusqlite::Connection;

fn beside(path: &Path, suffix: &str) -> PathBuf {
    path.with_extension(format!("db{suffix}"))
}

/// A database, and the file beside it as a crash left it.
struct Left {
    db: Vec<u8>,
    other: Vec<u8>,
    suffix: &'static str,
}

impl Left {
    fn copy(path: &Path, suffix: &'static str) -> Self {
        let (db, other) = (std::fs::read(path), std::fs::read(beside(path, suffix)));
        Self { db: db.unwrap(), other: other.unwrap(), suffix }
    }

    fn place(&self) -> Scratch {
        let x = scratch();
        std::fs::write(&x.path, &self.db).unwrap();
        std::fs::write(beside(&x.path, self.suffix), &self.other).unwrap();
        x
    }

    /// Opens it here and there; gives what we found.
    fn compare(&self, what: &str) -> Option<Found> {
        let (ours, theirs) = (self.place(), self.place());
        let stock = Connection::open(&theirs.path).unwrap();
        let seen =
            stock.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
        if self.suffix == "-wal" {
            let _ = stock.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
        drop(stock);
        let found = block_on(async {
            let (pager, found) =
                Pager::open(&Env::blocking(), &ours.path, PagerOptions::default()).await?;
            pager.close().await?;
            Ok::<_, Error>(found)
        });
        if seen.is_ok() {
            assert!(found.is_ok(), "{what}: {found:?}");
            let files = (std::fs::read(&ours.path).unwrap(), std::fs::read(&theirs.path).unwrap());
            assert!(files.0 == files.1, "{what}: the files differ");
            assert!(!beside(&ours.path, self.suffix).exists(), "{what}");
        }
        found.ok()
    }
}

/// A transaction that has written to the file, and its journal.
fn hot_journal(page_size: u32, change: &str) -> (Left, Vec<u8>) {
    let x = scratch();
    let stock = common::stock(
        &x.path,
        &format!(
            "PRAGMA page_size = {page_size}; CREATE TABLE t(a INTEGER PRIMARY KEY, b);
             WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 800)
             INSERT INTO t SELECT i, printf('%0200d', i) FROM c;
             CREATE INDEX i ON t(b); PRAGMA cache_size = 5; PRAGMA cache_spill = 5;"
        ),
    );
    let before = std::fs::read(&x.path).unwrap();
    stock.execute_batch(&format!("BEGIN; {change}")).unwrap();
    let left = Left::copy(&x.path, "-journal");
    assert!(page_size > 16_384 || left.db != before, "the cache spilled");
    (left, before)
}

#[test]
fn a_hot_journal_is_rolled_back() {
    let changes = [
        "UPDATE t SET b = printf('%0220d', a);",
        "DELETE FROM t WHERE a % 3 = 0; INSERT INTO t SELECT a + 9000, b FROM t;",
        "DROP INDEX i; CREATE TABLE u AS SELECT * FROM t;",
    ];
    for page_size in [512, 4096, 65_536] {
        for change in changes {
            let (left, before) = hot_journal(page_size, change);
            let found = left.compare(change).unwrap();
            assert!(found.journal_rolled_back || left.other[0] == 0);
            let x = left.place();
            drop(
                block_on(Pager::open(&Env::blocking(), &x.path, PagerOptions::default())).unwrap(),
            );
            assert!(std::fs::read(&x.path).unwrap() == before, "{page_size}: {change}");
        }
    }
}

#[test]
fn a_damaged_journal_counts_as_far_as_stock_counts_it() {
    let (left, _) = hot_journal(512, "UPDATE t SET b = printf('%0220d', a);");
    let mut random = fastrand::Rng::with_seed(1);
    for round in 0..50 {
        let mut other = left.other.clone();
        let at = random.usize(..other.len());
        // Damage to the number of pages of before would change the file's length: stock then may grow it.
        let what = if round % 2 == 0 {
            other.truncate(at);
            format!("cut at {at}")
        } else {
            let at = if (8..28).contains(&at) { 28 } else { at };
            other[at] ^= 1 << random.u8(..8);
            format!("bit of byte {at}")
        };
        Left { db: left.db.clone(), other, suffix: "-journal" }.compare(&what);
    }
}

#[test]
fn a_hot_journal_is_refused_where_nothing_may_be_written() {
    let (left, _) = hot_journal(1024, "UPDATE t SET b = a;");
    let x = left.place();
    let options = PagerOptions { read_only: true, ..PagerOptions::default() };
    let refused = block_on(Pager::open(&Env::blocking(), &x.path, options));
    assert!(matches!(refused, Err(Error::Unsupported { .. })));
    assert!(std::fs::read(&x.path).unwrap() == left.db);
}

#[test]
fn a_journal_of_several_databases_is_left_to_stock() {
    let (mut left, before) = hot_journal(1024, "UPDATE t SET b = a;");
    let y = scratch();
    let name = y.dir.path().join("x.db-mj123").to_str().unwrap().to_owned();
    let sum: u32 = name.bytes().map(u32::from).sum();
    left.other.extend_from_slice(&(0x4000_0000_u32 / 1024 + 1).to_be_bytes());
    left.other.extend_from_slice(name.as_bytes());
    left.other.extend_from_slice(&(name.len() as u32).to_be_bytes());
    left.other.extend_from_slice(&sum.to_be_bytes());
    left.other.extend_from_slice(&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
    std::fs::write(&name, b"not empty").unwrap();
    let x = left.place();
    let open = || block_on(Pager::open(&Env::blocking(), &x.path, PagerOptions::default()));
    assert!(matches!(open(), Err(Error::Unsupported { .. })));
    assert!(beside(&x.path, "-journal").exists());
    // Without the super-journal the transaction was committed: nothing is rolled back.
    std::fs::remove_file(&name).unwrap();
    assert!(!open().unwrap().1.journal_rolled_back);
    assert!(!beside(&x.path, "-journal").exists());
    assert!(std::fs::read(&x.path).unwrap() == left.db && left.db != before);
}

#[test]
fn a_damaged_wal_counts_as_far_as_stock_counts_it() {
    let x = scratch();
    let stock = common::stock(
        &x.path,
        "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
         CREATE TABLE t(a, b);",
    );
    for i in 0..12 {
        stock.execute("INSERT INTO t VALUES (?1, zeroblob(3000))", [i]).unwrap();
    }
    let left = Left::copy(&x.path, "-wal");
    assert!(left.compare("whole").unwrap().wal_had_commits);
    let mut random = fastrand::Rng::with_seed(2);
    for round in 0..60 {
        let mut other = left.other.clone();
        let at = random.usize(..other.len());
        if round % 2 == 0 {
            other.truncate(at)
        } else {
            other[at] ^= 1 << random.u8(..8)
        }
        Left { db: left.db.clone(), other, suffix: "-wal" }.compare(&format!("{round}: {at}"));
    }
}

/// Of a database of no bytes no `-wal` is left, as in stock.
#[test]
fn a_wal_beside_an_empty_file_belongs_to_nothing() {
    let x = scratch();
    let _stock = common::stock(&x.path, "PRAGMA journal_mode = WAL; CREATE TABLE t(a);");
    let mut left = Left::copy(&x.path, "-wal");
    left.db.clear();
    let y = left.place();
    let (_, found) =
        block_on(Pager::open(&Env::blocking(), &y.path, PagerOptions::default())).unwrap();
    assert!(found.created && !found.wal_had_commits);
}
