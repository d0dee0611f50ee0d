//! A walk over a tree that does not borrow its transaction, so that a statement has several, and writes meanwhile.
//!
//! # Invariants
//! - R1: the walk sees what its transaction writes, or takes back, ahead of it, and nothing behind it. A row that is changed while the
//!   walk is on it stays lent as it was.
//! - R2: a walk counts as work as [`crate::Scan`]'s does: `step` gives way now and then, and `try_step` sends the caller
//!   there.

use std::ops::Bound;

use bytes::Bytes;
use heddle_base::TreeId;
use heddle_btree::key;
use heddle_txn::Step;

use crate::Result;
use crate::raw::Tree;
use crate::scan::Direction;
use crate::transaction::Transaction;
use crate::turns;

/// A walk over the keys of a tree between two bounds. To be used with the transaction that made it.
#[derive(Debug)]
pub struct Cursor {
    inner: heddle_txn::Cursor,
    /// Rows walked since they were last counted as work.
    uncounted: u32,
    /// A row of `sqlite_schema`, with its root page.
    shown: Option<Vec<u8>>,
    tree: TreeId,
}

/// Rows that are counted as work at once (R2).
const COUNTED_ROWS: u32 = 32;

impl Transaction {
    /// A walk from a key to another, as bytes. What it passes is in the read set.
    pub fn cursor(
        &mut self,
        tree: &Tree,
        from: Bound<Bytes>,
        to: Bound<Bytes>,
        direction: Direction,
    ) -> Cursor {
        let inner = self.inner.range(&tree.inner, from, to, direction.inner());
        self.walk(tree, inner)
    }

    /// As [`Transaction::cursor`], for checking a constraint (unique keys, foreign keys): what it passes is validated at
    /// every isolation level.
    pub fn constraint_cursor(
        &mut self,
        tree: &Tree,
        from: Bound<Bytes>,
        to: Bound<Bytes>,
        direction: Direction,
    ) -> Cursor {
        let inner = self.inner.range_for_constraint(&tree.inner, from, to, direction.inner());
        self.walk(tree, inner)
    }

    fn walk(&self, tree: &Tree, inner: heddle_txn::Cursor) -> Cursor {
        Cursor { inner, uncounted: 0, shown: None, tree: tree.inner.id }
    }
}

impl Cursor {
    /// Goes to the next row, unless that needs I/O or it is time to let others run: then it has not moved, and
    /// [`Cursor::step`] is to be awaited.
    ///
    /// # Errors
    /// What reading can meet.
    #[inline]
    pub fn try_step(&mut self, tx: &mut Transaction) -> Result<Step<()>> {
        if self.uncounted + 1 >= COUNTED_ROWS || self.is_special(tx) {
            return Ok(Step::NeedsIo);
        }
        let step = self.inner.try_step(&mut tx.inner)?;
        self.uncounted += 1;
        Ok(step)
    }

    /// Goes to the next row, which [`Cursor::key`] and [`Cursor::record`] then lend; `false` after the last.
    ///
    /// # Errors
    /// What reading can meet; [`crate::Error::Conflict`] in an index that is not for this transaction's own reads.
    ///
    /// # Cancel safety
    /// Dropped before it ends, the row may be passed over.
    #[inline]
    pub async fn step(&mut self, tx: &mut Transaction) -> Result<bool> {
        self.uncounted += 1;
        if self.uncounted >= COUNTED_ROWS {
            self.uncounted = 0;
            if tx.core.turn_is_over(COUNTED_ROWS * turns::ROW) {
                turns::give_way().await;
            }
        }
        if tx.ahead.contains(&self.tree) {
            return Err(tx.ahead_conflict(self.tree));
        }
        self.shown = None;
        loop {
            match self.inner.try_step(&mut tx.inner)? {
                Step::Row(()) => break,
                Step::NeedsIo => self.inner.load().await?,
                Step::End => return Ok(false),
            }
        }
        if self.tree == TreeId::SCHEMA {
            let record = self.inner.value().unwrap_or_default();
            self.shown = Some(tx.shown(record)?);
        }
        Ok(true)
    }

    /// Whether a step is more than a step below.
    #[inline]
    fn is_special(&self, tx: &Transaction) -> bool {
        self.tree == TreeId::SCHEMA || !tx.ahead.is_empty()
    }

    /// The rowid of the row it is on, in a table.
    #[inline]
    pub fn rowid(&self) -> Option<i64> {
        key::decode_rowid(self.inner.key()?)
    }

    /// The key of the row it is on.
    #[inline]
    pub fn key(&self) -> Option<&[u8]> {
        self.inner.key()
    }

    /// The rowid and the record of the row it is on, in a table.
    #[inline]
    pub fn row(&self) -> Option<(i64, &[u8])> {
        let (rowid, record) = self.inner.row()?;
        Some((rowid, self.shown.as_deref().unwrap_or(record)))
    }

    /// The record of the row it is on.
    #[inline]
    pub fn record(&self) -> Option<&[u8]> {
        match &self.shown {
            Some(shown) => Some(shown),
            None => self.inner.value(),
        }
    }
}
