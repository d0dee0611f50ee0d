//! Joins by a nested loop: the right side runs for each row of the left one. Where that is a table's scan by keys of the left row,
//! `lookup_join` has a shorter loop.
//!
//! # Invariants
//! - J1: whenever the right side is asked for rows, or ON is evaluated, the registers of the left row are set: who reads our rows may
//!   have set them to those of another row meanwhile.
//! - J2: a right side that uses nothing of the left row gives the same rows for each, and runs once, as far as its rows fit the
//!   memory that is allowed.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::Batch;
use super::batch::{BatchBuilder, Part};
use super::code::{Code, filter};
use super::compile::{Compiled, Compiler};
use super::context::Context;
use super::operator::Operator;
use super::{hash_join, lookup_join};
use crate::plan::{ColumnId, Expr, JoinAlgorithm, JoinKind, Relation};
use crate::{Error, Result};

/// Rows of the first batch: few, for who wants only few.
const FIRST_ROWS: usize = 16;

/// A join, as it stands in a plan.
pub(crate) struct Join<'q> {
    pub(crate) kind: JoinKind,
    pub(crate) left: &'q Relation,
    pub(crate) right: &'q Relation,
    pub(crate) on: &'q [Expr],
}

impl Join<'_> {
    /// The columns of its rows.
    pub(crate) fn columns(&self, left: &[ColumnId], right: &[ColumnId]) -> Vec<ColumnId> {
        match self.kind {
            JoinKind::Semi | JoinKind::Anti => left.to_vec(),
            _ => left.iter().chain(right).copied().collect(),
        }
    }
}

/// A join.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn compile(
    compiler: &mut Compiler<'_>,
    join: &Join<'_>,
    algorithm: &JoinAlgorithm,
) -> Result<Compiled> {
    match algorithm {
        JoinAlgorithm::Loop => by_loop(compiler, join),
        JoinAlgorithm::Hash { keys } => hash_join::compile(compiler, join, keys),
    }
}

fn by_loop(compiler: &mut Compiler<'_>, join: &Join<'_>) -> Result<Compiled> {
    let left = compiler.relation(join.left)?;
    let left = match lookup_join::compile(compiler, join, left)? {
        Ok(compiled) => return Ok(compiled),
        Err(left) => left,
    };
    let (right, mut used) = compiler.with_registers(join.right)?;
    let dependent = used.iter().any(|id| left.columns.contains(id));
    let outer = matches!(join.kind, JoinKind::Right | JoinKind::Full);
    if dependent && outer {
        return Err(Error::sql("the right side of a RIGHT JOIN uses the left"));
    }
    // The left columns that ON uses are in registers too.
    let before = std::mem::take(&mut compiler.registers);
    let on = compiler.codes(join.on, &right.columns);
    used.extend(std::mem::replace(&mut compiler.registers, before));
    let on = on?;
    let (given, wanted): (BTreeSet<_>, BTreeSet<_>) =
        used.into_iter().partition(|id| left.columns.contains(id));
    compiler.registers.extend(wanted);
    let slot =
        |id: ColumnId| left.columns.iter().position(|column| *column == id).map(|slot| (slot, id));
    let columns = join.columns(&left.columns, &right.columns);
    let operator = LoopJoin {
        kind: join.kind,
        registers: given.into_iter().filter_map(slot).collect(),
        widths: (left.columns.len(), right.columns.len()),
        left: left.operator,
        right: RightSide {
            operator: right.operator,
            kept: (!dependent).then(Vec::new),
            bytes: 0,
            at: 0,
            complete: false,
            never_drop: outer,
        },
        on,
        row: None,
        inside: false,
        matched: false,
        right_matched: Vec::new(),
        left_over: None,
        out: BatchBuilder::new(columns.len()),
        rows_wanted: FIRST_ROWS,
    };
    Ok(Compiled { operator: Box::new(operator), columns })
}

struct LoopJoin {
    kind: JoinKind,
    left: Box<dyn Operator>,
    right: RightSide,
    /// Columns of both sides.
    widths: (usize, usize),
    /// Over the right columns; those of the left are in registers.
    on: Vec<Code>,
    /// Which left columns are wanted in registers.
    registers: Vec<(usize, ColumnId)>,
    /// The left row.
    row: Option<(Batch, usize)>,
    /// Whether the right side is being read for it.
    inside: bool,
    /// Whether it has found a match.
    matched: bool,
    /// For RIGHT and FULL: which rows of the right side have.
    right_matched: Vec<bool>,
    /// For RIGHT and FULL, at the end: the next batch of the right side, and its first row's number.
    left_over: Option<(usize, usize)>,
    out: BatchBuilder,
    rows_wanted: usize,
}

/// The right side of a loop, kept if it gives the same for each left row (J2).
struct RightSide {
    operator: Box<dyn Operator>,
    /// Its batches so far; `None` if they are not kept.
    kept: Option<Vec<Batch>>,
    bytes: usize,
    /// The next of those.
    at: usize,
    complete: bool,
    /// Whether they are kept however many they are.
    never_drop: bool,
}

impl RightSide {
    /// Back to the start of everything.
    fn reset(&mut self, dependent: bool) {
        self.kept = (!dependent).then(Vec::new);
        (self.bytes, self.at, self.complete) = (0, 0, false);
        self.operator.open();
    }

    /// For the next left row.
    fn open(&mut self) {
        self.at = 0;
        if self.kept.is_none() {
            self.operator.open();
        }
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if let Some(kept) = &self.kept {
            if let Some(batch) = kept.get(self.at) {
                self.at += 1;
                return Ok(Some(batch.clone()));
            }
            if self.complete {
                return Ok(None);
            }
        }
        let batch = self.operator.next(cx).await?;
        let Some(kept) = &mut self.kept else { return Ok(batch) };
        let Some(batch) = batch else {
            self.complete = true;
            return Ok(None);
        };
        self.bytes += batch.bytes();
        if self.bytes > cx.resources.memory_budget && !self.never_drop {
            self.kept = None;
        } else {
            kept.push(batch.clone());
            self.at += 1;
        }
        Ok(Some(batch))
    }
}

impl LoopJoin {
    /// J1.
    fn set_registers(&self, cx: &mut Context<'_>) {
        if let Some((batch, row)) = &self.row {
            for (slot, id) in &self.registers {
                cx.state.set_register(*id, batch.value(*slot, *row));
            }
        }
    }

    /// Goes to the next left row; `false` after the last.
    async fn next_row(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        let next = match self.row.take() {
            Some((batch, row)) if row + 1 < batch.rows() => Some((batch, row + 1)),
            _ => self.left.next(cx).await?.map(|batch| (batch, 0)),
        };
        self.row = next;
        Ok(self.row.is_some())
    }

    /// Joins the left row with a batch of the right side, whose first row has the number `first`.
    async fn join(&mut self, batch: &Batch, first: usize, cx: &mut Context<'_>) -> Result<()> {
        let rows = match self.on.is_empty() {
            true => None,
            false => filter(&self.on, batch, cx).await?,
        };
        let count = rows.as_ref().map_or(batch.rows(), Vec::len);
        self.matched |= count > 0;
        let Some((left, row)) = &self.row else { return Ok(()) };
        let left = (self.widths.0, Part::Same(left, *row));
        match self.kind {
            JoinKind::Anti | JoinKind::Semi => return Ok(()),
            JoinKind::Right | JoinKind::Full => {
                let end = first + batch.rows();
                if self.right_matched.len() < end {
                    self.right_matched.resize(end, false);
                }
                let all: Vec<u32>;
                let matched = match &rows {
                    Some(rows) => rows,
                    None => {
                        all = (0..batch.rows() as u32).collect();
                        &all
                    }
                };
                for row in matched {
                    if let Some(matched) = self.right_matched.get_mut(first + *row as usize) {
                        *matched = true;
                    }
                }
            }
            JoinKind::Inner | JoinKind::Left => {}
        }
        let right = match &rows {
            Some(rows) => Part::Rows(batch, rows),
            None => Part::All(batch),
        };
        self.out.push_joined(&[left, (self.widths.1, right)], count);
        Ok(())
    }

    /// After the right side was read for a left row.
    fn leave(&mut self) {
        let alone = match self.kind {
            JoinKind::Left | JoinKind::Full | JoinKind::Anti => !self.matched,
            JoinKind::Semi => self.matched,
            JoinKind::Inner | JoinKind::Right => false,
        };
        if let (true, Some((left, row))) = (alone, &self.row) {
            let parts = [(self.widths.0, Part::Same(left, *row)), (self.widths.1, Part::Nulls)];
            self.out.push_joined(&parts, 1);
        }
        self.inside = false;
    }

    /// Reads the right side for the left row until it ends or the batch is full.
    async fn inside(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let once = matches!(self.kind, JoinKind::Semi | JoinKind::Anti);
        while self.out.rows() < self.rows_wanted && !(once && self.matched) {
            let first = self.right_position();
            match self.right.next(cx).await? {
                Some(batch) => self.join(&batch, first, cx).await?,
                None => {
                    self.leave();
                    return Ok(());
                }
            }
        }
        if once && self.matched {
            self.leave();
        }
        Ok(())
    }

    /// The number of the right side's next row, which only RIGHT and FULL ask for.
    fn right_position(&self) -> usize {
        match (&self.right.kept, self.kind) {
            (Some(kept), JoinKind::Right | JoinKind::Full) => {
                kept.iter().take(self.right.at).map(Batch::rows).sum()
            }
            _ => 0,
        }
    }

    /// After the last left row: rows of the right side without match.
    async fn right_alone(&mut self, cx: &mut Context<'_>) -> Result<()> {
        if !matches!(self.kind, JoinKind::Right | JoinKind::Full) {
            return Ok(());
        }
        let (mut at, mut first) = self.left_over.unwrap_or((0, 0));
        while self.out.rows() < self.rows_wanted {
            // What the loop has read is kept; without left rows nothing was read yet.
            self.right.at = at;
            let Some(batch) = self.right.next(cx).await? else { break };
            let alone = |row: &u32| {
                !self.right_matched.get(first + *row as usize).copied().unwrap_or(false)
            };
            let rows: Vec<u32> = (0..batch.rows() as u32).filter(alone).collect();
            let parts = [(self.widths.0, Part::Nulls), (self.widths.1, Part::Rows(&batch, &rows))];
            self.out.push_joined(&parts, rows.len());
            at += 1;
            first += batch.rows();
        }
        self.left_over = Some((at, first));
        Ok(())
    }
}

#[async_trait]
impl Operator for LoopJoin {
    fn open(&mut self) {
        self.left.open();
        let dependent = self.right.kept.is_none() && self.right.bytes == 0;
        self.right.reset(dependent);
        self.row = None;
        self.inside = false;
        self.right_matched.clear();
        self.left_over = None;
        self.rows_wanted = FIRST_ROWS;
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        self.set_registers(cx);
        let mut walked = 0_u32;
        while self.out.rows() < self.rows_wanted && self.left_over.is_none() {
            if !self.inside {
                walked += 1;
                if walked.is_multiple_of(256) {
                    cx.check_interrupt()?;
                }
                if !self.next_row(cx).await? {
                    self.left_over = Some((0, 0));
                    break;
                }
                self.set_registers(cx);
                self.right.open();
                (self.inside, self.matched) = (true, false);
            }
            self.inside(cx).await?;
        }
        if self.left_over.is_some() {
            self.right_alone(cx).await?;
        }
        self.rows_wanted = (self.rows_wanted * 4).min(Batch::ROWS);
        Ok((self.out.rows() > 0).then(|| self.out.take()))
    }
}
