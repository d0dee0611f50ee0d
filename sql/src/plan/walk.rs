//! Walks over plans: the parts of an expression, and all expressions and relations below a relation.

use super::{
    Access, AggregateCall, Bound, Comparison, Expr, FrameBound, InSet, JoinAlgorithm, Members,
    Relation, SortKey, WindowCall, WindowFunction,
};

/// What a walk is shown.
pub trait Visit {
    /// An expression, before its parts. `false`: its parts are passed over.
    fn expr(&mut self, expr: &mut Expr) -> bool;

    /// A relation, before its parts; those of subqueries too. `false`: its parts are passed over.
    fn relation(&mut self, _relation: &mut Relation) -> bool {
        true
    }
}

/// Shows an expression and all below it, subqueries included.
pub fn expr(target: &mut Expr, visit: &mut dyn Visit) {
    if !visit.expr(target) {
        return;
    }
    match target {
        Expr::Constant(_) | Expr::Parameter(_) | Expr::Column(_) | Expr::Row(_) => {}
        Expr::Arithmetic(_, left, right) => {
            expr(left, visit);
            expr(right, visit);
        }
        Expr::Negate(value)
        | Expr::BitNot(value)
        | Expr::Not(value)
        | Expr::IsTruth { value, .. }
        | Expr::IsNull(value)
        | Expr::NotNull(value)
        | Expr::Cast(value, _)
        | Expr::Apply(value, _)
        | Expr::Collate(value, _) => expr(value, visit),
        Expr::And(parts) | Expr::Or(parts) => exprs(parts, visit),
        Expr::Compare(one) => comparison(one, visit),
        Expr::CompareRows(_, parts) => parts.iter_mut().for_each(|part| comparison(part, visit)),
        Expr::Between { value, low, high, .. } => {
            expr(value, visit);
            comparison(low, visit);
            comparison(high, visit);
        }
        Expr::In(set) => in_set(set, visit),
        Expr::Like { value, pattern, escape, .. } => {
            expr(value, visit);
            expr(pattern, visit);
            optional(escape, visit);
        }
        Expr::Case { base, arms, otherwise } => {
            optional(base, visit);
            for (when, then) in arms {
                expr(when, visit);
                expr(then, visit);
            }
            optional(otherwise, visit);
        }
        Expr::Function(call) => exprs(&mut call.arguments, visit),
        Expr::Subquery(query) | Expr::Exists(query) | Expr::SubqueryColumn(query, _) => {
            relation(&mut query.relation, visit);
        }
        Expr::Raise(_, message) => optional(message, visit),
    }
}

fn exprs(targets: &mut [Expr], visit: &mut dyn Visit) {
    targets.iter_mut().for_each(|target| expr(target, visit));
}

fn optional(target: &mut Option<Box<Expr>>, visit: &mut dyn Visit) {
    if let Some(target) = target {
        expr(target, visit);
    }
}

fn comparison(target: &mut Comparison, visit: &mut dyn Visit) {
    expr(&mut target.left, visit);
    expr(&mut target.right, visit);
}

fn in_set(set: &mut InSet, visit: &mut dyn Visit) {
    exprs(&mut set.values, visit);
    match &mut set.set {
        Members::List(list) => exprs(list, visit),
        Members::Query(query) => relation(&mut query.relation, visit),
    }
}

fn keys(targets: &mut [SortKey], visit: &mut dyn Visit) {
    targets.iter_mut().for_each(|key| expr(&mut key.expr, visit));
}

fn limit(target: &mut Option<Box<(Expr, Option<Expr>)>>, visit: &mut dyn Visit) {
    if let Some(limit) = target {
        expr(&mut limit.0, visit);
        if let Some(offset) = &mut limit.1 {
            expr(offset, visit);
        }
    }
}

fn aggregate(call: &mut AggregateCall, visit: &mut dyn Visit) {
    exprs(&mut call.arguments, visit);
    if let Some(filter) = &mut call.filter {
        expr(filter, visit);
    }
    keys(&mut call.order_by, visit);
}

fn window_call(call: &mut WindowCall, visit: &mut dyn Visit) {
    match &mut call.function {
        WindowFunction::Aggregate(call) => aggregate(call, visit),
        WindowFunction::RowNumber
        | WindowFunction::Rank
        | WindowFunction::DenseRank
        | WindowFunction::PercentRank
        | WindowFunction::CumeDist => {}
        WindowFunction::Ntile(value)
        | WindowFunction::FirstValue(value)
        | WindowFunction::LastValue(value) => expr(value, visit),
        WindowFunction::Lag(value, offset, default)
        | WindowFunction::Lead(value, offset, default) => {
            expr(value, visit);
            for part in [offset, default].into_iter().flatten() {
                expr(part, visit);
            }
        }
        WindowFunction::NthValue(value, place) => {
            expr(value, visit);
            expr(place, visit);
        }
    }
    for bound in [&mut call.frame.start, &mut call.frame.end] {
        if let FrameBound::Preceding(distance) | FrameBound::Following(distance) = bound {
            expr(distance, visit);
        }
    }
}

fn bound(target: &mut Bound, visit: &mut dyn Visit) {
    for (limit, _) in [&mut target.low, &mut target.high].into_iter().flatten() {
        expr(limit, visit);
    }
}

/// Shows the expressions of a way to find rows.
pub fn access(target: &mut Access, visit: &mut dyn Visit) {
    match target {
        Access::Full => {}
        Access::Rowid(range) => bound(range, visit),
        Access::Index { equal, range, .. } => {
            exprs(equal, visit);
            bound(range, visit);
        }
        Access::Union(ways) => ways.iter_mut().for_each(|way| access(way, visit)),
        Access::Each { set, access: each, .. } => {
            in_set(set, visit);
            access(each, visit);
        }
    }
}

/// Shows a relation and all below it.
pub fn relation(target: &mut Relation, visit: &mut dyn Visit) {
    if visit.relation(target) {
        parts(target, visit);
    }
}

/// Shows all below a relation.
pub fn parts(target: &mut Relation, visit: &mut dyn Visit) {
    match target {
        Relation::Unit | Relation::Empty | Relation::Shared { .. } => {}
        Relation::Values { rows, .. } => rows.iter_mut().for_each(|row| exprs(row, visit)),
        Relation::Scan(scan) => access(&mut scan.access, visit),
        Relation::Rows { arguments, .. } => exprs(arguments, visit),
        Relation::Filter { input, predicates } => {
            relation(input, visit);
            exprs(predicates, visit);
        }
        Relation::Project { input, columns } => {
            relation(input, visit);
            columns.iter_mut().for_each(|(_, column)| expr(column, visit));
        }
        Relation::Join { left, right, on, algorithm, .. } => {
            relation(left, visit);
            relation(right, visit);
            exprs(on, visit);
            if let JoinAlgorithm::Hash { keys } = algorithm {
                keys.iter_mut().for_each(|key| comparison(key, visit));
            }
        }
        Relation::Aggregate { input, groups, aggregates, bare, .. } => {
            relation(input, visit);
            groups.iter_mut().for_each(|(_, group, _)| expr(group, visit));
            aggregates.iter_mut().for_each(|(_, call)| aggregate(call, visit));
            bare.iter_mut().for_each(|(_, column)| expr(column, visit));
        }
        Relation::Window { input, partition, order, calls } => {
            relation(input, visit);
            keys(partition, visit);
            keys(order, visit);
            calls.iter_mut().for_each(|(_, call)| window_call(call, visit));
        }
        Relation::Distinct { input, .. } => relation(input, visit),
        Relation::Sort { input, keys: by, top } => {
            relation(input, visit);
            keys(by, visit);
            limit(top, visit);
        }
        Relation::Limit { input, count, offset } => {
            relation(input, visit);
            expr(count, visit);
            if let Some(offset) = offset {
                expr(offset, visit);
            }
        }
        Relation::Compound { left, right, .. } => {
            relation(&mut left.0, visit);
            relation(&mut right.0, visit);
        }
        Relation::Recursive { initial, step, order, limit: most, .. } => {
            relation(&mut initial.0, visit);
            relation(&mut step.0, visit);
            keys(order, visit);
            limit(most, visit);
        }
    }
}
