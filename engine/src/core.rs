//! What all handles of an open database share.
//!
//! Made by [`crate::opening`]; used by transactions ([`crate::transaction`]), by the maintenance task
//! ([`crate::maintenance`]) and by the handles ([`crate::database`]).
//!
//! # Invariants
//! - Z1: nothing is committed before the file is fenced and the log has its first record ([`Core::ready`]).
//! - Z2: once it is closed no commit begins, and the end waits for those that had begun ([`crate::commits`]).
//! - Z3: `registration` is dropped last: who waits for the file finds its locks free.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use heddle_base::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use heddle_base::sync::{Arc, Mutex};
use heddle_base::{PageNo, RowId, Timestamp, TreeId};
use heddle_btree::pager::Pager;
use heddle_io::Env;
use heddle_txn::{Manager, TreeRef};
use heddle_wal::Log;

use crate::activation::Activation;
use crate::catalog::format::Format;
use crate::catalog::history::History;
use crate::catalog::parse::{self, Definition};
use crate::catalog::{Catalog, TableInfo};
use crate::commits::Commits;
use crate::directory::Registration;
use crate::metrics::Counters;
use crate::pulse::Pulse;
use crate::rowids::{Holder, RowIds};
use crate::transaction::largest_rowid;
use crate::turns::{self, Turns};
use crate::{Durability, Error, Options, Result};

/// The text of `sqlite_schema`, which no row of it says.
const SCHEMA: &str =
    "CREATE TABLE sqlite_schema(type text,name text,tbl_name text,rootpage int,sql text)";

/// See the module.
pub(crate) struct Core {
    pub(crate) env: Env,
    pub(crate) manager: Manager,
    pub(crate) pager: Pager,
    pub(crate) history: History,
    pub(crate) rowids: RowIds,
    pub(crate) schema_table: std::sync::Arc<TableInfo>,
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    pub(crate) pulse: Arc<Pulse>,
    turns: Turns,
    pub(crate) activation: Activation,
    /// The write version that the file had, and has again after a clean close.
    pub(crate) write_version: u8,
    /// Whether the environment was made for this database, and ends with it.
    pub(crate) owns_env: bool,
    path: PathBuf,
    next_tree: AtomicU32,
    next_holder: CachePadded<AtomicU64>,
    /// The newest commit that was published here or replayed. Notes of the checkpointer have tickets too, so that the
    /// log's watermarks do not tell.
    newest_commit: CachePadded<AtomicU64>,
    /// The log's size at which the maintenance task is to look again.
    next_look: AtomicU64,
    /// New transactions wait: memory is over its limit.
    pressed: AtomicBool,
    /// Held by a running checkpoint.
    pub(crate) checkpointing: AtomicBool,
    /// Handles made by opening, not yet closed. None is added after the last has gone: that is what "closed" means.
    sessions: AtomicU64,
    pub(crate) commits: Commits,
    conflicts: Mutex<BTreeMap<String, u64>>,
    registration: Option<Registration>,
}

/// What an open database holds itself to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) read_only: bool,
    pub(crate) durability: Durability,
    pub(crate) memory_bytes: usize,
    pub(crate) transaction_bytes: usize,
    pub(crate) checkpoint_log_bytes: u64,
    pub(crate) auto_checkpoint: bool,
    pub(crate) busy_timeout: Duration,
}

impl Limits {
    pub(crate) fn of(options: &Options) -> Limits {
        Limits {
            read_only: options.read_only,
            durability: options.durability,
            memory_bytes: options.memory_bytes,
            transaction_bytes: options.transaction_bytes,
            checkpoint_log_bytes: options.checkpoint_log_bytes,
            auto_checkpoint: options.auto_checkpoint,
            busy_timeout: options.busy_timeout,
        }
    }
}

/// What an open finds out, for [`Core::new`].
pub(crate) struct Opened {
    pub(crate) env: Env,
    pub(crate) owns_env: bool,
    pub(crate) path: PathBuf,
    pub(crate) manager: Manager,
    pub(crate) pager: Pager,
    pub(crate) catalog: Catalog,
    pub(crate) schema_table: std::sync::Arc<TableInfo>,
    pub(crate) next_tree: TreeId,
    pub(crate) newest_commit: Timestamp,
    pub(crate) write_version: u8,
    pub(crate) limits: Limits,
    pub(crate) registration: Option<Registration>,
}

impl Core {
    pub(crate) fn new(opened: Opened) -> Core {
        Core {
            env: opened.env,
            history: History::new(Timestamp::ZERO, opened.catalog),
            manager: opened.manager,
            pager: opened.pager,
            rowids: RowIds::default(),
            schema_table: opened.schema_table,
            limits: opened.limits,
            counters: Counters::default(),
            pulse: Arc::new(Pulse::default()),
            turns: Turns::new(),
            activation: Activation::default(),
            write_version: opened.write_version,
            owns_env: opened.owns_env,
            path: opened.path,
            next_tree: AtomicU32::new(opened.next_tree.get()),
            next_holder: CachePadded::default(),
            newest_commit: CachePadded::new(AtomicU64::new(opened.newest_commit.get())),
            next_look: AtomicU64::new(LOOK_BYTES),
            pressed: AtomicBool::new(false),
            checkpointing: AtomicBool::new(false),
            sessions: AtomicU64::new(1),
            commits: Commits::default(),
            conflicts: Mutex::default(),
            registration: opened.registration,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn log(&self) -> &Log {
        self.manager.log()
    }

    pub(crate) fn schema_tree(&self) -> TreeRef {
        self.schema_table.tree.clone()
    }

    /// A number for a new tree (K2).
    pub(crate) fn next_tree(&self) -> TreeId {
        TreeId(self.next_tree.fetch_add(1, Ordering::Relaxed))
    }

    /// The number that no tree has yet.
    pub(crate) fn trees_end(&self) -> TreeId {
        TreeId(self.next_tree.load(Ordering::Relaxed))
    }

    pub(crate) fn next_holder(&self) -> Holder {
        Holder(self.next_holder.fetch_add(1, Ordering::Relaxed))
    }

    /// The largest rowid of the newest committed state, durable or not.
    pub(crate) async fn newest_rowid(&self, tree: &TreeRef) -> Result<i64> {
        let mut newest = self.manager.peek()?;
        largest_rowid(&mut newest, tree).await
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sessions.load(Ordering::SeqCst) == 0
    }

    /// # Errors
    /// [`Error::Closed`].
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.is_closed() { Err(Error::Closed) } else { Ok(()) }
    }

    pub(crate) fn read_only_error(&self) -> Error {
        Error::ReadOnly {
            path: self.path.clone(),
            reason: "the transaction or the database is read-only".to_owned(),
        }
    }

    /// From now on other opens of the file find this.
    pub(crate) fn publish(core: &Arc<Core>) {
        if let Some(registration) = &core.registration {
            registration.publish(core);
        }
    }

    /// The clean end, by the maintenance task.
    ///
    /// # Cancel safety
    /// Dropped, it goes on.
    pub(crate) async fn end(&self) -> Result<()> {
        if self.limits.read_only {
            return Ok(self.log().close(false).await?);
        }
        if self.registration.is_none() {
            // In memory: there is nothing to keep.
            self.commits.ended().await;
            self.pulse.end();
            return Ok(self.log().close(false).await?);
        }
        self.pulse.close().await
    }

    /// One more handle; `false` if the database is closed already.
    pub(crate) fn add_session(&self) -> bool {
        let more = |sessions: u64| (sessions > 0).then(|| sessions.saturating_add(1));
        self.sessions.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    /// A handle goes; whether it was the last.
    pub(crate) fn end_session(&self) -> bool {
        self.sessions.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Counts work done in this poll; whether the task should let others run ([`turns::give_way`]).
    #[inline]
    pub(crate) fn turn_is_over(&self, work: u32) -> bool {
        self.turns.is_over(work, || self.commits.any())
    }

    /// Before a transaction begins: lets others run if this thread has done much since it last did.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub(crate) async fn take_turn(&self) {
        if self.turn_is_over(turns::BEGIN) {
            turns::give_way().await;
        }
    }

    /// Makes the file and the log ready for a first commit (Z1).
    ///
    /// # Cancel safety
    /// Dropped, it is done in the background.
    pub(crate) async fn ready(core: &Arc<Core>) -> Result<()> {
        if core.log().is_active() {
            return Ok(());
        }
        core.activation.run(core).await
    }

    /// Counts a transaction that ended.
    pub(crate) fn count_end(&self, committed: bool) {
        self.counters.ended(committed);
    }

    /// Counts what an attempt failed with.
    pub(crate) fn count_error(&self, error: &Error) {
        if let Error::Conflict(conflict) = error {
            self.counters.conflicts.fetch_add(1, Ordering::Relaxed);
            *self.conflicts.lock().entry(conflict.table.clone()).or_default() += 1;
        }
    }

    pub(crate) fn conflicts_by_table(&self) -> Vec<(String, u64)> {
        self.conflicts.lock().iter().map(|(table, count)| (table.clone(), *count)).collect()
    }

    /// Notes a commit that was published.
    #[inline]
    pub(crate) fn published(&self, ticket: Timestamp) {
        self.newest_commit.fetch_max(ticket.get(), Ordering::SeqCst);
    }

    /// The newest commit; one that is just being published may be missing.
    pub(crate) fn newest_commit(&self) -> Timestamp {
        Timestamp(self.newest_commit.load(Ordering::SeqCst))
    }

    /// Tells the maintenance task if the log has grown so far that it should look.
    #[inline]
    pub(crate) fn after_commit(&self) {
        if self.log().log_bytes() >= self.next_look.load(Ordering::Relaxed) {
            self.pulse.poke();
        }
    }

    /// Says when to look again.
    pub(crate) fn look_again_after(&self, log_bytes: u64) {
        self.next_look.store(log_bytes.saturating_add(LOOK_BYTES), Ordering::Relaxed);
    }

    pub(crate) fn is_pressed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }

    /// Lets new transactions wait for memory, or go on.
    pub(crate) fn press(&self, pressed: bool) {
        self.pressed.store(pressed, Ordering::Relaxed);
    }
}

/// Bytes of log after which the limits are looked at again.
const LOOK_BYTES: u64 = 1 << 20;

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.pulse.end();
    }
}

/// The table of tables, which exists before any catalog.
pub(crate) fn schema_table(encoding: heddle_btree::text::Encoding) -> Result<TableInfo> {
    match parse::parse(SCHEMA, |_| None)? {
        Definition::Table { def, .. } => {
            let format = Format::of_schema(encoding);
            Ok(TableInfo::new(def, RowId(0), TreeId::SCHEMA, SCHEMA, format))
        }
        _ => Err(Error::definition(SCHEMA, "it is no table")),
    }
}

/// The page of the table of tables.
pub(crate) const SCHEMA_ROOT: PageNo = PageNo(1);
