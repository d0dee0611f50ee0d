//! What the readers and the writers of trees need of whoever holds the pages.
//!
//! The pager's snapshot is a [`Pages`], its page writer a [`PagesMut`]; a test's image of a file in memory is another. So that trees and cursors know
//! nothing of caches and files.

use std::ops::Deref;

use crossbeam_epoch::Guard;
use heddle_base::PageNo;

use crate::error::Result;
use crate::header::Header;
use crate::page::{Page, PageBuf};

/// An immutable set of pages, numbered from 1: one state of a database. Clones are cheap and show the same state.
///
/// A page number of 0 or above [`Pages::page_count`] is `Corrupt`, in every method.
pub trait Pages: Clone + Send + Sync + 'static {
    /// An owned image of a page.
    type Page: Deref<Target = [u8]> + Clone + Send + Sync + 'static;

    /// Bytes of each page that are in use: the page size without the reserved bytes, at least 480.
    fn usable_size(&self) -> usize;

    /// How many pages there are.
    fn page_count(&self) -> u32;

    /// The image of a page, borrowed from the cache without a lock, an allocation or a reference count; `None` if it
    /// is not cached.
    ///
    /// # Errors
    /// `Corrupt` if there is no such page.
    fn cached<'g>(&'g self, page: PageNo, guard: &'g Guard) -> Result<Option<&'g [u8]>>;

    /// As [`Pages::cached`], but owned.
    ///
    /// # Errors
    /// `Corrupt` if there is no such page.
    fn cached_page(&self, page: PageNo, guard: &Guard) -> Result<Option<Self::Page>>;

    /// The image of a page, loaded if it is not cached.
    ///
    /// # Errors
    /// `Corrupt` if there is no such page, or what reading the file gives.
    ///
    /// # Cancel safety
    /// It only reads.
    fn page(&self, page: PageNo) -> impl Future<Output = Result<Self::Page>> + Send;

    /// Begins to load pages that will be wanted soon. Failures are left to whoever then asks for the page.
    ///
    /// # Cancel safety
    /// It only reads.
    fn prefetch(&self, pages: &[PageNo]) -> impl Future<Output = ()> + Send;
}

/// The pages of the next state, while it is made. Pages are numbered from 1.
///
/// What the header says is not in the image of page 1 until the state is written: ask [`PagesMut::header`].
pub trait PagesMut: Send {
    /// Bytes of each page.
    fn page_size(&self) -> usize;

    /// Bytes of each page that are in use, at least 480.
    fn usable_size(&self) -> usize;

    /// How many pages the next state has so far.
    fn page_count(&self) -> u32;

    /// The image of a page, as the next state has it so far.
    ///
    /// # Errors
    /// `Corrupt` if there is no such page, or what reading the file gives.
    ///
    /// # Cancel safety
    /// It changes nothing that the state is made of.
    fn page(&mut self, page: PageNo) -> impl Future<Output = Result<Page>> + Send;

    /// Lets go of images that take more memory than they may; [`PagesMut::page`] does so too. For who puts pages and reads none,
    /// as a load in the order of its keys.
    ///
    /// # Errors
    /// What writing them elsewhere gives; nothing is lost then.
    ///
    /// # Cancel safety
    /// It changes nothing that the state is made of.
    fn relieve(&mut self) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Sets a page of the next state, which grows to hold it. `image` has the size of a page.
    fn put(&mut self, page: PageNo, image: PageBuf);

    /// The header of the next state.
    fn header(&self) -> &Header;

    /// The header of the next state, to change.
    fn header_mut(&mut self) -> &mut Header;

    /// Cuts the next state off after `count` pages, at least one.
    fn set_page_count(&mut self, count: u32);
}
