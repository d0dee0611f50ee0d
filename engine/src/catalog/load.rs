//! From the rows of `sqlite_schema` to a catalog.
//!
//! A definition that can't be understood does not keep the others from being used: its table is
//! there, and using it says what is wrong. Only rows that contradict the format fail the load.

use std::collections::HashMap;
use std::sync::Arc;

use heddle_base::{RowId, TreeId};

use crate::catalog::definition::{IndexDef, TableDef};
use crate::catalog::format::Format;
use crate::catalog::parse::{self, Definition};
use crate::catalog::schema_row::{Place, SchemaRow};
use crate::catalog::{Catalog, IndexInfo, TableInfo, folded};

/// One row of the schema table with the tree that its place names.
pub(crate) struct Entry {
    pub(crate) rowid: RowId,
    pub(crate) row: SchemaRow,
    pub(crate) tree: Option<TreeId>,
}

/// Builds the catalog of these rows.
///
/// # Errors
/// What contradicts the format.
pub(crate) fn load(entries: Vec<Entry>, format: Format) -> Result<Catalog, String> {
    let mut tables = HashMap::new();
    let mut order = Vec::new();
    let mut others = Vec::new();
    let mut indexes = Vec::new();
    for entry in entries {
        match (entry.row.kind.as_str(), entry.tree) {
            ("table", Some(tree)) => {
                let name = folded(&entry.row.name);
                if tables.insert(name.clone(), table(&entry, tree, format)).is_some() {
                    return Err(format!("two tables are named {}", entry.row.name));
                }
                order.push(name);
            }
            ("index", Some(_)) => indexes.push(entry),
            ("table" | "view" | "trigger", _) => others.push(entry),
            ("index", None) => return Err(format!("index {} has no root page", entry.row.name)),
            (kind, _) => return Err(format!("{} has the unknown type {kind:?}", entry.row.name)),
        }
    }
    for entry in indexes {
        let Some(table) = tables.get_mut(&folded(&entry.row.table)) else {
            return Err(format!(
                "index {} is on the missing table {}",
                entry.row.name, entry.row.table
            ));
        };
        add_index(table, &entry, format);
    }
    let mut other_names = Vec::new();
    for entry in others {
        if entry.row.kind == "trigger" {
            if let Some(table) = tables.get_mut(&folded(&entry.row.table)) {
                table.trigger.get_or_insert(entry.row.name.as_str().into());
                table.settle_obstacle();
            }
        } else {
            other_names.push(folded(&entry.row.name));
        }
    }
    let tables = order.into_iter().filter_map(|name| tables.remove(&name)).map(Arc::new);
    Ok(Catalog::new(tables.collect(), other_names, format))
}

fn table(entry: &Entry, tree: TreeId, format: Format) -> TableInfo {
    let sql = entry.row.sql.as_deref().unwrap_or_default();
    let def = match parse::parse(sql, |_| None).map(|found| format.understand(found)) {
        Ok(Definition::Table { def, .. }) => def,
        Ok(_) => unknown(&entry.row.name, "its definition defines something else"),
        Err(error) => unknown(&entry.row.name, &error.to_string()),
    };
    TableInfo::new(named(def, &entry.row.name), entry.rowid, tree, sql, format)
}

/// The name in the row counts, not the one in the text, which may be of other letter case.
fn named(mut def: TableDef, name: &str) -> TableDef {
    def.name = name.into();
    def
}

fn unknown(name: &str, reason: &str) -> TableDef {
    TableDef {
        name: name.into(),
        columns: Vec::new(),
        rowid_alias: None,
        autoincrement: false,
        primary_key: None,
        without_rowid: false,
        automatic: Vec::new(),
        obstacle: Some(reason.to_owned()),
        unreadable: Some(reason.to_owned()),
    }
}

fn add_index(table: &mut TableInfo, entry: &Entry, format: Format) {
    let Some(tree) = entry.tree else { return };
    let def = match &entry.row.sql {
        None => automatic(&table.def, &entry.row.name),
        Some(sql) => match parse::parse(sql, |_| Some(table.def.clone()))
            .map(|found| format.understand(found))
        {
            Ok(Definition::Index { mut def, .. }) => {
                def.name = entry.row.name.as_str().into();
                Ok(def)
            }
            Ok(_) => Err("its definition defines something else".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    };
    let def = def.unwrap_or_else(|reason| IndexDef {
        name: entry.row.name.as_str().into(),
        table: table.def.name.clone(),
        unique: false,
        parts: Vec::new(),
        obstacle: Some(reason),
    });
    let mut info = IndexInfo::new(def, &table.def, table.tree.id, entry.rowid, tree, format);
    info.sql = entry.row.sql.as_deref().map(Into::into);
    table.indexes.push(info);
    table.settle_obstacle();
}

fn automatic(table: &TableDef, name: &str) -> Result<IndexDef, String> {
    let found = table.automatic.iter().find(|index| index.name.eq_ignore_ascii_case(name));
    found.cloned().ok_or_else(|| "no constraint of the table makes it".to_owned())
}

/// Where each tree of these rows is, for trees that have pages.
pub(crate) fn tree_of(
    place: Place,
    pages: &HashMap<heddle_base::PageNo, TreeId>,
) -> Result<Option<TreeId>, String> {
    match place {
        Place::None => Ok(None),
        Place::Tree(tree) => Ok(Some(tree)),
        Place::Page(page) => match pages.get(&page) {
            Some(tree) => Ok(Some(*tree)),
            None => Err(format!("root page {page} belongs to no known tree")),
        },
    }
}
