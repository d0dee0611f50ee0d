//! Which columns a relation gives, and which an expression uses.

use std::collections::BTreeSet;

use crate::plan::{ColumnId, Expr, FunctionRef, JoinKind, Members, Relation, Visit, walk};

/// A set of columns.
pub(super) type Columns = BTreeSet<ColumnId>;

/// The columns that a relation gives.
pub(super) fn given(relation: &Relation) -> Columns {
    let mut columns = Columns::new();
    add_given(relation, &mut columns);
    columns
}

fn add_given(relation: &Relation, to: &mut Columns) {
    match relation {
        Relation::Unit | Relation::Empty => {}
        Relation::Values { columns, .. } | Relation::Shared { columns, .. } => to.extend(columns),
        Relation::Scan(scan) => {
            to.extend(scan.columns.iter().map(|(_, id)| *id));
            to.extend(scan.rowid);
        }
        Relation::Rows { columns, .. } => to.extend(columns.iter().map(|(_, id)| *id)),
        Relation::Filter { input, .. }
        | Relation::Sort { input, .. }
        | Relation::Limit { input, .. }
        | Relation::Distinct { input, .. } => add_given(input, to),
        Relation::Project { columns, .. } => to.extend(columns.iter().map(|(id, _)| *id)),
        Relation::Join { kind, left, right, .. } => {
            add_given(left, to);
            if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
                add_given(right, to);
            }
        }
        Relation::Aggregate { groups, aggregates, bare, .. } => {
            to.extend(groups.iter().map(|(id, ..)| *id));
            to.extend(aggregates.iter().map(|(id, _)| *id));
            to.extend(bare.iter().map(|(id, _)| *id));
        }
        Relation::Window { input, calls, .. } => {
            add_given(input, to);
            to.extend(calls.iter().map(|(id, _)| *id));
        }
        Relation::Compound { columns, .. } | Relation::Recursive { columns, .. } => {
            to.extend(columns.iter().map(|(id, _)| *id));
        }
    }
}

/// The columns that an expression uses, those that its subqueries use (and make) included.
pub(super) fn used(expr: &Expr) -> Columns {
    let mut used = Used(Columns::new());
    walk::expr(&mut expr.clone(), &mut used);
    used.0
}

struct Used(Columns);

impl Visit for Used {
    fn expr(&mut self, expr: &mut Expr) -> bool {
        if let Expr::Column(column) = expr {
            self.0.insert(*column);
        }
        true
    }
}

/// The columns that all expressions in a relation use.
pub(super) fn used_in(relation: &Relation) -> Columns {
    let mut used = Used(Columns::new());
    walk::relation(&mut relation.clone(), &mut used);
    used.0
}

/// Whether an expression may be moved, doubled and evaluated for other rows than it was: it calls nothing like random().
pub(super) fn is_stable(expr: &Expr) -> bool {
    struct Stable(bool);
    impl Visit for Stable {
        fn expr(&mut self, expr: &mut Expr) -> bool {
            match expr {
                Expr::Function(call) => {
                    self.0 &= match &call.function {
                        FunctionRef::BuiltIn(function) => function.deterministic,
                        FunctionRef::User(function) => function.deterministic,
                        _ => true,
                    };
                }
                Expr::Raise(..) => self.0 = false,
                Expr::Subquery(query) | Expr::Exists(query) | Expr::SubqueryColumn(query, _) => {
                    self.0 &= query.stable;
                }
                Expr::In(set) => {
                    if let Members::Query(query) = &set.set {
                        self.0 &= query.stable;
                    }
                }
                _ => {}
            }
            self.0
        }
    }
    let mut stable = Stable(true);
    walk::expr(&mut expr.clone(), &mut stable);
    stable.0
}

/// Whether an expression has a subquery in it.
pub(super) fn has_subquery(expr: &Expr) -> bool {
    struct Found(bool);
    impl Visit for Found {
        fn expr(&mut self, expr: &mut Expr) -> bool {
            self.0 |= match expr {
                Expr::Subquery(_) | Expr::Exists(_) | Expr::SubqueryColumn(..) => true,
                Expr::In(set) => matches!(set.set, Members::Query(_)),
                _ => false,
            };
            !self.0
        }
    }
    let mut found = Found(false);
    walk::expr(&mut expr.clone(), &mut found);
    found.0
}

/// Puts expressions in the place of columns. Columns inside of subqueries are replaced only by columns: those of a
/// correlated subquery are noted in its list.
pub(super) fn substituted(mut expr: Expr, with: &[(ColumnId, Expr)]) -> Option<Expr> {
    struct Replace<'w> {
        with: &'w [(ColumnId, Expr)],
        possible: bool,
    }
    impl Visit for Replace<'_> {
        fn expr(&mut self, expr: &mut Expr) -> bool {
            let outer = match expr {
                Expr::Column(column) => {
                    if let Some((_, new)) = self.with.iter().find(|(id, _)| id == column) {
                        *expr = new.clone();
                        return false;
                    }
                    return true;
                }
                Expr::Subquery(query) | Expr::Exists(query) | Expr::SubqueryColumn(query, _) => {
                    &mut query.outer
                }
                Expr::In(set) => match &mut set.set {
                    Members::Query(query) => &mut query.outer,
                    Members::List(_) => return true,
                },
                _ => return true,
            };
            for column in outer.iter_mut() {
                match self.with.iter().find(|(id, _)| id == column) {
                    Some((_, Expr::Column(new))) => *column = *new,
                    Some(_) => self.possible = false,
                    None => {}
                }
            }
            true
        }
    }
    let mut replace = Replace { with, possible: true };
    walk::expr(&mut expr, &mut replace);
    replace.possible.then_some(expr)
}
