//! The order of inner joins and how each join is computed: by looking the right side's rows up for each row of the left side, or by
//! a hash table of the right side.
//!
//! The order is found greedily: first the cheapest relation, then always the one that costs least to join to what is there. Of equal
//! ones the first in the statement goes first, so that what nothing speaks against stays as it was written.

use super::columns::{Columns, given, is_stable, used, used_in};
use super::estimate::{self, Estimate};
use super::pushdown::{filtered, split};
use super::{Optimizer, terms};
use crate::plan::{CompareOp, Comparison, Expr, JoinAlgorithm, JoinKind, Relation, Scan};

/// A relation to be joined.
struct Item {
    relation: Relation,
    given: Columns,
    /// Columns of other items that it uses inside: it comes after them (a function's arguments).
    needs: Columns,
    /// It comes after the items before it (CROSS JOIN, or what was an outer join).
    fixed: bool,
}

impl Optimizer<'_> {
    /// Inner joins, however they are nested, with predicates above them.
    pub(super) fn inner_joins(&mut self, relation: Relation, predicates: Vec<Expr>) -> Relation {
        let mut items = Vec::new();
        let mut all = predicates;
        collect(relation, false, &mut items, &mut all);
        let of_all: Columns = items.iter().flat_map(|item| item.given.iter().copied()).collect();
        for item in &mut items {
            let own = &item.given;
            item.needs = used_in(&item.relation)
                .into_iter()
                .filter(|c| of_all.contains(c) && !own.contains(c))
                .collect();
        }
        let (predicates, mut above) = split(all, is_stable);
        // What uses none of them is asked before anything is joined.
        let (once, mut predicates) = split(predicates, |p| used(p).is_disjoint(&of_all));
        let Some(first) = self.first(&items, &predicates, &of_all) else {
            predicates.append(&mut above);
            predicates.extend(once);
            return filtered(Relation::Unit, predicates);
        };
        let item = items.remove(first);
        let mut there = item.given.clone();
        let (own, rest) =
            split(predicates, |p| used(p).intersection(&of_all).all(|c| there.contains(c)));
        let mut joined = filtered(self.push(item.relation, own), once);
        predicates = rest;
        while !items.is_empty() {
            let Some(next) = self.next(&joined, &items, &predicates, &there, &of_all) else {
                break;
            };
            let item = items.remove(next);
            there.extend(item.given.iter().copied());
            let (on, rest) =
                split(predicates, |p| used(p).intersection(&of_all).all(|c| there.contains(c)));
            predicates = rest;
            joined = self.one_join(JoinKind::Inner, joined, item.relation, on);
        }
        predicates.append(&mut above);
        filtered(joined, predicates)
    }

    /// The item to begin with.
    fn first(&mut self, items: &[Item], predicates: &[Expr], all: &Columns) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for (at, item) in items.iter().enumerate() {
            if !item.needs.is_empty() || (at > 0 && item.fixed) {
                continue;
            }
            let own: Vec<Expr> = predicates
                .iter()
                .filter(|p| used(p).intersection(all).all(|c| item.given.contains(c)))
                .cloned()
                .collect();
            let estimate = self.with(item, own);
            let cost = estimate.cost + estimate.rows;
            // Items that others of the same cost do not beat keep their place, and so does what nothing speaks of.
            let spoken_of = predicates.iter().any(|p| !used(p).is_disjoint(&item.given));
            if best.is_none_or(|(least, _)| spoken_of && cost < least * 0.999) {
                best = Some((cost, at));
            }
            if items.get(at + 1).is_some_and(|next| next.fixed) {
                break;
            }
        }
        best.map(|(_, at)| at).or(if items.is_empty() { None } else { Some(0) })
    }

    /// The item to join next.
    fn next(
        &mut self,
        joined: &Relation,
        items: &[Item],
        predicates: &[Expr],
        there: &Columns,
        all: &Columns,
    ) -> Option<usize> {
        let left = estimate::of(joined);
        let mut best: Option<(f64, usize)> = None;
        for (at, item) in items.iter().enumerate() {
            if at > 0 && item.fixed {
                break;
            }
            if !item.needs.is_subset(there) {
                continue;
            }
            let with: Columns = there.union(&item.given).copied().collect();
            let on: Vec<Expr> = predicates
                .iter()
                .filter(|p| used(p).intersection(all).all(|c| with.contains(c)))
                .cloned()
                .collect();
            let joined = self.join_estimate(left, item, on, there);
            let cost = joined.cost - left.cost + joined.rows;
            if best.is_none_or(|(least, _)| cost < least * 0.999) {
                best = Some((cost, at));
            }
        }
        best.map(|(_, at)| at).or(if items.is_empty() { None } else { Some(0) })
    }

    /// What is expected of an item with predicates of its own.
    fn with(&mut self, item: &Item, own: Vec<Expr>) -> Estimate {
        match scan_of(&item.relation) {
            Some(_) => estimate::of(&self.push(item.relation.clone(), own)),
            None => {
                let mut of = estimate::of(&item.relation);
                of.rows =
                    (of.rows * 0.3_f64.powi(i32::try_from(own.len()).unwrap_or(i32::MAX))).max(1.0);
                of
            }
        }
    }

    fn join_estimate(
        &mut self,
        left: Estimate,
        item: &Item,
        on: Vec<Expr>,
        there: &Columns,
    ) -> Estimate {
        let (own, both) = split(on.clone(), |p| used(p).is_disjoint(there));
        let right = self.with(item, own);
        let (keys, rest) = hash_keys(both, there, &item.given);
        let hashed = JoinAlgorithm::Hash { keys };
        let by_hash = estimate::join(JoinKind::Inner, left, right, &hashed, &rest);
        if scan_of(&item.relation).is_none() {
            return by_hash;
        }
        let looked_up = estimate::of(&self.push(item.relation.clone(), on));
        let by_loop = estimate::join(JoinKind::Inner, left, looked_up, &JoinAlgorithm::Loop, &[]);
        if by_loop.cost < by_hash.cost { by_loop } else { by_hash }
    }

    /// A join of two, computed in the cheaper way. `left` is optimized, `right` is not yet.
    pub(super) fn one_join(
        &mut self,
        kind: JoinKind,
        left: Relation,
        right: Relation,
        on: Vec<Expr>,
    ) -> Relation {
        let (of_left, of_right) = (given(&left), given(&right));
        let rows = estimate::of(&left);
        // What the right side uses of the left one inside can only be computed in a loop.
        let lateral = !used_in(&right).is_disjoint(&of_left);
        let (own, both) = split(on.clone(), |p| used(p).is_disjoint(&of_left) && is_stable(p));
        let (keys, rest) = hash_keys(both, &of_left, &of_right);
        // An outer join's condition on the left side alone decides about matching, not about rows.
        let (inside, outside) = match kind {
            JoinKind::Inner => (on, Vec::new()),
            _ => split(on, |p| !used(p).is_disjoint(&of_right) && is_stable(p)),
        };
        let simple = scan_of(&right).is_some();
        let hashed = (!lateral).then(|| {
            let right = self.push(right.clone(), own);
            let algorithm = JoinAlgorithm::Hash { keys };
            let cost = estimate::join(kind, rows, estimate::of(&right), &algorithm, &rest).cost;
            (cost, right, algorithm, rest)
        });
        let looped = (lateral || simple || hashed.is_none()).then(|| {
            let right = self.push(right, inside);
            let cost =
                estimate::join(kind, rows, estimate::of(&right), &JoinAlgorithm::Loop, &outside)
                    .cost;
            (cost, right, JoinAlgorithm::Loop, outside)
        });
        let chosen = match (hashed, looped) {
            (Some(hashed), Some(looped)) => {
                Some(if looped.0 <= hashed.0 { looped } else { hashed })
            }
            (hashed, looped) => hashed.or(looped),
        };
        let Some((_, right, algorithm, on)) = chosen else { return Relation::Empty };
        Relation::Join {
            kind,
            left: Box::new(left),
            right: Box::new(right),
            on,
            algorithm,
            keep_order: false,
        }
    }
}

/// Takes nested inner joins and filters apart.
fn collect(relation: Relation, fixed: bool, items: &mut Vec<Item>, predicates: &mut Vec<Expr>) {
    match relation {
        Relation::Join { kind: JoinKind::Inner, left, right, on, keep_order, .. } => {
            collect(*left, fixed, items, predicates);
            collect(*right, keep_order, items, predicates);
            predicates.extend(on);
        }
        Relation::Filter { input, predicates: own }
            if matches!(*input, Relation::Join { kind: JoinKind::Inner, .. })
                && own.iter().all(is_stable) =>
        {
            collect(*input, fixed, items, predicates);
            predicates.extend(own);
        }
        relation => {
            let given = given(&relation);
            items.push(Item { relation, given, needs: Columns::new(), fixed });
        }
    }
}

/// The scan that a relation is, filters and computed columns aside.
fn scan_of(relation: &Relation) -> Option<&Scan> {
    match relation {
        Relation::Scan(scan) => Some(scan),
        Relation::Filter { input, .. } | Relation::Project { input, .. } => scan_of(input),
        _ => None,
    }
}

/// The equalities of a column's side with the other's, which a hash table can serve, and the other predicates.
pub(super) fn hash_keys(
    on: Vec<Expr>,
    left: &Columns,
    right: &Columns,
) -> (Vec<Comparison>, Vec<Expr>) {
    let (mut keys, mut rest) = (Vec::new(), Vec::new());
    for predicate in on {
        match predicate {
            Expr::Compare(comparison) => match as_key(comparison, left, right) {
                Ok(key) => keys.push(key),
                Err(comparison) => rest.push(Expr::Compare(comparison)),
            },
            other => rest.push(other),
        }
    }
    (keys, rest)
}

fn as_key(
    comparison: Box<Comparison>,
    left: &Columns,
    right: &Columns,
) -> std::result::Result<Comparison, Box<Comparison>> {
    let of = |expr: &Expr, own: &Columns, other: &Columns| {
        let used = used(expr);
        !used.is_disjoint(own) && used.is_disjoint(other) && is_stable(expr)
    };
    if comparison.op != CompareOp::Equal {
        return Err(comparison);
    }
    if of(&comparison.left, left, right) && of(&comparison.right, right, left) {
        return Ok(*comparison);
    }
    if of(&comparison.left, right, left) && of(&comparison.right, left, right) {
        return Ok(Comparison {
            op: terms::flipped(comparison.op),
            left: comparison.right,
            right: comparison.left,
            left_affinity: comparison.right_affinity,
            right_affinity: comparison.left_affinity,
            collation: comparison.collation,
        });
    }
    Err(comparison)
}
