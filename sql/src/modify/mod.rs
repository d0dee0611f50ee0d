//! INSERT, UPDATE and DELETE being run: rows made, checked, and written with their index entries; triggers fired.
//!
//! - [`Running`]: a statement being run. `machine`: what runs, a statement of a trigger included.
//! - `insert`, `update`: what is done with a row. `conflict`: what is in a row's way, and what becomes of it.
//! - `rules`: the values, checks and index entries of a row; `stored`: rows as keys and records.
//! - `trigger`: programs. `foreign`: foreign keys.
//!
//! # Invariants
//! - M1: a row is written when all its constraints are known to hold: its record, its entries, and no await between them.
//! - M2: what a statement wrote before it failed is there. The session has a savepoint around each statement, and goes back to it where
//!   the error's clause is ABORT, or is no constraint's.
//! - M3: an expression of a row's rules sees the row alone; it has no subqueries, so that it is evaluated without await.

mod conflict;
mod foreign;
mod insert;
mod machine;
mod rules;
mod stored;
mod trigger;
mod update;

use std::sync::Arc;

use heddle_value::Value;

use crate::ast::ConflictClause;
use crate::exec::Resources;
use crate::plan::Modification;
use crate::{ConstraintKind, Error, Result};
use machine::{Machine, WriteRun};
use trigger::Pool;

/// An INSERT, UPDATE or DELETE being run.
pub struct Running {
    plan: Arc<Modification>,
    parameters: Arc<[Value]>,
    root: WriteRun,
    pool: Pool,
    returned: Vec<Vec<Value>>,
}

impl Running {
    /// Makes a statement ready to run. Nothing is read or written yet.
    ///
    /// # Errors
    /// What can't be run.
    pub fn start(plan: Arc<Modification>, parameters: Arc<[Value]>) -> Result<Running> {
        let root = WriteRun::new(&plan.write, &parameters)?;
        let pool = Pool::new(plan.programs.len());
        Ok(Running { plan, parameters, root, pool, returned: Vec::new() })
    }

    /// Back to the start, with perhaps other parameters: for a statement that is run again.
    pub fn restart(&mut self, parameters: Arc<[Value]>) {
        self.root.restart(&parameters);
        self.pool.clear();
        self.parameters = parameters;
        self.returned.clear();
    }

    /// Runs it, and gives how many rows it changed, those that triggers changed not counted. The connection's counters are
    /// set as SQLite sets them.
    ///
    /// # Errors
    /// A constraint with what becomes of the statement; what reading and evaluating meets.
    ///
    /// # Cancel safety
    /// Dropped before it ends, a part of the rows is written: go back to a savepoint.
    pub async fn run(&mut self, resources: &mut Resources) -> Result<u64> {
        let Running { plan, parameters, root, pool, returned } = self;
        let mut machine = Machine {
            resources,
            programs: &plan.programs,
            parameters,
            pool,
            active: Vec::new(),
            changes: 0,
            violations: 0,
            returned,
        };
        // What is wrong with the schema is said before anything counts as run.
        machine.check_schema(&plan.write, root)?;
        let mut done = machine.write(&plan.write, root).await;
        if done.is_ok() && machine.violations > 0 {
            done = Err(violated());
        }
        let changes = machine.changes;
        let kept = match &done {
            Ok(()) => true,
            Err(error) => matches!(action_of(error), Some(ConflictClause::Fail)),
        };
        resources.changes = if kept { changes } else { 0 };
        resources.total_changes += resources.changes;
        done.map(|()| u64::try_from(changes).unwrap_or(0))
    }

    /// The rows of RETURNING, in the order in which they were written; those that were not taken yet.
    pub fn returning(&mut self) -> Vec<Vec<Value>> {
        std::mem::take(&mut self.returned)
    }
}

/// What is said of a foreign key that does not hold.
fn violated() -> Error {
    Error::Constraint {
        kind: ConstraintKind::ForeignKey,
        what: String::new(),
        action: ConflictClause::Abort,
    }
}

/// What an error asks for, if a constraint or RAISE says so.
fn action_of(error: &Error) -> Option<ConflictClause> {
    match error {
        Error::Constraint { action, .. } | Error::Raised { action, .. } => Some(*action),
        _ => None,
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("table", &self.plan.write.table.name).finish()
    }
}
