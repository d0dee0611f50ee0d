//! All that a database's schema defines, by name, and the databases of a connection in the order in which names are
//! looked up.
//!
//! [`super::build()`] makes a [`Schema`] of the engine's objects; the binder asks here.
//!
//! # Invariants
//! - C1: a name without database is looked up in `temp`, then `main`, then the attached ones in order, as SQLite does.
//! - C2: an object whose text can't be understood does not hide the others: it is kept with what is wrong with it, and who
//!   asks for it by name gets that error.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::{DatabaseIndex, Index, Table, View};
use crate::{Error, Result};

/// One database's schema (S1).
#[derive(Debug, Default)]
pub struct Schema {
    pub(super) tables: HashMap<Box<str>, Named, FixedState>,
    pub(super) indexes: HashMap<Box<str>, (Arc<Table>, Arc<Index>), FixedState>,
    /// Triggers by folded name: the trigger and the folded name of its table or view.
    pub(super) triggers: HashMap<Box<str>, (Arc<super::Trigger>, Box<str>), FixedState>,
    /// In the order of `sqlite_schema`'s rows.
    pub(super) order: Vec<Box<str>>,
}

/// What a name in a FROM clause can be in the schema.
#[derive(Debug, Clone)]
pub enum Named {
    /// A table.
    Table(Arc<Table>),
    /// A view.
    View(Arc<View>),
    /// A virtual table, by its module's name, which is not supported.
    Virtual(Box<str>),
    /// One whose definition can't be understood (C2): what is wrong.
    Broken(Box<str>),
}

/// A name as it is compared (S2): in lower case of ASCII.
pub fn folded(name: &str) -> Box<str> {
    name.to_ascii_lowercase().into()
}

impl Schema {
    /// The table or view of this name. `sqlite_master` and `sqlite_schema` are the same table.
    pub fn named(&self, name: &str) -> Option<&Named> {
        self.tables.get(&folded(name))
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&Arc<Table>> {
        match self.named(name)? {
            Named::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The view of this name.
    pub fn view(&self, name: &str) -> Option<&Arc<View>> {
        match self.named(name)? {
            Named::View(view) => Some(view),
            _ => None,
        }
    }

    /// The index of this name and its table.
    pub fn index(&self, name: &str) -> Option<&(Arc<Table>, Arc<Index>)> {
        self.indexes.get(&folded(name))
    }

    /// The trigger of this name.
    pub fn trigger(&self, name: &str) -> Option<&Arc<super::Trigger>> {
        self.triggers.get(&folded(name)).map(|(trigger, _)| trigger)
    }

    /// The triggers on the table or view of this name, by their names.
    pub fn triggers_on(&self, table: &str) -> Vec<Arc<super::Trigger>> {
        let table = folded(table);
        let mut found: Vec<_> = self.triggers.iter().filter(|(_, (_, on))| *on == table).collect();
        found.sort_by_key(|(name, _)| *name);
        found.into_iter().map(|(_, (trigger, _))| Arc::clone(trigger)).collect()
    }

    /// All tables and views in the order of `sqlite_schema`, that table itself last.
    pub fn all(&self) -> impl Iterator<Item = &Named> {
        self.order.iter().filter_map(|name| self.tables.get(name))
    }
}

/// A database of a connection.
#[derive(Debug, Clone)]
pub struct Database {
    /// `main`, `temp`, or what ATTACH called it.
    pub name: Box<str>,
    /// Its schema in the running transaction.
    pub schema: Arc<Schema>,
}

/// The databases of a connection, by [`DatabaseIndex`]; a detached one leaves `None`.
#[derive(Debug, Clone, Default)]
pub struct Databases {
    /// `main`, `temp`, attached ones.
    pub list: Vec<Option<Database>>,
}

impl Databases {
    /// The database of this name.
    pub fn find(&self, name: &str) -> Option<DatabaseIndex> {
        let is = |database: &Option<Database>| {
            database.as_ref().is_some_and(|d| d.name.eq_ignore_ascii_case(name))
        };
        let at = self.list.iter().position(is).or_else(|| {
            // The first database is always `main`, whatever it is called.
            name.eq_ignore_ascii_case("main").then_some(0)
        })?;
        u16::try_from(at).ok().map(DatabaseIndex)
    }

    /// The database with this number.
    pub fn get(&self, index: DatabaseIndex) -> Option<&Database> {
        self.list.get(usize::from(index.0))?.as_ref()
    }

    /// The schema of the database with this number.
    pub fn schema(&self, index: DatabaseIndex) -> Option<&Arc<Schema>> {
        self.get(index).map(|database| &database.schema)
    }

    /// All in the order in which names are looked up (C1).
    pub fn in_order(&self) -> impl Iterator<Item = (DatabaseIndex, &Database)> {
        let order = [1, 0].into_iter().chain(2..self.list.len());
        order.filter_map(|at| {
            let database = self.list.get(at)?.as_ref()?;
            Some((DatabaseIndex(u16::try_from(at).ok()?), database))
        })
    }

    /// The table or view of this name, in this database if one is said (C1).
    ///
    /// # Errors
    /// `no such table`, `unknown database` in SQLite's words.
    pub fn named(&self, schema: Option<&str>, name: &str) -> Result<(DatabaseIndex, &Named)> {
        let missing = || match schema {
            Some(schema) => Error::sql(format!("no such table: {schema}.{name}")),
            None => Error::sql(format!("no such table: {name}")),
        };
        match schema {
            Some(schema) => {
                let at = self.find(schema).ok_or_else(missing)?;
                let found =
                    self.schema(at).and_then(|schema| schema.named(temporary_schema(at, name)));
                found.map(|named| (at, named)).ok_or_else(missing)
            }
            None => {
                let name = if name.eq_ignore_ascii_case("sqlite_temp_master")
                    || name.eq_ignore_ascii_case("sqlite_temp_schema")
                {
                    let schema = self.schema(DatabaseIndex::TEMP).ok_or_else(missing)?;
                    let found = schema.named("sqlite_schema").ok_or_else(missing)?;
                    return Ok((DatabaseIndex::TEMP, found));
                } else {
                    name
                };
                if is_schema_table(name) {
                    let schema = self.schema(DatabaseIndex::MAIN).ok_or_else(missing)?;
                    let found = schema.named("sqlite_schema").ok_or_else(missing)?;
                    return Ok((DatabaseIndex::MAIN, found));
                }
                self.in_order()
                    .find_map(|(at, database)| Some((at, database.schema.named(name)?)))
                    .ok_or_else(missing)
            }
        }
    }
}

/// Whether it is a name of the table of all objects.
pub fn is_schema_table(name: &str) -> bool {
    name.eq_ignore_ascii_case("sqlite_schema") || name.eq_ignore_ascii_case("sqlite_master")
}

/// All names of a schema's table in the form it is kept under.
fn temporary_schema(at: DatabaseIndex, name: &str) -> &str {
    let temporary = at == DatabaseIndex::TEMP
        && (name.eq_ignore_ascii_case("sqlite_temp_master")
            || name.eq_ignore_ascii_case("sqlite_temp_schema"));
    if temporary || is_schema_table(name) { "sqlite_schema" } else { name }
}
