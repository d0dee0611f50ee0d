//! Transactions that are run again until they get through.

use crate::{Connection, Database, Error, Result, Transaction, TransactionOptions};

impl Database {
    /// Runs a transaction and commits it. If another one came first, it waits for its turn on what they met at, and runs it
    /// again; after a few times nobody comes first any more.
    ///
    /// The closure gets a connection in the transaction. It may run several times: what it does beside the database it should do
    /// after this has ended.
    ///
    /// ```
    /// # fn main() -> heddledb::Result<()> { heddledb::block_on(async {
    /// # let db = heddledb::Builder::new_local(":memory:").build().await?;
    /// let three = db
    ///     .transact(|tx| async move {
    ///         let mut rows = tx.query("SELECT 1 + 2", ()).await?;
    ///         let row = rows.next().await?.ok_or(heddledb::Error::QueryReturnedNoRows)?;
    ///         row.get::<i64>(0)
    ///     })
    ///     .await?;
    /// assert_eq!(three, 3);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// What the closure fails with, unless that can be tried again; what a commit meets, but for conflicts. Nothing has happened then.
    ///
    /// # Cancel safety
    /// Dropped, nothing has happened, unless a commit had begun to be written.
    pub async fn transact<T, F, Fut>(&self, run: F) -> Result<T>
    where
        F: FnMut(Connection) -> Fut + Send,
        Fut: Future<Output = Result<T>> + Send,
        T: Send,
    {
        self.transact_with(TransactionOptions::default(), run).await
    }

    /// As [`Database::transact`], with options.
    ///
    /// # Errors
    /// As [`Database::transact`].
    ///
    /// # Cancel safety
    /// As [`Database::transact`].
    pub async fn transact_with<T, F, Fut>(
        &self,
        options: TransactionOptions,
        mut run: F,
    ) -> Result<T>
    where
        F: FnMut(Connection) -> Fut + Send,
        Fut: Future<Output = Result<T>> + Send,
        T: Send,
    {
        let connection = self.connect()?;
        let options: heddle_sql::session::TransactionOptions = options.into();
        let engine = self.engine().clone();
        let engine_options = connection.session().await.settings().engine_options(options);
        let mut attempts = engine.attempts(engine_options)?;
        loop {
            let begun = attempts.begin().await?;
            let mut session = connection.session().await;
            session.adopt(begun, options)?;
            let epoch = session.epoch();
            drop(session);
            // Rolls back what is dropped, or fails, on the way.
            let transaction = Transaction::new(connection.clone(), epoch);
            let outcome = run(connection.clone()).await;
            match outcome {
                Err(error) if !matches!(error, Error::Conflict { .. }) => return Err(error),
                _ => {}
            }
            let mut session = connection.session().await;
            if outcome.is_err() && !session.has_failed() {
                // Not this transaction's conflict.
                return outcome;
            }
            let ended = session.end_attempt(&mut attempts).await;
            drop(session);
            drop(transaction);
            if ended? {
                return outcome;
            }
        }
    }
}
