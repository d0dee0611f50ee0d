//! Groups and their aggregates.
//!
//! # Invariants
//! - G1: groups come in the order of their columns, as SQLite gives them, whether the input does or not.
//! - G4: when the groups are over the memory that is allowed, rows of further groups are sorted aside, and those groups computed one after
//!   the other at the end, between the others.
//! - G2: without group columns there is one group, also of no rows.
//! - G3: a bare column is that of the group's first row; with a `min` or `max` among the aggregates, of the first row that has it. The
//!   last of several decides; as long as there are only NULLs, it is the last row.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::iter::Peekable;

use async_trait::async_trait;
use heddle_value::{Collation, Value, compare};

use super::{Arguments, Call, Running};
use crate::Result;
use crate::exec::batch::BatchBuilder;
use crate::exec::code::{Code, evaluate_batch};
use crate::exec::compile::{Compiled, Compiler};
use crate::exec::context::Context;
use crate::exec::keys::{KeyMaker, OrderPart, compare_in_order, has_order};
use crate::exec::operator::Operator;
use crate::exec::spill::{Sorted, Sorter};
use crate::exec::{Batch, Vector};
use crate::plan::{AggregateCall, ColumnId, Expr, Relation};

/// What a group takes beside its key, and what each of its calls takes, about.
const GROUP: usize = 200;
const CALL: usize = 100;

/// An aggregation as it stands in a plan.
pub(crate) struct Aggregation<'q> {
    pub(crate) input: &'q Relation,
    pub(crate) groups: &'q [(ColumnId, Expr, Collation)],
    pub(crate) aggregates: &'q [(ColumnId, AggregateCall)],
    pub(crate) bare: &'q [(ColumnId, Expr)],
    pub(crate) ordered: bool,
}

/// Which row gives the bare columns (G3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BareRow {
    First,
    /// That of the extreme of this call; whether it is `max`.
    Extreme {
        call: usize,
        max: bool,
    },
}

/// Groups with their aggregates.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn compile(
    compiler: &mut Compiler<'_>,
    aggregation: &Aggregation<'_>,
) -> Result<Compiled> {
    let input = compiler.relation(aggregation.input)?;
    let groups = compiler.codes(aggregation.groups.iter().map(|(_, e, _)| e), &input.columns)?;
    let calls: Result<Vec<Call>> = aggregation
        .aggregates
        .iter()
        .map(|(_, call)| Call::compile(compiler, call, &input.columns))
        .collect();
    let calls = calls?;
    let bare = compiler.codes(aggregation.bare.iter().map(|(_, e)| e), &input.columns)?;
    let mut columns: Vec<ColumnId> = aggregation.groups.iter().map(|(id, ..)| *id).collect();
    columns.extend(aggregation.aggregates.iter().map(|(id, _)| *id));
    columns.extend(aggregation.bare.iter().map(|(id, _)| *id));
    let collations: Vec<Collation> =
        aggregation.groups.iter().map(|(_, _, collation)| collation.clone()).collect();
    let operator = Aggregate {
        input: input.operator,
        keys: KeyMaker::for_equality(&collations),
        bare_row: bare_row(&calls),
        groups,
        parts: collations.iter().map(OrderPart::ascending).collect(),
        calls,
        bare,
        ordered: aggregation.ordered,
        in_order: aggregation.ordered,
        width: input.columns.len(),
        bytes: 0,
        aside: None,
        late: None,
        late_groups: VecDeque::new(),
        found: HashMap::default(),
        running: Vec::new(),
        current: None,
        finished: None,
        out: BatchBuilder::new(columns.len()),
        ended: false,
    };
    Ok(Compiled { operator: Box::new(operator), columns })
}

fn bare_row(calls: &[Call]) -> BareRow {
    let extreme = calls.iter().rposition(|call| call.is("min") || call.is("max"));
    match extreme.and_then(|at| Some((at, calls.get(at)?.is("max")))) {
        Some((call, max)) => BareRow::Extreme { call, max },
        None => BareRow::First,
    }
}

/// One group.
struct Group {
    /// Its columns.
    values: Vec<Value>,
    calls: Vec<Running>,
    bare: Vec<Value>,
    /// Whether a row was taken.
    begun: bool,
    /// The extreme that decides the bare columns.
    extreme: Option<Value>,
}

struct Aggregate {
    input: Box<dyn Operator>,
    groups: Vec<Code>,
    /// The order of groups.
    parts: Vec<OrderPart>,
    calls: Vec<Call>,
    bare: Vec<Code>,
    bare_row: BareRow,
    /// Whether the input comes in the order of the groups.
    ordered: bool,
    /// Whether what is being taken does.
    in_order: bool,
    /// Columns of the input.
    width: usize,
    /// Bytes of the groups, about.
    bytes: usize,
    /// Rows of groups that have no place in memory (G4).
    aside: Option<Sorter>,
    late: Option<Sorted>,
    /// Groups of those that have ended.
    late_groups: VecDeque<Group>,
    keys: KeyMaker,
    /// Which group has a key.
    found: HashMap<Box<[u8]>, usize, foldhash::fast::FixedState>,
    running: Vec<Group>,
    /// If the input is ordered: the key of the last group.
    current: Option<Vec<u8>>,
    /// Groups that are to be given still.
    finished: Option<Peekable<std::vec::IntoIter<Group>>>,
    out: BatchBuilder,
    ended: bool,
}

impl Aggregate {
    fn new_group(&self, values: Vec<Value>) -> Group {
        Group {
            values,
            calls: self.calls.iter().map(Call::start).collect(),
            bare: vec![Value::Null; self.bare.len()],
            begun: false,
            extreme: None,
        }
    }

    /// Takes the rows of a batch.
    async fn take(&mut self, batch: &Batch, cx: &mut Context<'_>) -> Result<()> {
        let columns = evaluate_batch(&self.groups, batch, cx).await?;
        let known = self.set_aside(&columns, batch, cx).await?;
        let (columns, batch) = match &known {
            Some((columns, batch)) => (columns, batch),
            None => (&columns, batch),
        };
        let mut arguments = Vec::with_capacity(self.calls.len());
        for call in &self.calls {
            arguments.push(call.arguments(batch, cx).await?);
        }
        let bare = evaluate_batch(&self.bare, batch, cx).await?;
        let rows = self.assign(columns, batch.rows());
        self.take_bare(&rows, &bare, &arguments);
        let mut values = Vec::new();
        for (number, arguments) in arguments.iter().enumerate() {
            let mut step = |row: usize, group: usize| {
                let running = self.running.get_mut(group).and_then(|g| g.calls.get_mut(number));
                match running {
                    Some(running) => running.step(arguments, row, &mut values, cx.resources),
                    None => Ok(()),
                }
            };
            match &arguments.rows {
                None => {
                    for (row, group) in rows.iter().enumerate() {
                        step(row, *group)?;
                    }
                }
                Some(passed) => {
                    for (row, at) in passed.iter().enumerate() {
                        step(row, rows.get(*at as usize).copied().unwrap_or(0))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The group of each row, new ones made.
    fn assign(&mut self, columns: &[Vector], rows: usize) -> Vec<usize> {
        if self.groups.is_empty() {
            return vec![0; rows];
        }
        let mut out = Vec::with_capacity(rows);
        let mut key = Vec::new();
        for row in 0..rows {
            key.clear();
            for (part, column) in columns.iter().enumerate() {
                column.with(row, |value| self.keys.push(part, value, &mut key));
            }
            if self.in_order {
                if self.current.as_ref() != Some(&key) {
                    self.current = Some(key.clone());
                    self.add_group(columns, row);
                }
                out.push(self.running.len().saturating_sub(1));
                continue;
            }
            let group = match self.found.get(&*key) {
                Some(group) => *group,
                None => {
                    self.add_group(columns, row);
                    let group = self.running.len() - 1;
                    self.bytes += key.len() + GROUP + CALL * self.calls.len();
                    self.found.insert(key.as_slice().into(), group);
                    group
                }
            };
            out.push(group);
        }
        out
    }

    /// Once there is no memory for more groups: sorts the rows of others aside, and gives the columns of groups and the batch of those left.
    async fn set_aside(
        &mut self,
        columns: &[Vector],
        batch: &Batch,
        cx: &mut Context<'_>,
    ) -> Result<Option<(Vec<Vector>, Batch)>> {
        if self.in_order || self.bytes <= cx.resources.memory_budget || !has_order(&self.parts) {
            return Ok(None);
        }
        let (mut known, mut others) = (Vec::new(), Vec::new());
        let mut key = Vec::new();
        for row in 0..batch.rows() {
            key.clear();
            for (part, column) in columns.iter().enumerate() {
                column.with(row, |value| self.keys.push(part, value, &mut key));
            }
            let list = if self.found.contains_key(&*key) { &mut known } else { &mut others };
            list.push(row as u32);
        }
        let of = |rows: &[u32]| -> Vec<Vector> {
            columns.iter().map(|column| column.gather(rows)).collect()
        };
        if !others.is_empty() {
            let sorter = self.aside.get_or_insert_with(|| Sorter::new(&self.parts, self.width));
            sorter.push(&of(&others), &batch.select(&others), cx).await?;
        }
        Ok(Some((of(&known), batch.select(&known))))
    }

    fn add_group(&mut self, columns: &[Vector], row: usize) {
        let values = columns.iter().map(|column| column.get(row)).collect();
        let group = self.new_group(values);
        self.running.push(group);
    }

    /// Takes the bare columns of the rows that give them (G3).
    fn take_bare(&mut self, rows: &[usize], bare: &[Vector], arguments: &[Arguments]) {
        if bare.is_empty() {
            return;
        }
        for (row, number) in rows.iter().enumerate() {
            let Some(group) = self.running.get_mut(*number) else { continue };
            let wanted = match self.bare_row {
                BareRow::First => !std::mem::replace(&mut group.begun, true),
                BareRow::Extreme { call, max } => {
                    let value = arguments.get(call).and_then(|arguments| {
                        let at = match &arguments.rows {
                            None => row,
                            Some(passed) => passed.binary_search(&(row as u32)).ok()?,
                        };
                        Some(arguments.value(0, at))
                    });
                    let collation = self.calls.get(call).map(Call::collation);
                    match (value, collation) {
                        (Some(value), Some(collation)) => group.meets(value, max, collation),
                        _ => false,
                    }
                }
            };
            if wanted {
                group.bare.clear();
                group.bare.extend(bare.iter().map(|column| column.get(row)));
            }
        }
    }

    /// Gives a group.
    fn give(&mut self, mut group: Group, cx: &mut Context<'_>) -> Result<()> {
        let mut row = group.values;
        for (call, running) in self.calls.iter().zip(&mut group.calls) {
            row.push(running.value(call, cx.resources)?);
        }
        row.extend(group.bare);
        self.out.push_row(row);
        Ok(())
    }

    /// All groups, in order (G1).
    fn finish(&mut self) -> Vec<Group> {
        let mut groups = std::mem::take(&mut self.running);
        if self.groups.is_empty() && groups.is_empty() {
            groups.push(self.new_group(Vec::new()));
        }
        if !self.ordered {
            groups.sort_by(|a, b| compare_groups(a, b, &self.parts));
        }
        self.found.clear();
        groups
    }
}

impl Group {
    /// Whether a row with this value gives the bare columns for now: its value is the new extreme, or there was none yet.
    fn meets(&mut self, value: Value, max: bool, collation: &Collation) -> bool {
        if value.is_null() {
            return self.extreme.is_none();
        }
        let better = match &self.extreme {
            None => true,
            Some(best) if max => compare(&value, best, collation).is_gt(),
            Some(best) => compare(&value, best, collation).is_lt(),
        };
        if better {
            self.extreme = Some(value);
        }
        better
    }
}

fn compare_groups(a: &Group, b: &Group, parts: &[OrderPart]) -> Ordering {
    let pairs = a.values.iter().zip(&b.values).zip(parts);
    let mut orders = pairs.map(|((a, b), part)| compare_in_order(a, b, part));
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

impl Aggregate {
    /// Takes the input, and gives groups that have ended if it is ordered.
    async fn read(&mut self, cx: &mut Context<'_>) -> Result<()> {
        while !self.ended && self.out.rows() < Batch::ROWS {
            let Some(batch) = self.input.next(cx).await? else {
                self.ended = true;
                break;
            };
            if self.groups.is_empty() && self.running.is_empty() {
                let group = self.new_group(Vec::new());
                self.running.push(group);
            }
            self.take(&batch, cx).await?;
            if self.ordered {
                for group in self.all_but_last() {
                    self.give(group, cx)?;
                }
            }
        }
        Ok(())
    }

    /// Of groups that come in order, those that have ended.
    fn all_but_last(&mut self) -> Vec<Group> {
        let last = self.running.pop();
        std::mem::replace(&mut self.running, last.into_iter().collect())
    }

    /// Goes on with the rows that were sorted aside until a group of theirs has ended, or all have.
    async fn read_late(&mut self, cx: &mut Context<'_>) -> Result<()> {
        while self.late_groups.is_empty()
            && let Some(sorted) = &mut self.late
        {
            match sorted.next(cx).await? {
                Some(batch) => {
                    self.take(&batch, cx).await?;
                    let ended = self.all_but_last();
                    self.late_groups.extend(ended);
                }
                None => {
                    self.late = None;
                    self.late_groups.extend(self.running.drain(..));
                }
            }
        }
        Ok(())
    }

    /// The next group, once all input is taken (G1, G4).
    async fn next_group(&mut self, cx: &mut Context<'_>) -> Result<Option<Group>> {
        self.read_late(cx).await?;
        let Some(finished) = &mut self.finished else { return Ok(None) };
        let late_first = match (finished.peek(), self.late_groups.front()) {
            (Some(group), Some(late)) => compare_groups(late, group, &self.parts).is_lt(),
            (None, late) => late.is_some(),
            (Some(_), None) => false,
        };
        Ok(if late_first { self.late_groups.pop_front() } else { finished.next() })
    }
}

#[async_trait]
impl Operator for Aggregate {
    fn open(&mut self) {
        self.input.open();
        self.found.clear();
        self.running.clear();
        self.current = None;
        self.finished = None;
        self.ended = false;
        self.in_order = self.ordered;
        self.bytes = 0;
        (self.aside, self.late) = (None, None);
        self.late_groups.clear();
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        self.read(cx).await?;
        if self.ended && self.finished.is_none() {
            self.finished = Some(self.finish().into_iter().peekable());
            if let Some(mut sorter) = self.aside.take() {
                self.late = Some(sorter.finish(cx).await?);
                self.in_order = true;
            }
        }
        while self.ended && self.out.rows() < Batch::ROWS {
            let Some(group) = self.next_group(cx).await? else { break };
            self.give(group, cx)?;
        }
        Ok((self.out.rows() > 0).then(|| self.out.take()))
    }
}
