//! The way back after a conflict: wait for one's turn, begin anew, and in the end through the gate.
//!
//! # Invariants
//! - R1: a turn is asked for before the new snapshot is taken; so the snapshot sees what the
//!   transaction conflicted with.
//! - R2: after `patience` conflicts a transaction is immediate, and an immediate one can't conflict:
//!   whoever retries gets through.

use bytes::Bytes;
use heddle_base::TreeId;
use heddle_base::sync::Arc;
use heddle_mvcc::TurnId;

use crate::error::{Conflict, ConflictKind, Result};
use crate::manager::{Manager, Shared};
use crate::options::{Mode, TxOptions};
use crate::transaction::Transaction;

/// The right to try next, among those who failed on the same key. It ends when it is dropped, or
/// when somebody commits there.
pub struct Turn {
    shared: Arc<Shared>,
    tree: TreeId,
    key: Bytes,
    id: Option<TurnId>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(id) = self.id.take()
            && let Some(state) = self.shared.trees.get(self.tree)
        {
            state.overlay.end_turn(&self.key, id);
        }
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").field("tree", &self.tree).field("key", &self.key).finish()
    }
}

impl Manager {
    /// Waits in line behind the others who failed on the conflict's key, and until a new snapshot
    /// will see what it conflicted with. `None`: there is no key to wait for.
    ///
    /// # Cancel safety
    /// Dropped while waiting, it leaves the line; a turn just given passes to the next.
    pub async fn await_turn(&self, conflict: &Conflict) -> Option<Turn> {
        let shared = self.shared();
        let turn = match (&conflict.key, conflict.kind, shared.trees.get(conflict.tree)) {
            (_, ConflictKind::Schema | ConflictKind::Evicted, _) => None,
            (Some(key), _, Some(state)) => {
                let id = state.overlay.queue_detached(key).await;
                let (shared, key) = (Arc::clone(shared), key.clone());
                id.map(|id| Turn { shared, tree: conflict.tree, key, id: Some(id) })
            }
            _ => None,
        };
        shared.reach(conflict.until).await;
        turn
    }
}

/// One transaction's attempts.
///
/// ```ignore
/// let mut retry = Retry::new(&manager, TxOptions::default());
/// loop {
///     let mut tx = retry.begin().await?;
///     // reads and writes
///     match tx.commit().await {
///         Err(Error::Conflict(conflict)) => retry.failed(*conflict),
///         other => break other,
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Retry {
    manager: Manager,
    options: TxOptions,
    failures: u32,
    last: Option<Conflict>,
}

impl Retry {
    /// Before the first attempt.
    pub fn new(manager: &Manager, options: TxOptions) -> Self {
        Self { manager: manager.clone(), options, failures: 0, last: None }
    }

    /// Begins the next attempt, when it is its turn.
    ///
    /// # Errors
    /// As [`Manager::begin`].
    ///
    /// # Cancel safety
    /// Dropped while waiting, it leaves the line.
    pub async fn begin(&mut self) -> Result<Transaction> {
        let Some(conflict) = &self.last else {
            return self.manager.begin(self.options).await;
        };
        if self.failures >= self.manager.shared().options.patience {
            let options = TxOptions { mode: Mode::Immediate, ..self.options };
            return self.manager.begin(options).await;
        }
        let turn = self.manager.await_turn(conflict).await;
        let mut tx = self.manager.begin(self.options).await?;
        tx.turn = turn;
        Ok(tx)
    }

    /// Notes that the attempt met a conflict.
    pub fn failed(&mut self, conflict: Conflict) {
        self.failures += 1;
        self.last = Some(conflict);
    }

    /// How many attempts failed.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}
