//! ALTER TABLE .. RENAME TO.

use std::ops::Bound;

use bytes::Bytes;
use heddle_btree::record::{Record, encode, encode_legacy};
use heddle_btree::text::{from_str, to_str};
use heddle_btree::value::ValueRef;
use heddle_engine::Direction;
use heddle_engine::raw::ObjectKind;

use super::check_alterable;
use super::schema::Objects;
use super::scope::Wanted;
use crate::ast::Name;
use crate::ddl::Change;
use crate::ddl::names::check_reserved;
use crate::schema::Named;
use crate::{Error, Result};

pub(super) async fn rename(change: &mut Change<'_>, named: Named, to: &Name) -> Result<()> {
    let schema = change.schema()?;
    if schema.named(&to.text).is_some() || schema.index(&to.text).is_some() {
        return Err(Error::sql(format!(
            "there is already another table or index with this name: {to}"
        )));
    }
    let name = match &named {
        Named::Table(table) => table.name.clone(),
        Named::View(view) => view.name.clone(),
        _ => return Err(Error::sql("virtual tables may not be altered")),
    };
    check_alterable(&name)?;
    check_reserved(&to.text)?;
    let Named::Table(table) = named else {
        return Err(Error::sql(format!("view {name} may not be altered")));
    };
    let mut objects = Objects::of(change)?;
    objects.rename(change, Wanted::Table(&table), &to.text, true, false)?;
    let automatic = format!("sqlite_autoindex_{}", table.name);
    for at in 0..objects.after.len() {
        objects.change(at, |object| {
            let is_on = object.table.eq_ignore_ascii_case(&table.name);
            if !is_on || object.kind == ObjectKind::View {
                return;
            }
            object.table = to.text.clone();
            match object.kind {
                ObjectKind::Table => object.name = to.text.clone(),
                ObjectKind::Index if object.sql.is_none() => {
                    let number = object.name.get(automatic.len()..).unwrap_or_default();
                    object.name = format!("sqlite_autoindex_{to}{number}").into();
                }
                _ => {}
            }
        });
    }
    objects.check(change, "after rename")?;
    objects.write(change).await?;
    rename_in_sequence(change, &table.name, &to.text).await
}

/// `sqlite_sequence` remembers rowids by the table's name.
async fn rename_in_sequence(change: &mut Change<'_>, from: &str, to: &str) -> Result<()> {
    let Some(sequence) = change.schema()?.table("sqlite_sequence").cloned() else {
        return Ok(());
    };
    let tx = change.tx()?;
    let (encoding, has_constants) = (tx.encoding(), tx.has_constants());
    let damaged = |_| Error::sql("database disk image is malformed");
    let mut cursor =
        tx.cursor(&sequence.tree, Bound::Unbounded, Bound::Unbounded, Direction::Ascending);
    let mut renamed = Vec::new();
    while cursor.step(tx).await? {
        let (Some(key), Some(record)) = (cursor.key(), cursor.record()) else { continue };
        let mut columns = Record::parse(record).map_err(damaged)?.columns();
        let mut values = Vec::new();
        while let Some(value) = columns.next_value().map_err(damaged)? {
            values.push(value);
        }
        let is_it =
            matches!(values.first(), Some(ValueRef::Text(text)) if to_str(text, encoding) == from);
        if !is_it {
            continue;
        }
        let name = from_str(to, encoding);
        if let Some(first) = values.first_mut() {
            *first = ValueRef::Text(&name);
        }
        let mut record = Vec::new();
        let done = match has_constants {
            true => encode(values, &mut record),
            false => encode_legacy(values, &mut record),
        };
        done.map_err(damaged)?;
        renamed.push((Bytes::copy_from_slice(key), Bytes::from(record)));
    }
    for (key, record) in renamed {
        tx.write(&sequence.tree, key, record)?;
    }
    Ok(())
}
