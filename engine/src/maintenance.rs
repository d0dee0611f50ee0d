//! The task in the background: checkpoints when the log or memory is over its limit, or when asked; collection of
//! versions; the clean end.
//!
//! It runs on a thread of its own, which starts with the first work in a database in memory, and holds the database only while it works, so that a
//! database whose handles are dropped ends.
//!
//! # Invariants
//! - M1: neither readers nor committers wait for it, but where memory is over its limit, and then only those who begin.
//! - M2: a checkpoint that failed is reported and tried again; the log is kept until one succeeds.
//! - M3: at the clean end nothing is removed that the file does not hold.
//! - M4: the file keeps its fence for as long as its log may hold a commit that the file lacks.

use std::path::Path;
use std::time::Duration;

use heddle_base::sync::Arc;
use heddle_io::Env;
use heddle_wal::run::{RunName, list_runs, remove_run};

use crate::Result;
use crate::checkpoint::{Checkpoint, Purpose};
use crate::core::Core;
use crate::database::CheckpointReport;
use crate::pulse::{Pulse, Request, Work};

/// Chains that the collector looks at before others get a turn.
const COLLECT: usize = 8 * 1024;
/// How long a checkpoint that failed is not tried again by itself.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Has the task start when there is work: many a database in memory never has any.
pub(crate) fn start(core: &Arc<Core>) {
    let weak = Arc::downgrade(core);
    core.pulse.begin_with(move || {
        let Some(core) = weak.upgrade() else { return };
        let pulse = Arc::clone(&core.pulse);
        let task = async move { run(weak, &pulse).await };
        core.env.runtime.spawn_dedicated("maintenance", Box::pin(task));
    });
}

async fn run(weak: std::sync::Weak<Core>, pulse: &Pulse) {
    loop {
        let work = pulse.next().await;
        let Some(core) = weak.upgrade() else { return };
        match work {
            Work::Look => look(&core).await,
            Work::Asked(Request::Checkpoint(purpose, promise)) => {
                promise.keep(checkpoint(&core, purpose).await);
            }
            Work::Asked(Request::Close(promise)) => {
                let outcome = close(&core).await;
                // Before the answer: who hears it may open the file at once.
                pulse.end();
                drop(core);
                promise.keep(outcome);
                return;
            }
            Work::Ended => return,
        }
    }
}

/// Brings log and memory below their limits, if they are over them.
async fn look(core: &Arc<Core>) {
    let limits = core.limits;
    collect(core);
    let over = |core: &Core| core.manager.store().memory() > limits.memory_bytes;
    let log_full = core.log().log_bytes() >= limits.checkpoint_log_bytes;
    // Half the limit, so that those who begin seldom have to wait.
    let memory_low = core.manager.store().memory() > limits.memory_bytes / 2;
    // A run slows every read of its trees, and may be larger than all else that waits.
    let run_waits = !core.manager.runs().is_empty();
    if limits.auto_checkpoint && (log_full || memory_low || run_waits) {
        core.press(over(core));
        if checkpoint(core, Purpose::Merge).await.is_err() {
            retry_later(core);
        }
    }
    core.press(over(core));
    if over(core) {
        // Snapshots hold what is left: look whether they have ended.
        poke_after(core, Duration::from_millis(20));
    }
    core.look_again_after(core.log().log_bytes());
}

/// A checkpoint from its beginning to its end, counted.
async fn checkpoint(core: &Arc<Core>, purpose: Purpose) -> Result<CheckpointReport> {
    let started = core.env.runtime.now();
    let had_runs = !core.manager.runs().is_empty();
    let outcome = match Checkpoint::begin(core, purpose).await {
        Ok(Some(checkpoint)) => checkpoint.run().await,
        Ok(None) => {
            return Ok(CheckpointReport::nothing(core.manager.base().ts));
        }
        Err(error) => Err(error),
    };
    let took = core.env.runtime.now().saturating_sub(started);
    match &outcome {
        Ok(report) => {
            core.counters.checkpointed(took);
            let (changes, pages) = (report.changes, report.pages);
            tracing::debug!(cut = report.cut.get(), changes, pages, ?took, "checkpoint");
            // Once the log is poisoned snapshots begin at `durable`, which may be below all that are registered now, but
            // not below the cut.
            let oldest = core.manager.registry().oldest().unwrap_or(report.cut);
            core.history.trim(oldest.min(report.cut));
            collect(core);
            if had_runs {
                let_go();
            }
        }
        Err(error) => {
            core.counters.checkpoint_failed(error);
            let path = core.path().display();
            tracing::warn!(%path, %error, "a checkpoint failed; the log is kept, and it is tried again");
        }
    }
    outcome
}

/// Lets go of all versions that nobody needs, in bounded steps: once around all trees and no further, since most
/// versions may be needed and would be looked at for ever.
fn collect(core: &Core) {
    let mut finished = 0;
    loop {
        let stats = core.manager.collect(COLLECT);
        finished += stats.finished;
        if stats.visited < COLLECT || finished > core.manager.store().trees().len() {
            return;
        }
    }
}

/// Hands on what was unlinked to be freed, as far as no reader is in the way: run files are worth more than memory, and an idle
/// database would keep them.
fn let_go() {
    // Garbage is freed two epochs after it was made, and a flush moves on by one.
    for _ in 0..4 {
        heddle_mvcc::pin().flush();
    }
}

fn retry_later(core: &Core) {
    poke_after(core, AFTER_FAILURE);
}

fn poke_after(core: &Core, delay: Duration) {
    let (sleep, pulse) = (core.env.runtime.sleep(delay), Arc::clone(&core.pulse));
    let task = async move {
        sleep.await;
        pulse.poke();
    };
    core.env.runtime.spawn("look-again", Box::pin(task));
}

/// The clean end (M3): everything into the file, the fence down, the log and `-wal` removed.
async fn close(core: &Arc<Core>) -> Result<()> {
    core.commits.ended().await;
    let outcome = end(core).await;
    if outcome.is_err() {
        // What is in the log stays there, for the next open.
        let _ = core.log().close(false).await;
    }
    outcome
}

/// Removes run files beside a database, whatever state they are in.
pub(crate) async fn remove_runs(
    env: &Env,
    path: &Path,
    unwanted: impl Fn(RunName) -> bool + Send,
) -> Result<()> {
    for name in list_runs(env, path).await? {
        if unwanted(name) {
            remove_run(env, path, name).await?;
        }
    }
    Ok(())
}

async fn end(core: &Arc<Core>) -> Result<()> {
    if core.limits.read_only {
        return Ok(core.log().close(false).await?);
    }
    if core.log().is_active() {
        checkpoint(core, Purpose::Merge).await?;
    }
    if let Some(error) = core.log().poisoned() {
        // It may hold commits whose fate nobody knows, and the next opening is to settle it: until then nobody else may write
        // the file (M4).
        return Err(error.into());
    }
    // Without a log it is fenced if the log could not begin.
    if core.pager.snapshot().header().write_version != core.write_version {
        core.pager.set_write_version(core.write_version).await?;
    }
    core.log().close(true).await?;
    remove_runs(&core.env, core.path(), |_| true).await?;
    core.pager.close().await?;
    Ok(())
}
