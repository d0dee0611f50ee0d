//! A checkpoint: the newest committed versions up to a cut, merged into the file.
//!
//! Driven by [`crate::maintenance`]; the trees are [`crate::merging`]'s. Its steps are separate, so that a test can stop between
//! any two and let stock SQLite look.
//!
//! | step | what | a crash after it leaves |
//! | --- | --- | --- |
//! | `cut` | the log is synced, the cut chosen and registered as a snapshot | the state before |
//! | `merge` | changes go into private pages; beyond a budget as frames without a commit | the state before |
//! | `intent` | cut, counter and roots in the log, synced | the state before |
//! | `frames` | the commit frame in `-wal` | either state |
//! | `sync` | `-wal` is synced | the new state, by `-wal` |
//! | `publish` | new snapshots read the new base | the new state |
//! | `done` | the new state in the log, synced; segments up to the cut are recycled, run files removed | the new state |
//! | `pages` | all pages but the first in the file, synced | the new state |
//! | `first` | page 1 in the file, synced | the new state |
//! | `reset` | `-wal` is emptied | the new state |
//!
//! # Invariants
//! - C1: the commit frame is written only after the intent that names its counter is durable.
//! - C2: the log gives nothing up before `-wal` is synced, and then only after its tail says everything that
//!   recovery needs. Nor are run files removed before.
//! - C3: a failure before the commit frame leaves everything as it was, for another try. After it, either the
//!   remaining steps can be done again, or the pager refuses checkpoints until the file is opened again.

use heddle_base::sync::Arc;
use heddle_base::sync::atomic::Ordering;
use heddle_base::{Timestamp, TreeId};
use heddle_btree::backfill::Backfill;
use heddle_btree::page_writer::PageWriter;
use heddle_btree::pages::PagesMut;
use heddle_mvcc::SlotId;
use heddle_txn::redo::{Control, Stage};
use heddle_txn::{Base, Roots};

use crate::catalog::Catalog;
use crate::core::Core;
use crate::database::CheckpointReport;
use crate::merging::{Merged, merge};
use crate::raw::header;
use crate::vacuum;
use crate::{Error, Result};

/// What a checkpoint is for, beside the changes that it merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Nothing else: without changes there is nothing to do.
    Merge,
    /// Every tree is written anew, without gaps.
    Vacuum,
    /// Up to so many free pages are given back.
    Shrink(u32),
}

/// A checkpoint on its way.
pub(crate) struct Checkpoint {
    core: Arc<Core>,
    purpose: Purpose,
    /// What other checkpoints wait for.
    _alone: Alone,
    base: Base,
    /// Keeps the versions up to the cut.
    cut: Registered,
    catalog: std::sync::Arc<Catalog>,
    control: Control,
    next: Next,
    report: CheckpointReport,
}

/// What the next step needs.
enum Next {
    Merge,
    Intent(PageWriter, Roots),
    Frames(PageWriter, Roots),
    Sync(PageWriter, Roots),
    Publish(PageWriter, Roots),
    Done(Backfill),
    Pages(Backfill),
    First(Backfill),
    Reset(Backfill),
    Finished,
}

impl Next {
    fn name(&self) -> Option<&'static str> {
        Some(match self {
            Next::Merge => "merge",
            Next::Intent(..) => "intent",
            Next::Frames(..) => "frames",
            Next::Sync(..) => "sync",
            Next::Publish(..) => "publish",
            Next::Done(_) => "done",
            Next::Pages(_) => "pages",
            Next::First(_) => "first",
            Next::Reset(_) => "reset",
            Next::Finished => return None,
        })
    }
}

impl Checkpoint {
    /// Chooses the cut; `None` if there is nothing to do.
    ///
    /// # Errors
    /// What syncing the log, beginning it, or ending an interrupted backfill, gives; [`Error::Busy`] if a checkpoint is
    /// on its way.
    ///
    /// # Cancel safety
    /// Dropped, nothing was done but syncing.
    pub(crate) async fn begin(core: &Arc<Core>, purpose: Purpose) -> Result<Option<Checkpoint>> {
        let alone = Alone::take(core)?;
        // What an earlier checkpoint left undone comes first.
        if let Some(backfill) = core.pager.unfinished_backfill() {
            backfill.reset().await?;
        }
        if core.limits.read_only || (purpose == Purpose::Merge && !core.log().is_active()) {
            return Ok(None);
        }
        Core::ready(core).await?;
        let (cut, catalog, base) = loop {
            core.history.settled().await;
            let base = core.manager.base();
            if purpose == Purpose::Merge && core.newest_commit() <= base.ts {
                return Ok(None);
            }
            let cut = if heddle_base::planted!("cut-above-durable") {
                core.log().installed()
            } else {
                core.log().sync().await?;
                core.log().durable()
            };
            // A change of the schema whose ticket is not above the cut has its entry, unless it is just being made.
            if let Some(catalog) = core.history.at(cut) {
                match Registered::new(core, cut, &base) {
                    Some(registered) => break (registered, catalog, base),
                    None => continue,
                }
            }
        };
        let header = core.pager.snapshot().header().clone();
        let control = Control {
            stage: Stage::Intent,
            cut: cut.ts,
            counter: fresh_counter(core, header.change_counter),
            previous: header.change_counter,
            write_version: core.write_version,
            next_tree: core.trees_end(),
            trees: Vec::new(),
        };
        let report = CheckpointReport::nothing(cut.ts);
        let core = Arc::clone(core);
        let next = Next::Merge;
        Ok(Some(Checkpoint {
            core,
            purpose,
            _alone: alone,
            base,
            cut,
            catalog,
            control,
            next,
            report,
        }))
    }

    /// The name of the next step; `None` after the last.
    pub(crate) fn next_step(&self) -> Option<&'static str> {
        self.next.name()
    }

    /// What it did so far.
    pub(crate) fn report(&self) -> CheckpointReport {
        self.report
    }

    /// Does all steps.
    ///
    /// # Errors
    /// As [`Checkpoint::step`].
    ///
    /// # Cancel safety
    /// As after an error.
    pub(crate) async fn run(mut self) -> Result<CheckpointReport> {
        while self.next_step().is_some() {
            self.step().await?;
        }
        Ok(self.report)
    }

    /// Does the next step. After an error the checkpoint is to be dropped (C3).
    ///
    /// # Errors
    /// What the layers below give.
    ///
    /// # Cancel safety
    /// As after an error.
    pub(crate) async fn step(&mut self) -> Result<()> {
        let step = self.next.name();
        self.core.counters.step(step);
        let next = std::mem::replace(&mut self.next, Next::Finished);
        self.next = self.advance(next).await.inspect_err(|error| {
            tracing::debug!(step, %error, "a step of a checkpoint failed");
        })?;
        Ok(())
    }

    async fn advance(&mut self, next: Next) -> Result<Next> {
        let core = &self.core;
        Ok(match next {
            Next::Merge => {
                let (writer, roots) = self.merge().await?;
                Next::Intent(writer, roots)
            }
            Next::Intent(writer, roots) => {
                self.control.trees = roots.as_slice().to_vec();
                if heddle_base::planted!("cut-above-durable") {
                    // To wait for the intent would be to wait for the commits before it.
                    let (noting, intent) = (Arc::clone(core), self.control.encode());
                    let note = async move { drop(noting.log().append_control(intent).await) };
                    core.env.runtime.spawn("intent", Box::pin(note));
                } else {
                    core.log().append_control(self.control.encode()).await?;
                }
                Next::Frames(writer, roots)
            }
            Next::Frames(mut writer, roots) => {
                // C1.
                writer.write_frames().await?;
                self.report.pages = writer.frame_count() as u64;
                Next::Sync(writer, roots)
            }
            Next::Sync(mut writer, roots) => {
                if !heddle_base::planted!("checkpoint-unsynced") {
                    writer.sync_wal().await?;
                }
                Next::Publish(writer, roots)
            }
            Next::Publish(writer, roots) => {
                let (_, backfill) = writer.publish();
                let snapshot = core.pager.snapshot();
                let roots = std::sync::Arc::new(roots);
                core.manager.publish_base(Base { ts: self.cut.ts, snapshot, roots });
                // Held on, the old state would have the backfill keep an image of every page that changes.
                self.base = core.manager.base();
                Next::Done(backfill)
            }
            Next::Done(backfill) => {
                self.control.stage = Stage::Done;
                core.log().append_control(self.control.encode()).await?;
                // C2.
                core.log().recycle(self.cut.ts).await?;
                core.manager.release_runs(self.cut.ts);
                Next::Pages(backfill)
            }
            Next::Pages(mut backfill) => {
                backfill.pages_but_first().await?;
                Next::First(backfill)
            }
            Next::First(mut backfill) => {
                backfill.first_page().await?;
                Next::Reset(backfill)
            }
            Next::Reset(backfill) => {
                backfill.reset().await?;
                Next::Finished
            }
            Next::Finished => Next::Finished,
        })
    }

    async fn merge(&mut self) -> Result<(PageWriter, Roots)> {
        let mut writer = self.core.pager.begin_write().await?;
        let base = &self.base;
        let (core, cut, catalog) = (&*self.core, self.cut.ts, &*self.catalog);
        let merged = match self.purpose {
            Purpose::Merge => merge(core, &mut writer, base, cut, catalog, None).await?,
            Purpose::Shrink(most) => {
                merge(core, &mut writer, base, cut, catalog, Some(most)).await?
            }
            Purpose::Vacuum => vacuum::rebuild(core, &mut writer, base, cut, catalog).await?,
        };
        let freed = base.snapshot.header().page_count.saturating_sub(writer.header().page_count);
        self.report.pages_freed = freed.into();
        let Merged { roots, changes, schema_changed } = merged;
        self.report.changes = changes;
        let counter = self.control.counter;
        let header = writer.header_mut();
        header.change_counter = counter;
        header.version_valid_for = counter;
        let has_cookie = header::merge(core, self.base.ts, cut, header).await?;
        if schema_changed {
            if !has_cookie {
                header.schema_cookie = header.schema_cookie.wrapping_add(1);
            }
            header.schema_format = self.catalog.format().number();
        }
        Ok((writer, roots))
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        self.core.counters.step(None);
    }
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoint")
            .field("cut", &self.cut.ts)
            .field("next", &self.next_step())
            .finish_non_exhaustive()
    }
}

/// A counter that page 1 does not have yet.
fn fresh_counter(core: &Core, old: u32) -> u32 {
    loop {
        let counter = core.env.runtime.random() as u32;
        if counter != old {
            return counter;
        }
    }
}

/// The right to run a checkpoint.
struct Alone(Arc<Core>);

impl Alone {
    fn take(core: &Arc<Core>) -> Result<Alone> {
        if core.checkpointing.swap(true, Ordering::SeqCst) {
            let what = "a checkpoint is on its way".to_owned();
            return Err(Error::Busy { what, waited: std::time::Duration::ZERO });
        }
        Ok(Alone(Arc::clone(core)))
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.checkpointing.store(false, Ordering::SeqCst);
    }
}

/// The cut as a snapshot, so that the collector keeps what it needs.
struct Registered {
    core: Arc<Core>,
    ts: Timestamp,
    slot: Option<SlotId>,
}

impl Registered {
    /// `None` if the collector has moved past: choose a newer cut.
    fn new(core: &Arc<Core>, ts: Timestamp, base: &Base) -> Option<Registered> {
        let generation = base.snapshot.generation();
        let slot = core.manager.registry().register_detached(ts, base.ts, generation).ok()?;
        Some(Registered { core: Arc::clone(core), ts, slot: Some(slot) })
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.core.manager.registry().release(slot);
        }
    }
}

/// The tree of the schema, which every base has.
pub(crate) const SCHEMA: TreeId = TreeId::SCHEMA;
