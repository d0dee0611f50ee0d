//! One level of the tree that a merge writes: cells that have no page yet, and how they are cut into pages.
//!
//! Cells arrive in key order. On leaves an item is a cell; above, it is a child followed by its *divider*: what
//! bounds the child's keys from above. The last child of a tree has no divider.
//!
//! Where a page ends, one item is *cut*: in index trees the entry goes up and becomes the page's divider; above the
//! leaves the child stays as the page's right child and its divider goes up. Only rows stay whole: their page's divider is a rowid
//! that they bound.
//!
//! Neighbours: [`crate::merge`] fills levels and empties them.
//!
//! Invariants:
//! 1. The bytes of the items lie one after the other, each as on a page: so a page of them is one copy.
//! 2. A plan gives every page at least one cell, if there are enough items at all.

use std::ops::Range;

use heddle_base::PageNo;

use crate::layout::{DATABASE_HEADER, PageKind};
use crate::page::PageBuf;
use crate::varint;

/// A cell, or a child and its divider.
#[derive(Clone, Copy, Debug)]
struct Item {
    /// Where it begins in the bytes.
    at: u32,
    /// Its exact length; it takes at least four bytes.
    len: u32,
}

impl Item {
    fn end(self) -> usize {
        self.at as usize + self.len.max(4) as usize
    }

    /// What it takes of a page, with its pointer.
    fn size(self) -> usize {
        self.len.max(4) as usize + 2
    }
}

/// How a run of items becomes pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Every page as full as it gets: more will follow behind.
    Full,
    /// All about equally full.
    Even,
}

/// One page of a plan: its cells, and the item cut behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) cells: Range<usize>,
    pub(crate) cut: Option<usize>,
}

/// Items of one level that wait for a page.
pub(crate) struct Level {
    kind: PageKind,
    /// Bytes of a page for cells and their pointers.
    capacity: usize,
    bytes: Vec<u8>,
    items: Vec<Item>,
    /// What all items take of pages.
    size: usize,
    /// Pages that held this level's items and are free for new ones.
    pub(crate) spare: Vec<PageNo>,
    /// Counts pages written while items were still arriving.
    pub(crate) streamed: u64,
}

impl Level {
    pub(crate) fn new(kind: PageKind, usable: usize) -> Self {
        Self {
            kind,
            capacity: usable - kind.header_len(),
            bytes: Vec::new(),
            items: Vec::new(),
            size: 0,
            spare: Vec::new(),
            streamed: 0,
        }
    }

    pub(crate) fn kind(&self) -> PageKind {
        self.kind
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// What all items take of pages.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
        self.size = 0;
    }

    // ---- items ----

    /// Adds an item of these bytes.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.seal(at);
    }

    /// Adds a child and its divider, which is empty for the last of the tree.
    pub(crate) fn push_child(&mut self, child: PageNo, divider: &[u8]) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&child.get().to_be_bytes());
        self.bytes.extend_from_slice(divider);
        self.seal(at);
    }

    /// Where an item begins that the caller appends in parts; [`Level::seal`] ends it.
    #[inline]
    pub(crate) fn open(&mut self) -> (usize, &mut Vec<u8>) {
        (self.bytes.len(), &mut self.bytes)
    }

    /// Makes an item of the bytes from `at` on.
    #[inline]
    pub(crate) fn seal(&mut self, at: usize) {
        let len = self.bytes.len() - at;
        if len < 4 {
            self.bytes.resize(at + 4, 0);
        }
        // A level holds a few pages at most.
        let item = Item { at: at as u32, len: len as u32 };
        self.size += item.size();
        self.items.push(item);
    }

    /// The bytes of an item.
    pub(crate) fn item(&self, index: usize) -> &[u8] {
        let item = self.items[index];
        &self.bytes[item.at as usize..item.at as usize + item.len as usize]
    }

    /// Child and divider of an item above the leaves.
    pub(crate) fn child(&self, index: usize) -> (PageNo, &[u8]) {
        let (child, divider) = self.item(index).split_at(4);
        (PageNo(crate::space::word(child, 0)), divider)
    }

    /// Takes the last child away.
    pub(crate) fn pop_child(&mut self) -> Option<(PageNo, Vec<u8>)> {
        let last = self.items.len().checked_sub(1)?;
        let (child, divider) = self.child(last);
        let taken = (child, divider.to_vec());
        let item = self.items[last];
        self.bytes.truncate(item.at as usize);
        self.items.truncate(last);
        self.size -= item.size();
        Some(taken)
    }

    /// Takes all items away, to be put behind others by [`Level::append`].
    pub(crate) fn take(&mut self) -> (Vec<u8>, Vec<(usize, usize)>) {
        let items = self.items.iter().map(|item| (item.at as usize, item.len as usize)).collect();
        let bytes = std::mem::take(&mut self.bytes);
        self.clear();
        (bytes, items)
    }

    pub(crate) fn append(&mut self, (bytes, items): &(Vec<u8>, Vec<(usize, usize)>)) {
        for &(at, len) in items {
            self.push(&bytes[at..at + len]);
        }
    }

    /// Takes the first `count` items away.
    pub(crate) fn drop_front(&mut self, count: usize) {
        let cut = self.items.get(count).map_or(self.bytes.len(), |item| item.at as usize);
        self.bytes.drain(..cut);
        for item in self.items.drain(..count) {
            self.size -= item.size();
        }
        for item in &mut self.items {
            item.at -= cut as u32;
        }
    }

    // ---- pages ----

    /// Whether an item goes up or aside where a page ends.
    fn cuts(&self) -> bool {
        self.kind != PageKind::TableLeaf
    }

    /// The items that can be cells if the level ends here: all but one cut at the end. At the end of the tree
    /// leaves have none to cut.
    fn body(&self, end_of_tree: bool) -> usize {
        let cut = self.cuts() && !(end_of_tree && self.kind.is_leaf());
        self.items.len() - usize::from(cut && !self.items.is_empty())
    }

    fn body_size(&self, body: usize) -> usize {
        self.size - self.items[body..].iter().map(|item| item.size()).sum::<usize>()
    }

    /// Whether there are so few items that they should share a page with a neighbour's: stock SQLite's bound of a third.
    pub(crate) fn is_underfull(&self, end_of_tree: bool) -> bool {
        let body = self.body(end_of_tree);
        body == 0 || self.body_size(body) < self.capacity / 3
    }

    /// Whether there is not even one cell.
    pub(crate) fn has_no_cell(&self, end_of_tree: bool) -> bool {
        self.body(end_of_tree) == 0
    }

    /// Whether all of it, as the end of the tree, fits in a page that has `room` for cells and their pointers.
    pub(crate) fn fits(&self, room: usize) -> bool {
        self.body_size(self.body(true)) <= room
    }

    /// The share of a page that takes everything.
    pub(crate) fn whole(&self, end_of_tree: bool) -> Share {
        let body = self.body(end_of_tree);
        Share { cells: 0..body, cut: (body < self.items.len()).then_some(body) }
    }

    /// Cuts all items into pages.
    pub(crate) fn plan(&self, end_of_tree: bool, fill: Fill) -> Vec<Share> {
        let body = self.body(end_of_tree);
        let full = self.greedy(body, self.capacity);
        if full.len() <= 1 || fill == Fill::Full {
            return self.close(full);
        }
        // The share that makes all alike, and the least above it that takes no more pages.
        let even = self.body_size(body).div_ceil(full.len());
        let step = (self.capacity / 16).max(1);
        let mut limit = even;
        while limit < self.capacity {
            let ends = self.greedy(body, limit);
            let shares = self.close(ends);
            if shares.len() == full.len() && shares.iter().all(|share| !share.cells.is_empty()) {
                return shares;
            }
            limit += step;
        }
        self.close(full)
    }

    /// Full pages from the front, leaving items for about `rest` bytes.
    pub(crate) fn plan_front(&self, rest: usize) -> Vec<Share> {
        let mut shares = Vec::new();
        let (mut start, mut used, mut left) = (0, 0, self.size);
        for (i, item) in self.items.iter().enumerate() {
            if used + item.size() > self.capacity && i > start {
                shares.push(Share { cells: start..i, cut: self.cuts().then_some(i) });
                left -= used;
                start = i + usize::from(self.cuts());
                used = 0;
                if left <= rest {
                    break;
                }
                if self.cuts() {
                    continue;
                }
            }
            used += item.size();
        }
        shares
    }

    /// Where pages end that take up to `limit` bytes each, or one cell.
    fn greedy(&self, body: usize, limit: usize) -> Vec<usize> {
        let mut ends = Vec::new();
        let (mut start, mut used) = (0, 0);
        for (i, item) in self.items[..body].iter().enumerate() {
            if i < start {
                continue;
            }
            if used + item.size() > limit && i > start {
                ends.push(i);
                start = i + usize::from(self.cuts());
                used = 0;
                if self.cuts() {
                    continue;
                }
            }
            used += item.size();
        }
        // A cut right before the end leaves a page without cells: cut one earlier.
        if start == body
            && self.cuts()
            && let Some(last) = ends.last_mut()
        {
            *last -= 1;
        }
        ends.push(body);
        ends
    }

    fn close(&self, ends: Vec<usize>) -> Vec<Share> {
        let mut start = 0;
        let mut shares = Vec::with_capacity(ends.len());
        for end in ends {
            let cut = self.cuts() && end < self.items.len();
            shares.push(Share { cells: start..end, cut: cut.then_some(end) });
            start = end + usize::from(self.cuts());
        }
        shares
    }

    /// The image of page `page` with this share; on page 1 the first 100 bytes are left zero.
    pub(crate) fn image(
        &self,
        page: PageNo,
        share: &Share,
        page_size: usize,
        usable: usize,
    ) -> PageBuf {
        let mut image = PageBuf::zeroed(page_size);
        let start = if page.get() == 1 { DATABASE_HEADER } else { 0 };
        let items = &self.items[share.cells.clone()];
        let (from, to) = match (items.first(), items.last()) {
            (Some(first), Some(last)) => (first.at as usize, last.end()),
            _ => (0, 0),
        };
        let content = usable - (to - from);
        image[content..usable].copy_from_slice(&self.bytes[from..to]);
        let header = &mut image[start..start + self.kind.header_len()];
        header[0] = self.kind as u8;
        header[3..5].copy_from_slice(&(items.len() as u16).to_be_bytes());
        // 65536 is written as 0.
        header[5..7].copy_from_slice(&(content as u16).to_be_bytes());
        if let (false, Some(cut)) = (self.kind.is_leaf(), share.cut) {
            header[8..12].copy_from_slice(&self.child(cut).0.get().to_be_bytes());
        }
        let pointers = start + self.kind.header_len();
        let pointers = &mut image[pointers..pointers + 2 * items.len()];
        for (pointer, item) in pointers.chunks_exact_mut(2).zip(items) {
            let offset = content + item.at as usize - from;
            pointer.copy_from_slice(&(offset as u16).to_be_bytes());
        }
        image
    }

    /// The divider of a page with this share, from what is in it: in a table the last rowid.
    pub(crate) fn divider(&self, share: &Share) -> Vec<u8> {
        match (self.kind, share.cut) {
            (PageKind::TableLeaf, _) => {
                let mut divider = Vec::new();
                if let Some(last) = share.cells.clone().next_back() {
                    let cell = self.item(last);
                    let payload = varint::read(cell).map_or(0, |(_, n)| n);
                    let rowid = varint::read(&cell[payload..]).map_or(0, |(rowid, _)| rowid);
                    varint::push(rowid, &mut divider);
                }
                divider
            }
            (_, None) => Vec::new(),
            (PageKind::IndexLeaf, Some(cut)) => self.item(cut).to_vec(),
            (_, Some(cut)) => self.child(cut).1.to_vec(),
        }
    }

    /// The first overflow page of the cell in an item, if it has one.
    pub(crate) fn overflow(&self, index: usize, usable: usize) -> Option<PageNo> {
        let item = self.item(index);
        let cell = if self.kind == PageKind::IndexInterior { item.get(4..)? } else { item };
        let (len, _) = varint::read(cell)?;
        let overflows =
            self.kind != PageKind::TableInterior && len > self.kind.max_local(usable) as u64;
        overflows.then(|| PageNo(crate::space::word(item, item.len() - 4)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(kind: PageKind, sizes: &[usize]) -> Level {
        let mut level = Level::new(kind, 512);
        for (i, &size) in sizes.iter().enumerate() {
            level.push(&vec![i as u8; size]);
        }
        level
    }

    /// Invariant 2, and every item is placed once.
    #[test]
    fn i2_every_page_of_a_plan_has_a_cell_and_fits() {
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..20_000 {
            let kind = match round % 3 {
                0 => PageKind::TableLeaf,
                1 => PageKind::IndexLeaf,
                _ => PageKind::IndexInterior,
            };
            let largest = if kind == PageKind::TableLeaf { 500 } else { 110 };
            let sizes: Vec<_> =
                (0..random.usize(2..60)).map(|_| random.usize(5..largest)).collect();
            let level = level(kind, &sizes);
            for end in [false, true] {
                for fill in [Fill::Full, Fill::Even] {
                    let plan = level.plan(end, fill);
                    let mut next = 0;
                    for share in &plan {
                        assert_eq!(share.cells.start, next, "{kind:?} {sizes:?}");
                        assert!(!share.cells.is_empty(), "{kind:?} {sizes:?} {plan:?}");
                        let used: usize = share.cells.clone().map(|i| sizes[i] + 2).sum();
                        assert!(used <= level.capacity, "{kind:?} {sizes:?}");
                        next = share.cells.end + usize::from(share.cut.is_some());
                    }
                    assert_eq!(next, sizes.len(), "{kind:?} {sizes:?} {plan:?}");
                }
            }
        }
    }

    #[test]
    fn fronts_are_full_and_leave_the_rest() {
        let mut level = level(PageKind::IndexLeaf, &[98; 40]);
        let front = level.plan_front(1000);
        assert_eq!(front.len(), 6);
        assert!(front.iter().all(|share| share.cells.len() == 5 && share.cut.is_some()));
        level.drop_front(36);
        assert_eq!((level.len(), level.size(), level.item(0)[0]), (4, 400, 36));
    }
}
