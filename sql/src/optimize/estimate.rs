//! How many rows a relation gives, and what that costs, in rows read from a table one after the other.
//!
//! The guesses where nothing is known are SQLite's (`sqlite3DefaultRowEst`): a table has a million rows, an equality on the first
//! column of an index leaves ten.

use crate::ast::CompoundOp;
use crate::plan::{Access, Expr, JoinAlgorithm, JoinKind, Relation, Scan};
use crate::schema::{Index, Table};

/// Rows of a table of which nothing is known.
const ROWS: f64 = 1_048_576.0;
/// What finding one row by its key costs.
pub(super) const SEEK: f64 = 3.0;

/// What is expected of a relation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate {
    /// Rows that it gives.
    pub(super) rows: f64,
    /// What it costs to get them all.
    pub(super) cost: f64,
}

/// Rows of a table.
pub(super) fn table_rows(table: &Table) -> f64 {
    let known = table.indexes.iter().filter(|index| index.filter.is_none());
    known
        .filter_map(|index| index.statistics.first())
        .max()
        .map_or(ROWS, |rows| (*rows as f64).max(1.0))
}

/// Rows left by `equal` equalities on the first columns of an index.
pub(super) fn after_equal(
    table: &Table,
    index: Option<&Index>,
    equal: usize,
    columns: usize,
) -> f64 {
    let unique = index.is_none_or(|index| index.unique);
    if unique && equal >= columns {
        return 1.0;
    }
    if let Some(rows) = index.and_then(|index| index.statistics.get(equal)) {
        return (*rows as f64).max(1.0);
    }
    let rows = table_rows(table);
    match equal {
        0 => rows,
        1 => 10.0,
        more => (11.0 - more as f64).max(5.0),
    }
    .min(rows)
}

/// What part of the rows a predicate leaves.
fn selectivity(predicate: &Expr) -> f64 {
    match predicate {
        Expr::Compare(comparison) => match comparison.op {
            crate::plan::CompareOp::Equal | crate::plan::CompareOp::Is => 0.1,
            crate::plan::CompareOp::NotEqual | crate::plan::CompareOp::IsNot => 0.9,
            _ => 0.3,
        },
        Expr::Between { .. } => 0.15,
        Expr::IsNull(_) => 0.1,
        Expr::In(_) => 0.2,
        Expr::Like { .. } => 0.2,
        Expr::NotNull(_) => 0.9,
        _ => 0.4,
    }
}

fn access_estimate(access: &Access, scan: &Scan) -> Estimate {
    let rows = table_rows(&scan.table);
    match access {
        Access::Full => Estimate { rows, cost: rows },
        Access::Rowid(bound) => match (&bound.low, &bound.high) {
            (Some(_), Some(_)) if super::access::is_point(bound) => {
                Estimate { rows: 1.0, cost: SEEK }
            }
            (Some(_), Some(_)) => Estimate { rows: rows / 16.0, cost: SEEK + rows / 16.0 },
            (None, None) => Estimate { rows, cost: rows },
            _ => Estimate { rows: rows / 4.0, cost: SEEK + rows / 4.0 },
        },
        Access::Index { index, equal, range, covering, .. } => {
            let columns =
                index.as_ref().map_or(scan.table.primary_key.len(), |index| index.keys.len());
            let mut left = after_equal(&scan.table, index.as_deref(), equal.len(), columns);
            for _ in [&range.low, &range.high].into_iter().flatten() {
                left = (left / 4.0).max(1.0);
            }
            let each = if *covering || index.is_none() { 1.0 } else { 1.0 + SEEK };
            Estimate { rows: left, cost: SEEK + left * each }
        }
        Access::Union(ways) => {
            let sum = ways.iter().map(|way| access_estimate(way, scan));
            sum.fold(Estimate { rows: 0.0, cost: 0.0 }, |a, b| Estimate {
                rows: a.rows + b.rows,
                cost: a.cost + b.cost,
            })
        }
        Access::Each { set, access, .. } => {
            let values = match &set.set {
                crate::plan::Members::List(list) => list.len() as f64,
                crate::plan::Members::Query(_) => 25.0,
            };
            let one = access_estimate(access, scan);
            Estimate { rows: values * one.rows, cost: values * one.cost }
        }
    }
}

/// What is expected of a scan by this access.
pub(super) fn of_access(access: &Access, scan: &Scan) -> Estimate {
    access_estimate(access, scan)
}

/// What is expected of a relation.
pub(super) fn of(relation: &Relation) -> Estimate {
    match relation {
        Relation::Unit => Estimate { rows: 1.0, cost: 0.0 },
        Relation::Empty => Estimate { rows: 0.0, cost: 0.0 },
        Relation::Values { rows, .. } => {
            Estimate { rows: rows.len() as f64, cost: rows.len() as f64 }
        }
        Relation::Scan(scan) => access_estimate(&scan.access, scan),
        Relation::Rows { .. } => Estimate { rows: 25.0, cost: 50.0 },
        Relation::Filter { input, predicates } => {
            let from = of(input);
            let left: f64 = predicates.iter().map(selectivity).product();
            Estimate { rows: (from.rows * left).max(1.0), cost: from.cost + from.rows * 0.2 }
        }
        Relation::Project { input, .. } | Relation::Window { input, .. } => of(input),
        Relation::Sort { input, .. } | Relation::Distinct { input, .. } => {
            let from = of(input);
            Estimate { rows: from.rows, cost: from.cost + from.rows * 3.0 }
        }
        Relation::Limit { input, .. } => {
            let from = of(input);
            Estimate { rows: from.rows.min(100.0), cost: from.cost }
        }
        Relation::Join { kind, left, right, on, algorithm, .. } => {
            join(*kind, of(left), of(right), algorithm, on)
        }
        Relation::Aggregate { input, groups, .. } => {
            let from = of(input);
            let rows = if groups.is_empty() { 1.0 } else { (from.rows / 10.0).max(1.0) };
            Estimate { rows, cost: from.cost + from.rows * 2.0 }
        }
        Relation::Compound { op, left, right, .. } => {
            let (a, b) = (of(&left.0), of(&right.0));
            let more = if *op == CompoundOp::UnionAll { 0.0 } else { 3.0 };
            Estimate { rows: a.rows + b.rows, cost: a.cost + b.cost + (a.rows + b.rows) * more }
        }
        Relation::Shared { .. } => Estimate { rows: 1000.0, cost: 1000.0 },
        Relation::Recursive { .. } => Estimate { rows: 1000.0, cost: 10_000.0 },
    }
}

/// What is expected of a join of two.
pub(super) fn join(
    kind: JoinKind,
    left: Estimate,
    right: Estimate,
    algorithm: &JoinAlgorithm,
    on: &[Expr],
) -> Estimate {
    let filtered: f64 = on.iter().map(selectivity).product();
    let (rows, cost) = match algorithm {
        JoinAlgorithm::Loop => {
            (left.rows * right.rows * filtered, left.cost + left.rows * right.cost.max(1.0))
        }
        JoinAlgorithm::Hash { keys } => {
            let rows = match keys.len() {
                0 => left.rows * right.rows,
                // As if the smaller side's rows were the keys of the larger one's.
                _ => left.rows.max(right.rows),
            };
            (rows * filtered, left.cost + right.cost + right.rows * 1.5 + left.rows * 1.2)
        }
    };
    let rows = match kind {
        JoinKind::Inner => rows,
        JoinKind::Left => rows.max(left.rows),
        JoinKind::Right => rows.max(right.rows),
        JoinKind::Full => rows.max(left.rows + right.rows),
        JoinKind::Semi | JoinKind::Anti => left.rows * 0.5,
    };
    Estimate { rows: rows.max(1.0), cost: cost + rows * 0.1 }
}
