//! CREATE TRIGGER.

use heddle_engine::raw::{NewObject, NewTree, ObjectKind};

use super::names::{check_reserved, is_reserved};
use super::text::{kept, written_name};
use super::{Change, Outcome};
use crate::ast::{CreateTrigger, IndexHint, QualifiedName, Statement, TriggerTime};
use crate::parse::parse_one;
use crate::schema::{DatabaseIndex, Named};
use crate::{Error, Result};

pub(super) async fn create(change: &mut Change<'_>, create: &CreateTrigger) -> Result<Outcome> {
    let name = &create.name.name;
    let written = written_name(change.sql);
    let is_temporary = change.database == DatabaseIndex::TEMP;
    if !is_temporary
        && let Some(schema) = &create.table.schema
        && change.environment.databases.find(&schema.text) != Some(change.database)
    {
        return Err(Error::sql(format!(
            "trigger {written} cannot reference objects in database {schema}"
        )));
    }
    let (table, database) = table(change, create)?;
    check_reserved(&name.text)?;
    if change.schema()?.trigger(&name.text).is_some() {
        change.tx()?.use_schema();
        return match create.if_not_exists {
            true => Ok(Outcome::Unchanged),
            false => Err(Error::sql(format!("trigger {written} already exists"))),
        };
    }
    check_time(create, &table, database)?;
    check_commands(create, is_temporary)?;
    let has_parameters = parse_one(change.sql).is_ok_and(|parsed| !parsed.parameters.is_empty());
    if has_parameters {
        return Err(Error::sql("trigger cannot use variables"));
    }
    change.check_trigger(written, create)?;
    let on = match &table {
        Named::Table(table) => table.name.to_string(),
        Named::View(view) => view.name.to_string(),
        _ => create.table.name.text.to_string(),
    };
    let object = NewObject {
        kind: ObjectKind::Trigger,
        name: name.text.to_string(),
        table: on,
        sql: Some(kept("CREATE TRIGGER", change.sql)),
        tree: NewTree::None,
    };
    change.tx()?.create(object).await?;
    Ok(Outcome::Done)
}

/// The table or view that the trigger is on, and its database's name as messages have it.
fn table(change: &mut Change<'_>, create: &CreateTrigger) -> Result<(Named, String)> {
    let name = &create.table;
    let is_temporary = change.database == DatabaseIndex::TEMP;
    let schema = name.schema.as_ref().map(|schema| &*schema.text);
    let found = match (schema, is_temporary) {
        (None, true) => change.environment.databases.named(None, &name.name.text),
        (Some(schema), true) => change.environment.databases.named(Some(schema), &name.name.text),
        (_, false) => {
            let own = change.database_name();
            change.environment.databases.named(Some(own), &name.name.text)
        }
    };
    let named = match found.map(|(_, named)| named.clone()) {
        Ok(found) => found,
        Err(error) => {
            change.tx()?.use_schema();
            return Err(error);
        }
    };
    match &named {
        Named::Virtual(_) => Err(Error::sql("cannot create triggers on virtual tables")),
        Named::Broken(why) => Err(Error::sql(&**why)),
        Named::Table(table) if is_reserved(&table.name) => {
            Err(Error::sql("cannot create trigger on system table"))
        }
        _ => {
            // A trigger of `temp` says where its table is, if its statement does.
            let said = name.schema.as_ref().filter(|_| is_temporary);
            Ok((named, said.map(|schema| format!("{schema}.")).unwrap_or_default()))
        }
    }
}

/// Whether a trigger of this time can be on it.
fn check_time(create: &CreateTrigger, table: &Named, database: String) -> Result<()> {
    let on = format!("{database}{}", create.table.name);
    let is_view = matches!(table, Named::View(_));
    match (create.time, is_view) {
        (TriggerTime::InsteadOf, false) => {
            Err(Error::sql(format!("cannot create INSTEAD OF trigger on table: {on}")))
        }
        (TriggerTime::Before, true) => {
            Err(Error::sql(format!("cannot create BEFORE trigger on view: {on}")))
        }
        (TriggerTime::After, true) => {
            Err(Error::sql(format!("cannot create AFTER trigger on view: {on}")))
        }
        _ => Ok(()),
    }
}

/// What commands in a trigger may not say.
fn check_commands(create: &CreateTrigger, is_temporary: bool) -> Result<()> {
    for command in &create.commands {
        let (table, hint): (&QualifiedName, &IndexHint) = match command {
            Statement::Insert(insert) => (&insert.table, &IndexHint::None),
            Statement::Update(update) => (&update.table, &update.hint),
            Statement::Delete(delete) => (&delete.table, &delete.hint),
            _ => continue,
        };
        if table.schema.is_some() && !is_temporary {
            return Err(Error::sql(
                "qualified table names are not allowed on INSERT, UPDATE, and DELETE statements within triggers",
            ));
        }
        let clause = match hint {
            IndexHint::None => continue,
            IndexHint::IndexedBy(_) => "INDEXED BY",
            IndexHint::NotIndexed => "NOT INDEXED",
        };
        return Err(Error::sql(format!(
            "the {clause} clause is not allowed on UPDATE or DELETE statements within triggers"
        )));
    }
    Ok(())
}
