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
        let core = self.core()?;
        let mut options = self.inner_options(core, options)?;
        let mut retry = Retry::new(&core.manager, options);
        let mut schema_conflicts = 0;
        loop {
            wait_for_memory(core).await?;
            let inner = retry.begin().await?;
            let inner = Transaction::begun(core, inner, options.mode).await?;
            let mut attempt = Attempt { inner, env: PhantomData };
            let value = run(&mut attempt).await?;
            match attempt.inner.try_commit().await {
                Ok(_) => return Ok(value),
                Err(Failed::Below(heddle_txn::Error::Conflict(conflict))) => {
                    core.count_error(&heddle_txn::Error::Conflict(conflict.clone()).into());
                    retry.failed(*conflict);
                }
                Err(Failed::Here(error)) if error.is_conflict() => {
                    core.count_error(&error);
                    schema_conflicts += 1;
                    if schema_conflicts == PATIENCE {
                        options.mode = heddle_txn::Mode::Immediate;
                        retry = Retry::new(&core.manager, options);
                    }
                }
                Err(Failed::Below(error)) => return Err(Error::from(error).at(core.path())),
                Err(Failed::Here(error)) => return Err(error.at(core.path())),
            }
            core.counters.retries.fetch_add(1, Ordering::Relaxed);
        }
    }
}
