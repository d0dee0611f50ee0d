//! Thousands of transactions of the real engine on real threads, recorded and checked: what each level forbids is not there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails panics, and a test may start threads"
)]

use std::ops::Bound::Included;

use fastrand::Rng;
use heddle_engine::{
    Database, Direction, ErrorKind, Isolation, Mode, Options, Result, RowId, Transaction, TxOptions,
};
use heddle_histories::{Class, History, Level, Recorder, Recording, Scope, check};

mod common;
use common::{block_on, stock_check};

const CLIENTS: u64 = 8;
const TRANSACTIONS: u64 = 250;
/// Rows of registers; lists are rows of a second table.
const ROWS: u64 = 24;
const LISTS: u64 = 12;

async fn tables(db: &Database) {
    let mut tx = db.begin().await.unwrap();
    tx.create_table("CREATE TABLE register (id INTEGER PRIMARY KEY, n INT)").await.unwrap();
    tx.create_index("CREATE INDEX by_n ON register (n)").await.unwrap();
    tx.create_table("CREATE TABLE list (id INTEGER PRIMARY KEY, elements TEXT)").await.unwrap();
    tx.commit().await.unwrap();
}

/// One client's work; an attempt that conflicts is part of the history and is not tried again.
async fn client(db: Database, recorder: Recorder, client: u64, isolation: Isolation) {
    let mut rng = Rng::with_seed(client);
    for n in 0..TRANSACTIONS {
        let mode = match rng.u8(..10) {
            0 => Mode::Immediate,
            1 => Mode::ReadOnly,
            _ => Mode::Optimistic,
        };
        let mut notes = recorder.begin();
        let options = TxOptions { mode, isolation, ..TxOptions::default() };
        let mut tx = db.begin_with(options).await.unwrap();
        // Unique: client and transaction; the step is added. Scattered, so that ranges of the index mean something.
        let unique = (rng.u64(..16) << 40) | (client << 32) | (n << 8);
        if let Err(error) = work(&mut tx, &mut notes, mode, unique, &mut rng).await {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            notes.aborted();
            continue;
        }
        if rng.u8(..12) == 0 {
            tx.rollback();
            notes.aborted();
            continue;
        }
        match tx.commit().await {
            Ok(committed) => notes.committed(committed.ticket.map(|ticket| ticket.get())),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
                assert!(mode == Mode::Optimistic, "{mode:?}: {error}");
                notes.aborted();
            }
        }
    }
}

async fn work(
    tx: &mut Transaction,
    notes: &mut Recording,
    mode: Mode,
    unique: u64,
    rng: &mut Rng,
) -> Result<()> {
    for step in 0..rng.u64(1..6) {
        let row = rng.u64(..ROWS);
        let writes = if mode == Mode::ReadOnly { 4 } else { 9 };
        match rng.u8(..writes) {
            0 => read(tx, notes, row).await?,
            1 => read_list(tx, notes, rng.u64(..LISTS)).await?,
            2 => select_values(tx, notes, rng).await?,
            3 => select_keys(tx, notes, row, rng).await?,
            4 => append(tx, notes, rng.u64(..LISTS), unique + step).await?,
            5 => {
                read(tx, notes, row).await?;
                if tx.table("register")?.delete(RowId(row as i64)).await? {
                    notes.write(row, None);
                }
            }
            6 => {
                let (savepoint, len) = (tx.savepoint(), notes.len());
                write(tx, notes, row, unique + 64 + step).await?;
                append(tx, notes, rng.u64(..LISTS), unique + 64 + step).await?;
                read(tx, notes, row).await?;
                tx.rollback_to(savepoint)?;
                notes.rolled_back_to(len);
            }
            _ => write(tx, notes, row, unique + step).await?,
        }
        if rng.bool() {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

async fn read(tx: &mut Transaction, notes: &mut Recording, row: u64) -> Result<()> {
    let mut table = tx.table("register")?;
    let found = table.get(RowId(row as i64)).await?;
    let value = found.map(|found| found.get::<i64>("n")).transpose()?;
    notes.read(row, value.map(|value| value as u64));
    Ok(())
}

async fn write(tx: &mut Transaction, notes: &mut Recording, row: u64, value: u64) -> Result<()> {
    let (id, n) = (row as i64, value as i64);
    let mut table = tx.table("register")?;
    if !table.update(RowId(id), (id, n)).await? {
        notes.read(row, None);
        table.insert((id, n)).await?;
    }
    notes.write(row, Some(value));
    Ok(())
}

async fn elements(tx: &mut Transaction, list: u64) -> Result<Option<String>> {
    let mut table = tx.table("list")?;
    let found = table.get(RowId(list as i64)).await?;
    found.map(|found| found.get::<String>("elements")).transpose()
}

fn numbers(text: Option<&str>) -> Vec<u64> {
    let words = text.unwrap_or_default().split_whitespace();
    words.map(|word| word.parse().expect("what was appended")).collect()
}

async fn read_list(tx: &mut Transaction, notes: &mut Recording, list: u64) -> Result<()> {
    let text = elements(tx, list).await?;
    notes.read_list(list, numbers(text.as_deref()));
    Ok(())
}

async fn append(tx: &mut Transaction, notes: &mut Recording, list: u64, value: u64) -> Result<()> {
    let text = elements(tx, list).await?;
    notes.read_list(list, numbers(text.as_deref()));
    let id = list as i64;
    match text {
        Some(text) => {
            let text = format!("{text} {value}");
            tx.table("list")?.update(RowId(id), (id, text.as_str())).await?;
        }
        None => drop(tx.table("list")?.insert((id, value.to_string().as_str())).await?),
    }
    notes.append(list, value);
    Ok(())
}

fn direction(rng: &mut Rng) -> Direction {
    if rng.bool() { Direction::Ascending } else { Direction::Descending }
}

/// Through the index.
async fn select_values(tx: &mut Transaction, notes: &mut Recording, rng: &mut Rng) -> Result<()> {
    let from = rng.u64(..16) << 40;
    let to = from + (2 << 40) - 1;
    let mut table = tx.table("register")?;
    let mut index = table.index("by_n")?;
    let mut scan = index.range(Included([from as i64]), Included([to as i64]), direction(rng))?;
    let mut rows = Vec::new();
    while let Some(row) = scan.next().await? {
        rows.push((row.get::<i64>("id")? as u64, row.get::<i64>("n")? as u64));
    }
    notes.read_where(Scope::Values(from, to), rows);
    Ok(())
}

/// By rowid.
async fn select_keys(
    tx: &mut Transaction,
    notes: &mut Recording,
    from: u64,
    rng: &mut Rng,
) -> Result<()> {
    let to = from + 4;
    let mut table = tx.table("register")?;
    let mut scan = table.scan(RowId(from as i64)..=RowId(to as i64), direction(rng))?;
    let mut rows = Vec::new();
    while let Some(row) = scan.next().await? {
        rows.push((row.get::<i64>("id")? as u64, row.get::<i64>("n")? as u64));
    }
    notes.read_where(Scope::Keys(from, to), rows);
    Ok(())
}

async fn run(db: &Database, isolation: Isolation) -> History {
    let recorder = Recorder::new();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| tokio::spawn(client(db.clone(), recorder.clone(), number, isolation)))
        .collect();
    let checkpoints = tokio::spawn({
        let db = db.clone();
        async move {
            for _ in 0..20 {
                db.checkpoint().await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
    });
    for client in clients {
        client.await.unwrap();
    }
    checkpoints.await.unwrap();
    // What is there in the end belongs to the history.
    let mut notes = recorder.begin();
    let mut tx = db.begin().await.unwrap();
    let mut rng = Rng::with_seed(0);
    for row in 0..ROWS {
        read(&mut tx, &mut notes, row).await.unwrap();
    }
    for list in 0..LISTS {
        read_list(&mut tx, &mut notes, list).await.unwrap();
    }
    select_values(&mut tx, &mut notes, &mut rng).await.unwrap();
    notes.committed(tx.commit().await.unwrap().ticket.map(|ticket| ticket.get()));
    let mut history = recorder.history();
    history.real_time = true;
    history
}

fn verdict(history: &History, level: Level) -> Vec<Class> {
    let report = check(history);
    let found = report.classes();
    eprintln!("{level:?}: {} committed, {} edges: {found:?}", report.committed, report.edges);
    if let Some(found) = report.counterexample(level, history) {
        panic!("{found}");
    }
    assert!(report.committed > 500, "{} of {}", report.committed, history.txns.len());
    found
}

#[test]
fn serializable_transactions_have_no_anomaly_in_memory() {
    block_on(async {
        let db = Database::open_in_memory(Options::default()).await.unwrap();
        tables(&db).await;
        verdict(&run(&db, Isolation::Serializable).await, Level::Serializable);
    });
}

#[test]
fn snapshots_have_write_skew_and_nothing_else() {
    block_on(async {
        let db = Database::open_in_memory(Options::default()).await.unwrap();
        tables(&db).await;
        let found = verdict(&run(&db, Isolation::Snapshot).await, Level::Snapshot);
        // Its absence would hint at serialization that nobody asked for.
        assert!(found.iter().any(|class| matches!(class, Class::G2Item | Class::G2)), "{found:?}");
    });
}

#[test]
fn serializable_transactions_that_spill_have_no_anomaly_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        let options = Options { transaction_bytes: 200, page_size: 512, ..Options::default() };
        let db = Database::open(&path, options).await.unwrap();
        tables(&db).await;
        verdict(&run(&db, Isolation::Serializable).await, Level::Serializable);
        db.close().await.unwrap();
    });
    stock_check(&path);
}
