//! What INSERT, UPDATE and DELETE do: a query that gives rows, and what becomes of each.
//!
//! # Invariants
//! - D1: the expressions of a [`Rules`] use nothing but the row that is written, as [`Expr::Row`] of `NEW`; those of the
//!   rest of a [`Write`] use the columns of [`Given`] rows, and `OLD` and `NEW` of the trigger around, if there is one.
//! - D2: a [`Write`]'s source is a query of its own: its columns are numbered apart from those of the write's other expressions.

use std::sync::Arc;

use super::{ColumnId, ColumnInfo, Expr, Query, Shared};
use crate::ast::ConflictClause;
use crate::schema::{DatabaseIndex, Table};

/// A bound INSERT, UPDATE or DELETE with the programs of all triggers that it may lead to.
#[derive(Debug, Clone)]
pub struct Modification {
    /// The statement itself.
    pub write: Write,
    /// Triggers' programs, by [`ProgramId`].
    pub programs: Vec<Program>,
    /// The names of the columns of RETURNING; empty: it has none.
    pub names: Vec<Box<str>>,
    /// What is known of them.
    pub infos: Vec<ColumnInfo>,
    /// The number of parameters.
    pub parameters: u32,
}

/// The number of a program in its statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProgramId(pub usize);

/// What one statement writes, be it the user's or a trigger's.
#[derive(Debug, Clone)]
pub struct Write {
    /// In which database.
    pub database: DatabaseIndex,
    /// The table; of a view one with its columns and without rows.
    pub table: Arc<Table>,
    /// Whether it is a view, so that its triggers are all that happens.
    pub is_view: bool,
    /// What holds for each row.
    pub rules: Rules,
    /// What gives rows.
    pub source: Arc<Query>,
    /// Whether all rows are read before the first is written.
    pub collect: bool,
    /// What OR says, here or in the statement that a trigger belongs to.
    pub conflict: Option<ConflictClause>,
    /// The table's foreign keys, as child and as parent.
    pub foreign: ForeignKeys,
    /// Whether the source is one row, and no trigger is fired.
    pub single: bool,
    /// What is done with each row.
    pub action: Action,
    /// What RETURNING computes.
    pub returning: Vec<Expr>,
    /// The columns of the row that was written, which `returning` uses.
    pub returned: Given,
    /// What the expressions beside the source share.
    pub shared: Vec<Shared>,
}

/// Columns of a row as numbered columns: each with its place in the table, `None` the rowid.
pub type Given = Vec<(Option<u16>, ColumnId)>;

/// What is done with the rows of the source.
#[derive(Debug, Clone)]
pub enum Action {
    Insert(Box<Insert>),
    Update(Box<Update>),
    /// The source gives the rows' keys, or of a view its rows.
    Delete(Fired),
}

/// INSERT.
#[derive(Debug, Clone)]
pub struct Insert {
    /// For each column of the table, where its value comes from.
    pub columns: Vec<ColumnSource>,
    /// The source's column that is the rowid.
    pub rowid: Option<usize>,
    /// What is done instead where a row is in the way, in order.
    pub upserts: Vec<Upsert>,
    /// Triggers.
    pub triggers: Fired,
    /// Triggers of rows that REPLACE removes.
    pub replaced: Fired,
    /// The columns of the row in the way that upserts use.
    pub existing: Given,
    /// The columns of the row that was to be inserted.
    pub excluded: Given,
}

/// Where an inserted value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnSource {
    /// A column of the source.
    Source(usize),
    /// Its DEFAULT.
    Default,
    /// It is generated, or another name for the rowid.
    Computed,
}

/// One ON CONFLICT clause.
#[derive(Debug, Clone)]
pub struct Upsert {
    /// Which rows are meant.
    pub target: UpsertTarget,
    /// DO UPDATE; `None`: DO NOTHING.
    pub update: Option<UpsertUpdate>,
}

/// By what a row in the way is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpsertTarget {
    /// Anything.
    Any,
    /// The key of the table itself: the rowid, or the primary key of a WITHOUT ROWID table.
    Key,
    /// The table's index with this number.
    Index(usize),
}

/// DO UPDATE.
#[derive(Debug, Clone)]
pub struct UpsertUpdate {
    /// WHERE.
    pub filter: Option<Expr>,
    /// What is set to what.
    pub sets: Vec<(Option<u16>, Expr)>,
    /// Triggers.
    pub triggers: Fired,
}

/// UPDATE. The source gives the rows' keys, or of a view its rows, and then the values.
#[derive(Debug, Clone)]
pub struct Update {
    /// What is set: columns, `None` the rowid, each to the source's column after the key's.
    pub sets: Vec<Option<u16>>,
    /// How many of the source's columns are the key.
    pub key_columns: usize,
    /// Whether the source may give a row more than once.
    pub joined: bool,
    /// Triggers.
    pub triggers: Fired,
    /// Triggers of rows that REPLACE removes.
    pub replaced: Fired,
}

/// Triggers in the order in which they run.
#[derive(Debug, Clone, Default)]
pub struct Fired {
    /// BEFORE, and INSTEAD OF.
    pub before: Vec<ProgramId>,
    /// AFTER.
    pub after: Vec<ProgramId>,
}

impl Fired {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

/// What holds for each row of a table (D1).
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Generated columns, each after those that it uses.
    pub generated: Vec<(u16, Expr)>,
    /// For each column its DEFAULT, if it has one.
    pub defaults: Vec<Option<Expr>>,
    /// For each CHECK of the table its condition.
    pub checks: Vec<Expr>,
    /// For each index of the table what its entries are made of.
    pub indexes: Vec<IndexRule>,
}

/// What an index's entries are made of.
#[derive(Debug, Clone, Default)]
pub struct IndexRule {
    /// Which rows have one.
    pub filter: Option<Expr>,
    /// For each key its expression; `None`: a column.
    pub keys: Vec<Option<Expr>>,
}

/// What a trigger does.
#[derive(Debug, Clone)]
pub struct Program {
    /// The same for all programs of one trigger.
    pub trigger: usize,
    /// WHEN.
    pub when: Option<Expr>,
    /// The statements.
    pub steps: Vec<Step>,
    /// Whether it is what a foreign key says, which is done however deep.
    pub is_action: bool,
    /// Why it can't be run, if it is one that is needed only where foreign keys are enforced.
    pub problem: Option<Box<str>>,
}

/// A statement of a trigger.
#[derive(Debug, Clone)]
pub enum Step {
    /// INSERT, UPDATE, DELETE.
    Write(Box<Write>),
    /// SELECT, for what it calls.
    Query(Arc<Query>),
}

/// The foreign keys that a table takes part in.
#[derive(Debug, Clone, Default)]
pub struct ForeignKeys {
    /// Its own.
    pub children: Vec<ChildKey>,
    /// Those that refer to it.
    pub parents: Vec<ParentKey>,
}

impl ForeignKeys {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.children.is_empty() && self.parents.is_empty()
    }
}

/// A foreign key of the table that is written.
#[derive(Debug, Clone)]
pub struct ChildKey {
    /// The table's columns.
    pub columns: Vec<u16>,
    /// The table it refers to.
    pub parent: Option<Arc<Table>>,
    /// Where the parent's key is looked up.
    pub lookup: KeyLookup,
    /// The parent's columns.
    pub parent_columns: Vec<u16>,
    /// Whether the table refers to itself.
    pub is_self: bool,
    /// Whether it is checked at the commit.
    pub deferred: bool,
    /// What is wrong with it.
    pub problem: Option<Box<str>>,
}

/// Where a parent's key is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLookup {
    /// By rowid.
    Rowid,
    /// In a WITHOUT ROWID table's own tree.
    Primary,
    /// In the parent's index with this number.
    Index(usize),
}

/// A foreign key that refers to the table that is written.
#[derive(Debug, Clone)]
pub struct ParentKey {
    /// The table that has it.
    pub child: Arc<Table>,
    /// Whether that is the same table.
    pub is_self: bool,
    /// The child's columns.
    pub child_columns: Vec<u16>,
    /// The columns of the table that is written.
    pub columns: Vec<u16>,
    /// Whether it is checked at the commit.
    pub deferred: bool,
    /// What it says of deleted rows.
    pub on_delete: Option<ActionProgram>,
    /// What it says of changed rows.
    pub on_update: Option<ActionProgram>,
    /// What is wrong with it.
    pub problem: Option<Box<str>>,
}

/// What a foreign key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionProgram {
    /// The program.
    pub program: ProgramId,
    /// Whether it only refuses.
    pub restrict: bool,
}
