//! The bytes of one page: cells that can be read and lie apart, free space that adds up.
//!
//! Invariants:
//! 1. No more than a handful of faults a page, whatever its bytes.

use crate::layout::{PageKind, PageView};

/// Most faults told of one page.
const MOST: usize = 4;

/// What is wrong with a page's bytes.
pub(super) fn faults(view: &PageView<'_>) -> Vec<&'static str> {
    let mut faults = Vec::new();
    let usable = view.usable();
    let content = view.content_start();
    if content > usable || content < view.end_of_pointers() {
        faults.push("the cell area begins where it can't");
        return faults;
    }
    // What lies in the cell area: where each piece begins and ends.
    let mut pieces = Vec::with_capacity(view.cell_count() + 8);
    for index in 0..view.cell_count() {
        match extent(view, index) {
            Ok((at, end)) if at >= content && end <= usable => pieces.push((at, end)),
            Ok(_) => faults.push("a cell lies outside the cell area"),
            Err(reason) => faults.push(reason),
        }
        if faults.len() >= MOST {
            return faults;
        }
    }
    let mut least = content;
    for block in view.freeblocks() {
        match block {
            Ok((at, size)) if at >= least => {
                pieces.push((at, at + size));
                // Fewer than four bytes between two would have been joined with them.
                least = at + size + 4;
            }
            _ => {
                faults.push("the free blocks of the page are out of order");
                return faults;
            }
        }
    }
    if faults.is_empty() {
        faults.extend(coverage(pieces, content, usable, view.fragmented_bytes()));
    }
    faults
}

/// Whether the pieces lie apart, and what is between them is what the header calls fragments.
fn coverage(
    mut pieces: Vec<(usize, usize)>,
    content: usize,
    usable: usize,
    fragmented: usize,
) -> Option<&'static str> {
    pieces.sort_unstable();
    let mut end = content;
    let mut between = 0;
    for (at, next) in pieces {
        if at < end {
            return Some("two cells or free blocks overlap");
        }
        between += at - end;
        end = next;
    }
    between += usable - end;
    (between != fragmented)
        .then_some("the page has another number of fragmented bytes than it says")
}

/// Where a cell begins and ends.
fn extent(view: &PageView<'_>, index: usize) -> Result<(usize, usize), &'static str> {
    let cell = view.cell(index).map_err(|corrupt| corrupt.reason)?;
    // Interior cells have their child, hence four bytes and more, in them.
    let least = if view.kind() == PageKind::TableInterior { 5 } else { 4 };
    Ok((cell.offset, cell.offset + cell.size.max(least)))
}
