//! A transaction: one snapshot, private writes, an end.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use heddle_base::{RowId, Timestamp};

use crate::table::Table;
use crate::{Error, Result};

/// A transaction. Dropping it rolls it back.
#[derive(Debug)]
pub struct Transaction {
    _private: (),
}

/// A transaction run by [`crate::Database::transaction`], which commits it. It lends what a
/// [`Transaction`] can do.
#[derive(Debug)]
pub struct Attempt<'env> {
    inner: Transaction,
    env: PhantomData<fn(&'env ()) -> &'env ()>,
}

impl Deref for Attempt<'_> {
    type Target = Transaction;

    fn deref(&self) -> &Transaction {
        &self.inner
    }
}

impl DerefMut for Attempt<'_> {
    fn deref_mut(&mut self) -> &mut Transaction {
        &mut self.inner
    }
}

/// Proof of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// Its place in the order of commits; `None` if there was nothing to commit.
    pub ticket: Option<Timestamp>,
}

/// A mark to roll back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Savepoint(pub(crate) u64);

fn later() -> Error {
    Error::unsupported("this call", "the layers below are being joined")
}

#[allow(unused_variables, clippy::unused_async, missing_docs)]
impl Transaction {
    pub fn table(&mut self, name: &str) -> Result<Table<'_>> {
        Err(later())
    }
    pub fn table_names(&self) -> Vec<String> {
        Vec::new()
    }
    pub async fn create_table(&mut self, sql: &str) -> Result<()> {
        Err(later())
    }
    pub async fn create_index(&mut self, sql: &str) -> Result<()> {
        Err(later())
    }
    pub async fn drop_table(&mut self, name: &str) -> Result<()> {
        Err(later())
    }
    pub async fn drop_index(&mut self, name: &str) -> Result<()> {
        Err(later())
    }
    pub async fn add_column(&mut self, table: &str, definition: &str) -> Result<()> {
        Err(later())
    }
    pub async fn rename_table(&mut self, table: &str, to: &str) -> Result<()> {
        Err(later())
    }
    pub async fn rename_column(&mut self, table: &str, column: &str, to: &str) -> Result<()> {
        Err(later())
    }
    pub fn savepoint(&mut self) -> Savepoint {
        Savepoint(0)
    }
    pub fn rollback_to(&mut self, savepoint: &Savepoint) -> Result<()> {
        Err(later())
    }
    pub fn release(&mut self, savepoint: Savepoint) -> Result<()> {
        Err(later())
    }
    pub async fn commit(self) -> Result<Committed> {
        Err(later())
    }
    pub fn rollback(self) {}
    pub fn last_insert_rowid(&self) -> Option<RowId> {
        None
    }
}
