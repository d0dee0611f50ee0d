//! Statements.

use super::{
    AlterTable, ConflictClause, CreateIndex, CreateTable, CreateTrigger, CreateView, Expr, From,
    IndexHint, IndexedColumn, Limit, Name, OrderTerm, QualifiedName, ResultColumn, Select, With,
};

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    Select(Box<Select>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    CreateTable(Box<CreateTable>),
    CreateIndex(Box<CreateIndex>),
    CreateView(Box<CreateView>),
    CreateTrigger(Box<CreateTrigger>),
    /// `CREATE VIRTUAL TABLE`, which is refused with the module's name.
    CreateVirtualTable {
        if_not_exists: bool,
        name: QualifiedName,
        module: Name,
        arguments: Vec<Box<str>>,
    },
    AlterTable {
        table: QualifiedName,
        change: Box<AlterTable>,
    },
    DropTable {
        if_exists: bool,
        name: QualifiedName,
    },
    DropIndex {
        if_exists: bool,
        name: QualifiedName,
    },
    DropView {
        if_exists: bool,
        name: QualifiedName,
    },
    DropTrigger {
        if_exists: bool,
        name: QualifiedName,
    },
    Begin(TransactionKind),
    /// Also `END`.
    Commit,
    /// `ROLLBACK`, or `ROLLBACK TO name`.
    Rollback {
        to: Option<Name>,
    },
    Savepoint(Name),
    Release(Name),
    Pragma {
        schema: Option<Name>,
        name: Name,
        value: Option<PragmaValue>,
    },
    Attach {
        file: Box<Expr>,
        name: Box<Expr>,
        key: Option<Box<Expr>>,
    },
    Detach(Box<Expr>),
    Analyze(Option<QualifiedName>),
    Reindex(Option<QualifiedName>),
    Vacuum {
        schema: Option<Name>,
        into: Option<Box<Expr>>,
    },
    Explain(Explain, Box<Statement>),
}

/// What is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explain {
    /// `EXPLAIN`: the program.
    Program,
    /// `EXPLAIN QUERY PLAN`.
    QueryPlan,
}

/// How a transaction begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransactionKind {
    #[default]
    Deferred,
    Immediate,
    Exclusive,
    Concurrent,
}

/// What a pragma is given.
#[derive(Debug, Clone, PartialEq)]
pub enum PragmaValue {
    /// `= value`.
    Equals(Expr),
    /// `(value)`.
    Call(Expr),
}

/// `INSERT` or `REPLACE`.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// `WITH ..`.
    pub with: Option<With>,
    /// `OR ..`.
    pub conflict: Option<ConflictClause>,
    /// The table.
    pub table: QualifiedName,
    /// `AS alias`.
    pub alias: Option<Name>,
    /// The columns given; empty: all.
    pub columns: Vec<Name>,
    /// The rows.
    pub source: InsertSource,
    /// `ON CONFLICT ..`, in order.
    pub upserts: Vec<Upsert>,
    /// `RETURNING ..`.
    pub returning: Vec<ResultColumn>,
}

/// The rows of an INSERT.
#[derive(Debug, Clone, PartialEq)]
pub enum InsertSource {
    /// A query or VALUES.
    Select(Box<Select>),
    /// `DEFAULT VALUES`.
    DefaultValues,
}

/// One `ON CONFLICT` clause.
#[derive(Debug, Clone, PartialEq)]
pub struct Upsert {
    /// The columns of the unique index it is about; empty: any.
    pub target: Vec<IndexedColumn>,
    /// The condition of that index, if it is partial.
    pub target_filter: Option<Expr>,
    /// What to do.
    pub action: UpsertAction,
}

/// What an upsert does.
#[derive(Debug, Clone, PartialEq)]
pub enum UpsertAction {
    /// `DO NOTHING`.
    Nothing,
    /// `DO UPDATE SET .. WHERE ..`.
    Update { sets: Vec<Set>, filter: Option<Expr> },
}

/// `a = ..` or `(a, b) = ..`.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    /// The columns.
    pub columns: Vec<Name>,
    /// What they get; with several columns a row or a subquery of as many columns.
    pub value: Expr,
}

/// `UPDATE`.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// `WITH ..`.
    pub with: Option<With>,
    /// `OR ..`.
    pub conflict: Option<ConflictClause>,
    /// The table.
    pub table: QualifiedName,
    /// `AS alias`.
    pub alias: Option<Name>,
    /// Its index hint.
    pub hint: IndexHint,
    /// What is set.
    pub sets: Vec<Set>,
    /// `FROM ..`.
    pub from: Option<From>,
    /// `WHERE ..`.
    pub filter: Option<Expr>,
    /// `RETURNING ..`.
    pub returning: Vec<ResultColumn>,
    /// `ORDER BY ..`.
    pub order_by: Vec<OrderTerm>,
    /// `LIMIT ..`.
    pub limit: Option<Limit>,
}

/// `DELETE`.
#[derive(Debug, Clone, PartialEq)]
pub struct Delete {
    /// `WITH ..`.
    pub with: Option<With>,
    /// The table.
    pub table: QualifiedName,
    /// `AS alias`.
    pub alias: Option<Name>,
    /// Its index hint.
    pub hint: IndexHint,
    /// `WHERE ..`.
    pub filter: Option<Expr>,
    /// `RETURNING ..`.
    pub returning: Vec<ResultColumn>,
    /// `ORDER BY ..`.
    pub order_by: Vec<OrderTerm>,
    /// `LIMIT ..`.
    pub limit: Option<Limit>,
}
