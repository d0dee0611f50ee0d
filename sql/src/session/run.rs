//! Running a statement: which is done how.

use std::sync::Arc;

use heddle_value::Value;

use super::TransactionOptions;
use super::prepared::{Body, OutputColumn, Planned, Prepared};
use super::query::QueryRun;
use super::state::Session;
use crate::ast::{Explain, Statement};
use crate::exec::{Resources, Running};
use crate::{Error, Result};

/// What running a statement gives.
#[derive(Debug)]
pub enum Outcome {
    /// A query, of which rows can be asked for.
    Rows(Box<QueryRun>),
    /// All is done.
    Finished(Finished),
}

/// A statement that is done.
#[derive(Debug, Default)]
pub struct Finished {
    /// How many rows it changed.
    pub changes: u64,
    /// The columns of its rows, if it gives rows.
    pub columns: Arc<[OutputColumn]>,
    /// Its rows.
    pub rows: Vec<Vec<Value>>,
}

impl Session {
    /// Makes the plan of a statement, so that what is wrong with it is known, and its columns.
    ///
    /// # Errors
    /// What is wrong with it, in SQLite's words; what reading the schema meets.
    ///
    /// # Cancel safety
    /// It can be called again.
    pub async fn prepare(&mut self, prepared: &Prepared) -> Result<()> {
        self.prepare_temp(prepared.text()).await?;
        match prepared.statement() {
            Statement::Select(_)
            | Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_) => {}
            _ => return Ok(()),
        }
        self.check_usable()?;
        if self.is_autocommit() {
            let own = self.own_resources().await?;
            self.plan_for(prepared, &own.transactions)?;
        } else {
            self.begin_open().await?;
            self.plan(prepared)?;
        }
        Ok(())
    }

    /// Runs a statement. Of a query, rows can be asked for afterwards; all others are done when this ends.
    ///
    /// # Errors
    /// What is wrong with it, and what running it meets.
    ///
    /// # Cancel safety
    /// Dropped before it ends, [`Session::tidy`] undoes it, unless a commit has drawn its place.
    pub async fn run(&mut self, prepared: &Prepared, parameters: Arc<[Value]>) -> Result<Outcome> {
        prepared.check_parameters(parameters.len())?;
        self.tidy();
        self.start_clock();
        self.prepare_temp(prepared.text()).await?;
        let done = |()| Outcome::Finished(Finished::default());
        match prepared.statement() {
            Statement::Select(_) => {
                let run = self.query(prepared, parameters).await?;
                Ok(Outcome::Rows(Box::new(run)))
            }
            Statement::Begin(kind) => {
                let options = TransactionOptions { kind: *kind, ..TransactionOptions::default() };
                self.begin(options).await.map(done)
            }
            Statement::Commit => self.commit().await.map(done),
            Statement::Rollback { to: None } => self.rollback().map(done),
            Statement::Rollback { to: Some(name) } => self.rollback_to(name).map(done),
            Statement::Savepoint(name) => self.savepoint(name).map(done),
            Statement::Release(name) => self.release(name).await.map(done),
            Statement::Attach { file, name, key: None } => {
                self.attach(file, name, &parameters).await.map(done)
            }
            Statement::Attach { .. } => Err(Error::Unsupported("ATTACH with a key is".to_owned())),
            Statement::Detach(name) => self.detach(name, &parameters).map(done),
            Statement::Vacuum { schema, into: None } => {
                self.vacuum(schema.as_ref()).await.map(done)
            }
            Statement::Vacuum { .. } => Err(Error::Unsupported("VACUUM INTO is".to_owned())),
            Statement::Explain(Explain::Program, _) => {
                let what =
                    "EXPLAIN (there is no program of SQLite's machine; see EXPLAIN QUERY PLAN) is";
                Err(Error::Unsupported(what.to_owned()))
            }
            Statement::Explain(Explain::QueryPlan, statement) => {
                self.explain(prepared, statement).await.map(Outcome::Finished)
            }
            Statement::CreateVirtualTable { module, .. } => {
                Err(Error::sql(format!("no such module: {module}")))
            }
            Statement::Pragma { .. } => {
                self.pragma(prepared, &parameters).await.map(Outcome::Finished)
            }
            _ => self.write(prepared, &parameters).await.map(Outcome::Finished),
        }
    }

    async fn query(&mut self, prepared: &Prepared, parameters: Arc<[Value]>) -> Result<QueryRun> {
        self.check_usable()?;
        if self.is_autocommit() {
            let mut own: Box<Resources> = self.own_resources().await?;
            let planned = self.plan_for(prepared, &own.transactions)?;
            own.pragmas = self.pragmas_for(prepared.text(), &mut own).await?;
            let running = started(&planned, parameters)?;
            return Ok(QueryRun::new(planned, running, Some(own), self.epoch()));
        }
        self.begin_open().await?;
        let planned = self.plan(prepared)?;
        self.lend_pragmas(prepared.text()).await?;
        let running = started(&planned, parameters)?;
        Ok(QueryRun::new(planned, running, None, self.epoch()))
    }
}

fn started(planned: &Planned, parameters: Arc<[Value]>) -> Result<Running> {
    match &planned.body {
        Body::Query(query) => match planned.take_spare() {
            Some(mut running) => {
                running.restart(parameters);
                Ok(running)
            }
            None => Running::start(Arc::clone(query), parameters),
        },
        _ => Err(Error::sql("the statement gives no rows")),
    }
}

/// What a statement is called.
pub(super) fn word(statement: &Statement) -> &'static str {
    match statement {
        Statement::Select(_) => "SELECT",
        Statement::Insert(_) => "INSERT",
        Statement::Update(_) => "UPDATE",
        Statement::Delete(_) => "DELETE",
        Statement::CreateTable(_) => "CREATE TABLE",
        Statement::CreateIndex(_) => "CREATE INDEX",
        Statement::CreateView(_) => "CREATE VIEW",
        Statement::CreateTrigger(_) => "CREATE TRIGGER",
        Statement::CreateVirtualTable { .. } => "CREATE VIRTUAL TABLE",
        Statement::AlterTable { .. } => "ALTER TABLE",
        Statement::DropTable { .. } => "DROP TABLE",
        Statement::DropIndex { .. } => "DROP INDEX",
        Statement::DropView { .. } => "DROP VIEW",
        Statement::DropTrigger { .. } => "DROP TRIGGER",
        Statement::Pragma { .. } => "PRAGMA",
        Statement::Analyze(_) => "ANALYZE",
        Statement::Reindex(_) => "REINDEX",
        Statement::Vacuum { .. } => "VACUUM",
        Statement::Explain(..) => "EXPLAIN",
        _ => "this statement",
    }
}
