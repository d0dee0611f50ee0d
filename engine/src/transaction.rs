//! A transaction: one snapshot, private writes, an end.
//!
//! # Invariants
//! - T1: a statement is atomic: all it awaits and all that can fail comes before its first write.
//! - T2: the catalog is the one of the snapshot, plus this transaction's own changes of the schema.
//! - T3: every transaction that began is counted as ended once, however it ends ([`Counted`]).

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use heddle_base::sync::Arc;
use heddle_base::{RowId, Timestamp, TreeId};
use heddle_btree::key;
use heddle_txn::TreeRef;

use crate::catalog::{Catalog, TableInfo};
use crate::commits::Committing;
use crate::core::Core;
use crate::lanes::{Lane, Lanes};
use crate::reservations::{Mark, Reservations};
use crate::rowids::Allocation;
use crate::table::Table;
use crate::witness::Witness;
use crate::{Error, Result};

/// A transaction. Dropping it rolls it back.
///
/// It reads the state of one moment, and its own writes. [`Transaction::commit`] makes those everybody's, or
/// fails with [`Error::Conflict`] if another transaction came first: then run it again, or let
/// [`crate::Database::transaction`] do that.
pub struct Transaction {
    pub(crate) core: Counted,
    pub(crate) inner: heddle_txn::Transaction,
    pub(crate) catalog: std::sync::Arc<Catalog>,
    /// The catalog it began with, once it has changed that.
    pub(crate) base_catalog: Option<std::sync::Arc<Catalog>>,
    pub(crate) schema_changed: bool,
    pub(crate) read_only: bool,
    pub(crate) reservations: Reservations,
    pub(crate) last_rowid: Option<RowId>,
    pub(crate) witness: Option<Witness>,
    /// Indexes that this transaction made, and that hold what was committed after its snapshot: good for others, but
    /// not for its own reads.
    pub(crate) ahead: smallvec::SmallVec<[TreeId; 1]>,
    savepoints: Vec<SavedState>,
    next_savepoint: u64,
}

/// What a savepoint restores beside the write set.
#[derive(Debug)]
struct SavedState {
    id: u64,
    inner: heddle_txn::Savepoint,
    catalog: std::sync::Arc<Catalog>,
    schema_changed: bool,
    reservations: Mark,
}

/// A transaction run by [`crate::Database::transaction`], which commits it. It lends what a
/// [`Transaction`] can do; `'env` is how long what the closure borrows lives.
#[derive(Debug)]
pub struct Attempt<'env> {
    pub(crate) inner: Transaction,
    pub(crate) env: PhantomData<fn(&'env ()) -> &'env ()>,
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

/// Why a commit failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// By the layer below, with what a retry waits for.
    Below(heddle_txn::Error),
    Here(Error),
}

impl From<heddle_txn::Error> for Failed {
    fn from(error: heddle_txn::Error) -> Failed {
        Failed::Below(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Here(error)
    }
}

/// A mark to roll back to, valid in the transaction that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Savepoint(u64);

/// The database, and that a transaction in it is open (T3).
#[derive(Debug)]
pub(crate) struct Counted {
    lane: Arc<Lane>,
    committed: bool,
}

impl Counted {
    fn new(lane: Arc<Lane>) -> Counted {
        lane.core().counters.begun();
        Counted { lane, committed: false }
    }

    pub(crate) fn committed(&mut self) {
        self.committed = true;
    }
}

impl Deref for Counted {
    type Target = Arc<Core>;

    fn deref(&self) -> &Arc<Core> {
        self.lane.core()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.lane.core().count_end(self.committed);
    }
}

impl Transaction {
    /// Around what was begun below: finds the catalog that it sees.
    pub(crate) async fn begun(
        lanes: &Lanes,
        inner: heddle_txn::Transaction,
        mode: heddle_txn::Mode,
    ) -> Result<Transaction> {
        let (lane, catalog) = loop {
            match lanes.begin(inner.snapshot()) {
                Some(found) => break found,
                None => lanes.core().history.settled().await,
            }
        };
        let read_only = matches!(mode, heddle_txn::Mode::ReadOnly | heddle_txn::Mode::Acknowledged);
        Ok(Transaction {
            core: Counted::new(lane),
            inner,
            base_catalog: None,
            catalog,
            schema_changed: false,
            read_only,
            reservations: Reservations::default(),
            last_rowid: None,
            witness: None,
            ahead: smallvec::SmallVec::new(),
            savepoints: Vec::new(),
            next_savepoint: 0,
        })
    }

    /// A table by name (ASCII case does not matter), with the row and index operations.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`]; [`Error::Unsupported`] if its definition can't be understood here;
    /// [`Error::Closed`].
    pub fn table(&mut self, name: &str) -> Result<Table<'_>> {
        self.core.check_open()?;
        let Some(position) = self.catalog.position(name) else {
            self.note_names();
            return Err(Error::NoSuchTable { name: name.to_owned() });
        };
        let table = &self.catalog.tables()[position];
        table.check_readable()?;
        self.inner.note_definition(&table.tree);
        Ok(Table::new(self, position))
    }

    /// What the schema lacks or has already was said to the caller: a change of the schema that commits first
    /// would make that untrue.
    pub(crate) fn note_names(&mut self) {
        let schema = self.core.schema_tree();
        self.inner.note_all(&schema);
    }

    /// Notes it if the answer is one about names.
    pub(crate) fn noting<T>(&mut self, answer: Result<T>) -> Result<T> {
        if let Err(
            Error::NoSuchTable { .. } | Error::NoSuchIndex { .. } | Error::AlreadyExists { .. },
        ) = answer
        {
            self.note_names();
        }
        answer
    }

    /// # Errors
    /// [`Error::Conflict`] if an index is not one for this transaction's own reads: run again, it may have
    /// nothing to catch up with.
    pub(crate) fn check_tree(&self, tree: TreeId) -> Result<()> {
        if self.ahead.contains(&tree) { Err(self.ahead_conflict(tree)) } else { Ok(()) }
    }

    #[cold]
    pub(crate) fn ahead_conflict(&self, tree: TreeId) -> Error {
        let mut indexes = self.catalog.tables().iter().flat_map(|table| &table.indexes);
        let index = indexes.find(|index| index.tree.id == tree);
        Error::Conflict(crate::Conflict {
            table: index.map_or_else(String::new, |index| index.def.name.to_string()),
            key: None,
            how: "new index",
        })
    }

    /// The names of all tables. As everything that is read it is part of what a serializable commit defends: a table
    /// made or dropped by another that commits first is a conflict.
    pub fn table_names(&mut self) -> Vec<String> {
        self.note_names();
        self.catalog.tables().iter().map(|table| table.def.name.to_string()).collect()
    }

    /// A mark to which [`Transaction::rollback_to`] can return.
    ///
    /// # Errors
    /// [`Error::TooBig`] if there are more savepoints than the write set can count.
    pub fn savepoint(&mut self) -> Savepoint {
        let id = self.next_savepoint;
        self.next_savepoint += 1;
        self.savepoints.push(SavedState {
            id,
            inner: self.inner.savepoint(),
            catalog: std::sync::Arc::clone(&self.catalog),
            schema_changed: self.schema_changed,
            reservations: self.reservations.mark(),
        });
        Savepoint(id)
    }

    /// Undoes what was written since the savepoint, which stays.
    ///
    /// # Errors
    /// [`Error::Misuse`] if it was released, or is another transaction's.
    pub fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        let at = self.find(savepoint)?;
        self.savepoints.truncate(at + 1);
        if let Some(saved) = self.savepoints.last() {
            self.inner.rollback_to(saved.inner)?;
            self.catalog = std::sync::Arc::clone(&saved.catalog);
            self.schema_changed = saved.schema_changed;
            self.reservations.back_to(&saved.reservations);
        }
        Ok(())
    }

    /// Forgets the savepoint and those made since; what was written stays.
    ///
    /// # Errors
    /// As [`Transaction::rollback_to`].
    pub fn release(&mut self, savepoint: Savepoint) -> Result<()> {
        let at = self.find(savepoint)?;
        let saved = self.savepoints.drain(at..).next();
        match saved {
            Some(saved) => Ok(self.inner.release(saved.inner)?),
            None => Ok(()),
        }
    }

    fn find(&self, savepoint: Savepoint) -> Result<usize> {
        let found = self.savepoints.iter().position(|saved| saved.id == savepoint.0);
        found.ok_or_else(|| Error::misuse("there is no such savepoint in this transaction"))
    }

    /// The rowid of the last row this transaction inserted.
    pub fn last_insert_rowid(&self) -> Option<RowId> {
        self.last_rowid
    }

    /// Makes the writes everybody's. Returns once they, and everything this transaction read, are
    /// as durable as was asked for.
    ///
    /// # Errors
    /// [`Error::Conflict`], after which nothing happened; [`Error::DiskFull`], [`Error::Busy`] likewise;
    /// [`Error::Poisoned`] or [`Error::Io`] if the log failed, after which the commit may or may not be found on reopening.
    ///
    /// # Cancel safety
    /// Dropped before the commit draws its place, nothing happened; after it, the commit
    /// stands and becomes durable in the background.
    pub async fn commit(self) -> Result<Committed> {
        let path = Arc::clone(&self.core);
        self.try_commit().await.map_err(|failed| match failed {
            Failed::Below(error) => {
                let error = Error::from(error);
                path.count_error(&error);
                error.at(path.path())
            }
            Failed::Here(error) => {
                path.count_error(&error);
                error
            }
        })
    }

    /// As [`Transaction::commit`], with what a retry needs.
    pub(crate) async fn try_commit(mut self) -> std::result::Result<Committed, Failed> {
        if !self.inner.has_writes() {
            let Transaction { mut core, inner, .. } = self;
            inner.commit().await?;
            core.committed();
            return Ok(Committed { ticket: None });
        }
        let committing = Committing::enter(&self.core)?;
        if let Some(error) = self.core.log().poisoned() {
            // Before anything is compared: with what can't be committed any more it may differ for ever.
            return Err(Failed::Below(error.into()));
        }
        Core::ready(&self.core).await?;
        // One statement may write more than a record of the log holds.
        self.make_room().await?;
        if self.schema_changed {
            return crate::schema::commit(self, committing).await;
        }
        let Transaction { mut core, inner, reservations, witness, .. } = self;
        let spilled = inner.spilled_bytes() > 0;
        let published = inner.publish().await?;
        core.committed();
        let ticket = published.ticket();
        if let Some(ticket) = ticket {
            Witness::tell(witness, ticket);
            core.published(ticket);
            reservations.committed(ticket);
        }
        published.durable().await?;
        core.after_commit();
        if spilled {
            core.pulse.poke();
        }
        drop(committing);
        Ok(Committed { ticket })
    }

    /// Ends the transaction without a trace, as dropping it does.
    pub fn rollback(self) {
        drop(self);
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.read_only {
            return Err(self.core.read_only_error());
        }
        Ok(())
    }

    /// Before a statement's first write: moves what was written so far to a file, if it takes more memory than it may.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`]: what was written stays in memory, and the transaction can go on or end.
    ///
    /// # Cancel safety
    /// Dropped midway, nothing was moved.
    pub async fn make_room(&mut self) -> Result<()> {
        if self.inner.needs_room() {
            // After a close nobody would remove the file.
            self.core.check_open()?;
            self.inner.make_room().await?;
        }
        Ok(())
    }

    /// A rowid for a new row of a table.
    ///
    /// # Cancel safety
    /// A rowid reserved and not used is free again when the transaction ends.
    pub(crate) async fn next_rowid(&mut self, table: &TableInfo) -> Result<RowId> {
        let snapshot = self.inner.snapshot();
        loop {
            if self.reservations.table(&self.core, table.tree.id).lowered {
                let own = largest_rowid(&mut self.inner, &table.tree).await?;
                self.reservations.table(&self.core, table.tree.id).settle(own);
            }
            let touched = self.reservations.table(&self.core, table.tree.id);
            let ids = Arc::clone(&touched.ids);
            match ids.allocate(&mut touched.held, snapshot, touched.view) {
                Allocation::Given(rowid) => return Ok(rowid),
                Allocation::Exhausted => return self.random_rowid(table).await,
                Allocation::LookUp => {
                    let own = largest_rowid(&mut self.inner, &table.tree).await?;
                    let newest = self.core.newest_rowid(&table.tree).await?;
                    ids.learn(newest);
                    let touched = self.reservations.table(&self.core, table.tree.id);
                    // AUTOINCREMENT may remember a larger one.
                    touched.view = touched.view.max(Some(own));
                }
            }
        }
    }

    /// The largest rowid is taken: random tries, as SQLite does.
    async fn random_rowid(&mut self, table: &TableInfo) -> Result<RowId> {
        const TRIES: usize = 100;
        if !table.def.autoincrement {
            for _ in 0..TRIES {
                let rowid = (self.core.env.runtime.random() >> 2) as i64 + 1;
                let key = key::encode_rowid(rowid);
                if self.inner.get(&table.tree, &key).await?.is_none() {
                    return Ok(RowId(rowid));
                }
            }
        }
        Err(Error::Full { table: table.def.name.to_string() })
    }
}

/// The largest rowid in a transaction's view, 0 in an empty table.
pub(crate) async fn largest_rowid(
    inner: &mut heddle_txn::Transaction,
    tree: &TreeRef,
) -> Result<i64> {
    use std::ops::Bound::Unbounded;
    // Not defended: two inserters never want the same rowid, whatever the other one found.
    let mut cursor = inner.peek_range(tree, Unbounded, Unbounded, heddle_txn::Direction::Backward);
    let last: Option<(Bytes, Bytes)> = cursor.next(inner).await?;
    Ok(last.and_then(|(key, _)| key::decode_rowid(&key)).unwrap_or(0))
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("snapshot", &self.inner.snapshot())
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}
