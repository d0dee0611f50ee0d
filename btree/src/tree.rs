//! A tree of the file: its root page and its kind, and reads by key.
//!
//! Reads are `async` and complete in their first poll when the pages are cached: then they take no lock,
//! and allocate only the value they return.
//!
//! Neighbours: [`crate::descent`] finds, [`crate::cursor`] scans, [`crate::key`] says what a key is.
//!
//! Invariants:
//! 1. No epoch guard is held across an await.
//! 2. An index tree's keys are distinct, as long as its shape is that of the index and the index is sound.

use std::sync::Arc;

use bytes::Bytes;
use heddle_base::PageNo;

use crate::cursor::{Cursor, Seek};
use crate::descent::{Descent, Stop, Target};
use crate::error::Result;
use crate::key::{self, KeyShape};
use crate::overflow::{self, ChainRead};
use crate::pages::Pages;

/// What orders a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeKind {
    /// A table with rowids: rows on leaves.
    Table,
    /// An index, or a WITHOUT ROWID table: entries on leaves and between children.
    Index(KeyShape),
}

/// A b-tree of the file. Cheap to clone; what threads share is counted only for an index.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PageNo,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Table,
    Index(Arc<TreeKind>),
}

/// A tree whose kind is borrowed: what a read by key needs.
#[derive(Clone, Copy, Debug)]
pub struct TreeView<'k> {
    root: PageNo,
    kind: &'k TreeKind,
}

/// What a read of cached pages gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<R> {
    /// There is such an entry.
    Found(R),
    /// There is none.
    Absent,
    /// Not all pages needed are cached.
    NotCached,
}

impl Tree {
    /// The tree with this root.
    pub fn new(root: PageNo, kind: Arc<TreeKind>) -> Self {
        Self::of(root, &kind)
    }

    /// The tree with this root and a kind that others share.
    #[inline]
    pub fn of(root: PageNo, kind: &Arc<TreeKind>) -> Self {
        let kind = match **kind {
            TreeKind::Table => Kind::Table,
            TreeKind::Index(_) => Kind::Index(Arc::clone(kind)),
        };
        Self { root, kind }
    }

    /// A table tree.
    pub fn table(root: PageNo) -> Self {
        Self { root, kind: Kind::Table }
    }

    /// An index tree, or that of a WITHOUT ROWID table.
    pub fn index(root: PageNo, shape: KeyShape) -> Self {
        Self::new(root, Arc::new(TreeKind::Index(shape)))
    }

    /// Its root page.
    #[inline]
    pub fn root(&self) -> PageNo {
        self.root
    }

    /// Its kind.
    #[inline]
    pub fn kind(&self) -> &TreeKind {
        match &self.kind {
            Kind::Table => &TreeKind::Table,
            Kind::Index(kind) => kind,
        }
    }

    /// The tree for reads by key.
    #[inline]
    pub fn view(&self) -> TreeView<'_> {
        TreeView { root: self.root, kind: self.kind() }
    }

    /// A cursor over the tree as `pages` have it, before the first entry.
    pub fn cursor<P: Pages>(&self, pages: P) -> Cursor<P> {
        Cursor::new(self.clone(), pages)
    }

    /// The record with this key.
    ///
    /// # Errors
    /// `Corrupt`, or what reading a page gives.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn get(&self, pages: &impl Pages, key: &[u8]) -> Result<Option<Bytes>> {
        self.view().get(pages, key).await
    }

    /// The record of a row in a table tree.
    ///
    /// # Errors
    /// As [`Tree::get`].
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn get_row(&self, pages: &impl Pages, rowid: i64) -> Result<Option<Bytes>> {
        self.view().find(pages, Target::Rowid(rowid)).await
    }

    /// Hands the record with this key to `read`, in place, if everything needed is cached and the record does
    /// not overflow.
    ///
    /// # Errors
    /// `Corrupt`.
    #[inline]
    pub fn try_get<R>(
        &self,
        pages: &impl Pages,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Lookup<R>> {
        self.view().try_get(pages, key, read)
    }

    /// As [`Tree::try_get`], for a row of a table tree.
    ///
    /// # Errors
    /// `Corrupt`.
    #[inline]
    pub fn try_get_row<R>(
        &self,
        pages: &impl Pages,
        rowid: i64,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Lookup<R>> {
        self.view().try_find(pages, Target::Rowid(rowid), read)
    }

    /// The largest rowid of a table tree; `None` if it is empty.
    ///
    /// # Errors
    /// As [`Tree::get`].
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn last_rowid(&self, pages: &impl Pages) -> Result<Option<i64>> {
        let mut cursor = self.cursor(pages.clone());
        match cursor.seek(Seek::Last).await? {
            true => Ok(Some(cursor.rowid()?)),
            false => Ok(None),
        }
    }

    /// How many entries the tree has: exact, by looking at the header of every page of it.
    ///
    /// # Errors
    /// As [`Tree::get`].
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn count(&self, pages: &impl Pages) -> Result<u64> {
        let mut cursor = self.cursor(pages.clone());
        let mut count = 0;
        while cursor.next().await? {
            count += 1 + cursor.skip_to_end_of_page() as u64;
        }
        Ok(count)
    }

    /// About how many entries the tree has, by the pages on one way down its middle.
    ///
    /// # Errors
    /// As [`Tree::get`].
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn estimate(&self, pages: &impl Pages) -> Result<u64> {
        use crate::descent::{MAX_DEPTH, check_page};
        use crate::layout::PageView;

        let mut page = self.root;
        let mut count = 1u64;
        for depth in 0..=MAX_DEPTH {
            let image = pages.page(page).await?;
            let view = PageView::parse(page, &image, pages.usable_size())?;
            check_page(&view, self.kind(), depth)?;
            let cells = view.cell_count();
            if view.kind().is_leaf() {
                return Ok(count.saturating_mul(cells as u64));
            }
            count = count.saturating_mul(cells as u64 + 1);
            page = view.child(cells / 2)?;
        }
        Ok(count)
    }
}

impl<'k> TreeView<'k> {
    /// The tree with this root.
    #[inline]
    pub fn new(root: PageNo, kind: &'k TreeKind) -> Self {
        Self { root, kind }
    }

    /// The record with this key.
    ///
    /// # Errors
    /// `Corrupt`, or what reading a page gives.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn get(self, pages: &impl Pages, key: &[u8]) -> Result<Option<Bytes>> {
        match (self.kind, key::decode_rowid(key)) {
            (TreeKind::Table, None) => Ok(None),
            (TreeKind::Table, Some(rowid)) => self.find(pages, Target::Rowid(rowid)).await,
            (TreeKind::Index(_), _) => self.find(pages, Target::Key { key, above: false }).await,
        }
    }

    /// Hands the record with this key to `read`, in place, if everything needed is cached and the record does
    /// not overflow.
    ///
    /// # Errors
    /// `Corrupt`.
    #[inline]
    pub fn try_get<R>(
        self,
        pages: &impl Pages,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Lookup<R>> {
        match (self.kind, key::decode_rowid(key)) {
            (TreeKind::Table, None) => Ok(Lookup::Absent),
            (TreeKind::Table, Some(rowid)) => self.try_find(pages, Target::Rowid(rowid), read),
            (TreeKind::Index(_), _) => {
                self.try_find(pages, Target::Key { key, above: false }, read)
            }
        }
    }

    #[inline]
    fn try_find<R>(
        self,
        pages: &impl Pages,
        target: Target<'_>,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Lookup<R>> {
        let guard = crossbeam_epoch::pin();
        let stop = Descent::new(self.root).run(pages, self.kind, target, None, &guard)?;
        match stop {
            Stop::Arrived { exact: false, .. } => Ok(Lookup::Absent),
            Stop::Arrived { header, image, index, .. } => {
                let payload = header.view(image).payload(index)?;
                Ok(match payload.overflow {
                    None => Lookup::Found(read(payload.local)),
                    Some(_) => Lookup::NotCached,
                })
            }
            Stop::Miss(_) | Stop::Payload(_) => Ok(Lookup::NotCached),
        }
    }

    /// The record at a target, if there is exactly that.
    async fn find(self, pages: &impl Pages, target: Target<'_>) -> Result<Option<Bytes>> {
        enum Next {
            Load(PageNo),
            Compare(ChainRead),
            Complete(ChainRead),
        }
        let mut descent = Descent::new(self.root);
        let mut loaded = None;
        loop {
            let next = {
                let guard = crossbeam_epoch::pin();
                match descent.run(pages, self.kind, target, loaded.as_ref(), &guard)? {
                    Stop::Arrived { exact: false, .. } => return Ok(None),
                    Stop::Arrived { header, image, index, .. } => {
                        let payload = header.view(image).payload(index)?;
                        if payload.overflow.is_none() {
                            return Ok(Some(Bytes::copy_from_slice(payload.local)));
                        }
                        Next::Complete(ChainRead::begin(header.page(), &payload, pages)?)
                    }
                    Stop::Miss(page) => Next::Load(page),
                    Stop::Payload(read) => Next::Compare(read),
                }
            };
            match next {
                // It stays until the search has left the page, whatever the cache does.
                Next::Load(page) => loaded = Some((page, pages.page(page).await?)),
                Next::Compare(read) => {
                    descent.compare_with(overflow::complete(read, pages).await?);
                }
                Next::Complete(read) => {
                    return Ok(Some(overflow::complete(read, pages).await?.into()));
                }
            }
        }
    }
}
