//! A service as somebody might write it on HeddleDB: it sells seats, always two together.
//!
//! It takes its world (files, time, tasks) from an [`Env`] and asks nobody else for any of them. That is all it takes
//! for its own code to run in production, under the simulator and under shuttle.
//!
//! # Promises
//! - A seat has one guest at most, and a guest has two seats or none.
//! - A booking that was acknowledged is there after any crash.

use std::collections::BTreeMap;

use heddle_engine::{Database, Direction, Env, Options, Result, RowId};

/// The hall, its seats numbered from 1.
#[derive(Debug, Clone)]
pub(crate) struct Hall {
    db: Database,
}

impl Hall {
    /// Opens the hall's file, and makes it if there is none.
    pub(crate) async fn open(env: Env, path: &str) -> Result<Hall> {
        let db = Database::open(path, Options { env: Some(env), ..Options::default() }).await?;
        let mut tx = db.begin().await?;
        tx.create_table("CREATE TABLE IF NOT EXISTS seat (id INTEGER PRIMARY KEY, guest INT)")
            .await?;
        tx.create_index("CREATE INDEX IF NOT EXISTS by_guest ON seat (guest)").await?;
        tx.commit().await?;
        Ok(Hall { db })
    }

    /// Books two seats; false, and nothing done, if one is taken or the guest has seats already.
    pub(crate) async fn book(&self, guest: i64, seats: [i64; 2]) -> Result<bool> {
        self.db
            .transaction(|tx| {
                Box::pin(async move {
                    let mut table = tx.table("seat")?;
                    for seat in seats {
                        if table.get(RowId(seat)).await?.is_some() {
                            return Ok(false);
                        }
                    }
                    if table.index("by_guest")?.get([guest]).await?.is_some() {
                        return Ok(false);
                    }
                    for seat in seats {
                        table.insert((seat, guest)).await?;
                    }
                    Ok(true)
                })
            })
            .await
    }

    /// Gives a guest's seats back; how many there were.
    pub(crate) async fn cancel(&self, guest: i64) -> Result<usize> {
        self.db
            .transaction(|tx| {
                Box::pin(async move {
                    let mut table = tx.table("seat")?;
                    let mut seats = Vec::new();
                    let mut index = table.index("by_guest")?;
                    let mut scan = index.scan([guest], Direction::Ascending)?;
                    while let Some(row) = scan.next().await? {
                        seats.extend(row.rowid());
                    }
                    for seat in &seats {
                        table.delete(*seat).await?;
                    }
                    Ok(seats.len())
                })
            })
            .await
    }

    /// Who sits where.
    pub(crate) async fn guests(&self) -> Result<BTreeMap<i64, Vec<i64>>> {
        let mut tx = self.db.snapshot().await?;
        let mut table = tx.table("seat")?;
        let mut scan = table.scan(.., Direction::Ascending)?;
        let mut guests: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        while let Some(row) = scan.next().await? {
            guests.entry(row.get("guest")?).or_default().push(row.get("id")?);
        }
        Ok(guests)
    }

    /// Merges what was booked into the file.
    pub(crate) async fn checkpoint(&self) -> Result<()> {
        self.db.checkpoint().await.map(drop)
    }

    /// Closes the file.
    pub(crate) async fn close(self) -> Result<()> {
        self.db.close().await
    }
}
