//! The ticket ring: who draws a ticket owns one slot, fills it, and so lets the prefix of filled
//! slots grow.
//!
//! Drawn and filled by committers ([`crate::Draw`]), emptied in order of tickets by the flusher.
//!
//! # Invariants
//! - R1: a ticket is drawn once; tickets are dense from the start value + 1.
//! - R2: `installed` is the largest ticket up to which every slot was filled.
//! - R3: at most as many tickets as there are slots are drawn and not yet taken: the caller holds
//!   a permit from before the draw until the slot was taken. So a slot's user has it to himself.
//!
//! # Not here
//! Handing out the permits ([`crate::budget`]).

use crossbeam_utils::CachePadded;
use heddle_base::sync::Mutex;
use heddle_base::sync::atomic::{AtomicU64, Ordering, fence};

use crate::watermark::Watermark;

/// See the module. `R` is what a slot carries.
#[derive(Debug)]
pub struct Ring<R> {
    slots: Box<[Slot<R>]>,
    drawn: CachePadded<AtomicU64>,
    installed: Watermark,
}

#[derive(Debug)]
struct Slot<R> {
    /// The ticket by which it was filled last.
    filled: AtomicU64,
    /// Never contended: R3 gives it to one user at a time, the lock makes that checkable.
    record: Mutex<Option<R>>,
}

impl<R> Ring<R> {
    /// A ring of `slots` slots, a power of two; the first ticket is 1.
    pub fn new(slots: usize) -> Self {
        let slot = |_| Slot { filled: AtomicU64::new(0), record: Mutex::new(None) };
        Self {
            slots: (0..slots.next_power_of_two()).map(slot).collect(),
            drawn: CachePadded::new(AtomicU64::new(0)),
            installed: Watermark::new(0),
        }
    }

    /// Lets tickets go on after `last`. Only while nobody draws.
    pub fn start_after(&self, last: u64) {
        self.drawn.store(last, Ordering::SeqCst);
        self.installed.raise(last);
        self.installed.notify();
    }

    fn slot(&self, ticket: u64) -> &Slot<R> {
        // The mask keeps the index below the length, a power of two.
        &self.slots[ticket as usize & (self.slots.len() - 1)]
    }

    /// Draws a ticket: the point that orders committers. The caller holds a permit (R3).
    #[inline]
    pub fn draw(&self) -> u64 {
        self.drawn.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The last ticket drawn.
    #[inline]
    pub fn drawn(&self) -> u64 {
        self.drawn.load(Ordering::SeqCst)
    }

    /// Fills a drawn ticket's slot, with nothing for a void. Returns by how many tickets this
    /// call advanced `installed`; its waiters have not been told ([`Ring::installed`]).
    #[inline]
    pub fn fill(&self, ticket: u64, record: Option<R>) -> u64 {
        let slot = self.slot(ticket);
        if record.is_some() {
            *slot.record.lock() = record;
        }
        slot.filled.store(ticket, Ordering::Release);
        // Of two fillers of neighbouring tickets the one whose fence comes second sees both
        // filled, and steps over both (R2).
        fence(Ordering::SeqCst);
        self.advance()
    }

    fn advance(&self) -> u64 {
        let mut steps = 0;
        loop {
            let last = self.installed.get();
            if self.slot(last + 1).filled.load(Ordering::Acquire) == last + 1 {
                steps += u64::from(self.installed.step(last));
            } else if self.installed.get() == last {
                // A slot that somebody has reused shows a later ticket, and `installed` is then
                // seen to have moved: reuse comes after it.
                return steps;
            }
        }
    }

    /// Every ticket up to here is filled.
    #[inline]
    pub fn installed(&self) -> &Watermark {
        &self.installed
    }

    /// Empties the slot of a ticket at or below `installed`; nothing for a void. Each ticket
    /// once, after which the caller gives the permit back.
    pub fn take(&self, ticket: u64) -> Option<R> {
        debug_assert!(ticket <= self.installed.get());
        self.slot(ticket).record.lock().take()
    }
}

#[cfg(all(test, not(any(heddle_loom, heddle_shuttle))))]
mod tests;
