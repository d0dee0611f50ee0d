//! Stock SQLite through rusqlite, WAL, `synchronous=FULL`, in its two shapes.
//!
//! - [`Pooled`]: a connection for each session; writers wait in SQLite's busy handler. What most programs do.
//! - [`Queued`]: writers share one connection behind a lock, so that none sleeps in the busy handler;
//!   readers have their own.
//!
//! Reports compare with whichever was faster in the run.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::data;
use crate::peer::{CACHE_BYTES, Peer, Person, Retries, Row, Session, Style, Upkeep};

/// The tables, in the SQL that all SQL peers share.
pub const TABLES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS people \
     (id INTEGER PRIMARY KEY, name TEXT NOT NULL, team INTEGER NOT NULL, body TEXT NOT NULL)",
    "CREATE UNIQUE INDEX IF NOT EXISTS people_name ON people (name)",
    "CREATE INDEX IF NOT EXISTS people_team ON people (team)",
];

/// The file's name inside a peer's folder.
pub const FILE: &str = "rows.db";

const INSERT: &str = "INSERT INTO rows (n, body) VALUES (?1, ?2)";
const INSERT_PERSON: &str = "INSERT INTO people (name, team, body) VALUES (?1, ?2, ?3)";
const SELECT: &str = "SELECT n FROM rows WHERE id = ?1";
const UPDATE: &str = "UPDATE rows SET n = ?2 WHERE id = ?1";
const RANGE: &str =
    "SELECT count(*), sum(n) FROM (SELECT n FROM rows WHERE id >= ?1 ORDER BY id LIMIT ?2)";
const ALL: &str = "SELECT count(*), sum(n) FROM rows";

/// Opens a connection as every session has it.
fn connect(file: &Path, upkeep: Upkeep) -> Result<Connection> {
    let db = Connection::open(file)?;
    db.busy_timeout(Duration::from_secs(120))?;
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    ensure!(mode == "wal", "journal mode {mode}");
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "cache_size", -((CACHE_BYTES >> 10) as i64))?;
    if upkeep == Upkeep::Manual {
        db.query_row("PRAGMA wal_autocheckpoint = 0", [], |_| Ok(()))?;
    }
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}

fn create(file: &Path, upkeep: Upkeep) -> Result<()> {
    let db = connect(file, upkeep)?;
    for table in TABLES {
        db.execute(table, [])?;
    }
    Ok(())
}

fn load(file: &Path, upkeep: Upkeep, rows: i64) -> Result<()> {
    let mut db = connect(file, upkeep)?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut insert = tx.prepare(INSERT)?;
    for row in data::loaded(rows) {
        insert.execute(params![row.n, row.body])?;
    }
    drop(insert);
    Ok(tx.commit()?)
}

fn checkpoint(file: &Path, upkeep: Upkeep) -> Result<()> {
    let db = connect(file, upkeep)?;
    Ok(db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
}

/// Each session on a connection of its own.
#[derive(Debug, Clone)]
pub struct Pooled {
    file: PathBuf,
    upkeep: Upkeep,
    /// The last connection to close makes a checkpoint: this one stays.
    _anchor: Arc<Mutex<Connection>>,
}

impl Peer for Pooled {
    type Session = Client<Own>;

    const STYLE: Style = Style::Threads;

    async fn open(at: &Path, upkeep: Upkeep) -> Result<Self> {
        let file = at.join(FILE);
        create(&file, upkeep)?;
        let anchor = Arc::new(Mutex::new(connect(&file, upkeep)?));
        Ok(Pooled { file, upkeep, _anchor: anchor })
    }

    async fn session(&self) -> Result<Self::Session> {
        let read = connect(&self.file, self.upkeep)?;
        Ok(Client { read: Some(read), write: Own, file: self.file.clone() })
    }

    async fn load(&self, rows: i64) -> Result<()> {
        load(&self.file, self.upkeep, rows)
    }

    async fn checkpoint(&self) -> Result<Option<()>> {
        checkpoint(&self.file, self.upkeep).map(Some)
    }

    async fn close(self) -> Result<()> {
        Ok(())
    }
}

/// Writers share one connection.
#[derive(Debug, Clone)]
pub struct Queued {
    file: PathBuf,
    upkeep: Upkeep,
    writer: Arc<Mutex<Connection>>,
}

impl Peer for Queued {
    type Session = Client<Shared>;

    const STYLE: Style = Style::Threads;

    async fn open(at: &Path, upkeep: Upkeep) -> Result<Self> {
        let file = at.join(FILE);
        create(&file, upkeep)?;
        let writer = Arc::new(Mutex::new(connect(&file, upkeep)?));
        Ok(Queued { file, upkeep, writer })
    }

    async fn session(&self) -> Result<Self::Session> {
        let write = Shared(Arc::clone(&self.writer));
        Ok(Client { read: None, write, file: self.file.clone() })
    }

    async fn load(&self, rows: i64) -> Result<()> {
        load(&self.file, self.upkeep, rows)
    }

    async fn checkpoint(&self) -> Result<Option<()>> {
        checkpoint(&self.file, self.upkeep).map(Some)
    }

    async fn close(self) -> Result<()> {
        Ok(())
    }
}

/// Which connection a session writes by.
pub trait Writer: Send + 'static {
    fn with<T>(
        &mut self,
        own: &mut Option<Connection>,
        work: impl FnOnce(&mut Connection) -> Result<T>,
    ) -> Result<T>;
}

/// The session's own.
#[derive(Debug)]
pub struct Own;

/// The one of all.
#[derive(Debug)]
pub struct Shared(Arc<Mutex<Connection>>);

impl Writer for Own {
    fn with<T>(
        &mut self,
        own: &mut Option<Connection>,
        work: impl FnOnce(&mut Connection) -> Result<T>,
    ) -> Result<T> {
        match own {
            Some(own) => work(own),
            None => anyhow::bail!("no connection"),
        }
    }
}

impl Writer for Shared {
    fn with<T>(
        &mut self,
        _: &mut Option<Connection>,
        work: impl FnOnce(&mut Connection) -> Result<T>,
    ) -> Result<T> {
        let mut guard: MutexGuard<'_, _> = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut guard)
    }
}

/// A client.
#[derive(Debug)]
pub struct Client<W> {
    /// Where it reads; opened when first needed.
    read: Option<Connection>,
    write: W,
    file: PathBuf,
}

impl<W: Writer> Client<W> {
    fn reader(&mut self) -> Result<&mut Connection> {
        if self.read.is_none() {
            self.read = Some(connect(&self.file, Upkeep::Automatic)?);
        }
        self.read.as_mut().ok_or_else(|| anyhow::anyhow!("no connection"))
    }

    fn changed(&mut self, changes: &[(i64, i64)]) -> Result<Retries> {
        self.write.with(&mut self.read, |db| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for (id, by) in changes {
                let n: i64 = tx.prepare_cached(SELECT)?.query_row([id], |row| row.get(0))?;
                tx.prepare_cached(UPDATE)?.execute([*id, n + by])?;
            }
            tx.commit()?;
            Ok(0)
        })
    }
}

impl<W: Writer> Session for Client<W> {
    async fn insert(&mut self, rows: &[Row]) -> Result<Retries> {
        self.write.with(&mut self.read, |db| {
            if let [row] = rows {
                db.prepare_cached(INSERT)?.execute(params![row.n, row.body])?;
                return Ok(0);
            }
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for row in rows {
                tx.prepare_cached(INSERT)?.execute(params![row.n, row.body])?;
            }
            tx.commit()?;
            Ok(0)
        })
    }

    async fn insert_person(&mut self, person: &Person) -> Result<Retries> {
        self.write.with(&mut self.read, |db| {
            let mut insert = db.prepare_cached(INSERT_PERSON)?;
            insert.execute(params![person.name, person.team, person.body])?;
            Ok(0)
        })
    }

    async fn add(&mut self, id: i64, by: i64) -> Result<Retries> {
        self.changed(&[(id, by)])
    }

    async fn transfer(&mut self, from: i64, to: i64, amount: i64) -> Result<Retries> {
        self.changed(&[(from, -amount), (to, amount)])
    }

    async fn get(&mut self, id: i64) -> Result<Option<i64>> {
        let mut select = self.reader()?.prepare_cached(SELECT)?;
        Ok(select.query_row([id], |row| row.get(0)).optional()?)
    }

    fn range(
        &mut self,
        from: i64,
        count: usize,
    ) -> impl Future<Output = Result<(u64, i64)>> + Send {
        let sums = |row: &rusqlite::Row<'_>| {
            Ok((row.get::<_, i64>(0)? as u64, row.get::<_, Option<i64>>(1)?.unwrap_or(0)))
        };
        let mut read = || {
            let db = self.reader()?;
            Ok(match i64::try_from(count) {
                Ok(count) => db.prepare_cached(RANGE)?.query_row([from, count], sums)?,
                Err(_) => db.prepare_cached(ALL)?.query_row([], sums)?,
            })
        };
        std::future::ready(read())
    }

    async fn hold(&mut self) -> Result<bool> {
        let db = self.reader()?;
        db.execute_batch("BEGIN")?;
        db.prepare_cached(SELECT)?.query_row([1], |row| row.get::<_, i64>(0))?;
        Ok(true)
    }
}
