//! Triggers being run.
//!
//! # Invariants
//! - T1: a compiled program is used by one run at a time; a trigger that fires itself gets another copy.
//! - T2: what counters a trigger's statements changed is as before when it ends, but for the sum of all changes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use heddle_value::Value;

use super::machine::{Machine, WriteRun};
use crate::ast::ConflictClause;
use crate::exec::{self, CodeId, Evaluator, RowImage};
use crate::plan::{Program, ProgramId, Step};
use crate::{Error, Result};

/// How deep triggers may fire triggers (`SQLITE_LIMIT_TRIGGER_DEPTH`).
const MAX_DEPTH: usize = 1000;

/// Compiled programs that do not run, by [`ProgramId`] (T1).
pub(super) struct Pool {
    ready: Vec<Vec<ProgramRun>>,
}

impl Pool {
    pub(super) fn new(programs: usize) -> Pool {
        Pool { ready: (0..programs).map(|_| Vec::new()).collect() }
    }

    pub(super) fn clear(&mut self) {
        self.ready.iter_mut().for_each(Vec::clear);
    }
}

/// A compiled program.
struct ProgramRun {
    when: Option<(Evaluator, CodeId)>,
    steps: Vec<StepRun>,
}

enum StepRun {
    Write(Box<WriteRun>),
    Query(Box<exec::Running>),
}

impl ProgramRun {
    fn new(program: &Program, parameters: &Arc<[Value]>) -> Result<ProgramRun> {
        let when = match &program.when {
            Some(when) => {
                let evaluator = Evaluator::new([(when, &[][..])], &[], Arc::clone(parameters))?;
                let id = evaluator.id(0).ok_or_else(|| Error::sql("no such expression"))?;
                Some((evaluator, id))
            }
            None => None,
        };
        let mut steps = Vec::with_capacity(program.steps.len());
        for step in &program.steps {
            steps.push(match step {
                Step::Write(write) => StepRun::Write(Box::new(WriteRun::new(write, parameters)?)),
                Step::Query(query) => StepRun::Query(Box::new(exec::Running::start(
                    Arc::clone(query),
                    Arc::clone(parameters),
                )?)),
            });
        }
        Ok(ProgramRun { when, steps })
    }
}

/// A future that makes itself more stack where it needs it: triggers fire triggers.
struct Deep<'f, T>(Pin<Box<dyn Future<Output = T> + Send + 'f>>);

impl<T> Future for Deep<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        stacker::maybe_grow(256 << 10, 2 << 20, || self.0.as_mut().poll(cx))
    }
}

impl Machine<'_> {
    /// Runs triggers for a row. `false`: one of them wants the row passed over.
    pub(super) async fn fire(
        &mut self,
        programs: &[ProgramId],
        old: Option<&RowImage>,
        new: Option<&RowImage>,
    ) -> Result<bool> {
        for id in programs {
            let Some(program) = self.programs.get(id.0) else { continue };
            if !self.resources.recursive_triggers
                && !program.is_action
                && self.active.contains(&program.trigger)
            {
                continue;
            }
            if let Some(problem) = &program.problem {
                return Err(Error::sql(problem.to_string()));
            }
            if self.active.len() >= MAX_DEPTH {
                return Err(Error::sql("triggers nested too deep"));
            }
            match self.program(*id, program, old, new).await {
                Ok(()) => {}
                Err(Error::Raised { action: ConflictClause::Ignore, .. }) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn program<'f>(
        &'f mut self,
        id: ProgramId,
        program: &'f Program,
        old: Option<&'f RowImage>,
        new: Option<&'f RowImage>,
    ) -> Deep<'f, Result<()>> {
        Deep(Box::pin(async move {
            let ready = self.pool.ready.get_mut(id.0).and_then(Vec::pop);
            let mut run = match ready {
                Some(run) => run,
                None => ProgramRun::new(program, self.parameters)?,
            };
            let saved = (self.changes, self.resources.changes, self.resources.last_insert_rowid);
            self.changes = 0;
            self.active.push(program.trigger);
            let done = self.steps(program, &mut run, old, new).await;
            self.active.pop();
            (self.changes, self.resources.changes, self.resources.last_insert_rowid) = saved;
            if let Some(ready) = self.pool.ready.get_mut(id.0) {
                ready.push(run);
            }
            done
        }))
    }

    async fn steps(
        &mut self,
        program: &Program,
        run: &mut ProgramRun,
        old: Option<&RowImage>,
        new: Option<&RowImage>,
    ) -> Result<()> {
        if let Some((when, id)) = &mut run.when {
            when.forget();
            when.set_images(old.cloned(), new.cloned());
            if when.value(*id, &[], self.resources).await?.is_true() != Some(true) {
                return Ok(());
            }
        }
        for (step, run) in program.steps.iter().zip(&mut run.steps) {
            match (step, run) {
                (Step::Write(write), StepRun::Write(run)) => {
                    run.restart(self.parameters);
                    run.set_images(old, new);
                    self.write(write, run).await?;
                    self.resources.changes = self.changes;
                    self.resources.total_changes += self.changes;
                    self.changes = 0;
                }
                (Step::Query(_), StepRun::Query(run)) => {
                    run.restart(Arc::clone(self.parameters));
                    run.set_images(old.cloned(), new.cloned());
                    while run.next_batch(self.resources).await?.is_some() {}
                }
                _ => return Err(Error::sql("a trigger's program does not fit its plan")),
            }
        }
        Ok(())
    }
}
