//! WITH: common table expressions, ordinary and recursive (lang_with.html).
//!
//! A table expression is bound when it is first named. One that uses nothing of what is around it becomes a [`Shared`] relation,
//! which is put back in its place if it turns out to be used once; another is bound anew for each use.

use std::collections::HashMap;

use super::compound::wrong_widths;
use super::from::rename;
use super::{Binder, Bound};
use crate::ast::{self, CompoundOp, FromItem, Materialized, SelectCore};
use crate::plan::{
    ColumnId, Expr, Members, Query, Relation, Shared, SharedId, Subquery, Visit, walk,
};
use crate::{Error, Result};

/// A table expression in scope.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    cte: ast::Cte,
    /// How many scopes and table expressions it sees.
    scopes: usize,
    sees: usize,
    /// Computed once: what it is, its columns and their names.
    shared: Option<(SharedId, Vec<ColumnId>, Vec<Box<str>>)>,
    /// While its recursive part is bound: the queue, its columns and names.
    queue: Option<(SharedId, Vec<ColumnId>, Vec<Box<str>>)>,
}

impl Binder<'_> {
    /// Brings the table expressions of a WITH into scope; gives what [`Binder::close_with`] takes.
    pub(crate) fn open_with(&mut self, with: Option<&ast::With>) -> Result<usize> {
        let before = self.ctes.len();
        let Some(with) = with else { return Ok(before) };
        for (at, cte) in with.ctes.iter().enumerate() {
            if with.ctes.iter().take(at).any(|other| other.name == cte.name) {
                return Err(Error::sql(format!("duplicate WITH table name: {}", cte.name)));
            }
        }
        let sees = before + with.ctes.len();
        let scopes = self.scopes.len();
        let entry =
            |cte: &ast::Cte| Entry { cte: cte.clone(), scopes, sees, shared: None, queue: None };
        self.ctes.extend(with.ctes.iter().map(entry));
        Ok(before)
    }

    pub(crate) fn close_with(&mut self, before: usize) {
        self.ctes.truncate(before);
    }

    /// A use of the table expression of this name, if there is one.
    pub(super) fn cte(&mut self, name: &ast::Name) -> Result<Option<Bound>> {
        let Some(at) = self.ctes.iter().rposition(|entry| entry.cte.name == *name) else {
            return Ok(None);
        };
        let Some(entry) = self.ctes.get(at).cloned() else { return Ok(None) };
        if let Some((id, columns, names)) = entry.queue.or(entry.shared) {
            return Ok(Some(self.read_shared(id, &columns, names)));
        }
        let never = entry.cte.materialized == Materialized::No;
        let (bound, outer, stable) = self.framed(|binder| binder.cte_body(at, &entry.cte))?;
        if never
            || !outer.is_empty()
            || (!stable && entry.cte.materialized == Materialized::Any && self.in_recursion())
        {
            return Ok(Some(bound));
        }
        let id = self.new_shared();
        let (columns, names) = (bound.columns.clone(), bound.names.clone());
        if let Some(shared) = self.shared.get_mut(id.0 as usize) {
            shared.relation = Some(bound.relation);
            shared.columns = bound.columns;
            shared.keep = entry.cte.materialized == Materialized::Yes;
        }
        if let Some(entry) = self.ctes.get_mut(at) {
            entry.shared = Some((id, columns.clone(), names.clone()));
        }
        Ok(Some(self.read_shared(id, &columns, names)))
    }

    fn in_recursion(&self) -> bool {
        self.ctes.iter().any(|entry| entry.queue.is_some())
    }

    fn read_shared(&mut self, id: SharedId, columns: &[ColumnId], names: Vec<Box<str>>) -> Bound {
        let mut own = Vec::with_capacity(columns.len());
        for column in columns {
            let info = self.info(*column);
            own.push(self.new_column(info));
        }
        Bound { relation: Relation::Shared { id, columns: own.clone() }, columns: own, names }
    }

    /// A table expression's query, seeing what was in scope where it was written.
    fn cte_body(&mut self, at: usize, cte: &ast::Cte) -> Result<Bound> {
        let Some(entry) = self.ctes.get(at) else { return Err(circular(&cte.name)) };
        let (scopes, sees) = (entry.scopes, entry.sees);
        let hidden_scopes = self.scopes.split_off(scopes.min(self.scopes.len()));
        let hidden_ctes = self.ctes.split_off(sees.min(self.ctes.len()));
        let key = format!("cte {at} {}", cte.name);
        let recursive = recursive_part(cte);
        let bound = self.nested(
            &key,
            || circular(&cte.name),
            |binder| {
                let mut bound = match recursive {
                    Some(from) => return binder.recursive(at, cte, from),
                    None => binder.select(&cte.select)?,
                };
                rename(&mut bound, &cte.columns, |has, wanted| {
                    wrong_count(&cte.name, has, wanted)
                })?;
                Ok(bound)
            },
        );
        self.scopes.extend(hidden_scopes);
        self.ctes.extend(hidden_ctes);
        bound
    }

    fn recursive(&mut self, at: usize, cte: &ast::Cte, from: usize) -> Result<Bound> {
        let select = &cte.select;
        let ctes = self.open_with(select.with.as_ref())?;
        let bound = self.recursive_parts(at, cte, from);
        self.close_with(ctes);
        bound
    }

    fn recursive_parts(&mut self, at: usize, cte: &ast::Cte, from: usize) -> Result<Bound> {
        let body = &cte.select.body;
        let before = body.rest.get(..from - 1).unwrap_or_default();
        let steps = body.rest.get(from - 1..).unwrap_or_default();
        let op = steps.first().map_or(CompoundOp::UnionAll, |(op, _)| *op);
        if steps.iter().any(|(op, _)| !matches!(op, CompoundOp::Union | CompoundOp::UnionAll)) {
            return Err(circular(&cte.name));
        }
        let mut initial = self.combined(&body.first, before)?;
        rename(&mut initial, &cte.columns, |has, wanted| wrong_count(&cte.name, has, wanted))?;
        let mut columns = Vec::with_capacity(initial.columns.len());
        for (column, name) in initial.columns.iter().zip(&initial.names) {
            let info = crate::plan::ColumnInfo { name: name.clone(), ..self.info(*column) };
            let collation = info.collation.clone().unwrap_or_default();
            columns.push((self.new_column(info), collation));
        }
        let ids: Vec<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
        let queue = self.new_shared();
        if let Some(shared) = self.shared.get_mut(queue.0 as usize) {
            shared.columns.clone_from(&ids);
        }
        if let Some(entry) = self.ctes.get_mut(at) {
            entry.queue = Some((queue, ids.clone(), initial.names.clone()));
        }
        let step = self.steps(steps);
        if let Some(entry) = self.ctes.get_mut(at) {
            entry.queue = None;
        }
        let step = step?;
        if step.columns.len() != ids.len() {
            return Err(wrong_widths(op));
        }
        let cores: Vec<&SelectCore> =
            std::iter::once(&body.first).chain(body.rest.iter().map(|(_, core)| core)).collect();
        let order = self.compound_order(&cte.select.order_by, &cores, &ids)?;
        let limit = cte.select.limit.as_ref().map(|limit| self.limit(limit)).transpose()?;
        let relation = Relation::Recursive {
            queue,
            initial: (Box::new(initial.relation), initial.columns),
            step: (Box::new(step.relation), step.columns),
            columns,
            distinct: op == CompoundOp::Union,
            order,
            limit: limit.map(Box::new),
        };
        Ok(Bound { relation, columns: ids, names: initial.names })
    }

    /// All recursive parts: each gives rows for the row that the queue lends.
    fn steps(&mut self, steps: &[(CompoundOp, SelectCore)]) -> Result<Bound> {
        let mut bound: Option<Bound> = None;
        for (_, core) in steps {
            let next = self.core(core, &[])?;
            bound = Some(match bound {
                None => next,
                Some(before) => self.combine(CompoundOp::UnionAll, before, next)?,
            });
        }
        bound.ok_or_else(|| Error::sql("a recursive query without recursive part"))
    }
}

fn circular(name: &ast::Name) -> Error {
    Error::sql(format!("circular reference: {name}"))
}

fn wrong_count(name: &ast::Name, has: usize, wanted: usize) -> Error {
    Error::sql(format!("table {name} has {has} values for {wanted} columns"))
}

/// The number of the first core that names the table expression itself in its FROM, from 1; none if it is not recursive.
fn recursive_part(cte: &ast::Cte) -> Option<usize> {
    let own = |core: &SelectCore| match core {
        SelectCore::Select { from: Some(from), .. } => names(from, &cte.name),
        _ => false,
    };
    if own(&cte.select.body.first) {
        return None;
    }
    cte.select.body.rest.iter().position(|(_, core)| own(core)).map(|at| at + 1)
}

fn names(from: &ast::From, name: &ast::Name) -> bool {
    let item = |item: &FromItem| match item {
        FromItem::Table { name: table, .. } => table.schema.is_none() && table.name == *name,
        FromItem::Join { from, .. } => names(from, name),
        FromItem::Select { select, .. } => {
            let cores = std::iter::once(&select.body.first)
                .chain(select.body.rest.iter().map(|(_, core)| core));
            cores.into_iter().any(|core| match core {
                SelectCore::Select { from: Some(from), .. } => names(from, name),
                _ => false,
            })
        }
        FromItem::Function { .. } => false,
    };
    item(&from.first) || from.joins.iter().any(|join| item(&join.item))
}

/// The query in an expression, if it is one.
fn subquery(expr: &mut Expr) -> Option<&mut Subquery> {
    match expr {
        Expr::Subquery(query) | Expr::Exists(query) | Expr::SubqueryColumn(query, _) => Some(query),
        Expr::In(set) => match &mut set.set {
            Members::Query(query) => Some(query),
            Members::List(_) => None,
        },
        _ => None,
    }
}

/// Puts each shared relation that is read once, and was not to be kept, in the place where it is read. What is read in a recursion's
/// step or a correlated subquery counts as read often (it is walked twice).
pub(super) fn inline_single_uses(query: &mut Query) {
    struct Count(HashMap<SharedId, usize>);
    impl Visit for Count {
        fn expr(&mut self, expr: &mut Expr) -> bool {
            if let Some(query) = subquery(expr).filter(|query| !query.outer.is_empty()) {
                walk::relation(&mut query.relation, self);
            }
            true
        }
        fn relation(&mut self, relation: &mut Relation) -> bool {
            match relation {
                Relation::Shared { id, .. } => *self.0.entry(*id).or_default() += 1,
                Relation::Recursive { step, .. } => walk::relation(&mut step.0, self),
                _ => {}
            }
            true
        }
    }
    struct Inline<'q>(&'q mut [Shared], &'q [bool]);
    impl Visit for Inline<'_> {
        fn expr(&mut self, _: &mut Expr) -> bool {
            true
        }
        fn relation(&mut self, relation: &mut Relation) -> bool {
            let Relation::Shared { id, columns } = relation else { return true };
            let at = id.0 as usize;
            if self.1.get(at) == Some(&true)
                && let Some(shared) = self.0.get_mut(at)
                && let Some(body) = shared.relation.take()
            {
                let from = std::mem::take(&mut shared.columns);
                let columns = columns.iter().zip(from).map(|(to, from)| (*to, Expr::Column(from)));
                *relation = Relation::Project { input: Box::new(body), columns: columns.collect() };
            }
            true
        }
    }
    let mut count = Count(HashMap::new());
    walk::relation(&mut query.relation, &mut count);
    for shared in &mut query.shared {
        if let Some(relation) = &mut shared.relation {
            walk::relation(relation, &mut count);
        }
    }
    let single: Vec<bool> = query
        .shared
        .iter()
        .map(|shared| !shared.keep && count.0.get(&shared.id) == Some(&1))
        .collect();
    // Outermost first: what is put in place is walked in turn.
    walk::relation(&mut query.relation, &mut Inline(&mut query.shared, &single));
    for at in (0..query.shared.len()).rev() {
        let taken = query.shared.get_mut(at).and_then(|shared| shared.relation.take());
        if let Some(mut relation) = taken {
            walk::relation(&mut relation, &mut Inline(&mut query.shared, &single));
            if let Some(shared) = query.shared.get_mut(at) {
                shared.relation = Some(relation);
            }
        }
    }
}
