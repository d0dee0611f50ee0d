//! Trees as a whole: made, emptied, dropped.
//!
//! Under `auto_vacuum` all roots lie together at the start of the file: a new one takes the place after the largest, moving
//! away what is there, and when one goes, the largest moves into its place.
//!
//! Neighbours: [`crate::space`], [`crate::relocate`]. What is in a tree is [`crate::merge`]'s.
//!
//! Invariants:
//! 1. A walk frees no more pages than the file has, and goes no deeper than a tree can be.
//!
//! All functions here share the merge's rule: after an error, or dropped midway, the state being made is of no use.

use heddle_base::PageNo;

use crate::descent::check_page;
use crate::error::Result;
use crate::layout::{Corrupt, DATABASE_HEADER, PageHeader, PageKind};
use crate::level::Level;
use crate::page::Page;
use crate::pages::PagesMut;
use crate::ptrmap::Pointer;
use crate::relocate::relocate;
use crate::space::Space;
use crate::tree::{Tree, TreeKind};

/// A root page that got another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MovedRoot {
    /// Where it was.
    pub from: PageNo,
    /// Where it is.
    pub to: PageNo,
}

/// Makes an empty tree: its root page.
///
/// # Errors
/// `Corrupt`, `Full`, or what the pages give.
///
/// # Cancel safety
/// None: dropped midway, the state being made is of no use.
pub async fn create_tree<P: PagesMut>(pages: &mut P, kind: &TreeKind) -> Result<PageNo> {
    let mut space = Space::new(pages);
    let root = match space.geometry().has_maps() {
        true => place_for_root(&mut space).await?,
        false => space.allocate().await?,
    };
    put_empty(&mut space, root, kind).await?;
    space.set_pointer(root, Pointer::Root, PageNo::NONE).await?;
    space.finish();
    Ok(root)
}

/// Takes all entries out of a tree: how many there were.
///
/// # Errors
/// `Corrupt`, or what the pages give.
///
/// # Cancel safety
/// None: dropped midway, the state being made is of no use.
pub async fn clear_tree<P: PagesMut>(pages: &mut P, tree: &Tree) -> Result<u64> {
    let mut space = Space::new(pages);
    let entries = free_below(&mut space, tree).await?;
    put_empty(&mut space, tree.root(), tree.kind()).await?;
    space.finish();
    Ok(entries)
}

/// Drops a tree. Under `auto_vacuum` another tree's root may take its place.
///
/// # Errors
/// `Corrupt`, or what the pages give.
///
/// # Cancel safety
/// None: dropped midway, the state being made is of no use.
pub async fn drop_tree<P: PagesMut>(pages: &mut P, tree: &Tree) -> Result<Option<MovedRoot>> {
    let root = tree.root();
    if root.get() < 2 {
        return Err(Corrupt { page: root, reason: "the schema's own tree is for ever" }.into());
    }
    let mut space = Space::new(pages);
    free_below(&mut space, tree).await?;
    let mut moved = None;
    if space.geometry().has_maps() {
        let largest = space.pages().header().largest_root;
        if root > largest || space.pointer(largest).await?.0 != Pointer::Root {
            return Err(Corrupt { page: root, reason: "the largest root page is not known" }.into());
        }
        if root != largest {
            relocate(&mut space, largest, root).await?;
            moved = Some(MovedRoot { from: largest, to: root });
        }
        space.free(largest).await?;
        let mut next = largest.get() - 1;
        while next > 1 && space.geometry().is_special(PageNo(next)) {
            next -= 1;
        }
        space.pages().header_mut().largest_root = PageNo(next);
    } else {
        space.free(root).await?;
    }
    space.finish();
    Ok(moved)
}

/// Begins the state anew: page 1 alone, with the schema's tree, empty. Nothing of the state before is in it but the
/// header's settings.
///
/// # Errors
/// What the pages give.
///
/// # Cancel safety
/// None: dropped midway, the state being made is of no use.
pub async fn clear_all<P: PagesMut>(pages: &mut P) -> Result<()> {
    pages.set_page_count(1);
    let header = pages.header_mut();
    header.freelist_trunk = PageNo::NONE;
    header.freelist_count = 0;
    if header.largest_root.is_some() {
        header.largest_root = PageNo(1);
    }
    let mut space = Space::new(pages);
    put_empty(&mut space, PageNo(1), &TreeKind::Table).await?;
    space.finish();
    Ok(())
}

/// The page after the largest root, made free.
async fn place_for_root<P: PagesMut>(space: &mut Space<'_, P>) -> Result<PageNo> {
    let largest = space.pages().header().largest_root;
    let count = space.page_count();
    if largest.get() > count {
        let reason = "the largest root page lies beyond the end of the file";
        return Err(Corrupt { page: PageNo(1), reason }.into());
    }
    let mut root = PageNo(largest.get() + 1);
    while space.geometry().is_special(root) {
        root = PageNo(root.get() + 1);
    }
    if root.get() > count {
        root = space.allocate_at_end()?;
    } else {
        match space.pointer(root).await?.0 {
            Pointer::Free => {
                if !space.allocate_exactly(root).await? {
                    let reason = "a free page that the freelist lacks";
                    return Err(Corrupt { page: root, reason }.into());
                }
            }
            Pointer::Root => {
                let reason = "a root page above the largest";
                return Err(Corrupt { page: root, reason }.into());
            }
            _ => {
                let elsewhere = space.allocate().await?;
                relocate(space, root, elsewhere).await?;
            }
        }
    }
    space.pages().header_mut().largest_root = root;
    Ok(root)
}

async fn put_empty<P: PagesMut>(
    space: &mut Space<'_, P>,
    root: PageNo,
    kind: &TreeKind,
) -> Result<()> {
    let leaf = match kind {
        TreeKind::Table => PageKind::TableLeaf,
        TreeKind::Index(_) => PageKind::IndexLeaf,
    };
    let level = Level::new(leaf, space.usable());
    let mut image = level.image(root, &level.whole(true), space.page_size(), space.usable());
    if root.get() == 1 {
        let old = space.image(root).await?;
        image[..DATABASE_HEADER].copy_from_slice(&old[..DATABASE_HEADER]);
    }
    space.put(root, image);
    Ok(())
}

/// A page on the way down, and its next child.
struct Open {
    image: Page,
    header: PageHeader,
    next: usize,
}

/// Frees all pages of a tree but the root: how many entries it had.
async fn free_below<P: PagesMut>(space: &mut Space<'_, P>, tree: &Tree) -> Result<u64> {
    let mut entries = 0;
    let mut opened = 0;
    let mut stack = vec![open(space, tree, tree.root(), 0).await?];
    while let Some(top) = stack.last_mut() {
        let view = top.header.view(&top.image);
        let (page, cells, index) = (view.page(), view.cell_count(), top.next);
        top.next += 1;
        if !view.kind().is_leaf() && index <= cells {
            opened += 1;
            if opened > space.page_count() {
                let reason = "pages are shared by several parts of a tree";
                return Err(Corrupt { page, reason }.into());
            }
            let (child, depth) = (view.child(index)?, stack.len());
            stack.push(open(space, tree, child, depth).await?);
            continue;
        }
        if view.kind() != PageKind::TableInterior {
            entries += cells as u64;
            for index in 0..cells {
                space.free_chain(page, &view.payload(index)?).await?;
            }
        }
        stack.pop();
        if page != tree.root() {
            space.free(page).await?;
        }
    }
    Ok(entries)
}

async fn open<P: PagesMut>(
    space: &mut Space<'_, P>,
    tree: &Tree,
    page: PageNo,
    depth: usize,
) -> Result<Open> {
    let image = space.image(page).await?;
    let header = PageHeader::parse(page, &image, space.usable())?;
    check_page(&header.view(&image), tree.kind(), depth)?;
    Ok(Open { image, header, next: 0 })
}
