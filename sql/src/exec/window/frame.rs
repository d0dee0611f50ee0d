//! Which rows a frame has.
//!
//! # Invariants
//! - F1: rows are numbered within their partition, in its order. A frame without EXCLUDE is a range of them, and from one row to the next
//!   neither of its ends goes back.
//! - F2: RANGE with an offset compares the only key of the order: a number with the offset added or taken away, and what is no number
//!   as it is. NULLs have only NULLs within reach.

use std::ops::Range;

use heddle_value::{Affinity, Value, arithmetic};

use crate::ast::{WindowExclude, WindowFrameKind};
use crate::exec::Vector;
use crate::exec::code::{Code, evaluate_row};
use crate::exec::compile::Compiler;
use crate::exec::context::Context;
use crate::exec::keys::{OrderPart, compare_in_order};
use crate::plan::{Frame, FrameBound};
use crate::{Error, Result};

/// The rows of a partition.
pub(super) struct Partition {
    /// The number of its first row among all.
    first: usize,
    len: usize,
    /// Where each group of peers starts.
    peers: Vec<usize>,
    /// For each row, which group it is in.
    group_of: Vec<usize>,
    /// The first key of the order, for all rows.
    key: Option<(Vector, OrderPart)>,
}

impl Partition {
    /// An empty one that begins with this row.
    pub(super) fn new(first: usize, key: Option<(&Vector, &OrderPart)>) -> Partition {
        let key = key.map(|(column, part)| (column.clone(), part.clone()));
        Partition { first, len: 0, peers: Vec::new(), group_of: Vec::new(), key }
    }

    /// Adds the next row; `peer`: it is equal to the one before.
    pub(super) fn push(&mut self, peer: bool) {
        if !peer {
            self.peers.push(self.len);
        }
        self.group_of.push(self.peers.len().saturating_sub(1));
        self.len += 1;
    }

    /// The number of its first row among all.
    pub(super) fn first(&self) -> usize {
        self.first
    }

    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Which group of peers a row is in.
    pub(super) fn group(&self, row: usize) -> usize {
        self.group_of.get(row).copied().unwrap_or(0)
    }

    /// Where a group of peers starts; the end after the last.
    fn group_start(&self, group: usize) -> usize {
        self.peers.get(group).copied().unwrap_or(self.len)
    }

    /// The peers of a row, itself included.
    pub(super) fn peers(&self, row: usize) -> Range<usize> {
        let group = self.group(row);
        self.group_start(group)..self.group_start(group + 1)
    }

    /// How many rows come before the given key (`after`: or are equal to it).
    fn before(&self, value: &Value, after: bool) -> usize {
        let Some((column, part)) = &self.key else { return 0 };
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low + (high - low) / 2;
            let order = column.with(self.first + middle, |at| compare_in_order(at, value, part));
            match order.is_lt() || (after && order.is_eq()) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// The key of a row with an offset towards the start, or the end (F2).
    fn reach(&self, row: usize, offset: &Value, forward: bool) -> Value {
        let Some((column, part)) = &self.key else { return Value::Null };
        match column.get(self.first + row) {
            key @ (Value::Integer(_) | Value::Real(_)) if forward != part.descending => {
                arithmetic::add(&key, offset)
            }
            key @ (Value::Integer(_) | Value::Real(_)) => arithmetic::subtract(&key, offset),
            other => other,
        }
    }
}

/// A compiled [`Frame`].
pub(super) struct FrameCode {
    kind: WindowFrameKind,
    start: EdgeCode,
    end: EdgeCode,
    exclude: WindowExclude,
}

enum EdgeCode {
    Unbounded,
    Current,
    Preceding(Code),
    Following(Code),
}

/// A frame whose offsets are known.
pub(super) struct Edges {
    kind: WindowFrameKind,
    start: Edge,
    end: Edge,
    exclude: WindowExclude,
}

enum Edge {
    Unbounded,
    Current,
    Preceding(Value),
    Following(Value),
}

impl FrameCode {
    /// Compiles a frame.
    ///
    /// # Errors
    /// What can't be compiled.
    pub(super) fn compile(compiler: &mut Compiler<'_>, frame: &Frame) -> Result<FrameCode> {
        let mut edge = |bound: &FrameBound| {
            Ok::<_, Error>(match bound {
                FrameBound::UnboundedPreceding | FrameBound::UnboundedFollowing => {
                    EdgeCode::Unbounded
                }
                FrameBound::CurrentRow => EdgeCode::Current,
                FrameBound::Preceding(expr) => EdgeCode::Preceding(compiler.code(expr, &[])?),
                FrameBound::Following(expr) => EdgeCode::Following(compiler.code(expr, &[])?),
            })
        };
        Ok(FrameCode {
            kind: frame.kind,
            start: edge(&frame.start)?,
            end: edge(&frame.end)?,
            exclude: frame.exclude,
        })
    }

    /// With its offsets evaluated.
    ///
    /// # Errors
    /// An offset that is no number, or negative.
    pub(super) async fn evaluate(&self, cx: &mut Context<'_>) -> Result<Edges> {
        Ok(Edges {
            kind: self.kind,
            start: self.start.evaluate(self.kind, "starting", cx).await?,
            end: self.end.evaluate(self.kind, "ending", cx).await?,
            exclude: self.exclude,
        })
    }
}

impl EdgeCode {
    async fn evaluate(
        &self,
        kind: WindowFrameKind,
        name: &str,
        cx: &mut Context<'_>,
    ) -> Result<Edge> {
        Ok(match self {
            EdgeCode::Unbounded => Edge::Unbounded,
            EdgeCode::Current => Edge::Current,
            EdgeCode::Preceding(code) => Edge::Preceding(offset(code, kind, name, cx).await?),
            EdgeCode::Following(code) => Edge::Following(offset(code, kind, name, cx).await?),
        })
    }
}

async fn offset(
    code: &Code,
    kind: WindowFrameKind,
    name: &str,
    cx: &mut Context<'_>,
) -> Result<Value> {
    let value = evaluate_row(code, &[], cx).await?;
    let (value, what) = match kind {
        WindowFrameKind::Range => (value, "number"),
        _ => (Affinity::Numeric.apply(value), "integer"),
    };
    let fits = match &value {
        Value::Integer(value) => *value >= 0,
        Value::Real(value) => *value >= 0.0 && kind == WindowFrameKind::Range,
        _ => false,
    };
    match fits {
        true => Ok(value),
        false => Err(Error::sql(format!("frame {name} offset must be a non-negative {what}"))),
    }
}

/// How many rows or groups an offset is.
fn count(offset: &Value) -> usize {
    match offset {
        Value::Integer(value) => usize::try_from(*value).unwrap_or(usize::MAX),
        _ => 0,
    }
}

impl Edges {
    /// Whether the frame always starts with the partition.
    pub(super) fn starts_at_first(&self) -> bool {
        matches!(self.start, Edge::Unbounded)
    }

    /// Whether it leaves rows out.
    pub(super) fn excludes(&self) -> bool {
        self.exclude != WindowExclude::NoOthers
    }

    /// The rows of a row's frame, EXCLUDE aside (F1). It may be empty and its ends anywhere then.
    pub(super) fn range(&self, partition: &Partition, row: usize) -> Range<usize> {
        self.start_at(partition, row)..self.end_at(partition, row)
    }

    fn start_at(&self, partition: &Partition, row: usize) -> usize {
        let group = partition.group(row);
        match (&self.start, self.kind) {
            (Edge::Unbounded, _) => 0,
            (Edge::Current, WindowFrameKind::Rows) => row,
            (Edge::Current, _) => partition.group_start(group),
            (Edge::Preceding(n), WindowFrameKind::Rows) => row.saturating_sub(count(n)),
            (Edge::Following(n), WindowFrameKind::Rows) => {
                row.saturating_add(count(n)).min(partition.len)
            }
            (Edge::Preceding(n), WindowFrameKind::Groups) => {
                partition.group_start(group.saturating_sub(count(n)))
            }
            (Edge::Following(n), WindowFrameKind::Groups) => {
                partition.group_start(group.saturating_add(count(n)))
            }
            (Edge::Preceding(n), WindowFrameKind::Range) => {
                partition.before(&partition.reach(row, n, false), false)
            }
            (Edge::Following(n), WindowFrameKind::Range) => {
                partition.before(&partition.reach(row, n, true), false)
            }
        }
    }

    /// The row after the last.
    fn end_at(&self, partition: &Partition, row: usize) -> usize {
        let group = partition.group(row);
        match (&self.end, self.kind) {
            (Edge::Unbounded, _) => partition.len,
            (Edge::Current, WindowFrameKind::Rows) => row + 1,
            (Edge::Current, _) => partition.group_start(group + 1),
            (Edge::Preceding(n), WindowFrameKind::Rows) => (row + 1).saturating_sub(count(n)),
            (Edge::Following(n), WindowFrameKind::Rows) => {
                (row + 1).saturating_add(count(n)).min(partition.len)
            }
            (Edge::Preceding(n), WindowFrameKind::Groups) => match group.checked_sub(count(n)) {
                Some(group) => partition.group_start(group + 1),
                None => 0,
            },
            (Edge::Following(n), WindowFrameKind::Groups) => {
                partition.group_start(group.saturating_add(count(n)).saturating_add(1))
            }
            (Edge::Preceding(n), WindowFrameKind::Range) => {
                partition.before(&partition.reach(row, n, false), true)
            }
            (Edge::Following(n), WindowFrameKind::Range) => {
                partition.before(&partition.reach(row, n, true), true)
            }
        }
    }

    /// The rows of a row's frame, in order.
    pub(super) fn rows(
        &self,
        partition: &Partition,
        row: usize,
    ) -> impl DoubleEndedIterator<Item = usize> + use<> {
        let range = self.range(partition, row);
        let peers = partition.peers(row);
        let exclude = self.exclude;
        range.filter(move |at| match exclude {
            WindowExclude::NoOthers => true,
            WindowExclude::CurrentRow => *at != row,
            WindowExclude::Group => !peers.contains(at),
            WindowExclude::Ties => *at == row || !peers.contains(at),
        })
    }
}
