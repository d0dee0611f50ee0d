//! Committed runs: what the store needs to know of a run file, and which files there are.
//!
//! A run is linked into the overlay of each tree that it changes; reads that lack a block of it find
//! the file here. Linked by the commit of a spilled transaction ([`crate::spill`]) and by recovery;
//! let go by the collector (overlays) and by the checkpointer ([`Manager::release_runs`]).
//!
//! # Invariants
//! - U1: a run is in the table before it is in an overlay, and as long as it is in one.
//! - U2: a file is declared obsolete only when the log says that a base holds all of it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Weak};

use heddle_base::sync::Mutex;
use heddle_base::{Timestamp, TreeId};
use heddle_mvcc::{Ahead, BlockNo, Direction, Probe, RunBlock, SortedRun};
use heddle_wal::run::{self, RunDirection, RunFile, RunPin, RunProbe, RunSeek};

use crate::error::{Error, Result};
use crate::manager::{Manager, Shared};
use crate::redo::DecodeError;

/// One tree of a run, as its overlay sees it.
#[derive(Debug)]
struct TreeRun {
    file: Arc<RunFile>,
    tree: TreeId,
    ts: Timestamp,
    memory: usize,
}

impl SortedRun for TreeRun {
    fn ts(&self) -> Timestamp {
        self.ts
    }

    fn may_contain(&self, key: &[u8]) -> bool {
        self.file.may_contain(self.tree, key)
    }

    fn may_intersect(&self, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> bool {
        self.file.may_intersect(self.tree, lower, upper)
    }

    fn try_get(&self, key: &[u8]) -> Probe {
        match self.file.try_get(self.tree, key) {
            RunProbe::Absent => Probe::Absent,
            RunProbe::Found(value) => Probe::Found(value),
            RunProbe::NeedsIo(block) => Probe::NeedsIo(BlockNo(block.0)),
        }
    }

    fn try_seek(&self, near: Bound<&[u8]>, direction: Direction) -> Ahead {
        match self.file.try_seek(self.tree, near, run_direction(direction)) {
            RunSeek::End => Ahead::End,
            RunSeek::NeedsIo(block) => Ahead::NeedsIo(BlockNo(block.0)),
            RunSeek::At(place) => {
                let entry = place.entry();
                Ahead::Entry(entry.key, entry.value)
            }
        }
    }

    fn memory(&self) -> usize {
        self.memory
    }
}

/// The same way.
pub(crate) fn run_direction(direction: Direction) -> RunDirection {
    match direction {
        Direction::Forward => RunDirection::Forward,
        Direction::Backward => RunDirection::Backward,
    }
}

/// A block that a read lacks, and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Lacking {
    pub(crate) file: Arc<RunFile>,
    pub(crate) block: run::BlockNo,
}

impl Lacking {
    /// Reads it. Ask again before the pin is dropped.
    pub(crate) async fn load(&self) -> Result<RunPin> {
        Ok(self.file.load(self.block).await?)
    }
}

#[derive(Debug)]
enum Live {
    /// No base that the log knows of holds it.
    Needed(Arc<RunFile>),
    /// Only overlays have it, for older snapshots.
    Covered(Weak<RunFile>),
}

/// The runs of a database by their timestamps.
#[derive(Debug, Default)]
pub(crate) struct Runs(Mutex<BTreeMap<Timestamp, Live>>);

impl Runs {
    fn insert(&self, ts: Timestamp, file: &Arc<RunFile>) {
        self.0.lock().insert(ts, Live::Needed(Arc::clone(file)));
    }

    fn remove(&self, ts: Timestamp) {
        self.0.lock().remove(&ts);
    }

    /// Where a block is that an overlay's read lacks. `None`: the run went, and the read goes on
    /// without it.
    pub(crate) fn find(&self, block: RunBlock) -> Option<Lacking> {
        let file = match self.0.lock().get(&block.run)? {
            Live::Needed(file) => Arc::clone(file),
            Live::Covered(file) => file.upgrade()?,
        };
        Some(Lacking { file, block: run::BlockNo(block.block.0) })
    }

    /// Loads a block that an overlay's read lacks.
    pub(crate) async fn load(&self, block: RunBlock) -> Result<Option<RunPin>> {
        match self.find(block) {
            Some(lacking) => Ok(Some(lacking.load().await?)),
            None => Ok(None),
        }
    }

    fn needed(&self) -> Vec<(Timestamp, Arc<RunFile>)> {
        let runs = self.0.lock();
        let needed = runs.iter().filter_map(|(ts, live)| match live {
            Live::Needed(file) => Some((*ts, Arc::clone(file))),
            Live::Covered(_) => None,
        });
        needed.collect()
    }

    fn release(&self, cut: Timestamp) {
        let mut released = Vec::new();
        let mut runs = self.0.lock();
        for (_, live) in runs.range_mut(..=cut) {
            if let Live::Needed(file) = live {
                let weak = Live::Covered(Arc::downgrade(file));
                released.push(std::mem::replace(live, weak));
            }
        }
        runs.retain(|_, live| match live {
            Live::Needed(_) => true,
            Live::Covered(file) => file.strong_count() > 0,
        });
        drop(runs);
        for live in released {
            if let Live::Needed(file) = live {
                file.set_obsolete();
            }
        }
    }
}

/// Links a run into the overlays of its trees, and takes it out again unless it is kept: a panic on the
/// way turns the ticket void, and then nobody may see the run.
pub(crate) struct Linking<'a> {
    shared: &'a Shared,
    ts: Timestamp,
    file: &'a Arc<RunFile>,
    kept: bool,
}

impl<'a> Linking<'a> {
    /// The caller has drawn this ticket under the exclusive gate, or is recovery.
    pub(crate) fn new(shared: &'a Shared, ts: Timestamp, file: &'a Arc<RunFile>) -> Self {
        shared.runs.insert(ts, file);
        let linking = Self { shared, ts, file, kept: false };
        let mut memory = file.memory();
        for tree in file.trees() {
            let state = shared.trees.make(*tree, || "".into());
            // The file's memory counts once.
            let memory = std::mem::take(&mut memory);
            let run = TreeRun { file: Arc::clone(file), tree: *tree, ts, memory };
            state.overlay.link_run(Arc::new(run));
        }
        linking
    }

    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Linking<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for state in self.file.trees().iter().filter_map(|tree| self.shared.trees.get(*tree)) {
            state.overlay.unlink_run(self.ts);
        }
        self.shared.runs.remove(self.ts);
    }
}

impl Manager {
    /// Links a run that a commit named before the restart ([`crate::replay::Replayed`]). Before the
    /// database is open to anybody.
    ///
    /// # Errors
    /// [`Error::Record`] if it changes trees from `next_tree` on, which were never made.
    pub fn replay_run(
        &self,
        ticket: Timestamp,
        file: &Arc<RunFile>,
        next_tree: TreeId,
    ) -> Result<()> {
        if file.trees().last().is_some_and(|last| *last >= next_tree) {
            let reason = "a run of a tree that was never made";
            return Err(Error::Record(DecodeError { at: 0, reason }));
        }
        Linking::new(self.shared(), ticket, file).keep();
        Ok(())
    }

    /// The runs that no base holds for good yet, in the order of their commits. The checkpointer merges
    /// those up to its cut.
    pub fn runs(&self) -> Vec<(Timestamp, Arc<RunFile>)> {
        self.shared().runs.needed()
    }

    /// Says that what was committed up to `cut` is in a base that the log knows of: nobody will look for
    /// the files of those runs after a restart. They go when the last snapshot that reads them does.
    pub fn release_runs(&self, cut: Timestamp) {
        self.shared().runs.release(cut);
    }
}
