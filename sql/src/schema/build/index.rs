//! What CREATE INDEX defines, and indexes before they have a tree.

use heddle_btree::key::{KeyColumn, KeyShape};
use heddle_btree::text::Encoding;
use heddle_engine::raw::{NewTree, Tree};
use heddle_value::Collation;

use super::expression::{Names, Place};
use super::key::{self, MAX_KEYS};
use super::{Context, Index, Table};
use crate::ast::{ConflictClause, CreateIndex, Expr};
use crate::schema::{IndexKey, IndexOrigin};
use crate::{Error, Result};

/// An index without a tree.
#[derive(Debug, Clone)]
pub struct NewIndex {
    /// Its name.
    pub name: Box<str>,
    /// What it is by.
    pub keys: Vec<IndexKey>,
    /// Of a WITHOUT ROWID table, the columns after those that name the row; otherwise the rowid follows.
    pub row_keys: Option<Vec<IndexKey>>,
    /// `UNIQUE`.
    pub unique: bool,
    /// What its constraint says of conflicts.
    pub conflict: Option<ConflictClause>,
    /// Its condition.
    pub filter: Option<Expr>,
    /// What makes it.
    pub origin: IndexOrigin,
}

/// The index that a statement defines on a table.
///
/// # Errors
/// In SQLite's words.
pub fn index_from_ast(
    name: &str,
    table: &Table,
    create: &CreateIndex,
    context: Context<'_>,
) -> Result<NewIndex> {
    if create.columns.len() > MAX_KEYS {
        return Err(Error::sql("too many columns in index"));
    }
    let names = Names { table: &table.name, columns: &table.columns, has_rowid: table.has_rowid() };
    if let Some(filter) = &create.filter {
        names.check(filter, Place::IndexFilter)?;
    }
    let keys = create.columns.iter().map(|term| key::of_term(names, term, false, context));
    let keys = keys.collect::<Result<Vec<_>>>()?;
    Ok(NewIndex {
        name: name.into(),
        row_keys: table.without_rowid.then(|| key::not_in(&table.primary_key, &keys)),
        keys,
        unique: create.unique,
        conflict: None,
        filter: create.filter.clone(),
        origin: IndexOrigin::CreateIndex,
    })
}

impl NewIndex {
    /// The tree it needs.
    pub fn new_tree(&self, encoding: Encoding) -> NewTree {
        let mut columns = key_columns(&self.keys);
        match &self.row_keys {
            Some(row_keys) => columns.extend(key_columns(row_keys)),
            None => columns.push(KeyColumn::default()),
        }
        let shape = KeyShape::new(columns, encoding);
        NewTree::Index(if self.unique { shape.unique(self.keys.len()) } else { shape })
    }

    /// The index with its tree.
    pub fn into_index(self, tree: Tree, sql: Option<Box<str>>) -> Index {
        let mut index = Index {
            name: self.name,
            keys: self.keys,
            row_keys: self.row_keys.unwrap_or_default(),
            unique: self.unique,
            conflict: self.conflict,
            filter: self.filter,
            origin: self.origin,
            sql,
            statistics: Vec::new(),
            tree,
        };
        let keys = index.keys.iter_mut().chain(&mut index.row_keys);
        follow(keys, &index.tree);
        index
    }
}

/// Takes the directions that a tree has: a file of an old format has none.
pub(super) fn follow<'a>(keys: impl Iterator<Item = &'a mut IndexKey>, tree: &Tree) {
    if let Some(shape) = tree.shape() {
        for (key, column) in keys.zip(&shape.columns) {
            key.descending = column.descending;
        }
    }
}

/// Keys as the engine orders by them.
pub(super) fn key_columns(keys: &[IndexKey]) -> Vec<KeyColumn> {
    let column = |key: &IndexKey| KeyColumn {
        collation: match &key.collation {
            Collation::BuiltIn(collation) => *collation,
            // The engine reads the name in the text, and refuses.
            Collation::User(..) => heddle_btree::collation::Collation::Binary,
        },
        descending: key.descending,
    };
    keys.iter().map(column).collect()
}
