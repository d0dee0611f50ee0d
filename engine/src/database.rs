//! The database: opening, beginning transactions, checkpoints, closing.
//!
//! # Invariants
//! - D1: what one open made is closed by one close: its clones answer [`Error::Closed`] from then on. The last
//!   close of a file that was opened several times is the clean end.

use std::path::{Path, PathBuf};

use heddle_base::Timestamp;
use heddle_base::sync::Arc;
use heddle_base::sync::atomic::{AtomicBool, Ordering};
use heddle_btree::check::{Order, Subject};
use heddle_btree::tree::TreeKind;
use heddle_io::Env;
use heddle_wal::Log;

use crate::checkpoint::{Checkpoint, Purpose};
use crate::core::Core;
use crate::lanes::Lanes;
use crate::transaction::Transaction;
use crate::{
    CheckpointSteps, Durability, Error, Isolation, Mode, Options, Result, TxOptions, opening,
};

/// An open database. Cloning gives another handle to the same one.
///
/// Dropping all handles without [`Database::close`] loses nothing that was committed: what is not in the file yet stays in the
/// log beside it, and the next open finds it there.
#[derive(Clone)]
pub struct Database {
    session: Arc<Session>,
}

/// What one call of [`Database::open`] made (D1).
struct Session {
    lanes: Lanes,
    closed: AtomicBool,
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.closed.swap(true, Ordering::SeqCst) && self.lanes.core().end_session() {
            let core = Arc::clone(self.lanes.core());
            let runtime = std::sync::Arc::clone(&core.env.runtime);
            let task = async move {
                core.pulse.end();
                // The next open of the file waits for this, and finds nobody at work on the log.
                if let Err(error) = core.log().close(false).await {
                    tracing::debug!(%error, "the log of a dropped database did not end well");
                }
            };
            runtime.spawn("dropped", Box::pin(task));
        }
    }
}

/// What a checkpoint did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointReport {
    /// The commits up to here are in the file now.
    pub cut: Timestamp,
    /// Rows and index entries merged into the file's trees.
    pub changes: u64,
    /// Pages written.
    pub pages: u64,
    /// Pages by which the file became shorter.
    pub pages_freed: u64,
}

impl CheckpointReport {
    pub(crate) fn nothing(cut: Timestamp) -> CheckpointReport {
        CheckpointReport { cut, changes: 0, pages: 0, pages_freed: 0 }
    }
}

/// Bytes of writes that surely fit into one record of the log.
const MOST_IN_A_RECORD: usize = 128 << 20;

/// The log of a database, by the name that its segments begin with.
pub(crate) fn log_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-log");
    PathBuf::from(name)
}

impl Database {
    /// Opens a SQLite database file, or makes a new one. A log that an interrupted run left is recovered.
    ///
    /// Opened once more in the same process, it is the same database, unless [`Options::share`] says no.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotADatabase`], [`Error::Corrupt`], [`Error::Unsupported`], [`Error::ReadOnly`],
    /// [`Error::AlreadyOpen`], [`Error::Locked`], [`Error::ChangedUnderLog`], [`Error::ForeignLog`],
    /// [`Error::NeedsRecovery`] when only reading, [`Error::DiskFull`], [`Error::Io`].
    ///
    /// # Cancel safety
    /// Dropped before it ends, the file is as another open finds it useful.
    pub async fn open(path: impl AsRef<Path>, options: Options) -> Result<Database> {
        let core = opening::open(path.as_ref(), &options).await?;
        Ok(Database::of(core))
    }

    /// Opens a new database in memory, which is gone with its last handle.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a page size that SQLite does not have.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn open_in_memory(options: Options) -> Result<Database> {
        let core = opening::open_in_memory(&options).await?;
        Ok(Database::of(core))
    }

    fn of(core: Arc<Core>) -> Database {
        Database {
            session: Arc::new(Session { lanes: Lanes::new(core), closed: AtomicBool::new(false) }),
        }
    }

    /// Gives up the log beside a database, with all commits in it that the file lacks. For a file that was changed by
    /// another program, or a log that belongs to another database, when the file is to stand as it is.
    ///
    /// # Errors
    /// [`Error::AlreadyOpen`] or [`Error::Locked`] if the database is open; [`Error::Io`].
    ///
    /// # Cancel safety
    /// Dropped midway, some of the log may be left; call it again.
    pub async fn discard_log(path: impl AsRef<Path>, env: &Env) -> Result<()> {
        let path = path.as_ref();
        if let Some(found) = env.io.metadata(path).await? {
            use crate::directory::{Found, Key, enter};
            let key = Key::new(env, &found);
            let Found::Free(_entry) = enter(key, env, std::time::Duration::ZERO).await else {
                return Err(Error::AlreadyOpen { path: path.to_owned() });
            };
            Log::discard(env, path).await.map_err(Error::from)?;
            return Ok(());
        }
        Ok(Log::discard(env, path).await?)
    }

    /// The open database, if this handle was not closed.
    pub(crate) fn core(&self) -> Result<&Arc<Core>> {
        Ok(self.lanes()?.core())
    }

    /// Where its transactions begin, if this handle was not closed.
    #[inline]
    pub(crate) fn lanes(&self) -> Result<&Lanes> {
        let Session { lanes, closed } = &*self.session;
        if closed.load(Ordering::Relaxed) || lanes.core().is_closed() {
            return Err(Error::Closed);
        }
        Ok(lanes)
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        self.session.lanes.core().path()
    }

    /// The files, the clock and the dice that it uses.
    pub fn env(&self) -> &Env {
        &self.session.lanes.core().env
    }

    /// Begins a transaction with the database's choices.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Busy`] if memory stays over its limit for longer than the busy timeout.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn begin(&self) -> Result<Transaction> {
        self.begin_with(TxOptions::default()).await
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// As [`Database::begin`]; [`Error::Busy`] also if it is [`Mode::Immediate`] and another such one runs for longer
    /// than the busy timeout; [`Error::ReadOnly`] if it would write to a database that was opened for reading.
    ///
    /// # Cancel safety
    /// Safe: dropped while it waits, it leaves the line.
    pub async fn begin_with(&self, options: TxOptions) -> Result<Transaction> {
        let lanes = self.lanes()?;
        let core = lanes.core();
        let inner_options = self.inner_options(core, options)?;
        core.take_turn().await;
        wait_for_memory(core).await?;
        let inner = core.manager.begin(inner_options).await?;
        Transaction::begun(lanes, inner, inner_options.mode).await
    }

    /// Begins a transaction that only reads, at what is acknowledged: it waits for nobody, and there is nothing to commit.
    ///
    /// # Errors
    /// [`Error::Closed`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn snapshot(&self) -> Result<Transaction> {
        let lanes = self.lanes()?;
        lanes.core().take_turn().await;
        let inner = lanes.core().manager.snapshot()?;
        Transaction::begun(lanes, inner, heddle_txn::Mode::Acknowledged).await
    }

    /// What the layer below is asked for.
    pub(crate) fn inner_options(
        &self,
        core: &Core,
        options: TxOptions,
    ) -> Result<heddle_txn::TxOptions> {
        let mode = match options.mode {
            Mode::Optimistic if core.limits.read_only => heddle_txn::Mode::ReadOnly,
            Mode::Immediate if core.limits.read_only => return Err(core.read_only_error()),
            Mode::Optimistic => heddle_txn::Mode::Optimistic,
            Mode::Immediate => heddle_txn::Mode::Immediate,
            Mode::ReadOnly => heddle_txn::Mode::ReadOnly,
        };
        Ok(heddle_txn::TxOptions {
            isolation: match options.isolation {
                Isolation::Serializable => heddle_txn::Isolation::Serializable,
                Isolation::Snapshot => heddle_txn::Isolation::Snapshot,
            },
            mode,
            durability: match options.durability.unwrap_or(core.limits.durability) {
                Durability::Off => heddle_txn::Durability::Off,
                Durability::Normal => heddle_txn::Durability::Normal,
                Durability::Full => heddle_txn::Durability::Full,
            },
            write_budget: options
                .transaction_bytes
                .unwrap_or(core.limits.transaction_bytes)
                .min(MOST_IN_A_RECORD),
            busy_timeout: Some(options.busy_timeout.unwrap_or(core.limits.busy_timeout)),
            ..heddle_txn::TxOptions::default()
        })
    }

    /// Merges what is committed into the file.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`]: nothing is lost, and it can be tried again. [`Error::Closed`].
    ///
    /// # Cancel safety
    /// It runs in a task of its own: dropped, it goes on.
    pub async fn checkpoint(&self) -> Result<CheckpointReport> {
        self.checkpoint_for(Purpose::Merge).await
    }

    /// Writes the file anew, without free pages and gaps, as SQLite's VACUUM does: in one checkpoint, beside readers and
    /// writers. Rowids stay as they are, and so do the page size and `auto_vacuum`.
    ///
    /// It takes, for a while, as much room beside the file as the new one will have. Snapshots that began before keep the old
    /// pages on disk until they end.
    ///
    /// # Errors
    /// [`Error::DiskFull`], before anything is written if the room is known to be too small; [`Error::Io`]: nothing is
    /// lost, and it can be tried again. [`Error::Corrupt`] if a row can't be read. [`Error::ReadOnly`], [`Error::Closed`].
    ///
    /// # Cancel safety
    /// As [`Database::checkpoint`].
    pub async fn vacuum(&self) -> Result<CheckpointReport> {
        self.checkpoint_for(Purpose::Vacuum).await
    }

    /// Gives up to so many free pages at the end of the file back, in a checkpoint, as `PRAGMA incremental_vacuum` does. Only a
    /// file made with [`crate::AutoVacuum::Incremental`] has what it needs; others stay as they are.
    ///
    /// # Errors
    /// As [`Database::checkpoint`].
    ///
    /// # Cancel safety
    /// As [`Database::checkpoint`].
    pub async fn incremental_vacuum(&self, pages: u32) -> Result<CheckpointReport> {
        self.checkpoint_for(Purpose::Shrink(pages)).await
    }

    async fn checkpoint_for(&self, purpose: Purpose) -> Result<CheckpointReport> {
        let core = self.core()?;
        if core.limits.read_only {
            return Err(core.read_only_error());
        }
        core.pulse.checkpoint(purpose).await.map_err(|error| error.at(core.path()))
    }

    /// A checkpoint step by step, for tests that look at what is on disk between them.
    ///
    /// # Errors
    /// As [`Database::checkpoint`].
    ///
    /// # Cancel safety
    /// As [`Database::checkpoint`].
    #[doc(hidden)]
    pub async fn checkpoint_steps(&self) -> Result<Option<CheckpointSteps>> {
        let checkpoint = Checkpoint::begin(self.core()?, Purpose::Merge).await?;
        Ok(checkpoint.map(CheckpointSteps))
    }

    /// A vacuum step by step, likewise.
    ///
    /// # Errors
    /// As [`Database::vacuum`].
    ///
    /// # Cancel safety
    /// As [`Database::vacuum`].
    #[doc(hidden)]
    pub async fn vacuum_steps(&self) -> Result<Option<CheckpointSteps>> {
        let checkpoint = Checkpoint::begin(self.core()?, Purpose::Vacuum).await?;
        Ok(checkpoint.map(CheckpointSteps))
    }

    /// Looks whether the file's structure is sound, as SQLite's `PRAGMA integrity_check` does: what is wrong, in words, a hundred
    /// findings at most. What only the log has is not looked at: [`Database::checkpoint`] first.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Io`].
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn check(&self) -> Result<Vec<String>> {
        const FINDINGS: usize = 100;
        let core = self.core()?;
        let base = core.manager.base();
        let catalog = loop {
            match core.history.at(base.ts) {
                Some(catalog) => break catalog,
                None => core.history.settled().await,
            }
        };
        // The schema's own tree is looked at in any case.
        let mut trees = Vec::new();
        for (tree, root) in base.roots.iter() {
            if tree == heddle_base::TreeId::SCHEMA {
                continue;
            }
            let kind = catalog.trees().find(|(id, _)| *id == tree).map(|(_, kind)| &**kind);
            let order = match kind {
                Some(TreeKind::Table) => Order::Table,
                Some(TreeKind::Index(shape)) if catalog.is_understood(tree) => {
                    Order::Index(shape.clone())
                }
                _ => Order::Unknown,
            };
            trees.push(Subject { root, order });
        }
        let snapshot = &base.snapshot;
        let found = heddle_btree::check::check(snapshot, snapshot.header(), &trees, FINDINGS).await;
        let found = found.map_err(|error| Error::from(error).at(core.path()))?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    /// Counters and gauges.
    pub fn metrics(&self) -> crate::Metrics {
        let core = self.session.lanes.core();
        let log = core.log().metrics();
        let below = core.manager.metrics();
        crate::Metrics {
            groups: log.groups,
            syncs: log.syncs,
            log_bytes_written: log.bytes,
            log_bytes: core.log().log_bytes(),
            version_bytes: core.manager.store().memory() as u64,
            cached_bytes: core.pager.stats().cached_bytes as u64,
            checkpointed: core.manager.base().ts,
            newest_commit: core.newest_commit(),
            oldest_snapshot: core.manager.registry().oldest(),
            conflicts_by_table: core.conflicts_by_table(),
            spilled_bytes: below.spilled_bytes,
            spilled_runs: below.spilled_runs,
            runs: below.runs as u64,
            ..core.counters.read()
        }
    }

    /// Ends the use of the database: what is committed is merged into the file, and log and `-wal` are removed. Clones of
    /// this handle are closed with it. If the file was opened more than once in this process, the last close does that.
    ///
    /// Transactions still open can't commit any more.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`]: the database is closed all the same, and what is not in the file is in the log.
    /// [`Error::Closed`] if it was closed before.
    ///
    /// # Cancel safety
    /// Dropped, the database is closed in the background.
    pub async fn close(self) -> Result<()> {
        let Session { lanes, closed } = &*self.session;
        let core = lanes.core();
        if closed.swap(true, Ordering::SeqCst) {
            return Err(Error::Closed);
        }
        if !core.end_session() {
            return Ok(());
        }
        let outcome = core.end().await.map_err(|error| error.at(core.path()));
        if core.owns_env {
            core.env.io.shutdown().await;
        }
        outcome
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("path", &self.path()).finish_non_exhaustive()
    }
}

/// Waits, holding nothing, while versions take more memory than they may.
///
/// # Errors
/// [`Error::Busy`], naming the oldest snapshot, which is what keeps them.
pub(crate) async fn wait_for_memory(core: &Core) -> Result<()> {
    if !core.is_pressed() {
        return Ok(());
    }
    let started = core.env.runtime.now();
    while core.is_pressed() {
        core.pulse.poke();
        let waited = core.env.runtime.now().saturating_sub(started);
        if waited > core.limits.busy_timeout {
            let oldest = core.manager.registry().oldest();
            let newest = core.log().installed();
            let what = match oldest {
                Some(oldest) => format!(
                    "row versions take {} bytes, more than they may; the oldest snapshot is {} commits old",
                    core.manager.store().memory(),
                    newest.get().saturating_sub(oldest.get())
                ),
                None => "row versions take more memory than they may".to_owned(),
            };
            return Err(Error::Busy { what, waited });
        }
        core.env.runtime.sleep(std::time::Duration::from_millis(1)).await;
    }
    Ok(())
}
