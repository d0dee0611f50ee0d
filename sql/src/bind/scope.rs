//! What names can mean at one level of a statement.
//!
//! # Invariant
//! - N1: columns of a source get their [`ColumnId`]s when they are first used, so that a scan reads nothing else.

use std::sync::Arc;

use crate::ast;
use crate::plan::{AggregateCall, ColumnId, Expr, TriggerColumn, WindowCall};
use crate::schema::{DatabaseIndex, Table};

/// One level: a SELECT's sources, or a row of a table.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// What FROM has brought so far, in order.
    pub(crate) sources: Vec<Source>,
    /// Columns merged by USING and NATURAL: name, and what it stands for.
    pub(crate) merged: Vec<Merged>,
    /// The rows of triggers and constraints.
    pub(crate) row: Option<RowScope>,
    /// The result's columns with an alias, which names may mean too.
    pub(crate) aliases: Vec<(Box<str>, ast::Expr)>,
    /// Aliases being looked into, so that none means itself.
    pub(crate) alias_depth: usize,
    /// What may stand here now.
    pub(crate) allows: Allows,
    /// Aggregates met, which are computed at this level.
    pub(crate) aggregates: Vec<(ColumnId, AggregateCall)>,
    /// Those written at this level itself, so that equal ones are computed once.
    pub(crate) written: Vec<(ast::FunctionCall, ColumnId)>,
    /// Whether it is known that rows are grouped here.
    pub(crate) aggregated: bool,
    /// Whether we are inside an aggregate's arguments at this level.
    pub(crate) in_aggregate: bool,
    /// Named windows.
    pub(crate) windows: Vec<(ast::Name, ast::Window)>,
    /// Window calls met, by their partition and order.
    pub(crate) calls: Vec<WindowGroup>,
}

/// Window calls over one definition.
#[derive(Debug)]
pub(crate) struct WindowGroup {
    /// As written, which tells equal ones.
    pub(crate) written: (Vec<ast::Expr>, Vec<ast::OrderTerm>),
    pub(crate) partition: Vec<crate::plan::SortKey>,
    pub(crate) order: Vec<crate::plan::SortKey>,
    pub(crate) calls: Vec<(ColumnId, WindowCall)>,
}

/// What an expression may have in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Allows {
    /// Neither aggregates nor window functions: WHERE, ON, GROUP BY.
    #[default]
    Values,
    /// Aggregates: HAVING.
    Aggregates,
    /// Both: results and ORDER BY.
    Windows,
}

/// A table, view, subquery or function in FROM.
#[derive(Debug)]
pub(crate) struct Source {
    /// What it is called: its alias or its own name.
    pub(crate) name: Box<str>,
    /// The database's name, if it is a table or view that was not renamed.
    pub(crate) database: Option<Box<str>>,
    /// Its columns in order, hidden ones last.
    pub(crate) columns: Vec<SourceColumn>,
    /// What it is.
    pub(crate) kind: SourceKind,
}

/// A column of a source.
#[derive(Debug)]
pub(crate) struct SourceColumn {
    pub(crate) name: Box<str>,
    /// Given when it is used (N1).
    pub(crate) id: Option<ColumnId>,
    /// Not among those of `*`.
    pub(crate) hidden: bool,
    /// A name that USING or NATURAL merged into one further left: found with the source's name only.
    pub(crate) merged: bool,
}

/// What a source is.
#[derive(Debug)]
pub(crate) enum SourceKind {
    /// A table.
    Table {
        database: DatabaseIndex,
        table: Arc<Table>,
        hint: ast::IndexHint,
        /// Columns used, by place in the table.
        used: Vec<(u16, ColumnId)>,
        /// The rowid, if used.
        rowid: Option<ColumnId>,
        /// Virtual generated columns used.
        generated: Vec<(ColumnId, Expr)>,
    },
    /// Whatever has its columns already.
    Bound,
    /// A table-valued function or pragma.
    Rows { used: Vec<(u16, ColumnId)>, types: Vec<Box<str>> },
}

/// A column that stands for several.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    pub(crate) name: Box<str>,
    /// The columns, from left to right: source and place.
    pub(crate) parts: Vec<(usize, usize)>,
    /// Whether the first that is not NULL counts (a RIGHT or FULL join is among them), else the first.
    pub(crate) coalesce: bool,
}

/// The rows of a table that names mean without any FROM.
#[derive(Debug, Clone)]
pub struct RowScope {
    /// The table.
    pub table: Arc<Table>,
    /// `new`, if there is one.
    pub new: bool,
    /// `old`, if there is one.
    pub old: bool,
    /// Which row a column without qualification is of; the table's name means it too.
    pub bare: Option<RowKind>,
}

/// One of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// As it was.
    Old,
    /// As it will be.
    New,
}

impl RowKind {
    /// A column of it; `None` is the rowid.
    pub(crate) fn column(self, column: Option<u16>) -> TriggerColumn {
        match self {
            RowKind::Old => TriggerColumn::Old(column),
            RowKind::New => TriggerColumn::New(column),
        }
    }
}

impl RowScope {
    /// The row being written, in CHECK, generated columns and index keys.
    pub fn of_row(table: Arc<Table>) -> RowScope {
        RowScope { table, new: false, old: false, bare: Some(RowKind::New) }
    }
}

impl Scope {
    pub(crate) fn of_row(row: RowScope) -> Scope {
        Scope { row: Some(row), ..Scope::default() }
    }
}

impl SourceColumn {
    pub(crate) fn new(name: impl Into<Box<str>>, id: Option<ColumnId>) -> SourceColumn {
        SourceColumn { name: name.into(), id, hidden: false, merged: false }
    }
}
