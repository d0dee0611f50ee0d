//! Looking up a column's name, from the innermost scope outward (`lookupName` in SQLite's resolve.c tells the order).
//!
//! In one scope: the sources' columns, the rows of triggers and constraints, rowids, aliases of the result. What is found nowhere may
//! be TRUE or FALSE, or a string in double quotes.

use heddle_value::{Affinity, Value};

use super::scope::{RowKind, Source, SourceKind};
use super::{Binder, Typed};
use crate::ast::{self, Name};
use crate::plan::{ColumnId, ColumnInfo, Expr, FunctionRef, Origin, Visit, walk};
use crate::schema::Table;
use crate::{Error, Result};

/// How often aliases may lead to each other.
const MAX_ALIASES: usize = 50;

/// A name as written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written<'n> {
    pub(super) schema: Option<&'n Name>,
    pub(super) table: Option<&'n Name>,
    pub(super) name: &'n Name,
}

impl std::fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in [self.schema, self.table].into_iter().flatten() {
            write!(f, "{part}.")?;
        }
        write!(f, "{}", self.name)
    }
}

/// Whether it is a name of the rowid.
pub(crate) fn is_rowid_name(name: &str) -> bool {
    ["rowid", "oid", "_rowid_"].iter().any(|rowid| rowid.eq_ignore_ascii_case(name))
}

impl Binder<'_> {
    /// What a name means.
    pub(super) fn column(&mut self, written: Written<'_>) -> Result<Typed> {
        if let Some(found) = self.find(written)? {
            return Ok(found);
        }
        if written.table.is_none() {
            if let Some(truth) = truth_word(written.name) {
                return Ok(Typed::constant(Value::Integer(truth.into())));
            }
            if written.name.double_quoted {
                return Ok(Typed::constant(Value::text(written.name.text.as_bytes())));
            }
        }
        Err(Error::sql(format!("no such column: {written}")))
    }

    /// What a name means, if it is a column's or an alias.
    pub(super) fn find(&mut self, written: Written<'_>) -> Result<Option<Typed>> {
        for depth in (0..self.scopes.len()).rev() {
            if let Some(found) = self.find_at(written, depth)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn find_at(&mut self, written: Written<'_>, depth: usize) -> Result<Option<Typed>> {
        let ambiguous = || Error::sql(format!("ambiguous column name: {written}"));
        if written.table.is_none()
            && let Some(found) = self.find_merged(written, depth)?
        {
            return Ok(Some(found));
        }
        let Some(scope) = self.scopes.get(depth) else { return Ok(None) };
        let mut found = None;
        let mut with_rowid = None;
        let mut matching = 0;
        for (at, source) in scope.sources.iter().enumerate() {
            if !source.is_called(written) {
                continue;
            }
            matching += 1;
            let qualified = written.table.is_some();
            let place = source
                .columns
                .iter()
                .position(|column| written.name.is(&column.name) && (qualified || !column.merged));
            if let Some(place) = place {
                // Qualified by a name that two sources have, the first counts.
                if found.is_some() && !qualified {
                    return Err(ambiguous());
                }
                found = found.or(Some((at, place)));
            } else if with_rowid.is_none() && source.has_rowid() {
                with_rowid = Some(at);
            }
        }
        if let Some((at, place)) = found {
            let id = self.use_column(depth, at, place)?;
            return Ok(Some(self.seen(id, depth)));
        }
        if let Some(found) = self.find_row(written, depth) {
            return Ok(Some(found));
        }
        if is_rowid_name(&written.name.text)
            && let Some(at) = with_rowid
        {
            if matching > 1 && written.table.is_none() {
                return Err(ambiguous());
            }
            if let Some(id) = self.use_rowid(depth, at) {
                return Ok(Some(self.seen(id, depth)));
            }
        }
        if written.table.is_none() { self.find_alias(written.name, depth) } else { Ok(None) }
    }

    /// A column of the scope at `depth`, noted as used from here.
    pub(super) fn seen(&mut self, id: ColumnId, depth: usize) -> Typed {
        self.note_outer(id, depth);
        self.deepest = self.deepest.max(Some(depth));
        let info = self.info(id);
        Typed {
            expr: Expr::Column(id),
            affinity: info.affinity,
            collation: info.collation,
            explicit: false,
            declared_type: info.declared_type,
        }
    }

    fn find_merged(&mut self, written: Written<'_>, depth: usize) -> Result<Option<Typed>> {
        let Some(scope) = self.scopes.get(depth) else { return Ok(None) };
        let Some(at) = scope.merged.iter().position(|merged| written.name.is(&merged.name)) else {
            return Ok(None);
        };
        let others = scope.sources.iter().enumerate().any(|(source, of)| {
            of.columns.iter().enumerate().any(|(place, column)| {
                let mine = scope.merged.get(at).is_some_and(|m| m.parts.contains(&(source, place)));
                written.name.is(&column.name) && !column.merged && !mine
            })
        });
        if others {
            return Err(Error::sql(format!("ambiguous column name: {written}")));
        }
        self.merged_column(depth, at).map(Some)
    }

    /// What a merged column stands for.
    pub(super) fn merged_column(&mut self, depth: usize, at: usize) -> Result<Typed> {
        let merged = self.scopes.get(depth).and_then(|scope| scope.merged.get(at)).cloned();
        let Some(merged) = merged else { return Ok(Typed::constant(Value::Null)) };
        let count = if merged.coalesce { merged.parts.len() } else { 1 };
        let mut parts = Vec::with_capacity(count);
        for &(source, place) in merged.parts.iter().take(count) {
            let id = self.use_column(depth, source, place)?;
            parts.push(self.seen(id, depth));
        }
        if parts.len() == 1
            && let Some(only) = parts.pop()
        {
            return Ok(only);
        }
        let first = parts.first().cloned();
        let expr = super::call::function(
            FunctionRef::Coalesce,
            parts.into_iter().map(|part| part.expr).collect(),
            Default::default(),
        );
        let (affinity, collation) = first.map_or((None, None), |f| (f.affinity, f.collation));
        Ok(Typed { affinity, collation, ..Typed::plain(expr) })
    }

    /// A column of a trigger's or constraint's row.
    fn find_row(&self, written: Written<'_>, depth: usize) -> Option<Typed> {
        let row = self.scopes.get(depth)?.row.as_ref()?;
        let kind = match written.table {
            None => row.bare?,
            Some(table) if row.new && table.is("new") => RowKind::New,
            Some(table) if row.old && table.is("old") => RowKind::Old,
            Some(table) if table.is(&row.table.name) => row.bare?,
            Some(_) => return None,
        };
        let table = &row.table;
        let Some(place) = table.column(&written.name.text) else {
            let rowid = is_rowid_name(&written.name.text) && table.has_rowid();
            return rowid.then(|| Typed {
                affinity: Some(Affinity::Integer),
                ..Typed::plain(Expr::Row(kind.column(None)))
            });
        };
        let column = table.columns.get(place)?;
        let place = if table.rowid_alias == Some(place) { None } else { u16::try_from(place).ok() };
        // OLD.x and NEW.x have a collation, but no affinity unless they are the rowid.
        let is_image = written.table.is_some_and(|of| !of.is(&table.name));
        Some(Typed {
            expr: Expr::Row(kind.column(place)),
            affinity: Some(column.affinity).filter(|_| !is_image || place.is_none()),
            collation: Some(column.collation.clone()),
            explicit: false,
            declared_type: column.declared_type.clone(),
        })
    }

    /// A result's column by its alias: its expression bound here.
    fn find_alias(&mut self, name: &Name, depth: usize) -> Result<Option<Typed>> {
        let Some(scope) = self.scopes.get_mut(depth) else { return Ok(None) };
        let found = scope.aliases.iter().find(|(alias, _)| name.is(alias));
        let Some((_, expr)) = found.cloned() else { return Ok(None) };
        if scope.alias_depth >= MAX_ALIASES {
            return Err(Error::sql(format!("circular alias: {name}")));
        }
        scope.alias_depth += 1;
        // An alias does not see aliases, and means in a subquery what it means outside.
        let aliases = std::mem::take(&mut scope.aliases);
        let above = self.scopes.split_off(depth + 1);
        let bound = self.expr(&expr);
        self.scopes.extend(above);
        if let Some(scope) = self.scopes.get_mut(depth) {
            scope.aliases = aliases;
            scope.alias_depth -= 1;
        }
        if let Ok(Typed { expr, .. }) = &bound {
            self.note_outer_all(expr.clone(), depth);
        }
        bound.map(Some)
    }

    /// Notes all columns of the scope at `depth` in an expression that was bound outside of frames between.
    fn note_outer_all(&mut self, mut expr: Expr, depth: usize) {
        struct Columns(Vec<ColumnId>);
        impl Visit for Columns {
            fn expr(&mut self, expr: &mut Expr) -> bool {
                if let Expr::Column(column) = expr {
                    self.0.push(*column);
                }
                true
            }
        }
        if self.frames.last().is_none_or(|frame| frame.base <= depth) {
            return;
        }
        let mut columns = Columns(Vec::new());
        walk::expr(&mut expr, &mut columns);
        let own = self.columns_at(depth);
        for column in columns.0.into_iter().filter(|column| own.contains(column)) {
            self.note_outer(column, depth);
        }
    }

    /// All columns that the sources and aggregates of a scope have given so far.
    pub(super) fn columns_at(&self, depth: usize) -> std::collections::BTreeSet<ColumnId> {
        let Some(scope) = self.scopes.get(depth) else { return Default::default() };
        let mut all: std::collections::BTreeSet<_> = scope
            .sources
            .iter()
            .flat_map(|source| source.columns.iter().filter_map(|c| c.id))
            .collect();
        for source in &scope.sources {
            if let SourceKind::Table { rowid: Some(rowid), .. } = source.kind {
                all.insert(rowid);
            }
        }
        all
    }

    /// The number of a source's column, given now if it has none (N1).
    pub(super) fn use_column(
        &mut self,
        depth: usize,
        source: usize,
        place: usize,
    ) -> Result<ColumnId> {
        let entry = self.scopes.get(depth).and_then(|scope| scope.sources.get(source));
        let Some(entry) = entry else { return Ok(ColumnId(u32::MAX)) };
        let column = entry.columns.get(place);
        if let Some(id) = column.and_then(|column| column.id) {
            return Ok(id);
        }
        let name = column.map(|column| column.name.clone()).unwrap_or_default();
        let mut computed = None;
        let info = match &entry.kind {
            SourceKind::Table { table, database, .. } => {
                let table = table.clone();
                let name = self.environment.databases.get(*database).map(|d| d.name.clone());
                if table
                    .columns
                    .get(place)
                    .is_some_and(|c| c.generated.as_ref().is_some_and(|g| !g.stored))
                {
                    computed = Some(self.generated(&table, place, (depth, source))?);
                }
                column_info(&table, place, name.unwrap_or_default())
            }
            SourceKind::Rows { types, .. } => {
                let declared = types.get(place).cloned().unwrap_or_default();
                let affinity = (!declared.is_empty()).then(|| Affinity::of_type(&declared));
                ColumnInfo {
                    name,
                    affinity,
                    declared_type: Some(declared),
                    ..ColumnInfo::default()
                }
            }
            SourceKind::Bound => ColumnInfo { name, ..ColumnInfo::default() },
        };
        let id = self.new_column(info);
        let entry = self.scopes.get_mut(depth).and_then(|scope| scope.sources.get_mut(source));
        if let Some(entry) = entry {
            if let Some(column) = entry.columns.get_mut(place) {
                column.id = Some(id);
            }
            let number = u16::try_from(place).unwrap_or(u16::MAX);
            match (&mut entry.kind, computed) {
                (SourceKind::Table { generated, .. }, Some(expr)) => generated.push((id, expr)),
                (SourceKind::Table { used, .. } | SourceKind::Rows { used, .. }, _) => {
                    used.push((number, id))
                }
                (SourceKind::Bound, _) => {}
            }
        }
        Ok(id)
    }

    pub(super) fn use_rowid(&mut self, depth: usize, source: usize) -> Option<ColumnId> {
        let entry = self.scopes.get(depth)?.sources.get(source)?;
        let SourceKind::Table { table, rowid, database, .. } = &entry.kind else { return None };
        if let Some(alias) = table.rowid_alias {
            return self.use_column(depth, source, alias).ok();
        }
        if let Some(rowid) = rowid {
            return Some(*rowid);
        }
        let database = self.environment.databases.get(*database).map(|d| d.name.clone());
        let origin = Origin {
            database: database.unwrap_or_default(),
            table: table.name.clone(),
            column: "rowid".into(),
        };
        let id = self.new_column(ColumnInfo {
            name: "rowid".into(),
            affinity: Some(Affinity::Integer),
            declared_type: Some("INTEGER".into()),
            origin: Some(origin),
            not_null: true,
            ..ColumnInfo::default()
        });
        let entry = self.scopes.get_mut(depth)?.sources.get_mut(source)?;
        if let SourceKind::Table { rowid, .. } = &mut entry.kind {
            *rowid = Some(id);
        }
        Some(id)
    }

    /// The expression of a virtual column over a source's columns.
    fn generated(
        &mut self,
        table: &std::sync::Arc<Table>,
        place: usize,
        source: (usize, usize),
    ) -> Result<Expr> {
        let column = table.columns.get(place);
        let Some(generated) = column.and_then(|column| column.generated.as_ref()) else {
            return Ok(Expr::Constant(Value::Null));
        };
        let affinity = column.map_or(Affinity::Blob, |column| column.affinity);
        let key = format!("generated column {}.{place}", table.name);
        let circular = || {
            Error::sql(format!("generated column loop on \"{}\"", column.map_or("", |c| &c.name)))
        };
        let mut expr = self.nested(&key, circular, |binder| {
            let scopes = std::mem::take(&mut binder.scopes);
            let row = super::RowScope::of_row(table.clone());
            let bound = binder.row_expr(&row, &generated.expr);
            binder.scopes = scopes;
            let mut expr = bound?.expr;
            binder.rows_to_columns(&mut expr, source)?;
            Ok(expr)
        })?;
        if affinity != Affinity::Blob {
            expr = Expr::Apply(Box::new(expr), affinity);
        }
        Ok(expr)
    }

    /// Puts a source's columns in the place of the columns of a row.
    fn rows_to_columns(&mut self, expr: &mut Expr, (depth, source): (usize, usize)) -> Result<()> {
        struct Rows(Vec<Option<u16>>);
        impl Visit for Rows {
            fn expr(&mut self, expr: &mut Expr) -> bool {
                if let Expr::Row(crate::plan::TriggerColumn::New(column)) = expr {
                    self.0.push(*column);
                }
                true
            }
        }
        struct Replace<'r>(&'r [(Option<u16>, Expr)]);
        impl Visit for Replace<'_> {
            fn expr(&mut self, expr: &mut Expr) -> bool {
                if let Expr::Row(crate::plan::TriggerColumn::New(column)) = expr
                    && let Some((_, with)) = self.0.iter().find(|(of, _)| of == column)
                {
                    *expr = with.clone();
                    return false;
                }
                true
            }
        }
        let mut rows = Rows(Vec::new());
        walk::expr(expr, &mut rows);
        rows.0.sort_unstable();
        rows.0.dedup();
        let mut with = Vec::with_capacity(rows.0.len());
        for column in rows.0 {
            let id = match column {
                Some(place) => self.use_column(depth, source, usize::from(place))?,
                None => match self.use_rowid(depth, source) {
                    Some(id) => id,
                    None => continue,
                },
            };
            // Of another virtual column its expression: both are computed in one step.
            let entry = self.scopes.get(depth).and_then(|scope| scope.sources.get(source));
            let computed = entry.and_then(|entry| match &entry.kind {
                SourceKind::Table { generated, .. } => generated.iter().find(|(of, _)| *of == id),
                _ => None,
            });
            with.push((column, computed.map_or(Expr::Column(id), |(_, expr)| expr.clone())));
        }
        walk::expr(expr, &mut Replace(&with));
        Ok(())
    }
}

impl Source {
    fn is_called(&self, written: Written<'_>) -> bool {
        let Some(table) = written.table else { return true };
        if !table.is(&self.name) {
            // `sqlite_schema` answers to both its names.
            let both = crate::schema::catalog::is_schema_table;
            if !(both(&table.text) && both(&self.name)) {
                return false;
            }
        }
        match (written.schema, &self.database) {
            (None, _) => true,
            (Some(schema), Some(database)) => schema.is(database),
            (Some(_), None) => false,
        }
    }

    fn has_rowid(&self) -> bool {
        matches!(&self.kind, SourceKind::Table { table, .. } if table.has_rowid())
    }
}

/// TRUE or FALSE.
pub(super) fn truth_word(name: &Name) -> Option<bool> {
    if name.double_quoted {
        return None;
    }
    match () {
        () if name.is("true") => Some(true),
        () if name.is("false") => Some(false),
        () => None,
    }
}

/// Whether an expression is the word TRUE or FALSE as written.
pub(super) fn written_truth(expr: &ast::Expr) -> Option<(Written<'_>, bool)> {
    match expr {
        ast::Expr::Paren(inner) => written_truth(inner),
        ast::Expr::Column { schema: None, table: None, name } => {
            let truth = truth_word(name)?;
            Some((Written { schema: None, table: None, name }, truth))
        }
        _ => None,
    }
}

fn column_info(table: &Table, place: usize, database: Box<str>) -> ColumnInfo {
    let Some(column) = table.columns.get(place) else { return ColumnInfo::default() };
    ColumnInfo {
        name: column.name.clone(),
        affinity: Some(column.affinity),
        collation: Some(column.collation.clone()),
        declared_type: column.declared_type.clone(),
        origin: Some(Origin { database, table: table.name.clone(), column: column.name.clone() }),
        not_null: column.not_null.is_some() || table.rowid_alias == Some(place),
    }
}
