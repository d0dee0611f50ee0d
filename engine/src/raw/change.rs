//! Changes of the schema by objects: made, dropped, rewritten, each as a row of `sqlite_schema`, a new catalog of the
//! transaction's own, and a tree.
//!
//! What orders a tree is read from the text of its object, here as after a restart: what the caller believes is only compared.
//!
//! # Invariants
//! - G1: a tree is made only if its object's text says what orders it, so that checkpoint and recovery know it too.
//! - G2: a change that a writer of a table has to know of gives the table's definition a new version: its own text, its
//!   indexes, its triggers, and what [`Transaction::touch_table`] is told.
//! - G3: between changes of one transaction an index may lie on a table of another name (a table is renamed row by row); it
//!   keeps its order meanwhile. At the commit all texts must agree ([`check_texts`]).

use bytes::Bytes;
use heddle_base::RowId;
use heddle_btree::key::{self, KeyShape};
use heddle_btree::tree::TreeKind;

use crate::catalog::load::{self, Entry};
use crate::catalog::schema_row::{Place, SchemaRow};
use crate::catalog::{Catalog, IndexInfo, TableInfo};
use crate::raw::{Object, ObjectKind, Tree};
use crate::transaction::Transaction;
use crate::{Error, Result, cells, sequence};

/// What a new object's tree is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewTree {
    /// There is none: a view, a trigger, a virtual table.
    None,
    /// A table with rowids.
    Table,
    /// An index, or a WITHOUT ROWID table, in this order.
    Index(KeyShape),
}

/// An object to be made: a row of `sqlite_schema`.
#[derive(Debug, Clone)]
pub struct NewObject {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// The table that it belongs to; of a table or a view its own name.
    pub table: String,
    /// The statement, as `sqlite_schema` keeps it; automatic indexes have none.
    pub sql: Option<String>,
    /// Its tree.
    pub tree: NewTree,
}

impl NewObject {
    fn row(&self, place: Place) -> SchemaRow {
        SchemaRow {
            kind: self.kind.as_str().to_owned(),
            name: self.name.clone(),
            table: self.table.clone(),
            place,
            sql: self.sql.clone(),
        }
    }
}

impl Transaction {
    /// Makes an object: the tree of a table or of an index is empty. A table's automatic indexes are objects that the
    /// caller makes after it, and so is `sqlite_sequence`.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`]; [`Error::NoSuchTable`] for an index on one; [`Error::Unsupported`] if a collation that is not
    /// built in would order the tree; [`Error::Definition`] if the text does not say the order given; [`Error::ReadOnly`].
    ///
    /// # Cancel safety
    /// Dropped before it ends, there is no such object.
    pub async fn create(&mut self, new: NewObject) -> Result<Option<Tree>> {
        self.check_writable()?;
        let schema = self.catalog.schema();
        let taken = match new.kind {
            ObjectKind::Trigger => schema.find(ObjectKind::Trigger, &new.name),
            _ => schema.named(&new.name),
        };
        if taken.is_some() {
            self.note_names();
            return Err(Error::AlreadyExists { name: new.name });
        }
        let rowid = self.next_schema_row().await?;
        match (new.kind, &new.tree) {
            (ObjectKind::Table, NewTree::Table | NewTree::Index(_)) => {
                self.create_table_tree(rowid, &new).map(Some)
            }
            (ObjectKind::Index, NewTree::Index(_)) => self.create_index_tree(rowid, &new).map(Some),
            (ObjectKind::Table | ObjectKind::View | ObjectKind::Trigger, NewTree::None) => {
                self.put_schema_row(rowid, &new.row(Place::None))?;
                self.set_other(Object {
                    kind: new.kind,
                    name: new.name.into(),
                    table: new.table.into(),
                    sql: new.sql.map(Into::into),
                    row: rowid,
                    tree: None,
                });
                Ok(None)
            }
            _ => Err(Error::misuse(format!("no {} has such a tree", new.kind.as_str()))),
        }
    }

    fn create_table_tree(&mut self, rowid: RowId, new: &NewObject) -> Result<Tree> {
        let id = self.core.next_tree();
        let entry = Entry { rowid, row: new.row(Place::Tree(id)), tree: Some(id) };
        let table = load::table(&entry, id, self.catalog.format());
        self.check_order(new, &table.tree.kind, table.def.unordered.as_deref())?;
        self.put_schema_row(rowid, &entry.row)?;
        let tree = Tree::new(table.tree.clone(), true);
        self.change_catalog(self.catalog.with_table(table));
        Ok(tree)
    }

    fn create_index_tree(&mut self, rowid: RowId, new: &NewObject) -> Result<Tree> {
        let found = self.catalog.table(&new.table).map(|table| TableInfo::clone(table));
        let mut table = self.noting(found)?;
        let id = self.core.next_tree();
        let entry = Entry { rowid, row: new.row(Place::Tree(id)), tree: Some(id) };
        let index = load::index(&table, &entry, id, self.catalog.format());
        let unordered = table.def.unordered.as_ref().or(index.def.unordered.as_ref());
        self.check_order(new, &index.tree.kind, unordered.map(String::as_str))?;
        self.put_schema_row(rowid, &entry.row)?;
        table.indexes.push(index);
        table.settle_obstacle();
        self.change_catalog(self.catalog.with_table(table));
        let made = self.catalog.schema().find(ObjectKind::Index, &new.name);
        // It was just added, by this name.
        let tree = made.and_then(|object| object.tree.clone());
        tree.ok_or_else(|| Error::NoSuchIndex { name: new.name.clone() })
    }

    /// G1.
    fn check_order(
        &self,
        new: &NewObject,
        found: &TreeKind,
        unordered: Option<&str>,
    ) -> Result<()> {
        if let Some(why) = unordered {
            return Err(Error::unsupported(
                format!("the {} {}", new.kind.as_str(), new.name),
                why.to_owned(),
            ));
        }
        let same = match (&new.tree, found) {
            (NewTree::Table, TreeKind::Table) => true,
            (NewTree::Index(given), TreeKind::Index(found)) => {
                let directions = self.catalog.format().has_directions();
                given.unique == found.unique
                    && given.columns.len() == found.columns.len()
                    && given.columns.iter().zip(&found.columns).all(|(given, found)| {
                        given.collation == found.collation
                            && (given.descending == found.descending || !directions)
                    })
            }
            _ => false,
        };
        if same {
            return Ok(());
        }
        let sql = new.sql.as_deref().unwrap_or_default();
        Err(Error::definition(sql, format!("it says another order than the one given: {found:?}")))
    }

    /// Drops an object with its tree. A table goes with its indexes, its triggers and what `sqlite_sequence` remembers of it, a
    /// view with its triggers. Nothing is refused because others refer to it.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::NoSuchIndex`], [`Error::NoSuchObject`]; [`Error::ReadOnly`]; what reading can meet.
    ///
    /// # Cancel safety
    /// Dropped before it ends, the object is there.
    pub async fn drop_object(&mut self, kind: ObjectKind, name: &str) -> Result<()> {
        self.check_writable()?;
        let object = self.object(kind, name)?;
        if kind == ObjectKind::Index {
            return self.drop_index_tree(&object);
        }
        let dependent = |other: &Object| {
            other.row == object.row
                || (kind != ObjectKind::Trigger
                    && matches!(other.kind, ObjectKind::Index | ObjectKind::Trigger)
                    && other.table.eq_ignore_ascii_case(&object.name))
        };
        let info = match &object.tree {
            Some(tree) => self.catalog.table_of_tree(tree.inner.id).cloned(),
            None => None,
        };
        if let Some(table) = info.filter(|table| table.def.autoincrement)
            && let Some(sequence) = self.catalog.find(sequence::TABLE).map(|t| t.tree.clone())
            && let Some(row) = sequence::row_of(self, &table).await?
        {
            self.inner.delete(&sequence, key_of(row))?;
        }
        let schema = self.core.schema_tree();
        for gone in self.catalog.schema().objects().iter().filter(|other| dependent(other)) {
            self.inner.delete(&schema, key_of(gone.row.0))?;
        }
        let mut catalog = self.catalog.without_others(dependent);
        if let Some(tree) = &object.tree {
            catalog = catalog.without_table(tree.inner.id);
        }
        self.change_catalog(catalog);
        if kind == ObjectKind::Trigger {
            self.settle_trigger(&object.table)?;
        }
        Ok(())
    }

    fn drop_index_tree(&mut self, object: &Object) -> Result<()> {
        let Some(table) = self.catalog.table_of_index(&object.name) else { return Ok(()) };
        let mut table = TableInfo::clone(table);
        table.indexes.retain(|index| index.schema_row != object.row);
        table.settle_obstacle();
        let schema = self.core.schema_tree();
        self.inner.delete(&schema, key_of(object.row.0))?;
        self.change_catalog(self.catalog.with_table(table));
        Ok(())
    }

    /// Gives an object another name, table or text, as ALTER does; its row and its tree stay, and so must what orders it. Every row
    /// that a change touches is rewritten by itself, in any order (G3).
    ///
    /// # Errors
    /// As [`Transaction::drop_object`]; [`Error::AlreadyExists`]; [`Error::Definition`] if the text says another order.
    ///
    /// # Cancel safety
    /// It does not wait.
    pub async fn rewrite(
        &mut self,
        kind: ObjectKind,
        name: &str,
        new_name: &str,
        new_table: &str,
        new_sql: Option<String>,
    ) -> Result<()> {
        self.check_writable()?;
        let object = self.object(kind, name)?;
        if !name.eq_ignore_ascii_case(new_name) && kind != ObjectKind::Trigger {
            let free = self.catalog.check_free(new_name);
            self.noting(free)?;
        }
        let place = object.tree.as_ref().map_or(Place::None, |tree| Place::Tree(tree.inner.id));
        let row = SchemaRow {
            kind: kind.as_str().to_owned(),
            name: new_name.to_owned(),
            table: new_table.to_owned(),
            place,
            sql: new_sql,
        };
        let tree = object.tree.as_ref().map(|tree| tree.inner.id);
        let entry = Entry { rowid: object.row, row, tree };
        match (kind, tree) {
            (ObjectKind::Table, Some(_)) => self.rewrite_table(&object, &entry)?,
            (ObjectKind::Index, Some(_)) => self.rewrite_index(&object, &entry)?,
            _ => {
                let Entry { row, rowid, .. } = &entry;
                self.put_schema_row(*rowid, row)?;
                self.set_other(Object {
                    kind,
                    name: new_name.into(),
                    table: new_table.into(),
                    sql: row.sql.as_deref().map(Into::into),
                    row: *rowid,
                    tree: None,
                });
                if kind == ObjectKind::Trigger {
                    self.settle_trigger(&object.table)?;
                }
                return Ok(());
            }
        }
        self.put_schema_row(entry.rowid, &entry.row)
    }

    fn rewrite_table(&mut self, object: &Object, entry: &Entry) -> Result<()> {
        let format = self.catalog.format();
        let (Some(tree), Some(old)) = (entry.tree, self.table_of(object)) else { return Ok(()) };
        let mut table = load::table(entry, tree, format);
        if table.tree.kind != old.tree.kind || table.def.unordered != old.def.unordered {
            let sql = entry.row.sql.as_deref().unwrap_or_default();
            return Err(Error::definition(sql, "it says another order of the rows"));
        }
        table.trigger.clone_from(&old.trigger);
        for index in &old.indexes {
            let (entry, id) = (index_entry(index), index.tree.id);
            // Its columns may lie elsewhere now. What is not understood is rewritten itself, or was not before (G3).
            let anew = load::index(&table, &entry, id, format);
            let same = anew.def.unordered.is_none() && anew.tree.kind == index.tree.kind;
            table.indexes.push(if same { anew } else { index.clone() });
        }
        table.settle_obstacle();
        self.change_catalog(self.catalog.with_table(table));
        Ok(())
    }

    fn rewrite_index(&mut self, object: &Object, entry: &Entry) -> Result<()> {
        let Some(table) = self.catalog.table_of_index(&object.name) else { return Ok(()) };
        let mut table = TableInfo::clone(table);
        let format = self.catalog.format();
        let Some(at) = table.index(&object.name) else { return Ok(()) };
        let old = &table.indexes[at];
        let mut index = load::index(&table, entry, old.tree.id, format);
        if index.def.unordered.is_some() || index.tree.kind != old.tree.kind {
            // Its table is perhaps rewritten only after it (G3).
            index = IndexInfo { sql: index.sql, def: old.def.clone(), ..old.clone() };
            index.def.name = entry.row.name.as_str().into();
            index.tree.name = entry.row.name.as_str().into();
        }
        index.def.table = entry.row.table.as_str().into();
        table.indexes[at] = index;
        table.settle_obstacle();
        self.change_catalog(self.catalog.with_table(table));
        Ok(())
    }

    /// Counts the definition of a table as changed, for something that is written elsewhere but that who writes the table has to know
    /// of: a foreign key that now refers to it.
    ///
    /// # Errors
    /// [`Error::ReadOnly`]; [`Error::Misuse`] if the tree is no table of this transaction.
    pub fn touch_table(&mut self, table: &Tree) -> Result<()> {
        self.check_writable()?;
        let Some(found) = self.catalog.table_of_tree(table.inner.id) else {
            return Err(Error::misuse("it is no table of this transaction"));
        };
        self.change_catalog(self.catalog.with_table(TableInfo::clone(found)));
        Ok(())
    }

    /// Adds a view, a trigger or a virtual table, or puts it in the place of the one with its row.
    fn set_other(&mut self, object: Object) {
        let trigger_on = (object.kind == ObjectKind::Trigger).then(|| object.table.clone());
        self.change_catalog(self.catalog.with_other(object));
        if let Some(table) = trigger_on {
            // It can't fail: what is written is the row of an object that is there.
            let _ = self.settle_trigger(&table);
        }
    }

    /// After a trigger on it came or went: who writes the table or the view planned without (G2).
    fn settle_trigger(&mut self, name: &str) -> Result<()> {
        let trigger = self.catalog.trigger_on(name).map(|trigger| trigger.name.clone());
        if let Some(table) = self.catalog.find(name) {
            let mut table = TableInfo::clone(table);
            table.trigger = trigger;
            table.settle_obstacle();
            self.change_catalog(self.catalog.with_table(table));
        } else if let Some(view) = self.catalog.schema().find(ObjectKind::View, name).cloned() {
            let row = SchemaRow {
                kind: view.kind.as_str().to_owned(),
                name: view.name.to_string(),
                table: view.table.to_string(),
                place: Place::None,
                sql: view.sql.as_ref().map(ToString::to_string),
            };
            self.put_schema_row(view.row, &row)?;
        }
        Ok(())
    }

    fn table_of(&self, object: &Object) -> Option<std::sync::Arc<TableInfo>> {
        self.catalog.table_of_tree(object.tree.as_ref()?.inner.id).cloned()
    }

    /// An object by name, or that there is none.
    fn object(&mut self, kind: ObjectKind, name: &str) -> Result<std::sync::Arc<Object>> {
        if let Some(object) = self.catalog.schema().find(kind, name) {
            return Ok(std::sync::Arc::clone(object));
        }
        self.note_names();
        let name = name.to_owned();
        Err(match kind {
            ObjectKind::Table => Error::NoSuchTable { name },
            ObjectKind::Index => Error::NoSuchIndex { name },
            ObjectKind::View | ObjectKind::Trigger => {
                Error::NoSuchObject { kind: kind.as_str(), name }
            }
        })
    }

    pub(crate) async fn next_schema_row(&mut self) -> Result<RowId> {
        let schema = std::sync::Arc::clone(&self.core.schema_table);
        self.next_rowid(&schema).await
    }

    pub(crate) fn put_schema_row(&mut self, rowid: RowId, row: &SchemaRow) -> Result<()> {
        let record = row.encode(self.catalog.encoding());
        let record = record.map_err(|error| cells::corrupt("sqlite_schema", error))?;
        Ok(self.inner.put(&self.core.schema_tree(), key_of(rowid.0), record.into())?)
    }

    pub(crate) fn change_catalog(&mut self, catalog: Catalog) {
        let before = std::mem::replace(&mut self.catalog, std::sync::Arc::new(catalog));
        self.base_catalog.get_or_insert(before);
        self.schema_changed = true;
    }
}

/// Whether the text of every index of a table says the order that its tree has, as the next opening would read it (G3).
///
/// # Errors
/// [`Error::Definition`].
pub(crate) fn check_texts(table: &TableInfo) -> Result<()> {
    for index in table.indexes.iter().filter(|index| table.is_ordered(index)) {
        let entry = index_entry(index);
        let found = load::index(table, &entry, index.tree.id, table.format);
        let sound = index.def.table.eq_ignore_ascii_case(&table.def.name)
            && found.def.unordered.is_none()
            && found.tree.kind == index.tree.kind;
        if !sound {
            let sql = index.sql.as_deref().unwrap_or_default();
            let why = format!("the index {} does not fit its table any more", index.def.name);
            return Err(Error::definition(sql, why));
        }
    }
    Ok(())
}

fn index_entry(index: &IndexInfo) -> Entry {
    let row = SchemaRow {
        kind: ObjectKind::Index.as_str().to_owned(),
        name: index.def.name.to_string(),
        table: index.def.table.to_string(),
        place: Place::Tree(index.tree.id),
        sql: index.sql.as_ref().map(ToString::to_string),
    };
    Entry { rowid: index.schema_row, row, tree: Some(index.tree.id) }
}

fn key_of(rowid: i64) -> Bytes {
    Bytes::copy_from_slice(&key::encode_rowid(rowid))
}
