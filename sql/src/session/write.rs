//! Statements that write: alone, or inside a transaction.
//!
//! # Invariants
//! - W1: inside a transaction a statement has a savepoint around it; ABORT goes back to it, FAIL does not, ROLLBACK ends the
//!   transaction.
//! - W2: alone it is run again after a conflict, in the engine's order of waiting, until it gets through: nothing of it, rows
//!   and counters neither, has left before its commit.

use std::sync::Arc;

use heddle_value::Value;

use super::TransactionOptions;
use super::prepared::{Planned, Prepared};
use super::run::Finished;
use super::state::{Session, State};
use crate::ast::ConflictClause;
use crate::schema::DatabaseIndex;
use crate::{Error, Result};

/// What becomes of a statement that fails.
enum Effect {
    Undo,
    Keep,
    RollBack,
}

fn effect(error: &Error) -> Effect {
    match error {
        Error::Constraint { action, .. } | Error::Raised { action, .. } => match action {
            ConflictClause::Fail => Effect::Keep,
            ConflictClause::Rollback => Effect::RollBack,
            _ => Effect::Undo,
        },
        _ => Effect::Undo,
    }
}

/// The conflict that it is.
fn conflict(error: &Error) -> Option<&heddle_engine::Error> {
    match error {
        Error::Engine(error) if error.is_conflict() => Some(error),
        _ => None,
    }
}

impl Session {
    /// Runs a statement that writes.
    ///
    /// # Cancel safety
    /// Dropped before it ends, [`Session::tidy`] undoes it, unless its commit has drawn its place.
    pub(super) async fn write(
        &mut self,
        prepared: &Prepared,
        parameters: &Arc<[Value]>,
    ) -> Result<Finished> {
        self.check_usable()?;
        if self.settings.query_only {
            return Err(Error::ReadOnly);
        }
        match self.transaction {
            State::Open(_) => self.write_within(prepared, parameters).await,
            _ => self.write_alone(prepared, parameters).await,
        }
    }

    /// W1.
    async fn write_within(
        &mut self,
        prepared: &Prepared,
        parameters: &Arc<[Value]>,
    ) -> Result<Finished> {
        self.begin_open().await?;
        let planned = self.plan(prepared)?;
        for transaction in self.resources.transactions.iter_mut().flatten() {
            transaction.make_room().await?;
        }
        self.statement = Some(self.mark());
        let outcome = self.carry_out(prepared, &planned, parameters).await;
        let marks = self.statement.take().unwrap_or_default();
        if let Err(error) = &outcome {
            match effect(error) {
                Effect::Undo => self.undo(&marks),
                Effect::Keep => {}
                Effect::RollBack => self.end_transaction(),
            }
        }
        self.forget(&marks);
        outcome.map_err(|error| self.noted(error))
    }

    /// W2.
    async fn write_alone(
        &mut self,
        prepared: &Prepared,
        parameters: &Arc<[Value]>,
    ) -> Result<Finished> {
        let outcome = self.attempts(prepared, parameters).await;
        self.clear_transactions();
        outcome
    }

    async fn attempts(
        &mut self,
        prepared: &Prepared,
        parameters: &Arc<[Value]>,
    ) -> Result<Finished> {
        let options = TransactionOptions::default();
        let target = self.target(prepared).unwrap_or(DatabaseIndex::MAIN);
        let at = usize::from(target.0);
        let database = self.database(target)?.database.clone();
        let mut attempts = database.attempts(self.settings.engine_options(options))?;
        let counters = self.counters();
        loop {
            let transaction = attempts.begin().await?;
            let all = &mut self.resources.transactions;
            all.resize_with(self.attached.len().max(all.len()), || None);
            if let Some(slot) = all.get_mut(at) {
                *slot = Some(transaction);
            }
            self.begin_missing(options).await?;
            let planned = self.plan(prepared)?;
            let outcome = self.carry_out(prepared, &planned, parameters).await;
            let told = match &outcome {
                Ok(_) => Ok(()),
                Err(error) => match (conflict(error), effect(error)) {
                    (Some(conflict), _) => Err(conflict.clone()),
                    (None, Effect::Keep) => Ok(()),
                    (None, _) => return outcome,
                },
            };
            if told.is_ok() {
                self.check_commit()?;
            }
            let taken = self.resources.transactions.get_mut(at).and_then(Option::take);
            let Some(transaction) = taken else { return outcome };
            if attempts.end(transaction, told).await?.is_some() {
                let others = std::mem::take(&mut self.resources.transactions);
                self.commit_all(others).await?;
                return outcome;
            }
            self.clear_transactions();
            self.set_counters(counters);
        }
    }

    fn counters(&self) -> [i64; 3] {
        let of = &self.resources;
        [of.changes, of.total_changes, of.last_insert_rowid]
    }

    fn set_counters(&mut self, [changes, total_changes, last_insert_rowid]: [i64; 3]) {
        let of = &mut self.resources;
        (of.changes, of.total_changes) = (changes, total_changes);
        of.last_insert_rowid = last_insert_rowid;
    }

    /// The database that a statement will write, as far as is known: the one whose conflicts it waits out.
    fn target(&self, prepared: &Prepared) -> Option<DatabaseIndex> {
        use crate::ast::Statement;
        let schema = match prepared.statement() {
            Statement::Insert(insert) => &insert.table.schema,
            Statement::Update(update) => &update.table.schema,
            Statement::Delete(delete) => &delete.table.schema,
            _ => return None,
        };
        self.known.find(&schema.as_ref()?.text)
    }

    /// Does what a statement that writes says, in the transactions there are.
    async fn carry_out(
        &mut self,
        prepared: &Prepared,
        planned: &Arc<Planned>,
        parameters: &Arc<[Value]>,
    ) -> Result<Finished> {
        let _ = (planned, parameters);
        Err(Error::Unsupported(format!("{} is", super::run::word(prepared.statement()))))
    }
}
