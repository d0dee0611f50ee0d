//! The catalog: what tables and indexes there are, as `sqlite_schema` says.
//!
//! - [`parse`]: from SQL text to definitions; [`definition`] and [`column`]: what those are.
//! - [`format`]: what a definition means in an old file.
//! - [`schema_row`]: the rows of `sqlite_schema`; [`load`]: from rows to a [`Catalog`].
//! - [`history`]: which catalog a snapshot sees.
//!
//! # Invariants
//! - K1: a [`Catalog`] never changes; a change of the schema makes another one, which shares the
//!   tables that did not change.
//! - K2: a [`TreeId`] names one tree for as long as the log lives: it is never given out twice.

pub(crate) mod column;
pub(crate) mod definition;
pub(crate) mod format;
pub(crate) mod history;
pub(crate) mod load;
pub(crate) mod parse;
pub(crate) mod schema_row;
pub(crate) mod text;

use std::collections::HashMap;
use std::sync::Arc;

use heddle_base::{RowId, SchemaVersion, TreeId};
use heddle_btree::text::Encoding;
use heddle_btree::tree::TreeKind;
use heddle_txn::TreeRef;

use crate::catalog::definition::{IndexDef, KeyPart, TableDef};
use crate::catalog::format::Format;
use crate::catalog::parse::{Definition, parse};
use crate::raw::{Object, ObjectKind, Schema, Tree};
use crate::{Error, Result};

/// All tables at one time (K1).
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    tables: Vec<Arc<TableInfo>>,
    by_name: HashMap<Box<str>, usize, foldhash::fast::FixedState>,
    /// Views, triggers and virtual tables.
    others: Vec<Arc<Object>>,
    /// All of it, as who makes SQL of it wants it.
    schema: Arc<Schema>,
    format: Format,
    /// What copies of it have in common.
    identity: Arc<()>,
}

/// A table with its trees.
#[derive(Debug, Clone)]
pub(crate) struct TableInfo {
    pub(crate) def: TableDef,
    /// Names of the columns, for rows.
    pub(crate) names: Vec<Box<str>>,
    /// Where each column is in the record.
    pub(crate) places: Vec<usize>,
    /// Which column each place of the record holds.
    pub(crate) record_order: Vec<usize>,
    pub(crate) schema_row: RowId,
    pub(crate) sql: Box<str>,
    pub(crate) tree: TreeRef,
    pub(crate) indexes: Vec<IndexInfo>,
    pub(crate) format: Format,
    /// A trigger on it, if there is one.
    pub(crate) trigger: Option<Box<str>>,
    /// Why it can't be written, if it can't.
    pub(crate) obstacle: Option<String>,
}

/// An index with its tree.
#[derive(Debug, Clone)]
pub(crate) struct IndexInfo {
    pub(crate) def: IndexDef,
    /// What names the row in its records, if not the rowid.
    pub(crate) row_parts: Vec<KeyPart>,
    /// Its text in the schema table; automatic indexes have none.
    pub(crate) sql: Option<Box<str>>,
    pub(crate) schema_row: RowId,
    pub(crate) tree: TreeRef,
    pub(crate) format: Format,
}

/// A name as SQLite compares names: without regard to ASCII case.
pub(crate) fn folded(name: &str) -> Box<str> {
    name.to_ascii_lowercase().into()
}

impl TableInfo {
    pub(crate) fn new(
        def: TableDef,
        schema_row: RowId,
        tree: TreeId,
        sql: &str,
        format: Format,
    ) -> TableInfo {
        let record_order = def.record_order();
        let mut places = vec![0; record_order.len()];
        for (place, &column) in record_order.iter().enumerate() {
            places[column] = place;
        }
        let kind = match def.key_shape(format.encoding) {
            Some(shape) => TreeKind::Index(shape),
            None => TreeKind::Table,
        };
        TableInfo {
            names: def.columns.iter().map(|column| column.name.clone()).collect(),
            places,
            record_order,
            schema_row,
            sql: sql.into(),
            tree: TreeRef {
                id: tree,
                kind: Arc::new(kind),
                table: tree,
                name: def.name.as_ref().into(),
                schema_version: SchemaVersion(0),
            },
            indexes: Vec::new(),
            format,
            trigger: None,
            obstacle: def.obstacle.clone(),
            def,
        }
    }

    /// # Errors
    /// [`Error::Unsupported`] naming what of the table can't be read here.
    pub(crate) fn check_readable(&self) -> Result<()> {
        match &self.def.unreadable {
            None => Ok(()),
            Some(why) => {
                Err(Error::unsupported(format!("reading table {}", self.def.name), why.clone()))
            }
        }
    }

    /// # Errors
    /// [`Error::Unsupported`] naming what of the table can't be maintained here.
    pub(crate) fn check_writable(&self) -> Result<()> {
        match &self.obstacle {
            None => Ok(()),
            Some(why) => Err(Error::unsupported(
                format!("writing table {}", self.def.name),
                format!("it has what can't be maintained here: {why}"),
            )),
        }
    }

    /// Finds out anew what of the table and its indexes keeps it from being written.
    pub(crate) fn settle_obstacle(&mut self) {
        let of_indexes = self.indexes.iter().find_map(|index| {
            let obstacle = index.def.obstacle.as_ref()?;
            Some(format!("the index {} ({obstacle})", index.def.name))
        });
        let of_triggers = self.trigger.as_ref().map(|name| format!("the trigger {name}"));
        self.obstacle = self.def.obstacle.clone().or(of_indexes).or(of_triggers);
    }

    /// Whether it is known what orders an index of the table.
    pub(crate) fn is_ordered(&self, index: &IndexInfo) -> bool {
        self.def.unordered.is_none() && index.def.unordered.is_none()
    }

    /// The table and its indexes.
    fn objects(&self) -> impl Iterator<Item = Arc<Object>> {
        let table = Object {
            kind: ObjectKind::Table,
            name: self.def.name.clone(),
            table: self.def.name.clone(),
            sql: Some(self.sql.clone()),
            row: self.schema_row,
            tree: Some(Tree::new(self.tree.clone(), self.def.unordered.is_none())),
        };
        let indexes = self.indexes.iter().map(|index| Object {
            kind: ObjectKind::Index,
            name: index.def.name.clone(),
            table: index.def.table.clone(),
            sql: index.sql.clone(),
            row: index.schema_row,
            tree: Some(Tree::new(index.tree.clone(), self.is_ordered(index))),
        });
        std::iter::once(table).chain(indexes).map(Arc::new)
    }

    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.indexes.iter().position(|index| index.def.name.eq_ignore_ascii_case(name))
    }
}

impl IndexInfo {
    pub(crate) fn new(
        def: IndexDef,
        table: &TableDef,
        table_tree: TreeId,
        schema_row: RowId,
        tree: TreeId,
        format: Format,
    ) -> IndexInfo {
        IndexInfo {
            row_parts: def.row_parts(table),
            sql: None,
            schema_row,
            tree: TreeRef {
                id: tree,
                kind: Arc::new(TreeKind::Index(def.key_shape(table, format.encoding))),
                table: table_tree,
                name: def.name.as_ref().into(),
                schema_version: SchemaVersion(0),
            },
            format,
            def,
        }
    }
}

impl IndexInfo {
    /// After its table was renamed: automatic indexes are named after their table.
    pub(crate) fn rename(&mut self, old: &TableDef, new: &TableDef) {
        let prefix = format!("sqlite_autoindex_{}_", old.name);
        if let Some(number) = self.def.name.strip_prefix(&prefix) {
            self.def.name = format!("sqlite_autoindex_{}_{number}", new.name).into();
            self.tree.name = self.def.name.as_ref().into();
        }
        self.def.table = new.name.clone();
    }
}

impl Catalog {
    pub(crate) fn new(
        tables: Vec<Arc<TableInfo>>,
        others: Vec<Arc<Object>>,
        format: Format,
    ) -> Catalog {
        let by_name = tables.iter().enumerate().map(|(i, t)| (folded(&t.def.name), i)).collect();
        let stored = tables.iter().flat_map(|table| table.objects());
        let schema = Arc::new(Schema::new(stored.chain(others.iter().cloned()).collect()));
        Catalog { tables, by_name, others, schema, format, identity: Arc::new(()) }
    }

    /// See [`Schema`].
    #[inline]
    pub(crate) fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Whether one is a copy of the other.
    pub(crate) fn is(&self, other: &Catalog) -> bool {
        Arc::ptr_eq(&self.identity, &other.identity)
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.format.encoding
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Understands a `CREATE` statement as it counts in this file; an index may be on one of these tables.
    ///
    /// # Errors
    /// As [`parse`].
    pub(crate) fn parse(&self, sql: &str) -> Result<Definition> {
        let find = |name: &str| self.find(name).map(|table| table.def.clone());
        Ok(self.format.understand(parse(sql, find)?))
    }

    /// Whether there are views, virtual tables or triggers.
    pub(crate) fn has_others(&self) -> bool {
        !self.others.is_empty()
    }

    pub(crate) fn tables(&self) -> &[Arc<TableInfo>] {
        &self.tables
    }

    /// The table of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<TableInfo>> {
        self.tables.get(self.position(name)?)
    }

    /// # Errors
    /// [`Error::NoSuchTable`].
    pub(crate) fn table(&self, name: &str) -> Result<&Arc<TableInfo>> {
        self.find(name).ok_or_else(|| Error::NoSuchTable { name: name.to_owned() })
    }

    /// The table that has this index.
    pub(crate) fn table_of_index(&self, index: &str) -> Option<&Arc<TableInfo>> {
        self.tables.iter().find(|table| table.index(index).is_some())
    }

    /// Where a table is among all, for quick access while the catalog does not change.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        match self.by_name.get(name) {
            Some(position) => Some(*position),
            None => self.by_name.get(&folded(name)).copied(),
        }
    }

    /// # Errors
    /// [`Error::AlreadyExists`] if a table, an index, a view has the name.
    pub(crate) fn check_free(&self, name: &str) -> Result<()> {
        if self.schema.named(name).is_some() {
            return Err(Error::AlreadyExists { name: name.to_owned() });
        }
        Ok(())
    }

    /// The table with this tree.
    pub(crate) fn table_of_tree(&self, tree: TreeId) -> Option<&Arc<TableInfo>> {
        self.tables.iter().find(|table| table.tree.id == tree)
    }

    /// With one table added, or replaced if it is there by its tree: then its definition has a new version.
    pub(crate) fn with_table(&self, mut table: TableInfo) -> Catalog {
        let mut tables = self.tables.clone();
        match tables.iter().position(|t| t.tree.id == table.tree.id) {
            Some(at) => {
                let version = SchemaVersion(tables[at].tree.schema_version.get() + 1);
                table.tree.schema_version = version;
                for index in &mut table.indexes {
                    index.tree.schema_version = version;
                }
                tables[at] = Arc::new(table);
            }
            None => tables.push(Arc::new(table)),
        }
        Catalog::new(tables, self.others.clone(), self.format)
    }

    /// Without the table of this tree.
    pub(crate) fn without_table(&self, tree: TreeId) -> Catalog {
        let tables = self.tables.iter().filter(|t| t.tree.id != tree).cloned().collect();
        Catalog::new(tables, self.others.clone(), self.format)
    }

    /// Whether the definition of the tree with this number is understood, so that its order is known.
    pub(crate) fn is_understood(&self, tree: TreeId) -> bool {
        self.tables.iter().any(|table| {
            let of_index = |index: &IndexInfo| index.tree.id == tree && table.is_ordered(index);
            (table.tree.id == tree && table.def.unordered.is_none())
                || table.indexes.iter().any(of_index)
        })
    }

    /// With a view, a trigger or a virtual table added, or replaced if it is there by its row.
    pub(crate) fn with_other(&self, object: Object) -> Catalog {
        let mut others = self.others.clone();
        others.retain(|other| other.row != object.row);
        others.push(Arc::new(object));
        self.with_others(others)
    }

    /// Without such objects as `gone` says.
    pub(crate) fn without_others(&self, gone: impl Fn(&Object) -> bool) -> Catalog {
        let mut others = self.others.clone();
        others.retain(|other| !gone(other));
        self.with_others(others)
    }

    fn with_others(&self, others: Vec<Arc<Object>>) -> Catalog {
        Catalog::new(self.tables.clone(), others, self.format)
    }

    /// The first trigger on the table of this name.
    pub(crate) fn trigger_on(&self, table: &str) -> Option<&Arc<Object>> {
        self.others.iter().find(|other| {
            other.kind == ObjectKind::Trigger && other.table.eq_ignore_ascii_case(table)
        })
    }

    /// Every tree with its kind, the schema table's aside.
    pub(crate) fn trees(&self) -> impl Iterator<Item = (TreeId, &Arc<TreeKind>)> {
        self.tables.iter().flat_map(|table| {
            let indexes = table.indexes.iter().map(|index| (index.tree.id, &index.tree.kind));
            std::iter::once((table.tree.id, &table.tree.kind)).chain(indexes)
        })
    }
}
