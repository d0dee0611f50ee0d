//! A checked view of one b-tree page: its header, its cells, its free space.
//!
//! A page has a header (8 bytes on a leaf, 12 on an interior page; on page 1 after the 100 bytes of the database's
//! header), an array of two-byte cell pointers in key order, unallocated space, and cells. What a page holds is its
//! *kind*: table trees keep rows on leaves and rowids on interior pages; index trees (and WITHOUT
//! ROWID tables) keep entries on both.
//!
//! Neighbours: [`crate::cursor`] and [`crate::tree`] read through it, the merge and the check too.
//!
//! Invariants:
//! 1. A [`PageHeader`] comes only from [`PageHeader::parse`]: the pointer array lies within the usable part.
//! 2. Everything a [`Cell`] names lies between the pointer array and the end of the usable part; else
//!    [`Corrupt`]. No method panics, whatever the bytes.
//! 3. Cells are checked when they are read, so a page costs what is read of it.

use std::cmp::Ordering;

use heddle_base::PageNo;

use crate::record::MAX_PAYLOAD;
use crate::varint;

/// Bytes of the database's header at the start of page 1.
pub const DATABASE_HEADER: usize = 100;
/// Smallest usable part of a page, in bytes: 512 less 32 reserved.
pub const MIN_USABLE: usize = 480;

/// A page that is not what its place in the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("page {page} is corrupt: {reason}")]
pub struct Corrupt {
    /// The page at fault.
    pub page: PageNo,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// The four kinds of b-tree page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageKind {
    /// Children and the index entries between them.
    IndexInterior = 0x02,
    /// Children and the rowids that bound them.
    TableInterior = 0x05,
    /// Index entries.
    IndexLeaf = 0x0a,
    /// Rows.
    TableLeaf = 0x0d,
}

impl PageKind {
    /// The kind that this first byte of a page header stands for.
    #[inline]
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x02 => Some(Self::IndexInterior),
            0x05 => Some(Self::TableInterior),
            0x0a => Some(Self::IndexLeaf),
            0x0d => Some(Self::TableLeaf),
            _ => None,
        }
    }

    /// Whether pages of this kind have no children.
    #[inline]
    pub fn is_leaf(self) -> bool {
        matches!(self, Self::IndexLeaf | Self::TableLeaf)
    }

    /// Whether pages of this kind belong to a tree with rowid keys.
    #[inline]
    pub fn is_table(self) -> bool {
        matches!(self, Self::TableInterior | Self::TableLeaf)
    }

    /// Bytes of the page header.
    #[inline]
    pub fn header_len(self) -> usize {
        if self.is_leaf() { 8 } else { 12 }
    }

    /// Most payload bytes that a cell keeps on a page of `usable` bytes.
    #[inline]
    pub fn max_local(self, usable: usize) -> usize {
        match self {
            Self::TableLeaf => usable - 35,
            Self::TableInterior => 0,
            Self::IndexLeaf | Self::IndexInterior => (usable - 12) * 64 / 255 - 23,
        }
    }

    /// Bytes of a payload of `payload_len` bytes that lie in the cell; the rest is on overflow pages.
    #[inline]
    pub fn local_len(self, usable: usize, payload_len: u64) -> usize {
        let max = self.max_local(usable);
        if payload_len <= max as u64 {
            return payload_len as usize;
        }
        let min = (usable - 12) * 32 / 255 - 23;
        let surplus = (payload_len - min as u64) % (usable as u64 - 4);
        let local = min + surplus as usize;
        if local <= max { local } else { min }
    }
}

/// The parsed header of a page, without its bytes. Small and `Copy`: a cursor keeps it beside an owned image.
#[derive(Clone, Copy, Debug)]
pub struct PageHeader {
    page: PageNo,
    kind: PageKind,
    cells: u16,
    /// Offset of the page header.
    start: u16,
    /// End of the usable part.
    usable: u32,
    /// [`PageKind::max_local`], so that reading a cell need not compute it.
    max_local: u32,
}

impl PageHeader {
    /// Reads and checks the header of b-tree page `page`, of which `usable` bytes are in use.
    ///
    /// # Errors
    /// `Corrupt` if it is no b-tree page or its pointer array does not fit.
    #[inline]
    pub fn parse(page: PageNo, image: &[u8], usable: usize) -> Result<Self, Corrupt> {
        let corrupt = |reason| Corrupt { page, reason };
        let start = if page.get() == 1 { DATABASE_HEADER } else { 0 };
        if usable < MIN_USABLE || usable > image.len() || usable > 65_536 {
            return Err(corrupt("the image is shorter than a page"));
        }
        let Some(kind) = PageKind::from_byte(image[start]) else {
            return Err(corrupt("not a b-tree page"));
        };
        let cells = u16::from_be_bytes([image[start + 3], image[start + 4]]);
        if start + kind.header_len() + 2 * usize::from(cells) > usable {
            return Err(corrupt("more cells than fit"));
        }
        Ok(Self {
            page,
            kind,
            cells,
            start: start as u16,
            usable: usable as u32,
            max_local: kind.max_local(usable) as u32,
        })
    }

    /// The page that was parsed.
    #[inline]
    pub fn page(&self) -> PageNo {
        self.page
    }

    /// Its kind.
    #[inline]
    pub fn kind(&self) -> PageKind {
        self.kind
    }

    /// How many cells it has.
    #[inline]
    pub fn cell_count(&self) -> usize {
        usize::from(self.cells)
    }

    /// Rowid of a table leaf's cell, and where on the page its record begins and how long it is, if it is sound and
    /// does not overflow. `None` says nothing: ask [`PageView::row`]. A scan spends its time here, so nothing is
    /// made that has to go through memory.
    #[inline]
    pub(crate) fn usual_row(&self, image: &[u8], index: usize) -> Option<(i64, u32, u32)> {
        let page = image.get(..self.usable as usize)?;
        let pointer = usize::from(self.start) + PageKind::TableLeaf.header_len() + 2 * index;
        if self.kind != PageKind::TableLeaf || index >= self.cell_count() {
            return None;
        }
        let offset = match page.get(pointer..pointer + 2)? {
            &[high, low] => usize::from(u16::from_be_bytes([high, low])),
            _ => return None,
        };
        let end_of_pointers = pointer + 2 * (self.cell_count() - index);
        let cell =
            page.get(offset..).filter(|cell| offset >= end_of_pointers && cell.len() >= 4)?;
        let (len, n) = varint::read(cell)?;
        let (rowid, m) = varint::read(cell.get(n..)?)?;
        let start = n + m;
        let fits = len <= u64::from(self.max_local) && len <= (cell.len() - start) as u64;
        fits.then(|| (rowid as i64, (offset + start) as u32, len as u32))
    }

    /// The view of `image`, which must be the image that was parsed (any other gives errors or
    /// wrong cells, no panic).
    #[inline]
    pub fn view<'a>(&self, image: &'a [u8]) -> PageView<'a> {
        let usable = (self.usable as usize).min(image.len());
        PageView { header: *self, data: &image[..usable] }
    }

    #[inline]
    fn pointers(&self) -> usize {
        usize::from(self.start) + self.kind.header_len()
    }

    #[inline]
    fn corrupt(&self, reason: &'static str) -> Corrupt {
        Corrupt { page: self.page, reason }
    }
}

/// A b-tree page.
#[derive(Clone, Copy, Debug)]
pub struct PageView<'a> {
    header: PageHeader,
    /// The usable part.
    data: &'a [u8],
}

/// One cell of any kind of page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<'a> {
    /// On interior pages: the child with the keys below (index) or up to (table) this cell's.
    pub left_child: Option<PageNo>,
    /// On pages of table trees.
    pub rowid: Option<i64>,
    /// Bytes of the record, wherever they lie; 0 on interior pages of table trees.
    pub payload_len: u64,
    /// The part of the record that lies on this page.
    pub local: &'a [u8],
    /// First page of the chain with the rest.
    pub overflow: Option<PageNo>,
    /// Where the cell begins, in bytes from the start of the page.
    pub offset: usize,
    /// Bytes that the cell takes on the page (at least 4, the smallest freeblock).
    pub size: usize,
}

/// What a row or an entry holds: the payload part of a cell.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// Bytes of the record, wherever they lie.
    pub len: u64,
    /// Those on the page.
    pub local: &'a [u8],
    /// First page of the chain with the rest.
    pub overflow: Option<PageNo>,
}

impl<'a> PageView<'a> {
    /// Parses the header of `image` and views it.
    ///
    /// # Errors
    /// As [`PageHeader::parse`].
    #[inline]
    pub fn parse(page: PageNo, image: &'a [u8], usable: usize) -> Result<Self, Corrupt> {
        Ok(PageHeader::parse(page, image, usable)?.view(image))
    }

    /// The parsed header.
    #[inline]
    pub fn header(&self) -> &PageHeader {
        &self.header
    }

    /// The page viewed.
    #[inline]
    pub fn page(&self) -> PageNo {
        self.header.page
    }

    /// Its kind.
    #[inline]
    pub fn kind(&self) -> PageKind {
        self.header.kind
    }

    /// How many cells it has.
    #[inline]
    pub fn cell_count(&self) -> usize {
        self.header.cell_count()
    }

    /// The child page with this index: left of cell `index`, or right of all for `cell_count`.
    ///
    /// # Errors
    /// `Corrupt` on a leaf, beyond the right child, and if the pointer names no page or this one.
    #[inline]
    pub fn child(&self, index: usize) -> Result<PageNo, Corrupt> {
        if self.kind().is_leaf() {
            return Err(self.header.corrupt("a leaf has no children"));
        }
        let at = if index == self.cell_count() {
            usize::from(self.header.start) + 8
        } else {
            self.cell_offset(index)?
        };
        let child = PageNo(self.u32_at(at)?);
        if !child.is_some() || child == self.page() {
            return Err(self.header.corrupt("a child pointer names no other page"));
        }
        Ok(child)
    }

    /// Where on the page something lies that was borrowed from it.
    #[inline]
    pub(crate) fn offset_of(&self, part: &[u8]) -> usize {
        part.as_ptr().addr().wrapping_sub(self.data.as_ptr().addr())
    }

    /// Where an interior page has its right child.
    pub(crate) fn right_child_offset(&self) -> usize {
        usize::from(self.header.start) + 8
    }

    /// Bytes of the page that are in use.
    pub(crate) fn usable(&self) -> usize {
        self.data.len()
    }

    /// Where the cell pointers end.
    pub(crate) fn end_of_pointers(&self) -> usize {
        self.header.pointers() + 2 * self.cell_count()
    }

    /// Where cell `index` begins.
    ///
    /// # Errors
    /// `Corrupt` if there is no such cell or its pointer leaves the cell area.
    #[inline]
    pub fn cell_offset(&self, index: usize) -> Result<usize, Corrupt> {
        let end_of_pointers = self.header.pointers() + 2 * self.cell_count();
        let at = self.header.pointers() + 2 * index;
        if index < self.cell_count()
            && let Some(&[high, low]) = self.data.get(at..at + 2)
        {
            let offset = usize::from(u16::from_be_bytes([high, low]));
            if offset >= end_of_pointers && offset + 4 <= self.data.len() {
                return Ok(offset);
            }
        }
        Err(self.header.corrupt("a cell pointer leaves the cell area"))
    }

    /// The rowid of cell `index` on a page of a table tree, without reading the rest of the cell.
    ///
    /// # Errors
    /// `Corrupt` if the cell or its rowid leaves the page.
    #[inline]
    pub fn rowid(&self, index: usize) -> Result<i64, Corrupt> {
        let at = self.cell_offset(index)?;
        let at = match self.kind() {
            PageKind::TableLeaf => at + self.varint_at(at)?.1,
            _ => at + 4,
        };
        Ok(self.varint_at(at)?.0 as i64)
    }

    /// The payload of cell `index`: a row, or an entry of an index page of either kind.
    ///
    /// # Errors
    /// `Corrupt` if any of it leaves the page.
    #[inline]
    pub fn payload(&self, index: usize) -> Result<Payload<'a>, Corrupt> {
        self.payload_at(self.cell_offset(index)?).map(|(p, _)| p)
    }

    /// Rowid and payload of a table leaf's cell.
    ///
    /// # Errors
    /// As [`PageView::payload`].
    #[inline]
    pub fn row(&self, index: usize) -> Result<(i64, Payload<'a>), Corrupt> {
        let at = self.cell_offset(index)?;
        let (len, n) = self.varint_at(at)?;
        let (rowid, m) = self.varint_at(at + n)?;
        Ok((rowid as i64, self.payload_body(len, at + n + m)?))
    }

    /// All of cell `index`.
    ///
    /// # Errors
    /// `Corrupt` if any of it leaves the page.
    pub fn cell(&self, index: usize) -> Result<Cell<'a>, Corrupt> {
        let offset = self.cell_offset(index)?;
        let left_child = match self.kind().is_leaf() {
            true => None,
            false => Some(self.child(index)?),
        };
        if self.kind() == PageKind::TableInterior {
            let (rowid, n) = self.varint_at(offset + 4)?;
            return Ok(Cell {
                left_child,
                rowid: Some(rowid as i64),
                payload_len: 0,
                local: &[],
                overflow: None,
                offset,
                size: 4 + n,
            });
        }
        let rowid = match self.kind().is_table() {
            true => Some(self.rowid(index)?),
            false => None,
        };
        let (payload, end) = self.payload_at(offset)?;
        Ok(Cell {
            left_child,
            rowid,
            payload_len: payload.len,
            local: payload.local,
            overflow: payload.overflow,
            offset,
            size: (end - offset).max(4),
        })
    }

    /// The bytes of cell `index`, without those that only pad it to four.
    ///
    /// # Errors
    /// `Corrupt` if any of it leaves the page.
    pub fn cell_bytes(&self, index: usize) -> Result<&'a [u8], Corrupt> {
        let at = self.cell_offset(index)?;
        let end = match self.kind() {
            PageKind::TableInterior => at + 4 + self.varint_at(at + 4)?.1,
            _ => self.payload_at(at)?.1,
        };
        self.data.get(at..end).ok_or_else(|| self.header.corrupt("a cell runs over the page's end"))
    }

    /// The payload of the cell at `at`, and where the cell ends.
    #[inline]
    fn payload_at(&self, mut at: usize) -> Result<(Payload<'a>, usize), Corrupt> {
        if self.kind() == PageKind::IndexInterior {
            at += 4;
        }
        let (len, n) = self.varint_at(at)?;
        at += n;
        if self.kind() == PageKind::TableLeaf {
            at += self.varint_at(at)?.1;
        }
        let payload = self.payload_body(len, at)?;
        let pointer = if payload.overflow.is_some() { 4 } else { 0 };
        Ok((payload, at + payload.local.len() + pointer))
    }

    #[inline]
    fn payload_body(&self, len: u64, at: usize) -> Result<Payload<'a>, Corrupt> {
        if len <= u64::from(self.header.max_local) {
            return match self.data.get(at..at + len as usize) {
                Some(local) => Ok(Payload { len, local, overflow: None }),
                None => Err(self.header.corrupt("a cell runs over the page's end")),
            };
        }
        self.overflowing_body(len, at)
    }

    #[cold]
    fn overflowing_body(&self, len: u64, at: usize) -> Result<Payload<'a>, Corrupt> {
        if self.kind() == PageKind::TableInterior {
            return Err(self.header.corrupt("an interior page of a table has no payload"));
        }
        if len > MAX_PAYLOAD {
            return Err(self.header.corrupt("a payload is over SQLite's limit"));
        }
        let end = at + self.kind().local_len(self.data.len(), len);
        let Some(local) = self.data.get(at..end) else {
            return Err(self.header.corrupt("a cell runs over the page's end"));
        };
        let first = PageNo(self.u32_at(end)?);
        if !first.is_some() {
            return Err(self.header.corrupt("an overflow chain is missing"));
        }
        Ok(Payload { len, local, overflow: Some(first) })
    }

    /// Finds a rowid on a page of a table tree: `Ok` the cell that has it, `Err` the first above it.
    ///
    /// `range` is what the parent says about this page: its rowids are above the first and at most the
    /// second. Rowids are mostly dense, so the first look is where the rowid lies within that range;
    /// then steps that double from there. That touches two cells (each a cache miss) where
    /// bisection touches six, and is never worse than twice bisection.
    ///
    /// # Errors
    /// `Corrupt` if a cell that was looked at is broken.
    #[inline]
    pub fn search_rowid(
        &self,
        rowid: i64,
        range: (i64, i64),
    ) -> Result<Result<usize, usize>, Corrupt> {
        let (mut low, mut high) = (0, self.cell_count());
        let mut probe = high / 2;
        let mut stride = 0;
        let width = range.1.wrapping_sub(range.0) as u64;
        if width < 1 << 40 && rowid > range.0 && rowid <= range.1 {
            let share = (rowid - range.0 - 1) as f64 / width as f64;
            probe = (share * high as f64) as usize;
            stride = 1;
        }
        while low < high {
            let at = probe.clamp(low, high - 1);
            match self.rowid(at)?.cmp(&rowid) {
                Ordering::Equal => return Ok(Ok(at)),
                Ordering::Less => {
                    low = at + 1;
                    probe = at + stride;
                }
                Ordering::Greater => {
                    high = at;
                    probe = at.saturating_sub(stride);
                }
            }
            stride *= 2;
            if stride == 0 || stride > (high - low) / 2 {
                stride = 0;
                probe = low + (high - low) / 2;
            }
        }
        Ok(Err(low))
    }

    /// Where the cell content area begins.
    pub fn content_start(&self) -> usize {
        match self.u16_at(usize::from(self.header.start) + 5) {
            0 => 65_536,
            start => start,
        }
    }

    /// Bytes in fragments of less than four, which no freeblock names.
    pub fn fragmented_bytes(&self) -> usize {
        self.data.get(usize::from(self.header.start) + 7).map_or(0, |&b| usize::from(b))
    }

    /// The chain of freeblocks, each as offset and size in bytes.
    pub fn freeblocks(&self) -> Freeblocks<'a> {
        Freeblocks {
            view: *self,
            next: self.u16_at(usize::from(self.header.start) + 1),
            least: self.header.pointers() + 2 * self.cell_count(),
        }
    }

    /// 0 beyond the end, which no caller reaches: header fields lie within [`MIN_USABLE`].
    fn u16_at(&self, at: usize) -> usize {
        match self.data.get(at..at + 2) {
            Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
            _ => 0,
        }
    }

    #[inline]
    fn u32_at(&self, at: usize) -> Result<u32, Corrupt> {
        match self.data.get(at..at + 4) {
            Some(&[a, b, c, d]) => Ok(u32::from_be_bytes([a, b, c, d])),
            _ => Err(self.header.corrupt("a page number runs over the page's end")),
        }
    }

    #[inline]
    fn varint_at(&self, at: usize) -> Result<(u64, usize), Corrupt> {
        self.data
            .get(at..)
            .and_then(varint::read)
            .ok_or_else(|| self.header.corrupt("a cell runs over the page's end"))
    }
}

/// The freeblocks of a page, in the ascending order that the format asks for.
#[derive(Clone, Debug)]
pub struct Freeblocks<'a> {
    view: PageView<'a>,
    next: usize,
    /// The next block may not begin before this. It grows, so the chain ends.
    least: usize,
}

impl Iterator for Freeblocks<'_> {
    type Item = Result<(usize, usize), Corrupt>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = std::mem::take(&mut self.next);
        if offset == 0 {
            return None;
        }
        let size = self.view.u16_at(offset + 2);
        if offset < self.least || size < 4 || offset + size > self.view.data.len() {
            return Some(Err(self.view.header.corrupt("a freeblock lies where none can")));
        }
        self.next = self.view.u16_at(offset);
        // Blocks that touch would have been joined, but four bytes between them may be fragments.
        self.least = offset + size;
        Some(Ok((offset, size)))
    }
}

#[cfg(test)]
mod tests;
