//! A transaction: reads at one snapshot, private writes.
//!
//! It ends by [`Transaction::commit`] or by being dropped. What it read is kept as far as its level
//! defends it; see `read_set`.
//!
//! # Invariants
//! - T1: a read is noted before it is made: a future that is dropped leaves the read set too large
//!   rather than too small.
//! - T2: an immediate transaction holds the database gate from before its snapshot to its end: so
//!   nothing it read or writes can have changed, and it notes nothing.

use std::ops::Bound;

use bytes::Bytes;
use heddle_base::sync::Arc;
use heddle_base::{SchemaVersion, Timestamp, TreeId};
use heddle_io::BoxFuture;
use heddle_mvcc::Direction;
use smallvec::SmallVec;

use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::gate::{self, Gate, Pass};
use crate::manager::DatabaseGate;
use crate::options::{Isolation, Mode, TxOptions};
use crate::read_set::{Purpose, ReadSet};
use crate::retry::Turn;
use crate::spill;
use crate::trees::TreeRef;
use crate::view::View;
use crate::write_set::{Savepoint, WriteSet};

/// A table whose definition a transaction relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Used {
    pub(crate) table: TreeId,
    pub(crate) version: SchemaVersion,
}

/// A new definition of a table.
#[derive(Debug, Clone)]
pub(crate) struct SchemaChange {
    pub(crate) table: TreeId,
    pub(crate) version: SchemaVersion,
    pub(crate) name: std::sync::Arc<str>,
}

/// A transaction over keys and values. Dropping it rolls it back.
pub struct Transaction {
    pub(crate) view: View,
    pub(crate) options: TxOptions,
    pub(crate) writes: WriteSet,
    pub(crate) reads: ReadSet,
    pub(crate) used: SmallVec<[Used; 2]>,
    pub(crate) schema: Vec<SchemaChange>,
    /// The trees it wrote, if old values are to be recorded.
    pub(crate) written: Vec<TreeRef>,
    /// The database's gate: exclusively if the transaction is immediate, or had spilled when it closed a
    /// table; else shared if it closed one.
    pub(crate) gate: Option<Pass<DatabaseGate>>,
    /// Tables that it closed.
    pub(crate) closed: Vec<(TreeId, Pass<Arc<Gate>>)>,
    /// Its turn on the chain on which it failed before.
    pub(crate) turn: Option<Turn>,
}

impl Transaction {
    pub(crate) fn new(view: View, options: TxOptions, gate: Option<Pass<DatabaseGate>>) -> Self {
        Self {
            view,
            writes: WriteSet::default(),
            reads: ReadSet::new(options.read_budget),
            options,
            used: SmallVec::new(),
            schema: Vec::new(),
            written: Vec::new(),
            gate,
            closed: Vec::new(),
            turn: None,
        }
    }

    /// It sees the commits up to here.
    pub fn snapshot(&self) -> Timestamp {
        self.view.ts()
    }

    /// The B-trees under what it sees.
    pub fn base(&self) -> &crate::Base {
        &self.view.pin().base
    }

    /// What it was begun with.
    pub fn options(&self) -> &TxOptions {
        &self.options
    }

    /// Whether there is something to commit.
    pub fn has_writes(&self) -> bool {
        !self.writes.is_empty()
    }

    /// About how much memory its writes take, in bytes; what was spilled is not counted.
    pub fn write_bytes(&self) -> usize {
        self.writes.bytes()
    }

    /// Whether it can conflict at all (T2).
    #[inline]
    pub(crate) fn is_optimistic(&self) -> bool {
        self.options.mode == Mode::Optimistic
    }

    /// Whether reads for this purpose are to be noted.
    #[inline]
    pub(crate) fn defends(&self, purpose: Purpose) -> bool {
        self.is_optimistic()
            && (purpose == Purpose::Constraint || self.options.isolation == Isolation::Serializable)
    }

    /// Counts all of a tree as read, as if it had been walked: for who knows its content by other means.
    pub fn note_all(&mut self, tree: &TreeRef) {
        self.note_use(tree);
        if self.defends(Purpose::Read) {
            // Backward and from the end: a range that nothing was walked of yet is the whole tree.
            let all = (Bound::Unbounded, Direction::Backward);
            self.reads.open(tree.id, all.0, all.1, Purpose::Read);
        }
    }

    /// Notes that a table's definition is relied on, as every read and write of it does by itself.
    pub fn note_definition(&mut self, tree: &TreeRef) {
        self.note_use(tree);
    }

    /// Notes that a table's definition is relied on.
    #[inline]
    pub(crate) fn note_use(&mut self, tree: &TreeRef) {
        if self.used.last().is_some_and(|used| used.table == tree.table) {
            return;
        }
        self.note_new_use(tree);
    }

    #[cold]
    fn note_new_use(&mut self, tree: &TreeRef) {
        match self.used.iter().position(|used| used.table == tree.table) {
            // The one used last stands last.
            Some(at) => {
                let last = self.used.len() - 1;
                self.used.swap(at, last);
            }
            None => self.used.push(Used { table: tree.table, version: tree.schema_version }),
        }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// What reading the base gives.
    ///
    /// # Cancel safety
    /// It only reads; the read may be noted though it was not made.
    pub async fn get(&mut self, tree: &TreeRef, key: &[u8]) -> Result<Option<Bytes>> {
        self.read(tree, key, Purpose::Read).await
    }

    /// As [`Transaction::get`], for a check of a constraint: defended at every isolation level.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    ///
    /// # Cancel safety
    /// As [`Transaction::get`].
    pub async fn get_for_constraint(
        &mut self,
        tree: &TreeRef,
        key: &[u8],
    ) -> Result<Option<Bytes>> {
        self.read(tree, key, Purpose::Constraint).await
    }

    async fn read(
        &mut self,
        tree: &TreeRef,
        key: &[u8],
        purpose: Purpose,
    ) -> Result<Option<Bytes>> {
        self.note_use(tree);
        if let Some(write) = self.writes.get(tree.id, key) {
            return Ok(write.value.clone());
        }
        if self.writes.has_runs()
            && let Some(value) = self.spilled(tree, key).await?
        {
            return Ok(value);
        }
        if self.defends(purpose) {
            self.reads.point(tree.id, key, purpose);
        }
        self.view.get(tree, key).await
    }

    /// Its own write of a key that is not in memory any more. Boxed: those who did not spill pay for no
    /// larger future.
    #[cold]
    fn spilled<'a>(
        &'a self,
        tree: &TreeRef,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Option<Bytes>>>> {
        Box::pin(spill::get_in_runs(self.writes.runs(), tree.id, key))
    }

    /// Hands the value of a key to `read`, in place; `None`, without a call, if that needs I/O: then
    /// use [`Transaction::get`].
    ///
    /// # Errors
    /// As [`Transaction::get`].
    pub fn try_get_with<R>(
        &mut self,
        tree: &TreeRef,
        key: &[u8],
        read: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Result<Option<R>> {
        self.note_use(tree);
        if let Some(write) = self.writes.get(tree.id, key) {
            return Ok(Some(read(write.value.as_deref())));
        }
        if self.writes.has_runs() {
            match spill::try_get_in_runs(self.writes.runs(), tree.id, key) {
                Err(spill::NeedsIo) => return Ok(None),
                Ok(Some(value)) => return Ok(Some(read(value.as_deref()))),
                Ok(None) => {}
            }
        }
        if self.defends(Purpose::Read) {
            self.reads.point(tree.id, key, Purpose::Read);
        }
        self.view.try_get(tree, key, read)
    }

    /// The value of a key, by a read that is not defended: what it says may have changed when the
    /// transaction commits.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn peek(&self, tree: &TreeRef, key: &[u8]) -> Result<Option<Bytes>> {
        if let Some(write) = self.writes.get(tree.id, key) {
            return Ok(write.value.clone());
        }
        if self.writes.has_runs()
            && let Some(value) = self.spilled(tree, key).await?
        {
            return Ok(value);
        }
        self.view.get(tree, key).await
    }

    /// What the transaction itself writes at a key, if it does: a value, or that there is none.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn own_write(&self, tree: &TreeRef, key: &[u8]) -> Result<Option<Option<Bytes>>> {
        match self.writes.get(tree.id, key) {
            Some(write) => Ok(Some(write.value.clone())),
            None if self.writes.has_runs() => self.spilled(tree, key).await,
            None => Ok(None),
        }
    }

    /// A walk over the keys between two bounds. It sees what the transaction writes on its way.
    pub fn range(
        &mut self,
        tree: &TreeRef,
        lower: Bound<Bytes>,
        upper: Bound<Bytes>,
        direction: Direction,
    ) -> Cursor {
        self.defended_range(tree, lower, upper, direction, Purpose::Read)
    }

    /// As [`Transaction::range`], for a check of a constraint: defended at every isolation level.
    pub fn range_for_constraint(
        &mut self,
        tree: &TreeRef,
        lower: Bound<Bytes>,
        upper: Bound<Bytes>,
        direction: Direction,
    ) -> Cursor {
        self.defended_range(tree, lower, upper, direction, Purpose::Constraint)
    }

    fn defended_range(
        &mut self,
        tree: &TreeRef,
        lower: Bound<Bytes>,
        upper: Bound<Bytes>,
        direction: Direction,
        purpose: Purpose,
    ) -> Cursor {
        self.note_use(tree);
        let purpose = self.defends(purpose).then_some(purpose);
        Cursor::new(self, tree, lower, upper, direction, purpose)
    }

    /// As [`Transaction::range`], by reads that are not defended.
    pub fn peek_range(
        &mut self,
        tree: &TreeRef,
        lower: Bound<Bytes>,
        upper: Bound<Bytes>,
        direction: Direction,
    ) -> Cursor {
        Cursor::new(self, tree, lower, upper, direction, None)
    }

    /// Writes a value.
    ///
    /// # Errors
    /// [`Error::ReadOnly`].
    pub fn put(&mut self, tree: &TreeRef, key: Bytes, value: Bytes) -> Result<()> {
        self.write(tree, key, Some(value))
    }

    /// Removes a key, whether it is there or not.
    ///
    /// # Errors
    /// [`Error::ReadOnly`].
    pub fn delete(&mut self, tree: &TreeRef, key: Bytes) -> Result<()> {
        self.write(tree, key, None)
    }

    fn write(&mut self, tree: &TreeRef, key: Bytes, value: Option<Bytes>) -> Result<()> {
        if matches!(self.options.mode, Mode::ReadOnly | Mode::Acknowledged) {
            return Err(Error::ReadOnly);
        }
        self.note_use(tree);
        if self.writes.tree(tree.id).is_none() {
            self.note_first_write(tree);
        }
        self.writes.write(tree.id, key, value);
        Ok(())
    }

    #[cold]
    fn note_first_write(&mut self, tree: &TreeRef) {
        let shared = self.view.shared();
        shared.trees.make(tree.id, || std::sync::Arc::clone(&tree.name));
        if shared.options.record_old_values {
            self.written.push(tree.clone());
        }
    }

    /// A mark to which [`Transaction::rollback_to`] can return.
    pub fn savepoint(&mut self) -> Savepoint {
        self.writes.savepoint()
    }

    /// Undoes what was written since a savepoint, which stays; those made after it go.
    ///
    /// # Errors
    /// [`Error::NoSuchSavepoint`].
    pub fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        self.writes.rollback_to(savepoint)
    }

    /// Forgets a savepoint and those made after it; what was written stays.
    ///
    /// # Errors
    /// [`Error::NoSuchSavepoint`].
    pub fn release(&mut self, savepoint: Savepoint) -> Result<()> {
        self.writes.release(savepoint)
    }

    /// Says that the commit changes a table's definition: it passes the table's gate exclusively, and
    /// whoever used an older version of the definition conflicts. Of several for one table the last counts.
    pub fn change_schema(&mut self, tree: &TreeRef, version: SchemaVersion) {
        self.schema.retain(|change| change.table != tree.table);
        let name = std::sync::Arc::clone(&tree.name);
        self.schema.push(SchemaChange { table: tree.table, version, name });
    }

    /// Forgets what [`Transaction::change_schema`] said of a table.
    pub fn keep_schema(&mut self, table: TreeId) {
        self.schema.retain(|change| change.table != table);
    }

    /// Closes a table to other committers until this transaction ends, and says which of the tree's
    /// keys were written since the snapshot. The caller looks at those keys again, by
    /// [`crate::Manager::peek`], and so need not defend what it read of the tree for this purpose: an index is built
    /// by [`Transaction::peek_range`] while others write, and brought up to date before anybody can miss it.
    ///
    /// `None`: some of those keys nobody remembers, since a base holds what was written there; the newest state as a whole
    /// has to be looked at.
    ///
    /// # Errors
    /// [`Error::Busy`].
    ///
    /// # Cancel safety
    /// Dropped while waiting, it leaves the line; nothing is closed.
    pub async fn close_table(&mut self, tree: &TreeRef) -> Result<Option<Vec<Bytes>>> {
        let shared = Arc::clone(self.view.shared());
        let wait = self.options.busy_timeout;
        let runtime = &*shared.env.runtime;
        if self.gate.is_none() {
            // Before the table's (X4). Alone if it spilled: it will commit alone.
            let alone = self.writes.has_runs();
            let mode = if alone { gate::Mode::Exclusive } else { gate::Mode::Shared };
            let gate = DatabaseGate(Arc::clone(&shared));
            let pass = Gate::pass_within(gate, mode, wait, runtime)
                .await
                .map_err(|e| Error::Busy { what: "the database", waited: e.waited })?;
            self.gate = Some(pass);
        }
        let table = shared.trees.make(tree.table, || std::sync::Arc::clone(&tree.name));
        if !self.closed.iter().any(|(closed, _)| *closed == tree.table) {
            let gate = Arc::clone(&table.gate);
            let pass = Gate::pass_within(gate, gate::Mode::Exclusive, wait, runtime)
                .await
                .map_err(|e| Error::Busy { what: "a table", waited: e.waited })?;
            self.closed.push((tree.table, pass));
        }
        shared.reach_drawn().await;
        self.view.changed_since(tree.id).await
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("view", &self.view)
            .field("options", &self.options)
            .field("writes", &self.writes.len())
            .finish_non_exhaustive()
    }
}
