//! Pointer maps: under `auto_vacuum`, who points to each page, so that a page can be moved.
//!
//! Page 2, and then one page in every `usable / 5 + 1`, is an array of five-byte entries for the pages that follow
//! it: a kind, and the page that points there. Where such a page would be the lock-byte page, it is the one after.
//!
//! Neighbours: [`crate::space`] keeps the maps while pages change; the check compares them with what it finds.

use heddle_base::PageNo;

/// Bytes of an entry.
pub(crate) const ENTRY: usize = 5;

/// What kind of page an entry describes, and what its parent field means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pointer {
    /// A tree's root: no parent.
    Root = 1,
    /// A page of the freelist: no parent.
    Free = 2,
    /// The first page of an overflow chain: the page with the cell.
    FirstOverflow = 3,
    /// A later page of a chain: the page before.
    Overflow = 4,
    /// A page of a tree but the root: the page above.
    Child = 5,
}

impl Pointer {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Root,
            2 => Self::Free,
            3 => Self::FirstOverflow,
            4 => Self::Overflow,
            5 => Self::Child,
            _ => return None,
        })
    }
}

/// Which pages of a file are not for content: maps, and the page that holds SQLite's lock bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    lock_page: u32,
    /// Pages that a map describes, and the map itself; 0 without `auto_vacuum`.
    group: u32,
}

impl Geometry {
    pub(crate) fn new(page_size: usize, usable: usize, auto_vacuum: bool) -> Self {
        Self {
            lock_page: (0x4000_0000 / page_size.max(512)) as u32 + 1,
            group: if auto_vacuum { (usable / ENTRY) as u32 + 1 } else { 0 },
        }
    }

    /// Whether the file has pointer maps.
    pub(crate) fn has_maps(&self) -> bool {
        self.group != 0
    }

    /// The map with the entry of `page`; `page` itself if it is a map; `None` for page 1 or without maps.
    pub(crate) fn map_of(&self, page: PageNo) -> Option<PageNo> {
        if page.get() < 2 || !self.has_maps() {
            return None;
        }
        let map = (page.get() - 2) / self.group * self.group + 2;
        Some(PageNo(if map == self.lock_page { map + 1 } else { map }))
    }

    /// Where in its map the entry of `page` lies.
    pub(crate) fn offset(&self, map: PageNo, page: PageNo) -> usize {
        ENTRY * (page.get().wrapping_sub(map.get()).wrapping_sub(1)) as usize
    }

    /// Whether `page` is never part of a tree, a chain or the freelist.
    pub(crate) fn is_special(&self, page: PageNo) -> bool {
        page.get() == self.lock_page || self.is_map(page)
    }

    /// Whether `page` is a map.
    pub(crate) fn is_map(&self, page: PageNo) -> bool {
        self.map_of(page) == Some(page)
    }
}
