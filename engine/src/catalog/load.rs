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
use crate::raw::{Object, ObjectKind};

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
            ("index", None) => return Err(format!("index {} has no root page", entry.row.name)),
            (kind, _) => match ObjectKind::named(kind) {
                Some(kind) => others.push(other(kind, entry)),
                None => return Err(format!("{} has the unknown type {kind:?}", entry.row.name)),
            },
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
    for object in others.iter().filter(|object| object.kind == ObjectKind::Trigger) {
        if let Some(table) = tables.get_mut(&folded(&object.table)) {
            table.trigger.get_or_insert(object.name.clone());
            table.settle_obstacle();
        }
    }
    let tables = order.into_iter().filter_map(|name| tables.remove(&name)).map(Arc::new);
    Ok(Catalog::new(tables.collect(), others, format))
}

/// An object without a tree.
fn other(kind: ObjectKind, entry: Entry) -> Arc<Object> {
    Arc::new(Object {
        kind,
        name: entry.row.name.into(),
        table: entry.row.table.into(),
        sql: entry.row.sql.map(Into::into),
        row: entry.rowid,
        tree: None,
    })
}

/// A table without its indexes.
pub(crate) fn table(entry: &Entry, tree: TreeId, format: Format) -> TableInfo {
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
        unordered: Some(reason.to_owned()),
    }
}

fn add_index(table: &mut TableInfo, entry: &Entry, format: Format) {
    if let Some(tree) = entry.tree {
        let info = index(table, entry, tree, format);
        table.indexes.push(info);
        table.settle_obstacle();
    }
}

/// An index on this table.
pub(crate) fn index(table: &TableInfo, entry: &Entry, tree: TreeId, format: Format) -> IndexInfo {
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
        automatic: entry.row.sql.is_none(),
        parts: Vec::new(),
        order: Vec::new(),
        obstacle: Some(reason.clone()),
        unordered: Some(reason),
    });
    let mut info = IndexInfo::new(def, &table.def, table.tree.id, entry.rowid, tree, format);
    info.sql = entry.row.sql.as_deref().map(Into::into);
    info
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
