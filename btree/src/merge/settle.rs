//! From items to pages: where a merge cuts its levels, mends pages with too little in them, and sets the root.

use std::ops::Range;

use heddle_base::PageNo;

use super::{Bound, Frame, Merge};
use crate::error::Result;
use crate::layout::DATABASE_HEADER;
use crate::level::{Fill, Share};
use crate::page::PageBuf;
use crate::pages::PagesMut;
use crate::ptrmap::Pointer;

/// While items arrive, a level may hold this many pages before full ones are written ...
const MOST_PAGES: usize = 6;
/// ... until this many are left, to be shared out evenly if nothing follows.
const KEPT_PAGES: usize = 2;

impl<P: PagesMut> Merge<'_, P> {
    /// Ends an interior page of the old tree, whose children have all been passed.
    pub(super) async fn close(&mut self, level: usize) -> Result<()> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        if self.levels[..level].iter().any(|below| !below.is_empty()) {
            // Its last child is not there yet.
            return Ok(());
        }
        if self.is_unchanged(&frame, level)? {
            self.stay(frame.page, level, frame.upper.as_deref());
            return Ok(());
        }
        self.stream(level).await?;
        self.settle(level, frame.upper.as_deref()).await
    }

    /// Whether the level holds exactly what the page did.
    fn is_unchanged(&self, frame: &Frame, number: usize) -> Result<bool> {
        let (level, view) = (&self.levels[number], frame.view());
        let cells = view.cell_count();
        if frame.fresh != Some(level.streamed) || level.len() != cells + 1 {
            return Ok(false);
        }
        for index in 0..cells {
            if view.cell_bytes(index)? != level.item(index) {
                return Ok(false);
            }
        }
        let (child, divider) = level.child(cells);
        let upper = frame.upper.as_ref().map_or(&[][..], |upper| &upper.divider);
        Ok(child == view.child(cells)? && divider == upper)
    }

    /// Passes an opened page as it is; the level holds nothing else.
    pub(super) fn stay(&mut self, page: PageNo, number: usize, upper: Option<&Bound>) {
        let level = &mut self.levels[number];
        level.clear();
        if page == self.tree.root() {
            self.root_stays = true;
            return;
        }
        if let Some(index) = level.spare.iter().rposition(|&spare| spare == page) {
            level.spare.remove(index);
        }
        let divider = upper.map_or(&[][..], |upper| &upper.divider);
        self.level(number + 1).push_child(page, divider);
    }

    /// Cuts a level into pages where a page of the old tree ended, if there is enough for one.
    pub(super) async fn settle(&mut self, number: usize, upper: Option<&Bound>) -> Result<()> {
        let end = upper.is_none();
        let level = &self.levels[number];
        let Some(parent) = self.frames.last().filter(|_| !level.is_empty()) else {
            return Ok(());
        };
        if end && number > 0 && self.ends_with_entry(number - 1) {
            // The page behind it went: the entry has to go down again.
            return Ok(());
        }
        let more = parent.next <= parent.header.cell_count();
        let enough = match self.append && end {
            true => !level.has_no_cell(end),
            false => !level.is_underfull(end),
        };
        if !enough {
            // The next page's items will join; or else those of the page before, unless that has another parent.
            if end || more || self.level(number + 1).is_empty() {
                return Ok(());
            }
            self.fetch_back(number).await?;
        }
        self.flush(number, upper, end).await
    }

    /// Fetches the items of the page before back into a level; `false` if there is none.
    async fn fetch_back(&mut self, number: usize) -> Result<bool> {
        let above = number + 1;
        let Some(highest) = (above..self.levels.len()).find(|&n| !self.levels[n].is_empty()) else {
            return Ok(false);
        };
        for number in (number..highest).rev() {
            let Some((page, divider)) = self.levels[number + 1].pop_child() else {
                return Ok(false);
            };
            let (image, header) = self.load(page, number).await?;
            let view = header.view(&image);
            let level = &mut self.levels[number];
            let after = level.take();
            for index in 0..view.cell_count() {
                level.push(view.cell_bytes(index)?);
            }
            if !view.kind().is_leaf() {
                level.push_child(view.child(view.cell_count())?, &divider);
            } else if !view.kind().is_table() && !divider.is_empty() {
                level.push(&divider);
            }
            level.append(&after);
            level.spare.push(page);
        }
        Ok(true)
    }

    /// Writes full pages if a level holds many, and so on upwards.
    #[inline]
    pub(super) async fn stream(&mut self, number: usize) -> Result<()> {
        if self.levels[number].size() <= MOST_PAGES * self.levels[number].capacity() {
            return Ok(());
        }
        self.stream_pages(number).await
    }

    async fn stream_pages(&mut self, first: usize) -> Result<()> {
        for number in first.. {
            let level = self.level(number);
            if level.size() <= MOST_PAGES * level.capacity() {
                break;
            }
            level.streamed += 1;
            let shares = level.plan_front(KEPT_PAGES * level.capacity());
            self.write(number, &shares, None, false).await?;
            let Some(last) = shares.last() else { break };
            let taken = last.cut.map_or(last.cells.end, |cut| cut + 1);
            self.levels[number].drop_front(taken);
        }
        Ok(())
    }

    /// Writes everything a level holds; `end` if the tree ends there.
    async fn flush(&mut self, number: usize, upper: Option<&Bound>, end: bool) -> Result<()> {
        let fill = if self.append && end { Fill::Full } else { Fill::Even };
        let shares = self.levels[number].plan(end, fill);
        self.write(number, &shares, upper, end).await?;
        self.levels[number].clear();
        self.stream(number + 1).await
    }

    /// Writes pages and passes them to the level above.
    async fn write(
        &mut self,
        number: usize,
        shares: &[Share],
        upper: Option<&Bound>,
        end: bool,
    ) -> Result<()> {
        self.level(number + 1);
        let pages = self.take_pages(number, shares.len()).await?;
        for (i, (share, page)) in shares.iter().zip(pages).enumerate() {
            self.put_page(number, page, share).await?;
            let last = i + 1 == shares.len();
            let divider = match upper {
                _ if last && end => Vec::new(),
                // A rowid that bounded them before still does, and the page above stays as it is.
                Some(upper) if last && self.is_table() && number == 0 => upper.divider.clone(),
                _ => self.levels[number].divider(share),
            };
            self.levels[number + 1].push_child(page, &divider);
        }
        Ok(())
    }

    /// Pages for a level: first those its items had, in their order.
    async fn take_pages(&mut self, number: usize, count: usize) -> Result<Vec<PageNo>> {
        let spare = &mut self.levels[number].spare;
        let mut pages = spare.split_off(spare.len().saturating_sub(count));
        while pages.len() < count {
            pages.push(self.space.allocate().await?);
        }
        Ok(pages)
    }

    async fn put_page(&mut self, number: usize, page: PageNo, share: &Share) -> Result<()> {
        let (page_size, usable) = (self.space.page_size(), self.space.usable());
        let image = self.levels[number].image(page, share, page_size, usable);
        self.put_image(number, page, share, image).await
    }

    async fn put_image(
        &mut self,
        number: usize,
        page: PageNo,
        share: &Share,
        image: PageBuf,
    ) -> Result<()> {
        self.space.put(page, image);
        self.applied.pages += 1;
        if self.space.geometry().has_maps() {
            self.point_to(number, page, share.cells.clone()).await?;
            if let Some(cut) = share.cut.filter(|_| number > 0) {
                let right = self.levels[number].child(cut).0;
                self.space.set_pointer(right, Pointer::Child, page).await?;
            }
        }
        Ok(())
    }

    /// Notes that `page` points to the children and the chains of these items.
    async fn point_to(&mut self, number: usize, page: PageNo, items: Range<usize>) -> Result<()> {
        let usable = self.space.usable();
        for index in items {
            let level = &self.levels[number];
            if let Some(first) = level.overflow(index, usable) {
                self.space.set_pointer(first, Pointer::FirstOverflow, page).await?;
            }
            if number > 0 {
                let child = self.levels[number].child(index).0;
                self.space.set_pointer(child, Pointer::Child, page).await?;
            }
        }
        Ok(())
    }

    // ---- the end of the tree ----

    /// Writes what is left, and the root.
    pub(super) async fn finish(&mut self) -> Result<()> {
        let mut number = 0;
        while !self.root_stays {
            if self.end_level(number).await? {
                break;
            }
            number += 1;
        }
        for number in 0..self.levels.len() {
            for page in std::mem::take(&mut self.levels[number].spare) {
                self.space.free(page).await?;
            }
        }
        Ok(())
    }

    /// Ends the tree on this level, below which nothing is left; `true` if the root is written.
    async fn end_level(&mut self, number: usize) -> Result<bool> {
        if self.level(number).is_empty() && !self.is_top(number) {
            if !self.ends_with_entry(number) {
                return Ok(false);
            }
            // Invariant 2: the tree ends with an entry that bounded what is gone.
            self.fetch_back(number).await?;
        }
        if self.is_top(number) && self.write_root(number).await? {
            return Ok(true);
        }
        let level = &self.levels[number];
        let enough = match self.append {
            true => !level.has_no_cell(true),
            false => !level.is_underfull(true),
        };
        let whole = !enough && self.fetch_back(number).await? && self.is_top(number);
        if whole && self.write_root(number).await? {
            return Ok(true);
        }
        self.flush(number, None, true).await?;
        Ok(false)
    }

    /// Whether all of the tree that has no page yet is on this level and below, and no page is on one above.
    fn is_top(&self, number: usize) -> bool {
        self.levels[number + 1..].iter().all(|level| level.is_empty())
    }

    /// Whether the last child of an index tree is followed by an entry.
    fn ends_with_entry(&self, number: usize) -> bool {
        let above = self.levels[number + 1..].iter().find(|level| !level.is_empty());
        !self.is_table() && above.is_some_and(|level| !level.child(level.len() - 1).1.is_empty())
    }

    /// Makes a level the root, if it fits.
    async fn write_root(&mut self, mut number: usize) -> Result<bool> {
        let root = self.tree.root();
        let start = if root.get() == 1 { DATABASE_HEADER } else { 0 };
        if number > 0 && self.levels[number].len() == 1 {
            // An only child takes the root's place if it can.
            self.fetch_back(number - 1).await?;
            number -= 1;
            if !self.levels[number].fits(self.levels[number].capacity() - start) {
                // Only page 1 has less room than its child.
                self.flush(number, None, true).await?;
                number += 1;
            }
        }
        let level = &self.levels[number];
        if !level.fits(level.capacity() - start) {
            return Ok(false);
        }
        let share = level.whole(true);
        let (page_size, usable) = (self.space.page_size(), self.space.usable());
        let mut image = level.image(root, &share, page_size, usable);
        let old = self.space.image(root).await?;
        image[..start].copy_from_slice(&old[..start]);
        self.put_image(number, root, &share, image).await?;
        self.levels[number].clear();
        Ok(true)
    }
}
