//! Commits on their way from the log into memory: while a batch of them is linked, the next is read.
//!
//! Used by [`crate::opening`]. Reading the log waits for the disk and checks sums; linking fills the version store. Each
//! takes a processor, and neither needs the other's.
//!
//! # Invariants
//! - L1: batches are linked in the order of the log, one at a time.
//! - L2: memory is bounded by two batches, beside what is linked.

use bytes::Bytes;
use heddle_base::sync::{Arc, Mutex};
use heddle_base::{Timestamp, TreeId};
use heddle_io::BoxFuture;
use heddle_txn::Manager;
use heddle_txn::redo::{self, Record};
use heddle_wal::run::RunName;

use crate::{Error, Result};

/// Commits in a batch.
const BATCH: usize = 1024;
/// Bytes in a batch at which it is full, however few its commits.
const BATCH_BYTES: usize = 4 << 20;

/// What linking found.
#[derive(Debug)]
pub(crate) struct Linked {
    /// The number after all trees that were changed.
    pub(crate) next_tree: TreeId,
    /// Commits whose changes are in run files.
    pub(crate) runs: Vec<(Timestamp, RunName)>,
}

#[derive(Default)]
struct Batch {
    commits: Vec<(Timestamp, Bytes)>,
    bytes: usize,
}

/// A batch that is being linked, and what becomes of it.
struct Running {
    done: BoxFuture<'static, ()>,
    outcome: Arc<Mutex<Option<Result<Linked>>>>,
}

/// See the module.
pub(crate) struct Replaying {
    manager: Manager,
    batch: Batch,
    running: Option<Running>,
    linked: Linked,
}

impl Replaying {
    pub(crate) fn new(manager: &Manager) -> Replaying {
        let linked = Linked { next_tree: TreeId(0), runs: Vec::new() };
        Replaying { manager: manager.clone(), batch: Batch::default(), running: None, linked }
    }

    /// Adds the next commit.
    ///
    /// # Errors
    /// A record that can't be read, this one or one before.
    ///
    /// # Cancel safety
    /// Dropped, the store being filled is of no use.
    pub(crate) async fn add(&mut self, ticket: Timestamp, record: Bytes) -> Result<()> {
        self.batch.bytes += record.len();
        self.batch.commits.push((ticket, record));
        if self.batch.commits.len() == BATCH || self.batch.bytes >= BATCH_BYTES {
            self.settle().await?;
            self.start();
        }
        Ok(())
    }

    /// Links what is left.
    ///
    /// # Errors
    /// As [`Replaying::add`].
    ///
    /// # Cancel safety
    /// As [`Replaying::add`].
    pub(crate) async fn finish(mut self) -> Result<Linked> {
        self.settle().await?;
        let batch = std::mem::take(&mut self.batch);
        self.linked.take_in(link(&self.manager, &batch)?);
        Ok(self.linked)
    }

    /// Hands the batch over (L1: none is running).
    fn start(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let outcome = Arc::new(Mutex::new(None));
        let (manager, into) = (self.manager.clone(), Arc::clone(&outcome));
        let work = move || {
            let linked = link(&manager, &batch);
            *into.lock() = Some(linked);
        };
        let done = self.manager.env().runtime.compute(Box::new(work));
        self.running = Some(Running { done, outcome });
    }

    async fn settle(&mut self) -> Result<()> {
        let Some(Running { done, outcome }) = self.running.take() else { return Ok(()) };
        done.await;
        let outcome = outcome.lock().take();
        // Only if the thread panicked, which the log of the program then shows.
        self.linked.take_in(outcome.ok_or(Error::Closed)??);
        Ok(())
    }
}

impl Linked {
    fn take_in(&mut self, other: Linked) {
        self.next_tree = self.next_tree.max(other.next_tree);
        self.runs.extend(other.runs);
    }
}

fn link(manager: &Manager, batch: &Batch) -> Result<Linked> {
    let mut linked = Linked { next_tree: TreeId(0), runs: Vec::new() };
    for (ticket, record) in &batch.commits {
        linked.next_tree = linked.next_tree.max(past_trees(record)?);
        let replayed = manager.replay(*ticket, record, TreeId(u32::MAX))?;
        linked.runs.extend(replayed.run.map(|name| (*ticket, name)));
    }
    Ok(linked)
}

/// The number after all trees that a commit changes.
fn past_trees(record: &Bytes) -> Result<TreeId> {
    let Record::Commit(items) = redo::decode(record)? else { return Ok(TreeId(0)) };
    let mut past = TreeId(0);
    for item in items {
        if let redo::Item::Change(change) = item? {
            past = past.max(TreeId(change.tree.get().saturating_add(1)));
        }
    }
    Ok(past)
}
