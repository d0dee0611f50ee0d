//! VACUUM: a checkpoint that writes every tree anew, each page full and none free.
//!
//! Called by [`crate::checkpoint`] in place of [`crate::merging`], whose parts it uses. Rows keep their rowids. The rows of the state
//! before and the changes up to the cut flow together into new trees, which lie over the old page numbers in the
//! writer's private pages; readers of the state before, and whoever commits meanwhile, notice nothing: they know trees by their
//! [`TreeId`], and where its root is they learn from their base. So it needs no gate.
//!
//! # Invariants
//! - X1: nothing is read from the state being made: the rows come from the base.
//! - X2: all roots are made before any row, so that under `auto_vacuum` they lie together at the start.
//! - X3: a tree whose order is not understood here keeps the order in which its entries lie; nobody has changed it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use heddle_base::{Timestamp, TreeId};
use heddle_btree::changes::{Change, Changes, Sorted};
use heddle_btree::cursor::{Cursor, Seek};
use heddle_btree::merge::apply;
use heddle_btree::page_writer::PageWriter;
use heddle_btree::pager::Snapshot;
use heddle_btree::pages::Pages;
use heddle_btree::roots::{clear_all, create_tree};
use heddle_btree::tree::{Tree, TreeKind};
use heddle_txn::Base;

use crate::catalog::Catalog;
use crate::checkpoint::SCHEMA;
use crate::core::{Core, SCHEMA_ROOT};
use crate::merging::{Merged, Merging};
use crate::{Error, Result};

/// Bytes that a frame of `-wal` has beside its page.
const FRAME_HEADER: u64 = 24;

/// Makes the state at `cut` from nothing.
///
/// # Errors
/// [`Error::DiskFull`] before anything is written, if there is no room for the new pages; what the layers below give.
///
/// # Cancel safety
/// Dropped midway, the state being made is of no use.
pub(crate) async fn rebuild(
    core: &Core,
    writer: &mut PageWriter,
    base: &Base,
    cut: Timestamp,
    catalog: &Catalog,
) -> Result<Merged> {
    check_room(core, base).await?;
    clear_all(writer).await?;
    let mut merging = Merging {
        core,
        base,
        cut,
        catalog,
        roots: BTreeMap::from([(SCHEMA, SCHEMA_ROOT)]),
        moved: Vec::new(),
        changes: 0,
    };
    let mut trees = Vec::new();
    for (tree, kind) in catalog.trees() {
        let old = base.roots.get(tree);
        let kind = match old {
            // The definition may not say what it is.
            Some(root) if !catalog.is_understood(tree) => {
                let image = base.snapshot.page(root).await?;
                merging.kind_of(root, &image, base.snapshot.usable_size())?
            }
            _ => Arc::clone(kind),
        };
        let root = create_tree(writer, &kind).await?;
        merging.roots.insert(tree, root);
        let old = old.map(|root| Tree::new(root, Arc::clone(&kind)));
        trees.push((tree, old, Tree::new(root, kind)));
    }
    for (tree, old, new) in trees {
        fill(&mut merging, writer, tree, old, &new).await?;
    }
    fill_schema(&mut merging, writer).await?;
    for (tree, _) in base.roots.iter() {
        if !merging.roots.contains_key(&tree) {
            core.rowids.forget(tree);
        }
    }
    let roots = merging.roots.into_iter().collect();
    Ok(Merged { roots, changes: merging.changes, schema_changed: true })
}

/// The new state is as large as the old one without its free pages, at most, and goes through `-wal`.
async fn check_room(core: &Core, base: &Base) -> Result<()> {
    let header = base.snapshot.header();
    let pages = u64::from(header.page_count.saturating_sub(header.freelist_count)) + 1;
    let needed = pages * (u64::from(header.page_size) + FRAME_HEADER);
    let dir = core.path().parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.unwrap_or(std::path::Path::new("."));
    let free = core.env.io.free_space(dir).await?;
    if free < needed {
        let what =
            format!("to vacuum may take {needed} bytes beside the file, and {free} are free");
        return Err(Error::DiskFull { what });
    }
    Ok(())
}

async fn fill(
    merging: &mut Merging<'_>,
    writer: &mut PageWriter,
    tree: TreeId,
    old: Option<Tree>,
    new: &Tree,
) -> Result<()> {
    let is_ordered = matches!(new.kind(), TreeKind::Table) || merging.catalog.is_understood(tree);
    let rows = match &old {
        Some(old) => {
            let mut rows = old.cursor(merging.base.snapshot.clone());
            rows.seek(Seek::First).await?.then_some(rows)
        }
        None => None,
    };
    if is_ordered {
        let changes = merging.changes_of(tree);
        let all = Rebuilt { rows, changes, change: None, begun: false };
        let applied = apply(writer, new, all).await?;
        merging.changes += applied.inserted;
    } else {
        let all = AsTheyLie { rows, passed: 0 };
        merging.changes += apply(writer, new, all).await?.inserted;
    }
    Ok(())
}

/// Every row of the schema, with the new pages of the roots.
async fn fill_schema(merging: &mut Merging<'_>, writer: &mut PageWriter) -> Result<()> {
    let schema = Tree::table(SCHEMA_ROOT);
    let mut rows: BTreeMap<Bytes, Bytes> = BTreeMap::new();
    let mut cursor = schema.cursor(merging.base.snapshot.clone());
    let mut on_row = cursor.seek(Seek::First).await?;
    while on_row {
        let (key, record) = cursor.entry().await?;
        rows.insert(Bytes::copy_from_slice(key), merging.placed_anew(record)?);
        on_row = cursor.next().await?;
    }
    let mut changes = merging.changes_of(SCHEMA);
    while let Some((key, value)) = changes.next().await? {
        match value {
            Some(record) => rows.insert(key, merging.placed(&record)?),
            None => rows.remove(&key),
        };
    }
    let rows = rows.into_iter().map(|(key, record)| (key, Some(record)));
    merging.changes += apply(writer, &schema, Sorted(rows)).await?.inserted;
    Ok(())
}

/// The rows of a tree with the changes since merged in.
struct Rebuilt<C> {
    /// On a row, or ended.
    rows: Option<Cursor<Snapshot>>,
    changes: C,
    change: Option<Change>,
    begun: bool,
}

impl<C: Changes> Changes for Rebuilt<C> {
    async fn next(&mut self) -> heddle_btree::Result<Option<Change>> {
        if !self.begun {
            self.change = self.changes.next().await?;
            self.begun = true;
        }
        loop {
            let Some(rows) = &mut self.rows else {
                let taken = self.change.take();
                if taken.is_some() {
                    self.change = self.changes.next().await?;
                }
                match taken {
                    // What the base does not hold can't go from it.
                    Some((_, None)) => continue,
                    taken => return Ok(taken),
                }
            };
            let (key, record) = rows.entry().await?;
            let order = self.change.as_ref().map(|(changed, _)| (**changed).cmp(key));
            let row = match order {
                Some(std::cmp::Ordering::Less) => None,
                Some(std::cmp::Ordering::Equal) => Some(None),
                _ => {
                    Some(Some((Bytes::copy_from_slice(key), Some(Bytes::copy_from_slice(record)))))
                }
            };
            if row.is_some() && !rows.next().await? {
                self.rows = None;
            }
            if let Some(Some(row)) = row {
                return Ok(Some(row));
            }
            let taken = self.change.take();
            self.change = self.changes.next().await?;
            if let Some((key, Some(record))) = taken {
                return Ok(Some((key, Some(record))));
            }
        }
    }
}

/// The entries of a tree whose order is not understood (X3). Into an empty tree the merge puts them by the order in which they
/// come.
struct AsTheyLie {
    rows: Option<Cursor<Snapshot>>,
    passed: u64,
}

impl Changes for AsTheyLie {
    async fn next(&mut self) -> heddle_btree::Result<Option<Change>> {
        let Some(rows) = &mut self.rows else { return Ok(None) };
        let record = Bytes::copy_from_slice(rows.value().await?);
        self.passed += 1;
        if !rows.next().await? {
            self.rows = None;
        }
        Ok(Some((Bytes::copy_from_slice(&self.passed.to_be_bytes()), Some(record))))
    }
}
