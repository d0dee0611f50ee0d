//! Indexes.

use heddle_value::Collation;

use crate::ast::{self, ConflictClause};

/// An index.
#[derive(Debug, Clone)]
pub struct Index {
    /// Its name.
    pub name: Box<str>,
    /// Its tree.
    pub tree: heddle_engine::raw::Tree,
    /// What it is by, in order.
    pub keys: Vec<IndexKey>,
    /// Columns after those that name the row of a WITHOUT ROWID table; with rowids the rowid follows.
    pub row_keys: Vec<IndexKey>,
    /// Whether it lets no two rows have the same keys.
    pub unique: bool,
    /// What the constraint that made it says of conflicts.
    pub conflict: Option<ConflictClause>,
    /// The condition of a partial index.
    pub filter: Option<ast::Expr>,
    /// What made it.
    pub origin: IndexOrigin,
    /// The text that made it, if `CREATE INDEX` did.
    pub sql: Option<Box<str>>,
    /// From `sqlite_stat1`: rows, then for each number of first columns how many rows share them. Empty: not known.
    pub statistics: Vec<u64>,
}

/// What made an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "their names say it")]
pub enum IndexOrigin {
    CreateIndex,
    Unique,
    PrimaryKey,
}

/// One key of an index.
#[derive(Debug, Clone)]
pub struct IndexKey {
    /// The table's column; `None` if it is an expression.
    pub column: Option<u16>,
    /// The expression, if it is one.
    pub expr: Option<ast::Expr>,
    /// How its texts are ordered.
    pub collation: Collation,
    /// The collation's name if it is not known here: then its tree is not ordered either.
    pub unknown_collation: Option<Box<str>>,
    /// Largest first.
    pub descending: bool,
}
