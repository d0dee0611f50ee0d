//! Moving a page under `auto_vacuum`: its content goes elsewhere, and all that points to it, or that it points to,
//! is told.
//!
//! Neighbours: [`crate::roots`] makes room for root pages, [`crate::compact`] empties the end of the file.
//!
//! Invariants:
//! 1. The pointer map is believed only if the page it names does point here: else `Corrupt`.

use heddle_base::PageNo;

use crate::error::Result;
use crate::layout::{Corrupt, PageView};
use crate::page::PageBuf;
use crate::pages::PagesMut;
use crate::ptrmap::Pointer;
use crate::space::{Space, put_word, word};

/// Moves the content of page `from` to `to`, which is free. Whoever knows a root by its number must be told by the caller.
pub(crate) async fn relocate<P: PagesMut>(
    space: &mut Space<'_, P>,
    from: PageNo,
    to: PageNo,
) -> Result<()> {
    let (kind, parent) = space.pointer(from).await?;
    let image = space.image(from).await?;
    match kind {
        Pointer::Free => {
            return Err(
                Corrupt { page: from, reason: "a free page that the freelist lacks" }.into()
            );
        }
        Pointer::Root | Pointer::Child => {
            let view = PageView::parse(from, &image, space.usable())?;
            point_from(space, &view, to).await?;
        }
        Pointer::FirstOverflow | Pointer::Overflow => {
            let next = PageNo(word(&image, 0));
            if next.is_some() {
                space.set_pointer(next, Pointer::Overflow, to).await?;
            }
        }
    }
    space.put(to, PageBuf::copy_of(&image));
    if kind != Pointer::Root {
        let old = space.image(parent).await?;
        let at = find(parent, &old, kind, from, space.usable())?;
        let Some(at) = at else {
            let reason = "its pointer map names a page that does not point to it";
            return Err(Corrupt { page: from, reason }.into());
        };
        let mut new = PageBuf::copy_of(&old);
        put_word(&mut new, at, to.get());
        space.put(parent, new);
    }
    space.set_pointer(to, kind, parent).await
}

/// Tells the pages that a page of a tree points to that it is now `to`.
async fn point_from<P: PagesMut>(
    space: &mut Space<'_, P>,
    view: &PageView<'_>,
    to: PageNo,
) -> Result<()> {
    for index in 0..view.cell_count() {
        if let Some(first) = view.cell(index)?.overflow {
            space.set_pointer(first, Pointer::FirstOverflow, to).await?;
        }
    }
    if !view.kind().is_leaf() {
        for index in 0..=view.cell_count() {
            space.set_pointer(view.child(index)?, Pointer::Child, to).await?;
        }
    }
    Ok(())
}

/// Where in its parent a page is pointed to.
fn find(
    parent: PageNo,
    image: &[u8],
    kind: Pointer,
    child: PageNo,
    usable: usize,
) -> Result<Option<usize>> {
    if kind == Pointer::Overflow {
        return Ok((word(image, 0) == child.get()).then_some(0));
    }
    let view = PageView::parse(parent, image, usable)?;
    for index in 0..view.cell_count() {
        let cell = view.cell(index)?;
        if kind == Pointer::Child && cell.left_child == Some(child) {
            return Ok(Some(cell.offset));
        }
        if kind == Pointer::FirstOverflow && cell.overflow == Some(child) {
            return Ok(Some(cell.offset + cell.size - 4));
        }
    }
    let is_right = kind == Pointer::Child && view.child(view.cell_count())? == child;
    Ok(is_right.then(|| view.right_child_offset()))
}
