//! ANALYZE: for each index how many rows share its first columns, into `sqlite_stat1`.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use heddle_btree::key::{KeyShape, encode_rowid, encode_values};
use heddle_btree::record::{Record, encode, encode_legacy};
use heddle_btree::text::from_str;
use heddle_btree::value::ValueRef;
use heddle_engine::raw::{NewObject, NewTree, ObjectKind, Tree};
use heddle_engine::{Direction, Transaction};

use super::names::{as_asked, is_reserved};
use super::statistics::{Of, forget};
use super::{Change, Outcome};
use crate::ast::QualifiedName;
use crate::schema::{Index, Named, Table};
use crate::{Error, Result};

/// What `sqlite_stat1` is.
const STATISTICS: &str = "CREATE TABLE sqlite_stat1(tbl,idx,stat)";

/// A row of `sqlite_stat1`.
struct Found {
    table: String,
    index: Option<String>,
    text: String,
}

/// Of all tables, of those of a database, of one table or of one index.
pub(super) async fn analyze(
    change: &mut Change<'_>,
    name: Option<&QualifiedName>,
) -> Result<Outcome> {
    let schema = Arc::clone(change.schema()?);
    let databases = change.environment.databases;
    let is_database =
        name.is_some_and(|n| n.schema.is_none() && databases.find(&n.name.text).is_some());
    let mut found = Vec::new();
    match name {
        Some(name) if !is_database => {
            if let Some((table, index)) = schema.index(&name.name.text) {
                forget(change, Of::Index, &index.name).await?;
                let tx = change.tx()?;
                found.extend(of_index(tx, table, index).await?);
            } else {
                match change.target(name, "table")? {
                    Named::Table(table) => of_table(change, &table, &mut found).await?,
                    Named::View(_) => {}
                    _ => return Err(Error::sql(format!("no such table: {}", as_asked(name)))),
                }
            }
        }
        _ => {
            for named in schema.all() {
                if let Named::Table(table) = named {
                    of_table(change, table, &mut found).await?;
                }
            }
        }
    }
    write(change, found).await?;
    Ok(Outcome::Done)
}

async fn of_table(
    change: &mut Change<'_>,
    table: &Arc<Table>,
    found: &mut Vec<Found>,
) -> Result<()> {
    if is_reserved(&table.name) {
        return Ok(());
    }
    forget(change, Of::Table, &table.name).await?;
    let tx = change.tx()?;
    let mut needs_count = true;
    for index in &table.indexes {
        found.extend(of_index(tx, table, index).await?);
        needs_count &= index.filter.is_some();
    }
    if table.without_rowid {
        let keys = table.primary_key.len();
        let text = counted(tx, &table.tree, keys).await?;
        let name = table.name.to_string();
        let row = |text| Found { table: name.clone(), index: Some(name.clone()), text };
        found.extend(text.map(row));
        needs_count = false;
    }
    if needs_count {
        let mut rows = 0_u64;
        let mut cursor =
            tx.cursor(&table.tree, Bound::Unbounded, Bound::Unbounded, Direction::Ascending);
        while cursor.step(tx).await? {
            rows += 1;
        }
        if rows > 0 {
            let table = table.name.to_string();
            found.push(Found { table, index: None, text: rows.to_string() });
        }
    }
    Ok(())
}

async fn of_index(tx: &mut Transaction, table: &Table, index: &Index) -> Result<Option<Found>> {
    let text = counted(tx, &index.tree, index.keys.len()).await?;
    Ok(text.map(|text| Found {
        table: table.name.to_string(),
        index: Some(index.name.to_string()),
        text,
    }))
}

/// The numbers of a tree with so many keys; `None` if it is empty or its order is not known.
async fn counted(tx: &mut Transaction, tree: &Tree, keys: usize) -> Result<Option<String>> {
    let Some(shape) = tree.shape().cloned() else { return Ok(None) };
    // Whether a key is unique is no matter here.
    let shape = KeyShape { unique: None, ..shape };
    let damaged = |_| Error::sql("database disk image is malformed");
    let mut rows = 0_u64;
    let mut distinct = vec![0_u64; keys];
    let mut last: Vec<Vec<u8>> = Vec::new();
    let mut cursor = tx.cursor(tree, Bound::Unbounded, Bound::Unbounded, Direction::Ascending);
    while cursor.step(tx).await? {
        let Some(record) = cursor.record() else { continue };
        let mut values = Vec::with_capacity(keys);
        let mut columns = Record::parse(record).map_err(damaged)?.columns();
        while values.len() < keys {
            let Some(value) = columns.next_value().map_err(damaged)? else { break };
            values.push(value);
        }
        let prefix = |count: usize| {
            let mut key = Vec::new();
            encode_values(&shape, values.iter().take(count).copied(), &mut key);
            key
        };
        let now: Vec<Vec<u8>> = (1..=keys).map(prefix).collect();
        for (at, count) in distinct.iter_mut().enumerate() {
            *count += u64::from(last.get(at) != now.get(at));
        }
        last = now;
        rows += 1;
    }
    if rows == 0 {
        return Ok(None);
    }
    let mut text = rows.to_string();
    for different in distinct {
        text.push_str(&format!(" {}", shared(rows, different)));
    }
    Ok(Some(text))
}

/// How many rows share a value, rounded up; almost unique is unique.
fn shared(rows: u64, different: u64) -> u64 {
    let each = rows.div_ceil(different.max(1));
    let almost_unique = each == 2 && rows.saturating_mul(10) <= different.saturating_mul(11);
    if almost_unique { 1 } else { each }
}

/// Adds the rows to `sqlite_stat1`, which is made if there is none.
async fn write(change: &mut Change<'_>, found: Vec<Found>) -> Result<()> {
    let known = change.schema()?.table("sqlite_stat1").map(|table| table.tree.clone());
    let tx = change.tx()?;
    let tree = match known {
        Some(tree) => tree,
        None => {
            let object = NewObject {
                kind: ObjectKind::Table,
                name: "sqlite_stat1".to_owned(),
                table: "sqlite_stat1".to_owned(),
                sql: Some(STATISTICS.to_owned()),
                tree: NewTree::Table,
            };
            let made = tx.create(object).await?;
            made.ok_or_else(|| Error::sql("no such table: sqlite_stat1"))?
        }
    };
    let (encoding, has_constants) = (tx.encoding(), tx.has_constants());
    for row in found {
        let [table, text] = [&row.table, &row.text].map(|text| from_str(text, encoding));
        let index = row.index.as_ref().map(|index| from_str(index, encoding));
        let index = index.as_ref().map_or(ValueRef::Null, |index| ValueRef::Text(index));
        let values = [ValueRef::Text(&table), index, ValueRef::Text(&text)];
        let mut record = Vec::new();
        let done = match has_constants {
            true => encode(values, &mut record),
            false => encode_legacy(values, &mut record),
        };
        done.map_err(|_| Error::TooBig)?;
        let rowid = tx.new_rowid(&tree, false).await?;
        tx.write(&tree, Bytes::copy_from_slice(&encode_rowid(rowid.0)), record.into())?;
    }
    Ok(())
}
