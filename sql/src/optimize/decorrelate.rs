//! Correlated subqueries that become joins: what would run for each row is computed for all rows at once.
//!
//! - `EXISTS (..)` and `a IN (SELECT ..)` as a predicate: a semi join; `NOT EXISTS (..)`: an anti join.
//! - A scalar subquery of aggregates, correlated by equalities alone: grouped by the inner sides of these, and joined from the
//!   left (Galindo-Legaria and Joshi, "Orthogonal Optimization of Subqueries and Aggregation", SIGMOD 2001), unless an index finds its rows.
//!
//! It looks at plans as they come from the binder, where all predicates of a subquery still are in its one filter.

use heddle_value::{Affinity, Collation};

use super::Optimizer;
use super::columns::{Columns, given, is_stable, used, used_in};
use crate::plan::{
    AggregateCall, AggregateKind, ColumnId, ColumnInfo, CompareOp, Comparison, Expr, JoinAlgorithm,
    JoinKind, Members, Relation, Subquery, Visit, walk,
};

impl Optimizer<'_> {
    /// Rewrites the subqueries in the predicates of all filters of a relation.
    pub(super) fn decorrelate(&mut self, relation: &mut Relation) {
        struct Filters<'o, 'q>(&'o mut Optimizer<'q>);
        impl Visit for Filters<'_, '_> {
            fn expr(&mut self, _: &mut Expr) -> bool {
                // Subqueries that stay are looked at when they are optimized.
                false
            }
            fn relation(&mut self, relation: &mut Relation) -> bool {
                if let Relation::Filter { input, predicates } = relation {
                    let input = std::mem::replace(input.as_mut(), Relation::Empty);
                    let predicates = std::mem::take(predicates);
                    *relation = self.0.joined(input, predicates);
                }
                true
            }
        }
        walk::relation(relation, &mut Filters(self));
    }

    fn joined(&mut self, mut input: Relation, predicates: Vec<Expr>) -> Relation {
        let mut kept = Vec::with_capacity(predicates.len());
        for predicate in predicates {
            match existence(predicate) {
                Ok((kind, query, pair)) => match semi_join(kind, input, *query, pair) {
                    Ok(joined) => input = joined,
                    Err(given_back) => {
                        let (before, predicate) = *given_back;
                        input = before;
                        kept.push(predicate);
                    }
                },
                Err(mut predicate) => {
                    input = self.scalars(input, &mut predicate);
                    kept.push(predicate);
                }
            }
        }
        match kept.is_empty() {
            true => input,
            false => Relation::Filter { input: Box::new(input), predicates: kept },
        }
    }

    /// Joins the scalar subqueries of aggregates in a predicate to the relation that it filters.
    fn scalars(&mut self, mut input: Relation, predicate: &mut Expr) -> Relation {
        let Expr::Compare(comparison) = predicate else { return input };
        for side in [&mut comparison.left, &mut comparison.right] {
            let Expr::Subquery(query) = side else { continue };
            if let Some((right, on, value)) = self.grouped(query, &given(&input)) {
                *side = value;
                input = Relation::Join {
                    kind: JoinKind::Left,
                    left: Box::new(input),
                    right: Box::new(right),
                    on,
                    algorithm: JoinAlgorithm::Loop,
                    keep_order: false,
                };
            }
        }
        input
    }

    /// A subquery of aggregates as a relation of groups, what it is joined on, and its value over their columns.
    fn grouped(
        &mut self,
        query: &Subquery,
        outer: &Columns,
    ) -> Option<(Relation, Vec<Expr>, Expr)> {
        if !query.stable || query.outer.is_empty() || !query.outer.iter().all(|c| outer.contains(c))
        {
            return None;
        }
        let Relation::Project { input, columns } = &query.relation else { return None };
        let Relation::Aggregate { input, groups, aggregates, bare, .. } = input.as_ref() else {
            return None;
        };
        let Relation::Filter { input, predicates } = input.as_ref() else { return None };
        let [result] = query.columns[..] else { return None };
        let plain =
            groups.is_empty() && bare.is_empty() && aggregates.iter().all(is_null_of_nothing);
        if !plain || !used_in(input).is_disjoint(outer) {
            return None;
        }
        let (_, value) = columns.iter().find(|(id, _)| *id == result)?;
        let own = given(input);
        let mut inner = Vec::new();
        let mut keys: Vec<(ColumnId, Expr, Collation)> = Vec::new();
        let mut on = Vec::new();
        for predicate in predicates {
            if used(predicate).is_disjoint(outer) {
                inner.push(predicate.clone());
                continue;
            }
            let (side, affinity, other, other_affinity, collation) =
                equality(predicate, &own, outer)?;
            if has_index(input, side) {
                return None;
            }
            let key = applied(side.clone(), affinity);
            let id = self.new_column_like(&key);
            on.push(Expr::Compare(Box::new(Comparison {
                op: CompareOp::Equal,
                left: other.clone(),
                right: Expr::Column(id),
                left_affinity: other_affinity,
                right_affinity: None,
                collation: collation.clone(),
            })));
            keys.push((id, key, collation.clone()));
        }
        let uses_outer = |call: &AggregateCall| {
            call.arguments.iter().chain(&call.filter).any(|expr| !used(expr).is_disjoint(outer))
        };
        let correlated = aggregates.iter().any(|(_, call)| uses_outer(call));
        if keys.is_empty() || correlated || !used(value).is_disjoint(outer) {
            return None;
        }
        let mut below = input.as_ref().clone();
        if !inner.is_empty() {
            below = Relation::Filter { input: Box::new(below), predicates: inner };
        }
        let right = Relation::Aggregate {
            input: Box::new(below),
            groups: keys,
            aggregates: aggregates.clone(),
            bare: Vec::new(),
            ordered: false,
        };
        Some((right, on, value.clone()))
    }

    fn new_column_like(&mut self, expr: &Expr) -> ColumnId {
        let info = match expr {
            Expr::Column(column) => self.infos.get(column.0 as usize).cloned().unwrap_or_default(),
            _ => ColumnInfo::default(),
        };
        let id = self.new_column();
        if let Some(place) = self.infos.get_mut(id.0 as usize) {
            *place = ColumnInfo { not_null: false, ..info };
        }
        id
    }
}

/// A comparison that a semi join adds: of IN.
type Pair = Option<Comparison>;

/// The query whose rows a predicate asks for, as a kind of join.
fn existence(predicate: Expr) -> Result<(JoinKind, Box<Subquery>, Pair), Expr> {
    match predicate {
        Expr::Exists(query) if !query.outer.is_empty() => Ok((JoinKind::Semi, query, None)),
        Expr::Not(inner) => match *inner {
            Expr::Exists(query) if !query.outer.is_empty() => Ok((JoinKind::Anti, query, None)),
            other => Err(Expr::Not(Box::new(other))),
        },
        Expr::In(set) if !set.not && set.values.len() == 1 => {
            let correlated = matches!(&set.set, Members::Query(query) if !query.outer.is_empty());
            match (correlated, &set.values[..], &set.set) {
                (true, [value], Members::Query(query)) => {
                    let affinity = set.affinities.first().copied().flatten();
                    let member = query.columns.first().copied().unwrap_or(ColumnId(u32::MAX));
                    let pair = Comparison {
                        op: CompareOp::Equal,
                        left: value.clone(),
                        right: Expr::Column(member),
                        left_affinity: affinity,
                        right_affinity: affinity,
                        collation: set.collations.first().cloned().unwrap_or_default(),
                    };
                    Ok((JoinKind::Semi, query.clone(), Some(pair)))
                }
                _ => Err(Expr::In(set)),
            }
        }
        other => Err(other),
    }
}

fn predicate_of(kind: JoinKind, query: Subquery, pair: Pair) -> Expr {
    match (kind, pair) {
        (_, Some(pair)) => {
            let set = crate::plan::InSet {
                values: vec![pair.left],
                affinities: vec![pair.left_affinity],
                collations: vec![pair.collation],
                set: Members::Query(Box::new(query)),
                not: false,
            };
            Expr::In(Box::new(set))
        }
        (JoinKind::Anti, None) => Expr::Not(Box::new(Expr::Exists(Box::new(query)))),
        (_, None) => Expr::Exists(Box::new(query)),
    }
}

/// Joins what a query reads to a relation, on its correlated predicates; else gives both back.
fn semi_join(
    kind: JoinKind,
    input: Relation,
    query: Subquery,
    pair: Pair,
) -> Result<Relation, Box<(Relation, Expr)>> {
    let outer = given(&input);
    let Some((right, mut on)) = reads(&query, &outer, pair.is_some()) else {
        return Err(Box::new((input, predicate_of(kind, query, pair))));
    };
    on.extend(pair.map(|pair| Expr::Compare(Box::new(pair))));
    Ok(Relation::Join {
        kind,
        left: Box::new(input),
        right: Box::new(right),
        on,
        algorithm: JoinAlgorithm::Loop,
        keep_order: false,
    })
}

/// What a query reads without its correlated predicates, and those.
fn reads(query: &Subquery, outer: &Columns, results: bool) -> Option<(Relation, Vec<Expr>)> {
    if !query.stable || !query.outer.iter().all(|column| outer.contains(column)) {
        return None;
    }
    let Relation::Project { input, columns } = &query.relation else { return None };
    let Relation::Filter { input, predicates } = input.as_ref() else { return None };
    let simple =
        matches!(**input, Relation::Scan(_) | Relation::Join { .. } | Relation::Shared { .. });
    if !simple || !used_in(input).is_disjoint(outer) {
        return None;
    }
    let (on, inner): (Vec<Expr>, Vec<Expr>) =
        predicates.iter().cloned().partition(|predicate| !used(predicate).is_disjoint(outer));
    if on.iter().any(|predicate| !is_stable(predicate)) {
        return None;
    }
    let mut right = input.as_ref().clone();
    if !inner.is_empty() {
        right = Relation::Filter { input: Box::new(right), predicates: inner };
    }
    if results {
        // IN compares with a result: it must be there beside the columns that the conditions use.
        if columns.iter().any(|(_, expr)| !used(expr).is_disjoint(outer)) {
            return None;
        }
        let own = given(&right);
        let mut all: Vec<(ColumnId, Expr)> =
            own.iter().map(|id| (*id, Expr::Column(*id))).collect();
        all.extend(columns.iter().filter(|(id, _)| !own.contains(id)).cloned());
        right = Relation::Project { input: Box::new(right), columns: all };
    }
    Some((right, on))
}

/// Whether an aggregate of no rows is NULL, as a left join gives it, and none fails: `sum` can, of rows that nobody asked for.
fn is_null_of_nothing((_, call): &(ColumnId, AggregateCall)) -> bool {
    match &call.function {
        AggregateKind::BuiltIn(function) => matches!(function.name, "avg" | "min" | "max"),
        AggregateKind::User(_) => false,
    }
}

/// The parts of an equality between an expression of the subquery and one of the relations around.
#[allow(clippy::type_complexity, reason = "both sides of one comparison")]
fn equality<'p>(
    predicate: &'p Expr,
    own: &Columns,
    outer: &Columns,
) -> Option<(&'p Expr, Option<Affinity>, &'p Expr, Option<Affinity>, &'p Collation)> {
    let Expr::Compare(c) = predicate else { return None };
    let of = |expr: &Expr, own: &Columns, other: &Columns| {
        let used = used(expr);
        is_stable(expr) && !used.is_empty() && used.is_subset(own) && used.is_disjoint(other)
    };
    if c.op != CompareOp::Equal {
        return None;
    }
    if of(&c.left, own, outer) && of(&c.right, outer, own) {
        return Some((&c.left, c.left_affinity, &c.right, c.right_affinity, &c.collation));
    }
    if of(&c.right, own, outer) && of(&c.left, outer, own) {
        return Some((&c.right, c.right_affinity, &c.left, c.left_affinity, &c.collation));
    }
    None
}

fn applied(expr: Expr, affinity: Option<Affinity>) -> Expr {
    match affinity {
        Some(affinity) => Expr::Apply(Box::new(expr), affinity),
        None => expr,
    }
}

/// Whether rows of a table in a relation are found by this column: then the subquery reads few rows each time.
fn has_index(relation: &Relation, expr: &Expr) -> bool {
    let Expr::Column(column) = expr else { return false };
    match relation {
        Relation::Scan(scan) => {
            let place = scan.columns.iter().find(|(_, id)| id == column).map(|(place, _)| *place);
            let first = |keys: &[crate::schema::IndexKey]| {
                keys.first().is_some_and(|key| key.column.is_some() && key.column == place)
            };
            scan.rowid == Some(*column)
                || place.is_some_and(|place| scan.table.rowid_alias == Some(usize::from(place)))
                || scan
                    .table
                    .indexes
                    .iter()
                    .any(|index| index.filter.is_none() && first(&index.keys))
                || (scan.table.without_rowid && first(&scan.table.primary_key))
        }
        Relation::Join { left, right, .. } => has_index(left, expr) || has_index(right, expr),
        Relation::Filter { input, .. } | Relation::Project { input, .. } => has_index(input, expr),
        _ => false,
    }
}
