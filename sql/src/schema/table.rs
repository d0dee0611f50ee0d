//! Tables.

use std::sync::Arc;

use heddle_value::{Affinity, Collation, StrictType};

use super::{Index, IndexKey, Trigger};
use crate::ast::{self, ConflictClause, Deferral, ForeignKeyAction};

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name as written.
    pub name: Box<str>,
    /// What it is.
    pub kind: TableKind,
    /// Its tree.
    pub tree: heddle_engine::raw::Tree,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The column that is another name for the rowid.
    pub rowid_alias: Option<usize>,
    /// Whether rowids are never given twice.
    pub autoincrement: bool,
    /// The columns of its primary key where that is not the rowid, with their order; of a WITHOUT ROWID table the order of its tree.
    pub primary_key: Vec<IndexKey>,
    /// What the PRIMARY KEY's conflict clause says (for the rowid's name and WITHOUT ROWID).
    pub primary_key_conflict: Option<ConflictClause>,
    /// `WITHOUT ROWID`.
    pub without_rowid: bool,
    /// `STRICT`.
    pub strict: bool,
    /// For each place of the stored record, which column it holds; virtual generated columns are in none.
    pub record_order: Vec<u16>,
    /// Its CHECK constraints in order.
    pub checks: Vec<Check>,
    /// Its foreign keys in order.
    pub foreign_keys: Vec<Arc<ForeignKey>>,
    /// Its indexes, newest first, as SQLite keeps them.
    pub indexes: Vec<Arc<Index>>,
    /// Its triggers, newest first, TEMP triggers of the connection included by whoever collects them.
    pub triggers: Vec<Arc<Trigger>>,
    /// From `sqlite_stat1`: how many rows it has, if that is known.
    pub rows: Option<u64>,
    /// The text that made it.
    pub sql: Box<str>,
}

/// What a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// One of the user's.
    Ordinary,
    /// `sqlite_schema`, which nobody writes.
    Schema,
    /// One that SQLite makes: `sqlite_sequence`, `sqlite_stat1`.
    System,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name as written.
    pub name: Box<str>,
    /// Its declared type as written.
    pub declared_type: Option<Box<str>>,
    /// What it prefers to store.
    pub affinity: Affinity,
    /// What a STRICT table's column takes.
    pub strict: Option<StrictType>,
    /// How its texts compare.
    pub collation: Collation,
    /// The collation's name if it is not known here.
    pub unknown_collation: Option<Box<str>>,
    /// `NOT NULL` with its conflict clause (also what a WITHOUT ROWID primary key implies).
    pub not_null: Option<Option<ConflictClause>>,
    /// `DEFAULT`.
    pub default: Option<Default>,
    /// `GENERATED ALWAYS AS`.
    pub generated: Option<GeneratedColumn>,
    /// Its place in the primary key, from 1; 0: none.
    pub primary_key_place: u16,
}

/// What a column is when nothing is said.
#[derive(Debug, Clone)]
pub struct Default {
    /// Its expression.
    pub expr: ast::Expr,
    /// As written.
    pub text: Box<str>,
}

/// A generated column.
#[derive(Debug, Clone)]
pub struct GeneratedColumn {
    /// Its expression over the table's columns.
    pub expr: ast::Expr,
    /// Whether it is in the record.
    pub stored: bool,
}

/// A CHECK constraint.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its name.
    pub name: Option<Box<str>>,
    /// Its expression over the table's columns.
    pub expr: ast::Expr,
    /// As written, which names it in messages if it has no name.
    pub text: Box<str>,
}

/// A foreign key of this (child) table.
#[derive(Debug, Clone)]
pub struct ForeignKey {
    /// This table's columns.
    pub columns: Vec<u16>,
    /// The parent's name.
    pub parent: Box<str>,
    /// The parent's columns; empty: its primary key.
    pub parent_columns: Vec<Box<str>>,
    /// `ON DELETE`.
    pub on_delete: ForeignKeyAction,
    /// `ON UPDATE`.
    pub on_update: ForeignKeyAction,
    /// When it is checked.
    pub deferral: Deferral,
    /// `MATCH` as written.
    pub matching: Option<Box<str>>,
}

impl Table {
    /// The position of a column, by name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Whether its rows have rowids.
    pub fn has_rowid(&self) -> bool {
        !self.without_rowid
    }
}
