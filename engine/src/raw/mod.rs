//! The engine's face for SQL: trees, rows as bytes, objects of the schema.

use heddle_txn::TreeRef;

/// A tree of rows or of index entries.
#[derive(Debug, Clone)]
pub struct Tree(pub(crate) TreeRef);

impl Tree {
    /// The order of its keys, if it is not a table's with rowids.
    pub fn shape(&self) -> Option<&heddle_btree::key::KeyShape> {
        match &*self.0.kind {
            heddle_btree::tree::TreeKind::Table => None,
            heddle_btree::tree::TreeKind::Index(shape) => Some(shape),
        }
    }
}
