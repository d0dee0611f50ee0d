//! A connection: where statements run.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heddle_sql::session::{Outcome, Prepared, QueryRun, Session};
use parking_lot::Mutex;

use crate::slot::{Baton, Slot};
use crate::transaction::{Transaction, TransactionBehavior, TransactionOptions};
use crate::{Error, IntoParams, Params, Result, Rows, Statement};

/// How many statements a connection keeps for [`Connection::prepare_cached`].
const CACHED: usize = 128;

/// A connection. It does one thing at a time, in the order of asking; a clone is the same connection.
///
/// Each statement is a transaction of its own, and is run again by itself when another one came first, unless
/// [`Connection::transaction`] or BEGIN has opened one.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    slot: Arc<Slot>,
    interrupt: Arc<AtomicBool>,
    cache: Mutex<HashMap<Box<str>, Arc<Prepared>>>,
}

impl Connection {
    pub(crate) fn new(session: Session) -> Connection {
        let interrupt = session.interrupt_flag();
        let slot = Arc::new(Slot::new(session));
        Connection { inner: Arc::new(Inner { slot, interrupt, cache: Mutex::default() }) }
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.inner.slot
    }

    pub(crate) async fn session(&self) -> Baton {
        self.inner.slot.take().await
    }

    /// Runs the first statement of `sql`: how many rows it inserted, updated or deleted. What rows it gives are dropped.
    ///
    /// # Errors
    /// What is wrong with it, and what running it meets.
    ///
    /// # Cancel safety
    /// Dropped before it ends, the statement has not happened, unless its commit had begun.
    pub async fn execute(&self, sql: impl AsRef<str>, params: impl IntoParams) -> Result<u64> {
        let params = params.into_params();
        match Prepared::parse(sql.as_ref())? {
            Some((prepared, _)) => self.run_to_end(&prepared, params?).await,
            None => Ok(0),
        }
    }

    /// Runs the first statement of `sql` for its rows.
    ///
    /// # Errors
    /// What is wrong with it, and what running it meets.
    ///
    /// # Cancel safety
    /// As [`Connection::execute`].
    pub async fn query(&self, sql: impl AsRef<str>, params: impl IntoParams) -> Result<Rows> {
        let params = params.into_params();
        match Prepared::parse(sql.as_ref())? {
            Some((prepared, _)) => self.run(&prepared, params?).await,
            None => Ok(Rows::empty()),
        }
    }

    /// Runs all statements of `sql`, one after the other, up to the first that fails.
    ///
    /// # Errors
    /// What is wrong with one, and what running it meets. What those before it did stays.
    ///
    /// # Cancel safety
    /// As [`Connection::execute`], for the one that was running.
    pub async fn execute_batch(&self, sql: impl AsRef<str>) -> Result<()> {
        let mut rest = sql.as_ref();
        while let Some((prepared, end)) = Prepared::parse(rest)? {
            self.run_to_end(&prepared, Params::None).await?;
            rest = rest.get(end..).unwrap_or_default();
        }
        Ok(())
    }

    /// Prepares the first statement of `sql`, to be run several times.
    ///
    /// # Errors
    /// What is wrong with it.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn prepare(&self, sql: impl AsRef<str>) -> Result<Statement> {
        let Some((prepared, _)) = Prepared::parse(sql.as_ref())? else {
            return Err(Error::misuse("there is no statement in the text"));
        };
        self.session().await.prepare(&prepared).await?;
        Ok(Statement::new(self.clone(), Arc::new(prepared)))
    }

    /// As [`Connection::prepare`]; the connection remembers the statement, and gives it again for the same text.
    ///
    /// # Errors
    /// As [`Connection::prepare`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn prepare_cached(&self, sql: impl AsRef<str>) -> Result<Statement> {
        let sql = sql.as_ref();
        let known = self.inner.cache.lock().get(sql).cloned();
        if let Some(prepared) = known {
            return Ok(Statement::new(self.clone(), prepared));
        }
        let statement = self.prepare(sql).await?;
        let mut cache = self.inner.cache.lock();
        if cache.len() >= CACHED {
            cache.clear();
        }
        cache.insert(sql.into(), Arc::clone(statement.prepared()));
        drop(cache);
        Ok(statement)
    }

    /// Begins a transaction: plain BEGIN, beside all others.
    ///
    /// # Errors
    /// If one is open on this connection.
    ///
    /// # Cancel safety
    /// Dropped, none is open.
    pub async fn transaction(&self) -> Result<Transaction> {
        self.transaction_with(TransactionOptions::default()).await
    }

    /// Begins a transaction of this behavior.
    ///
    /// # Errors
    /// As [`Connection::transaction`]; [`Error::Busy`] if it is to wait its turn and waits for too long.
    ///
    /// # Cancel safety
    /// As [`Connection::transaction`].
    pub async fn transaction_with_behavior(
        &self,
        behavior: TransactionBehavior,
    ) -> Result<Transaction> {
        let options = TransactionOptions { behavior, ..TransactionOptions::default() };
        self.transaction_with(options).await
    }

    /// Begins a transaction with its own behavior, durability and isolation.
    ///
    /// # Errors
    /// As [`Connection::transaction_with_behavior`].
    ///
    /// # Cancel safety
    /// As [`Connection::transaction`].
    pub async fn transaction_with(&self, options: TransactionOptions) -> Result<Transaction> {
        let mut session = self.session().await;
        session.begin(options.into()).await?;
        let epoch = session.epoch();
        drop(session);
        Ok(Transaction::new(self.clone(), epoch))
    }

    /// The rowid of the last row that this connection inserted.
    pub fn last_insert_rowid(&self) -> i64 {
        self.inner.slot.status().last_insert_rowid()
    }

    /// How many rows the last INSERT, UPDATE or DELETE changed.
    pub fn changes(&self) -> u64 {
        u64::try_from(self.inner.slot.status().changes()).unwrap_or(0)
    }

    /// How many rows were changed since the connection was opened.
    pub fn total_changes(&self) -> u64 {
        u64::try_from(self.inner.slot.status().total_changes()).unwrap_or(0)
    }

    /// Whether each statement is a transaction of its own: no BEGIN is open, nor one that failed and waits for ROLLBACK.
    pub fn is_autocommit(&self) -> bool {
        self.inner.slot.status().is_autocommit()
    }

    /// How long to wait for others from now on.
    ///
    /// # Errors
    /// [`Error::Misuse`] while a statement runs on this connection.
    pub fn busy_timeout(&self, timeout: Duration) -> Result<()> {
        self.with_session(|session| session.settings_mut().busy_timeout = Some(timeout))
    }

    /// Makes what runs on this connection end soon, with [`Error::Interrupted`].
    pub fn interrupt(&self) {
        self.inner.interrupt.store(true, Ordering::Relaxed);
    }

    /// Works on the session while nothing runs.
    pub(crate) fn with_session<R>(&self, work: impl FnOnce(&mut Session) -> R) -> Result<R> {
        let outcome = self.inner.slot.try_with(work);
        outcome.ok_or_else(|| Error::misuse("a statement is running on this connection"))
    }

    pub(crate) async fn run(&self, prepared: &Prepared, params: Params) -> Result<Rows> {
        let values = params.for_parameters(prepared.parameters())?;
        let mut session = self.session().await;
        let outcome = session.run(prepared, values.into()).await?;
        drop(session);
        Ok(Rows::new(self.slot(), outcome))
    }

    pub(crate) async fn run_to_end(&self, prepared: &Prepared, params: Params) -> Result<u64> {
        let values = params.for_parameters(prepared.parameters())?;
        let mut session = self.session().await;
        match session.run(prepared, values.into()).await? {
            Outcome::Finished(finished) => Ok(finished.changes),
            Outcome::Rows(run) => {
                drain(run, &mut session).await?;
                Ok(0)
            }
        }
    }
}

async fn drain(mut run: Box<QueryRun>, session: &mut Session) -> Result<()> {
    while run.next_within(session).await?.is_some() {}
    Ok(())
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("is_autocommit", &self.is_autocommit()).finish()
    }
}
