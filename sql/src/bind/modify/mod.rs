//! INSERT, UPDATE, DELETE, and the programs of the triggers that they fire.
//!
//! - `target`: what is written to; `rules`: what holds for its rows. `insert`, `update`: the statements. `foreign`: foreign
//!   keys.
//!
//! # Invariants
//! - M1: a trigger is bound once for each conflict clause that it may run under, so that triggers may fire each other in a circle.
//! - M2: triggers are bound one after the other and not inside each other: a long chain of them takes no stack.

mod foreign;
mod insert;
mod rules;
mod target;
mod update;

use std::collections::HashMap;
use std::sync::Arc;

use super::{Binder, Environment, RowScope, Scope};
use crate::ast::{self, ConflictClause, Statement, TriggerEvent, TriggerTime};
use crate::plan::{
    ColumnInfo, Expr, Fired, Modification, Program, ProgramId, Query, Relation, Step, Write,
};
use crate::schema::{DatabaseIndex, Trigger};
use crate::{Error, Result};
use target::Target;

/// The plan of an INSERT, UPDATE or DELETE.
///
/// # Errors
/// What is wrong with it, in SQLite's words.
pub fn modification(
    environment: Environment<'_>,
    statement: &Statement,
    parameters: u32,
) -> Result<Modification> {
    let mut maker = Maker {
        environment,
        programs: Vec::new(),
        known: HashMap::new(),
        actions: HashMap::new(),
        triggers: Vec::new(),
        pending: Vec::new(),
        soft: false,
        names: Vec::new(),
        infos: Vec::new(),
    };
    let write = maker.statement(statement, &Around::default())?;
    maker.bind_pending()?;
    let programs = maker
        .programs
        .into_iter()
        .map(|program| program.ok_or_else(|| Error::sql("a trigger's program was not bound")));
    Ok(Modification {
        write,
        programs: programs.collect::<Result<_>>()?,
        names: maker.names,
        infos: maker.infos,
        parameters,
    })
}

/// What is around a statement: nothing, or a trigger.
#[derive(Debug, Clone, Default)]
struct Around {
    /// Its rows.
    row: Option<RowScope>,
    /// Where names are looked up first.
    home: Option<DatabaseIndex>,
    /// The conflict clause of the statement that fired it.
    conflict: Option<ConflictClause>,
}

/// A trigger to be bound, and the rows it sees.
struct Pending {
    program: usize,
    trigger: Arc<Trigger>,
    number: usize,
    around: Around,
    /// Whether it is what a foreign key says.
    is_action: bool,
    /// Whether what is wrong with it is an error only when it is run: it belongs to what a foreign key says.
    soft: bool,
}

/// What is known while a statement is bound.
struct Maker<'a> {
    environment: Environment<'a>,
    /// By [`ProgramId`].
    programs: Vec<Option<Program>>,
    /// By the trigger's number and the conflict clause (M1).
    known: HashMap<(usize, Option<u8>), usize>,
    /// What foreign keys do, by where the key is and whether its parent is changed.
    actions: HashMap<(usize, bool), ProgramId>,
    /// By their numbers.
    triggers: Vec<Arc<Trigger>>,
    pending: Vec<Pending>,
    /// Of the program that is bound now, see [`Pending`].
    soft: bool,
    /// RETURNING's.
    names: Vec<Box<str>>,
    infos: Vec<ColumnInfo>,
}

impl<'a> Maker<'a> {
    fn statement(&mut self, statement: &Statement, around: &Around) -> Result<Write> {
        match statement {
            Statement::Insert(insert) => self.insert(insert, around),
            Statement::Update(update) => self.update(update, around),
            Statement::Delete(delete) => self.delete(delete, around),
            _ => Err(Error::sql("not an INSERT, UPDATE or DELETE")),
        }
    }

    /// A binder that sees what is around.
    fn binder(&self, around: &Around) -> Binder<'a> {
        let mut binder = Binder::new(self.environment);
        binder.home = around.home;
        if let Some(row) = &around.row {
            binder.enter(Scope::of_row(row.clone()));
        }
        binder
    }

    fn bind_pending(&mut self) -> Result<()> {
        while let Some(Pending { program, trigger, number, around, is_action, soft }) =
            self.pending.pop()
        {
            self.soft = soft;
            let bound = match self.program(&trigger, number, &around) {
                Ok(bound) => Program { is_action, ..bound },
                Err(error) if soft => Program {
                    trigger: number,
                    when: None,
                    steps: Vec::new(),
                    is_action,
                    problem: Some(error.to_string().into()),
                },
                Err(error) => return Err(error),
            };
            if let Some(place) = self.programs.get_mut(program) {
                *place = Some(bound);
            }
        }
        Ok(())
    }

    fn program(&mut self, trigger: &Trigger, number: usize, around: &Around) -> Result<Program> {
        let definition = &trigger.definition;
        let when = match &definition.when {
            Some(when) => Some(self.binder(around).expr(when)?.expr),
            None => None,
        };
        let mut steps = Vec::with_capacity(definition.commands.len());
        for command in &definition.commands {
            steps.push(match command {
                Statement::Select(select) => {
                    let mut binder = self.binder(around);
                    let bound = binder.select(select)?;
                    Step::Query(Arc::new(optimized(binder.finish(bound, 0))))
                }
                other => Step::Write(Box::new(self.statement(other, around)?)),
            });
        }
        Ok(Program { trigger: number, when, steps, is_action: false, problem: None })
    }

    /// The triggers of a target that an event fires, bound later.
    fn fired(
        &mut self,
        target: &Target,
        event: &Event<'_>,
        conflict: Option<ConflictClause>,
    ) -> Fired {
        let mut fired = Fired::default();
        for trigger in target.triggers(self.environment.databases) {
            if !event.fires(&trigger.definition.event) {
                continue;
            }
            let program = self.program_of(&trigger, target, event, conflict);
            match trigger.definition.time {
                TriggerTime::After => fired.after.push(program),
                TriggerTime::Before | TriggerTime::InsteadOf => fired.before.push(program),
            }
        }
        fired
    }

    fn program_of(
        &mut self,
        trigger: &Arc<Trigger>,
        target: &Target,
        event: &Event<'_>,
        conflict: Option<ConflictClause>,
    ) -> ProgramId {
        let known = self.triggers.iter().position(|known| Arc::ptr_eq(known, trigger));
        let number = known.unwrap_or_else(|| {
            self.triggers.push(Arc::clone(trigger));
            self.triggers.len() - 1
        });
        let key = (number, conflict.map(|conflict| conflict as u8));
        if let Some(program) = self.known.get(&key) {
            return ProgramId(*program);
        }
        let program = self.programs.len();
        self.programs.push(None);
        self.known.insert(key, program);
        let row = RowScope {
            table: Arc::clone(&target.table),
            new: !matches!(event, Event::Delete),
            old: !matches!(event, Event::Insert),
            bare: None,
        };
        let around = Around { row: Some(row), home: Some(trigger.database), conflict };
        let trigger = Arc::clone(trigger);
        let soft = self.soft;
        self.pending.push(Pending { program, trigger, number, around, is_action: false, soft });
        ProgramId(program)
    }
}

/// What happens to a row.
enum Event<'s> {
    Insert,
    /// With the names that are set.
    Update(Vec<&'s ast::Name>),
    Delete,
}

impl Event<'_> {
    fn fires(&self, event: &TriggerEvent) -> bool {
        match (self, event) {
            (Event::Insert, TriggerEvent::Insert) | (Event::Delete, TriggerEvent::Delete) => true,
            (Event::Update(set), TriggerEvent::Update { of }) => {
                of.is_empty() || of.iter().any(|of| set.iter().any(|set| **set == *of))
            }
            _ => false,
        }
    }

    fn of_sets<'s>(sets: &'s [ast::Set]) -> Event<'s> {
        Event::Update(sets.iter().flat_map(|set| &set.columns).collect())
    }
}

/// A query as it is run.
fn optimized(mut query: Query) -> Query {
    crate::optimize::optimize(&mut query);
    query
}

/// A query of rows without columns.
fn unit_query(parameters: u32) -> Query {
    Query {
        relation: Relation::Unit,
        columns: Vec::new(),
        names: Vec::new(),
        infos: Vec::new(),
        shared: Vec::new(),
        parameters,
    }
}

/// Whether a query reads the tree of a table.
fn reads(query: &Query, target: &Target) -> bool {
    struct Scans<'t>(&'t Target, bool);
    impl crate::plan::Visit for Scans<'_> {
        fn expr(&mut self, _: &mut Expr) -> bool {
            true
        }

        fn relation(&mut self, relation: &mut Relation) -> bool {
            match relation {
                Relation::Scan(scan) => self.1 |= scan.table.tree.is(&self.0.table.tree),
                // What a pragma reads is not known.
                Relation::Rows { .. } => self.1 = true,
                _ => {}
            }
            true
        }
    }
    let mut scans = Scans(target, false);
    crate::plan::walk::relation(&mut query.relation.clone(), &mut scans);
    for relation in query.shared.iter().filter_map(|shared| shared.relation.as_ref()) {
        crate::plan::walk::relation(&mut relation.clone(), &mut scans);
    }
    scans.1
}
