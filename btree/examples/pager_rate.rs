//! What the page cache costs a reader, and what opening a large file costs.
//!
//! `cargo run --release -p heddle-btree --example pager_rate [rows]`
//!
//! Random point lookups over pages that are all cached, through the pager's snapshot and, beside it in the same run,
//! over an image of the file as a plain array of pages; then with a cache of a tenth of the file, which the cache of
//! the operating system stands behind; then opening a file of 2 GiB. Rates are the best of five rounds.

#![expect(clippy::disallowed_methods, reason = "a measurement needs the clock")]
#![expect(clippy::print_stdout, reason = "a measurement is printed")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a measurement that fails stops")]

#[path = "../tests/common/image.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests use all of it")]
mod image;

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use heddle_base::PageNo;
use heddle_btree::pager::{Pager, PagerOptions};
use heddle_btree::pages::Pages;
use heddle_btree::tree::{Lookup, Tree};
use heddle_io::Env;
use rusqlite::Connection;

const POINTS: usize = 500_000;

fn main() {
    let rows: i64 = std::env::args().nth(1).map_or(500_000, |n| n.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rate.db");
    let root = make(&path, rows);
    let table = Tree::table(root);
    let ids: Vec<i64> = random_ids(rows);
    let env = Env::system();

    let plain = image::FileImage::read(&path, false).unwrap();
    report("point, array of pages", best(|| points(&table, &plain, &ids)), POINTS);
    let pager = open(&env, &path, 1 << 30);
    let all: Vec<PageNo> = (1..=pager.snapshot().page_count()).map(PageNo).collect();
    let began = Instant::now();
    block_on(pager.snapshot().prefetch(&all));
    report("prefetch, page", began.elapsed(), all.len());
    let snapshot = pager.snapshot();
    report("point, pager", best(|| points(&table, &snapshot, &ids)), POINTS);
    let (left, right) = ids.split_at(ids.len() / 2);
    let two = best(|| {
        std::thread::scope(|scope| {
            let other = scope.spawn(|| points(&table, &snapshot, left));
            points(&table, &snapshot, right) + other.join().unwrap()
        })
    });
    report("point, pager, 2 threads", two, POINTS);
    println!("{:?}", pager.stats());
    drop((snapshot, pager));

    let pager = open(&env, &path, all.len() * 4096 / 10);
    let (snapshot, some) = (pager.snapshot(), &ids[..POINTS / 10]);
    let missing = best(|| {
        block_on(async {
            for id in some {
                table.get_row(&snapshot, *id).await.unwrap().unwrap();
            }
        })
    });
    report("point, pager, a tenth cached", missing, some.len());
    println!("{:?}", pager.stats());
    drop((snapshot, pager));

    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(2 << 30).unwrap();
    // The count in the header no longer holds: offset 92 differs from the counter.
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xff], 95).unwrap();
    let opened = best(|| {
        let pager = open(&env, &path, 1 << 20);
        assert_eq!(pager.snapshot().page_count(), 1 << 19);
    });
    report("open 2 GiB", opened, 1);
}

fn make(path: &Path, rows: i64) -> PageNo {
    let stock = Connection::open(path).unwrap();
    stock
        .execute_batch(&format!(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, text TEXT);
             WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {rows})
             INSERT INTO t SELECT i, i * 7 % 1000003, printf('%084d', i) FROM c;"
        ))
        .unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 't'";
    PageNo(stock.query_row(sql, [], |r| r.get(0)).unwrap())
}

fn open(env: &Env, path: &Path, cache_bytes: usize) -> Pager {
    let options = PagerOptions { cache_bytes, ..PagerOptions::default() };
    block_on(Pager::open(env, path, options)).unwrap().0
}

fn points(tree: &Tree, pages: &impl Pages, ids: &[i64]) -> usize {
    let read = |id: &i64| match tree.try_get_row(pages, *id, <[u8]>::len).unwrap() {
        Lookup::Found(len) => len,
        _ => panic!("row {id} is cached"),
    };
    ids.iter().map(read).sum()
}

fn random_ids(rows: i64) -> Vec<i64> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..POINTS).map(|_| random.i64(1..=rows)).collect()
}

fn best<T>(mut run: impl FnMut() -> T) -> Duration {
    let round = |_| {
        let began = Instant::now();
        std::hint::black_box(run());
        began.elapsed()
    };
    (0..5).map(round).min().unwrap()
}

fn report(what: &str, took: Duration, count: usize) {
    let each = took.as_nanos() as f64 / count.max(1) as f64;
    let rate = count as f64 / took.as_secs_f64() / 1e6;
    println!("{what:32} {took:>10.2?}  {each:9.1} ns each  {rate:6.2} M/s");
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
