//! A database file in memory, as the pages of a tree's writer.

use heddle_base::PageNo;
use heddle_btree::error::{Error, Result};
use heddle_btree::header::Header;
use heddle_btree::page::{Page, PageBuf};
use heddle_btree::pages::PagesMut;

/// All pages of a file, to be changed.
#[derive(Clone)]
pub struct Draft {
    pages: Vec<Option<Page>>,
    header: Header,
}

impl Draft {
    /// The pages in the bytes of a file.
    pub fn new(bytes: &[u8]) -> Self {
        let header = Header::parse(bytes).expect("a header");
        let pages = bytes.chunks_exact(header.page_size as usize);
        let pages = pages.map(|page| Some(PageBuf::copy_of(page).freeze())).collect();
        Self { pages, header }
    }

    /// A new database without any table.
    pub fn empty(header: Header) -> Self {
        let mut first = vec![0; header.page_size as usize];
        header.write_into(&mut first);
        first[100] = 0x0d;
        let content = header.usable_size() as u16;
        first[105..107].copy_from_slice(&content.to_be_bytes());
        Self::new(&first)
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let size = self.header.page_size as usize;
        let mut bytes = Vec::with_capacity(self.pages.len() * size);
        for page in &self.pages {
            match page {
                Some(page) => bytes.extend_from_slice(page),
                None => bytes.resize(bytes.len() + size, 0),
            }
        }
        self.header.write_into(&mut bytes);
        bytes
    }
}

impl PagesMut for Draft {
    fn page_size(&self) -> usize {
        self.header.page_size as usize
    }

    fn usable_size(&self) -> usize {
        self.header.usable_size()
    }

    fn page_count(&self) -> u32 {
        self.header.page_count
    }

    async fn page(&mut self, page: PageNo) -> Result<Page> {
        let found = self.pages.get((page.get() as usize).wrapping_sub(1)).cloned().flatten();
        found.ok_or(Error::Corrupt { page, reason: "there is no such page".into() })
    }

    fn put(&mut self, page: PageNo, image: PageBuf) {
        assert!(page.is_some() && image.len() == self.page_size());
        let index = page.get() as usize - 1;
        if index >= self.pages.len() {
            self.pages.resize(index + 1, None);
            self.header.page_count = page.get();
        }
        self.pages[index] = Some(image.freeze());
    }

    fn header(&self) -> &Header {
        &self.header
    }

    fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    fn set_page_count(&mut self, count: u32) {
        self.pages.truncate(count.max(1) as usize);
        self.header.page_count = self.pages.len() as u32;
    }
}
