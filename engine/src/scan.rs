//! Walking rows in order.
//!
//! A scan follows a table's own tree, or an index and from each entry to its row.

use std::ops::Bound;

use bytes::Bytes;
use heddle_base::RowId;
use heddle_txn::Step;

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
        Scan { tx, table, source, cursor }
    }

    /// The next row, `None` after the last.
    ///
    /// # Errors
    /// What reading can meet.
    ///
    /// # Cancel safety
    /// Dropped before it ends, the row may be passed over.
    #[inline]
    pub async fn next(&mut self) -> Result<Option<Row<'_>>> {
        if self.tx.core.turn_is_over(turns::ROW) {
            turns::give_way().await;
        }
        let Transaction { catalog, inner, .. } = &mut *self.tx;
        loop {
            match self.cursor.try_step(inner)? {
                Step::Row(()) => break,
                Step::NeedsIo => self.cursor.load().await?,
                Step::End => return Ok(None),
            }
        }
        let table = &catalog.tables()[self.table];
        let encoding = catalog.encoding();
        let index = match self.source {
            Source::Table if !table.def.without_rowid => {
                let row = self.cursor.row()?;
                return Ok(row.map(|(id, at)| Row::lent(table, encoding, Some(RowId(id)), at)));
            }
            Source::Table => {
                let record = self.cursor.value()?;
                return Ok(record.map(|record| Row::lent(table, encoding, None, record)));
            }
            Source::Index(index) => &table.indexes[index],
        };
        let Some(entry) = self.cursor.value()? else { return Ok(None) };
        let name = cells::named_row(table, index, entry)?;
        match inner.get(&table.tree, &name.tree_key()).await? {
            Some(record) => Ok(Some(Row::new(table, encoding, name.rowid().map(RowId), record))),
            None => Err(cells::corrupt(&index.def.name, "it names a row that does not exist")),
        }
    }
}
