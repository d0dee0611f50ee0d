//! ORDER BY.
//!
//! # Invariants
//! - S1: rows that are equal by all keys stay in the order they came in.
//! - S2: with a known number of rows wanted, not many more are kept.

use std::cmp::Ordering;

use async_trait::async_trait;

use super::basic::LimitCode;
use super::code::{Code, evaluate_batch};
use super::compile::{Compiled, Compiler};
use super::context::Context;
use super::keys::{KeyMaker, OrderPart, compare_in_order};
use super::operator::Operator;
use super::spill::{Sorted, Sorter};
use super::{Batch, Builder, Vector};
use crate::Result;
use crate::plan::{ColumnId, Expr, Relation, SortKey};

/// The compiled keys of an order.
pub(crate) struct Order {
    pub(crate) codes: Vec<Code>,
    pub(crate) parts: Vec<OrderPart>,
}

impl Order {
    /// Compiles keys over an input of these columns.
    ///
    /// # Errors
    /// What can't be compiled.
    pub(crate) fn compile(
        compiler: &mut Compiler<'_>,
        keys: &[SortKey],
        input: &[ColumnId],
    ) -> Result<Order> {
        let codes = compiler.codes(keys.iter().map(|key| &key.expr), input)?;
        let part = |key: &SortKey| OrderPart {
            collation: key.collation.clone(),
            descending: key.descending,
            nulls_first: key.nulls_first,
        };
        Ok(Order { codes, parts: keys.iter().map(part).collect() })
    }
}

/// The keys of many rows, to find the order of those.
pub(crate) struct RowKeys {
    parts: Vec<OrderPart>,
    /// If bytes have the order; else the values are compared.
    maker: Option<KeyMaker>,
    bytes: Vec<u8>,
    /// Where each row's bytes end.
    ends: Vec<usize>,
    values: Vec<Builder>,
    rows: usize,
}

impl RowKeys {
    /// No rows yet.
    pub(crate) fn new(parts: &[OrderPart]) -> RowKeys {
        RowKeys {
            maker: KeyMaker::for_order(parts),
            parts: parts.to_vec(),
            bytes: Vec::new(),
            ends: Vec::new(),
            values: parts.iter().map(|_| Builder::default()).collect(),
            rows: 0,
        }
    }

    /// Adds rows by their keys' values.
    pub(crate) fn push(&mut self, columns: &[Vector], rows: usize) {
        self.rows += rows;
        let Some(maker) = &mut self.maker else {
            for (builder, column) in self.values.iter_mut().zip(columns) {
                builder.extend(column);
            }
            return;
        };
        for row in 0..rows {
            for (part, column) in columns.iter().enumerate() {
                column.with(row, |value| maker.push(part, value, &mut self.bytes));
            }
            self.ends.push(self.bytes.len());
        }
    }

    /// As [`RowKeys::push`], of those rows only whose key is below `limit`: gives which.
    pub(crate) fn push_below(&mut self, columns: &[Vector], rows: usize, limit: &[u8]) -> Vec<u32> {
        let mut kept = Vec::new();
        let Some(maker) = &mut self.maker else { return kept };
        for row in 0..rows {
            let start = self.bytes.len();
            for (part, column) in columns.iter().enumerate() {
                column.with(row, |value| maker.push(part, value, &mut self.bytes));
            }
            if self.bytes.get(start..).is_some_and(|key| key < limit) {
                self.ends.push(self.bytes.len());
                kept.push(row as u32);
            } else {
                self.bytes.truncate(start);
            }
        }
        self.rows += kept.len();
        kept
    }

    /// About how many bytes they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
            + self.ends.len() * 8
            + self.values.iter().map(Builder::len).sum::<usize>() * 32
    }

    /// Whether keys are bytes.
    pub(crate) fn are_bytes(&self) -> bool {
        self.maker.is_some()
    }

    /// The bytes of a row's key; empty if they are compared by values.
    pub(crate) fn key(&self, row: u32) -> &[u8] {
        let row = row as usize;
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(row).copied().unwrap_or(0);
        self.bytes.get(start.unwrap_or(0)..end).unwrap_or_default()
    }

    /// The rows in order (S1).
    pub(crate) fn order(&mut self) -> Vec<u32> {
        let mut rows: Vec<u32> = (0..self.rows as u32).collect();
        if self.maker.is_none() {
            let values: Vec<Vector> = self.values.iter_mut().map(Builder::take).collect();
            rows.sort_by(|a, b| compare_rows(&values, &self.parts, *a, *b));
            return rows;
        }
        // The first bytes decide most comparisons without a look at the rest.
        let head = |row: u32| {
            let mut head = [0; 8];
            for (to, from) in head.iter_mut().zip(self.key(row)) {
                *to = *from;
            }
            (u64::from_be_bytes(head), row)
        };
        let mut heads: Vec<(u64, u32)> = rows.iter().map(|row| head(*row)).collect();
        heads.sort_unstable_by(|(a, x), (b, y)| {
            a.cmp(b).then_with(|| self.key(*x).cmp(self.key(*y))).then_with(|| x.cmp(y))
        });
        heads.into_iter().map(|(_, row)| row).collect()
    }

    /// The rows in order (S1); the keys are gone.
    pub(crate) fn sorted(&mut self) -> Vec<u32> {
        let order = self.order();
        self.clear();
        order
    }

    /// Forgets all rows.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.values.iter_mut().for_each(|values| drop(values.take()));
        self.rows = 0;
    }
}

/// Which of two rows comes first by these columns.
pub(crate) fn compare_rows(columns: &[Vector], parts: &[OrderPart], a: u32, b: u32) -> Ordering {
    for (column, part) in columns.iter().zip(parts) {
        let order =
            column.with(a as usize, |a| column.with(b as usize, |b| compare_in_order(a, b, part)));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

struct Sort {
    input: Box<dyn Operator>,
    order: Order,
    top: Option<LimitCode>,
    sorter: Sorter,
    sorted: Option<Sorted>,
}

impl Sort {
    async fn collect(&mut self, cx: &mut Context<'_>) -> Result<Sorted> {
        let most = match &self.top {
            Some(top) => {
                let (skip, count) = top.evaluate(cx).await?;
                count.map(|count| count.saturating_add(skip))
            }
            None => None,
        };
        while most != Some(0)
            && let Some(batch) = self.input.next(cx).await?
        {
            self.push(&batch, cx).await?;
            // S2.
            if let Some(most) = most
                && self.sorter.in_memory() > most.saturating_mul(2).saturating_add(Batch::ROWS)
            {
                let kept = self.sorter.cut(most);
                self.push(&kept, cx).await?;
                self.sorter.limit_to_last();
            }
        }
        self.sorter.finish(cx).await
    }

    async fn push(&mut self, batch: &Batch, cx: &mut Context<'_>) -> Result<()> {
        let keys = evaluate_batch(&self.order.codes, batch, cx).await?;
        self.sorter.push(&keys, batch, cx).await
    }
}

#[async_trait]
impl Operator for Sort {
    fn open(&mut self) {
        self.input.open();
        self.sorter.clear();
        self.sorted = None;
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if self.sorted.is_none() {
            self.sorted = Some(self.collect(cx).await?);
        }
        match &mut self.sorted {
            Some(sorted) => sorted.next(cx).await,
            None => Ok(None),
        }
    }
}

/// The rows in order.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn compile(
    compiler: &mut Compiler<'_>,
    input: &Relation,
    keys: &[SortKey],
    top: Option<&(Expr, Option<Expr>)>,
) -> Result<Compiled> {
    let input = compiler.relation(input)?;
    let order = Order::compile(compiler, keys, &input.columns)?;
    let top = match top {
        Some((count, offset)) => Some(LimitCode::new(compiler, count, offset.as_ref())?),
        None => None,
    };
    let operator = Sort {
        input: input.operator,
        sorter: Sorter::new(&order.parts, input.columns.len()),
        order,
        top,
        sorted: None,
    };
    Ok(Compiled { operator: Box::new(operator), columns: input.columns })
}
