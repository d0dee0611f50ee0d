//! One aggregate's call: its arguments, and its state for one group.
//!
//! # Invariants
//! - A1: rows that FILTER refuses are as if they were not there; their arguments are not evaluated.
//! - A2: with DISTINCT each different first argument is taken once, with ORDER BY all in order when the value is asked for.

use heddle_functions::Aggregate;
use heddle_value::{Collation, Value};

use crate::Result;
use crate::exec::code::{Code, evaluate_batch, filter};
use crate::exec::compile::Compiler;
use crate::exec::context::{Context, Resources};
use crate::exec::distinct::Seen;
use crate::exec::keys::compare_in_order;
use crate::exec::sort::Order;
use crate::exec::{Batch, Vector};
use crate::plan::{AggregateCall, AggregateKind, ColumnId};

/// A compiled [`AggregateCall`].
pub(crate) struct Call {
    kind: AggregateKind,
    arguments: Vec<Code>,
    distinct: bool,
    filter: Option<Code>,
    order: Order,
    collation: Collation,
}

/// The arguments of a call for the rows of a batch.
pub(crate) struct Arguments {
    /// The rows that FILTER lets pass; `None`: all.
    pub(crate) rows: Option<Vec<u32>>,
    /// For those rows.
    columns: Vec<Vector>,
    order: Vec<Vector>,
}

impl Arguments {
    /// The arguments for a row, counted among those that passed.
    pub(crate) fn values(&self, row: usize, out: &mut Vec<Value>) {
        out.clear();
        out.extend(self.columns.iter().map(|column| column.get(row)));
    }

    /// Their columns.
    pub(crate) fn columns(&self) -> &[Vector] {
        &self.columns
    }

    /// Hands the arguments for a row to `take`, without copying the only one.
    #[inline]
    pub(crate) fn with<R>(
        &self,
        row: usize,
        values: &mut Vec<Value>,
        take: impl FnOnce(&[Value]) -> R,
    ) -> R {
        match &*self.columns {
            [] => take(&[]),
            [column] => column.with(row, |value| take(std::slice::from_ref(value))),
            _ => {
                self.values(row, values);
                take(values)
            }
        }
    }

    /// One argument for a row.
    pub(crate) fn value(&self, argument: usize, row: usize) -> Value {
        self.columns.get(argument).map_or(Value::Null, |column| column.get(row))
    }

    fn order(&self, row: usize) -> Vec<Value> {
        self.order.iter().map(|column| column.get(row)).collect()
    }
}

impl Call {
    /// Compiles a call over an input of these columns.
    ///
    /// # Errors
    /// What can't be compiled.
    pub(crate) fn compile(
        compiler: &mut Compiler<'_>,
        call: &AggregateCall,
        input: &[ColumnId],
    ) -> Result<Call> {
        Ok(Call {
            kind: call.function.clone(),
            arguments: compiler.codes(&call.arguments, input)?,
            distinct: call.distinct,
            filter: call.filter.as_ref().map(|f| compiler.code(f, input)).transpose()?,
            order: Order::compile(compiler, &call.order_by, input)?,
            collation: call.collation.clone(),
        })
    }

    /// Whether it is the built-in function of this name.
    pub(crate) fn is(&self, name: &str) -> bool {
        matches!(&self.kind, AggregateKind::BuiltIn(function) if function.name == name)
    }

    /// How many arguments it has.
    pub(crate) fn arity(&self) -> usize {
        self.arguments.len()
    }

    /// Whether it has a FILTER.
    pub(crate) fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// How its arguments compare.
    pub(crate) fn collation(&self) -> &Collation {
        &self.collation
    }

    /// Its arguments for the rows of a batch (A1).
    ///
    /// # Errors
    /// What evaluating meets.
    pub(crate) async fn arguments(&self, batch: &Batch, cx: &mut Context<'_>) -> Result<Arguments> {
        let rows = match &self.filter {
            Some(code) => filter(std::slice::from_ref(code), batch, cx).await?,
            None => None,
        };
        let passed = rows.as_ref().map(|rows| batch.select(rows));
        let batch = passed.as_ref().unwrap_or(batch);
        Ok(Arguments {
            columns: evaluate_batch(&self.arguments, batch, cx).await?,
            order: evaluate_batch(&self.order.codes, batch, cx).await?,
            rows,
        })
    }

    fn new_aggregate(&self) -> Box<dyn Aggregate> {
        match &self.kind {
            AggregateKind::BuiltIn(function) => (function.start)(&self.collation),
            AggregateKind::User(function) => (function.start)(&self.collation),
        }
    }

    /// Whether its running state can go back over rows.
    pub(crate) fn is_invertible(&self) -> bool {
        match &self.kind {
            AggregateKind::BuiltIn(function) => function.invertible,
            AggregateKind::User(function) => function.invertible,
        }
    }

    /// The state of an empty group.
    pub(crate) fn start(&self) -> Running {
        Running {
            aggregate: self.new_aggregate(),
            seen: self.distinct.then(|| Seen::new([&self.collation])),
            waiting: (!self.order.codes.is_empty()).then(Vec::new),
        }
    }
}

/// A call's state for one group.
pub(crate) struct Running {
    aggregate: Box<dyn Aggregate>,
    /// With DISTINCT: the first arguments taken.
    seen: Option<Seen>,
    /// With ORDER BY: keys and arguments, to be taken at the end.
    waiting: Option<Vec<(Vec<Value>, Vec<Value>)>>,
}

impl Running {
    /// Takes a row, counted among those that passed FILTER. `values` is to be used again.
    ///
    /// # Errors
    /// What the function refuses.
    pub(crate) fn step(
        &mut self,
        arguments: &Arguments,
        row: usize,
        values: &mut Vec<Value>,
        resources: &mut Resources,
    ) -> Result<()> {
        if self.seen.is_none() && self.waiting.is_none() {
            let aggregate = &mut self.aggregate;
            return Ok(arguments.with(row, values, |values| aggregate.step(resources, values))?);
        }
        arguments.values(row, values);
        if let Some(seen) = &mut self.seen
            && !seen.insert(values.first())
        {
            return Ok(());
        }
        if let Some(waiting) = &mut self.waiting {
            waiting.push((arguments.order(row), values.clone()));
            return Ok(());
        }
        self.step_values(values, resources)
    }

    /// Takes a row by the values of its arguments, as a window does: there is no DISTINCT and no ORDER BY then.
    ///
    /// # Errors
    /// What the function refuses.
    pub(crate) fn step_values(
        &mut self,
        values: &[Value],
        resources: &mut Resources,
    ) -> Result<()> {
        Ok(self.aggregate.step(resources, values)?)
    }

    /// Takes the row that was stepped first out again.
    ///
    /// # Errors
    /// What the function refuses.
    pub(crate) fn inverse_values(
        &mut self,
        values: &[Value],
        resources: &mut Resources,
    ) -> Result<()> {
        Ok(self.aggregate.inverse(resources, values)?)
    }

    /// The result so far.
    ///
    /// # Errors
    /// What the function refuses.
    pub(crate) fn value(&mut self, call: &Call, resources: &mut Resources) -> Result<Value> {
        let Some(waiting) = &mut self.waiting else {
            return Ok(self.aggregate.value(resources)?);
        };
        let parts = &call.order.parts;
        waiting.sort_by(|(a, _), (b, _)| {
            let mut orders =
                a.iter().zip(b).zip(parts).map(|((a, b), p)| compare_in_order(a, b, p));
            orders.find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        });
        let mut aggregate = call.new_aggregate();
        for (_, arguments) in waiting.iter() {
            aggregate.step(resources, arguments)?;
        }
        Ok(aggregate.value(resources)?)
    }
}
