//! ALTER TABLE .. DROP COLUMN: out of the text, and out of every row.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use heddle_btree::record::{Record, encode, encode_legacy};
use heddle_engine::Direction;
use heddle_engine::raw::ObjectKind;

use super::edit::Places;
use super::schema::Objects;
use super::scope::Wanted;
use super::{check_no_rowid, column_of};
use crate::ast::{CreateTable, Name, Statement, TableBody};
use crate::ddl::Change;
use crate::parse::{parse_one, words};
use crate::schema::{IndexOrigin, Table};
use crate::{Error, Result};

pub(super) async fn drop(change: &mut Change<'_>, table: &Arc<Table>, name: &Name) -> Result<()> {
    let at = column_of(change, table, name, 0)?;
    check_no_rowid(table, &name.text, "drop")?;
    let Some(column) = table.columns.get(at) else { return Ok(()) };
    let refused = match () {
        () if column.primary_key_place > 0 => Some("PRIMARY KEY"),
        () if is_unique(table, at)? => Some("UNIQUE"),
        () => None,
    };
    if let Some(kind) = refused {
        return Err(Error::sql(format!("cannot drop {kind} column: \"{name}\"")));
    }
    if table.columns.len() < 2 {
        return Err(Error::sql(format!("cannot drop column \"{name}\": no other columns exist")));
    }
    let mut objects = Objects::of(change)?;
    objects.check(change, "")?;
    objects.rename(change, Wanted::Nothing, "", false, true)?;
    for place in 0..objects.after.len() {
        let Some(object) = objects.after.get(place) else { continue };
        let is_it =
            object.kind == ObjectKind::Table && object.name.eq_ignore_ascii_case(&table.name);
        if is_it {
            let text = without(object.sql.as_deref().unwrap_or_default(), at)?;
            objects.change(place, |object| object.sql = Some(text.into()));
        }
    }
    objects.check(change, "after drop column")?;
    objects.write(change).await?;
    match table.record_order.iter().position(|&column| usize::from(column) == at) {
        Some(place) => rewrite_rows(change, table, place).await,
        // It was in no record.
        None => Ok(()),
    }
}

/// Whether the column itself, not the table, says UNIQUE.
fn is_unique(table: &Table, at: usize) -> Result<bool> {
    let has_index = table.indexes.iter().any(|index| index.origin == IndexOrigin::Unique);
    if !has_index {
        return Ok(false);
    }
    let Statement::CreateTable(create) = parse_one(&table.sql)?.statement else {
        return Ok(false);
    };
    let TableBody::Columns { columns, .. } = &create.body else { return Ok(false) };
    let is_it = |(_, constraint): &(_, _)| {
        matches!(constraint, crate::ast::ColumnConstraint::Unique { .. })
    };
    Ok(columns.get(at).is_some_and(|column| column.constraints.iter().any(is_it)))
}

/// A table's text without a column.
fn without(sql: &str, at: usize) -> Result<String> {
    let statement = parse_one(sql)?.statement;
    let places = Places::of(sql, &statement);
    let lost = || Error::sql("the column is not found in the table's text");
    let name_of = |create: &CreateTable, at: usize| match &create.body {
        TableBody::Columns { columns, .. } => {
            columns.get(at).and_then(|column| places.of_name(&column.name))
        }
        TableBody::Select(_) => None,
    };
    let Statement::CreateTable(create) = &statement else { return Err(lost()) };
    let start = name_of(create, at).ok_or_else(lost)?.start;
    let (from, to) = match name_of(create, at + 1) {
        Some(next) => (start, next.start),
        None => {
            // The comma before the last column goes with it.
            let comma = sql.get(..start).and_then(|head| head.rfind(',')).ok_or_else(lost)?;
            (comma, end_of_columns(sql, at + 1).ok_or_else(lost)?)
        }
    };
    let head = sql.get(..from).unwrap_or_default();
    let tail = sql.get(to..).unwrap_or_default();
    Ok(format!("{head}{tail}"))
}

/// Where the definitions of a table's columns end: at the comma before its first constraint, or at the parenthesis.
pub(super) fn end_of_columns(sql: &str, columns: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut commas = 0;
    for word in words(sql) {
        match sql.get(word.range.clone())? {
            "(" => depth += 1,
            ")" if depth == 1 => return Some(word.range.start),
            ")" => depth = depth.saturating_sub(1),
            "," if depth == 1 => {
                commas += 1;
                if commas == columns {
                    return Some(word.range.start);
                }
            }
            _ => {}
        }
    }
    None
}

/// Takes a place out of every record.
async fn rewrite_rows(change: &mut Change<'_>, table: &Table, place: usize) -> Result<()> {
    let damaged = |_| Error::sql("database disk image is malformed");
    let tx = change.tx()?;
    let has_constants = tx.has_constants();
    let mut cursor =
        tx.cursor(&table.tree, Bound::Unbounded, Bound::Unbounded, Direction::Ascending);
    while cursor.step(tx).await? {
        let (Some(key), Some(record)) = (cursor.key(), cursor.record()) else { continue };
        let mut columns = Record::parse(record).map_err(damaged)?.columns();
        let mut values = Vec::new();
        while let Some(value) = columns.next_value().map_err(damaged)? {
            values.push(value);
        }
        if place >= values.len() {
            continue;
        }
        values.remove(place);
        let mut record = Vec::new();
        let done = match has_constants {
            true => encode(values, &mut record),
            false => encode_legacy(values, &mut record),
        };
        done.map_err(damaged)?;
        let key = Bytes::copy_from_slice(key);
        tx.write(&table.tree, key, record.into())?;
        tx.make_room().await?;
    }
    Ok(())
}
