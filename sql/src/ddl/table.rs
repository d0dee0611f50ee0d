//! CREATE TABLE.

use heddle_engine::raw::{NewObject, NewTree, ObjectKind};
use heddle_value::Affinity;

use super::text::{kept, of_columns, unique_names, written_name};
use super::{Change, Outcome};
use crate::ast::{CreateTable, Select, Statement, TableBody};
use crate::bind;
use crate::parse::parse_one;
use crate::plan::Query;
use crate::schema::build::expression::Place;
use crate::schema::build::{Context, NewTable, table_from_ast};
use crate::{Error, Result};

/// What `sqlite_sequence` is.
const SEQUENCE: &str = "CREATE TABLE sqlite_sequence(name,seq)";

pub(super) async fn create(change: &mut Change<'_>, create: &CreateTable) -> Result<Outcome> {
    let name = &create.name.name;
    let written = written_name(change.sql);
    if !change.check_new_table(name, written, create.if_not_exists)? {
        return Ok(Outcome::Unchanged);
    }
    let (sql, query, new) = match &create.body {
        TableBody::Columns { .. } => {
            let new = definition(change, &name.text, create)?;
            (kept("CREATE TABLE", change.sql), None, new)
        }
        TableBody::Select(select) => {
            let (sql, query) = of_select(change, &name.text, select)?;
            let parsed = parse_one(&sql)?;
            let Statement::CreateTable(columns) = parsed.statement else {
                return Err(Error::sql("no CREATE TABLE"));
            };
            let new = definition(change, &name.text, &columns)?;
            (sql, Some(query), new)
        }
    };
    make(change, new, sql).await?;
    Ok(match query {
        None => Outcome::Done,
        Some(query) => Outcome::Insert {
            database: change.database,
            table: name.text.clone(),
            query: Box::new(query),
        },
    })
}

fn definition(change: &Change<'_>, name: &str, create: &CreateTable) -> Result<NewTable> {
    let extensions = change.environment.extensions;
    let collations = |name: &str| extensions.collation(name);
    table_from_ast(name, create, Context { collations: &collations, loading: false })
}

/// The text of the table that a query's columns make, and the query.
fn of_select(change: &Change<'_>, name: &str, select: &Select) -> Result<(String, Query)> {
    let query = bind::query(change.environment, select, 0)?;
    let names = unique_names(&query.names);
    let affinity = |id: &crate::plan::ColumnId| {
        let info = query.infos.get(id.0 as usize);
        info.and_then(|info| info.affinity).unwrap_or(Affinity::Blob)
    };
    let columns: Vec<_> = names.into_iter().zip(query.columns.iter().map(affinity)).collect();
    Ok((of_columns(name, &columns), query))
}

/// Makes a table with its automatic indexes, and `sqlite_sequence` if it is the first that needs it.
async fn make(change: &mut Change<'_>, new: NewTable, sql: String) -> Result<()> {
    let needs_sequence = new.autoincrement && change.schema()?.table("sqlite_sequence").is_none();
    let (name, automatic) = (new.name.to_string(), new.automatic.clone());
    let tx = change.tx()?;
    let encoding = tx.encoding();
    let tree = new.new_tree(encoding);
    let object = NewObject {
        kind: ObjectKind::Table,
        name: name.clone(),
        table: name.clone(),
        sql: Some(sql),
        tree,
    };
    tx.create(object).await?;
    for index in automatic {
        let object = NewObject {
            kind: ObjectKind::Index,
            name: index.name.to_string(),
            table: name.clone(),
            sql: None,
            tree: index.new_tree(encoding),
        };
        tx.create(object).await?;
    }
    if needs_sequence {
        let name = "sqlite_sequence".to_owned();
        let object = NewObject {
            kind: ObjectKind::Table,
            table: name.clone(),
            name,
            sql: Some(SEQUENCE.to_owned()),
            tree: NewTree::Table,
        };
        tx.create(object).await?;
    }
    check_functions(change, &name)
}

/// Whether all functions in a table's own expressions are known.
fn check_functions(change: &mut Change<'_>, name: &str) -> Result<()> {
    let schema = change.schema_now()?;
    let Some(table) = schema.table(name) else {
        return Err(Error::sql(format!("no such table: {name}")));
    };
    for check in &table.checks {
        change.check_calls(table, &check.expr, Place::Check)?;
    }
    for generated in table.columns.iter().filter_map(|column| column.generated.as_ref()) {
        change.check_calls(table, &generated.expr, Place::Generated)?;
    }
    Ok(())
}
