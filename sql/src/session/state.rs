//! A connection's state.
//!
//! # Invariants
//! - N1: a connection does one thing at a time: who has the session has it alone, for one step.
//! - N2: a step that is dropped midway leaves traces only in `statement` and in open transactions without `open`: the next owner
//!   of the session removes them ([`Session::tidy`]) before anything else.
//! - N3: the databases' transactions are in `resources`; outside an explicit transaction there are none between two steps.
//! - N4: after a conflict the snapshots and the writes are gone, and every statement but ROLLBACK gives the same error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use heddle_engine::{Database, Options, Savepoint, Transaction};

use super::attached::{Attached, refresh};
use super::control::Open;
use super::prepared::{Body, OutputColumn, Planned, Prepared};
use super::{Extensions, Settings};
use crate::ast::Statement;
use crate::bind::{self, Environment};
use crate::exec::Resources;
use crate::optimize::optimize;
use crate::schema::{DatabaseIndex, Databases};
use crate::{Error, Result};

/// What a connection is between statements.
#[derive(Debug)]
pub struct Session {
    /// By [`DatabaseIndex`]; `temp` is made when it is first needed.
    pub(super) attached: Vec<Option<Attached>>,
    /// The schemas as they were last seen.
    pub(super) known: Arc<Databases>,
    pub(super) extensions: Extensions,
    pub(super) resources: Resources,
    pub(super) settings: Settings,
    pub(super) transaction: State,
    /// While a statement writes inside a transaction: where to go back to (N2).
    pub(super) statement: Option<Marks>,
    /// Whether the transactions are with [`Session::lend`]'s caller: if he is dropped, they are gone.
    pub(super) lent: bool,
    /// Counts transactions begun by BEGIN or SAVEPOINT, and their ends.
    pub(super) epoch: u64,
    /// How databases are opened that this connection attaches.
    pub(super) options: Options,
}

/// The transaction that a connection is in.
#[derive(Debug)]
pub(super) enum State {
    /// Each statement is its own.
    Autocommit,
    /// One that BEGIN or SAVEPOINT began.
    Open(Open),
    /// One that another came before (N4), with its error.
    Failed(heddle_engine::Error),
}

/// A place to go back to.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    /// In each database's transaction.
    pub(super) points: Vec<Option<Savepoint>>,
    /// How many violations of foreign keys there were to mend.
    pub(super) deferred_violations: i64,
}

impl Session {
    /// A connection to a database. `file` is its path, nothing for one in memory; `options` are for what it attaches later.
    pub fn new(main: Database, file: &str, options: Options) -> Session {
        let random = fastrand::Rng::with_seed(main.env().runtime.random());
        Session {
            attached: vec![Some(Attached::new("main", main, file, false)), None],
            known: Arc::default(),
            extensions: Extensions::default(),
            resources: Resources { random, ..Resources::default() },
            settings: Settings::default(),
            transaction: State::Autocommit,
            statement: None,
            lent: false,
            epoch: 0,
            options,
        }
    }

    /// Set to make what runs end soon, with [`Error::Interrupted`].
    pub fn interrupt_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.resources.interrupt)
    }

    /// The databases with their files' paths, in order.
    pub fn databases(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attached.iter().flatten().map(|attached| (&*attached.name, &*attached.file))
    }

    /// What pragmas and the caller set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What pragmas and the caller set, to be changed.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// A user's functions and collations.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// A user's functions and collations, to be changed: every plan is made anew afterwards.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        for attached in self.attached.iter_mut().flatten() {
            attached.cache.clear();
        }
        self.known = Arc::default();
        &mut self.extensions
    }

    /// Whether each statement is a transaction of its own.
    pub fn is_autocommit(&self) -> bool {
        matches!(self.transaction, State::Autocommit)
    }

    /// Whether another one came before the open transaction, so that it waits for ROLLBACK (N4).
    pub fn has_failed(&self) -> bool {
        matches!(self.transaction, State::Failed(_))
    }

    /// Rows changed by the last finished INSERT, UPDATE or DELETE.
    pub fn changes(&self) -> i64 {
        self.resources.changes
    }

    /// Rows changed since the connection was opened.
    pub fn total_changes(&self) -> i64 {
        self.resources.total_changes
    }

    /// The rowid of the last INSERT.
    pub fn last_insert_rowid(&self) -> i64 {
        self.resources.last_insert_rowid
    }

    /// Counts transactions begun by BEGIN or SAVEPOINT, and their ends: it tells one from another.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn resources_mut(&mut self) -> &mut Resources {
        &mut self.resources
    }

    /// Removes what a step that was dropped midway has left (N2).
    pub fn tidy(&mut self) {
        if std::mem::take(&mut self.lent) && !self.is_autocommit() {
            let what = "the transaction ended with a statement that was dropped midway".to_owned();
            self.fail(heddle_engine::Error::Misuse { what });
        }
        if let Some(marks) = self.statement.take() {
            self.undo(&marks);
        }
        if self.is_autocommit() {
            self.clear_transactions();
        }
    }

    /// # Errors
    /// The one that a failed transaction keeps giving (N4).
    pub(super) fn check_usable(&self) -> Result<()> {
        match &self.transaction {
            State::Failed(error) => Err(Error::Engine(error.clone())),
            _ => Ok(()),
        }
    }

    /// Takes note of an error: a conflict ends an open transaction (N4).
    pub(super) fn noted(&mut self, error: Error) -> Error {
        if let Error::Engine(below) = &error
            && below.is_conflict()
            && matches!(self.transaction, State::Open(_))
        {
            self.fail(below.clone());
        }
        error
    }

    /// It stays the same transaction, until ROLLBACK ends it.
    pub(super) fn fail(&mut self, error: heddle_engine::Error) {
        self.clear_transactions();
        self.statement = None;
        self.transaction = State::Failed(error);
    }

    /// Rolls everything back.
    pub(super) fn clear_transactions(&mut self) {
        self.resources.deferred_violations = 0;
        self.resources.transactions.iter_mut().for_each(|transaction| *transaction = None);
    }

    pub(super) fn database(&self, at: DatabaseIndex) -> Result<&Attached> {
        let found = self.attached.get(usize::from(at.0)).and_then(Option::as_ref);
        found.ok_or_else(|| Error::sql("no such database"))
    }

    /// A statement begins.
    pub(super) fn start_clock(&mut self) {
        self.resources.interrupt.store(false, Ordering::Relaxed);
        if let Ok(main) = self.database(DatabaseIndex::MAIN) {
            let now = main.database.env().runtime.wall_clock();
            let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            self.resources.now_millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        }
    }

    /// Makes `temp` if a statement could mean it: nothing is in it unless a statement said its name once.
    ///
    /// # Errors
    /// As [`Database::open_in_memory`].
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn prepare_temp(&mut self, sql: &str) -> Result<()> {
        const WORD: &[u8] = b"temp";
        let at = usize::from(DatabaseIndex::TEMP.0);
        if self.attached.get(at).is_some_and(Option::is_some)
            || !sql.as_bytes().windows(WORD.len()).any(|part| part.eq_ignore_ascii_case(WORD))
        {
            return Ok(());
        }
        let options = Options { env: None, ..self.options.clone() };
        let database = Database::open_in_memory(options).await?;
        if let Some(slot) = self.attached.get_mut(at) {
            *slot = Some(Attached::new("temp", database, "", true));
        }
        Ok(())
    }

    /// What a query outside a transaction runs with: snapshots of all databases of its own.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn own_resources(&mut self) -> Result<Box<Resources>> {
        let mut transactions = Vec::with_capacity(self.attached.len());
        for attached in &self.attached {
            transactions.push(match attached {
                Some(attached) => Some(attached.database.snapshot().await?),
                None => None,
            });
        }
        Ok(Box::new(Resources { transactions, ..self.copied() }))
    }

    /// The connection's resources without its transactions, for who only reads.
    fn copied(&mut self) -> Resources {
        let of = &mut self.resources;
        #[allow(clippy::needless_update, reason = "what only writes use need not be said here")]
        Resources {
            transactions: Vec::new(),
            interrupt: Arc::clone(&of.interrupt),
            changes: of.changes,
            total_changes: of.total_changes,
            last_insert_rowid: of.last_insert_rowid,
            random: of.random.fork(),
            now_millis: of.now_millis,
            local_offset: Arc::clone(&of.local_offset),
            case_sensitive_like: of.case_sensitive_like,
            max_length: of.max_length,
            memory_budget: of.memory_budget,
            pragmas: of.pragmas.clone(),
            ..Resources::default()
        }
    }

    /// The open transactions apart from the session, while something is asked through them; [`Session::take_back`] follows.
    pub(super) fn lend(&mut self) -> Resources {
        let transactions = std::mem::take(&mut self.resources.transactions);
        self.lent = true;
        Resources { transactions, ..self.copied() }
    }

    pub(super) fn take_back(&mut self, lent: Resources) {
        self.resources.transactions = lent.transactions;
        self.lent = false;
    }

    /// Brings the known schemas up to what these transactions see.
    pub(super) fn see(&mut self, transactions: &[Option<Transaction>]) {
        let Session { attached, known, extensions, .. } = self;
        refresh(attached, transactions, &|name| extensions.collation(name), known);
    }

    /// The plan of a statement for what these transactions see.
    ///
    /// # Errors
    /// What is wrong with the statement, in SQLite's words.
    pub(super) fn plan_for(
        &mut self,
        prepared: &Prepared,
        transactions: &[Option<Transaction>],
    ) -> Result<Arc<Planned>> {
        self.see(transactions);
        self.plan_known(prepared)
    }

    /// As [`Session::plan_for`], for what the connection's own transactions see.
    pub(super) fn plan(&mut self, prepared: &Prepared) -> Result<Arc<Planned>> {
        let Session { attached, known, extensions, resources, .. } = self;
        refresh(attached, &resources.transactions, &|name| extensions.collation(name), known);
        self.plan_known(prepared)
    }

    fn plan_known(&self, prepared: &Prepared) -> Result<Arc<Planned>> {
        if let Some(planned) = prepared.planned_for(&self.known) {
            return Ok(planned);
        }
        let environment = Environment { databases: &self.known, extensions: &self.extensions };
        let parameters = prepared.parameter_count();
        let (body, columns) = match prepared.statement() {
            Statement::Select(select) => {
                let mut query = bind::query(environment, select, parameters)?;
                optimize(&mut query);
                let columns = OutputColumn::of_query(&query);
                (Body::Query(Arc::new(query)), columns)
            }
            statement @ (Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_)) => {
                let plan = bind::modification(environment, statement, parameters)?;
                let columns = OutputColumn::of_modification(&plan);
                (Body::Modify(Arc::new(plan)), columns)
            }
            _ => (Body::Other, Arc::default()),
        };
        let planned = Arc::new(Planned::new(&self.known, body, columns));
        prepared.set_planned(&planned);
        Ok(planned)
    }
}
