//! Rows that no table has: those of table-valued functions and of pragmas.

use async_trait::async_trait;
use heddle_functions::{TableFunction, TableRows};
use heddle_value::Value;

use super::Batch;
use super::batch::BatchBuilder;
use super::code::{Code, evaluate_row};
use super::compile::{Compiled, Compiler};
use super::context::Context;
use super::operator::Operator;
use crate::plan::{ColumnId, Expr, RowSource};
use crate::{Error, Result};

/// Rows of the first batch: few, for who wants only few.
const FIRST_ROWS: usize = 16;

enum Source {
    Function(&'static TableFunction),
    Pragma(Box<str>),
}

/// Rows being given.
enum Running {
    Function(Box<dyn TableRows>),
    Listed(std::vec::IntoIter<Vec<Value>>),
}

struct Rows {
    source: Source,
    arguments: Vec<Code>,
    /// Which columns are wanted.
    columns: Vec<usize>,
    running: Option<Running>,
    rows_wanted: usize,
}

impl Rows {
    async fn start(&mut self, cx: &mut Context<'_>) -> Result<Running> {
        let mut arguments = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            arguments.push(evaluate_row(argument, &[], cx).await?);
        }
        match &self.source {
            Source::Function(function) => {
                Ok(Running::Function((function.open)(&mut *cx.resources, &arguments)?))
            }
            Source::Pragma(name) => {
                let Some(pragmas) = cx.resources.pragmas.clone() else {
                    return Err(Error::sql(format!("no such table: pragma_{name}")));
                };
                Ok(Running::Listed(pragmas(name, &arguments)?.into_iter()))
            }
        }
    }
}

#[async_trait]
impl Operator for Rows {
    fn open(&mut self) {
        self.running = None;
        self.rows_wanted = FIRST_ROWS;
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        cx.check_interrupt()?;
        if self.running.is_none() {
            self.running = Some(self.start(cx).await?);
        }
        let Some(running) = &mut self.running else { return Ok(None) };
        let mut out = BatchBuilder::new(self.columns.len());
        while out.rows() < self.rows_wanted {
            let row = match running {
                Running::Function(rows) => rows.next(&mut *cx.resources)?,
                Running::Listed(rows) => rows.next(),
            };
            let Some(row) = row else { break };
            out.push_row(self.columns.iter().map(|at| row.get(*at).cloned().unwrap_or_default()));
        }
        self.rows_wanted = (self.rows_wanted * 4).min(Batch::ROWS);
        Ok((out.rows() > 0).then(|| out.take()))
    }
}

/// A table-valued function's or a pragma's rows.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn compile(
    compiler: &mut Compiler<'_>,
    source: &RowSource,
    arguments: &[Expr],
    columns: &[(u16, ColumnId)],
) -> Result<Compiled> {
    let source = match source {
        RowSource::Function(function) => Source::Function(function),
        RowSource::Pragma(name) => Source::Pragma(name.clone()),
    };
    let operator = Rows {
        source,
        arguments: compiler.codes(arguments, &[])?,
        columns: columns.iter().map(|(column, _)| usize::from(*column)).collect(),
        running: None,
        rows_wanted: FIRST_ROWS,
    };
    let columns = columns.iter().map(|(_, id)| *id).collect();
    Ok(Compiled { operator: Box::new(operator), columns })
}
