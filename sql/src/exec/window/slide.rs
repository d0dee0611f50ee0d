//! Aggregates over frames that move from row to row.
//!
//! # Invariants
//! - S1: rows enter an aggregate in their order, and leave it in the same.
//! - S2: a frame with the same rows as the one before has the same result, which is not computed again.

use std::collections::VecDeque;
use std::ops::Range;

use heddle_value::{Collation, Value, compare};

use super::frame::{Edges, Partition};
use crate::Result;
use crate::exec::aggregate::{Call, Running};
use crate::exec::context::Context;
use crate::exec::{Builder, Vector};

/// The arguments of an aggregate for all rows, in the order of the window.
pub(super) struct Rows<'a> {
    pub(super) columns: &'a [Vector],
    /// Which rows FILTER lets pass; `None`: all.
    pub(super) passed: Option<&'a [bool]>,
}

impl Rows<'_> {
    fn passes(&self, row: usize) -> bool {
        self.passed.is_none_or(|passed| passed.get(row).copied().unwrap_or(false))
    }

    fn values(&self, row: usize, out: &mut Vec<Value>) {
        out.clear();
        out.extend(self.columns.iter().map(|column| column.get(row)));
    }
}

/// Adds the results of an aggregate for the rows of a partition.
///
/// # Errors
/// What the function refuses; an interruption.
pub(super) fn aggregate(
    call: &Call,
    rows: &Rows<'_>,
    edges: &Edges,
    partition: &Partition,
    out: &mut Builder,
    cx: &mut Context<'_>,
) -> Result<()> {
    let extreme = call.is("min") || call.is("max");
    if edges.excludes() {
        return one_by_one(call, rows, edges, partition, out, cx);
    }
    if extreme && call.arity() == 1 && !edges.starts_at_first() {
        extremes(call, rows, edges, partition, out);
        return Ok(());
    }
    if !edges.starts_at_first() && !call.is_invertible() {
        return one_by_one(call, rows, edges, partition, out, cx);
    }
    moving(call, rows, edges, partition, out, cx)
}

/// Rows enter at one end and leave at the other.
fn moving(
    call: &Call,
    rows: &Rows<'_>,
    edges: &Edges,
    partition: &Partition,
    out: &mut Builder,
    cx: &mut Context<'_>,
) -> Result<()> {
    let mut running = call.start();
    let mut inside: Range<usize> = 0..0;
    let mut last: Option<Value> = None;
    let mut values = Vec::new();
    for row in 0..partition.len() {
        if row % 256 == 255 {
            cx.check_interrupt()?;
        }
        let frame = edges.range(partition, row);
        if frame.start >= frame.end || frame.start >= inside.end {
            // Nothing of what is inside stays.
            if inside.start < inside.end {
                running = call.start();
                last = None;
            }
            inside = frame.start..frame.start;
        }
        while inside.start < frame.start {
            take(&mut running, rows, partition, inside.start, &mut values, true, cx)?;
            inside.start += 1;
            last = None;
        }
        while inside.end < frame.end {
            take(&mut running, rows, partition, inside.end, &mut values, false, cx)?;
            inside.end += 1;
            last = None;
        }
        let value = match last {
            Some(value) => value,
            None => running.value(call, cx.resources)?,
        };
        last = Some(value.clone());
        out.push(value);
    }
    Ok(())
}

/// Lets a row enter or leave.
fn take(
    running: &mut Running,
    rows: &Rows<'_>,
    partition: &Partition,
    row: usize,
    values: &mut Vec<Value>,
    leave: bool,
    cx: &mut Context<'_>,
) -> Result<()> {
    let at = partition.first() + row;
    if !rows.passes(at) {
        return Ok(());
    }
    rows.values(at, values);
    match leave {
        true => running.inverse_values(values, cx.resources),
        false => running.step_values(values, cx.resources),
    }
}

/// Each frame from its beginning.
fn one_by_one(
    call: &Call,
    rows: &Rows<'_>,
    edges: &Edges,
    partition: &Partition,
    out: &mut Builder,
    cx: &mut Context<'_>,
) -> Result<()> {
    let mut values = Vec::new();
    for row in 0..partition.len() {
        cx.check_interrupt()?;
        let mut running = call.start();
        for at in edges.rows(partition, row) {
            take(&mut running, rows, partition, at, &mut values, false, cx)?;
        }
        out.push(running.value(call, cx.resources)?);
    }
    Ok(())
}

/// `min` and `max`: the rows that can still become the extreme, the extreme first.
fn extremes(call: &Call, rows: &Rows<'_>, edges: &Edges, partition: &Partition, out: &mut Builder) {
    let (max, collation) = (call.is("max"), call.collation());
    let mut candidates: VecDeque<(usize, Value)> = VecDeque::new();
    let mut end = 0;
    for row in 0..partition.len() {
        let frame = edges.range(partition, row);
        while end < frame.end {
            let at = partition.first() + end;
            let value = rows.columns.first().map_or(Value::Null, |column| column.get(at));
            if rows.passes(at) && !value.is_null() {
                while candidates.back().is_some_and(|(_, b)| beaten(b, &value, max, collation)) {
                    candidates.pop_back();
                }
                candidates.push_back((end, value));
            }
            end += 1;
        }
        while candidates.front().is_some_and(|(at, _)| *at < frame.start) {
            candidates.pop_front();
        }
        // The ends never go back, but a frame may be empty before what has entered.
        let first = candidates.front().filter(|(at, _)| *at < frame.end);
        out.push(first.map(|(_, value)| value.clone()).unwrap_or_default());
    }
}

/// Whether a value can't be the extreme any more once another has come after it. Of equal ones the first is kept, as the function does.
fn beaten(value: &Value, by: &Value, max: bool, collation: &Collation) -> bool {
    let order = compare(by, value, collation);
    if max { order.is_gt() } else { order.is_lt() }
}
