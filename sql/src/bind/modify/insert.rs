//! INSERT and REPLACE, with ON CONFLICT.

use std::sync::Arc;

use super::target::{Target, given_columns};
use super::{Around, Event, Maker, Scope, reads, unit_query};
use crate::ast::{self, ConflictClause, IndexHint, IndexedColumn, InsertSource, UpsertAction};
use crate::bind::Binder;
use crate::bind::column::is_rowid_name;
use crate::plan::{
    Action, ColumnSource, Expr, Given, Insert, Query, Relation, Upsert, UpsertTarget, UpsertUpdate,
    Write,
};
use crate::schema::{Index, IndexKey};
use crate::{Error, Result};

impl Maker<'_> {
    pub(super) fn insert(&mut self, insert: &ast::Insert, around: &Around) -> Result<Write> {
        let alias = insert.alias.as_ref();
        let target = self.target(&insert.table, alias, &Event::Insert, around)?;
        let conflict = around.conflict.or(insert.conflict);
        let source = self.insert_source(insert, around)?;
        let given = match insert.source {
            InsertSource::Select(_) => Some(source.columns.len()),
            InsertSource::DefaultValues => None,
        };
        let (columns, rowid) = insert_columns(&target, &insert.columns, given)?;
        let triggers = self.fired(&target, &Event::Insert, conflict);
        let replaced = self.replaced(&target, conflict);
        let mut binder = self.binder(around);
        binder.open_with(insert.with.as_ref())?;
        let (upserts, existing, excluded) = self.upserts(&mut binder, insert, &target)?;
        let (returning, returned) = self.returning(&mut binder, &target, &insert.returning)?;
        let updates = upserts.iter().filter_map(|upsert| upsert.update.as_ref());
        let has_triggers = !triggers.is_empty()
            || !replaced.is_empty()
            || updates.into_iter().any(|update| !update.triggers.is_empty());
        Ok(Write {
            database: target.database,
            rules: self.rules(&target)?,
            foreign: self.foreign_keys(&target),
            single: !has_triggers && is_single(&source),
            collect: has_triggers || reads(&source, &target),
            source: Arc::new(source),
            conflict,
            action: Action::Insert(Box::new(Insert {
                columns,
                rowid,
                upserts,
                triggers,
                replaced,
                existing,
                excluded,
            })),
            returning,
            returned,
            shared: std::mem::take(&mut binder.shared),
            is_view: target.view.is_some(),
            table: target.table,
        })
    }

    fn insert_source(&mut self, insert: &ast::Insert, around: &Around) -> Result<Query> {
        let InsertSource::Select(select) = &insert.source else { return Ok(unit_query(0)) };
        let mut binder = self.binder(around);
        binder.open_with(insert.with.as_ref())?;
        let bound = binder.select(select)?;
        Ok(super::optimized(binder.finish(bound, 0)))
    }

    /// The triggers of rows that REPLACE removes, if anything says REPLACE.
    pub(super) fn replaced(
        &mut self,
        target: &Target,
        conflict: Option<ConflictClause>,
    ) -> crate::plan::Fired {
        let replace = Some(ConflictClause::Replace);
        let table = &target.table;
        let may = conflict == replace
            || table.primary_key_conflict == replace
            || table.indexes.iter().any(|index| index.conflict == replace);
        match may && target.view.is_none() {
            true => self.fired(target, &Event::Delete, replace),
            false => crate::plan::Fired::default(),
        }
    }

    fn upserts(
        &mut self,
        binder: &mut Binder<'_>,
        insert: &ast::Insert,
        target: &Target,
    ) -> Result<(Vec<Upsert>, Given, Given)> {
        if insert.upserts.is_empty() {
            return Ok(Default::default());
        }
        if target.view.is_some() {
            return Err(Error::sql("cannot UPSERT a view"));
        }
        // The excluded row is found behind the row that is there: by its name only.
        let outer = binder.enter(Scope::default());
        let mut excluded = target.source(&IndexHint::None);
        excluded.name = "excluded".into();
        excluded.database = None;
        binder.add(excluded);
        let inner = binder.enter(Scope::default());
        binder.add(target.source(&IndexHint::None));
        let mut upserts = Vec::with_capacity(insert.upserts.len());
        for (at, upsert) in insert.upserts.iter().enumerate() {
            let among = (at, insert.upserts.len());
            upserts.push(Upsert {
                target: upsert_target(target, upsert, among)?,
                update: match &upsert.action {
                    UpsertAction::Nothing => None,
                    UpsertAction::Update { sets, filter } => {
                        Some(self.upsert_update(binder, target, sets, filter.as_ref())?)
                    }
                },
            });
        }
        let columns = |scope: Option<Scope>| {
            let source = scope.and_then(|scope| scope.sources.into_iter().next());
            source.map_or_else(Given::new, |source| given_columns(&source))
        };
        let existing = columns(binder.leave(inner));
        let excluded = columns(binder.leave(outer));
        Ok((upserts, existing, excluded))
    }

    fn upsert_update(
        &mut self,
        binder: &mut Binder<'_>,
        target: &Target,
        written: &[ast::Set],
        filter: Option<&ast::Expr>,
    ) -> Result<UpsertUpdate> {
        let bound = super::update::bind_sets(binder, target, written)?;
        let filter = match filter {
            Some(filter) => Some(binder.expr(filter)?.expr),
            None => None,
        };
        let sets: Vec<(Option<u16>, Expr)> =
            bound.into_iter().map(|(column, value)| (column, value.expr)).collect();
        let conflict = Some(ConflictClause::Abort);
        let triggers = self.fired(target, &Event::of_sets(written), conflict);
        Ok(UpsertUpdate { filter, sets, triggers })
    }
}

/// Whether a query is one row as written.
fn is_single(query: &Query) -> bool {
    match &query.relation {
        Relation::Unit => true,
        Relation::Values { rows, .. } => rows.len() == 1,
        _ => false,
    }
}

/// Where each column's value comes from, and the rowid's.
fn insert_columns(
    target: &Target,
    names: &[ast::Name],
    given: Option<usize>,
) -> Result<(Vec<ColumnSource>, Option<usize>)> {
    let table = &target.table;
    let generated = |place: usize| table.columns.get(place).is_some_and(|c| c.generated.is_some());
    let mut columns: Vec<ColumnSource> = (0..table.columns.len())
        .map(|place| match generated(place) || table.rowid_alias == Some(place) {
            true => ColumnSource::Computed,
            false => ColumnSource::Default,
        })
        .collect();
    let mut rowid = None;
    let Some(given) = given else { return Ok((columns, None)) };
    let mut places: Vec<Option<usize>> = Vec::new();
    if names.is_empty() {
        places.extend((0..table.columns.len()).filter(|place| !generated(*place)).map(Some));
        if places.len() != given {
            return Err(Error::sql(format!(
                "table {} has {} columns but {given} values were supplied",
                target.written,
                places.len()
            )));
        }
    }
    for name in names {
        let place = table.column(&name.text);
        match place {
            Some(place) if generated(place) => {
                return Err(Error::sql(format!("cannot INSERT into generated column \"{name}\"")));
            }
            None if !is_rowid_name(&name.text) || !table.has_rowid() || target.view.is_some() => {
                return Err(Error::sql(format!(
                    "table {} has no column named {name}",
                    target.written
                )));
            }
            place => places.push(place),
        }
    }
    if places.len() != given {
        return Err(Error::sql(format!("{given} values for {} columns", places.len())));
    }
    for (from, place) in places.into_iter().enumerate() {
        match place {
            // A column that is named twice gets the first value.
            Some(place) if table.rowid_alias != Some(place) => {
                if let Some(column @ ColumnSource::Default) = columns.get_mut(place) {
                    *column = ColumnSource::Source(from);
                }
            }
            _ => rowid = rowid.or(Some(from)),
        }
    }
    Ok((columns, rowid))
}

/// What an ON CONFLICT clause is about.
fn upsert_target(
    target: &Target,
    upsert: &ast::Upsert,
    (at, count): (usize, usize),
) -> Result<UpsertTarget> {
    let table = &target.table;
    if upsert.target.is_empty() {
        return Ok(UpsertTarget::Any);
    }
    if let [only] = &upsert.target[..]
        && table.has_rowid()
        && let ast::Expr::Column { schema: None, table: None, name } = &only.expr
    {
        let is_alias = table.rowid_alias.is_some() && table.column(&name.text) == table.rowid_alias;
        let is_rowid = table.column(&name.text).is_none() && is_rowid_name(&name.text);
        if is_alias || is_rowid {
            return Ok(UpsertTarget::Key);
        }
    }
    for term in &upsert.target {
        check_names(target, &term.expr)?;
    }
    if table.without_rowid && matches(target, &upsert.target, &table.primary_key) {
        return Ok(UpsertTarget::Key);
    }
    let is_meant = |index: &Arc<Index>| {
        let filter = match (&index.filter, &upsert.target_filter) {
            (None, _) => true,
            (Some(own), Some(said)) => same(own, said),
            (Some(_), None) => false,
        };
        index.unique && filter && matches(target, &upsert.target, &index.keys)
    };
    match table.indexes.iter().position(is_meant) {
        Some(index) => Ok(UpsertTarget::Index(index)),
        None => {
            let which = match count {
                1 => String::new(),
                _ => format!("{} ", crate::bind::order::ordinal(at + 1)),
            };
            Err(Error::sql(format!(
                "{which}ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE constraint"
            )))
        }
    }
}

/// # Errors
/// If a plain name is no column's.
fn check_names(target: &Target, expr: &ast::Expr) -> Result<()> {
    match expr {
        ast::Expr::Collate(inner, _) | ast::Expr::Paren(inner) => check_names(target, inner),
        ast::Expr::Column { schema: None, table: None, name }
            if target.table.column(&name.text).is_none()
                && !(is_rowid_name(&name.text) && target.table.has_rowid()) =>
        {
            Err(Error::sql(format!("no such column: {name}")))
        }
        _ => Ok(()),
    }
}

/// Whether the terms are the keys of an index, in any order.
fn matches(target: &Target, terms: &[IndexedColumn], keys: &[IndexKey]) -> bool {
    let is = |key: &IndexKey, term: &IndexedColumn| {
        let (said, collation) = crate::bind::order::stripped(&term.expr);
        let column = key.column.and_then(|place| target.table.columns.get(usize::from(place)));
        let same_value = match (said, column, &key.expr) {
            (ast::Expr::Column { name, .. }, Some(column), _) => name.is(&column.name),
            (said, None, Some(own)) => same(crate::bind::order::stripped(own).0, said),
            _ => false,
        };
        same_value && collation.is_none_or(|name| name.is(key.collation.name()))
    };
    terms.len() == keys.len() && keys.iter().all(|key| terms.iter().any(|term| is(key, term)))
}

/// Whether two expressions are the same, parentheses and the table's name aside.
fn same(a: &ast::Expr, b: &ast::Expr) -> bool {
    use ast::Expr;
    match (a, b) {
        (Expr::Paren(a), b) => same(a, b),
        (a, Expr::Paren(b)) => same(a, b),
        (Expr::Column { name: a, .. }, Expr::Column { name: b, .. }) => a == b,
        (Expr::Binary(op_a, a1, a2), Expr::Binary(op_b, b1, b2)) => {
            op_a == op_b && same(a1, b1) && same(a2, b2)
        }
        (Expr::Unary(op_a, a), Expr::Unary(op_b, b)) => op_a == op_b && same(a, b),
        (Expr::IsNull(a), Expr::IsNull(b)) | (Expr::NotNull(a), Expr::NotNull(b)) => same(a, b),
        _ => a == b,
    }
}
