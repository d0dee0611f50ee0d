//! A query's plan with what belongs to the whole statement.

use heddle_value::{Affinity, Collation};

use super::{ColumnId, Relation, SharedId};

/// A query, bound and perhaps optimized.
#[derive(Debug, Clone)]
pub struct Query {
    /// Its rows.
    pub relation: Relation,
    /// Its result's columns in order.
    pub columns: Vec<ColumnId>,
    /// Names of the result's columns.
    pub names: Vec<Box<str>>,
    /// Everything about each column of the statement, by [`ColumnId`].
    pub infos: Vec<ColumnInfo>,
    /// Relations that are read more than once, by [`SharedId`]; each may read those before it. The queue of a recursion has `None`.
    pub shared: Vec<Shared>,
    /// The number of parameters.
    pub parameters: u32,
}

/// A relation computed once (common table expressions that are used twice or marked MATERIALIZED).
#[derive(Debug, Clone)]
pub struct Shared {
    /// Which.
    pub id: SharedId,
    /// How it is computed; `None` for a recursion's queue, which [`Relation::Recursive`] fills.
    pub relation: Option<Relation>,
    /// Its columns in order.
    pub columns: Vec<ColumnId>,
    /// Computed once whatever a rule thinks of it (MATERIALIZED).
    pub keep: bool,
}

/// What is known of a column.
#[derive(Debug, Clone, Default)]
pub struct ColumnInfo {
    /// Its name.
    pub name: Box<str>,
    /// Its affinity, if it has one: columns and casts have, other expressions have none.
    pub affinity: Option<Affinity>,
    /// Its collation, if it has one.
    pub collation: Option<Collation>,
    /// Its declared type, as `sqlite3_column_decltype` gives it.
    pub declared_type: Option<Box<str>>,
    /// The table's column that it is.
    pub origin: Option<Origin>,
    /// Whether it can't be NULL.
    pub not_null: bool,
}

/// A table's column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The database's name.
    pub database: Box<str>,
    /// The table's name.
    pub table: Box<str>,
    /// The column's name.
    pub column: Box<str>,
}
