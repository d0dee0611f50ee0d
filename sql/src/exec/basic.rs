//! The small operators: no row, one row, rows of expressions, filter, projection, limit.

use async_trait::async_trait;
use heddle_value::{Affinity, Value};

use super::batch::BatchBuilder;
use super::code::{Code, evaluate_batch, evaluate_row, filter as filtered};
use super::compile::{Compiled, Compiler};
use super::context::Context;
use super::operator::Operator;
use super::{Batch, Vector};
use crate::plan::{ColumnId, Expr, Relation};
use crate::{Error, Result};

/// So many rows without columns.
struct Bare {
    rows: usize,
    given: bool,
}

#[async_trait]
impl Operator for Bare {
    fn open(&mut self) {
        self.given = false;
    }

    async fn next(&mut self, _: &mut Context<'_>) -> Result<Option<Batch>> {
        if self.given || self.rows == 0 {
            return Ok(None);
        }
        self.given = true;
        Ok(Some(Batch::new(Vec::new(), self.rows)))
    }
}

/// One row without columns.
pub(crate) fn unit() -> Compiled {
    Compiled { operator: Box::new(Bare { rows: 1, given: false }), columns: Vec::new() }
}

/// No rows.
pub(crate) fn empty() -> Compiled {
    Compiled { operator: Box::new(Bare { rows: 0, given: false }), columns: Vec::new() }
}

/// Rows of expressions.
struct Values {
    width: usize,
    rows: Vec<Vec<Code>>,
    at: usize,
}

#[async_trait]
impl Operator for Values {
    fn open(&mut self) {
        self.at = 0;
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        cx.check_interrupt()?;
        let mut out = BatchBuilder::new(self.width);
        while out.rows() < Batch::ROWS
            && let Some(row) = self.rows.get(self.at)
        {
            let mut values = Vec::with_capacity(row.len());
            for code in row {
                values.push(evaluate_row(code, &[], cx).await?);
            }
            out.push_row(values);
            self.at += 1;
        }
        Ok((out.rows() > 0).then(|| out.take()))
    }
}

/// Rows of expressions.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn values(
    compiler: &mut Compiler<'_>,
    columns: &[ColumnId],
    rows: &[Vec<Expr>],
) -> Result<Compiled> {
    let rows: Result<_> = rows.iter().map(|row| compiler.codes(row, &[])).collect();
    let operator = Values { width: columns.len(), rows: rows?, at: 0 };
    Ok(Compiled { operator: Box::new(operator), columns: columns.to_vec() })
}

struct Filter {
    input: Box<dyn Operator>,
    predicates: Vec<Code>,
}

#[async_trait]
impl Operator for Filter {
    fn open(&mut self) {
        self.input.open();
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        while let Some(batch) = self.input.next(cx).await? {
            match filtered(&self.predicates, &batch, cx).await? {
                None => return Ok(Some(batch)),
                Some(rows) if rows.is_empty() => {}
                Some(rows) => return Ok(Some(batch.select(&rows))),
            }
        }
        Ok(None)
    }
}

/// The rows for which all predicates are true.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn filter(
    compiler: &mut Compiler<'_>,
    input: &Relation,
    predicates: &[Expr],
) -> Result<Compiled> {
    let Compiled { operator: input, columns } = compiler.relation(input)?;
    let predicates = compiler.codes(predicates, &columns)?;
    Ok(Compiled { operator: Box::new(Filter { input, predicates }), columns })
}

struct Project {
    input: Box<dyn Operator>,
    codes: Vec<Code>,
}

#[async_trait]
impl Operator for Project {
    fn open(&mut self) {
        self.input.open();
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let Some(batch) = self.input.next(cx).await? else { return Ok(None) };
        let columns: Vec<Vector> = evaluate_batch(&self.codes, &batch, cx).await?;
        Ok(Some(Batch::new(columns, batch.rows())))
    }
}

/// Columns computed.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn project(
    compiler: &mut Compiler<'_>,
    input: &Relation,
    columns: &[(ColumnId, Expr)],
) -> Result<Compiled> {
    let Compiled { operator: input, columns: inputs } = compiler.relation(input)?;
    let codes = compiler.codes(columns.iter().map(|(_, expr)| expr), &inputs)?;
    let columns = columns.iter().map(|(id, _)| *id).collect();
    Ok(Compiled { operator: Box::new(Project { input, codes }), columns })
}

/// LIMIT and OFFSET as code.
pub(crate) struct LimitCode {
    count: Code,
    offset: Option<Code>,
}

impl LimitCode {
    /// Compiles them.
    ///
    /// # Errors
    /// What can't be compiled.
    pub(crate) fn new(
        compiler: &mut Compiler<'_>,
        count: &Expr,
        offset: Option<&Expr>,
    ) -> Result<LimitCode> {
        let offset = offset.map(|offset| compiler.code(offset, &[])).transpose()?;
        Ok(LimitCode { count: compiler.code(count, &[])?, offset })
    }

    /// How many rows are skipped, and how many are given then; `None`: all.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if they are no integers.
    pub(crate) async fn evaluate(&self, cx: &mut Context<'_>) -> Result<(usize, Option<usize>)> {
        let count = integer(evaluate_row(&self.count, &[], cx).await?)?;
        let offset = match &self.offset {
            Some(offset) => integer(evaluate_row(offset, &[], cx).await?)?,
            None => 0,
        };
        let skipped = usize::try_from(offset).unwrap_or(0);
        Ok((skipped, usize::try_from(count).ok()))
    }
}

fn integer(value: Value) -> Result<i64> {
    match Affinity::Numeric.apply(value) {
        Value::Integer(value) => Ok(value),
        _ => Err(Error::Mismatch),
    }
}

struct Limit {
    input: Box<dyn Operator>,
    limit: LimitCode,
    /// Rows to skip and rows to give still, once it is known.
    left: Option<(usize, Option<usize>)>,
}

#[async_trait]
impl Operator for Limit {
    fn open(&mut self) {
        self.input.open();
        self.left = None;
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let (mut skip, mut count) = match self.left {
            Some(left) => left,
            None => self.limit.evaluate(cx).await?,
        };
        let mut given = None;
        while given.is_none() && count != Some(0) {
            let Some(batch) = self.input.next(cx).await? else {
                count = Some(0);
                break;
            };
            let skipped = skip.min(batch.rows());
            skip -= skipped;
            let taken = (batch.rows() - skipped).min(count.unwrap_or(usize::MAX));
            if taken > 0 {
                count = count.map(|count| count - taken);
                given = Some(batch.slice(skipped, taken));
            }
        }
        self.left = Some((skip, count));
        Ok(given)
    }
}

/// Some of the rows.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn limit(
    compiler: &mut Compiler<'_>,
    input: &Relation,
    count: &Expr,
    offset: Option<&Expr>,
) -> Result<Compiled> {
    let Compiled { operator: input, columns } = compiler.relation(input)?;
    let limit = LimitCode::new(compiler, count, offset)?;
    Ok(Compiled { operator: Box::new(Limit { input, limit, left: None }), columns })
}
