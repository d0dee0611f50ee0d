//! The merge: sorted changes into a tree, in one pass over the leaves they touch.
//!
//! The walk goes down the old tree as a reader would, but only to leaves below which there are changes. What it meets
//! streams, in key order, into one [`Level`] for each level of the tree: cells of touched leaves with the changes merged in,
//! and above them children with the rowids or entries that bound them. Subtrees without changes pass as one
//! child. Where the old page ends, the level's items are cut into pages, whose numbers become
//! items of the level above; if they are too few for a page, they wait for the next page's, or fetch back the
//! page before. At the end the lowest level that holds the whole tree becomes the root page: so a tree
//! grows and shrinks at its root, which stays where it is.
//!
//! Neighbours: [`crate::level`] cuts items into pages, [`crate::space`] allocates, [`crate::changes`] is the input.
//! `walk` goes over the old pages, `settle` makes the new ones.
//!
//! Invariants:
//! 1. A subtree passes as one child only if all levels below its own are empty.
//! 2. Every entry of an index tree is in exactly one item: a divider goes down with the rightmost touched page left of it.
//! 3. Every page but the root has a cell. A touched page filled less than a third shares with a neighbour, unless it is the
//!    last of a tree that grows at its end; what is still less filled then has a large cell beside it.
//! 4. Memory is bounded by a few pages a level, however many changes there are, but for the maps in [`Space`].
//! 5. No more pages are opened than the file has: trees that share pages end with `Corrupt`.

mod settle;
mod walk;

use std::sync::Arc;

use heddle_base::PageNo;

use crate::changes::{Changes, Source};
use crate::descent::MAX_DEPTH;
use crate::error::Result;
use crate::layout::{Corrupt, PageHeader, PageKind, PageView};
use crate::level::Level;
use crate::page::Page;
use crate::pages::PagesMut;
use crate::space::Space;
use crate::tree::{Tree, TreeKind};

/// What a merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Entries that were not there before.
    pub inserted: u64,
    /// Entries that have a new value.
    pub replaced: u64,
    /// Entries that went.
    pub deleted: u64,
    /// Deletions that found nothing.
    pub missed: u64,
    /// Pages of the tree that were written, without overflow pages.
    pub pages: u64,
}

/// Merges changes into a tree.
///
/// # Errors
/// `Corrupt`, `BadChange`, `Full`, or what the source and the pages give. The state being made is then of no use.
///
/// # Cancel safety
/// None: dropped midway, the state being made is of no use. What readers see is not touched.
pub async fn apply<P: PagesMut>(
    pages: &mut P,
    tree: &Tree,
    changes: impl Changes,
) -> Result<Applied> {
    let mut source = Source::new(changes, tree.root());
    source.fill().await?;
    let mut merge = Merge::new(pages, tree);
    if source.peek().is_some() {
        merge.run(&mut source).await?;
    }
    merge.space.finish();
    Ok(merge.applied)
}

/// What bounds the keys of a page from above: an entry of an index, or a rowid.
struct Bound {
    key: Vec<u8>,
    /// As it is in an interior page, without the child.
    divider: Vec<u8>,
}

/// An interior page of the old tree, open.
struct Frame {
    page: PageNo,
    image: Page,
    header: PageHeader,
    /// The first child not yet passed or opened: above the number of cells if there is none.
    next: usize,
    upper: Option<Arc<Bound>>,
    /// [`Level::streamed`] when it was opened on an empty level; else `None`.
    fresh: Option<u64>,
}

impl Frame {
    fn view(&self) -> PageView<'_> {
        self.header.view(&self.image)
    }
}

/// A merge on its way.
struct Merge<'p, P> {
    space: Space<'p, P>,
    tree: Tree,
    /// From the leaves up; there may be more than the old tree has.
    levels: Vec<Level>,
    /// From the root down.
    frames: Vec<Frame>,
    /// Levels above the leaves in the old tree.
    height: usize,
    /// Whether the tree grew at its end: then its last pages are filled and not halved.
    append: bool,
    /// Whether the root stays as it is.
    root_stays: bool,
    opened: u32,
    applied: Applied,
}

impl<'p, P: PagesMut> Merge<'p, P> {
    fn new(pages: &'p mut P, tree: &Tree) -> Self {
        Self {
            space: Space::new(pages),
            tree: tree.clone(),
            levels: Vec::new(),
            frames: Vec::new(),
            height: 0,
            append: false,
            root_stays: false,
            opened: 0,
            applied: Applied::default(),
        }
    }

    fn is_table(&self) -> bool {
        matches!(self.tree.kind(), TreeKind::Table)
    }

    async fn run<C: Changes>(&mut self, source: &mut Source<C>) -> Result<()> {
        self.height = self.measure(source).await?;
        self.level(self.height);
        self.open(self.tree.root(), None, source).await?;
        while let Some(frame) = self.frames.last() {
            let level = self.height + 1 - self.frames.len();
            if frame.next > frame.header.cell_count() {
                self.close(level).await?;
                continue;
            }
            let child = self.next_child(level, source).await?;
            if let Some((page, upper)) = self.pass_to(level, child).await? {
                self.open(page, upper, source).await?;
            }
        }
        self.finish().await
    }

    /// The level with this number, made if it is new, and all below it.
    fn level(&mut self, number: usize) -> &mut Level {
        while self.levels.len() <= number {
            let kind = match (self.levels.is_empty(), self.is_table()) {
                (true, true) => PageKind::TableLeaf,
                (true, false) => PageKind::IndexLeaf,
                (false, true) => PageKind::TableInterior,
                (false, false) => PageKind::IndexInterior,
            };
            self.levels.push(Level::new(kind, self.space.usable()));
        }
        &mut self.levels[number]
    }

    /// Reads and checks a page that has this level.
    async fn load(&mut self, page: PageNo, level: usize) -> Result<(Page, PageHeader)> {
        let image = self.space.image(page).await?;
        let header = PageHeader::parse(page, &image, self.space.usable())?;
        let corrupt = |reason| Err(Corrupt { page, reason }.into());
        if header.kind() != self.level(level).kind() {
            return corrupt("a page of another kind than its place in the tree");
        }
        if header.cell_count() == 0 && page != self.tree.root() {
            return corrupt("a page without cells below the root");
        }
        self.opened += 1;
        if self.opened > self.space.page_count().saturating_add(MAX_DEPTH as u32) {
            return corrupt("pages are shared by several parts of a tree");
        }
        Ok((image, header))
    }
}
