//! Rows in and out of a transaction, by key.
//!
//! # Invariant
//! - A1: a tree whose order is not known is never written, nor read by key.

use std::sync::Arc;

use bytes::Bytes;
use heddle_base::{RowId, TreeId};
use heddle_btree::key;
use heddle_btree::text::Encoding;
use heddle_io::BoxFuture;
use heddle_txn::Step;

use crate::catalog::schema_row::{Place, SchemaRow};
use crate::raw::{Object, Schema, Tree};
use crate::transaction::Transaction;
use crate::{Error, Result, cells, turns};

/// What there is.
impl Transaction {
    /// The schema of the snapshot, with this transaction's own changes: the same `Arc` for as long as nothing changes.
    #[inline]
    pub fn schema(&self) -> &Arc<Schema> {
        self.catalog.schema()
    }

    /// `sqlite_schema` itself. It is written by changes of the schema alone. Its rows have the pages of the roots; of a tree that no
    /// checkpoint has given a page yet, a negative number.
    pub fn schema_tree(&self) -> Tree {
        Tree::new(self.core.schema_tree(), true)
    }

    /// The encoding of text in keys and records.
    #[inline]
    pub fn encoding(&self) -> Encoding {
        self.catalog.encoding()
    }

    /// Whether records have the serial types 8 and 9, for 0 and 1: those of old schema formats have not. See
    /// [`heddle_btree::record::encode_legacy`].
    #[inline]
    pub fn has_constants(&self) -> bool {
        self.catalog.format().has_constants()
    }

    /// Whether it can write.
    #[inline]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether anything was written that a commit would make everybody's.
    #[inline]
    pub fn has_writes(&self) -> bool {
        self.inner.has_writes()
    }

    /// A new file without a name for what does not fit into memory; it vanishes with its last handle. It is in the database's directory, and in
    /// memory if the database is.
    ///
    /// # Errors
    /// What opening it meets.
    ///
    /// # Cancel safety
    /// Dropped before it ends, the file vanishes.
    pub fn temporary_file(&self) -> BoxFuture<'static, Result<Arc<dyn heddle_io::File>>> {
        let directory = self.core.path().parent().filter(|dir| !dir.as_os_str().is_empty());
        let directory = directory.unwrap_or(std::path::Path::new(".")).to_owned();
        let io = Arc::clone(&self.core.env.io);
        Box::pin(async move { Ok(io.open_unlinked(&directory).await?) })
    }

    /// Notes that the definition of the tree's table is relied on: a change of it that commits first is a conflict.
    #[inline]
    pub fn use_table(&mut self, tree: &Tree) {
        self.inner.note_definition(&tree.inner);
    }

    /// Notes that an object without a tree, such as a view, is relied on: a change of it that commits first is a
    /// conflict.
    pub fn use_object(&mut self, object: &Object) {
        match &object.tree {
            Some(tree) => self.inner.note_definition(&tree.inner),
            None => {
                let schema = self.core.schema_tree();
                // Noted before it is read, and what it says is known.
                let _ = self.inner.try_get_with(&schema, &key::encode_rowid(object.row.0), |_| ());
            }
        }
    }

    /// Notes that an answer about names was given ("no such table"): any change of the schema that commits first
    /// is a conflict.
    pub fn use_schema(&mut self) {
        self.note_names();
    }
}

/// Reading and writing.
impl Transaction {
    /// The record of a key. It is in the read set, found or not.
    ///
    /// # Errors
    /// What reading can meet; [`Error::Unsupported`] in a tree whose order is not known.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn read(&mut self, tree: &Tree, key: &[u8]) -> Result<Option<Bytes>> {
        self.check_keys(tree)?;
        if self.core.turn_is_over(turns::POINT) {
            turns::give_way().await;
        }
        let found = self.inner.get(&tree.inner, key).await?;
        match found {
            Some(record) if self.is_schema(tree) => Ok(Some(self.shown(&record)?.into())),
            found => Ok(found),
        }
    }

    /// Hands the record of a key to `read`, in place, unless that needs I/O: then [`Step::NeedsIo`], and
    /// [`Transaction::read`] is to be awaited.
    ///
    /// # Errors
    /// As [`Transaction::read`].
    #[inline]
    pub fn try_read_with<R>(
        &mut self,
        tree: &Tree,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Step<Option<R>>> {
        self.check_keys(tree)?;
        if self.is_schema(tree) || self.core.turn_is_over(turns::POINT) {
            return Ok(Step::NeedsIo);
        }
        let found = self.inner.try_get_with(&tree.inner, key, |found| found.map(read))?;
        Ok(found.map_or(Step::NeedsIo, Step::Row))
    }

    /// As [`Transaction::read`], for checking a constraint (unique keys, foreign keys): validated at every isolation level.
    ///
    /// # Errors
    /// As [`Transaction::read`].
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn read_for_constraint(&mut self, tree: &Tree, key: &[u8]) -> Result<Option<Bytes>> {
        self.check_keys(tree)?;
        Ok(self.inner.get_for_constraint(&tree.inner, key).await?)
    }

    /// Writes a record, over the one that the key may have.
    ///
    /// # Errors
    /// [`Error::ReadOnly`]; [`Error::Unsupported`] in a tree whose order is not known; [`Error::Misuse`] in `sqlite_schema`.
    #[inline]
    pub fn write(&mut self, tree: &Tree, key: Bytes, record: Bytes) -> Result<()> {
        self.check_target(tree)?;
        Ok(self.inner.put(&tree.inner, key, record)?)
    }

    /// Removes a key, whether it is there or not.
    ///
    /// # Errors
    /// As [`Transaction::write`].
    #[inline]
    pub fn erase(&mut self, tree: &Tree, key: Bytes) -> Result<()> {
        self.check_target(tree)?;
        Ok(self.inner.delete(&tree.inner, key)?)
    }

    /// A1, and that an index made by this transaction is not read by it.
    #[inline]
    fn check_keys(&self, tree: &Tree) -> Result<()> {
        if tree.is_ordered() && !self.ahead.contains(&tree.inner.id) {
            return Ok(());
        }
        self.refuse_keys(tree)
    }

    #[cold]
    fn refuse_keys(&self, tree: &Tree) -> Result<()> {
        if !tree.is_ordered() {
            return Err(unordered(tree));
        }
        self.check_tree(tree.inner.id)
    }

    #[inline]
    fn check_target(&self, tree: &Tree) -> Result<()> {
        self.check_writable()?;
        if self.is_schema(tree) {
            return Err(Error::misuse("sqlite_schema is written by changes of the schema alone"));
        }
        if tree.is_ordered() { Ok(()) } else { Err(unordered(tree)) }
    }

    #[inline]
    pub(crate) fn is_schema(&self, tree: &Tree) -> bool {
        tree.inner.id == TreeId::SCHEMA
    }

    /// A row of `sqlite_schema` with the page of its root, as far as it has one.
    pub(crate) fn shown(&self, record: &[u8]) -> Result<Vec<u8>> {
        let encoding = self.encoding();
        let row = SchemaRow::decode(record, encoding);
        let mut row = row.map_err(|error| cells::corrupt("sqlite_schema", error))?;
        if let Place::Tree(tree) = row.place
            && let Some(page) = self.inner.base().roots.get(tree)
        {
            row.place = Place::Page(page);
        }
        row.encode(encoding).map_err(|error| cells::corrupt("sqlite_schema", error))
    }
}

#[cold]
fn unordered(tree: &Tree) -> Error {
    Error::unsupported(
        format!("using {} by its keys", tree.name()),
        "what orders it is not known: a collation that is not built in, or a definition that can't be understood",
    )
}

/// The numbers of rows.
impl Transaction {
    /// A rowid for a new row of a table: one more than the largest, as SQLite gives it, and nobody else's. `table` is
    /// the table's own tree; `autoincrement`: it never comes again (`sqlite_sequence` remembers).
    ///
    /// # Errors
    /// [`Error::Full`] if the largest rowid is taken; what reading can meet; [`Error::Misuse`] in a WITHOUT ROWID table.
    ///
    /// # Cancel safety
    /// A rowid given and not used is free again when the transaction ends.
    pub async fn new_rowid(&mut self, table: &Tree, autoincrement: bool) -> Result<RowId> {
        self.check_writable()?;
        let known = self.catalog.table_of_tree(table.inner.id).filter(|_| table.is_table());
        let Some(info) = known.cloned() else {
            return Err(Error::misuse("it is no table with rowids"));
        };
        match autoincrement {
            true => crate::sequence::next(self, &info).await,
            false => self.next_rowid(&info).await,
        }
    }

    /// After a row was written whose rowid was chosen elsewhere: others pass it by.
    pub fn note_rowid_used(&mut self, table: &Tree, rowid: RowId) {
        let touched = self.reservations.table(&self.core, table.inner.id);
        touched.ids.reserve(&mut touched.held, rowid);
    }

    /// After a row with this rowid was written to an AUTOINCREMENT table: `sqlite_sequence` remembers it.
    ///
    /// # Errors
    /// What reading can meet; [`Error::NoSuchTable`] if there is no `sqlite_sequence`.
    ///
    /// # Cancel safety
    /// Dropped before it ends, it is not remembered.
    pub async fn remember_rowid(&mut self, table: &Tree, rowid: RowId) -> Result<()> {
        match self.catalog.table_of_tree(table.inner.id).cloned() {
            Some(info) => crate::sequence::raise(self, &info, rowid.0).await,
            None => Err(Error::misuse("it is no table of this transaction")),
        }
    }

    /// After a row was erased; its rowid may be given again, unless the table is AUTOINCREMENT.
    pub fn note_rowid_deleted(&mut self, table: &Tree, rowid: RowId, autoincrement: bool) {
        let touched = self.reservations.table(&self.core, table.inner.id);
        touched.note_deleted(rowid.0, !autoincrement);
    }

    /// What [`Transaction::last_insert_rowid`] answers from now on.
    pub fn set_last_insert_rowid(&mut self, rowid: RowId) {
        self.last_rowid = Some(rowid);
    }
}
