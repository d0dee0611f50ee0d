//! A whole database under shuttle: transactions at both levels, immediate ones among them, savepoints, scans of an
//! index, commits that spill and commits whose future is dropped, beside checkpoints and the collection that they bring.
//! Each history goes through the checker, and so does what is found after close and open.
#![cfg(heddle_shuttle)]

use heddle_engine::{
    Database, Direction, Env, Error, ErrorKind, Isolation, Mode, Options, Result, RowId,
    Transaction, TxOptions,
};
use heddle_histories::{History, Level, Recorder, Recording, Scope, check};
use heddle_shuttle_tests::{run, world};
use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;
use std::future::Future;
use std::ops::Bound::Included;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const KEYS: u64 = 3;
const PATH: &str = "/d/x.db";

/// What a test mixes in.
#[derive(Debug, Clone, Copy)]
struct Mix {
    isolation: Isolation,
    /// Commits are dropped now and then, so that nobody knows how they ended.
    cancels: bool,
    /// Write sets are so small that most of them move to a run file.
    spills: bool,
    /// The database is closed while they run.
    closes: bool,
}

async fn open(env: &Env, mix: Mix) -> Database {
    let options = Options {
        env: Some(env.clone()),
        page_size: 512,
        auto_checkpoint: false,
        transaction_bytes: if mix.spills { 256 } else { 1 << 20 },
        ..Options::default()
    };
    Database::open(PATH, options).await.unwrap()
}

async fn with_table(env: &Env, mix: Mix) -> Database {
    let db = open(env, mix).await;
    let mut tx = db.begin().await.unwrap();
    tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, body TEXT)").await.unwrap();
    tx.create_index("CREATE INDEX i ON t (n)").await.unwrap();
    tx.commit().await.unwrap();
    db
}

/// One client: its transactions, until each has committed or failed for good.
async fn client(db: Database, recorder: Recorder, client: u64, mix: Mix) {
    for n in 0..2 {
        for attempt in 0..3 {
            // Unique: client, transaction, attempt; the operation is added.
            let first = (((client * 10 + n) * 10) + attempt) * 10;
            match attempt_once(&db, &recorder, first, mix).await {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(Error::Closed) if mix.closes => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

async fn attempt_once(db: &Database, recorder: &Recorder, first: u64, mix: Mix) -> Result<()> {
    let mode = match thread_rng().gen_range(0..6) {
        0 => Mode::Immediate,
        _ => Mode::Optimistic,
    };
    let options = TxOptions { mode, isolation: mix.isolation, ..TxOptions::default() };
    let mut notes = recorder.begin();
    let mut tx = match db.begin_with(options).await {
        Ok(tx) => tx,
        Err(error) => {
            notes.aborted();
            return Err(error);
        }
    };
    if let Err(error) = work(&mut tx, &mut notes, first).await {
        notes.aborted();
        return Err(error);
    }
    if mix.cancels && thread_rng().gen_range(0..4) == 0 {
        match polled(tx.commit(), thread_rng().gen_range(1..4)).await {
            Some(Ok(committed)) => notes.committed(committed.ticket.map(|ticket| ticket.get())),
            // Nobody knows.
            _ => drop(notes),
        }
        return Ok(());
    }
    match tx.commit().await {
        Ok(committed) => {
            notes.committed(committed.ticket.map(|ticket| ticket.get()));
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Conflict => {
            assert!(mode != Mode::Immediate, "an immediate transaction conflicts: {error}");
            notes.aborted();
            Err(error)
        }
        Err(error) => {
            // Nobody knows.
            drop(notes);
            Err(error)
        }
    }
}

/// Polls a few times and drops it.
async fn polled<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(output) = poll {
            return Some(output);
        }
        shuttle::future::yield_now().await;
    }
    None
}

async fn work(tx: &mut Transaction, notes: &mut Recording, first: u64) -> Result<()> {
    let mark = thread_rng().gen_range(0..3) == 0;
    for step in 0..thread_rng().gen_range(1..4) {
        let key = 1 + thread_rng().gen_range(0..KEYS);
        match thread_rng().gen_range(0..6) {
            0 => read(tx, notes, key).await?,
            1 => select(tx, notes, 0, i64::MAX as u64).await?,
            2 => {
                let from = thread_rng().gen_range(0..2000);
                select(tx, notes, from, from + 500).await?;
            }
            3 if mark => {
                // A part that is taken back.
                let (savepoint, len) = (tx.savepoint(), notes.len());
                write(tx, notes, key, first + 5 + step).await?;
                read(tx, notes, key).await?;
                tx.rollback_to(savepoint)?;
                notes.rolled_back_to(len);
                read(tx, notes, key).await?;
            }
            4 => {
                read(tx, notes, key).await?;
                if tx.table("t")?.delete(RowId(key as i64)).await? {
                    notes.write(key, None);
                }
            }
            _ => write(tx, notes, key, first + step).await?,
        }
    }
    Ok(())
}

async fn read(tx: &mut Transaction, notes: &mut Recording, key: u64) -> Result<()> {
    let mut table = tx.table("t")?;
    let row = table.get(RowId(key as i64)).await?;
    let value = row.map(|row| row.get::<i64>("n")).transpose()?;
    notes.read(key, value.map(|value| value as u64));
    Ok(())
}

async fn select(tx: &mut Transaction, notes: &mut Recording, from: u64, to: u64) -> Result<()> {
    let direction = if thread_rng().r#gen() { Direction::Ascending } else { Direction::Descending };
    let mut table = tx.table("t")?;
    let mut index = table.index("i")?;
    let mut scan = index.range(Included([from as i64]), Included([to as i64]), direction)?;
    let mut rows = Vec::new();
    while let Some(row) = scan.next().await? {
        rows.push((row.get::<i64>("id")? as u64, row.get::<i64>("n")? as u64));
    }
    notes.read_where(Scope::Values(from, to), rows);
    Ok(())
}

async fn write(tx: &mut Transaction, notes: &mut Recording, key: u64, value: u64) -> Result<()> {
    let body = "a row's body that takes some room ".repeat(4);
    let (id, n) = (key as i64, value as i64);
    let mut table = tx.table("t")?;
    if !table.update(RowId(id), (id, n, body.as_str())).await? {
        // Who finds nothing has read that, too.
        notes.read(key, None);
        table.insert((id, n, body.as_str())).await?;
    }
    notes.write(key, Some(value));
    Ok(())
}

fn verdict(history: &History, isolation: Isolation) {
    let level = match isolation {
        Isolation::Serializable => Level::Serializable,
        Isolation::Snapshot => Level::Snapshot,
    };
    if let Some(found) = check(history).counterexample(level, history) {
        panic!("{found}");
    }
}

/// Clients and a checkpointer, then a close; what is there is looked at after opening again.
fn life(mix: Mix) {
    run(move || {
        let env = world::env();
        let db = block_on(with_table(&env, mix));
        let recorder = Recorder::new();
        let clients = (1..=2).map(|number| {
            let (db, recorder) = (db.clone(), recorder.clone());
            thread::spawn(move || block_on(client(db, recorder, number, mix)))
        });
        let mut threads: Vec<_> = clients.collect();
        let other = db.clone();
        threads.push(thread::spawn(move || {
            for _ in 0..2 {
                match block_on(other.checkpoint()) {
                    Err(Error::Closed) if mix.closes => return,
                    done => done.map(drop).unwrap(),
                }
            }
        }));
        if !mix.closes {
            threads.drain(..).for_each(|thread| thread.join().unwrap());
        }
        block_on(db.close()).unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        block_on(async {
            let db = open(&env, mix).await;
            let mut notes = recorder.begin();
            let mut tx = db.begin().await.unwrap();
            for key in 1..=KEYS {
                read(&mut tx, &mut notes, key).await.unwrap();
            }
            select(&mut tx, &mut notes, 0, i64::MAX as u64).await.unwrap();
            let committed = tx.commit().await.unwrap();
            notes.committed(committed.ticket.map(|ticket| ticket.get()));
            assert_eq!(db.check().await.unwrap(), Vec::<String>::new());
            db.close().await.unwrap();
        });
        // Who begins after another's end sees it, also across a close.
        let mut history = recorder.history();
        history.real_time = true;
        verdict(&history, mix.isolation);
    });
}

const PLAIN: Mix =
    Mix { isolation: Isolation::Serializable, cancels: false, spills: false, closes: false };

#[test]
fn a_serializable_life_has_no_anomaly() {
    life(PLAIN);
}

#[test]
fn a_life_of_snapshots_has_skews_at_most() {
    life(Mix { isolation: Isolation::Snapshot, ..PLAIN });
}

#[test]
fn commits_that_nobody_waits_for_are_whole_or_nothing() {
    life(Mix { cancels: true, ..PLAIN });
}

#[test]
fn transactions_that_spill_are_transactions() {
    life(Mix { spills: true, ..PLAIN });
}

#[test]
fn a_close_beside_transactions_keeps_what_was_committed_and_nothing_else() {
    life(Mix { closes: true, ..PLAIN });
}

#[test]
fn a_close_beside_commits_that_nobody_waits_for_ends() {
    life(Mix { closes: true, cancels: true, spills: true, ..PLAIN });
}
