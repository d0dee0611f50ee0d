//! ALTER TABLE.
//!
//! The new texts of all objects are made first, then it is seen whether the schema would still mean something with them, and only
//! then are they written.
//!
//! - `rename_table`, `rename_column`, `add_column`, `drop_column`: what is altered.
//! - `scope`, `query`, `command`: what names mean; `edit`: texts with other names; `schema`: the schema as it would be.

mod add_column;
mod command;
mod drop_column;
mod edit;
mod query;
mod rename_column;
mod rename_table;
mod schema;
mod scope;

use std::sync::Arc;

use super::names::{is_reserved, old_name};
use super::{Change, Outcome};
use crate::ast::{AlterTable, Name, QualifiedName};
use crate::parse::words;
use crate::schema::build::expression::is_rowid_name;
use crate::schema::{Named, Table};
use crate::{Error, Result};

/// ALTER TABLE.
pub(super) async fn table(
    change: &mut Change<'_>,
    name: &QualifiedName,
    alteration: &AlterTable,
) -> Result<Outcome> {
    let named = change.target(name, "table")?;
    match alteration {
        AlterTable::RenameTo(to) => rename_table::rename(change, named, to).await?,
        AlterTable::RenameColumn { from, to } => {
            let table = real_table(named, "rename columns of")?;
            rename_column::rename(change, &table, from, to).await?;
        }
        AlterTable::AddColumn { column, text } => {
            let table = match named {
                Named::Table(table) => table,
                Named::View(_) => return Err(Error::sql("Cannot add a column to a view")),
                _ => return Err(Error::sql("virtual tables may not be altered")),
            };
            check_alterable(&table.name)?;
            add_column::add(change, &table, column, text).await?;
        }
        AlterTable::DropColumn(column) => {
            let table = real_table(named, "drop column from")?;
            drop_column::drop(change, &table, column).await?;
        }
        AlterTable::AddConstraint { .. }
        | AlterTable::DropConstraint(_)
        | AlterTable::SetNotNull { .. }
        | AlterTable::DropNotNull(_) => {
            real_table(named, "edit constraints of")?;
            return Err(Error::Unsupported("changing the constraints of a table is".to_owned()));
        }
    }
    Ok(Outcome::Done)
}

/// SQLite's own tables can't be altered.
fn check_alterable(name: &str) -> Result<()> {
    match is_reserved(name) {
        true => Err(Error::sql(format!("table {} may not be altered", old_name(name)))),
        false => Ok(()),
    }
}

fn real_table(named: Named, what: &str) -> Result<Arc<Table>> {
    match named {
        Named::Table(table) => {
            check_alterable(&table.name)?;
            Ok(table)
        }
        Named::View(view) => Err(Error::sql(format!("cannot {what} view \"{}\"", view.name))),
        Named::Virtual(module) => {
            Err(Error::sql(format!("cannot {what} virtual table \"{module}\"")))
        }
        Named::Broken(why) => Err(Error::sql(why)),
    }
}

/// The column of this name; `from_end`: which word of the statement it is, counted from the last.
fn column_of(change: &Change<'_>, table: &Table, name: &Name, from_end: usize) -> Result<usize> {
    table.column(&name.text).ok_or_else(|| {
        let words = words(change.sql);
        let word = words.iter().rev().nth(from_end).map(|word| word.range.clone());
        let written = word.and_then(|range| change.sql.get(range)).unwrap_or_default();
        Error::sql(format!("no such column: \"{written}\""))
    })
}

/// Names of the rowid are not for columns that come, go or change.
fn check_no_rowid(table: &Table, name: &str, what: &str) -> Result<()> {
    match table.has_rowid() && is_rowid_name(name) {
        true => Err(Error::sql(format!("cannot {what} rowid alias: {name}"))),
        false => Ok(()),
    }
}
