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
    /// The row that an index's entry named.
    fetched: Option<(Option<i64>, Bytes)>,
    /// Rows walked since they were last counted as work.
    uncounted: u32,
}

/// Rows that are counted as work at once ([`turns`]).
const COUNTED_ROWS: u32 = 32;

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
        Scan { tx, table, source, cursor, fetched: None, uncounted: 0 }
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
        Ok(if self.step().await? { self.row() } else { None })
    }

    /// As [`Scan::step`], where that need not wait and does not fail: whether there is a row. `None`: it has not moved,
    /// await [`Scan::step`]. An answer so small passes in a register, which an [`Error`](crate::Error) beside it does not.
    #[inline]
    pub fn try_step(&mut self) -> Option<bool> {
        // The step that waits counts the work.
        if self.source != Source::Table || self.uncounted + 1 >= COUNTED_ROWS {
            return None;
        }
        match self.cursor.try_step(&mut self.tx.inner) {
            Ok(Step::Row(())) => {
                self.uncounted += 1;
                Some(true)
            }
            Ok(Step::End) => Some(false),
            Ok(Step::NeedsIo) | Err(_) => None,
        }
    }

    /// Goes to the next row, which [`Scan::row`] then lends; `false` after the last. As [`Scan::next`], where every
    /// nanosecond counts: no row is moved on its way.
    ///
    /// # Errors
    /// What reading can meet.
    ///
    /// # Cancel safety
    /// Dropped before it ends, the row may be passed over.
    #[inline]
    pub async fn step(&mut self) -> Result<bool> {
        if let Some(on_row) = self.try_step() {
            return Ok(on_row);
        }
        self.uncounted += 1;
        if self.uncounted == COUNTED_ROWS {
            self.uncounted = 0;
            if self.tx.core.turn_is_over(COUNTED_ROWS * turns::ROW) {
                turns::give_way().await;
            }
        }
        loop {
            match self.cursor.try_step(&mut self.tx.inner)? {
                Step::Row(()) => break,
                Step::NeedsIo => self.cursor.load().await?,
                Step::End => {
                    self.fetched = None;
                    return Ok(false);
                }
            }
        }
        if let Source::Index(index) = self.source {
            self.fetch(index).await?;
        }
        Ok(true)
    }

    /// The row that the last step came to.
    #[inline]
    pub fn row(&self) -> Option<Row<'_>> {
        let catalog = &self.tx.catalog;
        let table = catalog.tables().get(self.table)?;
        let (rowid, record) = match self.source {
            Source::Table if !table.def.without_rowid => {
                let (rowid, record) = self.cursor.row()?;
                (Some(RowId(rowid)), record)
            }
            Source::Table => (None, self.cursor.value()?),
            Source::Index(_) => {
                let (rowid, record) = self.fetched.as_ref()?;
                (rowid.map(RowId), &**record)
            }
        };
        Some(Row::lent(table, catalog.encoding(), rowid, record))
    }

    /// Reads the row that the index's entry names.
    async fn fetch(&mut self, index: usize) -> Result<()> {
        self.fetched = None;
        let Transaction { catalog, inner, .. } = &mut *self.tx;
        let table = &catalog.tables()[self.table];
        let index = &table.indexes[index];
        let Some(entry) = self.cursor.value() else { return Ok(()) };
        let name = cells::named_row(table, index, entry)?;
        match inner.get(&table.tree, &name.tree_key()).await? {
            Some(record) => self.fetched = Some((name.rowid(), record)),
            None => {
                return Err(cells::corrupt(&index.def.name, "it names a row that does not exist"));
            }
        }
        Ok(())
    }
}
