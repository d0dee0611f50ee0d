//! Changes of the schema: CREATE, DROP, ALTER, carried out.
//!
//! A statement is checked against the schema that its connection sees, and then becomes rows of `sqlite_schema` and trees
//! ([`heddle_engine::raw`]); their text is the one that SQLite would keep.
//!
//! - `names`: which database a statement changes, and which names it may use; `text`: what is kept.
//! - `table`, `index`, `view`, `trigger`: CREATE; `entries`: the rows of a new index; `row`: a stored row as values.
//! - `visit`: all that a statement names; `references`: what a view or trigger may name;
//!   `functions`: what definitions may call.
//! - `alter`: ALTER TABLE; `drop`: DROP; `analyze`: ANALYZE; `statistics`: what it left of what is gone.
//!
//! # Invariants
//! - D1: all checks come before the first write.
//! - D2: the caller has a savepoint to go back to: what fails midway leaves writes behind.

mod alter;
mod analyze;
mod drop;
mod entries;
mod functions;
mod index;
mod names;
mod references;
mod row;
mod statistics;
mod table;
mod text;
mod trigger;
mod view;
mod visit;

use std::sync::Arc;

use heddle_engine::Transaction;

use crate::ast::Statement;
use crate::bind::Environment;
use crate::exec::Resources;
use crate::plan::Query;
use crate::schema::{DatabaseIndex, Schema, build};
use crate::{Error, Result};

pub use names::database_of;
pub use row::RowReader;

/// What is left to do after a statement.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing.
    Done,
    /// Nothing was changed: IF EXISTS or IF NOT EXISTS held it back.
    Unchanged,
    /// `CREATE TABLE .. AS SELECT`: the rows of this query go into the new table.
    Insert {
        /// Where the table is.
        database: DatabaseIndex,
        /// Its name.
        table: Box<str>,
        /// Its rows.
        query: Box<Query>,
    },
}

/// Carries out a statement that changes the schema. `sql` is its text, without what is around it and its semicolon. The
/// transaction of the database that it changes ([`database_of`]) is in `resources`.
///
/// The rows that DROP TABLE would delete by foreign keys are the caller's matter, before it.
///
/// # Errors
/// In SQLite's words; what the engine meets; [`Error::Unsupported`].
///
/// # Cancel safety
/// Dropped before it ends, some of it may be done (D2).
pub async fn run(
    statement: &Statement,
    sql: &str,
    environment: Environment<'_>,
    resources: &mut Resources,
) -> Result<Outcome> {
    let database = database_of(statement, environment.databases)?;
    let mut change = Change { sql, environment, resources, database };
    match statement {
        Statement::CreateTable(create) => table::create(&mut change, create).await,
        Statement::CreateIndex(create) => index::create(&mut change, create).await,
        Statement::CreateView(create) => view::create(&mut change, create).await,
        Statement::CreateTrigger(create) => trigger::create(&mut change, create).await,
        Statement::DropTable { if_exists, name } => {
            drop::table(&mut change, name, *if_exists, false).await
        }
        Statement::DropView { if_exists, name } => {
            drop::table(&mut change, name, *if_exists, true).await
        }
        Statement::DropIndex { if_exists, name } => {
            drop::index(&mut change, name, *if_exists).await
        }
        Statement::DropTrigger { if_exists, name } => {
            drop::trigger(&mut change, name, *if_exists).await
        }
        Statement::AlterTable { table, change: alteration } => {
            alter::table(&mut change, table, alteration).await
        }
        Statement::Analyze(name) => analyze::analyze(&mut change, name.as_ref()).await,
        Statement::CreateVirtualTable { module, .. } => {
            Err(Error::sql(format!("no such module: {module}")))
        }
        _ => Err(Error::sql("not a change of the schema")),
    }
}

/// A statement being carried out.
struct Change<'a> {
    /// Its text.
    sql: &'a str,
    environment: Environment<'a>,
    resources: &'a mut Resources,
    /// What it changes.
    database: DatabaseIndex,
}

impl Change<'_> {
    fn tx(&mut self) -> Result<&mut Transaction> {
        self.resources.transaction(self.database)
    }

    /// The schema as it was before the statement.
    fn schema(&self) -> Result<&Arc<Schema>> {
        let schema = self.environment.databases.schema(self.database);
        schema.ok_or_else(|| Error::sql("unknown database"))
    }

    /// The schema with what the statement has done so far.
    fn schema_now(&mut self) -> Result<Arc<Schema>> {
        let (database, extensions) = (self.database, self.environment.extensions);
        let tx = self.tx()?;
        let collations = |name: &str| extensions.collation(name);
        Ok(build(tx.schema(), tx.schema_tree(), database, &collations))
    }

    /// The name of the database.
    fn database_name(&self) -> &str {
        self.environment.databases.get(self.database).map_or("main", |database| &database.name)
    }
}
