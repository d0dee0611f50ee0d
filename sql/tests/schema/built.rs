//! A schema that was built, in the lines of stock's pragmas.

use heddle_sql::ast::ForeignKeyAction;
use heddle_sql::schema::{ForeignKey, IndexKey, IndexOrigin, Named, Schema, Table, TableKind};

/// As `stock::describe`.
pub(crate) fn describe(schema: &Schema) -> Vec<String> {
    let mut lines = Vec::new();
    for named in schema.all() {
        match named {
            Named::Table(table) if table.kind != TableKind::Schema => of_table(table, &mut lines),
            Named::Broken(why) => lines.push(format!("broken {why}")),
            _ => {}
        }
    }
    lines
}

fn bit(is: bool) -> u8 {
    u8::from(is)
}

fn of_table(table: &Table, lines: &mut Vec<String>) {
    lines.push(format!("table {} {} {}", table.name, bit(table.without_rowid), bit(table.strict)));
    for column in &table.columns {
        let hidden = match &column.generated {
            None => 0,
            Some(generated) if generated.stored => 3,
            Some(_) => 2,
        };
        lines.push(format!(
            "  column {}|{}|{}|{}|{}|{hidden}",
            column.name,
            column.declared_type.as_deref().unwrap_or_default(),
            bit(column.not_null.is_some()),
            column.default.as_ref().map_or("-", |default| &default.text),
            column.primary_key_place,
        ));
    }
    if table.without_rowid {
        lines.push("  key".to_owned());
        keys(table, &table.primary_key, 1, lines);
        for &at in &table.record_order[table.primary_key.len()..] {
            let column = &table.columns[usize::from(at)];
            let collation = match &column.unknown_collation {
                Some(name) => name,
                None => column.collation.name(),
            };
            lines.push(format!("    {at}|{}|0|{collation}|0", column.name));
        }
    }
    for index in &table.indexes {
        let origin = match index.origin {
            IndexOrigin::CreateIndex => "c",
            IndexOrigin::Unique => "u",
            IndexOrigin::PrimaryKey => "pk",
        };
        let (unique, partial) = (bit(index.unique), bit(index.filter.is_some()));
        lines.push(format!("  index {} {unique} {origin} {partial}", index.name));
        keys(table, &index.keys, 1, lines);
        if table.without_rowid {
            keys(table, &index.row_keys, 0, lines);
        } else {
            lines.push("    -1|-|0|BINARY|0".to_owned());
        }
    }
    for (id, key) in table.foreign_keys.iter().rev().enumerate() {
        foreign_key(table, id, key, lines);
    }
}

fn keys(table: &Table, keys: &[IndexKey], is_key: u8, lines: &mut Vec<String>) {
    for key in keys {
        let (cid, name) = match key.column {
            Some(at) => (i32::from(at), &*table.columns[usize::from(at)].name),
            None => (-2, "-"),
        };
        let collation = match &key.unknown_collation {
            Some(name) => name,
            None => key.collation.name(),
        };
        lines.push(format!("    {cid}|{name}|{}|{collation}|{is_key}", bit(key.descending)));
    }
}

fn foreign_key(table: &Table, id: usize, key: &ForeignKey, lines: &mut Vec<String>) {
    for (seq, &column) in key.columns.iter().enumerate() {
        lines.push(format!(
            "  foreign {id}|{seq}|{}|{}|{}|{}|{}",
            key.parent,
            table.columns[usize::from(column)].name,
            key.parent_columns.get(seq).map_or("-", |name| name),
            action(key.on_update),
            action(key.on_delete),
        ));
    }
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
