//! What is fuzzed. Inputs that are files carry a first byte: if it is odd, checksums are made right first; if its second bit
//! is set, a database is also written to, which takes ten times as long.

use crate::{files, repair};
use heddle_base::{PageNo, Timestamp, TreeId};
use heddle_btree::header::Header;
use heddle_btree::layout::PageView;
use heddle_btree::record::{self, Record};
use heddle_btree::value::ValueRef;
use heddle_engine::{Database, Direction, Options};
use heddle_io::{Env, ThreadRuntime};
use heddle_txn::redo;
use heddle_wal::run::{RunCursor, RunDirection, RunFile, RunName};
use heddle_wal::{Durability, Log, LogOptions, Recovered};
use std::future::Future;
use std::ops::Bound;
use std::path::Path;

/// All targets, by name.
pub const ALL: [(&str, fn(&[u8])); 6] = [
    ("record", record),
    ("page", page),
    ("redo", redo),
    ("log", log),
    ("run", run),
    ("database", database),
];

fn block_on<F: Future>(future: F) -> F::Output {
    ThreadRuntime::new().block_on(future)
}

/// A row's record: all its values, and that what we would write for them reads back the same.
pub fn record(bytes: &[u8]) {
    let Ok(record) = Record::parse(bytes) else { return };
    let _ = record.column_count();
    let _ = record.column(3);
    let mut columns = record.columns();
    let mut values: Vec<ValueRef<'_>> = Vec::new();
    while let Ok(Some(value)) = columns.next_value() {
        values.push(value);
    }
    let mut again = Vec::new();
    if record::encode(values.iter().copied(), &mut again).is_err() {
        return;
    }
    let parsed = Record::parse(&again).expect("what we wrote can be read");
    let mut columns = parsed.columns();
    for value in values {
        let read =
            columns.next_value().expect("a value that we wrote").expect("as many as we wrote");
        // NaN is no value of SQLite's: it reads as NULL.
        assert!(read == value || format!("{read:?}") == format!("{value:?}"), "{read:?} {value:?}");
    }
}

/// A page of a tree: every cell, every freeblock, and a search. The first byte chooses the page's size.
pub fn page(bytes: &[u8]) {
    let Some((choice, image)) = bytes.split_first() else { return };
    if let Ok(header) = Header::parse(image) {
        let _ = format!("{header:?}");
    }
    let size = 512usize << (choice % 8).min(7);
    let mut page = vec![0; size];
    let count = image.len().min(size);
    page[..count].copy_from_slice(&image[..count]);
    let number = if choice & 0x80 == 0 { PageNo(2) } else { PageNo(1) };
    let usable = size - usize::from(choice >> 3 & 0xf).min(size - 480);
    let Ok(view) = PageView::parse(number, &page, usable) else { return };
    for index in 0..view.cell_count() + 1 {
        let _ = view.child(index);
        let _ = view.rowid(index);
        let _ = view.cell_bytes(index);
        let Ok(cell) = view.cell(index) else { continue };
        if let Ok(record) = Record::parse_local(cell.local, cell.payload_len) {
            let mut columns = record.columns();
            while let Ok(Some(_)) = columns.next_value() {}
        }
    }
    if view.kind().is_table() {
        let _ = view.search_rowid(i64::from(*choice), (i64::MIN, i64::MAX));
    }
    let _ = view.content_start();
    let _ = view.freeblocks().take(size).count();
}

/// A record of the log.
pub fn redo(bytes: &[u8]) {
    match redo::decode(bytes) {
        Ok(redo::Record::Commit(items)) => {
            let mut left = bytes.len() + 1;
            for item in items {
                left = left.checked_sub(1).expect("no more items than bytes");
                if item.is_err() {
                    break;
                }
            }
        }
        Ok(redo::Record::Control(control)) => {
            let encoded = control.encode();
            assert_eq!(redo::decode(&encoded), Ok(redo::Record::Control(control)));
        }
        Err(_) => {}
    }
}

const DB: &str = "/d/x.db";

/// Two segments of a log: all records, then a commit on top, then all of it once more.
pub fn log(bytes: &[u8]) {
    let (choice, mut segments) = files::split::<2>(bytes);
    if choice & 1 == 1 {
        segments.iter_mut().for_each(repair::log_segment);
    }
    block_on(async {
        let env = Env::memory();
        for (segment, number) in segments.iter().zip(1..) {
            let path = format!("{DB}-log-{number:010}");
            if files::write(&env, path.as_ref(), segment).await.is_err() {
                return;
            }
        }
        let Ok(mut opened) = Log::open(&env, DB.as_ref(), small_log()).await else { return };
        loop {
            match opened.recovery.next().await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                // An opening ends there.
                Err(_) => return,
            }
        }
        if opened.recovery.finish().await.is_err() {
            return;
        }
        let mine = commit(&opened.log).await;
        let _ = opened.log.close(false).await;
        let Some(mine) = mine else { return };
        // What was acknowledged on top is there, whatever lies below.
        let mut opened =
            Log::open(&env, DB.as_ref(), small_log()).await.expect("a log that took a commit");
        let mut found = false;
        while let Some(record) = opened.recovery.next().await.expect("a log that took a commit") {
            found |= matches!(record, Recovered::Commit { ticket, .. } if ticket == mine);
        }
        assert!(found, "{mine:?} was acknowledged and is not there");
        let _ = opened.log.close(false).await;
    });
}

/// Segments as small as they get: they are made of zeros, which took nearly all of the time.
fn small_log() -> LogOptions {
    LogOptions {
        first_segment_bytes: 32 << 10,
        segment_bytes: 32 << 10,
        window_bytes: 16 << 10,
        group_bytes: 8 << 10,
        ring_slots: 16,
        ..LogOptions::default()
    }
}

/// A commit that is on disk, unless the log is idle or has failed.
async fn commit(log: &Log) -> Option<Timestamp> {
    let permit = log.reserve(100, Durability::Full).await.ok()?;
    let draw = permit.draw();
    let ticket = draw.ticket();
    draw.fill(vec![7; 100]);
    log.wait(ticket, Durability::Full).await.ok()?;
    Some(ticket)
}

/// A run file: every entry both ways, and a look for a key.
pub fn run(bytes: &[u8]) {
    let (choice, [mut file]) = files::split::<1>(bytes);
    let name = RunName::new(1);
    if choice & 1 == 1 {
        repair::run(&mut file);
    }
    block_on(async {
        let env = Env::memory();
        let path = format!("{DB}-log-{name}");
        if files::write(&env, path.as_ref(), &file).await.is_err() {
            return;
        }
        let Ok(run) = RunFile::open(&env, DB.as_ref(), name).await else { return };
        let trees: Vec<TreeId> = run.trees().to_vec();
        for tree in trees.into_iter().take(16) {
            for direction in [RunDirection::Forward, RunDirection::Backward] {
                let mut cursor = RunCursor::new(run.clone(), tree, Bound::Unbounded, direction);
                let mut left = file.len() + 1;
                while let Ok(Some(_)) = cursor.next().await {
                    left = left.checked_sub(1).expect("no more entries than bytes");
                }
            }
            let _ = run.may_contain(tree, b"key");
            let _ = run.try_get(tree, b"key");
        }
    });
}

/// A database with all that may lie beside it: opened, read, checked, written to, checkpointed, closed, opened again.
pub fn database(bytes: &[u8]) {
    let (choice, [db, mut wal, journal, mut segment]) = files::split::<4>(bytes);
    if choice & 1 == 1 {
        repair::sqlite_wal(&mut wal);
        repair::log_segment(&mut segment);
    }
    block_on(async {
        let env = Env::memory();
        let beside = |suffix: &str| format!("{DB}{suffix}");
        for (suffix, bytes) in
            [("", &db), ("-wal", &wal), ("-journal", &journal), ("-log-0000000001", &segment)]
        {
            if files::write(&env, beside(suffix).as_ref(), bytes).await.is_err() {
                return;
            }
        }
        let options = || Options {
            env: Some(env.clone()),
            cache_bytes: 1 << 20,
            auto_checkpoint: false,
            checkpoint_log_bytes: 128 << 10,
            ..Options::default()
        };
        for round in 0..2 {
            let Ok(db) = Database::open(Path::new(DB), options()).await else { return };
            let _ = read_all(&db).await;
            let _ = db.check().await;
            if round == 0 && choice & 2 == 2 {
                let _ = write(&db).await;
                let _ = db.checkpoint().await;
            }
            if db.close().await.is_err() {
                return;
            }
        }
    });
}

/// Rows that are read of each table and index: a damaged tree may be large in its own opinion.
const ROWS: usize = 2_000;

async fn read_all(db: &Database) -> heddle_engine::Result<()> {
    let mut tx = db.snapshot().await?;
    for name in tx.table_names() {
        for direction in [Direction::Ascending, Direction::Descending] {
            let Ok(mut table) = tx.table(&name) else { continue };
            let Ok(mut scan) = table.scan(.., direction) else { continue };
            for _ in 0..ROWS {
                match scan.next().await {
                    Ok(Some(row)) => drop(row.values()),
                    Ok(None) | Err(_) => break,
                }
            }
        }
        let Ok(mut table) = tx.table(&name) else { continue };
        let indexes: Vec<String> = table.indexes().map(str::to_owned).collect();
        for index in indexes {
            let Ok(mut index) = table.index(&index) else { continue };
            let Ok(mut scan) = index.scan(Vec::<heddle_engine::Value>::new(), Direction::Ascending)
            else {
                continue;
            };
            for _ in 0..ROWS {
                if !matches!(scan.next().await, Ok(Some(_))) {
                    break;
                }
            }
        }
    }
    Ok(())
}

async fn write(db: &Database) -> heddle_engine::Result<()> {
    let mut tx = db.begin().await?;
    let names = tx.table_names();
    for name in names.iter().take(4) {
        let Ok(mut table) = tx.table(name) else { continue };
        let first = match table.scan(.., Direction::Ascending) {
            Ok(mut scan) => scan.next().await.ok().flatten().and_then(|row| row.rowid()),
            Err(_) => None,
        };
        if let Some(first) = first {
            let _ = table.delete(first).await;
        }
    }
    tx.create_table("CREATE TABLE IF NOT EXISTS fuzz (id INTEGER PRIMARY KEY, body TEXT)").await?;
    for n in 0..40 {
        tx.table("fuzz")?.insert((None::<i64>, format!("{n}").repeat(100))).await?;
    }
    tx.commit().await.map(drop)
}
