//! Queries.

use super::{Expr, Name, OrderTerm, QualifiedName, Window};

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// `WITH ..`.
    pub with: Option<With>,
    /// One core, or several combined from left to right.
    pub body: SelectBody,
    /// `ORDER BY`.
    pub order_by: Vec<OrderTerm>,
    /// `LIMIT`.
    pub limit: Option<Limit>,
}

/// The cores of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectBody {
    /// The first.
    pub first: SelectCore,
    /// Those combined with it, in order.
    pub rest: Vec<(CompoundOp, SelectCore)>,
}

/// How two cores combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompoundOp {
    Union,
    UnionAll,
    Except,
    Intersect,
}

/// One SELECT or VALUES.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "VALUES is the rare case")]
pub enum SelectCore {
    /// `SELECT ..`.
    Select {
        /// `DISTINCT`.
        distinct: bool,
        /// The result's columns.
        columns: Vec<ResultColumn>,
        /// `FROM`.
        from: Option<From>,
        /// `WHERE`.
        filter: Option<Expr>,
        /// `GROUP BY`.
        group_by: Vec<Expr>,
        /// `HAVING`.
        having: Option<Expr>,
        /// `WINDOW name AS (..)`.
        windows: Vec<(Name, Window)>,
    },
    /// `VALUES (..), (..)`: at least one row, all of the same length.
    Values(Vec<Vec<Expr>>),
}

/// One column of a result.
#[derive(Debug, Clone, PartialEq)]
pub enum ResultColumn {
    /// An expression; `text` is how it was written, which names it if nothing else does.
    Expr { expr: Expr, alias: Option<Name>, text: Box<str> },
    /// `*`.
    Star,
    /// `table.*`.
    TableStar(Name),
}

/// A FROM clause: a first item and those joined to it, from left to right.
#[derive(Debug, Clone, PartialEq)]
pub struct From {
    /// The first.
    pub first: FromItem,
    /// The others.
    pub joins: Vec<Join>,
}

/// One item of a FROM clause.
#[derive(Debug, Clone, PartialEq)]
pub enum FromItem {
    /// A table, view or CTE.
    Table { name: QualifiedName, alias: Option<Name>, hint: IndexHint },
    /// A table-valued function.
    Function { name: QualifiedName, arguments: Vec<Expr>, alias: Option<Name> },
    /// A subquery.
    Select { select: Box<Select>, alias: Option<Name> },
    /// `(a JOIN b)`.
    Join { from: Box<From>, alias: Option<Name> },
}

/// Which index a table's use may take.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum IndexHint {
    /// Any.
    #[default]
    None,
    /// This one or fail.
    IndexedBy(Name),
    /// None.
    NotIndexed,
}

/// An item joined to those before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// How.
    pub kind: JoinKind,
    /// `NATURAL`.
    pub natural: bool,
    /// The item.
    pub item: FromItem,
    /// On what.
    pub constraint: JoinConstraint,
}

/// The kinds of joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// `,` or `JOIN`, `INNER JOIN`.
    Inner,
    /// `CROSS JOIN`: inner, and the planner keeps the order.
    Cross,
    /// `LEFT JOIN`.
    Left,
    /// `RIGHT JOIN`.
    Right,
    /// `FULL JOIN`.
    Full,
}

/// On what a join joins.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinConstraint {
    /// Nothing.
    None,
    /// `ON ..`.
    On(Expr),
    /// `USING (..)`.
    Using(Vec<Name>),
}

/// `LIMIT count OFFSET offset`.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// How many rows; negative: all.
    pub count: Expr,
    /// How many to skip before.
    pub offset: Option<Expr>,
}

/// `WITH ..`.
#[derive(Debug, Clone, PartialEq)]
pub struct With {
    /// `RECURSIVE`.
    pub recursive: bool,
    /// The common table expressions.
    pub ctes: Vec<Cte>,
}

/// A common table expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Cte {
    /// Its name.
    pub name: Name,
    /// Its columns' names, if said.
    pub columns: Vec<Name>,
    /// `[NOT] MATERIALIZED`.
    pub materialized: Materialized,
    /// Its query.
    pub select: Box<Select>,
}

/// Whether a common table expression is computed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Materialized {
    Any,
    Yes,
    No,
}
