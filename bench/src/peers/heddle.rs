//! HeddleDB through its engine's API: the closure form, which retries by itself, at its default
//! isolation (serializable) and durability (full).

use std::path::Path;

use anyhow::Result;
use heddle_engine::{Database, Direction, Options, RowId, Transaction};

use super::sqlite::{FILE, TABLES};
use crate::data;
use crate::peer::{CACHE_BYTES, Counters, Peer, Person, Retries, Row, Session, Style, Upkeep};

#[derive(Debug, Clone)]
pub struct Heddle {
    db: Database,
}

/// Room for all that a workload changes while checkpoints wait for their word.
const MANUAL_BYTES: usize = 4 << 30;

impl Peer for Heddle {
    type Session = HeddleSession;

    const STYLE: Style = Style::Tasks;

    async fn open(at: &Path, upkeep: Upkeep) -> Result<Self> {
        let mut options = Options { cache_bytes: CACHE_BYTES, ..Options::default() };
        if upkeep == Upkeep::Manual {
            options.auto_checkpoint = false;
            options.memory_bytes = MANUAL_BYTES;
        }
        let db = Database::open(at.join(FILE), options).await?;
        let mut tx = db.begin().await?;
        if tx.table("rows").is_err() {
            for sql in TABLES {
                if sql.starts_with("CREATE TABLE") {
                    tx.create_table(sql).await?;
                } else {
                    tx.create_index(sql).await?;
                }
            }
            tx.commit().await?;
        }
        Ok(Heddle { db })
    }

    async fn session(&self) -> Result<Self::Session> {
        Ok(HeddleSession { db: self.db.clone(), held: None })
    }

    async fn load(&self, rows: i64) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let mut table = tx.table("rows")?;
        for row in data::loaded(rows) {
            table.insert((None::<i64>, row.n, row.body)).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn checkpoint(&self) -> Result<Option<()>> {
        self.db.checkpoint().await?;
        Ok(Some(()))
    }

    fn counters(&self) -> Counters {
        let metrics = self.db.metrics();
        Counters { syncs: Some(metrics.syncs), log_bytes: Some(metrics.log_bytes_written) }
    }

    async fn close(self) -> Result<()> {
        Ok(self.db.close().await?)
    }
}

pub struct HeddleSession {
    db: Database,
    held: Option<Transaction>,
}

impl HeddleSession {
    async fn change(&self, changes: &[(i64, i64)]) -> Result<Retries> {
        let mut attempts = 0;
        self.db
            .transaction(|tx| {
                attempts += 1;
                Box::pin(async move {
                    let mut rows = tx.table("rows")?;
                    for (id, by) in changes {
                        let row = rows.get(RowId(*id)).await?;
                        let n: i64 = match row {
                            Some(row) => row.get("n")?,
                            None => continue,
                        };
                        rows.set(RowId(*id), &[("n", &(n + by))]).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        Ok(attempts - 1)
    }
}

impl Session for HeddleSession {
    async fn insert(&mut self, rows: &[Row]) -> Result<Retries> {
        let mut attempts = 0;
        self.db
            .transaction(|tx| {
                attempts += 1;
                Box::pin(async move {
                    let mut table = tx.table("rows")?;
                    for row in rows {
                        table.insert((None::<i64>, row.n, row.body.as_str())).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        Ok(attempts - 1)
    }

    async fn insert_person(&mut self, person: &Person) -> Result<Retries> {
        let mut attempts = 0;
        self.db
            .transaction(|tx| {
                attempts += 1;
                Box::pin(async move {
                    let Person { name, team, body, .. } = person;
                    tx.table("people")?
                        .insert((None::<i64>, name.as_str(), *team, body.as_str()))
                        .await?;
                    Ok(())
                })
            })
            .await?;
        Ok(attempts - 1)
    }

    async fn add(&mut self, id: i64, by: i64) -> Result<Retries> {
        self.change(&[(id, by)]).await
    }

    async fn transfer(&mut self, from: i64, to: i64, amount: i64) -> Result<Retries> {
        self.change(&[(from, -amount), (to, amount)]).await
    }

    async fn get(&mut self, id: i64) -> Result<Option<i64>> {
        let mut tx = self.db.snapshot().await?;
        let mut rows = tx.table("rows")?;
        Ok(match rows.get(RowId(id)).await? {
            Some(row) => Some(row.get(1)?),
            None => None,
        })
    }

    async fn range(&mut self, from: i64, count: usize) -> Result<(u64, i64)> {
        let mut tx = self.db.snapshot().await?;
        let mut rows = tx.table("rows")?;
        let mut scan = rows.scan(RowId(from).., Direction::Ascending)?;
        let (mut seen, mut sum) = (0, 0);
        while seen < count as u64 {
            let on_row = match scan.try_step() {
                Some(on_row) => on_row,
                None => scan.step().await?,
            };
            let Some(row) = scan.row().filter(|_| on_row) else { break };
            sum += row.get::<i64>(1)?;
            seen += 1;
        }
        Ok((seen, sum))
    }

    async fn hold(&mut self) -> Result<bool> {
        let mut tx = self.db.snapshot().await?;
        tx.table("rows")?.get(RowId(1)).await?;
        self.held = Some(tx);
        Ok(true)
    }
}
