//! What a commit costs in CPU, with the log in memory: `cargo run --release -p heddle-txn --example commit_rate`.
//!
//! Tasks on a few threads insert, update, read, scan and load through transactions (with `spill`: only load
//! more than memory may hold); for each
//! workload it prints operations per second, and CPU time of the whole process per operation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program"
)]

use std::ops::Bound::Unbounded;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use heddle_base::{PageNo, SchemaVersion, Timestamp, TreeId};
use heddle_btree::key::encode_rowid;
use heddle_btree::pager::{Pager, PagerOptions};
use heddle_btree::tree::{Tree, TreeKind};
use heddle_io::Env;
use heddle_mvcc::{Store, StoreOptions};
use heddle_txn::{
    Base, Cursor, Direction, Isolation, Manager, ManagerOptions, Mode, Parts, Retry, Roots, Step,
    Transaction, TreeRef, TxOptions,
};
use heddle_wal::{Log, LogOptions};

fn tree() -> TreeRef {
    TreeRef {
        id: TreeId(2),
        kind: Arc::new(TreeKind::Table),
        table: TreeId(2),
        name: "t".into(),
        schema_version: SchemaVersion(0),
    }
}

fn key(row: u64) -> Bytes {
    Bytes::copy_from_slice(&encode_rowid(row as i64))
}

fn row() -> Bytes {
    Bytes::copy_from_slice(&[7; 100])
}

/// CPU time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

struct Report {
    env: Env,
    wall: Duration,
    cpu: Duration,
}

impl Report {
    fn start(env: &Env) -> Self {
        Self { env: env.clone(), wall: env.runtime.now(), cpu: cpu() }
    }

    fn end(self, what: &str, operations: u64) {
        let (wall, cpu) = (self.env.runtime.now() - self.wall, cpu() - self.cpu);
        let per = |time: Duration| time.as_secs_f64() * 1e6 / operations as f64;
        println!(
            "{what:44} {:>10.0}/s {:>9.3} us wall {:>9.3} us cpu",
            operations as f64 / wall.as_secs_f64(),
            per(wall),
            per(cpu),
        );
    }
}

fn manager(env: &Env, snapshot: heddle_btree::pager::Snapshot, root: Option<PageNo>) -> Manager {
    let roots: Roots = root.map(|root| (TreeId(2), root)).into_iter().collect();
    Manager::new(Parts {
        env: env.clone(),
        store: Store::new(StoreOptions { seed: env.runtime.random(), ..StoreOptions::default() }),
        log: Log::in_memory(env, LogOptions::default()),
        base: Base { ts: Timestamp::ZERO, snapshot, roots: Arc::new(roots) },
        options: ManagerOptions::default(),
    })
}

/// Runs `tasks` tasks that count what they did until the time is over.
fn run<F, Fut>(env: &Env, threads: usize, tasks: u64, what: &str, body: F)
where
    F: Fn(u64, u64) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = ()> + Send,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .build()
        .expect("a runtime");
    let report = Report::start(env);
    let end = env.runtime.now() + Duration::from_secs(2);
    let total = Arc::new(AtomicU64::new(0));
    runtime.block_on(async {
        let handles: Vec<_> = (0..tasks)
            .map(|task| {
                let (body, total, env) = (body.clone(), Arc::clone(&total), env.clone());
                tokio::spawn(async move {
                    let mut count = 0;
                    while count % 16 != 0 || env.runtime.now() < end {
                        body(task, count).await;
                        count += 1;
                        if count % 16 == 0 {
                            tokio::task::yield_now().await;
                        }
                    }
                    total.fetch_add(count, Ordering::Relaxed);
                })
            })
            .collect();
        for handle in handles {
            handle.await.unwrap();
        }
    });
    report.end(&format!("{what}, {threads} threads, {tasks} tasks"), total.load(Ordering::Relaxed));
}

fn commits(env: &Env, empty: &heddle_btree::pager::Snapshot) {
    let serializable = TxOptions::default();
    for threads in [1, 2] {
        let m = manager(env, empty.clone(), None);
        let t = tree();
        run(env, threads, 64, "insert 1 row", move |task, count| {
            let (m, t) = (m.clone(), t.clone());
            async move {
                let mut tx = m.try_begin(serializable).unwrap();
                tx.put(&t, key(task << 32 | count), row()).unwrap();
                tx.commit().await.unwrap();
            }
        });
        let m = manager(env, empty.clone(), None);
        let t = tree();
        run(env, threads, 64, "read and update 1 of 100,000 rows", move |task, count| {
            let (m, t) = (m.clone(), t.clone());
            async move {
                let mut retry = Retry::new(&m, serializable);
                let place = (task << 32 | count).wrapping_mul(0x9E37_79B9_7F4A_7C15) % 100_000;
                loop {
                    let mut tx = retry.begin().await.unwrap();
                    tx.get(&t, &key(place)).await.unwrap();
                    tx.put(&t, key(place), row()).unwrap();
                    match tx.commit().await {
                        Ok(_) => break,
                        Err(heddle_txn::Error::Conflict(conflict)) => retry.failed(*conflict),
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        });
    }
}

fn reads(env: &Env, base: &heddle_btree::pager::Snapshot, root: PageNo, count: u64) {
    for threads in [1, 2] {
        let m = manager(env, base.clone(), Some(root));
        let t = tree();
        run(env, threads, 2, "begin and read 1 row of the base", move |task, at| {
            let (m, t) = (m.clone(), t.clone());
            async move {
                let mut tx = m.snapshot().unwrap();
                let place = (task << 32 | at).wrapping_mul(0x9E37_79B9_7F4A_7C15) % count;
                assert!(tx.get(&t, &encode_rowid(place as i64)).await.unwrap().is_some());
            }
        });
    }
    let report = Report::start(env);
    let mut bare = Tree::table(root).cursor(base.clone());
    let (mut in_base, mut bytes) = (0, 0);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        while bare.next().await.unwrap() {
            let (k, v) = bare.entry().await.unwrap();
            (in_base, bytes) = (in_base + 1, bytes + k.len() + v.len());
        }
    });
    report.end("scan, the bare B-tree cursor", in_base);
    assert!(bytes > 0);
    let m = manager(env, base.clone(), Some(root));
    let scan = |what: &str, mut tx: Transaction| {
        let t = tree();
        let report = Report::start(env);
        let (mut rows, mut total) = (0, 0);
        let mut cursor: Cursor = tx.range(&t, Unbounded, Unbounded, Direction::Forward);
        runtime.block_on(async {
            loop {
                match cursor.try_next_with(&mut tx, |k, v| k.len() + v.len()).unwrap() {
                    Step::Row(bytes) => (rows, total) = (rows + 1, total + bytes),
                    Step::NeedsIo => cursor.load().await.unwrap(),
                    Step::End => break,
                }
            }
        });
        report.end(what, rows);
        assert!(rows == in_base && total > 0);
    };
    for _ in 0..2 {
        scan("scan, plain read", m.snapshot().unwrap());
        scan("scan, serializable", m.try_begin(TxOptions::default()).unwrap());
    }
    let mut tx = m.try_begin(TxOptions::default()).unwrap();
    for at in 0..1000 {
        tx.put(&tree(), key(at * 997), row()).unwrap();
    }
    runtime.block_on(tx.commit()).unwrap();
    scan("scan, 1000 newer versions", m.snapshot().unwrap());
}

fn load(env: &Env, empty: &heddle_btree::pager::Snapshot) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (what, step) in [("in order", 1u64), ("at random", 0x9E37_79B9_7F4A_7C15)] {
        let m = manager(env, empty.clone(), None);
        let options = TxOptions::default();
        let t = tree();
        let rows: Vec<_> = (0..1_000_000u64).map(|at| key(at.wrapping_mul(step) >> 1)).collect();
        let value = row();
        let mut tx = m.try_begin(options).unwrap();
        let report = Report::start(env);
        for key in rows {
            tx.put(&t, key, value.clone()).unwrap();
        }
        report.end(&format!("put 1,000,000 rows {what}"), 1_000_000);
        let report = Report::start(env);
        runtime.block_on(tx.commit()).unwrap();
        report.end("  and commit them", 1_000_000);
    }
}

/// A load that spills, and reads of what it left.
fn spill(dir: &Path) {
    let env = Env::system();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let path = dir.join("s.db");
    let rows = 1_000_000u64;
    runtime.block_on(async {
        let (pager, _) = Pager::open(&env, &path, PagerOptions::default()).await.unwrap();
        let opened = Log::open(&env, &path, LogOptions::default()).await.unwrap();
        opened.recovery.finish().await.unwrap();
        opened.log.activate(1, vec![1]).await.unwrap();
        let m = Manager::new(Parts {
            env: env.clone(),
            store: Store::new(StoreOptions::default()),
            log: opened.log,
            base: Base { ts: Timestamp::ZERO, snapshot: pager.snapshot(), roots: Arc::default() },
            options: ManagerOptions::default(),
        });
        for (what, step) in [("in order", 1u64), ("at random", 0x9E37_79B9_7F4A_7C15)] {
            let t = TreeRef { id: TreeId(step as u32), ..tree() };
            let options = TxOptions { write_budget: 4 << 20, ..TxOptions::default() };
            let mut tx = m.begin(options).await.unwrap();
            let report = Report::start(&env);
            for at in 0..rows {
                tx.put(&t, key(at.wrapping_mul(step) >> 1), row()).unwrap();
                if tx.needs_room() {
                    tx.make_room().await.unwrap();
                }
            }
            report.end(&format!("put 1,000,000 rows {what}, 4 MiB at most"), rows);
            let report = Report::start(&env);
            tx.commit().await.unwrap();
            report.end("  and commit them", rows);
            let mut tx = m.begin(TxOptions::default()).await.unwrap();
            let report = Report::start(&env);
            let mut cursor = tx.range(&t, Unbounded, Unbounded, Direction::Forward);
            let mut found = 0;
            while cursor.next_with(&mut tx, |_, _| ()).await.unwrap().is_some() {
                found += 1;
            }
            report.end("  and scan the run", found);
            let report = Report::start(&env);
            for at in 0..100_000u64 {
                let at = at * 7919 % rows;
                tx.get(&t, &key(at.wrapping_mul(step) >> 1)).await.unwrap().unwrap();
            }
            report.end("  and read 100,000 rows of it", 100_000);
        }
    });
}

fn main() {
    let env = Env::memory();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (pager, _) = runtime
        .block_on(Pager::open(&env, Path::new("x.db"), PagerOptions::default()))
        .expect("a new database");
    if !std::env::args().any(|arg| arg == "spill") {
        commits(&env, &pager.snapshot());
        load(&env, &pager.snapshot());
    }
    let dir = tempfile::tempdir().expect("a directory");
    spill(dir.path());
    if std::env::args().any(|arg| arg == "spill") {
        return;
    }
    let path = dir.path().join("r.db");
    let stock = rusqlite::Connection::open(&path).expect("stock opens");
    let rows = 1_000_000;
    stock
        .execute_batch(&format!(
            "CREATE TABLE t(a INTEGER PRIMARY KEY, b);
             WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<{rows}-1)
             INSERT INTO t SELECT i, zeroblob(100) FROM n;"
        ))
        .expect("stock fills it");
    let root: u32 = stock
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name='t'", [], |r| r.get(0))
        .expect("a root");
    drop(stock);
    let disk = Env::blocking();
    let (pager, _) =
        runtime.block_on(Pager::open(&disk, &path, PagerOptions::default())).expect("it opens");
    reads(&disk, &pager.snapshot(), PageNo(root), rows);
    // Options that nothing above needs.
    let _ = (Isolation::Snapshot, Mode::Immediate);
}
