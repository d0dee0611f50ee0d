//! Expressions of a plan.

use std::sync::Arc;

use heddle_functions::{AggregateFunction, ScalarFunction};
use heddle_value::{Affinity, Collation, Value};

use super::{ColumnId, Relation, SortKey};
use crate::ast::{ConflictClause, LikeOp};

/// An expression over columns.
#[derive(Debug, Clone)]
pub enum Expr {
    /// A constant.
    Constant(Value),
    /// A parameter, from 0.
    Parameter(u32),
    /// A column of an input, or of a relation around this one.
    Column(ColumnId),
    /// `OLD.x` or `NEW.x` in a trigger's program, a row under construction in CHECK, generated and index expressions.
    Row(TriggerColumn),
    /// Arithmetic, bits, concatenation.
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// `-a`.
    Negate(Box<Expr>),
    /// `~a`.
    BitNot(Box<Expr>),
    /// NOT.
    Not(Box<Expr>),
    /// AND of two or more, from left to right.
    And(Vec<Expr>),
    /// OR of two or more, from left to right.
    Or(Vec<Expr>),
    /// `a = b` and its kin.
    Compare(Box<Comparison>),
    /// `(a, b) < (c, d)`, compared from left to right; for IS and IS NOT too.
    CompareRows(CompareOp, Vec<Comparison>),
    /// `a BETWEEN low AND high`; `a` is evaluated once. Both comparisons have `a` as their left side's copy.
    Between { value: Box<Expr>, low: Box<Comparison>, high: Box<Comparison>, not: bool },
    /// `a IS TRUE` (`wanted`), `a IS FALSE`; `not`: negated.
    IsTruth { value: Box<Expr>, wanted: bool, not: bool },
    /// `a ISNULL`.
    IsNull(Box<Expr>),
    /// `a NOTNULL`.
    NotNull(Box<Expr>),
    /// `a IN (..)`, also of row values.
    In(Box<InSet>),
    /// LIKE, GLOB, with perhaps an escape; MATCH and REGEXP are plain functions.
    Like { op: LikeOp, value: Box<Expr>, pattern: Box<Expr>, escape: Option<Box<Expr>>, not: bool },
    /// CASE. With a base each arm's first part is the comparison of it and a copy of the base, and the base is evaluated once.
    Case { base: Option<Box<Expr>>, arms: Vec<(Expr, Expr)>, otherwise: Option<Box<Expr>> },
    /// CAST.
    Cast(Box<Expr>, Affinity),
    /// An affinity applied, as storing into such a column would.
    Apply(Box<Expr>, Affinity),
    /// `a COLLATE x` where it still matters to who asks for the collation; its value is that of `a`.
    Collate(Box<Expr>, Collation),
    /// A function of values.
    Function(Box<Function>),
    /// `(SELECT ..)`: the first row's only column, NULL without rows.
    Subquery(Box<Subquery>),
    /// `EXISTS (SELECT ..)`.
    Exists(Box<Subquery>),
    /// Column `.1` of the first row of a subquery of several columns, which row values are made of; copies with the same
    /// [`SubqueryId`] run once for one row.
    SubqueryColumn(Box<Subquery>, usize),
    /// RAISE: the message's expression if there is one.
    Raise(ConflictClause, Option<Box<Expr>>),
}

/// A column of the row around an expression without relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TriggerColumn {
    /// Of the row as it was; the index is the table's column, `None` the rowid.
    Old(Option<u16>),
    /// Of the row as it will be.
    New(Option<u16>),
}

/// Arithmetic on two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Concat,
    BitAnd,
    BitOr,
    ShiftLeft,
    ShiftRight,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// Equal, where two NULLs are, and the answer is never NULL.
    Is,
    /// The contrary of `Is`.
    IsNot,
}

/// A comparison with all that decides it (P2).
#[derive(Debug, Clone)]
pub struct Comparison {
    /// How.
    pub op: CompareOp,
    /// The left value.
    pub left: Expr,
    /// The right value.
    pub right: Expr,
    /// What is applied to the left value before, if anything.
    pub left_affinity: Option<Affinity>,
    /// What is applied to the right value before, if anything.
    pub right_affinity: Option<Affinity>,
    /// How texts compare.
    pub collation: Collation,
}

/// `a IN (..)`.
#[derive(Debug, Clone)]
pub struct InSet {
    /// The left side: one expression, or the parts of a row value.
    pub values: Vec<Expr>,
    /// For each part, what is applied to the left value before comparing (and for a subquery, to both sides).
    pub affinities: Vec<Option<Affinity>>,
    /// For each part, how texts compare.
    pub collations: Vec<Collation>,
    /// What it is sought in.
    pub set: Members,
    /// NOT IN.
    pub not: bool,
}

/// What stands right of IN.
#[derive(Debug, Clone)]
pub enum Members {
    /// Expressions.
    List(Vec<Expr>),
    /// The rows of a query of as many columns as the left side has parts.
    Query(Box<Subquery>),
}

/// A subquery's number in its statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubqueryId(pub u32);

/// A query inside an expression.
#[derive(Debug, Clone)]
pub struct Subquery {
    /// Which it is.
    pub id: SubqueryId,
    /// What it reads.
    pub relation: Relation,
    /// Its columns in order.
    pub columns: Vec<ColumnId>,
    /// Columns of relations around it which it uses. Empty: it gives the same for the whole statement (if `stable`), and runs once.
    pub outer: Vec<ColumnId>,
    /// Whether it calls nothing like random(), so that it may be kept.
    pub stable: bool,
}

/// The call of a scalar function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Which.
    pub function: FunctionRef,
    /// Its arguments.
    pub arguments: Vec<Expr>,
    /// How its arguments compare, for `min`, `max`, `nullif`.
    pub collation: Collation,
}

/// A scalar function. Those that evaluate lazily have variants of their own (P3).
#[derive(Debug, Clone)]
pub enum FunctionRef {
    /// One that is built in.
    BuiltIn(&'static ScalarFunction),
    /// `coalesce`, `ifnull`: the first argument that is not NULL.
    Coalesce,
    /// `iif`/`if`: condition, value, condition, value, .., otherwise.
    Iif,
    /// `likelihood`, `likely`, `unlikely`: the first argument.
    First,
    /// A user's.
    User(Arc<crate::session::UserFunction>),
}

/// The call of an aggregate function, as aggregate or over a window.
#[derive(Debug, Clone)]
pub struct AggregateCall {
    /// Which.
    pub function: AggregateKind,
    /// Its arguments; none for `count(*)`.
    pub arguments: Vec<Expr>,
    /// Each different argument once, by this collation; then there is exactly one argument, or a separator constant after it.
    pub distinct: bool,
    /// FILTER.
    pub filter: Option<Expr>,
    /// ORDER BY among the arguments.
    pub order_by: Vec<SortKey>,
    /// How its arguments compare, for `min`, `max`, DISTINCT.
    pub collation: Collation,
}

/// An aggregate function.
#[derive(Debug, Clone)]
pub enum AggregateKind {
    /// One that is built in.
    BuiltIn(&'static AggregateFunction),
    /// A user's.
    User(Arc<crate::session::UserAggregate>),
}
