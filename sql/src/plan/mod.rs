//! Plans: what a statement means, as trees of relations and expressions over numbered columns.
//!
//! The binder makes them, the optimizer's rules rewrite them, the executor runs them. It is one language from
//! beginning to end: a rule that chooses an index or a hash join fills in a field; a plan straight from the binder runs too, slowly.
//!
//! # Invariants
//! - P1: a [`ColumnId`] is made once in a statement and by one relation. An expression may use the columns of its relation's
//!   inputs and, for correlation, those of any relation around it; the latter it finds in registers.
//! - P2: what types do (affinity, collation) is decided by the binder and stands in the expression: nothing looks back at a column's
//!   declaration to compare two values.
//! - P3: expressions are evaluated lazily as SQLite does: CASE, coalesce, AND and OR evaluate no operand they need not; a subquery
//!   runs only when its value is asked for.

#![allow(missing_docs, reason = "the fields of a variant are named by what they hold")]

mod expr;
mod modify;
mod relation;
mod statement;
pub mod walk;

pub use expr::{
    AggregateCall, AggregateKind, Arithmetic, CompareOp, Comparison, Expr, Function, FunctionRef,
    InSet, Members, Subquery, SubqueryId, TriggerColumn,
};
pub use modify::{
    Action, ActionProgram, ChildKey, ColumnSource, Fired, ForeignKeys, Given, IndexRule, Insert,
    KeyLookup, Modification, ParentKey, Program, ProgramId, Rules, Step, Update, Upsert,
    UpsertTarget, UpsertUpdate, Write,
};
pub use relation::{
    Access, Bound, Frame, FrameBound, JoinAlgorithm, JoinKind, Relation, RowSource, Scan, SharedId,
    SortKey, WindowCall, WindowFunction,
};
pub use statement::{ColumnInfo, Origin, Query, Shared};
pub use walk::Visit;

/// A column of some relation in a statement (P1); also the number of its register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(pub u32);
