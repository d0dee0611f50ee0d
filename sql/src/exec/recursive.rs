//! Recursive common table expressions.
//!
//! # Invariants
//! - R1: a row leaves the queue, is given, and then the step runs for it and its rows enter the queue. Without an order many
//!   rows leave at once if the step goes through them in order: that gives the same rows in the same order.
//! - R2: with UNION a row that was ever in the queue does not enter it again.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use async_trait::async_trait;
use heddle_value::{Collation, Value};

use super::Batch;
use super::basic::LimitCode;
use super::batch::BatchBuilder;
use super::compile::{Compiled, Compiler};
use super::context::Context;
use super::distinct::Seen;
use super::keys::{OrderPart, compare_in_order};
use super::operator::Operator;
use crate::plan::{ColumnId, Expr, JoinKind, Relation, SharedId, SortKey};
use crate::{Error, Result};

/// Rows of the first batch: few, as a LIMIT above often ends a recursion.
const FIRST_ROWS: usize = 16;

/// A recursion as it stands in a plan.
pub(crate) struct Recursion<'q> {
    pub(crate) queue: SharedId,
    pub(crate) initial: &'q (Box<Relation>, Vec<ColumnId>),
    pub(crate) step: &'q (Box<Relation>, Vec<ColumnId>),
    pub(crate) columns: &'q [(ColumnId, Collation)],
    pub(crate) distinct: bool,
    pub(crate) order: &'q [SortKey],
    pub(crate) limit: Option<&'q (Expr, Option<Expr>)>,
}

/// A recursive common table expression.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn compile(compiler: &mut Compiler<'_>, recursion: &Recursion<'_>) -> Result<Compiled> {
    let columns: Vec<ColumnId> = recursion.columns.iter().map(|(id, _)| *id).collect();
    let initial = compiler.relation(&recursion.initial.0)?;
    let step = compiler.relation(&recursion.step.0)?;
    let order = recursion.order.iter().map(|key| order_part(key, &columns));
    let limit = match recursion.limit {
        Some((count, offset)) => Some(LimitCode::new(compiler, count, offset.as_ref())?),
        None => None,
    };
    let operator = Recursive {
        queue: recursion.queue,
        initial_slots: initial.slots(&recursion.initial.1)?,
        initial: initial.operator,
        step_slots: step.slots(&recursion.step.1)?,
        step: step.operator,
        width: columns.len(),
        seen: recursion.distinct.then(|| Seen::new(recursion.columns.iter().map(|(_, c)| c))),
        waiting: Waiting::new(order.collect::<Result<_>>()?),
        many: recursion.order.is_empty() && drives(&recursion.step.0, recursion.queue),
        limit,
        left: None,
        rows_wanted: FIRST_ROWS,
    };
    Ok(Compiled { operator: Box::new(operator), columns })
}

/// The slot that an order goes by, and how.
fn order_part(key: &SortKey, columns: &[ColumnId]) -> Result<(usize, OrderPart)> {
    let mut expr = &key.expr;
    while let Expr::Collate(inner, _) = expr {
        expr = inner;
    }
    let slot = match expr {
        Expr::Column(id) => columns.iter().position(|column| column == id),
        _ => None,
    };
    let slot = slot.ok_or_else(|| Error::sql("a recursion is ordered by its columns alone"))?;
    let collation = key.collation.clone();
    let part = OrderPart { collation, descending: key.descending, nulls_first: key.nulls_first };
    Ok((slot, part))
}

/// Whether a relation goes through the rows of the queue in order.
fn drives(relation: &Relation, queue: SharedId) -> bool {
    match relation {
        Relation::Shared { id, .. } => *id == queue,
        Relation::Filter { input, .. } | Relation::Project { input, .. } => drives(input, queue),
        Relation::Join { kind, left, .. } => {
            !matches!(kind, JoinKind::Right | JoinKind::Full) && drives(left, queue)
        }
        _ => false,
    }
}

/// The queue.
struct Waiting {
    order: Vec<(usize, OrderPart)>,
    in_turn: VecDeque<Vec<Value>>,
    by_order: BinaryHeap<Ranked>,
    entered: u64,
}

/// A row with its place in the order; the first is the greatest.
struct Ranked {
    row: Vec<Value>,
    number: u64,
    /// Shared by all, so that rows compare by themselves.
    order: std::sync::Arc<[(usize, OrderPart)]>,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> Ordering {
        for (slot, part) in &*self.order {
            let (Some(a), Some(b)) = (self.row.get(*slot), other.row.get(*slot)) else { continue };
            let order = compare_in_order(a, b, part);
            if order != Ordering::Equal {
                return order.reverse();
            }
        }
        self.number.cmp(&other.number).reverse()
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Ranked) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

impl Waiting {
    fn new(order: Vec<(usize, OrderPart)>) -> Waiting {
        let (in_turn, by_order) = (VecDeque::new(), BinaryHeap::new());
        Waiting { order, in_turn, by_order, entered: 0 }
    }

    fn clear(&mut self) {
        self.in_turn.clear();
        self.by_order.clear();
    }

    fn push(&mut self, row: Vec<Value>) {
        if self.order.is_empty() {
            self.in_turn.push_back(row);
            return;
        }
        let order = match self.by_order.peek() {
            Some(other) => std::sync::Arc::clone(&other.order),
            None => self.order.clone().into(),
        };
        self.entered += 1;
        self.by_order.push(Ranked { row, number: self.entered, order });
    }

    fn pop(&mut self) -> Option<Vec<Value>> {
        match self.order.is_empty() {
            true => self.in_turn.pop_front(),
            false => self.by_order.pop().map(|ranked| ranked.row),
        }
    }
}

struct Recursive {
    queue: SharedId,
    initial: Box<dyn Operator>,
    initial_slots: Vec<usize>,
    step: Box<dyn Operator>,
    step_slots: Vec<usize>,
    width: usize,
    /// Rows that ever entered, with UNION (R2).
    seen: Option<Seen>,
    waiting: Waiting,
    /// Whether many rows may leave at once (R1).
    many: bool,
    limit: Option<LimitCode>,
    /// Rows to skip and rows to give still; `None` before it has begun.
    left: Option<(usize, Option<usize>)>,
    rows_wanted: usize,
}

impl Recursive {
    fn enter(&mut self, batch: &Batch) {
        for row in 0..batch.rows() {
            let row = batch.row(row);
            if self.seen.as_mut().is_none_or(|seen| seen.insert(&row)) {
                self.waiting.push(row);
            }
        }
    }

    async fn begin(&mut self, cx: &mut Context<'_>) -> Result<()> {
        self.left = Some(match &self.limit {
            Some(limit) => limit.evaluate(cx).await?,
            None => (0, None),
        });
        while let Some(batch) = self.initial.next(cx).await? {
            self.enter(&batch.project(&self.initial_slots));
        }
        Ok(())
    }
}

#[async_trait]
impl Operator for Recursive {
    fn open(&mut self) {
        self.initial.open();
        self.waiting.clear();
        if let Some(seen) = &mut self.seen {
            seen.clear();
        }
        self.left = None;
        self.rows_wanted = FIRST_ROWS;
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if self.left.is_none() {
            self.begin(cx).await?;
        }
        let (mut skip, mut count) = self.left.unwrap_or_default();
        let mut out = BatchBuilder::new(self.width);
        while out.rows() < self.rows_wanted && count != Some(0) {
            cx.check_interrupt()?;
            let most = if self.many { self.rows_wanted - out.rows() } else { 1 };
            let mut leaving = BatchBuilder::new(self.width);
            while leaving.rows() < most && count != Some(0) {
                let Some(row) = self.waiting.pop() else { break };
                if skip > 0 {
                    skip -= 1;
                } else {
                    count = count.map(|count| count - 1);
                    out.push_row(row.iter().cloned());
                }
                leaving.push_row(row);
            }
            if leaving.rows() == 0 {
                break;
            }
            if let Some(queue) = cx.state.shared.get_mut(self.queue.0 as usize) {
                queue.set_rows(leaving.take());
            }
            if count == Some(0) {
                break;
            }
            self.step.open();
            while let Some(batch) = self.step.next(cx).await? {
                self.enter(&batch.project(&self.step_slots));
            }
        }
        self.left = Some((skip, count));
        self.rows_wanted = (self.rows_wanted * 4).min(Batch::ROWS);
        Ok((out.rows() > 0).then(|| out.take()))
    }
}
