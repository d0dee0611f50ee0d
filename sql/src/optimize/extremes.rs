//! `min(x)` and `max(x)` of a whole relation: the first row in the order of `x` is enough, if that order is there for nothing.

use heddle_value::Value;

use crate::plan::{AggregateKind, ColumnInfo, Expr, Relation, SortKey};

/// An aggregate that asks for nothing but one `min` or `max` of a column reads the first row of its input, sorted. The
/// rules of [`super::order`] then either find an access that gives this order, or the sort is undone.
pub(super) fn from_the_end(relation: Relation) -> Relation {
    let Relation::Aggregate { mut input, groups, aggregates, bare, ordered } = relation else {
        return relation;
    };
    if let Some(key) = extreme(&groups, &aggregates) {
        let mut sorted = input.clone();
        // The infos are not needed for a column whose NULLs are filtered out: any access in its order will do.
        let infos = &mut known_not_null(&key.expr);
        let optimizer = super::Optimizer { infos };
        if super::order::order(&mut sorted, std::slice::from_ref(&key), true, &optimizer) {
            let predicates = vec![Expr::NotNull(Box::new(key.expr))];
            let filtered = Relation::Filter { input: sorted, predicates };
            let count = Expr::Constant(Value::Integer(1));
            input = Box::new(Relation::Limit { input: Box::new(filtered), count, offset: None });
        }
    }
    Relation::Aggregate { input, groups, aggregates, bare, ordered }
}

fn known_not_null(expr: &Expr) -> Vec<ColumnInfo> {
    let Expr::Column(column) = expr else { return Vec::new() };
    let mut infos = vec![ColumnInfo::default(); column.0 as usize];
    infos.push(ColumnInfo { not_null: true, ..ColumnInfo::default() });
    infos
}

/// The order whose first row decides, if there is exactly one aggregate, and it is a `min` or `max` over all rows.
fn extreme(
    groups: &[(crate::plan::ColumnId, Expr, heddle_value::Collation)],
    aggregates: &[(crate::plan::ColumnId, crate::plan::AggregateCall)],
) -> Option<SortKey> {
    let ([], [(_, call)]) = (groups, aggregates) else { return None };
    let AggregateKind::BuiltIn(function) = &call.function else { return None };
    let descending = match function.name {
        "min" => false,
        "max" => true,
        _ => return None,
    };
    match (&call.arguments[..], &call.filter) {
        ([Expr::Column(column)], None) => Some(SortKey {
            expr: Expr::Column(*column),
            descending,
            nulls_first: !descending,
            collation: call.collation.clone(),
        }),
        _ => None,
    }
}
