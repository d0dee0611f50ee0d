//! Which database a statement changes, and which names may be given there.

use super::Change;
use crate::ast::{Name, QualifiedName, Statement};
use crate::schema::catalog::is_schema_table;
use crate::schema::{DatabaseIndex, Databases, Named};
use crate::{Error, Result};

/// The database that a statement changes.
///
/// # Errors
/// `unknown database`, in SQLite's words.
pub fn database_of(statement: &Statement, databases: &Databases) -> Result<DatabaseIndex> {
    match statement {
        Statement::CreateTable(create) => {
            new_object(databases, &create.name, create.temporary, "table")
        }
        Statement::CreateView(create) => {
            new_object(databases, &create.name, create.temporary, "table")
        }
        Statement::CreateVirtualTable { name, .. } => new_object(databases, name, false, "table"),
        Statement::CreateIndex(create) => match &create.name.schema {
            Some(schema) => known(databases, schema),
            None => beside(databases, &create.table),
        },
        Statement::CreateTrigger(create) => match (&create.name.schema, create.temporary) {
            (Some(_), true) => Err(Error::sql("temporary trigger may not have qualified name")),
            (None, true) => Ok(DatabaseIndex::TEMP),
            (Some(schema), false) => known(databases, schema),
            (None, false) => match &create.table.schema {
                Some(schema) if databases.find(&schema.text) == Some(DatabaseIndex::TEMP) => {
                    beside(databases, &create.table.name)
                }
                Some(_) => Ok(DatabaseIndex::MAIN),
                None => beside(databases, &create.table.name),
            },
        },
        Statement::AlterTable { table: name, .. }
        | Statement::DropTable { name, .. }
        | Statement::DropView { name, .. } => {
            Ok(find(databases, name, |schema, name| schema.named(name).is_some()))
        }
        Statement::DropIndex { name, .. } => {
            Ok(find(databases, name, |schema, name| schema.index(name).is_some()))
        }
        Statement::DropTrigger { name, .. } => {
            Ok(find(databases, name, |schema, name| schema.trigger(name).is_some()))
        }
        Statement::Analyze(Some(name)) | Statement::Reindex(Some(name)) => {
            let has = |schema: &crate::schema::Schema, name: &str| {
                schema.named(name).is_some() || schema.index(name).is_some()
            };
            match (&name.schema, databases.find(&name.name.text)) {
                (None, Some(database)) => Ok(database),
                _ => Ok(find(databases, name, has)),
            }
        }
        _ => Ok(DatabaseIndex::MAIN),
    }
}

fn known(databases: &Databases, schema: &Name) -> Result<DatabaseIndex> {
    databases.find(&schema.text).ok_or_else(|| Error::sql(format!("unknown database {schema}")))
}

fn new_object(
    databases: &Databases,
    name: &QualifiedName,
    temporary: bool,
    kind: &str,
) -> Result<DatabaseIndex> {
    let database = match &name.schema {
        Some(schema) => known(databases, schema)?,
        None if temporary => DatabaseIndex::TEMP,
        None => DatabaseIndex::MAIN,
    };
    if temporary && database != DatabaseIndex::TEMP {
        return Err(Error::sql(format!("temporary {kind} name must be unqualified")));
    }
    Ok(database)
}

/// Where an object on this table goes: with it if it is in `temp`, else to `main`.
fn beside(databases: &Databases, table: &Name) -> Result<DatabaseIndex> {
    let of_temp = databases.schema(DatabaseIndex::TEMP).and_then(|s| s.named(&table.text));
    Ok(if of_temp.is_some() { DatabaseIndex::TEMP } else { DatabaseIndex::MAIN })
}

/// The database that has it, in the order of names; the one said, or `main`, if none has.
fn find(
    databases: &Databases,
    name: &QualifiedName,
    has: impl Fn(&crate::schema::Schema, &str) -> bool,
) -> DatabaseIndex {
    if let Some(schema) = &name.schema {
        return databases.find(&schema.text).unwrap_or(DatabaseIndex::MAIN);
    }
    let found = databases.in_order().find(|(_, database)| has(&database.schema, &name.name.text));
    found.map_or(DatabaseIndex::MAIN, |(at, _)| at)
}

/// `schema.name` as messages about what is not there have it.
pub(super) fn as_asked(name: &QualifiedName) -> String {
    match &name.schema {
        Some(schema) => format!("{schema}.{}", name.name),
        None => name.name.to_string(),
    }
}

/// Whether SQLite keeps a name to itself.
pub(super) fn is_reserved(name: &str) -> bool {
    name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sqlite_"))
}

/// A table's name as messages have it: that of the schema's table is the old one there.
pub(super) fn old_name(name: &str) -> &str {
    if is_schema_table(name) { "sqlite_master" } else { name }
}

/// Whether a new object may have this name.
pub(super) fn check_reserved(name: &str) -> Result<()> {
    match is_reserved(name) {
        true => Err(Error::sql(format!("object name reserved for internal use: {name}"))),
        false => Ok(()),
    }
}

impl Change<'_> {
    /// Whether a new table or view may have this name; `false` if there is one already, and that is no error. `written` is the name
    /// as it stands in the statement.
    pub(super) fn check_new_table(
        &mut self,
        name: &Name,
        written: &str,
        if_not_exists: bool,
    ) -> Result<bool> {
        check_reserved(&name.text)?;
        let schema = self.schema()?;
        let kind = match schema.named(&name.text) {
            None => None,
            Some(Named::View(_)) => Some("view"),
            Some(_) => Some("table"),
        };
        let is_index = schema.index(&name.text).is_some();
        if let Some(kind) = kind {
            self.tx()?.use_schema();
            return match if_not_exists {
                true => Ok(false),
                false => Err(Error::sql(format!("{kind} {written} already exists"))),
            };
        }
        if is_index {
            return Err(Error::sql(format!("there is already an index named {name}")));
        }
        Ok(true)
    }

    /// The table or view that a statement names in this database.
    pub(super) fn target(&mut self, name: &QualifiedName, kind: &str) -> Result<Named> {
        let missing = Error::sql(format!("no such {kind}: {}", as_asked(name)));
        let named = match &name.schema {
            Some(schema) if self.environment.databases.find(&schema.text).is_none() => None,
            _ => self.schema()?.named(&name.name.text).cloned(),
        };
        match named {
            Some(Named::Broken(why)) => Err(Error::sql(why)),
            Some(named) => Ok(named),
            None => {
                self.tx()?.use_schema();
                Err(missing)
            }
        }
    }
}
