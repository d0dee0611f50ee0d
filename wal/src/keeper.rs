//! The keeper of segments: prepares the next one in the background, recycles spent ones, and does
//! every change of files that must not stop in the middle when its caller goes away.
//!
//! It is no task that lives for ever: whoever has something for it starts it, and it ends when
//! nothing is left to do.
//!
//! # Invariants
//! - E1: its jobs run one after the other.
//! - E2: a job once accepted is done whether or not somebody waits for it.
//! - E3: while the log is active one segment is ready beyond the one being written, or a failure
//!   has been told to all who wait for room; the next who waits has it tried again.

use std::collections::VecDeque;
use std::sync::Arc as StdArc;

use heddle_base::sync::{Arc, Mutex};
use heddle_io::{BoxFuture, IoBuf};

use crate::bell::reply;
use crate::format::NO_RESUME;
use crate::log::{Inner, Phase};
use crate::segment::{self, Names, Plan, Role};
use crate::{Error, Result};

/// See the module.
#[derive(Default)]
pub(crate) struct Keeper(Mutex<State>);

#[derive(Default)]
struct State {
    jobs: VecDeque<BoxFuture<'static, ()>>,
    running: bool,
    poked: bool,
}

impl Keeper {
    /// Looks whether a segment must be prepared.
    pub(crate) fn poke(inner: &Arc<Inner>) {
        inner.keeper.0.lock().poked = true;
        Self::start(inner);
    }

    /// Has `work` done, and waits for its result.
    pub(crate) async fn call<T: Send + 'static>(
        inner: &Arc<Inner>,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = reply();
        let job = async move { answer.send(work.await) };
        inner.keeper.0.lock().jobs.push_back(Box::pin(job));
        Self::start(inner);
        answered.await.unwrap_or(Err(Error::Closed))
    }

    fn start(inner: &Arc<Inner>) {
        let mut state = inner.keeper.0.lock();
        if !state.running {
            state.running = true;
            drop(state);
            let inner = Arc::clone(inner);
            let runtime = StdArc::clone(&inner.env.runtime);
            runtime.spawn("heddle-log-keeper", Box::pin(Self::serve(inner)));
        }
    }

    async fn serve(inner: Arc<Inner>) {
        loop {
            let job = {
                let mut state = inner.keeper.0.lock();
                match state.jobs.pop_front() {
                    Some(job) => Some(job),
                    None if std::mem::take(&mut state.poked) => None,
                    None => {
                        state.running = false;
                        return;
                    }
                }
            };
            match job {
                Some(job) => job.await,
                None => prepare(&inner).await,
            }
        }
    }
}

/// Makes segments until one is ahead and nobody lacks room (E3).
async fn prepare(inner: &Inner) {
    let Some(names) = &inner.names else { return };
    while inner.phase() == Phase::Active && !inner.is_failed() {
        let ahead = !inner.table.lock().prepared.is_empty();
        if ahead && inner.budget.shortage() == 0 {
            return;
        }
        if let Err(error) = prepare_one(inner, names).await {
            tracing::warn!(%error, "no log segment could be prepared");
            inner.budget.fail_short(&error);
            return;
        }
    }
}

async fn prepare_one(inner: &Inner, names: &Names) -> Result<()> {
    let capacity = inner.options.segment_bytes;
    let (plan, spare) = {
        let mut table = inner.table.lock();
        let plan = Plan {
            number: table.next_number,
            database_id: table.database_id,
            capacity,
            window: inner.options.window_bytes,
            resume: NO_RESUME,
        };
        (plan, table.take_spare(capacity))
    };
    let recycled = spare.is_some();
    let made = segment::make(&inner.env, names, plan, spare.clone(), IoBuf::empty()).await;
    let segment = match made {
        Ok(segment) => segment,
        Err(error) => {
            // Whatever is there under the temporary name takes room and helps nobody.
            let temporary = spare.unwrap_or_else(|| names.temporary(plan.number));
            let _ = inner.env.io.remove(&temporary).await;
            return Err(full_or(error));
        }
    };
    let blocks = segment.blocks();
    {
        let mut table = inner.table.lock();
        table.next_number += 1;
        table.prepared.push_back(segment);
    }
    inner.counters.segments_made.add(1);
    inner.counters.segments_recycled.add(u64::from(recycled));
    inner.budget.give(0, blocks);
    Ok(())
}

/// Tells a full disk from other failures.
pub(crate) fn full_or(error: Error) -> Error {
    match error {
        Error::Io(error) if error.is_disk_full() => Error::DiskFull(error),
        other => other,
    }
}

/// Frees spent segments, the oldest first, each durably before the next: so no hole appears in
/// the middle of the log whatever a crash keeps.
pub(crate) async fn recycle(inner: &Inner, cut: u64) -> Result<()> {
    let Some(names) = &inner.names else { return Ok(()) };
    loop {
        let (path, spare) = {
            let table = inner.table.lock();
            let Some(live) = table.spent(cut) else { return Ok(()) };
            let spare = table.wants_spare(names, live, inner.options.segment_bytes);
            (names.segment(live.number), spare)
        };
        match &spare {
            Some(spare) => inner.env.io.rename(&path, spare).await?,
            None => inner.env.io.remove(&path).await?,
        }
        inner.env.io.sync_dir(names.dir()).await?;
        let mut table = inner.table.lock();
        table.retire_front(spare);
        if let Some(first) = table.live.front() {
            inner.start.store(first.start, heddle_base::sync::atomic::Ordering::Release);
        }
    }
}

/// Removes every file of a log that has ended.
pub(crate) async fn remove_all(inner: &Inner) -> Result<()> {
    let Some(names) = &inner.names else { return Ok(()) };
    let paths = inner.table.lock().drain(names);
    for path in paths {
        match inner.env.io.remove(&path).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => inner.env.io.sync_dir(names.dir()).await?,
        }
    }
    remove_leftovers(inner).await
}

/// Removes files that were being made, or kept for reuse, when a process ended.
pub(crate) async fn remove_leftovers(inner: &Inner) -> Result<()> {
    let Some(names) = &inner.names else { return Ok(()) };
    for entry in inner.env.io.list(names.dir()).await? {
        if names.classify(&entry) == Some(Role::Leftover) {
            inner.env.io.remove(&names.dir().join(entry)).await?;
        }
    }
    Ok(())
}
