//! UPDATE and DELETE.

use std::sync::Arc;

use super::target::Target;
use super::{Around, Event, Maker, Scope};
use crate::ast::{self, IndexHint, Limit, OrderTerm};
use crate::bind::from::{self, Tree};
use crate::bind::{Binder, Bound, Typed};
use crate::plan::{Action, ColumnId, Expr, Fired, Query, Relation, Update, Write};
use crate::{Error, Result};

/// The parts of a query over a target.
struct Rows<'s> {
    with: Option<&'s ast::With>,
    hint: &'s IndexHint,
    sets: &'s [ast::Set],
    from: Option<&'s ast::From>,
    filter: Option<&'s ast::Expr>,
}

/// The query, what is set, and how many columns are the key.
struct BoundRows {
    query: Query,
    sets: Vec<Option<u16>>,
    key_columns: usize,
}

impl Maker<'_> {
    pub(super) fn update(&mut self, update: &ast::Update, around: &Around) -> Result<Write> {
        refuse_order(&update.order_by, update.limit.as_ref())?;
        let event = Event::of_sets(&update.sets);
        let target = self.target(&update.table, update.alias.as_ref(), &event, around)?;
        let conflict = around.conflict.or(update.conflict);
        let rows = Rows {
            with: update.with.as_ref(),
            hint: &update.hint,
            sets: &update.sets,
            from: update.from.as_ref(),
            filter: update.filter.as_ref(),
        };
        let bound = self.rows(&target, &rows, around)?;
        let triggers = self.fired(&target, &event, conflict);
        let replaced = self.replaced(&target, conflict);
        let action = Action::Update(Box::new(Update {
            sets: bound.sets,
            key_columns: bound.key_columns,
            joined: update.from.is_some(),
            triggers,
            replaced,
        }));
        let with = update.with.as_ref();
        let write = self.write(target, bound.query, action, &update.returning, with, around)?;
        Ok(Write { conflict, ..write })
    }

    pub(super) fn delete(&mut self, delete: &ast::Delete, around: &Around) -> Result<Write> {
        refuse_order(&delete.order_by, delete.limit.as_ref())?;
        let alias = delete.alias.as_ref();
        let target = self.target(&delete.table, alias, &Event::Delete, around)?;
        let rows = Rows {
            with: delete.with.as_ref(),
            hint: &delete.hint,
            sets: &[],
            from: None,
            filter: delete.filter.as_ref(),
        };
        let bound = self.rows(&target, &rows, around)?;
        let fired: Fired = self.fired(&target, &Event::Delete, around.conflict);
        let (action, with) = (Action::Delete(fired), delete.with.as_ref());
        self.write(target, bound.query, action, &delete.returning, with, around)
    }

    fn write(
        &mut self,
        target: Target,
        source: Query,
        action: Action,
        returning: &[ast::ResultColumn],
        with: Option<&ast::With>,
        around: &Around,
    ) -> Result<Write> {
        let mut binder = self.binder(around);
        binder.open_with(with)?;
        let (returning, returned) = self.returning(&mut binder, &target, returning)?;
        Ok(Write {
            database: target.database,
            rules: self.rules(&target)?,
            source: Arc::new(source),
            foreign: self.foreign_keys(&target),
            single: false,
            collect: true,
            conflict: around.conflict,
            action,
            returning,
            returned,
            shared: std::mem::take(&mut binder.shared),
            is_view: target.view.is_some(),
            table: target.table,
        })
    }

    /// The query that gives the keys of the rows that are meant, and the values that they get.
    fn rows(&mut self, target: &Target, rows: &Rows<'_>, around: &Around) -> Result<BoundRows> {
        let mut binder = self.binder(around);
        binder.open_with(rows.with)?;
        let bound_view = match &target.view {
            Some(view) => Some(binder.view(view, target.database)?),
            None => None,
        };
        let depth = binder.enter(Scope::default());
        let mut tree = match bound_view {
            Some(bound) => {
                if let IndexHint::IndexedBy(index) = rows.hint {
                    return Err(Error::sql(format!("no such index: {index}")));
                }
                binder.bound_item(bound, target.called.clone(), target.database_name.clone())
            }
            None => {
                from::check_hint(&target.table, rows.hint)?;
                Tree::Source(binder.add(target.source(rows.hint)), None)
            }
        };
        if let Some(from) = rows.from {
            tree = binder.joined_to(tree, from)?;
        }
        let mut columns = key_columns(&mut binder, target, depth)?;
        let key_columns = columns.len();
        let bound = bind_sets(&mut binder, target, rows.sets)?;
        let mut sets = Vec::with_capacity(bound.len());
        for (column, value) in bound {
            let id = binder.column_for("".into(), &value);
            columns.push((id, value.expr));
            sets.push(column);
        }
        let filter = match rows.filter {
            Some(filter) => from::conjuncts(binder.expr(filter)?.expr),
            None => Vec::new(),
        };
        let mut relation = match binder.scopes.get_mut(depth) {
            Some(scope) => from::relation(tree, scope),
            None => Relation::Empty,
        };
        binder.leave(depth);
        if !filter.is_empty() {
            relation = Relation::Filter { input: Box::new(relation), predicates: filter };
        }
        let ids: Vec<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
        relation = Relation::Project { input: Box::new(relation), columns };
        let names = vec!["".into(); ids.len()];
        let query = super::optimized(binder.finish(Bound { relation, columns: ids, names }, 0));
        Ok(BoundRows { query, sets, key_columns })
    }
}

/// The columns that name a row: its rowid, its primary key, or of a view all.
fn key_columns(
    binder: &mut Binder<'_>,
    target: &Target,
    depth: usize,
) -> Result<Vec<(ColumnId, Expr)>> {
    let table = &target.table;
    let mut ids = Vec::new();
    if target.view.is_some() {
        for place in 0..table.columns.len() {
            ids.push(binder.use_column(depth, 0, place)?);
        }
    } else if table.has_rowid() {
        ids.extend(binder.use_rowid(depth, 0));
    } else {
        for key in &table.primary_key {
            let place = key.column.map_or(usize::MAX, usize::from);
            ids.push(binder.use_column(depth, 0, place)?);
        }
    }
    // Numbers of their own, for a view's may be given twice.
    Ok(ids
        .into_iter()
        .map(|id| {
            let info = binder.info(id);
            (binder.new_column(info), Expr::Column(id))
        })
        .collect())
}

/// What is set to what; of a column that is set twice the last counts.
pub(super) fn bind_sets(
    binder: &mut Binder<'_>,
    target: &Target,
    sets: &[ast::Set],
) -> Result<Vec<(Option<u16>, Typed)>> {
    let mut bound: Vec<(Option<u16>, Typed)> = Vec::with_capacity(sets.len());
    for set in sets {
        let values = match &set.columns[..] {
            [_] => vec![binder.expr(&set.value)?],
            columns => {
                let values = binder.row(&set.value)?;
                if values.len() != columns.len() {
                    return Err(Error::sql(format!(
                        "{} columns assigned {} values",
                        columns.len(),
                        values.len()
                    )));
                }
                values
            }
        };
        for (name, value) in set.columns.iter().zip(values) {
            let column = target.set_column(name)?;
            bound.retain(|(other, _)| *other != column);
            bound.push((column, value));
        }
    }
    Ok(bound)
}

/// Stock SQLite is built without ORDER BY and LIMIT here.
fn refuse_order(order_by: &[OrderTerm], limit: Option<&Limit>) -> Result<()> {
    let word = match (order_by.is_empty(), limit) {
        (false, _) => "ORDER",
        (true, Some(_)) => "LIMIT",
        (true, None) => return Ok(()),
    };
    Err(Error::sql(format!("near \"{word}\": syntax error")))
}
