//! CREATE INDEX beside writers: an index is filled from the snapshot while others write, then they are kept from its
//! table, and the index catches up.
//!
//! # Invariants
//! - F1: when it ends, the index holds an entry for each row of the newest state that is to have one, and the table stays closed
//!   until the transaction ends: nobody commits a row that the index misses.
//! - F2: an index that had to catch up is not read by its own transaction, whose snapshot it is ahead of.

use bytes::Bytes;
use heddle_btree::tree::TreeKind;
use heddle_txn::TreeRef;

use crate::raw::Tree;
use crate::transaction::Transaction;
use crate::{Error, Result};

/// What makes the entries of an index.
pub trait Entries: Send {
    /// Key and record of the entry of a row, given by its key and record in the table; `None` if the index
    /// has none for it.
    ///
    /// # Errors
    /// What keeps the index from being made.
    fn entry(&mut self, key: &[u8], record: &[u8]) -> Result<Option<(Bytes, Bytes)>>;

    /// What to say when a row has the unique key that another row has.
    fn duplicate(&mut self, key: &[u8], record: &[u8]) -> Error;
}

impl Transaction {
    /// Fills a new index of a table. `index` was made by [`Transaction::create`] in this transaction, and is empty.
    ///
    /// # Errors
    /// What `entries` gives; [`Error::Conflict`], [`Error::Busy`] if writers of the table stay in the way; what reading can meet.
    ///
    /// # Cancel safety
    /// Dropped before it ends, there may be entries in the write set: roll back to a savepoint, or roll back.
    pub async fn fill_index(
        &mut self,
        table: &Tree,
        index: &Tree,
        entries: &mut impl Entries,
    ) -> Result<()> {
        self.check_writable()?;
        self.fill(&table.inner, &index.inner, entries).await
    }

    pub(crate) async fn fill(
        &mut self,
        table: &TreeRef,
        index: &TreeRef,
        entries: &mut impl Entries,
    ) -> Result<()> {
        use std::ops::Bound::Unbounded;
        let forward = heddle_txn::Direction::Forward;
        let empty = self.inner.savepoint();
        // Not defended: what changes meanwhile is looked at again below.
        self.inner.note_definition(table);
        let mut cursor = self.inner.peek_range(table, Unbounded, Unbounded, forward);
        while let Some((key, record)) = cursor.next(&mut self.inner).await? {
            self.make_room().await?;
            self.add_entry(index, entries, &key, &record).await?;
        }
        // An immediate transaction has the gate already, and nobody wrote since its snapshot.
        let changed = self.inner.close_table(table).await?;
        if changed.as_ref().is_some_and(Vec::is_empty) {
            return Ok(self.inner.release(empty)?);
        }
        self.ahead.push(index.id);
        let mut newest = self.core.manager.peek()?;
        let Some(changed) = changed else {
            // A checkpoint came between, and which rows it took from memory nobody remembers: once more, while the table is closed.
            self.inner.rollback_to(empty)?;
            self.inner.release(empty)?;
            // What is committed, but where this transaction writes; and what it writes.
            let mut cursor = newest.range(table, Unbounded, Unbounded, forward);
            while let Some((key, record)) = cursor.next(&mut newest).await? {
                if self.inner.own_write(table, &key).await?.is_none() {
                    self.make_room().await?;
                    self.add_entry(index, entries, &key, &record).await?;
                }
            }
            let mut cursor = self.inner.peek_range(table, Unbounded, Unbounded, forward);
            while let Some((key, record)) = cursor.next(&mut self.inner).await? {
                if self.inner.own_write(table, &key).await?.is_some() {
                    self.make_room().await?;
                    self.add_entry(index, entries, &key, &record).await?;
                }
            }
            return Ok(());
        };
        self.inner.release(empty)?;
        let mut added = Vec::new();
        for key in changed {
            if let Some(record) = self.inner.peek(table, &key).await?
                && let Some((entry, _)) = entries.entry(&key, &record)?
            {
                self.inner.delete(index, entry)?;
            }
            if let Some(record) = newest.get(table, &key).await? {
                added.push((key, record));
            }
        }
        for (key, record) in added {
            self.make_room().await?;
            self.add_entry(index, entries, &key, &record).await?;
        }
        Ok(())
    }

    async fn add_entry(
        &mut self,
        index: &TreeRef,
        entries: &mut impl Entries,
        key: &[u8],
        record: &[u8],
    ) -> Result<()> {
        let Some((entry, value)) = entries.entry(key, record)? else { return Ok(()) };
        let unique = matches!(&*index.kind, TreeKind::Index(shape) if shape.unique.is_some());
        // The tree is new: nobody else writes there, so that the read needs no defence. A key with a NULL ends with
        // what names the row, so that no other row has it.
        if unique && self.inner.peek(index, &entry).await?.is_some() {
            return Err(entries.duplicate(key, record));
        }
        Ok(self.inner.put(index, entry, value)?)
    }
}
