//! One-shot calls: a single row read or written in a transaction of its own.
//!
//! Reads are at what is acknowledged, as [`Database::snapshot`]; writes run again after a conflict, as
//! [`Database::transaction`], and return once they are as durable as the database's options say. Where no page has to come from
//! the disk, a write goes from its beginning to its place in the log in one poll.
//!
//! A table is named by each call: to look it up costs less than a handle would that has to follow changes of the schema.

use crate::row::{Row, RowValues};
use crate::transaction::Transaction;
use crate::{Database, Result, RowId, ToValue, TxOptions, ValueRef};

impl Database {
    /// The row with this rowid, as of now. It stays as it was read.
    ///
    /// ```
    /// # use heddle_engine::{Database, Result, RowId};
    /// # async fn example(db: &Database) -> Result<()> {
    /// let id = db.insert("account", (None::<i64>, "Ada", 100)).await?;
    /// db.set("account", id, &[("balance", &150)]).await?;
    /// if let Some(row) = db.get("account", id).await? {
    ///     assert_eq!(row.get::<i64>("balance")?, 150);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::NoSuchTable`]; as [`crate::Table::get`].
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn get(&self, table: &str, rowid: RowId) -> Result<Option<Row<'static>>> {
        let mut tx = self.snapshot().await?;
        let mut table = tx.table(table)?;
        let info = table.shared();
        Ok(table.get(rowid).await?.map(|row| row.detached(info)))
    }

    /// The row with this primary key, as of now.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchTable`]; as [`crate::Table::get_key`].
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn get_key(&self, table: &str, key: impl RowValues) -> Result<Option<Row<'static>>> {
        let mut tx = self.snapshot().await?;
        let mut table = tx.table(table)?;
        let info = table.shared();
        Ok(table.get_key(key).await?.map(|row| row.detached(info)))
    }

    /// Adds a row, and commits it: its rowid.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchTable`]; as [`crate::Table::insert`], and as [`Database::transaction`].
    ///
    /// # Cancel safety
    /// As [`crate::Transaction::commit`].
    pub async fn insert(&self, table: &str, values: impl RowValues) -> Result<RowId> {
        let values = values.to_values();
        Ok(self.call(table, Statement::Insert(&values)).await?.rowid)
    }

    /// Replaces all columns of a row, and commits that; `false` if there is none.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchTable`]; as [`crate::Table::update`], and as [`Database::transaction`].
    ///
    /// # Cancel safety
    /// As [`crate::Transaction::commit`].
    pub async fn update(&self, table: &str, rowid: RowId, values: impl RowValues) -> Result<bool> {
        let values = values.to_values();
        Ok(self.call(table, Statement::Update(rowid, &values)).await?.found)
    }

    /// Changes some columns of a row, by name, and commits that; `false` if there is none.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchTable`]; as [`crate::Table::set`], and as [`Database::transaction`].
    ///
    /// # Cancel safety
    /// As [`crate::Transaction::commit`].
    pub async fn set(
        &self,
        table: &str,
        rowid: RowId,
        columns: &[(&str, &dyn ToValue)],
    ) -> Result<bool> {
        Ok(self.call(table, Statement::Set(rowid, columns)).await?.found)
    }

    /// Removes a row, and commits that; `false` if there is none.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchTable`]; as [`crate::Table::delete`], and as [`Database::transaction`].
    ///
    /// # Cancel safety
    /// As [`crate::Transaction::commit`].
    pub async fn delete(&self, table: &str, rowid: RowId) -> Result<bool> {
        Ok(self.call(table, Statement::Delete(rowid)).await?.found)
    }

    /// Replaces all columns of the row with this primary key, and commits that; `false` if there is none.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchTable`]; as [`crate::Table::update_key`], and as [`Database::transaction`].
    ///
    /// # Cancel safety
    /// As [`crate::Transaction::commit`].
    pub async fn update_key(
        &self,
        table: &str,
        key: impl RowValues,
        values: impl RowValues,
    ) -> Result<bool> {
        let (key, values) = (key.to_values(), values.to_values());
        Ok(self.call(table, Statement::UpdateKey(&key, &values)).await?.found)
    }

    /// Removes the row with this primary key, and commits that; `false` if there is none.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchTable`]; as [`crate::Table::delete_key`], and as [`Database::transaction`].
    ///
    /// # Cancel safety
    /// As [`crate::Transaction::commit`].
    pub async fn delete_key(&self, table: &str, key: impl RowValues) -> Result<bool> {
        let key = key.to_values();
        Ok(self.call(table, Statement::DeleteKey(&key)).await?.found)
    }

    async fn call(&self, table: &str, statement: Statement<'_>) -> Result<Done> {
        let mut attempts = self.attempts(TxOptions::default())?;
        loop {
            let mut tx = attempts.begin().await?;
            let outcome = statement.run(&mut tx, table).await;
            if let Some(done) = attempts.end(tx, outcome).await? {
                return Ok(done);
            }
        }
    }
}

/// What is done to a table.
#[derive(Clone, Copy)]
enum Statement<'a> {
    Insert(&'a [ValueRef<'a>]),
    Update(RowId, &'a [ValueRef<'a>]),
    Set(RowId, &'a [(&'a str, &'a dyn ToValue)]),
    Delete(RowId),
    UpdateKey(&'a [ValueRef<'a>], &'a [ValueRef<'a>]),
    DeleteKey(&'a [ValueRef<'a>]),
}

/// What came of it.
struct Done {
    /// Of the row that was added.
    rowid: RowId,
    /// Whether there was such a row.
    found: bool,
}

impl Statement<'_> {
    async fn run(self, tx: &mut Transaction, table: &str) -> Result<Done> {
        let mut table = tx.table(table)?;
        let found = match self {
            Statement::Insert(values) => {
                let rowid = table.insert(values).await?;
                return Ok(Done { rowid, found: true });
            }
            Statement::Update(rowid, values) => table.update(rowid, values).await?,
            Statement::Set(rowid, columns) => table.set(rowid, columns).await?,
            Statement::Delete(rowid) => table.delete(rowid).await?,
            Statement::UpdateKey(key, values) => table.update_key(key, values).await?,
            Statement::DeleteKey(key) => table.delete_key(key).await?,
        };
        Ok(Done { rowid: RowId(0), found })
    }
}
