//! Expressions.

use heddle_value::Value;

use super::{ConflictClause, Name, QualifiedName, Select};

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Literal),
    /// A parameter: its number, from 1, and its name as written with the sign (`:name`, `@name`, `$name`), if it has one.
    Parameter { number: u32, name: Option<Box<str>> },
    /// `column`, `table.column`, `schema.table.column`.
    Column { schema: Option<Name>, table: Option<Name>, name: Name },
    /// An operator before its operand.
    Unary(UnaryOp, Box<Expr>),
    /// An operator between two. AND and OR chains are left-deep as written.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a LIKE b ESCAPE c` and its kin.
    Like { op: LikeOp, not: bool, left: Box<Expr>, pattern: Box<Expr>, escape: Option<Box<Expr>> },
    /// `a BETWEEN low AND high`.
    Between { not: bool, value: Box<Expr>, low: Box<Expr>, high: Box<Expr> },
    /// `a IN (...)`.
    In { not: bool, value: Box<Expr>, source: InSource },
    /// `a ISNULL`.
    IsNull(Box<Expr>),
    /// `a NOTNULL`, `a NOT NULL`.
    NotNull(Box<Expr>),
    /// `CASE base WHEN .. THEN .. ELSE .. END`.
    Case { base: Option<Box<Expr>>, arms: Vec<(Expr, Expr)>, otherwise: Option<Box<Expr>> },
    /// `CAST(a AS type)`.
    Cast { value: Box<Expr>, to: Box<str> },
    /// `a COLLATE name`.
    Collate(Box<Expr>, Name),
    /// A function's call; also `a -> b` and `a ->> b` as functions of these names.
    Function(Box<FunctionCall>),
    /// `(SELECT ..)` as a value.
    Subquery(Box<Select>),
    /// `EXISTS (SELECT ..)`.
    Exists(Box<Select>),
    /// `(a, b, ..)`, at least two. One in parentheses is only that expression inside [`Expr::Paren`].
    Row(Vec<Expr>),
    /// `(a)`: kept because it hides a column from being a bare name (`ORDER BY (1)`), and affinity rules see through it.
    Paren(Box<Expr>),
    /// `RAISE(..)`, in triggers.
    Raise(Raise),
}

/// A constant as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// NULL, a number, a string or a blob. A string in double quotes, TRUE and FALSE are [`Expr::Column`]s, which the binder tells apart.
    Value(Value),
    /// `CURRENT_DATE`.
    CurrentDate,
    /// `CURRENT_TIME`.
    CurrentTime,
    /// `CURRENT_TIMESTAMP`.
    CurrentTimestamp,
}

/// An operator before its operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOp {
    Not,
    Negate,
    Plus,
    BitNot,
}

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOp {
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// `IS`, also `IS NOT DISTINCT FROM`.
    Is,
    /// `IS NOT`, also `IS DISTINCT FROM`.
    IsNot,
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

/// A pattern operator; each is a function of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikeOp {
    Like,
    Glob,
    Match,
    Regexp,
}

/// What stands right of IN.
#[derive(Debug, Clone, PartialEq)]
pub enum InSource {
    /// A list, perhaps empty.
    List(Vec<Expr>),
    /// A subquery.
    Select(Box<Select>),
    /// A table or, with arguments, a table-valued function.
    Table(QualifiedName, Vec<Expr>),
}

/// A call of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionCall {
    /// Its name.
    pub name: Name,
    /// Its arguments.
    pub arguments: Vec<Expr>,
    /// `f(*)`.
    pub star: bool,
    /// `f(DISTINCT a)`.
    pub distinct: bool,
    /// `f(a ORDER BY b)`.
    pub order_by: Vec<OrderTerm>,
    /// `FILTER (WHERE a)`.
    pub filter: Option<Expr>,
    /// `OVER ..`.
    pub over: Option<WindowRef>,
}

/// One term of an ORDER BY.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderTerm {
    /// By what.
    pub expr: Expr,
    /// `DESC`.
    pub descending: bool,
    /// `NULLS FIRST` (true) or `NULLS LAST` (false), if said.
    pub nulls_first: Option<bool>,
}

/// What follows OVER.
#[derive(Debug, Clone, PartialEq)]
pub enum WindowRef {
    /// `OVER name`.
    Name(Name),
    /// `OVER (..)`.
    Window(Window),
}

/// A window's definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The window it extends.
    pub base: Option<Name>,
    /// `PARTITION BY`.
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`.
    pub order_by: Vec<OrderTerm>,
    /// The frame, if one was written.
    pub frame: Option<WindowFrame>,
}

/// A frame.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowFrame {
    /// In what it counts.
    pub kind: WindowFrameKind,
    /// Where it starts.
    pub start: WindowBound,
    /// Where it ends; the current row if not said.
    pub end: WindowBound,
    /// What is left out of it.
    pub exclude: WindowExclude,
}

/// In what a frame counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowFrameKind {
    Rows,
    Range,
    Groups,
}

/// One end of a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum WindowBound {
    UnboundedPreceding,
    Preceding(Box<Expr>),
    CurrentRow,
    Following(Box<Expr>),
    UnboundedFollowing,
}

/// What a frame leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowExclude {
    NoOthers,
    CurrentRow,
    Group,
    Ties,
}

/// `RAISE(..)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Raise {
    /// What becomes of the statement: [`ConflictClause::Ignore`], `Rollback`, `Abort` or `Fail`.
    pub action: ConflictClause,
    /// The message, if not IGNORE.
    pub message: Option<Box<Expr>>,
}
