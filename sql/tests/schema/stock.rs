//! What stock SQLite's pragmas say.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// Whether stock SQLite reads the schema at all.
pub(crate) fn can_read(path: &Path) -> bool {
    let stock = Connection::open(path).unwrap();
    stock.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).is_ok()
}

fn rows(stock: &Connection, sql: &str) -> Vec<Vec<String>> {
    let mut query = stock.prepare(sql).unwrap();
    let columns = query.column_count();
    let text = |value: ValueRef<'_>| match value {
        ValueRef::Null => "-".to_owned(),
        ValueRef::Integer(v) => v.to_string(),
        ValueRef::Text(v) => String::from_utf8_lossy(v).into_owned(),
        other => panic!("{other:?}"),
    };
    let rows =
        query.query_map([], |row| (0..columns).map(|at| row.get_ref(at).map(text)).collect());
    rows.unwrap().map(Result::unwrap).collect()
}

fn quoted(name: &str) -> String {
    format!("'{}'", name.replace('\'', "''"))
}

/// Tables with their columns, keys, indexes and foreign keys, line by line.
pub(crate) fn describe(path: &Path) -> Vec<String> {
    let stock = Connection::open(path).unwrap();
    let mut lines = Vec::new();
    let tables = "SELECT s.name, l.wr, l.strict FROM sqlite_schema s JOIN pragma_table_list l ON l.name = s.name
        WHERE s.type = 'table' AND l.schema = 'main' AND s.rootpage > 0 ORDER BY s.rowid";
    for table in rows(&stock, tables) {
        let name = quoted(&table[0]);
        lines.push(format!("table {}", table.join(" ")));
        let of = |pragma: &str, columns: &str| {
            rows(&stock, &format!("SELECT {columns} FROM pragma_{pragma}({name})"))
        };
        for column in of("table_xinfo", "name, type, \"notnull\", dflt_value, pk, hidden") {
            lines.push(format!("  column {}", column.join("|")));
        }
        let indexes = of("index_list", "name, \"unique\", origin, partial");
        for index in indexes {
            let key = |lines: &mut Vec<String>| {
                let sql = format!(
                    "SELECT cid, name, \"desc\", coll, key FROM pragma_index_xinfo({})",
                    quoted(&index[0])
                );
                for key in rows(&stock, &sql) {
                    lines.push(format!("    {}", key.join("|")));
                }
            };
            if table[1] == "1" && index[2] == "pk" {
                // The tree of the table itself has no name of its own here.
                lines.push("  key".to_owned());
            } else {
                lines.push(format!("  index {}", index.join(" ")));
            }
            key(&mut lines);
        }
        let keys = "id, seq, \"table\", \"from\", \"to\", on_update, on_delete";
        for key in of("foreign_key_list", keys) {
            lines.push(format!("  foreign {}", key.join("|")));
        }
    }
    without_order(lines)
}

/// The key of a WITHOUT ROWID table first, for its place among the indexes is lost on us.
fn without_order(lines: Vec<String>) -> Vec<String> {
    let mut sorted: Vec<String> = Vec::new();
    let mut first_index = None;
    let mut in_key = false;
    for line in lines {
        if line.starts_with("table ") {
            first_index = None;
        }
        if line.starts_with("  ") && !line.starts_with("    ") {
            in_key = line == "  key";
        }
        let is_index = line.starts_with("  index") || line == "  key";
        if is_index && first_index.is_none() {
            first_index = Some(sorted.len());
        }
        match (&mut first_index, in_key) {
            (Some(at), true) => {
                sorted.insert(*at, line);
                *at += 1;
            }
            _ => sorted.push(line),
        }
    }
    sorted
}
