//! The planner: rules that rewrite a query's plan so that it reads less and computes less. One rule, one file.
//!
//! - [`decorrelate`]: correlated subqueries become joins.
//! - [`pushdown`]: predicates go to where their columns come from, and outer joins that can't give NULLs become inner ones.
//! - [`joins`]: the order of inner joins, and how each join is computed.
//! - [`access`]: how a table's rows are found: by rowid, by an index's equalities and ranges, by IN and OR.
//! - [`indexed`]: indexes on expressions and partial ones.
//! - [`order`]: orders that an access gives by itself, and sorts of which only the first rows are asked for.
//! - [`extremes`]: `min` and `max` from the end of an index.
//! - [`estimate`]: how many rows a relation gives and what it costs; [`columns`]: which columns it gives and uses.
//!
//! # Invariants
//! - O1: no rule changes what a query answers; the order of rows that ORDER BY does not fix may change.
//! - O2: a predicate stands in one place: in a filter, in a join, or in an access path that serves it wholly.
//! - O3: an expression moves only to where all columns that it uses are inputs, or come from relations around.

mod access;
mod columns;
mod decorrelate;
mod estimate;
mod extremes;
mod indexed;
mod joins;
mod order;
mod pushdown;
mod terms;

use crate::plan::{ColumnId, ColumnInfo, Expr, Members, Query, Relation, Visit, walk};

/// Rewrites a query's plan.
pub fn optimize(query: &mut Query) {
    let mut optimizer = Optimizer { infos: &mut query.infos };
    for shared in &mut query.shared {
        if let Some(relation) = &mut shared.relation {
            optimizer.relation(relation);
        }
    }
    optimizer.relation(&mut query.relation);
}

struct Optimizer<'q> {
    infos: &'q mut Vec<ColumnInfo>,
}

impl Optimizer<'_> {
    /// A relation and all in it: subqueries first, because their expressions move with what is around them.
    fn relation(&mut self, relation: &mut Relation) {
        self.decorrelate(relation);
        walk::relation(relation, &mut Subqueries(self));
        let taken = std::mem::replace(relation, Relation::Empty);
        let pushed = self.push(taken, Vec::new());
        *relation = self.settle(pushed);
    }

    /// The rules that look at a relation whose predicates are in place.
    fn settle(&mut self, mut relation: Relation) -> Relation {
        struct Settle<'o, 'q>(&'o mut Optimizer<'q>);
        impl Visit for Settle<'_, '_> {
            fn expr(&mut self, _: &mut Expr) -> bool {
                // Subqueries were settled before.
                false
            }
            fn relation(&mut self, relation: &mut Relation) -> bool {
                walk::parts(relation, self);
                let taken = std::mem::replace(relation, Relation::Empty);
                let taken = extremes::from_the_end(taken);
                *relation = order::sorted_by_access(taken, self.0);
                false
            }
        }
        walk::relation(&mut relation, &mut Settle(self));
        relation
    }

    /// A new column, for a register that an access path sets.
    fn new_column(&mut self) -> ColumnId {
        let id = ColumnId(u32::try_from(self.infos.len()).unwrap_or(u32::MAX));
        self.infos.push(ColumnInfo::default());
        id
    }
}

/// Optimizes the subqueries in the expressions of a relation.
struct Subqueries<'o, 'q>(&'o mut Optimizer<'q>);

impl Visit for Subqueries<'_, '_> {
    fn expr(&mut self, expr: &mut Expr) -> bool {
        match expr {
            Expr::Subquery(query) | Expr::Exists(query) | Expr::SubqueryColumn(query, _) => {
                self.0.relation(&mut query.relation);
                false
            }
            Expr::In(set) => {
                if let Members::Query(query) = &mut set.set {
                    self.0.relation(&mut query.relation);
                    set.values.iter_mut().for_each(|value| walk::expr(value, self));
                    return false;
                }
                true
            }
            _ => true,
        }
    }
}
