//! Compound queries: UNION ALL one input after the other; UNION, EXCEPT and INTERSECT as ordered sets, as SQLite gives them.

use std::collections::BTreeMap;
use std::collections::btree_map::IntoValues;

use async_trait::async_trait;
use heddle_value::{Collation, Value};

use super::Batch;
use super::batch::BatchBuilder;
use super::compile::{Compiled, Compiler};
use super::context::Context;
use super::keys::KeyMaker;
use super::operator::Operator;
use crate::ast::CompoundOp;
use crate::plan::{ColumnId, Relation};
use crate::{Error, Result};

/// An input, and where its columns are.
struct Input {
    operator: Box<dyn Operator>,
    slots: Vec<usize>,
}

impl Input {
    fn compile(
        compiler: &mut Compiler<'_>,
        relation: &Relation,
        columns: &[ColumnId],
    ) -> Result<Input> {
        let compiled = compiler.relation(relation)?;
        let slots = compiled.slots(columns)?;
        Ok(Input { operator: compiled.operator, slots })
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        Ok(self.operator.next(cx).await?.map(|batch| batch.project(&self.slots)))
    }
}

/// Two queries combined.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn compile(
    compiler: &mut Compiler<'_>,
    relation: &Relation,
    op: CompoundOp,
    sides: [&(Box<Relation>, Vec<ColumnId>); 2],
    columns: &[(ColumnId, Collation)],
) -> Result<Compiled> {
    let ids: Vec<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
    if op == CompoundOp::UnionAll {
        let mut inputs = Vec::new();
        gather(compiler, relation, &ids, &mut inputs)?;
        let operator = UnionAll { inputs, at: 0 };
        return Ok(Compiled { operator: Box::new(operator), columns: ids });
    }
    let [left, right] = sides;
    let operator = Sets {
        op,
        left: Input::compile(compiler, &left.0, &left.1)?,
        right: Input::compile(compiler, &right.0, &right.1)?,
        keys: KeyMaker::for_equality(columns.iter().map(|(_, collation)| collation)),
        width: ids.len(),
        rows: None,
    };
    Ok(Compiled { operator: Box::new(operator), columns: ids })
}

/// The inputs of a chain of UNION ALLs, each with its columns in the order of `columns`.
fn gather(
    compiler: &mut Compiler<'_>,
    relation: &Relation,
    columns: &[ColumnId],
    out: &mut Vec<Input>,
) -> Result<()> {
    if let Relation::Compound { op: CompoundOp::UnionAll, left, right, columns: given } = relation {
        for (input, names) in [left, right] {
            let name = |id: &ColumnId| {
                let at = given.iter().position(|(column, _)| column == id);
                at.and_then(|at| names.get(at)).copied()
            };
            let names: Option<Vec<ColumnId>> = columns.iter().map(name).collect();
            let names = names.ok_or_else(|| Error::sql("a compound query lacks a column"))?;
            stacker::maybe_grow(64 << 10, 1 << 20, || gather(compiler, input, &names, out))?;
        }
        return Ok(());
    }
    out.push(Input::compile(compiler, relation, columns)?);
    Ok(())
}

struct UnionAll {
    inputs: Vec<Input>,
    at: usize,
}

#[async_trait]
impl Operator for UnionAll {
    fn open(&mut self) {
        self.at = 0;
        self.inputs.iter_mut().for_each(|input| input.operator.open());
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        while let Some(input) = self.inputs.get_mut(self.at) {
            if let Some(batch) = input.next(cx).await? {
                return Ok(Some(batch));
            }
            self.at += 1;
        }
        Ok(None)
    }
}

type Rows = BTreeMap<Vec<u8>, Vec<Value>>;

struct Sets {
    op: CompoundOp,
    left: Input,
    right: Input,
    keys: KeyMaker,
    width: usize,
    /// What is to be given still.
    rows: Option<IntoValues<Vec<u8>, Vec<Value>>>,
}

impl Sets {
    async fn combine(&mut self, cx: &mut Context<'_>) -> Result<Rows> {
        let mut rows = Rows::new();
        while let Some(batch) = self.left.next(cx).await? {
            insert(&mut self.keys, &batch, &mut rows);
        }
        let mut common = Rows::new();
        while let Some(batch) = self.right.next(cx).await? {
            match self.op {
                CompoundOp::Union | CompoundOp::UnionAll => {
                    insert(&mut self.keys, &batch, &mut rows);
                }
                CompoundOp::Except | CompoundOp::Intersect => {
                    for row in 0..batch.rows() {
                        let mut key = Vec::new();
                        self.keys.push_all(&batch.row(row), &mut key);
                        if let Some((key, row)) = rows.remove_entry(&key) {
                            common.insert(key, row);
                        }
                    }
                }
            }
        }
        Ok(if self.op == CompoundOp::Intersect { common } else { rows })
    }
}

/// Adds the rows of a batch, each in the place of one that is equal to it, as SQLite does.
fn insert(keys: &mut KeyMaker, batch: &Batch, rows: &mut Rows) {
    for row in 0..batch.rows() {
        let row = batch.row(row);
        let mut key = Vec::new();
        keys.push_all(&row, &mut key);
        rows.insert(key, row);
    }
}

#[async_trait]
impl Operator for Sets {
    fn open(&mut self) {
        self.left.operator.open();
        self.right.operator.open();
        self.rows = None;
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if self.rows.is_none() {
            self.rows = Some(self.combine(cx).await?.into_values());
        }
        let Some(rows) = &mut self.rows else { return Ok(None) };
        let mut out = BatchBuilder::new(self.width);
        rows.take(Batch::ROWS).for_each(|row| out.push_row(row));
        Ok((out.rows() > 0).then(|| out.take()))
    }
}
