//! One call over a window.

use heddle_value::{Affinity, Value, arithmetic};

use super::frame::{Edges, FrameCode, Partition};
use super::slide;
use crate::exec::aggregate;
use crate::exec::code::{Code, evaluate_batch};
use crate::exec::compile::Compiler;
use crate::exec::context::Context;
use crate::exec::{Batch, Builder, Vector};
use crate::plan::{ColumnId, WindowCall, WindowFunction};
use crate::{Error, Result};

/// A compiled [`WindowCall`] with its arguments for the rows taken so far.
pub(super) struct Call {
    function: Function,
    frame: FrameCode,
    /// The arguments of functions that are no aggregates.
    codes: Vec<Code>,
    /// Arguments by row, as rows came.
    arguments: Vec<Builder>,
    /// Of an aggregate with FILTER: which rows pass.
    passed: Option<Vec<bool>>,
}

enum Function {
    Aggregate(Box<aggregate::Call>),
    RowNumber,
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
    Ntile,
    /// Forward: lead.
    Offset {
        forward: bool,
    },
    First,
    Last,
    Nth,
}

impl Call {
    /// Compiles a call over an input of these columns.
    ///
    /// # Errors
    /// What can't be compiled.
    pub(super) fn compile(
        compiler: &mut Compiler<'_>,
        call: &WindowCall,
        input: &[ColumnId],
    ) -> Result<Call> {
        let mut arguments = Vec::new();
        let function = match &call.function {
            WindowFunction::Aggregate(call) => {
                Function::Aggregate(Box::new(aggregate::Call::compile(compiler, call, input)?))
            }
            WindowFunction::RowNumber => Function::RowNumber,
            WindowFunction::Rank => Function::Rank,
            WindowFunction::DenseRank => Function::DenseRank,
            WindowFunction::PercentRank => Function::PercentRank,
            WindowFunction::CumeDist => Function::CumeDist,
            WindowFunction::Ntile(buckets) => {
                arguments.push(buckets);
                Function::Ntile
            }
            WindowFunction::Lag(value, offset, default)
            | WindowFunction::Lead(value, offset, default) => {
                arguments.push(value);
                arguments.extend(offset);
                arguments.extend(default);
                Function::Offset { forward: matches!(call.function, WindowFunction::Lead(..)) }
            }
            WindowFunction::FirstValue(value) => {
                arguments.push(value);
                Function::First
            }
            WindowFunction::LastValue(value) => {
                arguments.push(value);
                Function::Last
            }
            WindowFunction::NthValue(value, number) => {
                arguments.extend([value, number]);
                Function::Nth
            }
        };
        let codes = compiler.codes(arguments, input)?;
        let width = match &function {
            Function::Aggregate(call) => call.arity(),
            _ => codes.len(),
        };
        Ok(Call {
            function,
            frame: FrameCode::compile(compiler, &call.frame)?,
            codes,
            arguments: (0..width).map(|_| Builder::default()).collect(),
            passed: None,
        })
    }

    /// Forgets the rows taken.
    pub(super) fn clear(&mut self) {
        self.arguments.iter_mut().for_each(|values| drop(values.take()));
        self.passed = None;
    }

    /// Takes the arguments of the rows of a batch.
    ///
    /// # Errors
    /// What evaluating meets.
    pub(super) async fn take(&mut self, batch: &Batch, cx: &mut Context<'_>) -> Result<()> {
        let Function::Aggregate(call) = &self.function else {
            let columns = evaluate_batch(&self.codes, batch, cx).await?;
            for (builder, column) in self.arguments.iter_mut().zip(&columns) {
                builder.extend(column);
            }
            return Ok(());
        };
        let arguments = call.arguments(batch, cx).await?;
        if !call.has_filter() {
            for (builder, column) in self.arguments.iter_mut().zip(arguments.columns()) {
                builder.extend(column);
            }
            return Ok(());
        }
        let passed = self.passed.get_or_insert_default();
        let mut kept = match &arguments.rows {
            Some(rows) => rows.clone(),
            None => (0..batch.rows() as u32).collect(),
        }
        .into_iter()
        .enumerate()
        .peekable();
        for row in 0..batch.rows() as u32 {
            let place = kept.next_if(|(_, at)| *at == row).map(|(place, _)| place);
            passed.push(place.is_some());
            for (builder, column) in self.arguments.iter_mut().zip(arguments.columns()) {
                builder.push(place.map_or(Value::Null, |place| column.get(place)));
            }
        }
        Ok(())
    }

    /// The results, for rows in the order of the window; what was taken is gone.
    ///
    /// # Errors
    /// What the function refuses.
    pub(super) async fn compute(
        &mut self,
        sorted: &[u32],
        partitions: &[Partition],
        cx: &mut Context<'_>,
    ) -> Result<Vector> {
        let columns: Vec<Vector> =
            self.arguments.iter_mut().map(|values| values.take().gather(sorted)).collect();
        let passed = self.passed.take().map(|passed| {
            let passes = |row: &u32| passed.get(*row as usize).copied().unwrap_or(false);
            sorted.iter().map(passes).collect::<Vec<bool>>()
        });
        let mut out = Builder::default();
        if partitions.is_empty() {
            return Ok(out.finish());
        }
        let edges = self.frame.evaluate(cx).await?;
        for partition in partitions {
            cx.check_interrupt()?;
            match &self.function {
                Function::Aggregate(call) => {
                    let rows = slide::Rows { columns: &columns, passed: passed.as_deref() };
                    slide::aggregate(call, &rows, &edges, partition, &mut out, cx)?;
                }
                other => other.compute(&columns, &edges, partition, &mut out)?,
            }
        }
        Ok(out.finish())
    }
}

impl Function {
    /// Adds the results for the rows of a partition.
    fn compute(
        &self,
        columns: &[Vector],
        edges: &Edges,
        partition: &Partition,
        out: &mut Builder,
    ) -> Result<()> {
        let argument = |number: usize, row: usize| {
            columns.get(number).map(|column| column.get(partition.first() + row))
        };
        let rows = partition.len();
        for row in 0..rows {
            let value = match self {
                Function::Aggregate(_) => Value::Null,
                Function::RowNumber => number(row + 1),
                Function::Rank => number(partition.peers(row).start + 1),
                Function::DenseRank => number(partition.group(row) + 1),
                Function::PercentRank if rows == 1 => Value::Real(0.0),
                Function::PercentRank => {
                    Value::Real(partition.peers(row).start as f64 / (rows - 1) as f64)
                }
                Function::CumeDist => Value::Real(partition.peers(row).end as f64 / rows as f64),
                Function::Ntile => {
                    // The first row's counts.
                    let buckets = argument(0, 0).unwrap_or_default().as_integer_lossy();
                    ntile(row, rows, buckets)?
                }
                Function::Offset { forward } => {
                    let offset = argument(1, row).unwrap_or(Value::Integer(1));
                    let at = match forward {
                        true => arithmetic::add(&number(row), &offset),
                        false => arithmetic::subtract(&number(row), &offset),
                    };
                    match place(at, rows) {
                        Some(at) => argument(0, at).unwrap_or_default(),
                        None => argument(2, row).unwrap_or_default(),
                    }
                }
                Function::First => match edges.rows(partition, row).next() {
                    Some(at) => argument(0, at).unwrap_or_default(),
                    None => Value::Null,
                },
                Function::Last => match edges.rows(partition, row).next_back() {
                    Some(at) => argument(0, at).unwrap_or_default(),
                    None => Value::Null,
                },
                Function::Nth => {
                    let wanted = nth(argument(1, row).unwrap_or_default())?;
                    let mut found = edges.rows(partition, row);
                    found.nth(wanted).and_then(|at| argument(0, at)).unwrap_or_default()
                }
            };
            out.push(value);
        }
        Ok(())
    }
}

fn number(value: usize) -> Value {
    Value::Integer(value as i64)
}

/// The row of this number, if it is one of a partition.
fn place(at: Value, rows: usize) -> Option<usize> {
    match Affinity::Numeric.apply(at) {
        Value::Integer(at) => usize::try_from(at).ok().filter(|at| *at < rows),
        _ => None,
    }
}

fn ntile(row: usize, rows: usize, buckets: i64) -> Result<Value> {
    let buckets = match usize::try_from(buckets) {
        Ok(buckets) if buckets > 0 => buckets,
        _ => return Err(Error::sql("argument of ntile must be a positive integer")),
    };
    let size = rows / buckets;
    if size == 0 {
        return Ok(number(row + 1));
    }
    // The first buckets have one row more.
    let large = rows % buckets;
    let in_large = large * (size + 1);
    Ok(number(match row < in_large {
        true => 1 + row / (size + 1),
        false => 1 + large + (row - in_large) / size,
    }))
}

/// How many rows come before the one that `nth_value` asks for.
fn nth(value: Value) -> Result<usize> {
    match Affinity::Numeric.apply(value) {
        Value::Integer(value) if value > 0 => Ok((value - 1) as usize),
        _ => Err(Error::sql("second argument to nth_value must be a positive integer")),
    }
}
