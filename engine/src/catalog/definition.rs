//! What tables and indexes are made of: the owned form of `CREATE TABLE` and `CREATE INDEX`.
//!
//! # Invariants
//! - D1: automatic indexes come in the order in which SQLite numbers them, duplicates left out.
//! - D2: an index's record is its declared columns, then what names the row: the rowid, or those
//!   columns of a WITHOUT ROWID table's primary key that are not declared yet.

use heddle_btree::collation::Collation;
use heddle_btree::key::{KeyColumn, KeyShape};
use heddle_btree::text::Encoding;

use crate::catalog::column::Column;

/// One column of an index or a primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyPart {
    /// Which column of the table.
    pub(crate) column: usize,
    pub(crate) collation: Collation,
    pub(crate) descending: bool,
}

impl KeyPart {
    fn key_column(self) -> KeyColumn {
        KeyColumn { collation: self.collation, descending: self.descending }
    }
}

/// A table, as its `CREATE TABLE` says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableDef {
    pub(crate) name: Box<str>,
    pub(crate) columns: Vec<Column>,
    /// The column that is another name for the rowid.
    pub(crate) rowid_alias: Option<usize>,
    pub(crate) autoincrement: bool,
    /// The primary key, where it is not the rowid.
    pub(crate) primary_key: Option<Vec<KeyPart>>,
    pub(crate) without_rowid: bool,
    /// Automatic indexes (D1).
    pub(crate) automatic: Vec<IndexDef>,
    /// What of it can't be maintained here, which makes it read-only.
    pub(crate) obstacle: Option<String>,
    /// What of its rows can't even be read here.
    pub(crate) unreadable: Option<String>,
    /// Why it is not known what orders its tree, if it is not.
    pub(crate) unordered: Option<String>,
}

/// An index, as its `CREATE INDEX` or a constraint says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IndexDef {
    pub(crate) name: Box<str>,
    pub(crate) table: Box<str>,
    pub(crate) unique: bool,
    /// Whether a constraint makes it.
    pub(crate) automatic: bool,
    /// Those of what it is declared on that are columns: all, if there is no obstacle.
    pub(crate) parts: Vec<KeyPart>,
    /// What orders it, of all that it is declared on, expressions included.
    pub(crate) order: Vec<KeyColumn>,
    /// What of it can't be maintained here: an expression, a condition, a foreign collation.
    pub(crate) obstacle: Option<String>,
    /// Why it is not known what orders its tree, if it is not: a foreign collation.
    pub(crate) unordered: Option<String>,
}

/// What an index or a key is declared on.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct KeyParts {
    pub(crate) columns: Vec<KeyPart>,
    pub(crate) order: Vec<KeyColumn>,
    pub(crate) obstacle: Option<String>,
    pub(crate) unordered: Option<String>,
}

impl KeyParts {
    /// Adds a column.
    pub(crate) fn push(&mut self, part: KeyPart) {
        self.columns.push(part);
        self.order.push(part.key_column());
    }

    /// Notes that a collation is not built in.
    pub(crate) fn foreign(&mut self, collation: &str) {
        let why = format!("the collation {collation} is not built in");
        self.obstacle.get_or_insert_with(|| why.clone());
        self.unordered.get_or_insert(why);
    }
}

impl TableDef {
    /// The position of a column, by name.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Takes DESC for ASC in all its keys.
    pub(crate) fn ignore_directions(&mut self) {
        self.primary_key.iter_mut().flatten().for_each(|part| part.descending = false);
        self.automatic.iter_mut().for_each(IndexDef::ignore_directions);
    }

    /// The columns of a WITHOUT ROWID table's record, in the order of the record.
    pub(crate) fn record_order(&self) -> Vec<usize> {
        match (&self.primary_key, self.without_rowid) {
            (Some(key), true) => {
                let mut order: Vec<usize> = key.iter().map(|part| part.column).collect();
                let rest = (0..self.columns.len()).filter(|i| !order.contains(i));
                let rest: Vec<usize> = rest.collect();
                order.extend(rest);
                order
            }
            _ => (0..self.columns.len()).collect(),
        }
    }

    /// The key of a WITHOUT ROWID table's tree.
    pub(crate) fn key_shape(&self, encoding: Encoding) -> Option<KeyShape> {
        let key = self.primary_key.as_ref().filter(|_| self.without_rowid)?;
        let columns: Vec<KeyColumn> = key.iter().map(|part| part.key_column()).collect();
        Some(KeyShape::new(columns, encoding))
    }
}

impl IndexDef {
    pub(crate) fn new(name: Box<str>, table: Box<str>, unique: bool, on: KeyParts) -> IndexDef {
        let KeyParts { columns: parts, order, obstacle, unordered } = on;
        IndexDef { name, table, unique, automatic: false, parts, order, obstacle, unordered }
    }

    /// Takes DESC for ASC.
    pub(crate) fn ignore_directions(&mut self) {
        self.parts.iter_mut().for_each(|part| part.descending = false);
        self.order.iter_mut().for_each(|column| column.descending = false);
    }

    /// What names the row at the end of this index's records (D2): columns of the table, or the rowid if
    /// there are none.
    pub(crate) fn row_parts(&self, table: &TableDef) -> Vec<KeyPart> {
        let Some(key) = table.primary_key.as_ref().filter(|_| table.without_rowid) else {
            return Vec::new();
        };
        let has = |part: &KeyPart| {
            self.parts.iter().any(|p| p.column == part.column && p.collation == part.collation)
        };
        // SQLite forgets DESC here where a constraint makes the index.
        let directed =
            |part: &KeyPart| KeyPart { descending: part.descending && !self.automatic, ..*part };
        key.iter().filter(|part| !has(part)).map(directed).collect()
    }

    /// The key of this index's tree.
    pub(crate) fn key_shape(&self, table: &TableDef, encoding: Encoding) -> KeyShape {
        let mut columns = self.order.clone();
        if table.without_rowid {
            columns.extend(self.row_parts(table).iter().map(|part| part.key_column()));
        } else {
            columns.push(KeyColumn::default());
        }
        let shape = KeyShape::new(columns, encoding);
        if self.unique { shape.unique(self.order.len()) } else { shape }
    }

    /// Whether SQLite would take this constraint for one that `other` already enforces.
    pub(crate) fn same_constraint(&self, other: &IndexDef) -> bool {
        self.parts.len() == other.parts.len()
            && self
                .parts
                .iter()
                .zip(&other.parts)
                .all(|(a, b)| a.column == b.column && a.collation == b.collation)
    }
}
