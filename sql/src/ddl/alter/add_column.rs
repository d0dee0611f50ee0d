//! ALTER TABLE .. ADD COLUMN. The rows stay as they are: a record that is too short for a column has its default.

use std::ops::Bound;
use std::sync::Arc;

use heddle_btree::key::decode_rowid;
use heddle_engine::Direction;
use heddle_engine::raw::ObjectKind;
use heddle_value::Value;

use super::check_no_rowid;
use super::drop_column::end_of_columns;
use super::schema::{Objects, error_in};
use crate::ast::{Column, ColumnConstraint, Expr, Literal, Statement};
use crate::ddl::Change;
use crate::ddl::row::RowReader;
use crate::parse::parse_one;
use crate::schema::Table;
use crate::schema::build::expression::Place;
use crate::schema::build::{Context, table_from_ast};
use crate::{Error, Result};

pub(super) async fn add(
    change: &mut Change<'_>,
    table: &Arc<Table>,
    column: &Column,
    text: &str,
) -> Result<()> {
    let end = end_of_columns(&table.sql, table.columns.len());
    let Some((head, tail)) = end.and_then(|end| table.sql.split_at_checked(end)) else {
        return Err(Error::sql("the columns are not found in the table's text"));
    };
    let text = text.trim_end_matches(|c: char| c == ';' || c.is_ascii_whitespace());
    let sql = format!("{head}, {text}{tail}");
    let mut objects = Objects::of(change)?;
    let is_it = |object: &Arc<_>| is_table(object, &table.name);
    let Some(place) = objects.after.iter().position(is_it) else { return Ok(()) };
    objects.change(place, |object| object.sql = Some(sql.as_str().into()));
    let new = new_table(change, table, column, &sql, &objects, place)?;
    check_column(change, table, &new, column).await?;
    objects.write(change).await?;
    check_rows(change, &new).await
}

fn is_table(object: &heddle_engine::raw::Object, name: &str) -> bool {
    object.kind == ObjectKind::Table && object.name.eq_ignore_ascii_case(name)
}

/// The table with the new column.
fn new_table(
    change: &mut Change<'_>,
    table: &Arc<Table>,
    column: &Column,
    sql: &str,
    objects: &Objects,
    place: usize,
) -> Result<Arc<Table>> {
    // What does not depend on the other columns is said first, and plainly.
    let is_key = |(_, c): &(_, ColumnConstraint)| matches!(c, ColumnConstraint::PrimaryKey { .. });
    let is_unique = |(_, c): &(_, ColumnConstraint)| matches!(c, ColumnConstraint::Unique { .. });
    if table.column(&column.name.text).is_some() {
        return Err(Error::sql(format!("duplicate column name: {}", column.name)));
    }
    if column.constraints.iter().any(is_key) {
        return Err(Error::sql("Cannot add a PRIMARY KEY column"));
    }
    if column.constraints.iter().any(is_unique) {
        return Err(Error::sql("Cannot add a UNIQUE column"));
    }
    check_no_rowid(table, &column.name.text, "add")?;
    let Statement::CreateTable(create) = parse_one(sql)?.statement else {
        return Err(Error::sql("no CREATE TABLE"));
    };
    let extensions = change.environment.extensions;
    let collations = |name: &str| extensions.collation(name);
    let context = Context { collations: &collations, loading: false };
    let new = table_from_ast(&table.name, &create, context).map_err(|error| {
        let words = error.to_string();
        let is_of_names = words.starts_with("no such column") || words.contains(" prohibited in ");
        let is_of_type = words.contains(" datatype for ");
        match objects.after.get(place) {
            Some(object) if is_of_names || is_of_type => {
                error_in(object, "after add column", &error)
            }
            _ => error,
        }
    })?;
    let mut new = new.into_table(table.tree.clone(), sql.into());
    new.indexes.clone_from(&table.indexes);
    Ok(Arc::new(new))
}

/// What a column may not be if there are rows.
async fn check_column(
    change: &mut Change<'_>,
    table: &Table,
    new: &Arc<Table>,
    written: &Column,
) -> Result<()> {
    for check in new.checks.iter().skip(table.checks.len()) {
        change.check_calls(new, &check.expr, Place::Check)?;
    }
    let Some(column) = new.column(&written.name.text).and_then(|at| new.columns.get(at)) else {
        return Ok(());
    };
    if let Some(generated) = &column.generated {
        change.check_calls(new, &generated.expr, Place::Generated)?;
        return match generated.stored && has_rows(change, table).await? {
            true => Err(Error::sql("cannot add a STORED column")),
            false => Ok(()),
        };
    }
    let default = column.default.as_ref().map(|default| &default.expr);
    let default = default.filter(|expr| !is_null(expr));
    let refers = new.foreign_keys.len() > table.foreign_keys.len();
    let refused = match default {
        Some(_) if refers && change.resources.foreign_keys => {
            "Cannot add a REFERENCES column with non-NULL default value"
        }
        None if column.not_null.is_some() => "Cannot add a NOT NULL column with default value NULL",
        Some(expr) if !is_value(expr) => "Cannot add a column with non-constant default",
        _ => return Ok(()),
    };
    match has_rows(change, table).await? {
        true => Err(Error::sql(refused)),
        false => Ok(()),
    }
}

fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Paren(inner) => is_null(inner),
        Expr::Literal(Literal::Value(Value::Null)) => true,
        _ => false,
    }
}

/// Whether a default is a value as it stands.
fn is_value(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(Literal::Value(_)) => true,
        Expr::Column { table: None, name, .. } => name.is("true") || name.is("false"),
        Expr::Paren(inner) | Expr::Cast { value: inner, .. } => is_value(inner),
        Expr::Unary(crate::ast::UnaryOp::Negate | crate::ast::UnaryOp::Plus, inner) => {
            is_value(inner)
        }
        _ => false,
    }
}

async fn has_rows(change: &mut Change<'_>, table: &Table) -> Result<bool> {
    let tx = change.tx()?;
    let mut cursor =
        tx.cursor(&table.tree, Bound::Unbounded, Bound::Unbounded, Direction::Ascending);
    Ok(cursor.step(tx).await?)
}

/// Whether the rows that there are keep the constraints.
async fn check_rows(change: &mut Change<'_>, new: &Arc<Table>) -> Result<()> {
    let Some(last) = new.columns.last() else { return Ok(()) };
    let of_generated = last.not_null.is_some() && last.generated.is_some();
    if new.checks.is_empty() && !of_generated && !new.strict {
        return Ok(());
    }
    let (environment, database) = (change.environment, usize::from(change.database.0));
    let checks: Vec<&Expr> = new.checks.iter().map(|check| &check.expr).collect();
    let encoding = change.tx()?.encoding();
    let mut reader = RowReader::new(environment, new, encoding, &checks, change.resources)?;
    let taken = change.resources.transactions.get_mut(database).and_then(Option::take);
    let Some(mut tx) = taken else { return Err(Error::sql("no transaction is active")) };
    let mut cursor = tx.cursor(&new.tree, Bound::Unbounded, Bound::Unbounded, Direction::Ascending);
    let mut outcome = Ok(());
    while outcome.is_ok() {
        match cursor.step(&mut tx).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                outcome = Err(error.into());
                break;
            }
        }
        let (Some(key), Some(record)) = (cursor.key(), cursor.record()) else { continue };
        let rowid = new.has_rowid().then(|| decode_rowid(key)).flatten();
        let row = reader.read(rowid, record, change.resources);
        outcome = row.and_then(|row| check_row(change, new, &mut reader, &row.columns));
    }
    if let Some(place) = change.resources.transactions.get_mut(database) {
        *place = Some(tx);
    }
    outcome
}

fn check_row(
    change: &mut Change<'_>,
    table: &Table,
    reader: &mut RowReader,
    values: &[Value],
) -> Result<()> {
    for (column, value) in table.columns.iter().zip(values) {
        if column.not_null.is_some() && value.is_null() {
            return Err(Error::sql("NOT NULL constraint failed"));
        }
        if let Some(strict) = column.strict
            && strict.accept(value.clone()).is_err()
        {
            return Err(Error::sql("type mismatch on DEFAULT"));
        }
    }
    for number in 0..table.checks.len() {
        if reader.other(number, change.resources)?.is_true() == Some(false) {
            return Err(Error::sql("CHECK constraint failed"));
        }
    }
    Ok(())
}
