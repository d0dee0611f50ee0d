//! Long readers of a whole database beside writers whose transactions write every row: each reader sees the rows of one
//! transaction, and the same whenever it looks again, while versions are collected, runs of spilled transactions are linked
//! and merged, and their files go. Each history goes through the checker.
#![cfg(heddle_shuttle)]

use heddle_engine::{Database, Direction, Env, ErrorKind, Mode, Options, Result, RowId, TxOptions};
use heddle_histories::{Level, Recorder, Recording, check};
use heddle_shuttle_tests::{run, world};
use shuttle::future::{block_on, yield_now};
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

const KEYS: i64 = 3;
const PATH: &str = "/d/x.db";

/// What a test mixes in.
#[derive(Debug, Clone, Copy)]
struct Mix {
    /// Every transaction moves its writes to a run file, and the collector comes by after each.
    spills: bool,
    /// Runs are merged into the file as soon as they are linked.
    merges: bool,
    /// Checkpoints on demand, each with a collection.
    checkpoints: usize,
}

async fn open(env: &Env, mix: Mix) -> Database {
    let options = Options {
        env: Some(env.clone()),
        page_size: 512,
        auto_checkpoint: mix.merges,
        transaction_bytes: if mix.spills { 128 } else { 1 << 20 },
        ..Options::default()
    };
    Database::open(PATH, options).await.unwrap()
}

/// Writes every row; `n` says by whom (all but its last digit) and which row it is.
async fn write_all(db: &Database, recorder: &Recorder, writer: i64) -> Result<()> {
    let mut notes = recorder.begin();
    let mut tx = db.begin().await?;
    let outcome = async {
        let mut table = tx.table("t")?;
        for id in 1..=KEYS {
            let (n, body) = (writer * 10 + id, "a body that takes some room ".repeat(3));
            if !table.update(RowId(id), (id, n, body.as_str())).await? {
                // Who finds nothing has read that, too.
                notes.read(id as u64, None);
                table.insert((id, n, body.as_str())).await?;
            }
            notes.write(id as u64, Some(n as u64));
        }
        tx.commit().await
    }
    .await;
    match outcome {
        Ok(committed) => {
            notes.committed(committed.ticket.map(|ticket| ticket.get()));
            Ok(())
        }
        Err(error) => {
            notes.aborted();
            Err(error)
        }
    }
}

async fn writer(db: Database, recorder: Recorder, client: i64) {
    for n in 0..2 {
        for attempt in 0..3 {
            match write_all(&db, &recorder, (client * 10 + n) * 10 + attempt).await {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// All rows: their keys and what they say.
async fn look(tx: &mut heddle_engine::Transaction) -> Vec<(u64, u64)> {
    let direction = if thread_rng().r#gen() { Direction::Ascending } else { Direction::Descending };
    let mut table = tx.table("t").unwrap();
    let mut scan = table.scan(.., direction).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = scan.next().await.unwrap() {
        rows.push((row.get::<i64>("id").unwrap() as u64, row.get::<i64>("n").unwrap() as u64));
    }
    rows.sort_unstable();
    rows
}

async fn reader(db: Database, recorder: Recorder) {
    for _ in 0..2 {
        let mut notes: Recording = recorder.begin();
        let acknowledged: bool = thread_rng().r#gen();
        let options = TxOptions { mode: Mode::ReadOnly, ..TxOptions::default() };
        let mut tx = match acknowledged {
            true => db.snapshot().await.unwrap(),
            false => db.begin_with(options).await.unwrap(),
        };
        let first = look(&mut tx).await;
        assert_eq!(first.len(), KEYS as usize);
        assert!(first.iter().all(|(_, n)| n / 10 == first[0].1 / 10), "torn: {first:?}");
        first.iter().for_each(|(id, n)| notes.read(*id, Some(*n)));
        for _ in 0..2 {
            yield_now().await;
            assert_eq!(look(&mut tx).await, first, "it changed under its reader");
        }
        if !acknowledged {
            tx.commit().await.unwrap();
        }
        notes.committed(None);
    }
}

fn beside_readers(mix: Mix) {
    run(move || {
        let env = world::env();
        let recorder = Recorder::new();
        let db = block_on(async {
            let db = open(&env, mix).await;
            let mut tx = db.begin().await.unwrap();
            tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, body TEXT)")
                .await
                .unwrap();
            tx.commit().await.unwrap();
            write_all(&db, &recorder, 1).await.unwrap();
            db
        });
        let mut threads = Vec::new();
        for client in 1..=2 {
            let (db, recorder) = (db.clone(), recorder.clone());
            threads.push(thread::spawn(move || block_on(writer(db, recorder, client))));
        }
        for _ in 0..2 {
            let (db, recorder) = (db.clone(), recorder.clone());
            threads.push(thread::spawn(move || block_on(reader(db, recorder))));
        }
        for _ in 0..mix.checkpoints {
            block_on(db.checkpoint()).unwrap();
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        block_on(reader(db.clone(), recorder.clone()));
        let mut history = recorder.history();
        history.real_time = true;
        if let Some(found) = check(&history).counterexample(Level::Serializable, &history) {
            panic!("{found}");
        }
        block_on(db.close()).unwrap();
        let files = block_on(env.io.list("/d".as_ref())).unwrap();
        assert_eq!(files.len(), 1, "a clean close left {files:?}");
        block_on(async {
            let db = open(&env, mix).await;
            assert_eq!(db.check().await.unwrap(), Vec::<String>::new());
            db.close().await.unwrap();
        });
    });
}

#[test]
fn versions_are_collected_beside_long_readers() {
    beside_readers(Mix { spills: false, merges: false, checkpoints: 3 });
}

#[test]
fn runs_are_linked_beside_long_readers() {
    beside_readers(Mix { spills: true, merges: false, checkpoints: 0 });
}

#[test]
fn runs_are_merged_beside_long_readers() {
    beside_readers(Mix { spills: true, merges: true, checkpoints: 1 });
}
