//! The walk of a cursor from one page of entries to the next.
//!
//! From a gap at the end of a leaf up to the first page that has more in this direction, and down from there along the
//! near edge. Nothing here changes the cursor (invariant 1 of [`crate::cursor`]): a walk arrives with
//! what the cursor will be, or says what it lacks.

use crossbeam_epoch::Guard;
use heddle_base::PageNo;
use smallvec::SmallVec;

use super::Cursor;
use crate::descent::{Frame, Frames, check_page};
use crate::error::Result;
use crate::layout::{Corrupt, PageHeader, PageView};
use crate::pages::Pages;

/// Most pages that are read ahead of a scan.
const READ_AHEAD: usize = 32;

/// Which way a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// A page and an index on it.
pub(super) struct Spot<T> {
    pub(super) page: T,
    pub(super) header: PageHeader,
    pub(super) index: u32,
}

/// What the last step lacked.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) page: Option<PageNo>,
    /// Leaves that the scan will need after it.
    pub(super) ahead: SmallVec<[PageNo; READ_AHEAD]>,
}

impl Wanted {
    fn only(page: PageNo) -> Self {
        Self { page: Some(page), ahead: SmallVec::new() }
    }
}

/// How a synchronous attempt to move ended.
pub(super) enum Moved<T> {
    To(Spot<T>, Frames),
    End,
    Miss(Wanted),
}

/// Where a climb ended.
enum Climbed<T> {
    Into(PageNo),
    Onto(Spot<T>),
    Out,
    Miss(PageNo),
}

impl<P: Pages> Cursor<P> {
    /// Finds the entry next to a gap on a page (`None`: the gap at that end of the tree which the walk comes from),
    /// where that entry lies on another page, or below this one. Changes nothing.
    pub(super) fn walk(
        &self,
        from: Option<(&PageHeader, &P::Page, u32)>,
        frames: &Frames,
        direction: Direction,
        guard: &Guard,
    ) -> Result<Moved<P::Page>> {
        let mut frames = frames.clone();
        let down = match from {
            None => {
                frames.clear();
                self.tree.root()
            }
            // From an interior entry into the child beside it: in both directions the gap's own.
            Some((header, page, gap)) if !header.kind().is_leaf() => {
                frames.push(Frame { page: header.page(), child: gap });
                header.view(page).child(gap as usize)?
            }
            Some(_) => match self.climb(&mut frames, direction, guard)? {
                Climbed::Into(child) => child,
                Climbed::Onto(spot) => return Ok(Moved::To(spot, frames)),
                Climbed::Out => return Ok(Moved::End),
                Climbed::Miss(page) => return Ok(Moved::Miss(Wanted::only(page))),
            },
        };
        self.fall(down, frames, direction, guard)
    }

    /// Goes up until a page has more in this direction: a child, or in an index tree an entry.
    fn climb(
        &self,
        frames: &mut Frames,
        direction: Direction,
        guard: &Guard,
    ) -> Result<Climbed<P::Page>> {
        while let Some(frame) = frames.last_mut() {
            let Some(image) = self.image(frame.page, guard)? else {
                return Ok(Climbed::Miss(frame.page));
            };
            let view = PageView::parse(frame.page, image, self.pages.usable_size())?;
            let entry = match direction {
                Direction::Forward if (frame.child as usize) < view.cell_count() => frame.child,
                Direction::Backward if frame.child > 0 => frame.child - 1,
                _ => {
                    frames.pop();
                    continue;
                }
            };
            if view.kind().is_table() {
                frame.child = match direction {
                    Direction::Forward => entry + 1,
                    Direction::Backward => entry,
                };
                return Ok(Climbed::Into(view.child(frame.child as usize)?));
            }
            let page = frame.page;
            let Some(image) = self.owned(page, guard)? else {
                return Ok(Climbed::Miss(page));
            };
            frames.pop();
            return Ok(Climbed::Onto(Spot { page: image, header: *view.header(), index: entry }));
        }
        Ok(Climbed::Out)
    }

    /// Goes down from `page` along the near edge to a leaf.
    fn fall(
        &self,
        mut page: PageNo,
        mut frames: Frames,
        direction: Direction,
        guard: &Guard,
    ) -> Result<Moved<P::Page>> {
        loop {
            let Some(image) = self.image(page, guard)? else {
                return Ok(Moved::Miss(self.with_read_ahead(page, &frames, direction, guard)?));
            };
            let view = PageView::parse(page, image, self.pages.usable_size())?;
            check_page(&view, self.tree.kind(), frames.len())?;
            let cells = view.cell_count() as u32;
            let near = match direction {
                Direction::Forward => 0,
                Direction::Backward => cells,
            };
            if !view.kind().is_leaf() {
                frames.push(Frame { page, child: near });
                page = view.child(near as usize)?;
                continue;
            }
            if cells == 0 {
                return Ok(Moved::End);
            }
            let Some(image) = self.owned(page, guard)? else {
                return Ok(Moved::Miss(Wanted::only(page)));
            };
            if self.entered >= self.pages.page_count() {
                return Err(Corrupt {
                    page,
                    reason: "a scan met more leaves than the file has pages",
                }
                .into());
            }
            return Ok(Moved::To(
                Spot { page: image, header: *view.header(), index: near.min(cells - 1) },
                frames,
            ));
        }
    }

    /// What is lacking with `page`, and the children beside it that the scan will come to. The further the
    /// scan has gone, the more.
    fn with_read_ahead(
        &self,
        page: PageNo,
        frames: &Frames,
        direction: Direction,
        guard: &Guard,
    ) -> Result<Wanted> {
        let mut wanted = Wanted::only(page);
        let Some(frame) = frames.last() else {
            return Ok(wanted);
        };
        let Some(image) = self.image(frame.page, guard)? else {
            return Ok(wanted);
        };
        let view = PageView::parse(frame.page, image, self.pages.usable_size())?;
        let child = frame.child as usize;
        for distance in 1..=(self.entered as usize * 2).min(READ_AHEAD) {
            let sibling = match direction {
                Direction::Forward => Some(child + distance).filter(|&i| i <= view.cell_count()),
                Direction::Backward => child.checked_sub(distance),
            };
            match sibling {
                Some(sibling) => wanted.ahead.push(view.child(sibling)?),
                None => break,
            }
        }
        if !wanted.ahead.is_empty() {
            wanted.ahead.insert(0, page);
        }
        Ok(wanted)
    }

    #[inline]
    fn image<'a>(&'a self, page: PageNo, guard: &'a Guard) -> Result<Option<&'a [u8]>> {
        match self.loaded.iter().find(|(no, _)| *no == page) {
            Some((_, image)) => Ok(Some(image)),
            None => self.pages.cached(page, guard),
        }
    }

    #[inline]
    fn owned(&self, page: PageNo, guard: &Guard) -> Result<Option<P::Page>> {
        match self.loaded.iter().find(|(no, _)| *no == page) {
            Some((_, image)) => Ok(Some(image.clone())),
            None => self.pages.cached_page(page, guard),
        }
    }
}
