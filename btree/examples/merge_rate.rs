//! How fast sorted changes merge into a tree in memory, on one core.
//!
//! `cargo run --release -p heddle-btree --example merge_rate [rows]`
//!
//! Every figure is the best of three rounds and counts changed entries. Records have about 100 bytes. Changes and pages are in
//! memory: reading, logging and syncing are not part of it. At the end stock SQLite checks the file.

#![expect(clippy::disallowed_methods, reason = "a measurement needs the clock")]
#![expect(clippy::print_stdout, reason = "a measurement is printed")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails stops")]

#[path = "../tests/common/draft.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests use all of it")]
mod draft;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use draft::Draft;
use heddle_base::PageNo;
use heddle_btree::changes::{Change, Sorted};
use heddle_btree::key::{self, KeyColumn, KeyShape};
use heddle_btree::merge::{Applied, apply};
use heddle_btree::record::{self, Record};
use heddle_btree::text::Encoding;
use heddle_btree::tree::Tree;
use heddle_btree::value::ValueRef;
use rusqlite::Connection;

const ROUNDS: usize = 3;

/// Pages are in memory: nothing ever waits.
fn finish<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).as_mut().poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("pages in memory are ready"),
    }
}

fn shape() -> KeyShape {
    KeyShape::new([KeyColumn::default(), KeyColumn::default()], Encoding::Utf8)
}

/// Rows of the table: `text` differs from version to version, not in length.
fn row(id: i64, version: u8) -> Change {
    let text = [b'a' + version; 84];
    let mut record = Vec::new();
    let values = [ValueRef::Null, ValueRef::Integer(id % 1000), ValueRef::Text(&text)];
    record::encode(values, &mut record).unwrap();
    (Bytes::copy_from_slice(&key::encode_rowid(id)), Some(record.into()))
}

/// Entries of the index, in the order of their texts.
fn entry(id: i64) -> Change {
    let text = format!("{id:084}");
    let mut record = Vec::new();
    record::encode([ValueRef::Text(text.as_bytes()), ValueRef::Integer(id)], &mut record).unwrap();
    let mut key = Vec::new();
    key::encode_record(&shape(), &Record::parse(&record).unwrap(), &mut key).unwrap();
    (key.into(), Some(record.into()))
}

/// The same changes in few large buffers, as a run or a version store would hand them out.
fn dense(changes: impl Iterator<Item = Change>) -> Vec<Change> {
    let mut block = BytesMut::new();
    let mut out = Vec::new();
    for (key, value) in changes {
        if block.len() > 1 << 16 {
            block = BytesMut::new();
        }
        let mut copy = |bytes: &[u8]| {
            block.extend_from_slice(bytes);
            block.split().freeze()
        };
        out.push((copy(&key), value.map(|value| copy(&value))));
    }
    out
}

fn measure(what: &str, base: &Draft, tree: &Tree, changes: &[Change]) -> Draft {
    let mut best = Duration::MAX;
    let mut result = None;
    for _ in 0..ROUNDS {
        let mut draft = base.clone();
        let source = changes.to_vec();
        let start = Instant::now();
        let applied = finish(apply(&mut draft, tree, Sorted(source.into_iter()))).unwrap();
        best = best.min(start.elapsed());
        result = Some((draft, applied));
    }
    let (draft, applied): (Draft, Applied) = result.unwrap();
    let rate = changes.len() as f64 / best.as_secs_f64();
    println!("{what:44} {rate:>12.0} entries/s {:>8} pages  {best:?}", applied.pages);
    draft
}

fn main() {
    let rows: i64 = std::env::args().nth(1).map_or(1_000_000, |n| n.parse().expect("a number"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("merge.db");
    let stock = Connection::open(&path).unwrap();
    stock
        .execute_batch(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, n, text); CREATE INDEX i ON t(text);",
        )
        .unwrap();
    drop(stock);
    let table = Tree::table(PageNo(2));
    let index = Tree::index(PageNo(3), shape());
    let empty = Draft::new(&std::fs::read(&path).unwrap());
    let mut random = fastrand::Rng::with_seed(1);
    let mut sample = |share: i64| -> Vec<i64> {
        let mut ids: Vec<_> = (0..rows / share).map(|_| random.i64(1..=rows)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let (few, more) = (sample(100), sample(10));

    let all = dense((1..=rows).map(|id| row(id * 2, 0)));
    let loaded = measure("table: load in key order", &empty, &table, &all);
    let all = dense((1..=rows).map(|id| row(id * 2, 1)));
    let updated = measure("table: update every row", &loaded, &table, &all);
    let some = dense(few.iter().map(|&id| row(id * 2, 2)));
    measure("table: update 1% at random", &updated, &table, &some);
    let some = dense(few.iter().map(|&id| row(id * 2 + 1, 2)));
    measure("table: insert 1% at random", &updated, &table, &some);
    let some = dense(more.iter().map(|&id| row(id * 2 + 1, 2)));
    measure("table: insert 10% at random", &updated, &table, &some);
    let some = dense(more.iter().map(|&id| (row(id * 2, 2).0, None)));
    measure("table: delete 10% at random", &updated, &table, &some);

    let all = dense((1..=rows).map(|id| entry(id * 2)));
    let loaded = measure("index: load in key order", &empty, &index, &all);
    measure("index: replace every entry", &loaded, &index, &all);
    let some = dense(few.iter().map(|&id| entry(id * 2 + 1)));
    let inserted = measure("index: insert 1% at random", &loaded, &index, &some);
    let some = dense(few.iter().map(|&id| (entry(id * 2 + 1).0, None)));
    measure("index: delete those again", &inserted, &index, &some);

    std::fs::write(&path, updated.bytes()).unwrap();
    let stock = Connection::open(&path).unwrap();
    stock.execute_batch("REINDEX").unwrap();
    let ok: String = stock.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
    println!("stock SQLite: {ok}");
}
