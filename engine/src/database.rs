//! The database: opening, beginning transactions, checkpoints, closing.

use std::path::Path;

use heddle_base::Timestamp;
use heddle_io::{BoxFuture, Env};

use crate::transaction::{Attempt, Transaction};
use crate::{Error, Options, Result, TxOptions};

/// An open database. Cloning gives another handle to the same one.
#[derive(Debug, Clone)]
pub struct Database {
    _private: (),
}

/// What a checkpoint did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointReport {
    /// The commits up to here are in the file now.
    pub cut: Timestamp,
    /// Rows and index entries merged into the file's trees.
    pub changes: u64,
    /// Pages written.
    pub pages: u64,
}

fn later() -> Error {
    Error::unsupported("this call", "the layers below are being joined")
}

#[allow(unused_variables, clippy::unused_async, missing_docs)]
impl Database {
    pub async fn open(path: impl AsRef<Path>, options: Options) -> Result<Database> {
        Err(later())
    }
    pub async fn open_in_memory(options: Options) -> Result<Database> {
        Err(later())
    }
    pub async fn discard_log(path: impl AsRef<Path>, env: &Env) -> Result<()> {
        Err(later())
    }
    pub async fn begin(&self) -> Result<Transaction> {
        Err(later())
    }
    pub async fn begin_with(&self, options: TxOptions) -> Result<Transaction> {
        Err(later())
    }
    pub async fn snapshot(&self) -> Result<Transaction> {
        Err(later())
    }
    pub async fn transaction<'env, T, F>(&self, run: F) -> Result<T>
    where
        F: for<'a> FnMut(&'a mut Attempt<'env>) -> BoxFuture<'a, Result<T>> + Send,
        T: Send,
    {
        self.transaction_with(TxOptions::default(), run).await
    }
    pub async fn transaction_with<'env, T, F>(&self, options: TxOptions, run: F) -> Result<T>
    where
        F: for<'a> FnMut(&'a mut Attempt<'env>) -> BoxFuture<'a, Result<T>> + Send,
        T: Send,
    {
        Err(later())
    }
    pub async fn checkpoint(&self) -> Result<CheckpointReport> {
        Err(later())
    }
    pub async fn check(&self) -> Result<Vec<String>> {
        Err(later())
    }
    pub fn metrics(&self) -> crate::Metrics {
        crate::Metrics::default()
    }
    pub async fn close(self) -> Result<()> {
        Err(later())
    }
}
