//! The base: the B-tree file as one checkpoint left it, and how readers hold it.
//!
//! Published by the checkpointer through [`crate::Manager::publish_base`]. A transaction holds a
//! [`Pin`], and so everything it needs, by one reference count that threads do not share: every
//! lane of the manager has a pin of its own.
//!
//! # Invariants
//! - B1: a base holds exactly the commits up to its `ts`, all of them durable.
//! - B2: a pin keeps its base's pages readable until it is dropped.

use crossbeam_epoch::Guard;
use heddle_base::sync::Arc;
use heddle_base::{PageNo, Timestamp, TreeId};
use heddle_btree::pager::Snapshot;
use heddle_btree::pages::Pages;

use crate::manager::Shared;

/// Where the trees of a base have their roots. A tree that is not here is empty in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots(Vec<(TreeId, PageNo)>);

impl Roots {
    /// The root of a tree.
    #[inline]
    pub fn get(&self, tree: TreeId) -> Option<PageNo> {
        let at = self.0.binary_search_by_key(&tree, |(id, _)| *id).ok()?;
        self.0.get(at).map(|(_, root)| *root)
    }

    /// All of them, by rising tree.
    pub fn iter(&self) -> impl Iterator<Item = (TreeId, PageNo)> {
        self.0.iter().copied()
    }

    /// All of them, by rising tree, as a control record has them.
    pub fn as_slice(&self) -> &[(TreeId, PageNo)] {
        &self.0
    }
}

impl FromIterator<(TreeId, PageNo)> for Roots {
    /// Of entries for one tree the last counts.
    fn from_iter<I: IntoIterator<Item = (TreeId, PageNo)>>(roots: I) -> Self {
        let mut roots: Vec<_> = roots.into_iter().collect();
        roots.sort_by_key(|(tree, _)| *tree);
        roots.reverse();
        roots.dedup_by_key(|(tree, _)| *tree);
        roots.reverse();
        Self(roots)
    }
}

/// The B-tree file as one checkpoint left it.
#[derive(Clone)]
pub struct Base {
    /// It holds exactly the commits up to here (B1).
    pub ts: Timestamp,
    /// Its pages.
    pub snapshot: Snapshot,
    /// Its trees.
    pub roots: std::sync::Arc<Roots>,
}

impl std::fmt::Debug for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Base")
            .field("ts", &self.ts)
            .field("generation", &self.snapshot.generation())
            .field("trees", &self.roots.0.len())
            .finish()
    }
}

/// A base held for reading, together with what all transactions share.
///
/// On cache lines of its own, with its count: each lane has one, made at the same moment.
#[repr(align(128))]
pub(crate) struct Pin {
    pub(crate) shared: Arc<Shared>,
    pub(crate) base: Base,
}

/// The pages of a pinned base. A clone counts on the lane's pin, not on the shared base.
#[derive(Clone)]
pub(crate) struct PinnedPages(pub(crate) Arc<Pin>);

impl Pages for PinnedPages {
    type Page = <Snapshot as Pages>::Page;

    fn usable_size(&self) -> usize {
        self.0.base.snapshot.usable_size()
    }

    fn page_count(&self) -> u32 {
        self.0.base.snapshot.page_count()
    }

    #[inline]
    fn cached<'g>(
        &'g self,
        page: PageNo,
        guard: &'g Guard,
    ) -> heddle_btree::Result<Option<&'g [u8]>> {
        self.0.base.snapshot.cached(page, guard)
    }

    #[inline]
    fn cached_page(&self, page: PageNo, guard: &Guard) -> heddle_btree::Result<Option<Self::Page>> {
        self.0.base.snapshot.cached_page(page, guard)
    }

    async fn page(&self, page: PageNo) -> heddle_btree::Result<Self::Page> {
        self.0.base.snapshot.page(page).await
    }

    async fn prefetch(&self, pages: &[PageNo]) {
        self.0.base.snapshot.prefetch(pages).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_roots_for_one_tree_the_last_counts() {
        let roots: Roots = [(3, 30), (1, 10), (3, 31), (2, 20)]
            .into_iter()
            .map(|(tree, root)| (TreeId(tree), PageNo(root)))
            .collect();
        assert_eq!(roots.get(TreeId(3)), Some(PageNo(31)));
        assert_eq!(roots.get(TreeId(1)), Some(PageNo(10)));
        assert_eq!(roots.get(TreeId(4)), None);
        assert_eq!(roots.iter().count(), 3);
    }
}
