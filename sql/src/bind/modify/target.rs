//! What a statement writes to.

use std::sync::Arc;

use heddle_value::Affinity;

use super::{Around, Event, Maker};
use crate::ast::{IndexHint, Name, QualifiedName, ResultColumn};
use crate::bind::column::is_rowid_name;
use crate::bind::from::table_source;
use crate::bind::scope::{Source, SourceKind};
use crate::bind::{Binder, Bound};
use crate::plan::{ColumnInfo, Given};
use crate::schema::{Column, DatabaseIndex, Databases, Named, Table, TableKind, Trigger, View};
use crate::{Error, Result};

/// A table or view that is written to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) database: DatabaseIndex,
    /// The table; of a view one with its columns.
    pub(super) table: Arc<Table>,
    pub(super) view: Option<Arc<View>>,
    /// What it is called in the statement.
    pub(super) called: Box<str>,
    /// The database's name, if the target was not renamed.
    pub(super) database_name: Option<Box<str>>,
    /// As messages name it.
    pub(super) written: String,
}

impl Target {
    /// Its triggers in the order in which they run.
    pub(super) fn triggers(&self, databases: &Databases) -> Vec<Arc<Trigger>> {
        let mut found = Vec::new();
        if self.database != DatabaseIndex::TEMP
            && let Some(temporary) = databases.schema(DatabaseIndex::TEMP)
        {
            let name = &self.table.name;
            found = temporary.triggers_on(name);
            found.retain(|trigger| {
                let schema = trigger.definition.table.schema.as_ref();
                databases
                    .named(schema.map(|schema| &*schema.text), name)
                    .is_ok_and(|(at, _)| at == self.database)
            });
        }
        let own = match &self.view {
            Some(view) => &view.triggers,
            None => &self.table.triggers,
        };
        found.extend(own.iter().cloned());
        found
    }

    /// The place of a column that is set: `None` is the rowid.
    ///
    /// # Errors
    /// `no such column`, and if it is generated.
    pub(super) fn set_column(&self, name: &Name) -> Result<Option<u16>> {
        let Some(place) = self.table.column(&name.text) else {
            if is_rowid_name(&name.text) && self.table.has_rowid() && self.view.is_none() {
                return Ok(None);
            }
            return Err(Error::sql(format!("no such column: {name}")));
        };
        let column = self.table.columns.get(place);
        if column.is_some_and(|column| column.generated.is_some()) {
            return Err(Error::sql(format!("cannot UPDATE generated column \"{name}\"")));
        }
        if self.table.rowid_alias == Some(place) {
            return Ok(None);
        }
        Ok(u16::try_from(place).ok())
    }

    /// As a source of a FROM clause.
    pub(super) fn source(&self, hint: &IndexHint) -> Source {
        let (called, name) = (self.called.clone(), self.database_name.clone());
        table_source(self.database, Arc::clone(&self.table), called, name, hint)
    }
}

impl Maker<'_> {
    pub(super) fn target(
        &mut self,
        name: &QualifiedName,
        alias: Option<&Name>,
        event: &Event<'_>,
        around: &Around,
    ) -> Result<Target> {
        let mut binder = self.binder(around);
        let (database, named) = binder.named(name)?;
        let named = named.clone();
        let written = match (alias, &name.schema) {
            (Some(alias), _) => alias.to_string(),
            (None, Some(schema)) => format!("{schema}.{}", name.name),
            (None, None) => name.name.to_string(),
        };
        let databases = self.environment.databases;
        let database_name = match alias {
            Some(_) => None,
            None => databases.get(database).map(|database| database.name.clone()),
        };
        let called = alias.unwrap_or(&name.name).text.clone();
        match named {
            Named::Table(table) if table.kind == TableKind::Schema => {
                let name = match database {
                    DatabaseIndex::TEMP => "sqlite_temp_master",
                    _ => "sqlite_master",
                };
                Err(Error::sql(format!("table {name} may not be modified")))
            }
            Named::Table(table) => {
                Ok(Target { database, table, view: None, called, database_name, written })
            }
            Named::View(view) => {
                let bound = binder.view(&view, database)?;
                let table = Arc::new(view_table(&view, &bound, &binder, databases)?);
                let view = Some(view);
                let target = Target { database, table, view, called, database_name, written };
                let mut triggers = target.triggers(databases).into_iter();
                if triggers.any(|trigger| event.fires(&trigger.definition.event)) {
                    return Ok(target);
                }
                Err(Error::sql(format!("cannot modify {} because it is a view", name.name)))
            }
            Named::Virtual(module) => {
                Err(Error::Unsupported(format!("virtual tables: {module} is")))
            }
            Named::Broken(reason) => Err(Error::sql(reason.to_string())),
        }
    }

    /// Binds RETURNING in a binder for the expressions beside the source.
    pub(super) fn returning(
        &mut self,
        binder: &mut Binder<'_>,
        target: &Target,
        columns: &[ResultColumn],
    ) -> Result<(Vec<crate::plan::Expr>, Given)> {
        if columns.is_empty() {
            return Ok((Vec::new(), Given::new()));
        }
        let depth = binder.enter(super::Scope::default());
        // An alias is not heard here.
        let named = target.table.name.clone();
        binder.add(Source { name: named, ..target.source(&IndexHint::None) });
        let results = binder.results(columns)?;
        let scope = binder.leave(depth);
        let given = scope.and_then(|scope| scope.sources.into_iter().next());
        for result in &results {
            self.names.push(result.name.clone());
            self.infos.push(ColumnInfo {
                name: result.name.clone(),
                affinity: result.value.affinity,
                collation: result.value.collation.clone(),
                declared_type: result.value.declared_type.clone(),
                ..ColumnInfo::default()
            });
        }
        let exprs = results.into_iter().map(|result| result.value.expr).collect();
        Ok((exprs, given.map_or_else(Given::new, |source| given_columns(&source))))
    }
}

/// The columns of a source that were used.
pub(super) fn given_columns(source: &Source) -> Given {
    let columns = source.columns.iter().enumerate();
    let mut given: Given = columns
        .filter_map(|(place, column)| Some((Some(u16::try_from(place).ok()?), column.id?)))
        .collect();
    if let SourceKind::Table { rowid: Some(rowid), .. } = source.kind {
        given.push((None, rowid));
    }
    given
}

/// A table with a view's columns, for the rows of its triggers. Its tree is never used.
fn view_table(
    view: &View,
    bound: &Bound,
    binder: &Binder<'_>,
    databases: &Databases,
) -> Result<Table> {
    let any = databases.schema(DatabaseIndex::MAIN).and_then(|s| s.table("sqlite_schema"));
    let Some(any) = any else { return Err(Error::sql("no such table: sqlite_schema")) };
    let names = crate::bind::select::unique_names(bound.names.clone());
    let column = |(name, id): (Box<str>, &crate::plan::ColumnId)| {
        let info = binder.info(*id);
        Column {
            name,
            declared_type: info.declared_type,
            affinity: info.affinity.unwrap_or(Affinity::Blob),
            strict: None,
            collation: info.collation.unwrap_or_default(),
            unknown_collation: None,
            not_null: None,
            default: None,
            generated: None,
            primary_key_place: 0,
        }
    };
    Ok(Table {
        name: view.name.clone(),
        columns: names.into_iter().zip(&bound.columns).map(column).collect(),
        kind: TableKind::Ordinary,
        record_order: Vec::new(),
        sql: view.sql.clone(),
        ..Table::clone(any)
    })
}
