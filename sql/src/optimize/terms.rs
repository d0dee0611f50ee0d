//! Predicates taken apart for access paths: a column of one table, how it is compared, and with what.

use heddle_value::{Affinity, Collation, Value};

use super::columns::{Columns, is_stable, used};
use super::indexed::looks;
use crate::plan::{ColumnId, ColumnInfo, CompareOp, Comparison, Expr, InSet, Members};

/// How a term compares.
#[derive(Debug, Clone)]
pub(super) enum How {
    /// Equal to it.
    Equal(Expr),
    /// The same as it, NULL included.
    Is(Expr),
    /// Above it, or from it on.
    Above(Expr, bool),
    /// Below it, or up to it.
    Below(Expr, bool),
    /// One of these.
    In(InSet),
}

/// What a term is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// A column.
    Column(ColumnId),
    /// An expression over the table's columns, by its looks.
    Looks(String),
}

/// A predicate, or a part of one, about one column, or an expression that an index may be by.
#[derive(Debug, Clone)]
pub(super) struct Term {
    /// The column or expression.
    pub(super) subject: Subject,
    pub(super) how: How,
    /// How texts compare in it.
    pub(super) collation: Collation,
    /// Which of the predicates it is of.
    pub(super) predicate: usize,
}

/// The terms of predicates about columns in `own`: the other side uses none of them.
pub(super) fn of(predicates: &[Expr], own: &Columns, infos: &[ColumnInfo]) -> Vec<Term> {
    let mut terms = Vec::new();
    for (predicate, expr) in predicates.iter().enumerate() {
        let mut add = |subject: Subject, how: How, collation: &Collation| {
            terms.push(Term { subject, how, collation: collation.clone(), predicate });
        };
        match expr {
            Expr::Compare(comparison) => compared(comparison, own, &mut add),
            Expr::Between { low, high, not: false, .. } => {
                compared(low, own, &mut add);
                compared(high, own, &mut add);
            }
            Expr::IsNull(value) => {
                if let Expr::Column(column) = **value
                    && own.contains(&column)
                {
                    let info = infos.get(column.0 as usize);
                    let collation =
                        info.and_then(|info| info.collation.clone()).unwrap_or_default();
                    add(Subject::Column(column), How::Is(Expr::Constant(Value::Null)), &collation);
                }
            }
            Expr::In(set) if !set.not => {
                if let Some((column, collation)) = member_of(set, own, infos) {
                    add(Subject::Column(column), How::In(InSet::clone(set)), &collation);
                }
            }
            _ => {}
        }
    }
    terms
}

fn compared(c: &Comparison, own: &Columns, add: &mut impl FnMut(Subject, How, &Collation)) {
    let sides = [
        (&c.left, c.left_affinity, &c.right, c.right_affinity, c.op),
        (&c.right, c.right_affinity, &c.left, c.left_affinity, flipped(c.op)),
    ];
    for (side, converted, other, affinity, op) in sides {
        // What is stored is ordered as it is: a column that is converted to be compared is not.
        if converted.is_some() || !is_free(other, own) {
            continue;
        }
        let Some(subject) = subject(side, own) else { continue };
        let value = match affinity {
            Some(affinity) => Expr::Apply(Box::new(other.clone()), affinity),
            None => other.clone(),
        };
        let how = match op {
            CompareOp::Equal => How::Equal(value),
            CompareOp::Is => How::Is(value),
            CompareOp::Less => How::Below(value, false),
            CompareOp::LessEqual => How::Below(value, true),
            CompareOp::Greater => How::Above(value, false),
            CompareOp::GreaterEqual => How::Above(value, true),
            CompareOp::NotEqual | CompareOp::IsNot => continue,
        };
        add(subject, how, &c.collation);
    }
}

/// What an expression is to an index: a column, or something computed from columns of `own` alone.
fn subject(side: &Expr, own: &Columns) -> Option<Subject> {
    if let Expr::Column(column) = side {
        return own.contains(column).then_some(Subject::Column(*column));
    }
    let used = used(side);
    let computed = !used.is_empty() && used.is_subset(own) && is_stable(side);
    (computed && !super::columns::has_subquery(side)).then(|| Subject::Looks(looks(side)))
}

/// The comparison seen from the other side.
pub(super) fn flipped(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Less => CompareOp::Greater,
        CompareOp::LessEqual => CompareOp::GreaterEqual,
        CompareOp::Greater => CompareOp::Less,
        CompareOp::GreaterEqual => CompareOp::LessEqual,
        same => same,
    }
}

/// Whether an expression can be evaluated before a row of `own` is there, once for all of them.
fn is_free(expr: &Expr, own: &Columns) -> bool {
    is_stable(expr) && used(expr).is_disjoint(own)
}

fn member_of(set: &InSet, own: &Columns, infos: &[ColumnInfo]) -> Option<(ColumnId, Collation)> {
    let [Expr::Column(column)] = set.values[..] else { return None };
    if !own.contains(&column) {
        return None;
    }
    let stored = infos.get(column.0 as usize).and_then(|info| info.affinity);
    // A conversion that stored values have gone through already changes nothing.
    let as_stored = match set.affinities.first().copied().flatten() {
        None => true,
        Some(Affinity::Numeric) => stored.is_some_and(Affinity::is_numeric),
        Some(other) => stored == Some(other),
    };
    let free = match &set.set {
        Members::List(list) => list.iter().all(|member| is_free(member, own)),
        Members::Query(query) => {
            query.stable && query.outer.iter().all(|column| !own.contains(column))
        }
    };
    (as_stored && free).then(|| (column, set.collations.first().cloned().unwrap_or_default()))
}
