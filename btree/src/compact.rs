//! What `auto_vacuum` does with free pages: the last pages of the file move into them, and the file is cut.
//!
//! Neighbours: [`crate::relocate`] moves a page; the checkpointer calls one of these before it writes its frames.
//!
//! Invariants:
//! 1. Afterwards the last page is neither free nor a pointer map.
//!
//! Both share the merge's rule: after an error, or dropped midway, the state being made is of no use.

use std::collections::BTreeSet;

use heddle_base::PageNo;

use crate::error::Result;
use crate::layout::Corrupt;
use crate::pages::PagesMut;
use crate::ptrmap::Pointer;
use crate::relocate::relocate;
use crate::space::Space;

/// Removes all free pages, as `auto_vacuum = FULL` asks for with each commit: how many pages the file lost.
///
/// Does nothing in a database without pointer maps.
///
/// # Errors
/// `Corrupt`, or what the pages give.
///
/// # Cancel safety
/// None: dropped midway, the state being made is of no use.
pub async fn compact<P: PagesMut>(pages: &mut P) -> Result<u32> {
    incremental_vacuum(pages, u32::MAX).await
}

/// Removes up to `limit` free pages, as `PRAGMA incremental_vacuum` does: how many pages the file lost, with pointer
/// maps that it no longer needs.
///
/// # Errors
/// As [`compact`].
///
/// # Cancel safety
/// As [`compact`].
pub async fn incremental_vacuum<P: PagesMut>(pages: &mut P, limit: u32) -> Result<u32> {
    let mut space = Space::new(pages);
    if !space.geometry().has_maps() || space.pages().header().freelist_count == 0 {
        return Ok(0);
    }
    let mut free: BTreeSet<PageNo> = space.take_freelist().await?.into_iter().collect();
    let before = space.page_count();
    let mut count = before;
    let mut removed = 0;
    while removed < limit && count > 1 && !free.is_empty() {
        let last = PageNo(count);
        count -= 1;
        if space.geometry().is_special(last) {
            continue;
        }
        removed += 1;
        if free.remove(&last) {
            continue;
        }
        if space.pointer(last).await?.0 == Pointer::Root {
            return Err(Corrupt { page: last, reason: "a root page behind free pages" }.into());
        }
        if let Some(to) = free.pop_first() {
            relocate(&mut space, last, to).await?;
        }
    }
    while count > 1 && space.geometry().is_special(PageNo(count)) {
        count -= 1;
    }
    // From the end, so that the lowest pages are used first.
    for page in free.into_iter().rev() {
        space.free(page).await?;
    }
    space.finish_at(count);
    Ok(before - count)
}
