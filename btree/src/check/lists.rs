//! Chains of pages: the overflow pages of payloads, and the freelist.
//!
//! Invariants:
//! 1. A chain is followed only over pages that nothing else uses: so it ends.

use heddle_base::PageNo;

use super::Check;
use crate::error::Result;
use crate::layout::{PageView, Payload};
use crate::pages::Pages;
use crate::ptrmap::Pointer;
use crate::record::{Record, RecordError};
use crate::space::word;

impl<P: Pages> Check<'_, P> {
    /// Follows the chains of all payloads on a page, and looks where their records begin.
    pub(super) async fn chains(&mut self, view: &PageView<'_>) -> Result<()> {
        for index in 0..view.cell_count() {
            if self.is_full() {
                break;
            }
            if let Ok(payload) = view.payload(index) {
                if let Err(error @ RecordError::Malformed(_)) =
                    Record::parse_local(payload.local, payload.len)
                {
                    self.report(view.page(), format!("cell {index}: {error}"));
                }
                if payload.local.first().is_some_and(|&header| header < 2) {
                    self.report(view.page(), format!("cell {index}: a record without columns"));
                }
                self.chain(view.page(), &payload).await?;
            }
        }
        Ok(())
    }

    async fn chain(&mut self, owner: PageNo, payload: &Payload<'_>) -> Result<()> {
        let Some(first) = payload.overflow else { return Ok(()) };
        let rest = payload.len - payload.local.len() as u64;
        let expected = rest.div_ceil(self.pages.usable_size() as u64 - 4);
        let (mut page, mut from, mut kind) = (first, owner, Pointer::FirstOverflow);
        for _ in 0..expected {
            if !page.is_some() {
                self.report(owner, "an overflow chain ends before its payload");
                return Ok(());
            }
            self.point(page, kind, from).await?;
            if !self.take(page, from) {
                return Ok(());
            }
            let Some(image) = self.image(page).await? else { return Ok(()) };
            (from, page, kind) = (page, PageNo(word(&image, 0)), Pointer::Overflow);
        }
        if page.is_some() {
            self.report(owner, "an overflow chain goes on behind its payload");
        }
        Ok(())
    }

    /// Follows the freelist.
    pub(super) async fn freelist(&mut self) -> Result<()> {
        let most = self.pages.usable_size() / 4 - 2;
        let mut found = 0u64;
        let (mut trunk, mut from) = (self.header.freelist_trunk, PageNo(1));
        while trunk.is_some() && !self.is_full() {
            if !self.take(trunk, from) {
                return Ok(());
            }
            self.point(trunk, Pointer::Free, PageNo::NONE).await?;
            let Some(image) = self.image(trunk).await? else { return Ok(()) };
            found += 1;
            let leaves = word(&image, 4) as usize;
            if leaves > most {
                self.report(trunk, "a freelist trunk with more pages than fit");
                return Ok(());
            }
            for i in 0..leaves {
                let leaf = PageNo(word(&image, 8 + 4 * i));
                self.point(leaf, Pointer::Free, PageNo::NONE).await?;
                self.take(leaf, trunk);
                found += 1;
            }
            (from, trunk) = (trunk, PageNo(word(&image, 0)));
        }
        let said = u64::from(self.header.freelist_count);
        if found != said && !self.is_full() {
            self.report(PageNo(1), format!("the freelist has {found} pages, not {said}"));
        }
        Ok(())
    }
}
