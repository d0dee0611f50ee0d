//! One cached image, and the states that see it.
//!
//! Invariants:
//! 1. `image` is what every state from `from` up to, but without, `until` has for the page.
//! 2. `from` only falls; `until` is [`Entry::OPEN`] until a later state changes the page, and then fixed.
//! 3. `bytes` points into `image`, which never moves its bytes and lives as long as the entry.

use std::ptr::NonNull;

use crossbeam_epoch::Atomic;
use heddle_base::PageNo;
use heddle_base::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::page::Page;

/// The largest heat: two bits' worth.
const HOTTEST: u8 = 3;

/// See the module.
pub(super) struct Entry {
    from: AtomicU64,
    until: AtomicU64,
    bytes: NonNull<[u8]>,
    /// How often it was used, where uses within one tick count as one.
    heat: AtomicU8,
    /// The tick of the last use that counted.
    touched: AtomicU32,
    pub(super) next: Atomic<Entry>,
    pub(super) page: PageNo,
    /// Its name in the policy's queues.
    pub(super) id: u64,
    /// In the main queue; else in the small one. Written under the policy's lock.
    pub(super) in_main: AtomicBool,
    image: Page,
}

// SAFETY: `bytes` is a shared borrow of `image`, which is Send and Sync; everything else is too.
#[allow(unsafe_code)]
unsafe impl Send for Entry {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Entry {}

impl Entry {
    /// The `until` of an image that is current.
    pub(super) const OPEN: u64 = u64::MAX;

    pub(super) fn new(page: PageNo, id: u64, from: u64, until: u64, image: Page) -> Self {
        Self {
            from: AtomicU64::new(from),
            until: AtomicU64::new(until),
            bytes: NonNull::from(&*image),
            heat: AtomicU8::new(0),
            touched: AtomicU32::new(0),
            next: Atomic::null(),
            page,
            id,
            in_main: AtomicBool::new(false),
            image,
        }
    }

    /// Whether the state sees it. Relaxed will do: whoever reads at a state learned of it through a lock that its
    /// publication held after closing what it replaced; and for a state of before either value is right.
    #[inline]
    pub(super) fn shows(&self, generation: u64) -> bool {
        self.from.load(Ordering::Relaxed) <= generation
            && generation < self.until.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: invariant 3; the borrow lives no longer than the entry.
        #[allow(unsafe_code)]
        unsafe {
            self.bytes.as_ref()
        }
    }

    pub(super) fn image(&self) -> &Page {
        &self.image
    }

    /// Counts a use. Stores at most once a tick, so that threads which share a page do not fight for it.
    #[inline]
    pub(super) fn touch(&self, tick: u32) {
        if self.touched.load(Ordering::Relaxed) != tick {
            self.touched.store(tick, Ordering::Relaxed);
            let heat = self.heat.load(Ordering::Relaxed);
            if heat < HOTTEST {
                self.heat.store(heat + 1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn heat(&self) -> u8 {
        self.heat.load(Ordering::Relaxed)
    }

    pub(super) fn set_heat(&self, heat: u8, tick: u32) {
        self.heat.store(heat, Ordering::Relaxed);
        self.touched.store(tick, Ordering::Relaxed);
    }

    pub(super) fn until(&self) -> u64 {
        self.until.load(Ordering::Relaxed)
    }

    pub(super) fn from(&self) -> u64 {
        self.from.load(Ordering::Relaxed)
    }

    /// An earlier state sees it too.
    pub(super) fn lower_from(&self, from: u64) {
        self.from.fetch_min(from, Ordering::Relaxed);
    }

    pub(super) fn close(&self, until: u64) {
        self.until.store(until, Ordering::Relaxed);
    }

    /// Bytes of memory it stands for.
    pub(super) fn cost(&self) -> usize {
        cost(self.bytes().len())
    }
}

/// Bytes of memory that a cached page of this size takes: buffers are rounded up to their alignment.
pub(super) fn cost(page_size: usize) -> usize {
    page_size.max(heddle_io::IoBuf::ALIGN) + size_of::<Entry>() + 64
}
