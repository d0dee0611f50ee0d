//! Overflow chains: the part of a payload that does not fit in its cell.
//!
//! Each page of a chain has the number of the next (0 at the end) in its first four bytes, then content.
//! A [`Chain`] is a position in one; whoever holds the pages feeds them in, so that the same code serves
//! cached pages, pages that must be loaded first, and the writer's own.
//!
//! Invariants:
//! 1. A chain takes exactly as many pages as the payload needs, and no more than the file has: a loop ends
//!    with `Corrupt` or with the payload's length.
//! 2. Memory grows page by page with what the chain really has.
//! 3. No guard is held while a page is waited for.

use heddle_base::PageNo;

use crate::error::Result;
use crate::layout::{Corrupt, Payload};
use crate::pages::Pages;

/// A position in an overflow chain.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    next: PageNo,
    /// Bytes of the payload still to come.
    remaining: u64,
    /// Bytes of content a page has.
    per_page: usize,
}

impl Chain {
    /// The chain behind the local part of `payload`, which lies on page `owner`, in a file of `page_count` pages
    /// with `usable` bytes each; `None` if all of it is local.
    ///
    /// # Errors
    /// `Corrupt` if the file has fewer pages than the chain would need.
    pub fn begin(
        owner: PageNo,
        payload: &Payload<'_>,
        usable: usize,
        page_count: u32,
    ) -> std::result::Result<Option<Self>, Corrupt> {
        let Some(next) = payload.overflow else {
            return Ok(None);
        };
        let per_page = usable - 4;
        let remaining = payload.len - payload.local.len() as u64;
        if remaining.div_ceil(per_page as u64) > u64::from(page_count) {
            return Err(Corrupt { page: owner, reason: "a payload is longer than the file" });
        }
        Ok(Some(Self { next, remaining, per_page }))
    }

    /// The page to be read next; `None` when the payload is complete.
    #[inline]
    pub fn next_page(&self) -> Option<PageNo> {
        (self.remaining > 0).then_some(self.next)
    }

    /// Takes the image of [`Chain::next_page`]: the content it adds to the payload.
    ///
    /// # Errors
    /// `Corrupt` if the chain ends before the payload does, or the image is no whole page.
    pub fn take<'a>(&mut self, image: &'a [u8]) -> std::result::Result<&'a [u8], Corrupt> {
        let page = self.next;
        let corrupt = |reason| Corrupt { page, reason };
        let len = self.remaining.min(self.per_page as u64) as usize;
        let (Some(&[a, b, c, d]), Some(content)) = (image.get(..4), image.get(4..4 + len)) else {
            return Err(corrupt("an overflow page is cut short"));
        };
        self.remaining -= len as u64;
        self.next = PageNo(u32::from_be_bytes([a, b, c, d]));
        if self.remaining > 0 && !self.next.is_some() {
            return Err(corrupt("an overflow chain ends before its payload"));
        }
        Ok(content)
    }
}

/// A payload being put together from its local part and its chain.
pub(crate) struct ChainRead {
    chain: Chain,
    payload: Vec<u8>,
}

impl ChainRead {
    /// A read of `payload`, which overflows and whose cell lies on page `owner`.
    pub(crate) fn begin(owner: PageNo, payload: &Payload<'_>, pages: &impl Pages) -> Result<Self> {
        let (usable, page_count) = (pages.usable_size(), pages.page_count());
        let Some(chain) = Chain::begin(owner, payload, usable, page_count)? else {
            return Err(Corrupt {
                page: owner,
                reason: "a record is shorter than its header says",
            }
            .into());
        };
        Ok(Self { chain, payload: payload.local.to_vec() })
    }

    /// Reads on over cached pages: `None` when the payload is complete, else the page that is missing.
    fn advance(&mut self, pages: &impl Pages) -> Result<Option<PageNo>> {
        let guard = crossbeam_epoch::pin();
        while let Some(page) = self.chain.next_page() {
            let Some(image) = pages.cached(page, &guard)? else {
                return Ok(Some(page));
            };
            self.payload.extend_from_slice(self.chain.take(image)?);
        }
        Ok(None)
    }
}

/// Reads a chain to its end: the whole payload.
///
/// # Cancel safety
/// It only reads.
pub(crate) async fn complete(mut read: ChainRead, pages: &impl Pages) -> Result<Vec<u8>> {
    while let Some(page) = read.advance(pages)? {
        let image = pages.page(page).await?;
        read.payload.extend_from_slice(read.chain.take(&image)?);
    }
    Ok(read.payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(len: u64) -> Payload<'static> {
        Payload { len, local: b"local", overflow: Some(PageNo(2)) }
    }

    fn image(next: u32) -> Vec<u8> {
        let mut image = vec![7; 512];
        image[..4].copy_from_slice(&next.to_be_bytes());
        image
    }

    /// Invariant 1.
    #[test]
    fn a_loop_ends_with_the_payload() {
        let mut chain = Chain::begin(PageNo(1), &payload(5 + 508 * 3), 512, 3)
            .expect("fits the file")
            .expect("overflows");
        let mut out = Vec::new();
        while let Some(page) = chain.next_page() {
            assert_eq!(page, PageNo(2));
            out.extend_from_slice(chain.take(&image(2)).expect("a whole page"));
        }
        assert_eq!(out.len(), 508 * 3);
    }

    #[test]
    fn a_payload_longer_than_the_file_is_refused_before_any_page_is_read() {
        assert!(Chain::begin(PageNo(1), &payload(1_000_000_000), 512, 100).is_err());
    }

    #[test]
    fn a_chain_that_ends_early_is_corrupt() {
        let mut chain = Chain::begin(PageNo(1), &payload(5 + 600), 512, 9)
            .expect("fits the file")
            .expect("overflows");
        assert_eq!(chain.take(&image(0)).map_err(|e| e.page), Err(PageNo(2)));
    }
}
