//! Transactions larger than memory: the write set becomes sorted run files, and in the end one.
//!
//! The transaction's own reads look into its runs as they do into its writes in memory. Each run
//! belongs to one interval between savepoints, so that undoing an interval drops whole runs. Its commit
//! is [`crate::commit`]'s, by another road: alone, since nothing of it is in any chain.
//!
//! # Invariants
//! - E1: a file of a transaction that does not commit is removed, when the last cursor that reads it
//!   goes. A crash leaves files that no record names.
//! - E2: until all runs of a spill are finished, the writes are in memory still.
//! - E3: a transaction that passed the database's gate shared does not spill: it could not commit, for that
//!   needs the gate alone.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use heddle_base::{Timestamp, TreeId};
use heddle_io::{BoxFuture, Env};
use heddle_wal::run::{RunFile, RunName, RunProbe, RunWriter, merge_runs};

use crate::commit::{Commit, Published};
use crate::error::{ConflictKind, Error, Result};
use crate::gate;
use crate::manager::Shared;
use crate::options::Mode;
use crate::redo::Encoder;
use crate::runs::Linking;
use crate::transaction::Transaction;
use crate::validate::{Broken, Validation};
use crate::write_set::{Interval, WriteSet};

/// So many runs of one interval and level are merged into one of the next level: so what is written is written
/// again once for each level, and the levels are few.
const FAN_IN: usize = 16;

/// A run of a transaction that has not committed (E1).
#[derive(Debug)]
pub(crate) struct OwnRun {
    file: Arc<RunFile>,
    /// How often its oldest part was merged.
    level: u32,
    kept: bool,
}

impl OwnRun {
    fn new(file: Arc<RunFile>, level: u32) -> Self {
        Self { file, level, kept: false }
    }

    pub(crate) fn file(&self) -> &Arc<RunFile> {
        &self.file
    }

    /// It is committed now.
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for OwnRun {
    fn drop(&mut self) {
        if !self.kept {
            self.file.set_obsolete();
        }
    }
}

/// Changes on their way into a run. Boxed: the compiler can't see that a future which holds a closure's
/// iterator is `Send`.
type Changes<'w> = Box<dyn Iterator<Item = (TreeId, &'w Bytes, Option<&'w Bytes>)> + Send + 'w>;

/// Where runs are written.
struct Place {
    env: Env,
    db_path: PathBuf,
}

impl Place {
    /// `None`: the database has no files.
    fn of(shared: &Shared) -> Option<Self> {
        let db_path = shared.db_path.clone()?;
        Some(Self { env: shared.env.clone(), db_path })
    }

    async fn writer(&self) -> Result<RunWriter> {
        let name = RunName::random(&self.env);
        Ok(RunWriter::create(&self.env, &self.db_path, name).await?)
    }

    /// Writes changes, which ascend by tree and key.
    async fn write(&self, changes: Changes<'_>) -> Result<OwnRun> {
        let mut writer = self.writer().await?;
        for (tree, key, value) in changes {
            writer.push(tree, key, value.map(Bytes::deref))?;
            if writer.wants_flush() {
                writer.flush().await?;
            }
        }
        Ok(OwnRun::new(writer.finish().await?, 0))
    }

    /// One run of several, the newest of which comes last.
    async fn merge(&self, runs: &[OwnRun]) -> Result<OwnRun> {
        let newest_first: Vec<_> = runs.iter().rev().map(|run| Arc::clone(&run.file)).collect();
        let name = RunName::random(&self.env);
        let merged = merge_runs(&self.env, &self.db_path, name, &newest_first).await?;
        let level = runs.iter().map(|run| run.level).max().unwrap_or(0) + 1;
        Ok(OwnRun::new(merged, level))
    }
}

/// The transaction's change of a key in its runs, if they have one.
///
/// # Cancel safety
/// It only reads.
pub(crate) async fn get_in_runs(
    runs: &[OwnRun],
    tree: TreeId,
    key: &[u8],
) -> Result<Option<Option<Bytes>>> {
    let mut pin = None;
    for run in runs.iter().rev() {
        loop {
            match run.file.try_get(tree, key) {
                RunProbe::Absent => break,
                RunProbe::Found(value) => return Ok(Some(value)),
                RunProbe::NeedsIo(block) => pin = Some(run.file.load(block).await?),
            }
        }
    }
    drop(pin);
    Ok(None)
}

/// As [`get_in_runs`], without waiting: `Err` if that needs I/O.
pub(crate) fn try_get_in_runs(
    runs: &[OwnRun],
    tree: TreeId,
    key: &[u8],
) -> std::result::Result<Option<Option<Bytes>>, NeedsIo> {
    for run in runs.iter().rev() {
        match run.file.try_get(tree, key) {
            RunProbe::Absent => {}
            RunProbe::Found(value) => return Ok(Some(value)),
            RunProbe::NeedsIo(_) => return Err(NeedsIo),
        }
    }
    Ok(None)
}

/// A block is not in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NeedsIo;

impl Transaction {
    /// Whether its writes take more memory than it may use: then await [`Transaction::make_room`]
    /// before the next ones.
    #[inline]
    pub fn needs_room(&self) -> bool {
        self.writes.weight() > self.options.write_budget && self.may_spill()
    }

    /// E3, and a database without files.
    #[cold]
    fn may_spill(&self) -> bool {
        let alone = self.gate.as_ref().is_none_or(|gate| gate.mode() == gate::Mode::Exclusive);
        alone && self.view.shared().db_path.is_some()
    }

    /// Writes what it wrote so far to files, if that takes more memory than it may use. Of a database
    /// without files the writes stay in memory.
    ///
    /// # Errors
    /// [`Error::Log`], for example of a full disk: the writes stay in memory, and nothing else happened.
    ///
    /// # Cancel safety
    /// Dropped midway, the writes stay in memory; what was written of files is removed.
    pub async fn make_room(&mut self) -> Result<()> {
        if self.needs_room() {
            // Boxed: those who need no room pay for no large future.
            let spill: BoxFuture<'_, Result<()>> = Box::pin(self.spill());
            spill.await?;
        }
        Ok(())
    }

    /// How large the files are that it has made of its writes, in bytes.
    pub fn spilled_bytes(&self) -> u64 {
        self.writes.runs().iter().map(|run| run.file.bytes()).sum()
    }

    async fn spill(&mut self) -> Result<()> {
        let Some(place) = Place::of(self.view.shared()) else { return Ok(()) };
        if self.writes.weight() == 0 {
            return Ok(());
        }
        let spilled = spill_intervals(&place, &self.writes).await?;
        let counters = &self.view.shared().spilled;
        let bytes = spilled.iter().map(|(_, run)| run.file.bytes()).sum();
        counters.runs.fetch_add(spilled.len() as u64, Relaxed);
        counters.bytes.fetch_add(bytes, Relaxed);
        self.writes.take_runs(spilled);
        loop {
            let newest = of_newest_level(self.writes.newest_interval());
            if newest.len() < FAN_IN {
                return Ok(());
            }
            let (count, merged) = (newest.len(), place.merge(newest).await?);
            self.writes.replace_newest_runs(count, merged);
        }
    }

    /// All writes as one run.
    async fn seal(&mut self) -> Result<OwnRun> {
        let Some(place) = Place::of(self.view.shared()) else { return Err(no_files()) };
        self.writes.forget_savepoints();
        self.spill().await?;
        let runs = self.writes.runs();
        if runs.len() > 1 {
            let (count, merged) = (runs.len(), place.merge(runs).await?);
            self.writes.replace_newest_runs(count, merged);
        }
        self.writes.pop_run().ok_or_else(no_files)
    }

    /// [`Transaction::publish`], for a transaction that spilled. It passes the database's gate alone: so
    /// nobody else is between his first lock and his publication, and what he wrote can be compared with
    /// the run at leisure, and nobody needs to be told of the run before it is linked.
    pub(crate) async fn publish_run(mut self) -> Result<Published> {
        let run = self.seal().await?;
        let Transaction { view, options, reads, used, schema, gate, closed, turn, .. } = self;
        let pin = heddle_base::sync::Arc::clone(view.pin());
        let shared = &*pin.shared;
        let commit = Commit { shared, view: &view, options: &options };
        let database = match &gate {
            Some(pass) if pass.mode() == gate::Mode::Exclusive => None,
            // E3 makes this impossible, and waiting for oneself would last for ever.
            Some(_) => {
                return Err(Error::Busy { what: "the database", waited: Default::default() });
            }
            None => Some(commit.pass(&shared.gate, gate::Mode::Exclusive, "the database").await?),
        };
        shared.reach_drawn().await;
        let held = |table| closed.iter().any(|(closed, _)| *closed == table);
        let tables = commit.pass_tables(&used, &schema, held).await?;
        commit.check_versions(&used, &schema)?;
        let mut record = Vec::new();
        Encoder::new(&mut record).run(run.file.name().to_string().as_bytes());
        let permit = commit.reserve(record.len()).await?;
        if options.mode == Mode::Optimistic {
            let until = shared.log.drawn();
            let broken = first_committer(shared, view.ts(), &run.file)
                .or_else(|| Validation::new(shared, &reads, view.ts()).alone());
            if let Some(broken) = broken {
                return Err(commit.conflict(broken, until));
            }
        }
        let draw = permit.draw();
        let ticket = draw.ticket();
        Linking::new(shared, ticket, &run.file).keep();
        run.keep();
        draw.fill(record);
        commit.set_schema(&schema);
        // Commit P4.
        drop(tables);
        drop(closed);
        drop(database);
        drop(gate);
        drop(turn);
        drop(view);
        Ok(Published::at(pin, ticket, options.durability))
    }
}

fn no_files() -> Error {
    Error::Log(heddle_wal::Error::Closed)
}

/// The newest of these runs, as far back as none was merged more often than the last.
fn of_newest_level(runs: &[OwnRun]) -> &[OwnRun] {
    let level = runs.last().map_or(0, |run| run.level);
    let older = runs.iter().rposition(|run| run.level > level).map_or(0, |at| at + 1);
    runs.get(older..).unwrap_or_default()
}

/// A run for each interval that wrote something.
async fn spill_intervals(place: &Place, writes: &WriteSet) -> Result<Vec<(usize, OwnRun)>> {
    let mut spilled = Vec::new();
    match writes.intervals() {
        None => {
            let changes = writes.trees().iter().flat_map(|tree| {
                tree.iter().map(|write| (tree.tree, &write.key, write.value.as_ref()))
            });
            spilled.push((writes.interval(), place.write(Box::new(changes)).await?));
        }
        Some(intervals) => {
            for Interval { number, writes } in intervals {
                let changes =
                    writes.iter().map(|((tree, key), value)| (*tree, key, value.as_ref()));
                spilled.push((number, place.write(Box::new(changes)).await?));
            }
        }
    }
    Ok(spilled)
}

/// First committer wins, for a run: what of it may somebody else have written since the snapshot?
fn first_committer(shared: &Shared, since: Timestamp, run: &RunFile) -> Option<Broken> {
    let guard = heddle_mvcc::pin();
    run.trees().iter().find_map(|&tree| {
        let overlay = &shared.trees.get(tree)?.overlay;
        let (lower, upper) = run.bounds(tree)?;
        let ours = |key: &[u8]| run.may_contain(tree, key);
        let change = overlay.range_changed_where(lower, upper, since, None, &guard, ours)?;
        Some(match change {
            heddle_mvcc::Change::Key(key) => {
                Broken { tree, key: Some(key), kind: ConflictKind::WriteWrite }
            }
            heddle_mvcc::Change::Evicted => Broken { tree, key: None, kind: ConflictKind::Evicted },
        })
    })
}
