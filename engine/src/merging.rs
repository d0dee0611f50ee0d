//! The trees of a checkpoint: dropped, made, and changed, in the private pages of the next state.
//!
//! Called by [`crate::checkpoint`]; takes what was committed from [`crate::tree_changes`], and writes by [`heddle_btree::merge`].
//!
//! # Invariants
//! - J1: the schema table is merged last, when every root is known: then its rows name pages (R1 of
//!   [`crate::catalog::schema_row`]).
//! - J2: a tree exists in the new state if and only if the catalog at the cut has it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;
use heddle_base::{PageNo, RowId, Timestamp, TreeId};
use heddle_btree::changes::{Changes, Sorted};
use heddle_btree::compact::{compact, incremental_vacuum};
use heddle_btree::key;
use heddle_btree::merge::apply;
use heddle_btree::page_writer::PageWriter;
use heddle_btree::pages::PagesMut;
use heddle_btree::roots::{MovedRoot, create_tree, drop_tree};
use heddle_btree::tree::{Tree, TreeKind};
use heddle_txn::{Base, Roots};

use crate::catalog::Catalog;
use crate::catalog::schema_row::{Place, SchemaRow};
use crate::checkpoint::SCHEMA;
use crate::core::{Core, SCHEMA_ROOT};
use crate::tree_changes::TreeChanges;
use crate::{Error, Result, cells};

/// What became of the trees.
pub(crate) struct Merged {
    pub(crate) roots: Roots,
    /// Changes of rows and index entries.
    pub(crate) changes: u64,
    pub(crate) schema_changed: bool,
}

/// Makes the trees of the state at `cut`. Under incremental `auto_vacuum`, up to `shrink_by` free pages are given back.
///
/// # Cancel safety
/// Dropped midway, the state being made is of no use.
pub(crate) async fn merge(
    core: &Core,
    writer: &mut PageWriter,
    base: &Base,
    cut: Timestamp,
    catalog: &Catalog,
    shrink_by: Option<u32>,
) -> Result<Merged> {
    let mut merging = Merging {
        core,
        base,
        cut,
        catalog,
        roots: base.roots.iter().collect(),
        moved: Vec::new(),
        changes: 0,
    };
    merging.drop_trees(writer).await?;
    merging.make_trees(writer).await?;
    merging.change_trees(writer).await?;
    let schema_changed = merging.change_schema(writer).await?;
    match shrink_by {
        _ if writer.header().incremental_vacuum == 0 => compact(writer).await?,
        Some(most) => incremental_vacuum(writer, most).await?,
        None => 0,
    };
    let roots = merging.roots.into_iter().collect();
    Ok(Merged { roots, changes: merging.changes, schema_changed })
}

/// The state being made.
pub(crate) struct Merging<'a> {
    pub(crate) core: &'a Core,
    pub(crate) base: &'a Base,
    pub(crate) cut: Timestamp,
    pub(crate) catalog: &'a Catalog,
    pub(crate) roots: BTreeMap<TreeId, PageNo>,
    /// Trees whose roots moved.
    pub(crate) moved: Vec<TreeId>,
    pub(crate) changes: u64,
}

impl Merging<'_> {
    /// J2.
    async fn drop_trees(&mut self, writer: &mut PageWriter) -> Result<()> {
        let wanted: BTreeMap<TreeId, ()> =
            self.catalog.trees().map(|(tree, _)| (tree, ())).collect();
        let gone: Vec<TreeId> = self
            .roots
            .keys()
            .copied()
            .filter(|tree| *tree != SCHEMA && !wanted.contains_key(tree))
            .collect();
        for tree in gone {
            let Some(root) = self.roots.remove(&tree) else { continue };
            // Which kind it was, the root page tells.
            let image = PagesMut::page(writer, root).await?;
            let kind = self.kind_of(root, &image, writer.usable_size())?;
            if let Some(MovedRoot { from, to }) = drop_tree(writer, &Tree::new(root, kind)).await? {
                for (tree, root) in &mut self.roots {
                    if *root == from {
                        *root = to;
                        self.moved.push(*tree);
                    }
                }
            }
            self.core.rowids.forget(tree);
        }
        Ok(())
    }

    /// The kind of the tree with this root page; an index's order it does not say.
    pub(crate) fn kind_of(
        &self,
        root: PageNo,
        image: &[u8],
        usable: usize,
    ) -> Result<std::sync::Arc<TreeKind>> {
        use heddle_btree::key::KeyShape;
        use heddle_btree::layout::{PageKind, PageView};
        let view = PageView::parse(root, image, usable).map_err(heddle_btree::Error::from)?;
        Ok(std::sync::Arc::new(match view.kind() {
            PageKind::TableLeaf | PageKind::TableInterior => TreeKind::Table,
            PageKind::IndexLeaf | PageKind::IndexInterior => {
                TreeKind::Index(KeyShape::new(Vec::new(), self.catalog.encoding()))
            }
        }))
    }

    async fn make_trees(&mut self, writer: &mut PageWriter) -> Result<()> {
        for (tree, kind) in self.catalog.trees() {
            if let Entry::Vacant(vacant) = self.roots.entry(tree) {
                vacant.insert(create_tree(writer, kind).await?);
            }
        }
        Ok(())
    }

    async fn change_trees(&mut self, writer: &mut PageWriter) -> Result<()> {
        for (tree, kind) in self.catalog.trees() {
            let Some(root) = self.roots.get(&tree).copied() else { continue };
            let changes = self.changes_of(tree);
            if changes.is_empty() {
                continue;
            }
            let tree = Tree::new(root, std::sync::Arc::clone(kind));
            let applied = apply(writer, &tree, changes).await?;
            self.changes += applied.inserted + applied.replaced + applied.deleted;
        }
        Ok(())
    }

    /// What was committed to a tree after the base, up to the cut.
    pub(crate) fn changes_of(&self, tree: TreeId) -> TreeChanges<'_> {
        TreeChanges::new(self.core, tree, self.base.ts, self.cut)
    }

    /// J1. Whether anything of the schema changed, beside the pages of roots.
    async fn change_schema(&mut self, writer: &mut PageWriter) -> Result<bool> {
        let mut source = self.changes_of(SCHEMA);
        let mut changes: BTreeMap<Bytes, Option<Bytes>> = BTreeMap::new();
        while let Some((key, value)) = source.next().await? {
            let value = match value {
                Some(record) => Some(self.placed(&record)?),
                None => None,
            };
            changes.insert(key, value);
        }
        let changed = !changes.is_empty() || !self.moved.is_empty();
        let schema = Tree::table(SCHEMA_ROOT);
        for rowid in self.moved_rows() {
            let key = Bytes::copy_from_slice(&key::encode_rowid(rowid.0));
            if changes.contains_key(&key) {
                continue;
            }
            if let Some(record) = schema.get_row(&self.base.snapshot, rowid.0).await? {
                changes.insert(key, Some(self.placed_anew(&record)?));
            }
        }
        self.changes += changes.len() as u64;
        if !changes.is_empty() {
            apply(writer, &schema, Sorted(changes.into_iter())).await?;
        }
        Ok(changed)
    }

    /// The rows of the schema table whose trees moved.
    fn moved_rows(&self) -> Vec<RowId> {
        let mut rows = Vec::new();
        for table in self.catalog.tables() {
            let mut row_of = |tree: TreeId, row: RowId| {
                if self.moved.contains(&tree) {
                    rows.push(row);
                }
            };
            row_of(table.tree.id, table.schema_row);
            for index in &table.indexes {
                row_of(index.tree.id, index.schema_row);
            }
        }
        rows
    }

    /// A row of the schema table with the page of its tree.
    pub(crate) fn placed(&self, record: &[u8]) -> Result<Bytes> {
        let mut row = self.decode(record)?;
        if let Place::Tree(tree) = row.place {
            row.place = self.place(tree);
        }
        self.encode(&row)
    }

    /// A row as the base has it, whose tree moved.
    pub(crate) fn placed_anew(&self, record: &[u8]) -> Result<Bytes> {
        let mut row = self.decode(record)?;
        if let Place::Page(page) = row.place
            && let Some((tree, _)) = self.base.roots.iter().find(|(_, root)| *root == page)
        {
            row.place = self.place(tree);
        }
        self.encode(&row)
    }

    fn place(&self, tree: TreeId) -> Place {
        self.roots.get(&tree).map_or(Place::None, |root| Place::Page(*root))
    }

    fn decode(&self, record: &[u8]) -> Result<SchemaRow> {
        SchemaRow::decode(record, self.catalog.encoding())
            .map_err(|error| cells::corrupt("sqlite_schema", error))
    }

    fn encode(&self, row: &SchemaRow) -> Result<Bytes> {
        let record = row.encode(self.catalog.encoding());
        record.map(Bytes::from).map_err(|error| cells::corrupt("sqlite_schema", error))
    }
}

impl From<heddle_btree::layout::Corrupt> for Error {
    fn from(corrupt: heddle_btree::layout::Corrupt) -> Error {
        heddle_btree::Error::from(corrupt).into()
    }
}
