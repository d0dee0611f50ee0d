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
use super::prepared::{Body, Planned, Prepared};
use super::run::Finished;
use super::state::{Session, State};
use crate::ast::{
    ConflictClause, Delete, IndexHint, Insert, InsertSource, Name, QualifiedName, Statement,
    TableBody,
};
use crate::bind::{self, Environment};
use crate::plan::{Action, Fired, Modification};
use crate::schema::{DatabaseIndex, Named};
use crate::{Error, Result, ddl, modify};

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
            if told.is_ok()
                && let Err(error) = self.check_commit()
            {
                self.resources.changes = 0;
                self.resources.total_changes = counters[1];
                return Err(error);
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
        let schema = match prepared.statement() {
            Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
                return match &prepared.planned()?.body {
                    Body::Modify(plan) => Some(plan.write.database),
                    _ => None,
                };
            }
            Statement::Pragma { schema, .. } => schema,
            statement => return ddl::database_of(statement, &self.known).ok(),
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
        let statement = prepared.statement();
        match statement {
            Statement::Pragma { .. } => self.set_header(statement).map(|()| Finished::default()),
            Statement::CreateTable(_)
            | Statement::CreateIndex(_)
            | Statement::CreateView(_)
            | Statement::CreateTrigger(_)
            | Statement::AlterTable { .. }
            | Statement::DropTable { .. }
            | Statement::DropIndex { .. }
            | Statement::DropView { .. }
            | Statement::DropTrigger { .. }
            | Statement::Analyze(_) => self.change_schema(prepared, planned, parameters).await,
            _ => match &planned.body {
                Body::Modify(plan) => self.modify(planned, plan, parameters).await,
                _ => Err(Error::Unsupported(format!("{} is", super::run::word(statement)))),
            },
        }
    }

    /// INSERT, UPDATE, DELETE.
    async fn modify(
        &mut self,
        planned: &Planned,
        plan: &Arc<Modification>,
        parameters: &Arc<[Value]>,
    ) -> Result<Finished> {
        let mut running = match planned.take_spare_write() {
            Some(mut running) => {
                running.restart(Arc::clone(parameters));
                running
            }
            None => modify::Running::start(Arc::clone(plan), Arc::clone(parameters))?,
        };
        let changes = running.run(&mut self.resources).await?;
        let rows = running.returning();
        planned.keep_write(running);
        Ok(Finished { changes, columns: Arc::clone(&planned.columns), rows })
    }

    /// CREATE, ALTER, DROP.
    async fn change_schema(
        &mut self,
        prepared: &Prepared,
        planned: &Arc<Planned>,
        parameters: &Arc<[Value]>,
    ) -> Result<Finished> {
        let statement = prepared.statement();
        if let Statement::DropTable { name, .. } = statement {
            self.delete_children(planned, name).await?;
        }
        let databases = Arc::clone(&planned.databases);
        let environment = Environment { databases: &databases, extensions: &self.extensions };
        let resources = &mut self.resources;
        let outcome = ddl::run(statement, prepared.text(), environment, resources).await?;
        if let ddl::Outcome::Insert { database, table, .. } = outcome
            && let Statement::CreateTable(create) = statement
            && let TableBody::Select(select) = &create.body
        {
            let schema = databases.get(database).map(|database| Name::new(&*database.name));
            let insert = Insert {
                with: None,
                conflict: None,
                table: QualifiedName { schema, name: Name::new(table) },
                alias: None,
                columns: Vec::new(),
                source: InsertSource::Select(select.clone()),
                upserts: Vec::new(),
                returning: Vec::new(),
            };
            self.within(&Statement::Insert(Box::new(insert)), parameters).await?;
        }
        Ok(Finished::default())
    }

    /// The rows of a table that goes: what their foreign keys' actions do to others, and whether they may go.
    async fn delete_children(&mut self, planned: &Planned, name: &QualifiedName) -> Result<()> {
        let schema = name.schema.as_ref().map(|schema| &*schema.text);
        let found = planned.databases.named(schema, &name.name.text);
        let (true, Ok((database, Named::Table(_)))) = (self.resources.foreign_keys, found) else {
            return Ok(());
        };
        let Some(of) = planned.databases.get(database) else { return Ok(()) };
        let is_parent = of.schema.all().any(|named| match named {
            Named::Table(child) => child.foreign_keys.iter().any(|key| name.name.is(&key.parent)),
            _ => false,
        });
        if !is_parent {
            return Ok(());
        }
        let delete = Delete {
            with: None,
            table: QualifiedName { schema: Some(Name::new(&*of.name)), name: name.name.clone() },
            alias: None,
            hint: IndexHint::default(),
            filter: None,
            returning: Vec::new(),
            order_by: Vec::new(),
            limit: None,
        };
        self.within(&Statement::Delete(Box::new(delete)), &Arc::default()).await
    }

    /// Writes rows for another statement: the counters do not tell of it.
    async fn within(&mut self, statement: &Statement, parameters: &Arc<[Value]>) -> Result<()> {
        let counters = self.counters();
        let transactions = std::mem::take(&mut self.resources.transactions);
        self.see(&transactions);
        self.resources.transactions = transactions;
        let environment = Environment { databases: &self.known, extensions: &self.extensions };
        let count = u32::try_from(parameters.len()).unwrap_or(u32::MAX);
        let mut plan = bind::modification(environment, statement, count)?;
        if let Action::Delete(fired) = &mut plan.write.action {
            // DROP TABLE fires no triggers.
            *fired = Fired::default();
        }
        let mut running = modify::Running::start(Arc::new(plan), Arc::clone(parameters))?;
        running.run(&mut self.resources).await?;
        self.set_counters(counters);
        Ok(())
    }
}
