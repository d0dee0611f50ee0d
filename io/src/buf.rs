//! The buffer of every transfer: aligned for O_DIRECT, owned by the operation while it runs.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// An owned, zero-initialised byte buffer whose address is a multiple of [`IoBuf::ALIGN`].
///
/// Its length is what an operation transfers; the capacity is rounded up to the alignment.
///
/// ```
/// let mut buf = heddle_io::IoBuf::zeroed(4096);
/// buf[..5].copy_from_slice(b"hello");
/// assert_eq!(buf.as_ptr() as usize % heddle_io::IoBuf::ALIGN, 0);
/// ```
pub struct IoBuf {
    start: NonNull<u8>,
    len: usize,
    capacity: usize,
}

/// Lends its alignment to the address of an empty buffer.
#[repr(align(4096))]
struct Aligned;

const _: () = assert!(align_of::<Aligned>() == IoBuf::ALIGN);

// SAFETY: the buffer is uniquely owned memory without interior mutability.
#[allow(unsafe_code)]
unsafe impl Send for IoBuf {}
// SAFETY: as above; a shared reference only reads.
#[allow(unsafe_code)]
unsafe impl Sync for IoBuf {}

impl IoBuf {
    /// Alignment in bytes of the address and the capacity: what O_DIRECT asks for.
    pub const ALIGN: usize = 4096;

    /// A buffer of `len` zero bytes.
    #[allow(unsafe_code)]
    pub fn zeroed(len: usize) -> Self {
        let capacity = len.max(1).next_multiple_of(Self::ALIGN);
        let layout = Self::layout(capacity);
        // SAFETY: the capacity, and so the layout's size, is at least ALIGN, hence not zero.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        Self { start, len, capacity }
    }

    /// A buffer of no bytes, which allocates nothing.
    pub const fn empty() -> Self {
        Self { start: NonNull::<Aligned>::dangling().cast(), len: 0, capacity: 0 }
    }

    /// A buffer with a copy of `bytes`.
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut buf = Self::zeroed(bytes.len());
        buf.copy_from_slice(bytes);
        buf
    }

    /// Bytes that fit without a new allocation.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Changes the length, keeping what is there; new bytes within the capacity keep whatever
    /// initialised content the memory has. Panics never: beyond the capacity it reallocates.
    pub fn resize(&mut self, len: usize) {
        if len > self.capacity {
            let mut larger = Self::zeroed(len);
            larger[..self.len].copy_from_slice(self);
            *self = larger;
        } else {
            self.len = len;
        }
    }

    fn layout(capacity: usize) -> Layout {
        match Layout::from_size_align(capacity, Self::ALIGN) {
            Ok(layout) => layout,
            Err(_) => handle_alloc_error(Layout::new::<u8>()),
        }
    }
}

impl Drop for IoBuf {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        if self.capacity == 0 {
            return;
        }
        // SAFETY: allocated in `zeroed` with this very layout, and owned by us alone. Only `empty`
        // makes a capacity of 0.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.capacity)) }
    }
}

impl Deref for IoBuf {
    type Target = [u8];

    #[inline]
    #[allow(unsafe_code)]
    fn deref(&self) -> &[u8] {
        // SAFETY: `len <= capacity` bytes are allocated and were zero-initialised.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for IoBuf {
    #[inline]
    #[allow(unsafe_code)]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl fmt::Debug for IoBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IoBuf({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::IoBuf;

    #[test]
    fn an_empty_buffer_grows_and_goes() {
        let mut buf = IoBuf::empty();
        assert_eq!((buf.len(), buf.as_ptr().addr() % IoBuf::ALIGN), (0, 0));
        buf.resize(5);
        assert_eq!(&*buf, [0; 5]);
    }

    #[test]
    fn grows_and_keeps_content() {
        let mut buf = IoBuf::copy_of(b"abc");
        buf.resize(10_000);
        assert_eq!((&buf[..3], buf[9_999], buf.capacity()), (&b"abc"[..], 0, 12_288));
    }
}
