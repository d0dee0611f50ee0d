//! What a database holds at one moment, as the model sees it.
//!
//! A state is cheap to copy: tables are shared until one of the copies writes to them, so that the model keeps one
//! state for every commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use heddle_engine::Value;

/// The values of a row, in the order of the columns.
pub type Row = Vec<Value>;

/// What a column added to a table later holds in the rows from before.
pub const DEFAULT: i64 = 7;

/// Names a row in its table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// By its rowid.
    Id(i64),
    /// By a text primary key.
    Text(String),
}

/// One table.
#[derive(Debug, Clone, Default)]
pub struct Relation {
    /// Columns.
    pub width: usize,
    /// Rows; some may be shorter than `width`, from before a column was added.
    pub rows: BTreeMap<Key, Arc<Row>>,
    /// Indexes made by a statement of their own.
    pub indexes: BTreeSet<String>,
}

impl Relation {
    /// A row with all its columns.
    pub fn row(&self, key: &Key) -> Option<Row> {
        self.rows.get(key).map(|row| self.widened(row))
    }

    /// A row as read through this definition.
    pub fn widened(&self, row: &Row) -> Row {
        let mut row = row.clone();
        row.resize(self.width.max(row.len()), Value::Integer(DEFAULT));
        row
    }
}

impl PartialEq for Relation {
    fn eq(&self, other: &Self) -> bool {
        self.width == other.width
            && self.indexes == other.indexes
            && self.rows.len() == other.rows.len()
            && self.rows.iter().zip(&other.rows).all(|((a, left), (b, right))| {
                a == b && (left == right || self.widened(left) == other.widened(right))
            })
    }
}

/// All tables.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// By name.
    pub tables: BTreeMap<String, Arc<Relation>>,
}

/// One change of a state.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A table appears.
    Create { table: String, width: usize },
    /// A table goes with its rows.
    Drop { table: String },
    /// A table has one more column.
    Widen { table: String },
    /// An index appears.
    AddIndex { table: String, index: String },
    /// An index goes.
    DropIndex { table: String, index: String },
    /// A row is put, or goes.
    Put { table: String, key: Key, row: Option<Arc<Row>> },
}

impl Change {
    /// The table it changes.
    pub fn table(&self) -> &str {
        match self {
            Change::Create { table, .. }
            | Change::Drop { table }
            | Change::Widen { table }
            | Change::AddIndex { table, .. }
            | Change::DropIndex { table, .. }
            | Change::Put { table, .. } => table,
        }
    }
}

impl State {
    /// A table that is there.
    pub fn table(&self, name: &str) -> Option<&Relation> {
        self.tables.get(name).map(|table| &**table)
    }

    /// Makes a change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Create { table, width } => {
                let relation = Relation { width: *width, ..Relation::default() };
                self.tables.insert(table.clone(), Arc::new(relation));
            }
            Change::Drop { table } => {
                self.tables.remove(table);
            }
            Change::Widen { table } => self.with(table, |table| table.width += 1),
            Change::AddIndex { table, index } => self.with(table, |table| {
                table.indexes.insert(index.clone());
            }),
            Change::DropIndex { table, index } => self.with(table, |table| {
                table.indexes.remove(index);
            }),
            Change::Put { table, key, row } => self.with(table, |table| match row {
                Some(row) => {
                    table.rows.insert(key.clone(), Arc::clone(row));
                }
                None => {
                    table.rows.remove(key);
                }
            }),
        }
    }

    fn with(&mut self, table: &str, change: impl FnOnce(&mut Relation)) {
        if let Some(table) = self.tables.get_mut(table) {
            change(Arc::make_mut(table));
        }
    }

    /// How this differs from `expected`, in a few lines.
    pub fn difference(&self, expected: &State) -> String {
        let mut lines = Vec::new();
        let names: BTreeSet<&String> = self.tables.keys().chain(expected.tables.keys()).collect();
        for name in names {
            match (self.table(name), expected.table(name)) {
                (Some(found), Some(wanted)) => compare(name, found, wanted, &mut lines),
                (Some(_), None) => lines.push(format!("table {name} should not be there")),
                _ => lines.push(format!("table {name} is missing")),
            }
        }
        lines.truncate(20);
        lines.join("\n  ")
    }
}

fn compare(name: &str, found: &Relation, wanted: &Relation, lines: &mut Vec<String>) {
    if found.width != wanted.width || found.indexes != wanted.indexes {
        let (a, b) = ((found.width, &found.indexes), (wanted.width, &wanted.indexes));
        lines.push(format!("table {name} is defined {a:?}, not {b:?}"));
    }
    let keys: BTreeSet<&Key> = found.rows.keys().chain(wanted.rows.keys()).collect();
    for key in keys {
        let (a, b) = (found.row(key), wanted.row(key));
        if a != b {
            lines.push(format!("{name} {key:?}: found {}, not {}", Short(&a), Short(&b)));
        }
    }
}

/// A row in few words.
pub struct Short<'a>(pub &'a Option<Row>);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(row) = self.0 else { return f.write_str("nothing") };
        for (i, value) in row.iter().enumerate() {
            f.write_str(if i == 0 { "(" } else { ", " })?;
            match value {
                Value::Text(text) if text.len() > 12 => {
                    write!(f, "'{}'..{}", text.get(..8).unwrap_or(""), text.len())?;
                }
                other => write!(f, "{other}")?,
            }
        }
        f.write_str(")")
    }
}
