//! The process that is killed: it writes until then, and reports every commit that was acknowledged.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use heddle_engine::{Attempt, Database, Direction, Error, RowId, TxOptions};

use crate::plan::{self, ACCOUNTS, BULK, BULK_ROWS, DEPOSIT, KEPT, SCHEMA, WRITERS};

/// Works without end.
pub(crate) async fn work(path: &Path, seed: u64) -> Result<()> {
    let mut rng = Rng::with_seed(seed);
    let db = plan::open(path, &mut rng).await?;
    found(&db).await?;
    let mut tasks = Vec::new();
    for writer in (1..=WRITERS).chain([BULK, SCHEMA]) {
        let (db, rng) = (db.clone(), rng.fork());
        tasks.push(tokio::spawn(async move { write(&db, writer, rng).await }));
    }
    let upkeep = rng.fork();
    tasks.push(tokio::spawn(async move { keep_up(&db, upkeep).await }));
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Makes the tables and the accounts if they are not there.
async fn found(db: &Database) -> Result<()> {
    let mut tx = db.begin().await?;
    if tx.table_names().is_empty() {
        for sql in plan::TABLES {
            tx.create_table(sql).await?;
        }
        let mut accounts = tx.table("account")?;
        for _ in 0..ACCOUNTS {
            accounts.insert((None::<i64>, DEPOSIT)).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// One writer's commits, each with what [`plan`] says.
async fn write(db: &Database, writer: i64, mut rng: Rng) -> Result<()> {
    let line = db.get("ledger", RowId(writer)).await?;
    let mut n: i64 = line.map_or(Ok(0), |row| row.get("n"))?;
    loop {
        n += 1;
        let options =
            TxOptions { durability: Some(plan::durability(&mut rng)), ..TxOptions::default() };
        let (from, to, amount) = (rng.i64(1..=ACCOUNTS), rng.i64(1..=ACCOUNTS), rng.i64(1..=9));
        let committed = db.transaction_with(options, |tx| {
            Box::pin(async move {
                match writer {
                    BULK => bulk(tx, n).await?,
                    SCHEMA => change_schema(tx, n).await?,
                    _ => {
                        entries(tx, writer, n).await?;
                        transfer(tx, from, to, amount).await?;
                    }
                }
                let mut ledger = tx.table("ledger")?;
                if !ledger.update(RowId(writer), (writer, n)).await? {
                    ledger.insert((writer, n)).await?;
                }
                Ok(())
            })
        });
        match committed.await {
            Ok(()) => {}
            // Memory is over its limit while a checkpoint is slow: nothing happened.
            Err(Error::Busy { .. }) => {
                n -= 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        // One write of a whole line: a pipe keeps it, or never had it.
        std::io::stdout().lock().write_all(format!("{writer} {n}\n").as_bytes())?;
        if writer == SCHEMA || writer == BULK {
            tokio::time::sleep(Duration::from_millis(rng.u64(0..60))).await;
        }
    }
}

async fn entries(tx: &mut Attempt<'_>, writer: i64, n: i64) -> heddle_engine::Result<()> {
    let mut table = tx.table("entry")?;
    for part in 0..plan::parts(writer, n) {
        let body = plan::body(writer, n, part);
        table.insert((None::<i64>, writer, n, part, body)).await?;
    }
    let old = n - KEPT;
    if old > 0 {
        let mut gone = Vec::new();
        let mut index = table.index("sqlite_autoindex_entry_1")?;
        let mut scan = index.scan((writer, old), Direction::Ascending)?;
        while let Some(row) = scan.next().await? {
            gone.extend(row.rowid());
        }
        for rowid in gone {
            table.delete(rowid).await?;
        }
    }
    Ok(())
}

async fn transfer(
    tx: &mut Attempt<'_>,
    from: i64,
    to: i64,
    amount: i64,
) -> heddle_engine::Result<()> {
    let mut accounts = tx.table("account")?;
    for (account, change) in [(from, -amount), (to, amount)] {
        let Some(row) = accounts.get(RowId(account)).await? else { continue };
        let balance: i64 = row.get("balance")?;
        accounts.set(RowId(account), &[("balance", &(balance + change))]).await?;
    }
    Ok(())
}

/// Every row of a table, in one commit.
async fn bulk(tx: &mut Attempt<'_>, n: i64) -> heddle_engine::Result<()> {
    let mut table = tx.table("bulk")?;
    for id in 1..=BULK_ROWS {
        let row = (id, n, format!("{n} {}", "y".repeat(300)));
        if !table.update(RowId(id), &row).await? {
            table.insert(&row).await?;
        }
    }
    Ok(())
}

/// From one of the states of [`plan::schema`] to the next.
async fn change_schema(tx: &mut Attempt<'_>, n: i64) -> heddle_engine::Result<()> {
    match n % 4 {
        1 => {
            tx.create_table("CREATE TABLE extra (id INTEGER PRIMARY KEY, n INT)").await?;
            tx.table("extra")?.insert((n, n)).await?;
            Ok(())
        }
        2 => {
            tx.add_column("extra", "more TEXT DEFAULT 'more'").await?;
            tx.create_index("CREATE INDEX by_body ON entry (body, n DESC)").await
        }
        3 => tx.drop_index("by_body").await,
        _ => tx.drop_table("extra").await,
    }
}

/// Checkpoints on demand, and now and then the file written anew.
async fn keep_up(db: &Database, mut rng: Rng) -> Result<()> {
    loop {
        tokio::time::sleep(Duration::from_millis(rng.u64(5..150))).await;
        match rng.u8(0..6) {
            0 => db.vacuum().await?,
            1 => db.incremental_vacuum(rng.u32(1..50)).await?,
            _ => db.checkpoint().await?,
        };
    }
}
