//! The closure API: a transaction that is run again until nobody came first.
//!
//! # Invariants
//! - Q1: after a conflict the next attempt first waits for its turn on the key it failed on, then takes its snapshot.
//! - Q2: after a few conflicts the next attempt has the database's gate, and can't conflict: it always ends.

use std::marker::PhantomData;

use heddle_base::sync::atomic::Ordering;
use heddle_io::BoxFuture;
use heddle_txn::Retry;

use crate::database::wait_for_memory;
use crate::lanes::Lanes;
use crate::transaction::{Attempt, Failed, Transaction};
use crate::{Database, Error, Result, TxOptions};

/// Changes of the schema that others may get in before, until an attempt takes the gate.
const PATIENCE: u32 = 3;

impl Database {
    /// Runs a transaction and commits it; if another one came first, runs it again.
    ///
    /// ```
    /// # use heddle_engine::{Database, Options, Result, RowId};
    /// # async fn transfer(db: &Database, from: RowId, to: RowId, amount: i64) -> Result<()> {
    /// db.transaction(|tx| {
    ///     Box::pin(async move {
    ///         let mut accounts = tx.table("account")?;
    ///         for (account, change) in [(from, -amount), (to, amount)] {
    ///             let Some(row) = accounts.get(account).await? else { continue };
    ///             let balance: i64 = row.get("balance")?;
    ///             accounts.set(account, &[("balance", &(balance + change))]).await?;
    ///         }
    ///         Ok(())
    ///     })
    /// })
    /// .await
    /// # }
    /// ```
    ///
    /// # Errors
    /// What the closure fails with (the transaction is then rolled back), or what [`Transaction::commit`] gives but
    /// conflicts.
    ///
    /// # Cancel safety
    /// As [`Transaction::commit`].
    pub async fn transaction<'env, T, F>(&self, run: F) -> Result<T>
    where
        F: for<'a> FnMut(&'a mut Attempt<'env>) -> BoxFuture<'a, Result<T>> + Send,
        T: Send,
    {
        self.transaction_with(TxOptions::default(), run).await
    }

    /// As [`Database::transaction`], with options.
    ///
    /// # Errors
    /// As [`Database::transaction`].
    ///
    /// # Cancel safety
    /// As [`Transaction::commit`].
    pub async fn transaction_with<'env, T, F>(&self, options: TxOptions, mut run: F) -> Result<T>
    where
        F: for<'a> FnMut(&'a mut Attempt<'env>) -> BoxFuture<'a, Result<T>> + Send,
        T: Send,
    {
        let mut attempts = self.attempts(options)?;
        loop {
            let mut attempt = Attempt { inner: attempts.begin().await?, env: PhantomData };
            let outcome = run(&mut attempt).await;
            if let Some(value) = attempts.end(attempt.inner, outcome).await? {
                return Ok(value);
            }
        }
    }

    /// The attempts of one transaction, for who runs the loop of [`Database::transaction_with`] himself.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::ReadOnly`].
    pub fn attempts(&self, options: TxOptions) -> Result<Attempts<'_>> {
        let lanes = self.lanes()?;
        let core = lanes.core();
        let options = self.inner_options(core, options)?;
        let retry = Retry::new(&core.manager, options);
        Ok(Attempts { lanes, options, retry, schema_conflicts: 0 })
    }
}

/// The attempts of one transaction: [`Attempts::begin`], then [`Attempts::end`], until that says that it is done.
pub struct Attempts<'db> {
    lanes: &'db Lanes,
    options: heddle_txn::TxOptions,
    retry: Retry,
    schema_conflicts: u32,
}

impl std::fmt::Debug for Attempts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempts").field("schema_conflicts", &self.schema_conflicts).finish()
    }
}

impl Attempts<'_> {
    /// Begins the next one, when it is its turn (Q1).
    ///
    /// # Errors
    /// As [`Database::begin_with`].
    ///
    /// # Cancel safety
    /// Dropped while it waits, it leaves the line.
    pub async fn begin(&mut self) -> Result<Transaction> {
        self.lanes.core().take_turn().await;
        wait_for_memory(self.lanes.core()).await?;
        let inner = self.retry.begin().await?;
        Transaction::begun(self.lanes, inner, self.options.mode).await
    }

    /// Commits it, if it came to its end: what came of it, or `None` if it is to be run again.
    ///
    /// # Errors
    /// What it failed with, but for conflicts.
    ///
    /// # Cancel safety
    /// As [`Transaction::commit`].
    pub async fn end<T>(&mut self, tx: Transaction, outcome: Result<T>) -> Result<Option<T>> {
        let failed = match outcome {
            Ok(value) => match tx.try_commit().await {
                Ok(_) => return Ok(Some(value)),
                Err(failed) => failed,
            },
            Err(error) => Failed::Here(error),
        };
        self.failed(failed)?;
        Ok(None)
    }

    /// Takes note that an attempt met this error, and was rolled back: [`Attempts::begin`] begins the next one.
    ///
    /// # Errors
    /// The error, unless it is a conflict.
    pub fn conflicted(&mut self, error: Error) -> Result<()> {
        self.failed(Failed::Here(error))
    }

    fn failed(&mut self, failed: Failed) -> Result<()> {
        let core = self.lanes.core();
        match failed {
            Failed::Below(heddle_txn::Error::Conflict(conflict)) => {
                core.count_error(&heddle_txn::Error::Conflict(conflict.clone()).into());
                self.retry.failed(*conflict);
            }
            Failed::Here(error) if error.is_conflict() => {
                core.count_error(&error);
                self.schema_conflicts += 1;
                if self.schema_conflicts == PATIENCE {
                    self.options.mode = heddle_txn::Mode::Immediate;
                    self.retry = Retry::new(&core.manager, self.options);
                }
            }
            Failed::Below(error) => return Err(Error::from(error).at(core.path())),
            Failed::Here(error) => return Err(error.at(core.path())),
        }
        core.counters.retries.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
