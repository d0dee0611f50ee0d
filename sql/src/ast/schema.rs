//! Definitions of tables, indexes, views and triggers, and what alters them.
//!
//! Expressions that SQLite quotes in messages or writes back into the schema carry the text they were written as.

use super::{Expr, Name, QualifiedName, Select, Statement};

/// `CREATE TABLE`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// `TEMP`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Its name.
    pub name: QualifiedName,
    /// What it is made of.
    pub body: TableBody,
}

/// What a table is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum TableBody {
    /// Columns and constraints.
    Columns {
        /// At least one.
        columns: Vec<Column>,
        /// Constraints of the table, with their names.
        constraints: Vec<(Option<Name>, TableConstraint)>,
        /// `WITHOUT ROWID`.
        without_rowid: bool,
        /// `STRICT`.
        strict: bool,
    },
    /// `AS SELECT ..`.
    Select(Box<Select>),
}

/// A column's definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: Name,
    /// Its declared type as written, if any, without `GENERATED ALWAYS`.
    pub declared_type: Option<Box<str>>,
    /// Its constraints in order, with their names.
    pub constraints: Vec<(Option<Name>, ColumnConstraint)>,
}

/// A constraint of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnConstraint {
    /// `PRIMARY KEY`.
    PrimaryKey { descending: bool, conflict: Option<ConflictClause>, autoincrement: bool },
    /// `NOT NULL`.
    NotNull { conflict: Option<ConflictClause> },
    /// `NULL`: no constraint.
    Null,
    /// `UNIQUE`.
    Unique { conflict: Option<ConflictClause> },
    /// `CHECK (..)`; `text` is what stands in the parentheses.
    Check { expr: Expr, text: Box<str> },
    /// `DEFAULT ..`; `text` as written, parentheses aside.
    Default { expr: Expr, text: Box<str> },
    /// `COLLATE name`.
    Collate(Name),
    /// `REFERENCES ..`.
    References(ForeignKey),
    /// `GENERATED ALWAYS AS (..)`.
    Generated(Generated),
}

/// A generated column's expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// What it is.
    pub expr: Expr,
    /// Whether it is stored.
    pub stored: bool,
}

/// A constraint of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum TableConstraint {
    /// `PRIMARY KEY (..)`.
    PrimaryKey {
        columns: Vec<IndexedColumn>,
        conflict: Option<ConflictClause>,
        autoincrement: bool,
    },
    /// `UNIQUE (..)`.
    Unique { columns: Vec<IndexedColumn>, conflict: Option<ConflictClause> },
    /// `CHECK (..)`.
    Check { expr: Expr, text: Box<str> },
    /// `FOREIGN KEY (..) REFERENCES ..`.
    ForeignKey { columns: Vec<Name>, key: ForeignKey },
}

/// A column or expression of an index or key, perhaps inside [`Expr::Collate`].
#[derive(Debug, Clone, PartialEq)]
pub struct IndexedColumn {
    /// The expression.
    pub expr: Expr,
    /// `DESC`.
    pub descending: bool,
}

/// What a foreign key refers to.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignKey {
    /// The parent table.
    pub table: Name,
    /// Its columns; empty: its primary key.
    pub columns: Vec<Name>,
    /// `ON DELETE`.
    pub on_delete: ForeignKeyAction,
    /// `ON UPDATE`.
    pub on_update: ForeignKeyAction,
    /// `MATCH name`, which SQLite takes and ignores.
    pub matching: Option<Name>,
    /// When it is checked.
    pub deferral: Deferral,
}

/// What a change of a parent does to its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForeignKeyAction {
    #[default]
    NoAction,
    Restrict,
    SetNull,
    SetDefault,
    Cascade,
}

/// When a foreign key is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deferral {
    /// At the end of each statement.
    #[default]
    Immediate,
    /// `DEFERRABLE INITIALLY DEFERRED`: at the commit.
    Deferred,
}

/// What happens when a constraint fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictClause {
    Rollback,
    Abort,
    Fail,
    Ignore,
    Replace,
}

/// `CREATE INDEX`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateIndex {
    /// `UNIQUE`.
    pub unique: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Its name.
    pub name: QualifiedName,
    /// The table it is on.
    pub table: Name,
    /// Its columns.
    pub columns: Vec<IndexedColumn>,
    /// `WHERE ..`.
    pub filter: Option<Expr>,
}

/// `CREATE VIEW`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// `TEMP`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Its name.
    pub name: QualifiedName,
    /// Its columns' names, if said.
    pub columns: Vec<Name>,
    /// Its query.
    pub select: Box<Select>,
}

/// `CREATE TRIGGER`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTrigger {
    /// `TEMP`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Its name.
    pub name: QualifiedName,
    /// When it runs.
    pub time: TriggerTime,
    /// At what.
    pub event: TriggerEvent,
    /// The table or view it is on.
    pub table: QualifiedName,
    /// `WHEN ..`.
    pub when: Option<Expr>,
    /// What it does: INSERT, UPDATE, DELETE, SELECT.
    pub commands: Vec<Statement>,
}

/// When a trigger runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerTime {
    Before,
    After,
    InsteadOf,
}

/// At what a trigger runs.
#[derive(Debug, Clone, PartialEq)]
pub enum TriggerEvent {
    /// A row is removed.
    Delete,
    /// A row is added.
    Insert,
    /// A row is changed; `of`: only if these columns are set. Empty: any.
    Update { of: Vec<Name> },
}

/// `ALTER TABLE`.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterTable {
    /// `RENAME TO`.
    RenameTo(Name),
    /// `RENAME COLUMN .. TO ..`.
    RenameColumn { from: Name, to: Name },
    /// `ADD COLUMN`; `text` is the definition as written.
    AddColumn { column: Column, text: Box<str> },
    /// `DROP COLUMN`.
    DropColumn(Name),
    /// `ADD CONSTRAINT`; `text` is the constraint as written.
    AddConstraint { name: Option<Name>, constraint: TableConstraint, text: Box<str> },
    /// `DROP CONSTRAINT`.
    DropConstraint(Name),
    /// `ALTER COLUMN .. SET NOT NULL`.
    SetNotNull { column: Name, conflict: Option<ConflictClause> },
    /// `ALTER COLUMN .. DROP NOT NULL`.
    DropNotNull(Name),
}
