//! Typed tables and indexes of one transaction.

use std::ops::RangeBounds;

use heddle_base::RowId;

use crate::row::{Row, RowValues};
use crate::scan::{Direction, Scan};
use crate::transaction::Transaction;
use crate::{Error, Result, ToValue};

/// A table, as its transaction sees it.
#[derive(Debug)]
pub struct Table<'tx> {
    #[allow(dead_code)]
    tx: &'tx mut Transaction,
}

/// An index of a table, as its transaction sees it.
#[derive(Debug)]
pub struct Index<'tx> {
    #[allow(dead_code)]
    tx: &'tx mut Transaction,
}

fn later() -> Error {
    Error::unsupported("this call", "the layers below are being joined")
}

#[allow(unused_variables, clippy::unused_async, missing_docs)]
impl<'tx> Table<'tx> {
    pub fn name(&self) -> &str {
        ""
    }
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
    pub async fn insert(&mut self, values: impl RowValues) -> Result<RowId> {
        Err(later())
    }
    pub async fn insert_with_rowid(&mut self, rowid: RowId, values: impl RowValues) -> Result<()> {
        Err(later())
    }
    pub async fn get(&mut self, rowid: RowId) -> Result<Option<Row<'_>>> {
        Err(later())
    }
    /// Replaces the whole row; `false` if there is none.
    pub async fn update(&mut self, rowid: RowId, values: impl RowValues) -> Result<bool> {
        Err(later())
    }
    /// Changes some columns of a row; `false` if there is none.
    pub async fn set(&mut self, rowid: RowId, columns: &[(&str, &dyn ToValue)]) -> Result<bool> {
        Err(later())
    }
    pub async fn delete(&mut self, rowid: RowId) -> Result<bool> {
        Err(later())
    }
    pub fn scan(
        &mut self,
        range: impl RangeBounds<RowId>,
        direction: Direction,
    ) -> Result<Scan<'_>> {
        Err(later())
    }
    /// The row with this primary key (a WITHOUT ROWID table, or any with a primary key).
    pub async fn get_key(&mut self, key: impl RowValues) -> Result<Option<Row<'_>>> {
        Err(later())
    }
    pub async fn update_key(
        &mut self,
        key: impl RowValues,
        values: impl RowValues,
    ) -> Result<bool> {
        Err(later())
    }
    pub async fn delete_key(&mut self, key: impl RowValues) -> Result<bool> {
        Err(later())
    }
    /// All rows whose primary key begins with `prefix`.
    pub fn scan_key(&mut self, prefix: impl RowValues, direction: Direction) -> Result<Scan<'_>> {
        Err(later())
    }
    pub fn index(&mut self, name: &str) -> Result<Index<'_>> {
        Err(later())
    }
}

#[allow(unused_variables, clippy::unused_async, missing_docs)]
impl<'tx> Index<'tx> {
    /// The first row whose key begins with these values.
    pub async fn get(&mut self, key: impl RowValues) -> Result<Option<Row<'_>>> {
        Err(later())
    }
    /// Rows in index order whose key begins with `prefix` (an empty array: all).
    pub fn scan(&mut self, prefix: impl RowValues, direction: Direction) -> Result<Scan<'_>> {
        Err(later())
    }
    /// Rows in index order with `from <= key < to` by the given leading values.
    pub fn range(
        &mut self,
        from: std::ops::Bound<impl RowValues>,
        to: std::ops::Bound<impl RowValues>,
        direction: Direction,
    ) -> Result<Scan<'_>> {
        Err(later())
    }
}
