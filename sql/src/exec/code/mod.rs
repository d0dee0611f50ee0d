//! Compiled expressions.
//!
//! A [`Code`] is a [`plan::Expr`](crate::plan::Expr) whose columns are resolved: to a slot of the input's batches, or to a register, where a
//! relation around left its value. It is evaluated for one row (`scalar`), which is all of the language, or for all rows of a
//! batch (`vectors`), where the usual operators have loops over typed columns of their own.
//!
//! Both are synchronous. Where the value of a subquery is wanted that is not known yet, evaluation stops with
//! [`Stop::Need`]; who evaluates (see `evaluate`) runs the subquery and evaluates again.
//!
//! # Invariants
//! - C1: batch and row give the same values; for a batch an error of any of its rows is one of the batch.
//! - C2: an operand that need not be evaluated for a row is not (P3 of [`crate::plan`]): the vectorised AND and OR evaluate
//!   what follows on the rows that still need it.

mod compare;
mod compile;
mod evaluate;
mod patterns;
mod scalar;
mod vectors;

pub(crate) use compare::{CompareNode, InNode, InSource, InTable, applied};
pub(crate) use evaluate::{evaluate_batch, evaluate_row, filter, try_row};

use heddle_functions::ScalarFunction;
use heddle_value::{Affinity, Collation, Value};
use std::sync::Arc;

use super::Batch;
use crate::Error;
use crate::ast::{ConflictClause, LikeOp};
use crate::plan::{Arithmetic, ColumnId, CompareOp, TriggerColumn};
use crate::session::UserFunction;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) node: Node,
    /// How deep its tree is, for the stack.
    pub(crate) depth: usize,
    /// What subqueries it uses.
    pub(crate) subqueries: Subqueries,
}

/// What subqueries an expression uses, which says how it is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Subqueries {
    /// None.
    #[default]
    None,
    /// Only such as give the same for all rows.
    Constant,
    /// Some that may give something else for each row.
    Varying,
}

/// Why an evaluation stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The subquery with this index is to be run with the values in [`super::context::State::pending`].
    Need(usize),
    /// The expression failed.
    Failed(Box<Error>),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(Box::new(error))
    }
}

impl From<heddle_functions::FunctionError> for Stop {
    fn from(error: heddle_functions::FunctionError) -> Stop {
        Stop::from(Error::from(error))
    }
}

/// What evaluating gives.
pub(crate) type Evaluated<T> = Result<T, Stop>;

/// The row an expression is evaluated for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Row<'a> {
    /// One of a batch.
    Batch(&'a Batch, usize),
    /// Values by slot.
    Values(&'a [Value]),
}

impl Row<'_> {
    #[inline]
    fn get(&self, slot: usize) -> Value {
        match self {
            Row::Batch(batch, row) => batch.value(slot, *row),
            Row::Values(values) => values.get(slot).cloned().unwrap_or_default(),
        }
    }
}

/// A node of a compiled expression; the variants are those of [`crate::plan::Expr`].
#[derive(Debug)]
pub(crate) enum Node {
    Constant(Value),
    Parameter(usize),
    /// A column of the input.
    Slot(usize),
    /// A column of a relation around.
    Register(ColumnId),
    Image(TriggerColumn),
    Arithmetic(Arithmetic, Box<[Node; 2]>),
    Negate(Box<Node>),
    BitNot(Box<Node>),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Compare(Box<CompareNode>),
    CompareRows(CompareOp, Vec<CompareNode>),
    /// The left sides of both comparisons are not evaluated: `value` is.
    Between {
        value: Box<Node>,
        low: Box<CompareNode>,
        high: Box<CompareNode>,
        not: bool,
    },
    IsTruth {
        value: Box<Node>,
        wanted: bool,
        not: bool,
    },
    IsNull(Box<Node>),
    NotNull(Box<Node>),
    In(Box<InNode>),
    Like(Box<LikeNode>),
    /// Conditions with their results.
    Case {
        arms: Vec<(Node, Node)>,
        otherwise: Option<Box<Node>>,
    },
    /// Values that a base is compared with, with their results; the left sides are not evaluated.
    CaseOf {
        base: Box<Node>,
        arms: Vec<(CompareNode, Node)>,
        otherwise: Option<Box<Node>>,
    },
    Cast(Box<Node>, Affinity),
    Apply(Box<Node>, Affinity),
    Call(&'static ScalarFunction, Collation, Vec<Node>),
    UserCall(Arc<UserFunction>, Vec<Node>),
    Coalesce(Vec<Node>),
    Iif(Vec<Node>),
    /// A column of a subquery's first row.
    Subquery {
        index: usize,
        outer: Vec<Node>,
        column: usize,
    },
    Exists {
        index: usize,
        outer: Vec<Node>,
    },
    Raise(ConflictClause, Option<Box<Node>>),
}

/// LIKE or GLOB.
#[derive(Debug)]
pub(crate) struct LikeNode {
    pub(crate) op: LikeOp,
    pub(crate) value: Node,
    pub(crate) pattern: Node,
    pub(crate) escape: Option<Node>,
    pub(crate) not: bool,
    /// Where the ready pattern is kept in the state.
    pub(crate) cache: usize,
}
