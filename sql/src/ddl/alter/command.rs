//! Names in definitions: tables, indexes, views, triggers and what these do.

use std::sync::Arc;

use super::scope::{Level, Resolver, Source};
use crate::ast::{
    Column, ColumnConstraint, CreateIndex, CreateTable, CreateTrigger, Delete, Expr, ForeignKey,
    IndexedColumn, Insert, InsertSource, Name, QualifiedName, Set, Statement, TableBody,
    TableConstraint, TriggerEvent, Update, Upsert, UpsertAction,
};
use crate::schema::{Named, Table};
use crate::{Error, Result};

impl<'a> Resolver<'a, '_> {
    /// All names in a definition. `own`: the table that the statement defines, or that an index is on.
    pub(super) fn definition(
        &mut self,
        statement: &'a Statement,
        own: Option<&Arc<Table>>,
    ) -> Result<()> {
        match (statement, own) {
            (Statement::CreateTable(create), Some(own)) => self.create_table(create, own),
            (Statement::CreateIndex(create), Some(own)) => self.create_index(create, own),
            (Statement::CreateView(create), _) => self.select(&create.select).map(|_| ()),
            (Statement::CreateTrigger(create), _) => self.create_trigger(create),
            _ => Ok(()),
        }
    }

    fn create_table(&mut self, create: &'a CreateTable, own: &Arc<Table>) -> Result<()> {
        self.table_name(&create.name.name, own);
        let TableBody::Columns { columns, constraints, .. } = &create.body else { return Ok(()) };
        self.within(row_of(own), |resolver| {
            for column in columns {
                resolver.column_name(&column.name, own);
                resolver.column_constraints(column)?;
            }
            for (_, constraint) in constraints {
                resolver.table_constraint(constraint, own)?;
            }
            Ok(())
        })
    }

    fn column_constraints(&mut self, column: &'a Column) -> Result<()> {
        for (_, constraint) in &column.constraints {
            match constraint {
                ColumnConstraint::Check { expr, .. } => self.expr(expr)?,
                ColumnConstraint::Generated(generated) => self.expr(&generated.expr)?,
                ColumnConstraint::References(key) => self.parent(key),
                // A bare name there is a text.
                _ => {}
            }
        }
        Ok(())
    }

    fn table_constraint(
        &mut self,
        constraint: &'a TableConstraint,
        own: &Arc<Table>,
    ) -> Result<()> {
        match constraint {
            TableConstraint::PrimaryKey { columns, .. }
            | TableConstraint::Unique { columns, .. } => self.keys(columns),
            TableConstraint::Check { expr, .. } => self.expr(expr),
            TableConstraint::ForeignKey { columns, key } => {
                columns.iter().for_each(|name| self.column_name(name, own));
                self.parent(key);
                Ok(())
            }
        }
    }

    /// What a foreign key refers to; the parent need not be there.
    fn parent(&mut self, key: &'a ForeignKey) {
        let parent = self.databases.schema(self.home).and_then(|s| s.table(&key.table.text));
        if let Some(parent) = parent.cloned() {
            self.table_name(&key.table, &parent);
            key.columns.iter().for_each(|name| self.column_name(name, &parent));
        }
    }

    fn keys(&mut self, columns: &'a [IndexedColumn]) -> Result<()> {
        self.exprs(columns.iter().map(|column| &column.expr))
    }

    fn create_index(&mut self, create: &'a CreateIndex, own: &Arc<Table>) -> Result<()> {
        self.table_name(&create.table, own);
        self.within(row_of(own), |resolver| {
            resolver.keys(&create.columns)?;
            resolver.exprs(&create.filter)
        })
    }

    fn create_trigger(&mut self, create: &'a CreateTrigger) -> Result<()> {
        let on = self.source(&create.table, None)?;
        if let (TriggerEvent::Update { of }, Some(table)) = (&create.event, &on.table) {
            of.iter().for_each(|name| self.column_name(name, table));
        }
        let (new, old) = match &create.event {
            TriggerEvent::Insert => (true, false),
            TriggerEvent::Delete => (false, true),
            TriggerEvent::Update { .. } => (true, true),
        };
        let rows = [(new, "new"), (old, "old")].into_iter().filter(|(is_there, _)| *is_there);
        let sources = rows.map(|(_, name)| Source {
            name: name.into(),
            by_own_name: false,
            qualified_only: true,
            ..on.clone()
        });
        let level = Level { sources: sources.collect(), ..Level::default() };
        self.within(level, |resolver| {
            resolver.exprs(&create.when)?;
            create.commands.iter().try_for_each(|command| resolver.command(command))
        })
    }

    fn command(&mut self, command: &'a Statement) -> Result<()> {
        match command {
            Statement::Select(select) => self.select(select).map(|_| ()),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            _ => Ok(()),
        }
    }

    /// The table that a command writes.
    fn written(&mut self, name: &'a QualifiedName, alias: Option<&Name>) -> Result<Source> {
        self.source(name, alias)
    }

    fn insert(&mut self, insert: &'a Insert) -> Result<()> {
        let target = self.written(&insert.table, insert.alias.as_ref())?;
        self.set_names(insert.columns.iter(), &target)?;
        if let InsertSource::Select(select) = &insert.source {
            self.select(select)?;
        }
        insert.upserts.iter().try_for_each(|upsert| self.upsert(upsert, &target))
    }

    fn upsert(&mut self, upsert: &'a Upsert, target: &Source) -> Result<()> {
        let one = Level { sources: vec![target.clone()], ..Level::default() };
        self.within(one, |resolver| {
            resolver.keys(&upsert.target)?;
            resolver.exprs(&upsert.target_filter)
        })?;
        let UpsertAction::Update { sets, filter } = &upsert.action else { return Ok(()) };
        let excluded = Source {
            name: "excluded".into(),
            by_own_name: false,
            qualified_only: true,
            ..target.clone()
        };
        let both = Level { sources: vec![target.clone(), excluded], ..Level::default() };
        self.within(both, |resolver| resolver.sets(sets, filter.as_ref(), target))
    }

    fn sets(&mut self, sets: &'a [Set], filter: Option<&'a Expr>, target: &Source) -> Result<()> {
        for set in sets {
            self.set_names(set.columns.iter(), target)?;
            self.expr(&set.value)?;
        }
        self.exprs(filter)
    }

    /// Columns that are written.
    fn set_names(&mut self, names: impl Iterator<Item = &'a Name>, target: &Source) -> Result<()> {
        for name in names {
            let columns = target.columns.as_ref();
            let is_known = columns.is_none_or(|all| all.iter().any(|column| name.is(column)))
                || crate::schema::build::expression::is_rowid_name(&name.text);
            if !is_known {
                return Err(Error::sql(format!("no such column: {name}")));
            }
            if let Some(table) = &target.table {
                self.column_name(name, table);
            }
        }
        Ok(())
    }

    fn update(&mut self, update: &'a Update) -> Result<()> {
        let target = self.written(&update.table, update.alias.as_ref())?;
        let level = Level { sources: vec![target.clone()], ..Level::default() };
        self.within(level, |resolver| {
            if let Some(from) = &update.from {
                resolver.from(from)?;
            }
            resolver.sets(&update.sets, update.filter.as_ref(), &target)
        })
    }

    fn delete(&mut self, delete: &'a Delete) -> Result<()> {
        let target = self.written(&delete.table, delete.alias.as_ref())?;
        let level = Level { sources: vec![target], ..Level::default() };
        self.within(level, |resolver| resolver.exprs(&delete.filter))
    }
}

/// The level of a table's own row.
fn row_of(table: &Arc<Table>) -> Level {
    let source = Source {
        name: table.name.clone(),
        table: Some(Arc::clone(table)),
        by_own_name: true,
        columns: Some(table.columns.iter().map(|column| column.name.clone()).collect()),
        qualified_only: false,
    };
    Level { sources: vec![source], ..Level::default() }
}

/// The table that an index statement is on, or that a table statement defines.
pub(super) fn own_table(
    statement: &Statement,
    name: &str,
    schema: &crate::schema::Schema,
) -> Option<Arc<Table>> {
    let name = match statement {
        Statement::CreateTable(_) => name,
        Statement::CreateIndex(create) => &create.table.text,
        _ => return None,
    };
    match schema.named(name)? {
        Named::Table(table) => Some(Arc::clone(table)),
        _ => None,
    }
}
