//! A transaction's status: one word, so that all its versions become visible by one store.
//!
//! Written by the committer alone; read through every pending version that points to it.
//!
//! # Invariants
//! - S1: the status only moves forward: Locked, Drawing, Drawn, then Committed or Void.
//! - S2: `Drawing` is stored before the ticket is drawn (SeqCst). So a validator that drew its own
//!   ticket and still reads `Locked` knows that the other's ticket will be larger.

use heddle_base::Timestamp;
use heddle_base::sync::Arc;
use heddle_base::sync::atomic::{AtomicU64, Ordering};

const TAG_BITS: u32 = 3;
const LOCKED: u64 = 0;
const DRAWING: u64 = 1;
const DRAWN: u64 = 2;
const COMMITTED: u64 = 3;
const VOID: u64 = 4;

/// Where a committing transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Holds chains; has not begun to draw its ticket.
    Locked,
    /// Is drawing its ticket: counts as smaller than any that is drawn later.
    Drawing,
    /// Has this ticket and is validating.
    Drawn(Timestamp),
    /// Committed with this ticket.
    Committed(Timestamp),
    /// Will never commit; its versions do not exist.
    Void,
}

/// The status word of one transaction. Tickets stay below 2^61.
#[derive(Debug)]
pub struct TxnStatus(AtomicU64);

impl TxnStatus {
    /// A transaction that is locking its chains.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(LOCKED)))
    }

    /// A transaction that committed at `ticket`: for what recovery replays.
    pub fn committed_at(ticket: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(ticket.get() << TAG_BITS | COMMITTED)))
    }

    /// The status now.
    #[inline]
    pub fn get(&self) -> Status {
        let word = self.0.load(Ordering::SeqCst);
        let ticket = Timestamp(word >> TAG_BITS);
        match word & ((1 << TAG_BITS) - 1) {
            LOCKED => Status::Locked,
            DRAWING => Status::Drawing,
            DRAWN => Status::Drawn(ticket),
            COMMITTED => Status::Committed(ticket),
            _ => Status::Void,
        }
    }

    /// Says that the ticket is about to be drawn. Comes before the fetch-add (S2).
    pub fn set_drawing(&self) {
        self.advance(DRAWING);
    }

    /// Says which ticket was drawn. Comes before validation, so that the transaction's own
    /// versions are known as its own, and others need not guess.
    pub fn set_drawn(&self, ticket: Timestamp) {
        self.advance(ticket.get() << TAG_BITS | DRAWN);
    }

    /// Publishes: from here on every snapshot at or above `ticket` sees the versions.
    pub fn set_committed(&self, ticket: Timestamp) {
        self.advance(ticket.get() << TAG_BITS | COMMITTED);
    }

    /// Gives up. A status that already says `Committed` must not be voided.
    pub fn set_void(&self) {
        self.advance(VOID);
    }

    fn advance(&self, word: u64) {
        let mask = (1 << TAG_BITS) - 1;
        debug_assert!(self.0.load(Ordering::Relaxed) & mask < word & mask, "S1");
        self.0.store(word, Ordering::SeqCst);
    }
}
