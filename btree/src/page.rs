//! Images of pages: mutable while one writer owns them, then shared and immutable.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use heddle_io::IoBuf;

/// A page image that one owner may change. Aligned as transfers want it.
#[derive(Debug)]
pub struct PageBuf(IoBuf);

impl PageBuf {
    /// A page of zeros, `size` bytes long.
    pub fn zeroed(size: usize) -> Self {
        Self(IoBuf::zeroed(size))
    }

    /// A copy of a page.
    pub fn copy_of(image: &[u8]) -> Self {
        Self(IoBuf::copy_of(image))
    }

    /// Takes over the buffer of a transfer.
    pub fn from_io(buf: IoBuf) -> Self {
        Self(buf)
    }

    /// Ends the changes; copies no bytes.
    pub fn freeze(self) -> Page {
        Page(Arc::new(self.0))
    }
}

impl Deref for PageBuf {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for PageBuf {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// An immutable page image; clones share it.
#[derive(Clone, Debug)]
pub struct Page(Arc<IoBuf>);

impl Deref for Page {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}
