//! Typed indexes of one transaction: rows found and walked by their keys.

use std::ops::Bound;

use bytes::Bytes;
use heddle_base::RowId;
use heddle_btree::key;
use heddle_btree::tree::TreeKind;

use crate::catalog::{IndexInfo, TableInfo};
use crate::cells;
use crate::row::{Row, RowValues};
use crate::scan::{Direction, Scan, Source};
use crate::table::prefix_bounds;
use crate::transaction::Transaction;
use crate::{Error, Result};

/// An index of a table, as its transaction sees it. Get one from [`crate::Table::index`].
#[derive(Debug)]
pub struct Index<'tx> {
    tx: &'tx mut Transaction,
    table: usize,
    index: usize,
}

impl<'tx> Index<'tx> {
    pub(crate) fn new(tx: &'tx mut Transaction, table: usize, index: usize) -> Index<'tx> {
        Index { tx, table, index }
    }

    fn info(&self) -> (&TableInfo, &IndexInfo) {
        let table = &self.tx.catalog.tables()[self.table];
        (table, &table.indexes[self.index])
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.info().1.def.name
    }

    /// Whether it lets no two rows have the same key.
    pub fn is_unique(&self) -> bool {
        self.info().1.def.unique
    }

    /// The first row, in the index's order, whose key begins with these values.
    ///
    /// # Errors
    /// [`Error::Misuse`] if there are more values than columns; what reading can meet.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn get(&mut self, key: impl RowValues) -> Result<Option<Row<'_>>> {
        let prefix = self.search_key(&key)?;
        let (table_at, index_at) = (self.table, self.index);
        let Transaction { catalog, inner, .. } = &mut *self.tx;
        let table = &catalog.tables()[table_at];
        let index = &table.indexes[index_at];
        let found = if is_whole_key(index, &key.to_values()) {
            inner.get(&index.tree, &prefix).await?
        } else {
            let (from, to) = prefix_bounds(prefix);
            let mut cursor = inner.range(&index.tree, from, to, heddle_txn::Direction::Forward);
            cursor.next(inner).await?.map(|(_, record)| record)
        };
        let Some(entry) = found else {
            return Ok(None);
        };
        let name = cells::named_row(table, index, &entry)?;
        let record = inner.get(&table.tree, &name.tree_key()).await?;
        let Some(record) = record else {
            return Err(cells::corrupt(&index.def.name, "it names a row that does not exist"));
        };
        Ok(Some(Row::new(table, catalog.encoding(), name.rowid().map(RowId), record)))
    }

    /// The rows whose key begins with `prefix`, in the index's order; with an empty one (`[0; 0]`), all.
    ///
    /// # Errors
    /// [`Error::Misuse`] if there are more values than columns.
    pub fn scan(&mut self, prefix: impl RowValues, direction: Direction) -> Result<Scan<'_>> {
        let (from, to) = prefix_bounds(self.search_key(&prefix)?);
        Ok(Scan::new(self.tx, self.table, Source::Index(self.index), from, to, direction))
    }

    /// The rows between two keys or prefixes of keys, in the index's order.
    ///
    /// # Errors
    /// [`Error::Misuse`] if there are more values than columns.
    pub fn range(
        &mut self,
        from: Bound<impl RowValues>,
        to: Bound<impl RowValues>,
        direction: Direction,
    ) -> Result<Scan<'_>> {
        let from = match from {
            Bound::Unbounded => Bound::Unbounded,
            Bound::Included(values) => Bound::Included(Bytes::from(self.search_key(&values)?)),
            Bound::Excluded(values) => after(self.search_key(&values)?, Bound::Included),
        };
        let to = match to {
            Bound::Unbounded => Bound::Unbounded,
            Bound::Included(values) => after(self.search_key(&values)?, Bound::Excluded),
            Bound::Excluded(values) => Bound::Excluded(Bytes::from(self.search_key(&values)?)),
        };
        Ok(Scan::new(self.tx, self.table, Source::Index(self.index), from, to, direction))
    }

    fn search_key(&self, values: &impl RowValues) -> Result<Vec<u8>> {
        let (table, index) = self.info();
        let TreeKind::Index(shape) = &*index.tree.kind else {
            return Err(Error::misuse("the index has no order"));
        };
        let encoding = self.tx.catalog.encoding();
        cells::search_key(table, shape, &index.def.parts, &values.to_values(), encoding)
    }
}

/// Whether these values are the whole key of at most one entry.
fn is_whole_key(index: &IndexInfo, values: &[crate::ValueRef<'_>]) -> bool {
    index.def.unique
        && values.len() == index.def.parts.len()
        && !values.iter().any(crate::ValueRef::is_null)
}

/// The bound just above all keys that begin with `prefix`.
fn after(mut prefix: Vec<u8>, bound: fn(Bytes) -> Bound<Bytes>) -> Bound<Bytes> {
    if key::prefix_successor(&mut prefix) { bound(prefix.into()) } else { Bound::Unbounded }
}
