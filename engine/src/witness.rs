//! What a test may learn of a transaction that its user need not know: the moment it reads at, and its place in
//! the order of commits, even if the commit's future was dropped.

use heddle_base::Timestamp;
use heddle_base::sync::Arc;
use heddle_base::sync::atomic::{AtomicU64, Ordering};

use crate::transaction::Transaction;

/// Learns the ticket of a transaction in the poll that publishes it.
#[doc(hidden)]
#[derive(Debug, Clone, Default)]
pub struct Witness(Arc<AtomicU64>);

impl Witness {
    /// The ticket, once others see the commit.
    pub fn ticket(&self) -> Option<Timestamp> {
        Some(self.0.load(Ordering::SeqCst)).filter(|ticket| *ticket > 0).map(Timestamp)
    }

    pub(crate) fn tell(witness: Option<Witness>, ticket: Timestamp) {
        if let Some(witness) = witness {
            witness.0.store(ticket.get(), Ordering::SeqCst);
        }
    }
}

impl Transaction {
    /// The moment whose state it reads.
    #[doc(hidden)]
    pub fn reads_at(&self) -> Timestamp {
        self.inner.snapshot()
    }

    /// Asks to be told the ticket.
    #[doc(hidden)]
    pub fn witness(&mut self) -> Witness {
        self.witness.get_or_insert_default().clone()
    }
}
