//! What a schema consists of: its objects, and the trees of those that have one.
//!
//! # Invariant
//! - O1: a [`Schema`] never changes. A transaction has the same one for as long as it does not change the schema, and so have all
//!   transactions between two changes: whoever keeps something made of it compares the two by `Arc::ptr_eq`.

use std::collections::HashMap;
use std::sync::Arc;

use heddle_base::RowId;
use heddle_btree::key::KeyShape;
use heddle_btree::tree::TreeKind;
use heddle_txn::TreeRef;

use crate::catalog::folded;

/// The kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A table; a virtual one has no tree.
    Table,
    /// An index.
    Index,
    /// A view.
    View,
    /// A trigger.
    Trigger,
}

impl ObjectKind {
    /// As `sqlite_schema.type` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            ObjectKind::Table => "table",
            ObjectKind::Index => "index",
            ObjectKind::View => "view",
            ObjectKind::Trigger => "trigger",
        }
    }

    /// The kind of this name.
    pub(crate) fn named(name: &str) -> Option<ObjectKind> {
        [ObjectKind::Table, ObjectKind::Index, ObjectKind::View, ObjectKind::Trigger]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// One row of `sqlite_schema`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: Box<str>,
    /// The table that it belongs to; of a table or a view its own name.
    pub table: Box<str>,
    /// The statement that made it. Automatic indexes have none.
    pub sql: Option<Box<str>>,
    /// Its row in `sqlite_schema`.
    pub row: RowId,
    /// Where its rows or entries are. Views, triggers and virtual tables have none.
    pub tree: Option<Tree>,
}

/// All objects at one time (O1).
#[derive(Debug)]
pub struct Schema {
    /// By row.
    objects: Vec<Arc<Object>>,
    /// Tables, indexes and views share their names; by folded name.
    named: HashMap<Box<str>, usize, foldhash::fast::FixedState>,
    triggers: HashMap<Box<str>, usize, foldhash::fast::FixedState>,
}

impl Schema {
    pub(crate) fn new(mut objects: Vec<Arc<Object>>) -> Schema {
        objects.sort_by_key(|object| object.row);
        let (mut named, mut triggers) = (HashMap::default(), HashMap::default());
        for (at, object) in objects.iter().enumerate() {
            let names = match object.kind {
                ObjectKind::Trigger => &mut triggers,
                _ => &mut named,
            };
            names.entry(folded(&object.name)).or_insert(at);
        }
        Schema { objects, named, triggers }
    }

    /// All of them, in the order of their rows.
    pub fn objects(&self) -> &[Arc<Object>] {
        &self.objects
    }

    /// The object of this kind and name (ASCII case does not matter).
    pub fn find(&self, kind: ObjectKind, name: &str) -> Option<&Arc<Object>> {
        let found = match kind {
            ObjectKind::Trigger => self.triggers.get(&folded(name)),
            _ => self.named.get(&folded(name)),
        };
        self.objects.get(*found?).filter(|object| object.kind == kind)
    }

    /// The table, index or view of this name: those share their names.
    pub fn named(&self, name: &str) -> Option<&Arc<Object>> {
        self.objects.get(*self.named.get(&folded(name))?)
    }
}

/// A tree of keys and records: a table's rows, or an index's entries.
#[derive(Clone)]
pub struct Tree {
    pub(crate) inner: TreeRef,
    ordered: bool,
}

impl Tree {
    pub(crate) fn new(inner: TreeRef, ordered: bool) -> Tree {
        Tree { inner, ordered }
    }

    /// Whether its keys are rowids.
    #[inline]
    pub fn is_table(&self) -> bool {
        matches!(&*self.inner.kind, TreeKind::Table)
    }

    /// What makes its keys, if those are not rowids. `None` also if that is not known ([`Tree::is_ordered`]).
    #[inline]
    pub fn shape(&self) -> Option<&KeyShape> {
        match &*self.inner.kind {
            TreeKind::Index(shape) if self.ordered => Some(shape),
            _ => None,
        }
    }

    /// Whether it is known what orders it: not if a collation that is not built in does, or if its definition
    /// can't be understood. Then it can be walked from end to end, and nothing else.
    #[inline]
    pub fn is_ordered(&self) -> bool {
        self.ordered
    }

    /// The name of its table or index, for messages.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Whether both are the same tree, and its table's definition did not change between them.
    pub fn is_unchanged(&self, other: &Tree) -> bool {
        self.is(other)
            && self.inner.schema_version == other.inner.schema_version
            && self.ordered == other.ordered
            && self.inner.name == other.inner.name
    }

    /// Whether both are the same tree, whatever was said of it since.
    pub fn is(&self, other: &Tree) -> bool {
        self.inner.id == other.inner.id
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("name", &self.inner.name).field("id", &self.inner.id).finish()
    }
}
