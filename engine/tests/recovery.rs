//! Recovery of thousands of small commits: many batches, read and linked side by side.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that fails panics")]

use heddle_engine::{Database, Direction, Durability, Options, Result, RowId, TxOptions};

const TASKS: i64 = 16;
const COMMITS: i64 = 250;

fn options() -> Options {
    Options { auto_checkpoint: false, ..Options::default() }
}

/// Each commit adds a row and raises the counter in row 0, so that order matters.
async fn add_rows(db: Database) -> Result<()> {
    let weak = TxOptions { durability: Some(Durability::Off), ..TxOptions::default() };
    for n in 0..COMMITS {
        db.transaction_with(weak, |tx| {
            Box::pin(async move {
                let mut rows = tx.table("t")?;
                let count: i64 = match rows.get(RowId(0)).await? {
                    Some(row) => row.get("n")?,
                    None => 0,
                };
                rows.set(RowId(0), &[("n", &(count + 1))]).await?;
                rows.insert((None::<i64>, n)).await?;
                Ok(())
            })
        })
        .await?;
    }
    Ok(())
}

async fn check(db: &Database) -> Result<()> {
    let mut tx = db.begin().await?;
    let mut rows = tx.table("t")?;
    let mut scan = rows.scan(.., Direction::Ascending)?;
    let counter: i64 = scan.next().await?.unwrap().get("n")?;
    assert_eq!(counter, TASKS * COMMITS, "the newest of all versions");
    let mut sums = 0;
    let mut count = 0;
    while let Some(row) = scan.next().await? {
        sums += row.get::<i64>("n")?;
        count += 1;
    }
    assert_eq!(count, TASKS * COMMITS);
    assert_eq!(sums, TASKS * (0..COMMITS).sum::<i64>());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_commits_come_back_in_their_order() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let db = Database::open(&path, options()).await?;
    let mut tx = db.begin().await?;
    tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await?;
    tx.table("t")?.insert((0_i64, 0_i64)).await?;
    tx.commit().await?;
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(add_rows(db.clone()))).collect();
    for task in tasks {
        task.await.unwrap()?;
    }
    drop(db);

    // What a crash leaves: all of it is in the log.
    let db = Database::open(&path, options()).await?;
    assert!(db.metrics().log_bytes > 0);
    check(&db).await?;
    db.close().await?;
    let db = Database::open(&path, options()).await?;
    assert_eq!(db.metrics().log_bytes, 0);
    check(&db).await?;
    db.close().await
}
