//! What a checkpoint takes of one tree: the newest change of each key, from the versions in memory and from the runs of
//! transactions larger than that.
//!
//! Made by [`crate::merging`] and [`crate::vacuum`], drawn by [`heddle_btree::merge`].
//!
//! # Invariants
//! - Q1: of a key that several sources have, the change with the latest timestamp counts.
//! - Q2: memory is a batch of versions, and a read of each run.

use std::collections::VecDeque;
use std::ops::Bound;

use bytes::Bytes;
use heddle_base::sync::Arc;
use heddle_base::sync::atomic::Ordering;
use heddle_base::{Timestamp, TreeId};
use heddle_btree::changes::{Change, Changes};
use heddle_mvcc::{Drained, Overlay};
use heddle_wal::run::{RunCursor, RunDirection, RunEntry};

use crate::core::Core;
use crate::metrics::Counters;

/// Versions that are taken from the store at once, and changes that are counted at once.
const BATCH: usize = 1024;

/// See the module.
pub(crate) struct TreeChanges<'a> {
    versions: Versions,
    runs: Vec<Run>,
    counters: &'a Counters,
    /// Changes given and not counted yet.
    uncounted: u64,
}

impl TreeChanges<'_> {
    /// What was committed to `tree` after `base_ts`, up to `cut`.
    pub(crate) fn new(
        core: &Core,
        tree: TreeId,
        base_ts: Timestamp,
        cut: Timestamp,
    ) -> TreeChanges<'_> {
        let overlay = core.manager.store().tree(tree);
        let mut versions = Versions::new(overlay, base_ts, cut);
        versions.refill();
        let runs = core.manager.runs().into_iter();
        let runs = runs.filter(|(ts, run)| {
            *ts > base_ts && *ts <= cut && run.trees().binary_search(&tree).is_ok()
        });
        let forward = RunDirection::Forward;
        let runs = runs.map(|(ts, run)| Run {
            ts,
            cursor: RunCursor::new(run, tree, Bound::Unbounded, forward),
            head: None,
        });
        TreeChanges { versions, runs: runs.collect(), counters: &core.counters, uncounted: 0 }
    }

    /// Whether nothing was committed. To be asked before the first is taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.versions.batch.is_empty() && self.runs.is_empty()
    }

    fn count(&mut self) {
        let counted = std::mem::take(&mut self.uncounted);
        self.counters.checkpoint_changes.fetch_add(counted, Ordering::Relaxed);
    }

    /// Every run gets its next change, or goes.
    async fn fill_heads(&mut self) -> heddle_btree::Result<()> {
        for run in self.runs.iter_mut().filter(|run| run.head.is_none()) {
            run.head = match run.cursor.try_next() {
                Some(entry) => Some(entry),
                None => run.cursor.next().await.map_err(unreadable)?,
            };
        }
        self.runs.retain(|run| run.head.is_some());
        Ok(())
    }

    /// Q1.
    fn take_newest(&mut self) -> Option<Change> {
        let heads = self.runs.iter().filter_map(|run| run.head.as_ref()).map(|head| &head.key);
        let key = heads.chain(self.versions.batch.front().map(|next| &next.key)).min()?.clone();
        let mut newest: Option<(Timestamp, Option<Bytes>)> = None;
        if let Some(version) = self.versions.batch.pop_front_if(|next| next.key == key) {
            newest = Some((version.ts, version.value));
        }
        for run in &mut self.runs {
            if let Some(entry) = run.head.take_if(|head| head.key == key)
                && newest.as_ref().is_none_or(|(ts, _)| *ts < run.ts)
            {
                newest = Some((run.ts, entry.value));
            }
        }
        newest.map(|(_, value)| (key, value))
    }
}

impl Changes for TreeChanges<'_> {
    async fn next(&mut self) -> heddle_btree::Result<Option<Change>> {
        if self.versions.batch.is_empty() {
            self.versions.refill();
        }
        let change = if self.runs.is_empty() {
            self.versions.batch.pop_front().map(|version| (version.key, version.value))
        } else {
            self.fill_heads().await?;
            self.take_newest()
        };
        self.uncounted += u64::from(change.is_some());
        if change.is_none() || self.uncounted >= BATCH as u64 {
            self.count();
        }
        Ok(change)
    }
}

/// A run that changes the tree, and its next change.
struct Run {
    ts: Timestamp,
    cursor: RunCursor,
    head: Option<RunEntry>,
}

fn unreadable(error: heddle_wal::Error) -> heddle_btree::Error {
    heddle_btree::Error::Changes(std::sync::Arc::new(error))
}

/// A tree's newest versions in memory, up to the cut.
struct Versions {
    overlay: Arc<Overlay>,
    base_ts: Timestamp,
    cut: Timestamp,
    last: Option<Bytes>,
    batch: VecDeque<Drained>,
    buffer: Vec<Drained>,
    more: bool,
}

impl Versions {
    fn new(overlay: Arc<Overlay>, base_ts: Timestamp, cut: Timestamp) -> Versions {
        let (batch, buffer) = (VecDeque::new(), Vec::new());
        Versions { overlay, base_ts, cut, last: None, batch, buffer, more: true }
    }

    fn refill(&mut self) {
        while self.batch.is_empty() && self.more {
            self.more = self.overlay.drain(
                self.last.as_deref(),
                self.base_ts,
                self.cut,
                BATCH,
                &mut self.buffer,
            );
            if let Some(last) = self.buffer.last() {
                self.last = Some(last.key.clone());
            }
            self.batch.extend(self.buffer.drain(..));
        }
    }
}
