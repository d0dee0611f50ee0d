//! Evaluation with the subqueries that it turns out to need.
//!
//! # Invariants
//! - E1: a subquery that gives the same for the whole statement, or for the same values of columns around it, is not run twice for
//!   them, as far as what was found is kept; one that is not stable runs for each row, once for all codes evaluated together.
//! - E2: a row is evaluated again from its beginning after a subquery was run.

use heddle_value::Value;

use super::{Code, Evaluated, Row, Stop, Subqueries};
use crate::exec::context::Context;
use crate::exec::{Batch, Builder, Vector, subquery};
use crate::{Error, Result};

/// From here on a tree's evaluation asks for stack.
const DEEP: usize = 64;
/// What one level of a tree may take of the stack, generously.
const FRAME: usize = 4 << 10;

#[inline]
fn with_stack<R>(depth: usize, work: impl FnOnce() -> R) -> R {
    if depth < DEEP {
        return work();
    }
    let needed = depth.saturating_mul(FRAME);
    stacker::maybe_grow(needed, needed.saturating_mul(2), work)
}

impl Code {
    fn row(&self, row: Row<'_>, cx: &mut Context<'_>) -> Evaluated<Value> {
        with_stack(self.depth, || self.node.row(row, cx))
    }

    fn batch(&self, batch: &Batch, cx: &mut Context<'_>) -> Evaluated<Vector> {
        with_stack(self.depth, || self.node.batch(batch, cx))
    }
}

/// The values of some expressions for all rows of a batch.
///
/// # Errors
/// The first error of any of them.
pub(crate) async fn evaluate_batch(
    codes: &[Code],
    batch: &Batch,
    cx: &mut Context<'_>,
) -> Result<Vec<Vector>> {
    if codes.iter().any(|code| code.subqueries == Subqueries::Varying) {
        return each_row(codes, batch, cx).await;
    }
    let mut columns = Vec::with_capacity(codes.len());
    for code in codes {
        let column = loop {
            match code.batch(batch, cx) {
                Ok(column) => break column,
                Err(Stop::Need(index)) => subquery::run(index, cx).await?,
                Err(Stop::Failed(error)) => return Err(*error),
            }
        };
        columns.push(column);
    }
    Ok(columns)
}

async fn each_row(codes: &[Code], batch: &Batch, cx: &mut Context<'_>) -> Result<Vec<Vector>> {
    let mut builders: Vec<Builder> = codes.iter().map(|_| Builder::default()).collect();
    for row in 0..batch.rows() {
        for (code, builder) in codes.iter().zip(&mut builders) {
            builder.push(with_subqueries(code, Row::Batch(batch, row), cx).await?);
        }
        forget_unstable(cx);
    }
    Ok(builders.into_iter().map(Builder::finish).collect())
}

async fn with_subqueries(code: &Code, row: Row<'_>, cx: &mut Context<'_>) -> Result<Value> {
    loop {
        match code.row(row, cx) {
            Ok(value) => return Ok(value),
            Err(Stop::Need(index)) => subquery::run(index, cx).await?,
            Err(Stop::Failed(error)) => return Err(*error),
        }
    }
}

fn forget_unstable(cx: &mut Context<'_>) {
    for run in cx.state.subqueries.iter_mut().filter(|run| !run.is_stable()) {
        run.forget();
    }
}

/// The value of an expression for one row of values.
///
/// # Errors
/// That of the expression.
pub(crate) async fn evaluate_row(
    code: &Code,
    row: &[Value],
    cx: &mut Context<'_>,
) -> Result<Value> {
    let value = with_subqueries(code, Row::Values(row), cx).await;
    if code.subqueries == Subqueries::Varying {
        forget_unstable(cx);
    }
    value
}

/// As [`evaluate_row`], if no subquery has to be run for it.
///
/// # Errors
/// That of the expression.
pub(crate) fn try_row(code: &Code, row: &[Value], cx: &mut Context<'_>) -> Result<Option<Value>> {
    match code.row(Row::Values(row), cx) {
        Ok(value) => Ok(Some(value)),
        Err(Stop::Need(_)) => Ok(None),
        Err(Stop::Failed(error)) => Err(*error),
    }
}

/// The rows for which all predicates are true, in order; each is evaluated for those which the ones before it left. `None`: all.
///
/// # Errors
/// The first error of any of them.
pub(crate) async fn filter(
    predicates: &[Code],
    batch: &Batch,
    cx: &mut Context<'_>,
) -> Result<Option<Vec<u32>>> {
    let mut kept: Option<(Vec<u32>, Batch)> = None;
    for predicate in predicates {
        let input = kept.as_ref().map_or(batch, |(_, batch)| batch);
        let values = evaluate_batch(std::slice::from_ref(predicate), input, cx).await?;
        let Some(values) = values.first() else { return Err(Error::sql("no value")) };
        let rows = values.true_rows();
        if rows.len() == input.rows() {
            continue;
        }
        let selected = input.select(&rows);
        let rows = match &kept {
            Some((before, _)) => {
                rows.iter().filter_map(|row| before.get(*row as usize).copied()).collect()
            }
            None => rows,
        };
        if rows.is_empty() {
            return Ok(Some(rows));
        }
        kept = Some((rows, selected));
    }
    Ok(kept.map(|(rows, _)| rows))
}
