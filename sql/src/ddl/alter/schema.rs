//! The schema as it would be, and whether all in it still means something.

use std::sync::Arc;

use heddle_engine::raw::{Object, ObjectKind};

use super::command::own_table;
use super::edit::{Places, new_name, replaced, text_of};
use super::scope::{Resolver, Wanted};
use crate::ast::Statement;
use crate::ddl::Change;
use crate::ddl::names::is_reserved;
use crate::parse::parse_one;
use crate::schema::build::{Context, build_of, index_from_ast, table_from_ast};
use crate::schema::{Databases, Table};
use crate::{Error, Result};

/// All objects of the schema, with what becomes of them.
#[derive(Debug)]
pub(super) struct Objects {
    /// As they are.
    before: Vec<Arc<Object>>,
    /// As they will be, in the same order.
    pub(super) after: Vec<Arc<Object>>,
}

impl Objects {
    pub(super) fn of(change: &mut Change<'_>) -> Result<Objects> {
        let before = change.tx()?.schema().objects().to_vec();
        Ok(Objects { after: before.clone(), before })
    }

    /// Changes one.
    pub(super) fn change(&mut self, at: usize, change: impl FnOnce(&mut Object)) {
        if let Some(object) = self.after.get_mut(at) {
            change(Arc::make_mut(object));
        }
    }

    /// Writes what changed: tables first, for the others are on them.
    pub(super) async fn write(&self, change: &mut Change<'_>) -> Result<()> {
        let order = [ObjectKind::Table, ObjectKind::Index, ObjectKind::View, ObjectKind::Trigger];
        for kind in order {
            let pairs = self.before.iter().zip(&self.after);
            for (old, new) in pairs.filter(|(old, _)| old.kind == kind) {
                let same = old.name == new.name && old.table == new.table && old.sql == new.sql;
                if !same {
                    let sql = new.sql.as_ref().map(ToString::to_string);
                    let tx = change.tx()?;
                    tx.rewrite(kind, &old.name, &new.name, &new.table, sql).await?;
                }
            }
        }
        Ok(())
    }

    /// The databases with these objects in the place of the changed one's.
    pub(super) fn databases(&self, change: &mut Change<'_>) -> Result<Databases> {
        let (database, extensions) = (change.database, change.environment.extensions);
        let tree = change.tx()?.schema_tree();
        let collations = |name: &str| extensions.collation(name);
        let schema = build_of(&self.after, tree, database, &collations);
        let mut databases = change.environment.databases.clone();
        let place = databases.list.get_mut(usize::from(database.0)).and_then(Option::as_mut);
        if let Some(place) = place {
            place.schema = schema;
        }
        Ok(databases)
    }

    /// Whether all objects mean something as they will be.
    ///
    /// # Errors
    /// `error in view v after rename: ..`, with `when` in it.
    pub(super) fn check(&self, change: &mut Change<'_>, when: &str) -> Result<()> {
        let databases = self.databases(change)?;
        for object in self.after.iter().filter(|object| is_checked(object)) {
            self.check_one(change, &databases, object)
                .map_err(|error| error_in(object, when, &error))?;
        }
        Ok(())
    }

    /// Puts another name in the place of the wanted one everywhere; `texts`: and writes names in double quotes that mean nothing as
    /// the texts that they are.
    pub(super) fn rename(
        &mut self,
        change: &Change<'_>,
        wanted: Wanted<'_>,
        to: &str,
        in_quotes: bool,
        texts: bool,
    ) -> Result<()> {
        let databases = change.environment.databases;
        for at in 0..self.after.len() {
            let Some(object) = self.after.get(at).filter(|object| is_checked(object)) else {
                continue;
            };
            let sql = object.sql.clone().unwrap_or_default();
            let failed = |error: Error| error_in(object, "", &error);
            let statement = parse_one(&sql).map_err(failed)?.statement;
            let schema = databases.schema(change.database);
            let own = schema.and_then(|schema| own_table(&statement, &object.name, schema));
            let mut resolver = Resolver::new(databases, change.database, wanted);
            resolver.definition(&statement, own.as_ref()).map_err(failed)?;
            let found = std::mem::take(&mut resolver.found);
            let strings = if texts { std::mem::take(&mut resolver.texts) } else { Vec::new() };
            if found.is_empty() && strings.is_empty() {
                continue;
            }
            let places = Places::of(&sql, &statement);
            let mut pieces = Vec::new();
            for place in found.into_iter().filter_map(|name| places.of_name(name)) {
                let name = new_name(&sql, &place, to, in_quotes);
                pieces.push((place, name));
            }
            for name in strings {
                if let Some(place) = places.of_name(name) {
                    let text = text_of(&sql, &place, &name.text);
                    pieces.push((place, text));
                }
            }
            let text = replaced(&sql, pieces);
            self.change(at, |object| object.sql = Some(text.into()));
        }
        Ok(())
    }
}

/// Whether an object has a text that is looked at.
fn is_checked(object: &Object) -> bool {
    let is_virtual = object.kind == ObjectKind::Table && object.tree.is_none();
    object.sql.is_some() && !is_reserved(&object.name) && !is_virtual
}

pub(super) fn error_in(object: &Object, when: &str, error: &Error) -> Error {
    let space = if when.is_empty() { "" } else { " " };
    let kind = object.kind.as_str();
    Error::sql(format!("error in {kind} {}{space}{when}: {error}", object.name))
}

impl Objects {
    fn check_one(&self, change: &Change<'_>, databases: &Databases, object: &Object) -> Result<()> {
        let extensions = change.environment.extensions;
        let collations = |name: &str| extensions.collation(name);
        let context = Context { collations: &collations, loading: true };
        let statement = parse_one(object.sql.as_deref().unwrap_or_default())?.statement;
        match &statement {
            Statement::CreateTable(create) => {
                table_from_ast(&object.name, create, context).map(|_| ())
            }
            Statement::CreateIndex(create) => {
                // Over the table alone: that may be wrong because of this index.
                let Some(table) = self.table_alone(&object.table, context)? else {
                    return Ok(());
                };
                index_from_ast(&object.name, &table, create, context).map(|_| ())
            }
            _ => {
                let mut resolver = Resolver::new(databases, change.database, Wanted::Nothing);
                resolver.definition(&statement, None)
            }
        }
    }

    fn table_alone(&self, name: &str, context: Context<'_>) -> Result<Option<Table>> {
        let is_it = |object: &&Arc<Object>| {
            object.kind == ObjectKind::Table && object.name.eq_ignore_ascii_case(name)
        };
        let Some(object) = self.after.iter().find(is_it) else { return Ok(None) };
        let (Some(sql), Some(tree)) = (&object.sql, &object.tree) else { return Ok(None) };
        match parse_one(sql)?.statement {
            Statement::CreateTable(create) => {
                let new = table_from_ast(&object.name, &create, context)?;
                Ok(Some(new.into_table(tree.clone(), sql.clone())))
            }
            _ => Ok(None),
        }
    }
}
