//! BEGIN, COMMIT, ROLLBACK and savepoints.
//!
//! # Invariants
//! - K1: a savepoint has a mark in each database's transaction. One that begins later gets marks for all savepoints there are.
//! - K2: of several databases that were written, those that others can have open are committed before the connection's own, whose
//!   commits can't conflict.

use heddle_engine::{Attempts, Transaction};

use super::TransactionOptions;
use super::state::{Marks, Session, State};
use crate::ast::{ConflictClause, Name, TransactionKind};
use crate::{ConstraintKind, Error, Result};

/// A transaction that BEGIN or SAVEPOINT began.
#[derive(Debug)]
pub(super) struct Open {
    options: TransactionOptions,
    /// RELEASE of its outermost savepoint commits it.
    by_savepoint: bool,
    savepoints: Vec<Named>,
}

/// A savepoint.
#[derive(Debug)]
struct Named {
    name: Box<str>,
    marks: Marks,
}

impl Session {
    /// BEGIN. One that waits its turn begins at once, others with their first statement.
    ///
    /// # Errors
    /// If one is open; what beginning meets.
    ///
    /// # Cancel safety
    /// Dropped while it waits, none is open.
    pub async fn begin(&mut self, options: TransactionOptions) -> Result<()> {
        match &self.transaction {
            State::Autocommit => {}
            State::Open(_) => {
                return Err(Error::sql("cannot start a transaction within a transaction"));
            }
            State::Failed(error) => return Err(Error::Engine(error.clone())),
        }
        if matches!(options.kind, TransactionKind::Immediate | TransactionKind::Exclusive) {
            // Those begun are dropped with this future (N2).
            self.begin_missing(options).await?;
        }
        self.epoch += 1;
        let open = Open { options, by_savepoint: false, savepoints: Vec::new() };
        self.transaction = State::Open(open);
        Ok(())
    }

    /// Opens a transaction around one that has begun in `main`, whose attempts the caller counts.
    ///
    /// # Errors
    /// As [`Session::begin`].
    pub fn adopt(&mut self, transaction: Transaction, options: TransactionOptions) -> Result<()> {
        self.check_usable()?;
        if !self.is_autocommit() {
            return Err(Error::sql("cannot start a transaction within a transaction"));
        }
        self.clear_transactions();
        let all = &mut self.resources.transactions;
        all.resize_with(self.attached.len().max(all.len()), || None);
        if let Some(slot) = all.first_mut() {
            *slot = Some(transaction);
        }
        self.epoch += 1;
        let open = Open { options, by_savepoint: false, savepoints: Vec::new() };
        self.transaction = State::Open(open);
        Ok(())
    }

    /// Commits what [`Session::adopt`] opened, through its attempts: whether it is done, else it is to be run again.
    ///
    /// # Errors
    /// As [`Session::commit`], but for conflicts.
    ///
    /// # Cancel safety
    /// As [`Session::commit`].
    pub async fn end_attempt(&mut self, attempts: &mut Attempts<'_>) -> Result<bool> {
        match std::mem::replace(&mut self.transaction, State::Autocommit) {
            State::Autocommit => {
                return Err(Error::sql("cannot commit - no transaction is active"));
            }
            State::Failed(error) => {
                self.epoch += 1;
                attempts.conflicted(error)?;
                return Ok(false);
            }
            State::Open(_) => self.epoch += 1,
        }
        let checked = self.check_commit();
        self.resources.defer_foreign_keys = false;
        self.resources.deferred_violations = 0;
        let mut transactions = std::mem::take(&mut self.resources.transactions);
        checked?;
        if let Some(main) = transactions.first_mut().and_then(Option::take)
            && attempts.end(main, Ok(())).await?.is_none()
        {
            return Ok(false);
        }
        self.commit_all(transactions).await?;
        Ok(true)
    }

    /// Begins a transaction in each database that has none, as the open one says.
    ///
    /// # Cancel safety
    /// Safe: what has begun stays.
    pub(super) async fn begin_open(&mut self) -> Result<()> {
        let options = match &self.transaction {
            State::Open(open) => open.options,
            _ => TransactionOptions::default(),
        };
        self.begin_missing(options).await
    }

    pub(super) async fn begin_missing(&mut self, options: TransactionOptions) -> Result<()> {
        let engine_options = self.settings.engine_options(options);
        let all = &mut self.resources.transactions;
        all.resize_with(self.attached.len().max(all.len()), || None);
        for (at, attached) in self.attached.iter().enumerate() {
            let (Some(attached), Some(slot)) = (attached, all.get_mut(at)) else { continue };
            if slot.is_some() {
                continue;
            }
            let mut transaction = attached.database.begin_with(engine_options).await?;
            if let State::Open(open) = &mut self.transaction {
                for savepoint in &mut open.savepoints {
                    savepoint.mark(at, &mut transaction);
                }
            }
            *slot = Some(transaction);
        }
        Ok(())
    }

    /// COMMIT.
    ///
    /// # Errors
    /// If none is open; a conflict, or what else a commit meets: then the transaction has failed, and waits for ROLLBACK.
    /// [`Error::Unsupported`] if it wrote several databases that others can have open, and stays open.
    ///
    /// # Cancel safety
    /// As [`Transaction::commit`]; the connection is out of the transaction.
    pub async fn commit(&mut self) -> Result<()> {
        match &self.transaction {
            State::Autocommit => {
                return Err(Error::sql("cannot commit - no transaction is active"));
            }
            State::Failed(error) => return Err(Error::Engine(error.clone())),
            State::Open(_) => {}
        }
        self.check_commit()?;
        let transactions = std::mem::take(&mut self.resources.transactions);
        self.resources.defer_foreign_keys = false;
        self.transaction = State::Autocommit;
        self.epoch += 1;
        let outcome = self.commit_all(transactions).await;
        if let Err(Error::Engine(error)) = &outcome {
            self.transaction = State::Failed(error.clone());
            self.epoch -= 1;
        }
        outcome
    }

    /// # Errors
    /// What has to be true before the transactions may be committed.
    pub(super) fn check_commit(&self) -> Result<()> {
        if self.resources.deferred_violations > 0 {
            let (what, action) = (String::new(), ConflictClause::Abort);
            return Err(Error::Constraint { kind: ConstraintKind::ForeignKey, what, action });
        }
        self.check_written(&self.resources.transactions)
    }

    fn check_written(&self, transactions: &[Option<Transaction>]) -> Result<()> {
        let transactions = transactions.iter().zip(&self.attached);
        let shared = transactions.filter(|(transaction, attached)| {
            transaction.as_ref().is_some_and(Transaction::has_writes)
                && attached.as_ref().is_some_and(|attached| !attached.private)
        });
        if shared.count() > 1 && !self.settings.write_several {
            let what = "writing to several databases in one transaction is";
            return Err(Error::Unsupported(what.to_owned()));
        }
        Ok(())
    }

    /// K2.
    pub(super) async fn commit_all(
        &mut self,
        mut transactions: Vec<Option<Transaction>>,
    ) -> Result<()> {
        for private in [false, true] {
            for (at, slot) in transactions.iter_mut().enumerate() {
                let attached = self.attached.get(at).and_then(Option::as_ref);
                if attached.is_some_and(|attached| attached.private) == private
                    && let Some(transaction) = slot.take()
                {
                    transaction.commit().await?;
                }
            }
        }
        Ok(())
    }

    /// ROLLBACK.
    ///
    /// # Errors
    /// If none is open.
    pub fn rollback(&mut self) -> Result<()> {
        if self.is_autocommit() {
            return Err(Error::sql("cannot rollback - no transaction is active"));
        }
        self.end_transaction();
        Ok(())
    }

    /// Rolls back what is open, if anything is.
    pub fn end_transaction(&mut self) {
        self.clear_transactions();
        self.resources.defer_foreign_keys = false;
        self.statement = None;
        if !self.is_autocommit() {
            self.transaction = State::Autocommit;
            self.epoch += 1;
        }
    }

    /// SAVEPOINT. Outside a transaction it begins one.
    ///
    /// # Errors
    /// If the transaction has failed.
    pub(super) fn savepoint(&mut self, name: &Name) -> Result<()> {
        self.check_usable()?;
        if self.is_autocommit() {
            self.epoch += 1;
            let open = Open {
                options: TransactionOptions::default(),
                by_savepoint: true,
                savepoints: Vec::new(),
            };
            self.transaction = State::Open(open);
        }
        let marks = self.mark();
        if let State::Open(open) = &mut self.transaction {
            open.savepoints.push(Named { name: name.text.clone(), marks });
        }
        Ok(())
    }

    /// RELEASE.
    ///
    /// # Errors
    /// If there is no such savepoint; as [`Session::commit`] if it ends the transaction.
    ///
    /// # Cancel safety
    /// As [`Session::commit`].
    pub(super) async fn release(&mut self, name: &Name) -> Result<()> {
        self.check_usable()?;
        let State::Open(open) = &mut self.transaction else { return Err(no_such(name)) };
        let at = open.find(name)?;
        if at == 0 && open.by_savepoint {
            return self.commit().await;
        }
        let marks = open.savepoints.drain(at..).next().map(|named| named.marks);
        self.forget(&marks.unwrap_or_default());
        Ok(())
    }

    /// ROLLBACK TO.
    ///
    /// # Errors
    /// If there is no such savepoint.
    pub(super) fn rollback_to(&mut self, name: &Name) -> Result<()> {
        self.check_usable()?;
        let State::Open(open) = &mut self.transaction else { return Err(no_such(name)) };
        let at = open.find(name)?;
        open.savepoints.truncate(at + 1);
        let marks = open.savepoints.last().map(|named| named.marks.clone()).unwrap_or_default();
        self.undo(&marks);
        Ok(())
    }

    /// Marks in all transactions there are.
    pub(super) fn mark(&mut self) -> Marks {
        let deferred_violations = self.resources.deferred_violations;
        let transactions = self.resources.transactions.iter_mut();
        let points = transactions.map(|tx| tx.as_mut().map(Transaction::savepoint)).collect();
        Marks { points, deferred_violations }
    }

    /// Goes back to marks, which stay.
    pub(super) fn undo(&mut self, marks: &Marks) {
        self.resources.deferred_violations = marks.deferred_violations;
        for (at, slot) in self.resources.transactions.iter_mut().enumerate() {
            let mark = marks.points.get(at).copied().flatten();
            let undone = match (slot.as_mut(), mark) {
                (Some(transaction), Some(mark)) => transaction.rollback_to(mark).is_ok(),
                _ => true,
            };
            // A mark that its own transaction does not know can't be: but better no transaction than half of one.
            if !undone {
                *slot = None;
            }
        }
    }

    /// Forgets marks; what was written stays.
    pub(super) fn forget(&mut self, marks: &Marks) {
        for (transaction, mark) in self.resources.transactions.iter_mut().zip(&marks.points) {
            if let (Some(transaction), Some(mark)) = (transaction, mark) {
                // One that was made later may have been forgotten with an earlier one.
                let _ = transaction.release(*mark);
            }
        }
    }
}

impl Open {
    fn find(&self, name: &Name) -> Result<usize> {
        let found = self.savepoints.iter().rposition(|named| name.is(&named.name));
        found.ok_or_else(|| no_such(name))
    }
}

impl Named {
    /// K1.
    fn mark(&mut self, at: usize, transaction: &mut Transaction) {
        let points = &mut self.marks.points;
        if points.len() <= at {
            points.resize(at + 1, None);
        }
        if let Some(mark) = points.get_mut(at) {
            *mark = Some(transaction.savepoint());
        }
    }
}

fn no_such(name: &Name) -> Error {
    Error::sql(format!("no such savepoint: {name}"))
}
