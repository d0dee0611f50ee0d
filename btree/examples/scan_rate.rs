//! How fast the tree layer reads, beside stock SQLite stepping over the same file in the same run.
//!
//! `cargo run --release -p heddle-btree --example scan_rate [rows]`
//!
//! Every figure is the best of five rounds, everything is cached on both sides. What is read: one integer
//! column of every row (scan), one integer column of a random row (point).

#![expect(clippy::disallowed_methods, reason = "a measurement needs the clock")]
#![expect(clippy::print_stdout, reason = "a measurement is printed")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that fails stops"
)]

#[path = "../tests/common/image.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests use all of it")]
mod image;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use heddle_base::PageNo;
use heddle_btree::collation::Collation;
use heddle_btree::cursor::Step;
use heddle_btree::key::{self, KeyColumn, KeyShape};
use heddle_btree::record::Record;
use heddle_btree::text::Encoding;
use heddle_btree::tree::{Lookup, Tree};
use heddle_btree::value::ValueRef;
use rusqlite::Connection;

use image::FileImage;

const POINTS: usize = 1_000_000;
const ROUNDS: usize = 5;

fn main() {
    let rows: i64 = std::env::args().nth(1).map_or(1_000_000, |n| n.parse().expect("a number"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scan.db");
    let stock = Connection::open(&path).unwrap();
    stock
        .execute_batch(&format!(
            "PRAGMA cache_size = -400000; PRAGMA mmap_size = 0;
             CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, text TEXT);
             WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {rows})
             INSERT INTO t SELECT i, i * 7 % 1000003, printf('%084d', i) FROM c;
             CREATE INDEX t_text ON t(text);"
        ))
        .unwrap();
    let root = |name: &str| -> PageNo {
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        PageNo(stock.query_row(sql, [name], |r| r.get(0)).unwrap())
    };
    let table = Tree::table(root("t"));
    let column = KeyColumn { collation: Collation::Binary, descending: false };
    let shape = KeyShape::new([column, KeyColumn::default()], Encoding::Utf8);
    let index = Tree::index(root("t_text"), shape.clone());
    let snapshot = open(&path);

    let theirs = best(|| {
        stock.query_row("SELECT count(*), sum(n) FROM t", [], |r| r.get::<_, i64>(1)).unwrap()
    });
    let mut step = stock.prepare("SELECT n FROM t").unwrap();
    let stepped = best(|| {
        let mut rows = step.query([]).unwrap();
        let mut sum = 0;
        while let Some(row) = rows.next().unwrap() {
            sum += row.get::<_, i64>(0).unwrap();
        }
        sum
    });
    let ours = best(|| scan(&table, &snapshot));
    assert_eq!((theirs.1, stepped.1), (ours.1, ours.1));
    report("scan, SQLite count and sum", theirs.0, rows as usize);
    report("scan, SQLite stepping", stepped.0, rows as usize);
    report("scan, cursor", ours.0, rows as usize);
    report("scan, index entries", best(|| walk(&index, &snapshot)).0, rows as usize);

    let ids: Vec<i64> = random_ids(rows);
    let mut point = stock.prepare("SELECT n FROM t WHERE id = ?1").unwrap();
    // Within a transaction, so that SQLite need not lock the file for each.
    stock.execute_batch("BEGIN").unwrap();
    let theirs = best(|| {
        ids.iter().map(|id| point.query_row([id], |r| r.get::<_, i64>(0)).unwrap()).sum::<i64>()
    });
    let ours = best(|| points(&table, &snapshot, &ids));
    assert_eq!(theirs.1, ours.1);
    report("point, SQLite", theirs.0, POINTS);
    report("point, in place", ours.0, POINTS);
    report("point, as Bytes", best(|| owned_points(&table, &snapshot, &ids)).0, POINTS);
    let halves = best(|| {
        let (left, right) = ids.split_at(ids.len() / 2);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| points(&table, &snapshot, left));
            points(&table, &snapshot, right) + other.join().unwrap()
        })
    });
    report("point, in place, 2 threads", halves.0, POINTS);
    let keys: Vec<Vec<u8>> = ids
        .iter()
        .map(|id| {
            let text = format!("{id:084}");
            let mut key = Vec::new();
            let values = [ValueRef::Text(text.as_bytes()), ValueRef::Integer(*id)];
            key::encode_values(&shape, values, &mut key);
            key
        })
        .collect();
    report("point in index, in place", best(|| index_points(&index, &snapshot, &keys)).0, POINTS);
    compare_or_encode(&index, &snapshot, &shape, &keys[0]);
}

fn scan(tree: &Tree, snapshot: &FileImage) -> i64 {
    let mut cursor = tree.cursor(snapshot.clone());
    let mut sum = 0;
    while cursor.try_next().unwrap() == Step::Row {
        let (_, payload) = cursor.row().unwrap();
        sum += second_column(payload.local);
    }
    sum
}

fn second_column(record: &[u8]) -> i64 {
    let value = Record::parse(record).unwrap().column(1).unwrap();
    value.and_then(|v| v.integer()).unwrap_or(0)
}

fn walk(tree: &Tree, snapshot: &FileImage) -> i64 {
    let mut cursor = tree.cursor(snapshot.clone());
    let mut bytes = 0;
    while cursor.try_next().unwrap() == Step::Row {
        bytes += cursor.payload().unwrap().len as i64;
    }
    bytes
}

fn points(tree: &Tree, snapshot: &FileImage, ids: &[i64]) -> i64 {
    let read = |id: &i64| match tree.try_get_row(snapshot, *id, second_column).unwrap() {
        Lookup::Found(n) => n,
        _ => panic!("row {id} is cached"),
    };
    ids.iter().map(read).sum()
}

fn owned_points(tree: &Tree, snapshot: &FileImage, ids: &[i64]) -> i64 {
    block_on(async {
        let mut sum = 0;
        for id in ids {
            let record = tree.get_row(snapshot, *id).await.unwrap().unwrap();
            sum += second_column(&record);
        }
        sum
    })
}

fn index_points(tree: &Tree, snapshot: &FileImage, keys: &[Vec<u8>]) -> i64 {
    let read = |key: &Vec<u8>| match tree.try_get(snapshot, key, |r| r.len() as i64).unwrap() {
        Lookup::Found(n) => n,
        _ => panic!("a key is absent"),
    };
    keys.iter().map(read).sum()
}

/// The two ways to compare an index record with a key, over all entries of the index.
fn compare_or_encode(tree: &Tree, snapshot: &FileImage, shape: &KeyShape, wanted: &[u8]) {
    let over_all = |compare: &mut dyn FnMut(&Record<'_>) -> bool| {
        let mut cursor = tree.cursor(snapshot.clone());
        let mut below = 0;
        while cursor.try_next().unwrap() == Step::Row {
            let payload = cursor.payload().unwrap();
            below += i64::from(compare(&Record::parse(payload.local).unwrap()));
        }
        below
    };
    let mut key = Vec::new();
    let direct = best(|| over_all(&mut |r| key::compare_record(shape, r, wanted).unwrap().is_lt()));
    let encoded = best(|| {
        over_all(&mut |r| {
            key.clear();
            key::encode_record(shape, r, &mut key).unwrap();
            key.as_slice() < wanted
        })
    });
    assert_eq!(direct.1, encoded.1);
    report("walk and compare directly", direct.0, direct.1 as usize);
    report("walk, encode and compare", encoded.0, direct.1 as usize);
}

fn random_ids(rows: i64) -> Vec<i64> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    (0..POINTS)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as i64 % rows + 1
        })
        .collect()
}

fn best<T>(mut run: impl FnMut() -> T) -> (Duration, T) {
    let mut best: Option<(Duration, T)> = None;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let out = black_box(run());
        let took = begin.elapsed();
        if best.as_ref().is_none_or(|b| took < b.0) {
            best = Some((took, out));
        }
    }
    best.expect("at least one round")
}

fn report(what: &str, took: Duration, count: usize) {
    let each = took.as_nanos() as f64 / count.max(1) as f64;
    let rate = count as f64 / took.as_secs_f64() / 1e6;
    println!("{what:32} {took:>10.2?}  {each:7.1} ns each  {rate:6.2} M/s");
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("everything is cached"),
    }
}

fn open(path: &Path) -> FileImage {
    FileImage::read(path, false).unwrap()
}
