//! The syntax tree: one statement as written, owned, with names not yet looked up.
//!
//! [`crate::parse`] makes it, [`crate::schema`] keeps the trees of what the schema defines, the binder gives it meaning.
//!
//! # Invariants
//! - A1: names and literals are unquoted and unescaped; whether a name was in quotes is kept, because SQLite takes a
//!   double-quoted name that names nothing as a string.
//! - A2: the depth is limited by the parser (`SQLITE_LIMIT_EXPR_DEPTH`), so that plain recursion over a tree is safe.

#![allow(
    missing_docs,
    reason = "the fields of a variant are named as the grammar's diagrams name them"
)]

mod expr;
mod schema;
mod select;
mod statement;

pub use expr::{
    BinaryOp, Expr, FunctionCall, InSource, LikeOp, Literal, OrderTerm, Raise, UnaryOp, Window,
    WindowBound, WindowExclude, WindowFrame, WindowFrameKind, WindowRef,
};
pub use schema::{
    AlterTable, Column, ColumnConstraint, ConflictClause, CreateIndex, CreateTable, CreateTrigger,
    CreateView, Deferral, ForeignKey, ForeignKeyAction, Generated, IndexedColumn, TableBody,
    TableConstraint, TriggerEvent, TriggerTime,
};
pub use select::{
    CompoundOp, Cte, From, FromItem, IndexHint, Join, JoinConstraint, JoinKind, Limit,
    Materialized, ResultColumn, Select, SelectBody, SelectCore, With,
};
pub use statement::{
    Delete, Explain, Insert, InsertSource, PragmaValue, Set, Statement, TransactionKind, Update,
    Upsert, UpsertAction,
};

/// A name, unquoted (A1).
#[derive(Debug, Clone)]
pub struct Name {
    /// The name.
    pub text: Box<str>,
    /// Whether it was written in double quotes.
    pub double_quoted: bool,
}

impl Name {
    /// A name that was not quoted.
    pub fn new(text: impl Into<Box<str>>) -> Name {
        Name { text: text.into(), double_quoted: false }
    }

    /// Whether it is this name: ASCII case does not matter.
    pub fn is(&self, other: &str) -> bool {
        self.text.eq_ignore_ascii_case(other)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.is(&other.text)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// A name with the schema it is in, if that was said.
#[derive(Debug, Clone, PartialEq)]
pub struct QualifiedName {
    /// `main`, `temp`, or an attached database.
    pub schema: Option<Name>,
    /// The name itself.
    pub name: Name,
}

/// Where in the statement's text something stands: byte offsets, the end excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Its first byte.
    pub start: u32,
    /// The byte after it.
    pub end: u32,
}
