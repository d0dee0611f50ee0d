//! Window functions over one definition of partition and order.
//!
//! All rows are read and sorted by partition and order, which is the order they are given in; then each partition is gone through for
//! each call.
//!
//! - `frame`: which rows a frame has. `call`: a call, its arguments, what it computes. `slide`: aggregates over moving frames.

mod call;
mod frame;
mod slide;

use async_trait::async_trait;

use super::batch::BatchBuilder;
use super::code::evaluate_batch;
use super::compile::{Compiled, Compiler};
use super::context::Context;
use super::keys::OrderPart;
use super::operator::Operator;
use super::sort::{Order, RowKeys, compare_rows};
use super::{Batch, Builder, Vector};
use crate::Result;
use crate::plan::{ColumnId, Relation, SortKey, WindowCall};
use call::Call;
use frame::Partition;

/// A window as it stands in a plan.
pub(crate) struct Definition<'q> {
    pub(crate) input: &'q Relation,
    pub(crate) partition: &'q [SortKey],
    pub(crate) order: &'q [SortKey],
    pub(crate) calls: &'q [(ColumnId, WindowCall)],
}

/// Window functions.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn compile(
    compiler: &mut Compiler<'_>,
    definition: &Definition<'_>,
) -> Result<Compiled> {
    let input = compiler.relation(definition.input)?;
    let keys: Vec<SortKey> = definition.partition.iter().chain(definition.order).cloned().collect();
    let order = Order::compile(compiler, &keys, &input.columns)?;
    let calls: Result<Vec<Call>> = definition
        .calls
        .iter()
        .map(|(_, call)| Call::compile(compiler, call, &input.columns))
        .collect();
    let mut columns = input.columns;
    let operator = Window {
        input: input.operator,
        rows: BatchBuilder::new(columns.len()),
        keys: RowKeys::new(&order.parts),
        key_values: order.parts.iter().map(|_| Builder::default()).collect(),
        partition_keys: definition.partition.len(),
        order,
        calls: calls?,
        done: None,
    };
    columns.extend(definition.calls.iter().map(|(id, _)| *id));
    Ok(Compiled { operator: Box::new(operator), columns })
}

struct Window {
    input: Box<dyn Operator>,
    /// By partition, then by order.
    order: Order,
    /// How many of its keys part.
    partition_keys: usize,
    calls: Vec<Call>,
    rows: BatchBuilder,
    keys: RowKeys,
    key_values: Vec<Builder>,
    /// All rows with their calls' columns, and how many were given.
    done: Option<(Batch, usize)>,
}

impl Window {
    async fn compute(&mut self, cx: &mut Context<'_>) -> Result<Batch> {
        while let Some(batch) = self.input.next(cx).await? {
            let columns = evaluate_batch(&self.order.codes, &batch, cx).await?;
            self.keys.push(&columns, batch.rows());
            for (builder, column) in self.key_values.iter_mut().zip(&columns) {
                builder.extend(column);
            }
            for call in &mut self.calls {
                call.take(&batch, cx).await?;
            }
            self.rows.push_batch(&batch);
        }
        let sorted = self.keys.sorted();
        let rows = self.rows.take().select(&sorted);
        let keys: Vec<Vector> =
            self.key_values.iter_mut().map(|values| values.take().gather(&sorted)).collect();
        let partitions = self.partitions(&keys, rows.rows());
        let count = rows.rows();
        let mut columns = rows.into_columns();
        for call in &mut self.calls {
            columns.push(call.compute(&sorted, &partitions, cx).await?);
        }
        Ok(Batch::new(columns, count))
    }

    fn partitions(&self, keys: &[Vector], rows: usize) -> Vec<Partition> {
        let split = self.partition_keys.min(keys.len());
        let (partition, order) = keys.split_at(split);
        let (partition_parts, parts) = self.order.parts.split_at(split);
        let same = |columns: &[Vector], parts: &[OrderPart], row: usize| {
            compare_rows(columns, parts, row as u32 - 1, row as u32).is_eq()
        };
        let mut out: Vec<Partition> = Vec::new();
        for row in 0..rows {
            if row == 0 || !same(partition, partition_parts, row) {
                out.push(Partition::new(row, order.first().zip(parts.first())));
            }
            let Some(last) = out.last_mut() else { continue };
            let peer = row > last.first() && same(order, parts, row);
            last.push(peer);
        }
        out
    }
}

#[async_trait]
impl Operator for Window {
    fn open(&mut self) {
        self.input.open();
        drop(self.rows.take());
        self.keys.clear();
        self.key_values.iter_mut().for_each(|values| drop(values.take()));
        self.calls.iter_mut().for_each(Call::clear);
        self.done = None;
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if self.done.is_none() {
            self.done = Some((self.compute(cx).await?, 0));
        }
        let Some((rows, given)) = &mut self.done else { return Ok(None) };
        let batch = rows.slice(*given, Batch::ROWS);
        *given += batch.rows();
        Ok((batch.rows() > 0).then_some(batch))
    }
}
