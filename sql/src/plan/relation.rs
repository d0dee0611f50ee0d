//! Relations: trees of operators, each giving rows of numbered columns.

use std::sync::Arc;

use heddle_functions::TableFunction;
use heddle_value::Collation;

use super::{AggregateCall, ColumnId, Expr};
use crate::ast::{CompoundOp, WindowExclude, WindowFrameKind};
use crate::schema::{DatabaseIndex, Index, Table};

/// An operator with its inputs.
#[derive(Debug, Clone)]
pub enum Relation {
    /// One row without columns.
    Unit,
    /// No rows.
    Empty,
    /// Rows of expressions.
    Values {
        /// Its columns.
        columns: Vec<ColumnId>,
        /// Each as many expressions as columns.
        rows: Vec<Vec<Expr>>,
    },
    /// A table's rows.
    Scan(Box<Scan>),
    /// A table-valued function's rows, or a pragma's.
    Rows {
        /// Which.
        source: RowSource,
        /// Its arguments; may use columns of relations to its left in a join.
        arguments: Vec<Expr>,
        /// Which of its columns are used (hidden ones after the others), and as what.
        columns: Vec<(u16, ColumnId)>,
    },
    /// The rows for which all predicates are true.
    Filter {
        /// Of what.
        input: Box<Relation>,
        /// From left to right.
        predicates: Vec<Expr>,
    },
    /// Columns computed; exactly these are given on. A column may be passed on under its own number.
    Project {
        /// Of what.
        input: Box<Relation>,
        /// The columns.
        columns: Vec<(ColumnId, Expr)>,
    },
    /// Pairs of rows.
    Join {
        /// How.
        kind: JoinKind,
        /// The left input.
        left: Box<Relation>,
        /// The right input. With a nested loop it may use the left's columns anywhere inside (P1).
        right: Box<Relation>,
        /// Which pairs match; for an outer join this is ON alone.
        on: Vec<Expr>,
        /// Chosen by the planner.
        algorithm: JoinAlgorithm,
        /// Whether the written order is kept (CROSS JOIN).
        keep_order: bool,
    },
    /// Groups. Gives its group columns, its aggregates' and its bare ones.
    Aggregate {
        /// Of what.
        input: Box<Relation>,
        /// By what; with how texts are equal. None: all rows are one group, even of no rows.
        groups: Vec<(ColumnId, Expr, Collation)>,
        /// The aggregates.
        aggregates: Vec<(ColumnId, AggregateCall)>,
        /// Columns which are neither: their value is that of the group's first row; with a `min` or `max` among the aggregates, of
        /// the row that has it (the last of several decides).
        bare: Vec<(ColumnId, Expr)>,
        /// Whether the input comes in the order of the groups, so that each ends when the next begins.
        ordered: bool,
    },
    /// Window functions over one definition of partition and order: the input's rows, each with these columns beside.
    Window {
        /// Of what.
        input: Box<Relation>,
        /// By what it is parted.
        partition: Vec<SortKey>,
        /// The order within a partition.
        order: Vec<SortKey>,
        /// The calls.
        calls: Vec<(ColumnId, WindowCall)>,
    },
    /// Each different row once, in the order of first coming.
    Distinct {
        /// Of what.
        input: Box<Relation>,
        /// What makes rows different: these columns.
        columns: Vec<(ColumnId, Collation)>,
    },
    /// The rows in order; equal ones as they came.
    Sort {
        /// Of what.
        input: Box<Relation>,
        /// By what.
        keys: Vec<SortKey>,
        /// If only so many first rows are asked for: count and offset of the LIMIT above.
        top: Option<Box<(Expr, Option<Expr>)>>,
    },
    /// Some of the rows.
    Limit {
        /// Of what.
        input: Box<Relation>,
        /// How many; negative: all.
        count: Expr,
        /// How many to skip before.
        offset: Option<Expr>,
    },
    /// UNION ALL: rows of all, one input after the other; the others: sets.
    Compound {
        /// How.
        op: CompoundOp,
        /// The left input and its columns in order.
        left: (Box<Relation>, Vec<ColumnId>),
        /// The right input and its columns in order.
        right: (Box<Relation>, Vec<ColumnId>),
        /// The columns given, and how texts are equal.
        columns: Vec<(ColumnId, Collation)>,
    },
    /// A relation of [`super::Query::shared`], computed once and read perhaps often.
    Shared {
        /// Which.
        id: SharedId,
        /// For each of its columns, as what it is given here.
        columns: Vec<ColumnId>,
    },
    /// A recursive common table expression: the rows of `initial`, then those of `step` for each row.
    Recursive {
        /// The queue that `step` reads a row of, as [`Relation::Shared`].
        queue: SharedId,
        /// The first rows and their columns.
        initial: (Box<Relation>, Vec<ColumnId>),
        /// The rows that one row leads to, and their columns.
        step: (Box<Relation>, Vec<ColumnId>),
        /// The columns given, and how texts are equal.
        columns: Vec<(ColumnId, Collation)>,
        /// UNION: no row twice.
        distinct: bool,
        /// In what order rows leave the queue (over `columns`); none: first in, first out.
        order: Vec<SortKey>,
        /// LIMIT and OFFSET.
        limit: Option<Box<(Expr, Option<Expr>)>>,
    },
}

/// A relation that several read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SharedId(pub u32);

/// A table's use.
#[derive(Debug, Clone)]
pub struct Scan {
    /// In which attached database.
    pub database: DatabaseIndex,
    /// The table.
    pub table: Arc<Table>,
    /// Which columns are used, and as what.
    pub columns: Vec<(u16, ColumnId)>,
    /// As what the rowid is given, if used.
    pub rowid: Option<ColumnId>,
    /// How rows are found; chosen by the planner.
    pub access: Access,
    /// From the largest to the smallest.
    pub backward: bool,
    /// What `INDEXED BY` names, or that `NOT INDEXED` was said.
    pub hint: crate::ast::IndexHint,
    /// What the plan calls it (`alias`).
    pub label: Box<str>,
}

/// How the rows of a table are found. A predicate served by an access path is no longer in a filter.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// All, in the order of the table's tree.
    #[default]
    Full,
    /// By rowid.
    Rowid(Bound),
    /// By the primary key of a WITHOUT ROWID table, or an index.
    Index {
        /// Which; `None`: the primary key of a WITHOUT ROWID table.
        index: Option<Arc<Index>>,
        /// Values of the first columns, each equal to an expression. Affinities are already applied by the expressions.
        equal: Vec<Expr>,
        /// Whether `IS`, so that NULL is found, for each.
        is: Vec<bool>,
        /// The range of the column after those.
        range: Bound,
        /// All used columns are in the index: the table is not read.
        covering: bool,
    },
    /// Each of these, rows found twice given once (OR, IN), in no order.
    Union(Vec<Access>),
    /// For each of an IN's values, in order without repetition, the access with [`ColumnId`]'s register set to it.
    Each {
        /// The register.
        column: ColumnId,
        /// The values.
        set: Box<super::InSet>,
        /// What is done with each.
        access: Box<Access>,
    },
}

/// Limits of a range of one column. NULL in a limit: no rows. An index range without lower limit starts after the NULLs.
#[derive(Debug, Clone, Default)]
pub struct Bound {
    /// The smallest, and whether it is included.
    pub low: Option<(Expr, bool)>,
    /// The largest, and whether it is included.
    pub high: Option<(Expr, bool)>,
}

/// What gives rows without being a table.
#[derive(Debug, Clone)]
pub enum RowSource {
    /// A table-valued function.
    Function(&'static TableFunction),
    /// A pragma used as a table, by name; the pragma's module knows its columns.
    Pragma(Box<str>),
}

/// The kinds of joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// Matching pairs.
    Inner,
    /// And left rows without match, with NULLs.
    Left,
    /// And right rows without match.
    Right,
    /// Both.
    Full,
    /// Left rows with a match, once.
    Semi,
    /// Left rows without match.
    Anti,
}

/// How a join is computed.
#[derive(Debug, Clone, Default)]
pub enum JoinAlgorithm {
    /// For each left row the right side runs anew, with the left's columns in registers.
    #[default]
    Loop,
    /// The right side once into a hash table. `keys`: pairs of left and right comparison sides, served by the table and no longer in `on`.
    Hash {
        /// The equalities.
        keys: Vec<super::Comparison>,
    },
}

/// One key of an order.
#[derive(Debug, Clone)]
pub struct SortKey {
    /// By what.
    pub expr: Expr,
    /// Largest first.
    pub descending: bool,
    /// NULLs first; SQLite's default is first when ascending, last when descending.
    pub nulls_first: bool,
    /// How texts compare.
    pub collation: Collation,
}

/// A call over a window.
#[derive(Debug, Clone)]
pub struct WindowCall {
    /// What is called.
    pub function: WindowFunction,
    /// The frame.
    pub frame: Frame,
}

/// What can be called over a window.
#[derive(Debug, Clone)]
pub enum WindowFunction {
    Aggregate(AggregateCall),
    RowNumber,
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
    Ntile(Expr),
    /// Value, offset, default.
    Lag(Expr, Option<Expr>, Option<Expr>),
    Lead(Expr, Option<Expr>, Option<Expr>),
    FirstValue(Expr),
    LastValue(Expr),
    NthValue(Expr, Expr),
}

/// A frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// In what it counts.
    pub kind: WindowFrameKind,
    /// Where it starts.
    pub start: FrameBound,
    /// Where it ends.
    pub end: FrameBound,
    /// What it leaves out.
    pub exclude: WindowExclude,
}

/// One end of a frame.
#[derive(Debug, Clone)]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}
