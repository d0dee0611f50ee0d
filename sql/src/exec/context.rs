//! What running code finds around it: the statement's state and the connection's resources.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use heddle_engine::Transaction;
use heddle_functions::Surroundings;
use heddle_value::{LikePattern, Value};

use super::shared::SharedRun;
use super::subquery::SubqueryRun;
use crate::plan::{ColumnId, TriggerColumn};
use crate::schema::DatabaseIndex;
use crate::{Error, Result};

/// All that running code uses.
pub(crate) struct Context<'a> {
    /// The statement's.
    pub(crate) state: &'a mut State,
    /// The connection's.
    pub(crate) resources: &'a mut Resources,
}

impl Context<'_> {
    /// Whether somebody wants the statement to end.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if so.
    #[inline]
    pub(crate) fn check_interrupt(&self) -> Result<()> {
        match self.resources.interrupt.load(Ordering::Relaxed) {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }
}

/// What a running statement keeps.
#[derive(Default)]
pub(crate) struct State {
    /// By [`ColumnId`]: columns of relations around the one that runs.
    pub(crate) registers: Vec<Value>,
    pub(crate) parameters: Arc<[Value]>,
    /// The queries inside expressions.
    pub(crate) subqueries: Vec<SubqueryRun>,
    /// For the subquery that was found missing: the values it is to run with.
    pub(crate) pending: Vec<Value>,
    /// By [`crate::plan::SharedId`].
    pub(crate) shared: Vec<SharedRun>,
    /// The last pattern of each LIKE and GLOB, ready.
    pub(crate) patterns: Vec<Option<ReadyPattern>>,
    /// The row as it was.
    pub(crate) old: Option<RowImage>,
    /// The row as it will be.
    pub(crate) new: Option<RowImage>,
}

/// A pattern with what it was made of.
pub(crate) struct ReadyPattern {
    pub(crate) text: heddle_value::Text,
    pub(crate) escape: Option<u32>,
    pub(crate) case_sensitive: bool,
    pub(crate) pattern: LikePattern,
}

/// A row of a table, for `OLD` and `NEW`, and for expressions of a schema.
#[derive(Debug, Clone, Default)]
pub struct RowImage {
    /// Its rowid; NULL in a WITHOUT ROWID table.
    pub rowid: Value,
    /// Its columns in the table's order.
    pub columns: Vec<Value>,
}

impl RowImage {
    fn get(&self, column: Option<u16>) -> Value {
        match column {
            None => self.rowid.clone(),
            Some(column) => self.columns.get(usize::from(column)).cloned().unwrap_or_default(),
        }
    }
}

impl State {
    /// The value of a column of a relation around.
    #[inline]
    pub(crate) fn register(&self, id: ColumnId) -> Value {
        self.registers.get(id.0 as usize).cloned().unwrap_or_default()
    }

    /// Sets it, and gives the one before.
    pub(crate) fn set_register(&mut self, id: ColumnId, value: Value) -> Value {
        let at = id.0 as usize;
        if at >= self.registers.len() {
            self.registers.resize(at + 1, Value::Null);
        }
        match self.registers.get_mut(at) {
            Some(register) => std::mem::replace(register, value),
            None => Value::Null,
        }
    }

    /// A column of `OLD` or `NEW`; NULL where there is none.
    pub(crate) fn image(&self, column: TriggerColumn) -> Value {
        let (image, column) = match column {
            TriggerColumn::Old(column) => (&self.old, column),
            TriggerColumn::New(column) => (&self.new, column),
        };
        image.as_ref().map_or(Value::Null, |image| image.get(column))
    }

    /// Sets `OLD` and `NEW`: what subqueries found with others is forgotten.
    pub(crate) fn set_images(&mut self, old: Option<RowImage>, new: Option<RowImage>) {
        (self.old, self.new) = (old, new);
        self.subqueries.iter_mut().filter(|run| run.uses_images()).for_each(SubqueryRun::forget);
    }
}

/// The rows of pragmas that are used as tables: by name and arguments, all columns of each row.
pub type PragmaRows = dyn Fn(&str, &[Value]) -> Result<Vec<Vec<Value>>> + Send + Sync;

/// What a connection lends to its statements.
pub struct Resources {
    /// The transaction of each database, by [`DatabaseIndex`].
    pub transactions: Vec<Option<Transaction>>,
    /// Set by whoever wants the running statement to end.
    pub interrupt: Arc<AtomicBool>,
    /// Rows changed by the last finished INSERT, UPDATE or DELETE.
    pub changes: i64,
    /// Rows changed since the connection was opened.
    pub total_changes: i64,
    /// The rowid of the last INSERT.
    pub last_insert_rowid: i64,
    /// For `random()`.
    pub random: fastrand::Rng,
    /// Milliseconds since 1970, when the statement began.
    pub now_millis: i64,
    /// By how many seconds local time is ahead of UTC at a moment of UTC.
    pub local_offset: Arc<dyn Fn(i64) -> i64 + Send + Sync>,
    /// `PRAGMA case_sensitive_like`.
    pub case_sensitive_like: bool,
    /// `PRAGMA recursive_triggers`.
    pub recursive_triggers: bool,
    /// `PRAGMA foreign_keys`.
    pub foreign_keys: bool,
    /// `PRAGMA defer_foreign_keys`: until the transaction ends.
    pub defer_foreign_keys: bool,
    /// How many violations of foreign keys the transaction has to mend before it may commit.
    pub deferred_violations: i64,
    /// The largest length of a text or blob, in bytes.
    pub max_length: usize,
    /// How many bytes an operator keeps in memory before it writes to temporary files.
    pub memory_budget: usize,
    /// What gives the rows of pragmas.
    pub pragmas: Option<Arc<PragmaRows>>,
}

impl Default for Resources {
    fn default() -> Resources {
        Resources {
            transactions: Vec::new(),
            interrupt: Arc::default(),
            changes: 0,
            total_changes: 0,
            last_insert_rowid: 0,
            random: fastrand::Rng::with_seed(0),
            now_millis: 0,
            local_offset: Arc::new(|_| 0),
            case_sensitive_like: false,
            recursive_triggers: false,
            foreign_keys: false,
            defer_foreign_keys: false,
            deferred_violations: 0,
            max_length: 1_000_000_000,
            memory_budget: 64 << 20,
            pragmas: None,
        }
    }
}

impl Resources {
    /// The transaction of a database.
    ///
    /// # Errors
    /// If the statement began none there.
    #[inline]
    pub fn transaction(&mut self, database: DatabaseIndex) -> Result<&mut Transaction> {
        match self.transactions.get_mut(usize::from(database.0)) {
            Some(Some(transaction)) => Ok(transaction),
            _ => Err(Error::sql("no transaction is active")),
        }
    }
}

impl Surroundings for Resources {
    fn now_millis(&self) -> i64 {
        self.now_millis
    }

    fn local_offset(&self, utc_seconds: i64) -> i64 {
        (self.local_offset)(utc_seconds)
    }

    fn random(&mut self) -> u64 {
        self.random.u64(..)
    }

    fn max_length(&self) -> usize {
        self.max_length
    }

    fn changes(&self) -> i64 {
        self.changes
    }

    fn total_changes(&self) -> i64 {
        self.total_changes
    }

    fn last_insert_rowid(&self) -> i64 {
        self.last_insert_rowid
    }

    fn case_sensitive_like(&self) -> bool {
        self.case_sensitive_like
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resources").field("transactions", &self.transactions.len()).finish()
    }
}
