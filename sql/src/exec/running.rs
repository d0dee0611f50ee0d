//! A query that runs, and expressions that are evaluated by themselves: what others call.

use std::sync::Arc;

use heddle_value::Value;

use super::Batch;
use super::code::{Code, evaluate_row, try_row};
use super::compile::Compiler;
use super::context::{Context, Resources, RowImage, State};
use super::operator::Operator;
use super::shared::SharedRun;
use super::subquery::SubqueryRun;
use crate::plan::{ColumnId, Expr, Query, Shared};
use crate::{Error, Result};

/// A query being run.
pub struct Running {
    state: State,
    root: Box<dyn Operator>,
    /// Where the result's columns are.
    slots: Vec<usize>,
}

impl Running {
    /// Makes a query ready to run. Nothing is read yet.
    ///
    /// # Errors
    /// What can't be run.
    pub fn start(query: Arc<Query>, parameters: Arc<[Value]>) -> Result<Running> {
        let mut compiler = Compiler::new(&query.shared);
        let compiled = compiler.relation(&query.relation)?;
        let slots = compiled.slots(&query.columns)?;
        let state = state(compiler, parameters);
        Ok(Running { state, root: compiled.operator, slots })
    }

    /// Back to the start, with perhaps other parameters: for a statement that is run again.
    pub fn restart(&mut self, parameters: Arc<[Value]>) {
        self.state.parameters = parameters;
        self.state.subqueries.iter_mut().for_each(SubqueryRun::forget);
        self.state.shared.iter_mut().for_each(SharedRun::forget);
        self.root.open();
    }

    /// Sets `OLD` and `NEW`, for a query in a trigger; before it is started, or started again.
    pub fn set_images(&mut self, old: Option<RowImage>, new: Option<RowImage>) {
        self.state.set_images(old, new);
    }

    /// The next rows, with the result's columns in order; `None` at the end. No batch is empty.
    ///
    /// # Errors
    /// What reading or evaluating meets.
    ///
    /// # Cancel safety
    /// Dropped before it ends, rows may be missing: the query is to be started again.
    pub async fn next_batch(&mut self, resources: &mut Resources) -> Result<Option<Batch>> {
        let mut cx = Context { state: &mut self.state, resources };
        let batch = self.root.next(&mut cx).await?;
        Ok(batch.map(|batch| batch.project(&self.slots)))
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`Running::next_batch`].
    pub async fn all_rows(&mut self, resources: &mut Resources) -> Result<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        while let Some(batch) = self.next_batch(resources).await? {
            rows.extend((0..batch.rows()).map(|row| batch.row(row)));
        }
        Ok(rows)
    }
}

fn state(compiler: Compiler<'_>, parameters: Arc<[Value]>) -> State {
    let shared = compiler.shared_runs.into_iter().map(Option::unwrap_or_default).collect();
    State { parameters, subqueries: compiler.subqueries, shared, ..State::default() }
}

/// The number of an expression in an [`Evaluator`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeId(usize);

/// Expressions that are evaluated for one row at a time: those of SET and RETURNING, of constraints, indexes and triggers.
///
/// They have what subqueries gave in common, so that one that does not depend on the row runs once.
pub struct Evaluator {
    state: State,
    codes: Vec<Code>,
}

impl Evaluator {
    /// Compiles expressions, each with the columns of the rows that it is evaluated for; what else it uses are images
    /// ([`Evaluator::set_images`]), parameters, and `shared` relations. The ids are in the order of the expressions.
    ///
    /// # Errors
    /// What can't be run.
    pub fn new<'e>(
        expressions: impl IntoIterator<Item = (&'e Expr, &'e [ColumnId])>,
        shared: &[Shared],
        parameters: Arc<[Value]>,
    ) -> Result<Evaluator> {
        let mut compiler = Compiler::new(shared);
        let codes: Result<Vec<Code>> =
            expressions.into_iter().map(|(expr, columns)| compiler.code(expr, columns)).collect();
        let codes = codes?;
        Ok(Evaluator { state: state(compiler, parameters), codes })
    }

    /// The id of the expression with this number, counted from 0.
    pub fn id(&self, number: usize) -> Option<CodeId> {
        (number < self.codes.len()).then_some(CodeId(number))
    }

    /// Sets `OLD` and `NEW`.
    pub fn set_images(&mut self, old: Option<RowImage>, new: Option<RowImage>) {
        self.state.set_images(old, new);
    }

    /// `NEW` as it was set, to be changed in place; only for expressions without subqueries.
    pub fn new_image(&mut self) -> &mut RowImage {
        self.state.new.get_or_insert_default()
    }

    /// Other parameters; what subqueries gave is forgotten.
    pub fn set_parameters(&mut self, parameters: Arc<[Value]>) {
        self.state.parameters = parameters;
        self.state.subqueries.iter_mut().for_each(SubqueryRun::forget);
        self.state.shared.iter_mut().for_each(SharedRun::forget);
    }

    /// Forgets what subqueries gave, after the database changed.
    pub fn forget(&mut self) {
        self.state.subqueries.iter_mut().for_each(SubqueryRun::forget);
        self.state.shared.iter_mut().for_each(SharedRun::forget);
    }

    fn code(codes: &[Code], id: CodeId) -> Result<&Code> {
        codes.get(id.0).ok_or_else(|| Error::sql("no such expression"))
    }

    /// The value of an expression for a row.
    ///
    /// # Errors
    /// What evaluating meets.
    ///
    /// # Cancel safety
    /// It can be asked again.
    pub async fn value(
        &mut self,
        id: CodeId,
        row: &[Value],
        resources: &mut Resources,
    ) -> Result<Value> {
        let code = Evaluator::code(&self.codes, id)?;
        let mut cx = Context { state: &mut self.state, resources };
        evaluate_row(code, row, &mut cx).await
    }

    /// As [`Evaluator::value`], if no subquery has to be run for it.
    ///
    /// # Errors
    /// What evaluating meets.
    pub fn try_value(
        &mut self,
        id: CodeId,
        row: &[Value],
        resources: &mut Resources,
    ) -> Result<Option<Value>> {
        let code = Evaluator::code(&self.codes, id)?;
        let mut cx = Context { state: &mut self.state, resources };
        try_row(code, row, &mut cx)
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("columns", &self.slots.len()).finish()
    }
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluator").field("codes", &self.codes.len()).finish()
    }
}
