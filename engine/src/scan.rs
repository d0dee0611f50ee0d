//! Walking rows in order.
//!
//! A scan follows a table's own tree, or an index and from each entry to its row.

use std::ops::Bound;

use bytes::Bytes;
use heddle_base::RowId;
use heddle_btree::key;

use crate::Result;
use crate::cells;
use crate::row::Row;
use crate::transaction::Transaction;
use crate::turns;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// From the smallest key to the largest.
    #[default]
    Ascending,
    /// From the largest key to the smallest.
    Descending,
}

impl Direction {
    pub(crate) fn inner(self) -> heddle_txn::Direction {
        match self {
            Direction::Ascending => heddle_txn::Direction::Forward,
            Direction::Descending => heddle_txn::Direction::Backward,
        }
    }
}

/// What a scan walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Table,
    Index(usize),
}

/// A walk over rows in the order of their keys. Rows are borrowed one at a time.
#[derive(Debug)]
pub struct Scan<'t> {
    tx: &'t mut Transaction,
    table: usize,
    source: Source,
    cursor: heddle_txn::Cursor,
    /// The record of the row that is lent out.
    record: Vec<u8>,
}

impl<'t> Scan<'t> {
    pub(crate) fn new(
        tx: &'t mut Transaction,
        table: usize,
        source: Source,
        from: Bound<Bytes>,
        to: Bound<Bytes>,
        direction: Direction,
    ) -> Scan<'t> {
        let info = &tx.catalog.tables()[table];
        let tree = match source {
            Source::Table => &info.tree,
            Source::Index(index) => &info.indexes[index].tree,
        };
        let cursor = tx.inner.range(tree, from, to, direction.inner());
        Scan { tx, table, source, cursor, record: Vec::new() }
    }

    /// The next row, `None` after the last.
    ///
    /// # Errors
    /// What reading can meet.
    ///
    /// # Cancel safety
    /// Dropped before it ends, the row may be passed over.
    pub async fn next(&mut self) -> Result<Option<Row<'_>>> {
        if self.tx.core.turn_is_over(turns::ROW) {
            turns::give_way().await;
        }
        let Transaction { catalog, inner, .. } = &mut *self.tx;
        let record = &mut self.record;
        let copied = self.cursor.next_with(inner, |key, value| {
            record.clear();
            record.extend_from_slice(value);
            key::decode_rowid(key)
        });
        let Some(rowid) = copied.await? else {
            return Ok(None);
        };
        let table = &catalog.tables()[self.table];
        let (rowid, record) = match self.source {
            Source::Table => {
                let rowid = rowid.filter(|_| !table.def.without_rowid).map(RowId);
                return Ok(Some(Row::lent(table, catalog.encoding(), rowid, record)));
            }
            Source::Index(index) => {
                let index = &table.indexes[index];
                let name = cells::named_row(table, index, record)?;
                match inner.get(&table.tree, &name.tree_key()).await? {
                    Some(record) => (name.rowid(), record),
                    None => {
                        let what = "it names a row that does not exist";
                        return Err(cells::corrupt(&index.def.name, what));
                    }
                }
            }
        };
        Ok(Some(Row::new(table, catalog.encoding(), rowid.map(RowId), record)))
    }
}
