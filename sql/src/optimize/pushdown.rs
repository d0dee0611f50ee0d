//! Predicates go down to where their columns come from.
//!
//! On the way a left join becomes an inner one if a predicate above it refuses the NULLs that it would give.

use super::Optimizer;
use super::columns::{Columns, given, has_subquery, is_stable, substituted, used};
use crate::plan::{Expr, JoinAlgorithm, JoinKind, Relation};

/// A relation with the predicates that stay above it, cheap ones first.
pub(super) fn filtered(input: Relation, mut predicates: Vec<Expr>) -> Relation {
    if predicates.is_empty() {
        return input;
    }
    predicates.sort_by_key(has_subquery);
    match input {
        Relation::Filter { input, predicates: mut before } => {
            before.append(&mut predicates);
            Relation::Filter { input, predicates: before }
        }
        input => Relation::Filter { input: Box::new(input), predicates },
    }
}

impl Optimizer<'_> {
    /// A relation, optimized, of whose rows those are given for which all predicates are true.
    pub(super) fn push(&mut self, relation: Relation, predicates: Vec<Expr>) -> Relation {
        stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || self.push_here(relation, predicates))
    }

    fn push_here(&mut self, relation: Relation, mut predicates: Vec<Expr>) -> Relation {
        match relation {
            Relation::Filter { input, predicates: own } => {
                let mut all = own;
                all.append(&mut predicates);
                let (moving, staying) = split(all, is_stable);
                filtered(self.push(*input, moving), staying)
            }
            Relation::Scan(scan) => self.scan(*scan, predicates),
            Relation::Project { input, columns } => self.push_project(*input, columns, predicates),
            Relation::Join { .. } => self.push_join(relation, predicates),
            Relation::Aggregate { input, groups, aggregates, bare, ordered } => {
                let keys: Vec<_> = groups.iter().map(|(id, expr, _)| (*id, expr.clone())).collect();
                let ids: Columns = keys.iter().map(|(id, _)| *id).collect();
                let given: Columns = aggregates
                    .iter()
                    .map(|(id, _)| *id)
                    .chain(bare.iter().map(|(id, _)| *id))
                    .collect();
                // Without groups there is a row even of no rows.
                let (moving, staying) = split(predicates, |predicate| {
                    let used = used(predicate);
                    !keys.is_empty()
                        && !used.is_disjoint(&ids)
                        && used.is_disjoint(&given)
                        && is_stable(predicate)
                });
                let (moving, mut rest) = substitute_all(moving, &keys);
                rest.extend(staying);
                let input = Box::new(self.push(*input, moving));
                filtered(Relation::Aggregate { input, groups, aggregates, bare, ordered }, rest)
            }
            Relation::Distinct { input, columns } => {
                let ids: Columns = columns.iter().map(|(id, _)| *id).collect();
                let given = given(&input);
                let (moving, staying) = split(predicates, |predicate| {
                    used(predicate).intersection(&given).all(|column| ids.contains(column))
                });
                let input = Box::new(self.push(*input, moving));
                filtered(Relation::Distinct { input, columns }, staying)
            }
            Relation::Sort { input, keys, top } => {
                Relation::Sort { input: Box::new(self.push(*input, predicates)), keys, top }
            }
            Relation::Compound { op, left, right, columns } => {
                let mapping = |to: &[crate::plan::ColumnId]| -> Vec<_> {
                    columns.iter().zip(to).map(|((id, _), to)| (*id, Expr::Column(*to))).collect()
                };
                let (stays_left, stays_right) = (mapping(&left.1), mapping(&right.1));
                let of_left = substitute_all(predicates.clone(), &stays_left);
                let of_right = substitute_all(predicates.clone(), &stays_right);
                let possible = of_left.1.is_empty() && of_right.1.is_empty();
                let (of_left, of_right, above) = match possible {
                    true => (of_left.0, of_right.0, Vec::new()),
                    false => (Vec::new(), Vec::new(), predicates),
                };
                let left = (Box::new(self.push(*left.0, of_left)), left.1);
                let right = (Box::new(self.push(*right.0, of_right)), right.1);
                filtered(Relation::Compound { op, left, right, columns }, above)
            }
            Relation::Window { input, partition, order, calls } => {
                let input = Box::new(self.push(*input, Vec::new()));
                filtered(Relation::Window { input, partition, order, calls }, predicates)
            }
            Relation::Limit { input, count, offset } => {
                let input = Box::new(self.push(*input, Vec::new()));
                filtered(Relation::Limit { input, count, offset }, predicates)
            }
            Relation::Recursive { queue, initial, step, columns, distinct, order, limit } => {
                let initial = (Box::new(self.push(*initial.0, Vec::new())), initial.1);
                let step = (Box::new(self.push(*step.0, Vec::new())), step.1);
                let relation =
                    Relation::Recursive { queue, initial, step, columns, distinct, order, limit };
                filtered(relation, predicates)
            }
            leaf @ (Relation::Unit
            | Relation::Empty
            | Relation::Values { .. }
            | Relation::Rows { .. }
            | Relation::Shared { .. }) => filtered(leaf, predicates),
        }
    }

    fn push_project(
        &mut self,
        input: Relation,
        columns: Vec<(crate::plan::ColumnId, Expr)>,
        predicates: Vec<Expr>,
    ) -> Relation {
        // What is doubled by going down must be cheap and the same each time.
        let cheap = |expr: &Expr| is_stable(expr) && !has_subquery(expr);
        let dear: Columns =
            columns.iter().filter(|(_, expr)| !cheap(expr)).map(|(id, _)| *id).collect();
        let (moving, staying) = split(predicates, |predicate| used(predicate).is_disjoint(&dear));
        let (moving, mut rest) = substitute_all(moving, &columns);
        rest.extend(staying);
        let input = self.push(input, moving);
        filtered(Relation::Project { input: Box::new(input), columns }, rest)
    }

    fn push_join(&mut self, relation: Relation, predicates: Vec<Expr>) -> Relation {
        let Relation::Join { kind, left, right, on, algorithm, keep_order } = relation else {
            return filtered(relation, predicates);
        };
        let (of_left, of_right) = (given(&left), given(&right));
        match kind {
            JoinKind::Inner => {
                let join = Relation::Join { kind, left, right, on, algorithm, keep_order };
                self.inner_joins(join, predicates)
            }
            JoinKind::Left if predicates.iter().any(|p| refuses_nulls(p, &of_right)) => {
                let kind = JoinKind::Inner;
                let join = Relation::Join { kind, left, right, on, algorithm, keep_order: true };
                self.inner_joins(join, predicates)
            }
            JoinKind::Left | JoinKind::Semi | JoinKind::Anti => {
                let (moving, staying) =
                    split(predicates, |predicate| used(predicate).is_disjoint(&of_right));
                let left = self.push(*left, moving);
                filtered(self.one_join(kind, left, *right, on), staying)
            }
            JoinKind::Right | JoinKind::Full => {
                let (moving, staying) = split(predicates, |predicate| {
                    kind == JoinKind::Right && used(predicate).is_disjoint(&of_left)
                });
                let left = self.push(*left, Vec::new());
                let right = self.push(*right, moving);
                let (keys, on) = super::joins::hash_keys(on, &of_left, &of_right);
                let algorithm = match keys.is_empty() {
                    true => JoinAlgorithm::Loop,
                    false => JoinAlgorithm::Hash { keys },
                };
                let (left, right) = (Box::new(left), Box::new(right));
                filtered(Relation::Join { kind, left, right, on, algorithm, keep_order }, staying)
            }
        }
    }
}

/// Parts predicates in two.
pub(super) fn split(
    predicates: Vec<Expr>,
    mut first: impl FnMut(&Expr) -> bool,
) -> (Vec<Expr>, Vec<Expr>) {
    predicates.into_iter().partition(|predicate| first(predicate))
}

/// Predicates over other columns; those of which that is not possible are given back as they were.
fn substitute_all(
    predicates: Vec<Expr>,
    with: &[(crate::plan::ColumnId, Expr)],
) -> (Vec<Expr>, Vec<Expr>) {
    let (mut done, mut kept) = (Vec::new(), Vec::new());
    for predicate in predicates {
        match substituted(predicate.clone(), with) {
            Some(new) => done.push(new),
            None => kept.push(predicate),
        }
    }
    (done, kept)
}

/// Whether a predicate is not true for a row in which all these columns are NULL, for sure.
fn refuses_nulls(predicate: &Expr, columns: &Columns) -> bool {
    let is_null = |expr: &Expr| always_null(expr, columns);
    match predicate {
        Expr::Compare(c) => match c.op {
            crate::plan::CompareOp::Is | crate::plan::CompareOp::IsNot => false,
            _ => is_null(&c.left) || is_null(&c.right),
        },
        Expr::NotNull(value) => is_null(value),
        Expr::Between { value, not: false, .. } | Expr::Like { value, .. } => is_null(value),
        Expr::In(set) => match &set.set {
            crate::plan::Members::List(_) => {
                set.values.len() == 1 && set.values.iter().all(is_null) && !set.not
            }
            crate::plan::Members::Query(_) => !set.not && set.values.iter().all(is_null),
        },
        Expr::And(parts) => parts.iter().any(|part| refuses_nulls(part, columns)),
        Expr::Or(parts) => parts.iter().all(|part| refuses_nulls(part, columns)),
        _ => false,
    }
}

/// Whether an expression is NULL where all these columns are.
fn always_null(expr: &Expr, columns: &Columns) -> bool {
    match expr {
        Expr::Column(column) => columns.contains(column),
        Expr::Arithmetic(_, left, right) => {
            always_null(left, columns) || always_null(right, columns)
        }
        Expr::Negate(value)
        | Expr::BitNot(value)
        | Expr::Cast(value, _)
        | Expr::Apply(value, _) => always_null(value, columns),
        _ => false,
    }
}

/// The parts of a condition that must all be true.
pub(super) fn parts(condition: &Expr) -> Vec<Expr> {
    match condition {
        Expr::And(parts) => parts.clone(),
        other => vec![other.clone()],
    }
}
