//! Rows about indexes.

use heddle_value::Value;

use super::facts::{Facts, Row, bit, number, text};
use super::tables::{column_name, find};
use crate::schema::{DatabaseIndex, Index, IndexKey, IndexOrigin, Named, Table};

/// `index_list`.
pub(super) fn list(facts: &Facts, at: Option<DatabaseIndex>, name: &str) -> Vec<Row> {
    let Some(Named::Table(table)) = find(facts, at, name) else { return Vec::new() };
    let mut rows: Vec<Row> = table
        .indexes
        .iter()
        .map(|index| {
            let origin = match index.origin {
                IndexOrigin::CreateIndex => "c",
                IndexOrigin::Unique => "u",
                IndexOrigin::PrimaryKey => "pk",
            };
            vec![text(&index.name), bit(index.unique), text(origin), bit(index.filter.is_some())]
        })
        .collect();
    if table.without_rowid {
        // The table's own tree, which SQLite counts among its automatic indexes.
        rows.push(vec![text(&key_name(table)), bit(true), text("pk"), bit(false)]);
    }
    for (seq, row) in rows.iter_mut().enumerate() {
        row.insert(0, number(seq));
    }
    rows
}

/// What SQLite calls the tree of a WITHOUT ROWID table: the first number that no automatic index has.
fn key_name(table: &Table) -> String {
    let name = |n: usize| format!("sqlite_autoindex_{}_{n}", table.name);
    let free = (1..).find(|&n| !table.indexes.iter().any(|index| *index.name == *name(n)));
    name(free.unwrap_or(1))
}

/// `index_info` and `index_xinfo`; of a WITHOUT ROWID table by its own name, too.
pub(super) fn info(facts: &Facts, at: Option<DatabaseIndex>, name: &str, all: bool) -> Vec<Row> {
    let databases =
        facts.databases.in_order().filter(|(number, _)| at.is_none_or(|at| at == *number));
    for (_, database) in databases {
        if let Some((table, index)) = database.schema.index(name) {
            return of_index(table, index, all);
        }
        for named in database.schema.all() {
            if let Named::Table(table) = named
                && table.without_rowid
                && (table.name.eq_ignore_ascii_case(name)
                    || key_name(table).eq_ignore_ascii_case(name))
            {
                return of_key(table, all);
            }
        }
    }
    Vec::new()
}

fn of_index(table: &Table, index: &Index, all: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for key in &index.keys {
        rows.push(key_row(table, rows.len(), key, true, all));
    }
    if all && table.without_rowid {
        for key in &index.row_keys {
            rows.push(key_row(table, rows.len(), key, false, all));
        }
    } else if all {
        let rowid = Value::Integer(-1);
        let row =
            vec![number(rows.len()), rowid, Value::Null, bit(false), text("BINARY"), bit(false)];
        rows.push(row);
    }
    rows
}

fn of_key(table: &Table, all: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for key in &table.primary_key {
        rows.push(key_row(table, rows.len(), key, true, all));
    }
    let rest = table.record_order.iter().skip(table.primary_key.len());
    for &at in rest.filter(|_| all) {
        let column = table.columns.get(usize::from(at));
        let collation = column.map_or("BINARY", |column| match &column.unknown_collation {
            Some(name) => name,
            None => column.collation.name(),
        });
        let place = number(rows.len());
        let cid = Value::Integer(i64::from(at));
        rows.push(vec![
            place,
            cid,
            column_name(table, at),
            bit(false),
            text(collation),
            bit(false),
        ]);
    }
    rows
}

fn key_row(table: &Table, place: usize, key: &IndexKey, is_key: bool, all: bool) -> Row {
    let (cid, name) = match key.column {
        Some(at) => (i64::from(at), column_name(table, at)),
        None => (-2, Value::Null),
    };
    let mut row = vec![number(place), Value::Integer(cid), name];
    if all {
        let collation = match &key.unknown_collation {
            Some(name) => name,
            None => key.collation.name(),
        };
        row.extend([bit(key.descending), text(collation), bit(is_key)]);
    }
    row
}
