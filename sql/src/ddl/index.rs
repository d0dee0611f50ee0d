//! CREATE INDEX: the index is made, and filled while others write.

use std::sync::Arc;

use heddle_engine::raw::{NewObject, ObjectKind};

use super::entries::IndexEntries;
use super::names::{check_reserved, is_reserved, old_name};
use super::text::kept;
use super::{Change, Outcome};
use crate::ast::CreateIndex;
use crate::schema::build::expression::Place;
use crate::schema::build::{Context, NewIndex, index_from_ast};
use crate::schema::{Named, Table};
use crate::{Error, Result};

pub(super) async fn create(change: &mut Change<'_>, create: &CreateIndex) -> Result<Outcome> {
    let table = table(change, create)?;
    let name = &create.name.name;
    check_reserved(&name.text)?;
    let schema = change.schema()?;
    if schema.named(&name.text).is_some() {
        return Err(Error::sql(format!("there is already a table named {name}")));
    }
    if schema.index(&name.text).is_some() {
        change.tx()?.use_schema();
        return match create.if_not_exists {
            true => Ok(Outcome::Unchanged),
            false => Err(Error::sql(format!("index {name} already exists"))),
        };
    }
    let new = definition(change, &table, create)?;
    let prefix = if create.unique { "CREATE UNIQUE INDEX" } else { "CREATE INDEX" };
    let sql = kept(prefix, change.sql);
    let tx = change.tx()?;
    let object = NewObject {
        kind: ObjectKind::Index,
        name: new.name.to_string(),
        table: table.name.to_string(),
        sql: Some(sql),
        tree: new.new_tree(tx.encoding()),
    };
    tx.create(object).await?;
    fill(change, &name.text).await?;
    Ok(Outcome::Done)
}

/// The table that the index is on.
fn table(change: &mut Change<'_>, create: &CreateIndex) -> Result<Arc<Table>> {
    let name = &create.table;
    let found = change.schema()?.named(&name.text).cloned();
    let Some(found) = found else {
        let elsewhere = change.environment.databases.named(None, &name.text);
        if change.database == crate::schema::DatabaseIndex::TEMP && elsewhere.is_ok() {
            return Err(Error::sql(format!(
                "cannot create a TEMP index on non-TEMP table \"{name}\""
            )));
        }
        let database = change.database_name();
        let missing = Error::sql(format!("no such table: {database}.{name}"));
        change.tx()?.use_schema();
        return Err(missing);
    };
    match found {
        Named::Table(table) if is_reserved(&table.name) => {
            Err(Error::sql(format!("table {} may not be indexed", old_name(&table.name))))
        }
        Named::Table(table) => Ok(table),
        Named::View(_) => Err(Error::sql("views may not be indexed")),
        Named::Virtual(_) => Err(Error::sql("virtual tables may not be indexed")),
        Named::Broken(why) => Err(Error::sql(why)),
    }
}

fn definition(change: &Change<'_>, table: &Arc<Table>, create: &CreateIndex) -> Result<NewIndex> {
    let extensions = change.environment.extensions;
    let collations = |name: &str| extensions.collation(name);
    let context = Context { collations: &collations, loading: false };
    let new = index_from_ast(&create.name.name.text, table, create, context)?;
    for expr in new.keys.iter().filter_map(|key| key.expr.as_ref()) {
        change.check_calls(table, expr, Place::IndexKey)?;
    }
    if let Some(filter) = &new.filter {
        change.check_calls(table, filter, Place::IndexFilter)?;
    }
    Ok(new)
}

/// Fills an index that was made by this statement.
pub(super) async fn fill(change: &mut Change<'_>, name: &str) -> Result<()> {
    let schema = change.schema_now()?;
    let Some((table, index)) = schema.index(name) else {
        return Err(Error::sql(format!("no such index: {name}")));
    };
    let at = usize::from(change.database.0);
    let taken = change.resources.transactions.get_mut(at).and_then(Option::take);
    let Some(mut tx) = taken else { return Err(Error::sql("no transaction is active")) };
    let filled = fill_from(change, &mut tx, table, index).await;
    if let Some(place) = change.resources.transactions.get_mut(at) {
        *place = Some(tx);
    }
    filled
}

async fn fill_from(
    change: &mut Change<'_>,
    tx: &mut heddle_engine::Transaction,
    table: &Arc<Table>,
    index: &crate::schema::Index,
) -> Result<()> {
    let has_constants = tx.has_constants();
    let mut entries =
        IndexEntries::new(change.environment, table, index, has_constants, change.resources)?;
    let filled = tx.fill_index(&table.tree, &index.tree, &mut entries).await;
    filled.map_err(|error| entries.error(error))
}
