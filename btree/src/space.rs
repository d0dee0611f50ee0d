//! Which pages are free, and who points to which: allocation in the state being made.
//!
//! The freelist is a chain of trunk pages, each with the number of the next, a count, and that many page numbers
//! (*leaves*, whose content means nothing). New pages come from its first trunk, then from the end of the file.
//!
//! Neighbours: [`crate::merge`], [`crate::roots`] and [`crate::compact`] allocate through it; [`crate::ptrmap`].
//!
//! Invariants:
//! 1. The first trunk and the maps that changed are kept here until [`Space::finish`]: nobody else reads them
//!    meanwhile.
//! 2. The lock-byte page and the maps are never handed out. A freelist that names them, or pages the file has
//!    not, is `Corrupt`.
//! 3. A trunk is filled to the six entries before its last that stock SQLite leaves unused.

use std::collections::BTreeMap;

use heddle_base::PageNo;

use crate::error::{Error, Result};
use crate::layout::{Corrupt, Payload};
use crate::overflow::Chain;
use crate::page::{Page, PageBuf};
use crate::pages::PagesMut;
use crate::ptrmap::{ENTRY, Geometry, Pointer};

/// The first trunk page of the freelist, while it changes.
struct Trunk {
    page: PageNo,
    image: PageBuf,
}

/// A pointer map that was read.
struct Map {
    image: PageBuf,
    changed: bool,
}

/// Allocation in one state, for the length of one operation.
pub(crate) struct Space<'p, P> {
    pages: &'p mut P,
    geometry: Geometry,
    usable: usize,
    /// Pages of the state, with those handed out but not yet put.
    count: u32,
    trunk: Option<Trunk>,
    maps: BTreeMap<PageNo, Map>,
}

impl<'p, P: PagesMut> Space<'p, P> {
    pub(crate) fn new(pages: &'p mut P) -> Self {
        let usable = pages.usable_size();
        let auto_vacuum = pages.header().largest_root.is_some();
        let geometry = Geometry::new(pages.page_size(), usable, auto_vacuum);
        Self {
            geometry,
            usable,
            count: pages.page_count(),
            pages,
            trunk: None,
            maps: BTreeMap::new(),
        }
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    pub(crate) fn usable(&self) -> usize {
        self.usable
    }

    pub(crate) fn page_size(&self) -> usize {
        self.pages.page_size()
    }

    pub(crate) fn page_count(&self) -> u32 {
        self.count
    }

    pub(crate) fn pages(&mut self) -> &mut P {
        self.pages
    }

    /// The image of a page of a tree or a chain.
    pub(crate) async fn image(&mut self, page: PageNo) -> Result<Page> {
        self.check_content(page)?;
        self.pages.page(page).await
    }

    pub(crate) fn put(&mut self, page: PageNo, image: PageBuf) {
        self.pages.put(page, image);
    }

    /// Invariant 2, for a page number found in the file.
    pub(crate) fn check_content(&self, page: PageNo) -> Result<()> {
        if page.is_some() && page.get() <= self.count && !self.geometry.is_special(page) {
            return Ok(());
        }
        Err(Corrupt { page, reason: "a pointer to a page that is no place for content" }.into())
    }

    // ---- the freelist ----

    /// A page to be put: free until now, or behind the last.
    pub(crate) async fn allocate(&mut self) -> Result<PageNo> {
        self.pages.relieve().await?;
        if self.pages.header().freelist_count > 0 {
            return self.allocate_free().await;
        }
        self.allocate_at_end()
    }

    async fn allocate_free(&mut self) -> Result<PageNo> {
        let usable = self.usable;
        let geometry = self.geometry;
        let count = self.count;
        let trunk = self.first_trunk().await?;
        let Some(trunk) = trunk else {
            return Err(Corrupt { page: PageNo(1), reason: "the freelist is cut short" }.into());
        };
        let corrupt = |reason| Err(Corrupt { page: trunk.page, reason }.into());
        let leaves = word(&trunk.image, 4);
        if leaves as usize > usable / 4 - 2 {
            return corrupt("a freelist trunk with more pages than fit");
        }
        let page = if leaves == 0 {
            let (page, next) = (trunk.page, PageNo(word(&trunk.image, 0)));
            self.trunk = None;
            self.pages.header_mut().freelist_trunk = next;
            page
        } else {
            let page = PageNo(word(&trunk.image, 4 + 4 * leaves as usize));
            if page.get() < 2 || page.get() > count || geometry.is_special(page) {
                return corrupt("the freelist names a page that is no place for content");
            }
            put_word(&mut trunk.image, 4, leaves - 1);
            page
        };
        self.pages.header_mut().freelist_count -= 1;
        Ok(page)
    }

    /// The page behind the last, past those that are not for content.
    pub(crate) fn allocate_at_end(&mut self) -> Result<PageNo> {
        loop {
            let page =
                PageNo(self.count.checked_add(1).filter(|&n| n < u32::MAX - 1).ok_or(Error::Full)?);
            self.count = page.get();
            if self.geometry.is_map(page) {
                let image = PageBuf::zeroed(self.pages.page_size());
                self.maps.insert(page, Map { image, changed: true });
            } else if !self.geometry.is_special(page) {
                return Ok(page);
            }
        }
    }

    /// Gives a page back.
    pub(crate) async fn free(&mut self, page: PageNo) -> Result<()> {
        self.check_content(page)?;
        let most = self.usable / 4 - 8;
        let page_size = self.pages.page_size();
        match self.first_trunk().await? {
            Some(trunk) if (word(&trunk.image, 4) as usize) < most => {
                let leaves = word(&trunk.image, 4);
                put_word(&mut trunk.image, 8 + 4 * leaves as usize, page.get());
                put_word(&mut trunk.image, 4, leaves + 1);
            }
            _ => {
                self.put_trunk();
                let mut image = PageBuf::zeroed(page_size);
                put_word(&mut image, 0, self.pages.header().freelist_trunk.get());
                self.trunk = Some(Trunk { page, image });
                self.pages.header_mut().freelist_trunk = page;
            }
        }
        let header = self.pages.header_mut();
        header.freelist_count = header.freelist_count.saturating_add(1);
        self.set_pointer(page, Pointer::Free, PageNo::NONE).await
    }

    async fn first_trunk(&mut self) -> Result<Option<&mut Trunk>> {
        let page = self.pages.header().freelist_trunk;
        if self.trunk.is_none() && page.is_some() {
            let image = self.image(page).await?;
            self.trunk = Some(Trunk { page, image: PageBuf::copy_of(&image) });
        }
        Ok(self.trunk.as_mut())
    }

    /// Every page of the freelist, which is empty afterwards. The header's count must be right.
    pub(crate) async fn take_freelist(&mut self) -> Result<Vec<PageNo>> {
        self.put_trunk();
        let mut next = std::mem::take(&mut self.pages.header_mut().freelist_trunk);
        let count = std::mem::take(&mut self.pages.header_mut().freelist_count);
        let corrupt = |page, reason| Err(Corrupt { page, reason }.into());
        if count > self.count {
            return corrupt(PageNo(1), "the freelist is longer than the file");
        }
        let mut all = Vec::new();
        while next.is_some() {
            let page = next;
            let image = self.image(page).await?;
            let leaves = word(&image, 4) as usize;
            if leaves > self.usable / 4 - 2 || all.len() + leaves >= count as usize {
                return corrupt(page, "the freelist is longer than the header says");
            }
            all.push(page);
            for i in 0..leaves {
                let leaf = PageNo(word(&image, 8 + 4 * i));
                self.check_content(leaf)?;
                all.push(leaf);
            }
            next = PageNo(word(&image, 0));
        }
        if all.len() != count as usize {
            return corrupt(PageNo(1), "the freelist is shorter than the header says");
        }
        all.sort_unstable();
        if all.windows(2).any(|pair| pair[0] == pair[1]) {
            return corrupt(PageNo(1), "a page is on the freelist twice");
        }
        Ok(all)
    }

    /// Takes this very page, if it is on the freelist.
    pub(crate) async fn allocate_exactly(&mut self, page: PageNo) -> Result<bool> {
        let mut all = self.take_freelist().await?;
        let found = all.binary_search(&page);
        if let Ok(index) = found {
            all.remove(index);
        }
        // From the end, so that the lowest pages are used first.
        for &page in all.iter().rev() {
            self.free(page).await?;
        }
        Ok(found.is_ok())
    }

    // ---- overflow chains ----

    /// Gives back the overflow pages of a payload whose cell lies on page `owner`.
    pub(crate) async fn free_chain(&mut self, owner: PageNo, payload: &Payload<'_>) -> Result<()> {
        let chain = Chain::begin(owner, payload, self.usable, self.count)?;
        let Some(mut chain) = chain else { return Ok(()) };
        while let Some(page) = chain.next_page() {
            let image = self.image(page).await?;
            chain.take(&image)?;
            self.free(page).await?;
        }
        Ok(())
    }

    /// Writes `rest` to a new chain: its first page, whose pointer is still to be set.
    pub(crate) async fn write_chain(&mut self, rest: &[u8]) -> Result<PageNo> {
        let first = self.allocate().await?;
        let mut page = first;
        let mut contents = rest.chunks(self.usable - 4).peekable();
        while let Some(content) = contents.next() {
            let mut image = PageBuf::zeroed(self.pages.page_size());
            image[4..4 + content.len()].copy_from_slice(content);
            let mut next = PageNo::NONE;
            if contents.peek().is_some() {
                next = self.allocate().await?;
                put_word(&mut image, 0, next.get());
                self.set_pointer(next, Pointer::Overflow, page).await?;
            }
            self.pages.put(page, image);
            page = next;
        }
        Ok(first)
    }

    /// The whole payload of a cell on page `owner`.
    pub(crate) async fn payload(
        &mut self,
        owner: PageNo,
        payload: &Payload<'_>,
    ) -> Result<Vec<u8>> {
        let mut whole = payload.local.to_vec();
        if let Some(mut chain) = Chain::begin(owner, payload, self.usable, self.count)? {
            while let Some(page) = chain.next_page() {
                let image = self.image(page).await?;
                whole.extend_from_slice(chain.take(&image)?);
            }
        }
        Ok(whole)
    }

    // ---- pointer maps ----

    /// Notes who points to `page`. Does nothing without pointer maps.
    pub(crate) async fn set_pointer(
        &mut self,
        page: PageNo,
        kind: Pointer,
        parent: PageNo,
    ) -> Result<()> {
        let Some((map, at)) = self.entry(page).await? else { return Ok(()) };
        let mut entry = [kind as u8; ENTRY];
        entry[1..].copy_from_slice(&parent.get().to_be_bytes());
        if map.image[at..at + ENTRY] != entry {
            map.image[at..at + ENTRY].copy_from_slice(&entry);
            map.changed = true;
        }
        Ok(())
    }

    /// Who points to `page`, by its map.
    pub(crate) async fn pointer(&mut self, page: PageNo) -> Result<(Pointer, PageNo)> {
        let corrupt = Corrupt { page, reason: "its pointer map does not say what it is" };
        let Some((map, at)) = self.entry(page).await? else { return Err(corrupt.into()) };
        let kind = Pointer::from_byte(map.image[at]).ok_or(corrupt)?;
        Ok((kind, PageNo(word(&map.image, at + 1))))
    }

    async fn entry(&mut self, page: PageNo) -> Result<Option<(&mut Map, usize)>> {
        let Some(map) = self.geometry.map_of(page) else { return Ok(None) };
        let at = self.geometry.offset(map, page);
        if self.geometry.is_special(page) || page.get() > self.count || at + ENTRY > self.usable {
            return Err(Corrupt { page, reason: "a page that no pointer map describes" }.into());
        }
        if !self.maps.contains_key(&map) {
            let image = PageBuf::copy_of(&self.pages.page(map).await?);
            self.maps.insert(map, Map { image, changed: false });
        }
        Ok(self.maps.get_mut(&map).map(|map| (map, at)))
    }

    // ---- the end ----

    fn put_trunk(&mut self) {
        if let Some(trunk) = self.trunk.take() {
            self.pages.put(trunk.page, trunk.image);
        }
    }

    /// Puts the pages kept here.
    pub(crate) fn finish(mut self) {
        self.put_trunk();
        for (page, map) in std::mem::take(&mut self.maps) {
            if map.changed {
                self.pages.put(page, map.image);
            }
        }
    }

    /// As [`Space::finish`], for a state cut off after `count` pages.
    pub(crate) fn finish_at(mut self, count: u32) {
        self.maps.retain(|page, _| page.get() <= count);
        self.pages.set_page_count(count);
        self.count = count;
        self.finish();
    }
}

/// The big-endian word at `at`; 0 beyond the end, which no caller reaches.
pub(crate) fn word(image: &[u8], at: usize) -> u32 {
    match image.get(at..at + 4) {
        Some(&[a, b, c, d]) => u32::from_be_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// Sets the big-endian word at `at`.
pub(crate) fn put_word(image: &mut [u8], at: usize, value: u32) {
    if let Some(bytes) = image.get_mut(at..at + 4) {
        bytes.copy_from_slice(&value.to_be_bytes());
    }
}
