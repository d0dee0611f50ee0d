//! Before the first commit: the file is fenced, then the log begins.
//!
//! Done once while the log is idle, in a task of its own, for all who wait for it.
//!
//! # Invariants
//! - V1: page 1 has the fence and a fresh change counter, synced, before the log has its first record, which names that
//!   counter. So a log with commits always belongs to a fenced file, and an older copy of the file is
//!   not taken for it.

use heddle_base::sync::{Arc, Mutex};
use heddle_btree::header::Header;
use heddle_txn::redo::{Control, Stage};

use crate::core::Core;
use crate::promise::{Promise, promise};
use crate::{Error, Result};

/// Who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Activation {
    waiters: Mutex<Vec<Promise<Result<()>>>>,
}

impl Activation {
    /// Makes the database ready for commits.
    ///
    /// # Errors
    /// What writing the file gives; nothing is lost then, and a later call tries again.
    ///
    /// # Cancel safety
    /// Dropped, it is done in the background.
    pub(crate) async fn run(&self, core: &Arc<Core>) -> Result<()> {
        let (kept, outcome) = promise();
        let first = {
            let mut waiters = self.waiters.lock();
            waiters.push(kept);
            waiters.len() == 1
        };
        if first {
            let core = Arc::clone(core);
            let runtime = std::sync::Arc::clone(&core.env.runtime);
            let task = async move {
                let outcome = activate(&core).await;
                let waiters = std::mem::take(&mut *core.activation.waiters.lock());
                waiters.into_iter().for_each(|waiter| waiter.keep(outcome.clone()));
            };
            runtime.spawn("activation", Box::pin(task));
        }
        outcome.wait().await.unwrap_or(Err(Error::Closed))
    }
}

/// V1.
async fn activate(core: &Core) -> Result<()> {
    if core.log().is_active() {
        return Ok(());
    }
    let previous = core.pager.snapshot().header().change_counter;
    let counter = core.env.runtime.random() as u32;
    let fence = match heddle_base::planted!("no-fence") {
        true => core.write_version,
        false => Header::FENCE,
    };
    core.pager.set_lineage(fence, counter).await?;
    let base = core.manager.base();
    let control = Control {
        stage: Stage::Begin,
        cut: base.ts,
        counter,
        previous,
        write_version: core.write_version,
        next_tree: core.trees_end(),
        trees: base.roots.as_slice().to_vec(),
    };
    let database_id = core.env.runtime.random();
    core.log().activate(database_id, control.encode()).await?;
    tracing::debug!(path = %core.path().display(), counter, "the log begins");
    Ok(())
}
