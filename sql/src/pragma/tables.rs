//! Rows about tables and views.

use super::facts::{Facts, Row, bit, number, text};
use crate::ast::ForeignKeyAction;
use crate::bind::{self, Environment};
use crate::schema::{Column, Database, DatabaseIndex, Named, Table, View};
use heddle_value::{Affinity, Value};

/// What is of this name, in this database or in the first that has it.
pub(super) fn find<'f>(
    facts: &'f Facts,
    at: Option<DatabaseIndex>,
    name: &str,
) -> Option<&'f Named> {
    let schema = at.and_then(|at| facts.databases.get(at)).map(|database| &*database.name);
    facts.databases.named(schema, name).ok().map(|(_, named)| named)
}

/// `table_info` and `table_xinfo`.
pub(super) fn table_info(
    facts: &Facts,
    at: Option<DatabaseIndex>,
    name: &str,
    hidden: bool,
) -> Vec<Row> {
    match find(facts, at, name) {
        Some(Named::Table(table)) => {
            let columns = table.columns.iter().filter(|c| hidden || c.generated.is_none());
            columns.enumerate().map(|(place, c)| column(place, c, hidden)).collect()
        }
        Some(Named::View(view)) => view_columns(facts, view, hidden),
        _ => Vec::new(),
    }
}

fn column(place: usize, column: &Column, hidden: bool) -> Row {
    let mut row = vec![
        number(place),
        text(&column.name),
        text(column.declared_type.as_deref().unwrap_or_default()),
        bit(column.not_null.is_some()),
        column.default.as_ref().map_or(Value::Null, |default| text(&default.text)),
        number(usize::from(column.primary_key_place)),
    ];
    if hidden {
        row.push(Value::Integer(match &column.generated {
            None => 0,
            Some(generated) if generated.stored => 3,
            Some(_) => 2,
        }));
    }
    row
}

/// The columns of a view, as far as its query can be understood.
fn view_columns(facts: &Facts, view: &View, hidden: bool) -> Vec<Row> {
    let environment = Environment { databases: &facts.databases, extensions: &facts.extensions };
    let Ok(query) = bind::query(environment, &view.definition.select, 0) else {
        return Vec::new();
    };
    let given = |place: usize| view.definition.columns.get(place).map(|name| &name.text);
    let columns = query.names.iter().enumerate().map(|(place, name)| {
        let info = query.columns.get(place).and_then(|id| query.infos.get(id.0 as usize));
        let declared = info.and_then(|info| info.declared_type.as_deref());
        let preferred = || info.and_then(|info| info.affinity).map(affinity_name);
        let declared = declared.or_else(preferred).unwrap_or_default();
        let name = given(place).unwrap_or(name);
        let mut row =
            vec![number(place), text(name), text(declared), bit(false), Value::Null, number(0)];
        if hidden {
            row.push(number(0));
        }
        row
    });
    columns.collect()
}

/// What stands for the type of a view's column that is declared with none.
fn affinity_name(affinity: Affinity) -> &'static str {
    match affinity {
        Affinity::Blob => "BLOB",
        Affinity::Text => "TEXT",
        Affinity::Numeric => "NUM",
        Affinity::Integer => "INT",
        Affinity::Real => "REAL",
    }
}

/// `foreign_key_list`.
pub(super) fn foreign_keys(facts: &Facts, at: Option<DatabaseIndex>, name: &str) -> Vec<Row> {
    let Some(Named::Table(table)) = find(facts, at, name) else { return Vec::new() };
    let mut rows = Vec::new();
    for (id, key) in table.foreign_keys.iter().rev().enumerate() {
        for (seq, &column) in key.columns.iter().enumerate() {
            rows.push(vec![
                number(id),
                number(seq),
                text(&key.parent),
                column_name(table, column),
                key.parent_columns.get(seq).map_or(Value::Null, |name| text(name)),
                text(action(key.on_update)),
                text(action(key.on_delete)),
                text("NONE"),
            ]);
        }
    }
    rows
}

/// The name of a column.
pub(super) fn column_name(table: &Table, column: u16) -> Value {
    table.columns.get(usize::from(column)).map_or(Value::Null, |column| text(&column.name))
}

fn action(action: ForeignKeyAction) -> &'static str {
    match action {
        ForeignKeyAction::NoAction => "NO ACTION",
        ForeignKeyAction::Restrict => "RESTRICT",
        ForeignKeyAction::SetNull => "SET NULL",
        ForeignKeyAction::SetDefault => "SET DEFAULT",
        ForeignKeyAction::Cascade => "CASCADE",
    }
}

/// `table_list`.
pub(super) fn list(facts: &Facts, at: Option<DatabaseIndex>, about: Option<&str>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (number, slot) in facts.databases.list.iter().enumerate() {
        let Some(database) = slot else { continue };
        if at.is_none_or(|at| usize::from(at.0) == number) {
            let of = database.schema.all().filter_map(|named| listed(facts, database, named));
            rows.extend(of.filter(|row| {
                about.is_none_or(|about| {
                    row.get(1).is_some_and(|name| {
                        name.to_text().as_bytes().eq_ignore_ascii_case(about.as_bytes())
                    })
                })
            }));
        }
    }
    rows
}

fn listed(facts: &Facts, database: &Database, named: &Named) -> Option<Row> {
    let (name, kind, columns, without_rowid, strict) = match named {
        Named::Table(table) => {
            let is_temp = &*database.name == "temp";
            let name = match &*table.name {
                "sqlite_schema" if is_temp => "sqlite_temp_schema",
                name => name,
            };
            (name, "table", table.columns.len(), table.without_rowid, table.strict)
        }
        Named::View(view) => {
            (&*view.name, "view", view_columns(facts, view, false).len(), false, false)
        }
        _ => return None,
    };
    Some(vec![
        text(&database.name),
        text(name),
        text(kind),
        number(columns),
        bit(without_rowid),
        bit(strict),
    ])
}
