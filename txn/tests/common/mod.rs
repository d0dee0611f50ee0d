//! What the tests of transactions share: a manager over an empty or a given base, all in memory.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't be set up fails")]

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use heddle_base::{PageNo, SchemaVersion, Timestamp, TreeId};
use heddle_btree::pager::{Pager, PagerOptions};
use heddle_btree::tree::TreeKind;
use heddle_io::Env;
use heddle_mvcc::{Store, StoreOptions};
use heddle_txn::{
    Base, Manager, ManagerOptions, Parts, Result, Roots, Transaction, TreeRef, TxOptions,
};
use heddle_wal::run::RunFile;
use heddle_wal::{Log, LogOptions, Recovered};

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Polls once.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A table's tree.
pub fn table(id: u32) -> TreeRef {
    TreeRef {
        id: TreeId(id),
        kind: Arc::new(TreeKind::Table),
        table: TreeId(id),
        name: format!("table{id}").into(),
        schema_version: SchemaVersion(0),
    }
}

/// The key of a row.
pub fn key(rowid: i64) -> Bytes {
    Bytes::copy_from_slice(&heddle_btree::key::encode_rowid(rowid))
}

/// The rowid of a key.
pub fn rowid(key: &[u8]) -> i64 {
    heddle_btree::key::decode_rowid(key).expect("a rowid's key")
}

/// A small value.
pub fn value(number: i64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

/// The number in a small value.
pub fn number(value: &[u8]) -> i64 {
    i64::from_be_bytes(value.try_into().expect("eight bytes"))
}

/// A manager over an empty base, in memory.
pub fn manager() -> Manager {
    manager_with(ManagerOptions::default())
}

pub fn manager_with(options: ManagerOptions) -> Manager {
    let env = Env::memory();
    let (pager, _) = block_on(Pager::open(&env, Path::new("x.db"), PagerOptions::default()))
        .expect("a new database");
    let base =
        Base { ts: Timestamp::ZERO, snapshot: pager.snapshot(), roots: Arc::new(Roots::default()) };
    over(env, base, options)
}

/// A manager over the trees of a file that stock SQLite wrote.
pub fn manager_over(path: &Path, trees: &[(TreeId, PageNo)]) -> Manager {
    let env = Env::blocking();
    let (pager, _) = block_on(Pager::open(&env, path, PagerOptions::default())).expect("it opens");
    let base = Base {
        ts: Timestamp::ZERO,
        snapshot: pager.snapshot(),
        roots: Arc::new(trees.iter().copied().collect()),
    };
    over(env, base, ManagerOptions::default())
}

/// The database whose files [`logged`] makes.
pub const DB: &str = "/d/x.db";

/// A manager whose log is in files, over a base without trees. What the log has from before is replayed.
pub async fn logged(env: &Env) -> Result<Manager> {
    let path = Path::new(DB);
    let (pager, _) = Pager::open(env, path, PagerOptions::default()).await?;
    let small = LogOptions {
        first_segment_bytes: 64 << 10,
        segment_bytes: 64 << 10,
        ..LogOptions::default()
    };
    let mut opened = Log::open(env, path, small).await?;
    let base =
        Base { ts: Timestamp::ZERO, snapshot: pager.snapshot(), roots: Arc::new(Roots::default()) };
    let (store, options) = (Store::new(StoreOptions::default()), ManagerOptions::default());
    let log = opened.log.clone();
    let m = Manager::new(Parts { env: env.clone(), store, log, base, options });
    let fresh = opened.recovery.is_empty();
    while let Some(record) = opened.recovery.next().await? {
        let Recovered::Commit { ticket, bytes } = record else { continue };
        if let Some(name) = m.replay(ticket, &bytes, TreeId(u32::MAX))?.run {
            let run = RunFile::open(env, path, name).await?;
            m.replay_run(ticket, &run, TreeId(u32::MAX))?;
        }
    }
    opened.recovery.finish().await?;
    if fresh {
        opened.log.activate(1, vec![1]).await?;
    }
    Ok(m)
}

fn over(env: Env, base: Base, options: ManagerOptions) -> Manager {
    let log = Log::in_memory(&env, LogOptions::default());
    let store = Store::new(StoreOptions { seed: 1, ..StoreOptions::default() });
    Manager::new(Parts { env, store, log, base, options })
}

/// Begins with default options.
pub fn begin(manager: &Manager) -> Transaction {
    manager.try_begin(TxOptions::default()).expect("it begins")
}

/// Writes rows in a transaction of their own.
pub fn write(manager: &Manager, tree: &TreeRef, rows: &[(i64, Option<i64>)]) {
    let mut tx = begin(manager);
    for (row, number) in rows {
        match number {
            Some(number) => tx.put(tree, key(*row), value(*number)).expect("it writes"),
            None => tx.delete(tree, key(*row)).expect("it deletes"),
        }
    }
    block_on(tx.commit()).expect("nobody is in the way");
}

/// All rows of a transaction's view.
pub fn rows(tx: &mut Transaction, tree: &TreeRef) -> Vec<(i64, i64)> {
    use std::ops::Bound::Unbounded;
    let mut cursor = tx.range(tree, Unbounded, Unbounded, heddle_txn::Direction::Forward);
    let mut rows = Vec::new();
    while let Some(row) =
        block_on(cursor.next_with(tx, |k, v| (rowid(k), number(v)))).expect("it reads")
    {
        rows.push(row);
    }
    rows
}
