//! Turso, SQLite's rewrite in Rust, in MVCC mode: `BEGIN CONCURRENT`, group commit on, `synchronous=FULL`.
//!
//! A conflict (or a busy database) rolls back and runs the transaction again. Keys are given, since two
//! concurrent inserts that let it pick a rowid conflict.

use std::path::Path;

use anyhow::{Context, Result};
use turso::{Builder, Connection, Database, Error, Statement, Value};

use super::sqlite::TABLES;
use crate::data;
use crate::peer::{Peer, Person, Retries, Row, Session, Style, Upkeep};

#[derive(Clone)]
pub struct Turso {
    db: Database,
}

async fn connect(db: &Database) -> Result<Connection> {
    let connection = db.connect()?;
    connection.busy_timeout(std::time::Duration::from_secs(60))?;
    pragma(&connection, "PRAGMA journal_mode = 'mvcc'").await?;
    pragma(&connection, "PRAGMA synchronous = FULL").await?;
    pragma(&connection, "PRAGMA mvcc_group_commit = on").await?;
    Ok(connection)
}

async fn pragma(connection: &Connection, sql: &str) -> Result<()> {
    let mut rows = connection.query(sql, ()).await?;
    while rows.next().await?.is_some() {}
    Ok(())
}

impl Peer for Turso {
    type Session = TursoSession;

    const STYLE: Style = Style::Tasks;

    async fn open(at: &Path, _: Upkeep) -> Result<Self> {
        let file = at.join("turso.db");
        let path = file.to_str().context("a path that is not UTF-8")?;
        let db = Builder::new_local(path).build().await?;
        let connection = connect(&db).await?;
        for table in TABLES {
            connection.execute(table, ()).await?;
        }
        Ok(Turso { db })
    }

    async fn session(&self) -> Result<Self::Session> {
        TursoSession::new(connect(&self.db).await?).await
    }

    async fn load(&self, rows: i64) -> Result<()> {
        let mut session = self.session().await?;
        session.begin.execute(()).await?;
        for row in data::loaded(rows) {
            session.insert.execute(row_values(&row)).await?;
        }
        session.commit.execute(()).await?;
        Ok(())
    }

    async fn close(self) -> Result<()> {
        Ok(())
    }
}

pub struct TursoSession {
    begin: Statement,
    commit: Statement,
    rollback: Statement,
    insert: Statement,
    insert_person: Statement,
    select: Statement,
    update: Statement,
    range: Statement,
}

/// A transaction that may have to run again.
#[derive(Clone, Copy)]
enum Work<'a> {
    Insert(&'a [Row]),
    Person(&'a Person),
    Add(&'a [(i64, i64)]),
}

fn is_conflict(error: &Error) -> bool {
    match error {
        Error::Busy(_) | Error::BusySnapshot(_) => true,
        Error::Error(text) => text.contains("conflict"),
        _ => false,
    }
}

fn row_values(row: &Row) -> Vec<Value> {
    vec![Value::Integer(row.id), Value::Integer(row.n), Value::Text(row.body.clone())]
}

impl TursoSession {
    async fn new(connection: Connection) -> Result<Self> {
        let prepare = async |sql| connection.prepare(sql).await;
        Ok(TursoSession {
            begin: prepare("BEGIN CONCURRENT").await?,
            commit: prepare("COMMIT").await?,
            rollback: prepare("ROLLBACK").await?,
            insert: prepare("INSERT INTO rows (id, n, body) VALUES (?1, ?2, ?3)").await?,
            insert_person: prepare(
                "INSERT INTO people (id, name, team, body) VALUES (?1, ?2, ?3, ?4)",
            )
            .await?,
            select: prepare("SELECT n FROM rows WHERE id = ?1").await?,
            update: prepare("UPDATE rows SET n = ?2 WHERE id = ?1").await?,
            range: prepare(
                "SELECT count(*), sum(n) FROM (SELECT n FROM rows WHERE id >= ?1 ORDER BY id LIMIT ?2)",
            )
            .await?,
        })
    }

    async fn run(&mut self, work: Work<'_>) -> Result<Retries> {
        let mut retries = 0;
        loop {
            match self.attempt(work).await {
                Ok(()) => return Ok(retries),
                Err(error) if is_conflict(&error) => {
                    // It may have been rolled back already.
                    let _ = self.rollback.execute(()).await;
                    retries += 1;
                    tokio::task::yield_now().await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn attempt(&mut self, work: Work<'_>) -> Result<(), Error> {
        self.begin.execute(()).await?;
        match work {
            Work::Insert(rows) => {
                for row in rows {
                    self.insert.execute(row_values(row)).await?;
                }
            }
            Work::Person(person) => {
                let values = vec![
                    Value::Integer(person.id),
                    Value::Text(person.name.clone()),
                    Value::Integer(person.team),
                    Value::Text(person.body.clone()),
                ];
                self.insert_person.execute(values).await?;
            }
            Work::Add(changes) => {
                for (id, by) in changes {
                    let n = self.counter(*id).await?.ok_or(Error::QueryReturnedNoRows)?;
                    self.update.execute([*id, n + by]).await?;
                }
            }
        }
        self.commit.execute(()).await?;
        Ok(())
    }

    async fn counter(&mut self, id: i64) -> Result<Option<i64>, Error> {
        let mut rows = self.select.query([id]).await?;
        let Some(row) = rows.next().await? else { return Ok(None) };
        let n = row.get(0)?;
        while rows.next().await?.is_some() {}
        Ok(Some(n))
    }
}

impl Session for TursoSession {
    async fn insert(&mut self, rows: &[Row]) -> Result<Retries> {
        self.run(Work::Insert(rows)).await
    }

    async fn insert_person(&mut self, person: &Person) -> Result<Retries> {
        self.run(Work::Person(person)).await
    }

    async fn add(&mut self, id: i64, by: i64) -> Result<Retries> {
        self.run(Work::Add(&[(id, by)])).await
    }

    async fn transfer(&mut self, from: i64, to: i64, amount: i64) -> Result<Retries> {
        self.run(Work::Add(&[(from, -amount), (to, amount)])).await
    }

    async fn get(&mut self, id: i64) -> Result<Option<i64>> {
        Ok(self.counter(id).await?)
    }

    async fn range(&mut self, from: i64, count: usize) -> Result<(u64, i64)> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let mut rows = self.range.query([from, count]).await?;
        let row = rows.next().await?.context("an aggregate without a row")?;
        let answer = (row.get::<i64>(0)? as u64, row.get::<Option<i64>>(1)?.unwrap_or(0));
        while rows.next().await?.is_some() {}
        Ok(answer)
    }
}
