//! Joins by looking rows of a table up for each left row, many of those at once: a loop whose right side is a scan by keys
//! of the left row.
//!
//! # Invariants
//! - L1: the registers of a left row are set when its scan begins, which is all that the scan needs them for.
//! - L2: rows come as a loop gives them: in the order of the left side, for one left row in that of the scan, and with LEFT a row
//!   without match in its place.

use async_trait::async_trait;

use super::Batch;
use super::code::{Code, filter};
use super::compile::{Compiled, Compiler};
use super::context::Context;
use super::hash_join::{NONE, joined_padded};
use super::join::Join;
use super::operator::Operator;
use super::scan::{self, Scan};
use crate::Result;
use crate::plan::{Access, ColumnId, Expr, JoinKind, Relation};

/// Rows of the first batch: few, for who wants only few.
const FIRST_ROWS: usize = 16;

/// The join, if it is one that looks rows up; `left` is its compiled left side, given back if not.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn compile(
    compiler: &mut Compiler<'_>,
    join: &Join<'_>,
    left: Compiled,
) -> Result<std::result::Result<Compiled, Compiled>> {
    let (table, predicates): (_, &[Expr]) = match join.right {
        Relation::Scan(table) => (table, &[]),
        Relation::Filter { input, predicates } => match &**input {
            Relation::Scan(table) => (table, predicates),
            _ => return Ok(Err(left)),
        },
        _ => return Ok(Err(left)),
    };
    let fits = matches!(join.kind, JoinKind::Inner | JoinKind::Left);
    if !fits || matches!(table.access, Access::Full) {
        return Ok(Err(left));
    }
    let before = std::mem::take(&mut compiler.registers);
    let built = scan::build(compiler, table);
    let used = std::mem::replace(&mut compiler.registers, before);
    let (scan, right) = built?;
    let place = |id: &ColumnId| left.columns.iter().position(|column| column == id);
    let registers: Vec<(usize, ColumnId)> =
        used.iter().filter_map(|id| Some((place(id)?, *id))).collect();
    if registers.is_empty() {
        // The same rows for each left row: the loop keeps them.
        return Ok(Err(left));
    }
    compiler.registers.extend(used.into_iter().filter(|id| place(id).is_none()));
    let columns = join.columns(&left.columns, &right);
    let on = compiler.codes(predicates.iter().chain(join.on), &columns)?;
    let operator = LookupJoin {
        outer: join.kind == JoinKind::Left,
        widths: (left.columns.len(), right.len()),
        left: left.operator,
        scan,
        registers,
        on,
        batch: None,
        row: 0,
        begun: false,
        matched: false,
        rows_wanted: FIRST_ROWS,
    };
    Ok(Ok(Compiled { operator: Box::new(operator), columns }))
}

struct LookupJoin {
    /// LEFT.
    outer: bool,
    left: Box<dyn Operator>,
    scan: Scan,
    /// Columns of both sides.
    widths: (usize, usize),
    /// Which left columns the scan wants in registers.
    registers: Vec<(usize, ColumnId)>,
    /// Over the columns of both sides.
    on: Vec<Code>,
    batch: Option<Batch>,
    /// The left row whose scan is next, or has begun.
    row: usize,
    begun: bool,
    /// Whether that row has found a match already.
    matched: bool,
    rows_wanted: usize,
}

impl LookupJoin {
    /// Reads right rows until there are enough; gives the left row of each.
    async fn look_up(&mut self, left: &Batch, cx: &mut Context<'_>) -> Result<Vec<u32>> {
        let first = self.row;
        let mut lefts: Vec<u32> = Vec::new();
        cx.check_interrupt()?;
        while self.row < left.rows() && lefts.len() + (self.row - first) < self.rows_wanted {
            if !self.begun {
                for (slot, id) in &self.registers {
                    cx.state.set_register(*id, left.value(*slot, self.row));
                }
                self.scan.begin();
                self.begun = true;
            }
            let done = self.scan.read_on(self.rows_wanted, cx).await?;
            lefts.resize(self.scan.rows(), self.row as u32);
            if done {
                self.row += 1;
                self.begun = false;
            }
        }
        Ok(lefts)
    }

    /// The pairs of rows that LEFT gives, of those that match; left rows from `first` on were looked up.
    fn with_unmatched(&mut self, first: usize, matching: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
        let mut out = Vec::with_capacity(matching.len());
        let mut matching = matching.into_iter().peekable();
        let mut matched = self.matched;
        for row in first as u32..self.row as u32 {
            while let Some(pair) = matching.next_if(|(left, _)| *left == row) {
                out.push(pair);
                matched = true;
            }
            if !matched {
                out.push((row, NONE));
            }
            matched = false;
        }
        // What is left belongs to the row whose scan has not ended.
        self.matched = self.begun && (matched || matching.peek().is_some());
        out.extend(matching);
        out
    }

    /// The next rows of a left batch.
    async fn join(&mut self, left: &Batch, cx: &mut Context<'_>) -> Result<Batch> {
        let first = self.row;
        let lefts = self.look_up(left, cx).await?;
        let right = self.scan.take();
        let mut columns = left.select(&lefts).into_columns();
        columns.extend(right.columns().iter().cloned());
        let joined = Batch::new(columns, lefts.len());
        let kept = match joined.rows() {
            0 => None,
            _ => filter(&self.on, &joined, cx).await?,
        };
        if !self.outer {
            return Ok(match kept {
                None => joined,
                Some(rows) => joined.select(&rows),
            });
        }
        let all = || (0..lefts.len() as u32).collect();
        let pair = |row: u32| Some((lefts.get(row as usize).copied()?, row));
        let matching = kept.unwrap_or_else(all).into_iter().filter_map(pair).collect();
        let pairs = self.with_unmatched(first, matching);
        Ok(joined_padded(left, self.widths, &right, &pairs))
    }
}

#[async_trait]
impl Operator for LookupJoin {
    fn open(&mut self) {
        self.left.open();
        self.scan.begin();
        drop(self.scan.take());
        self.batch = None;
        (self.begun, self.matched) = (false, false);
        self.rows_wanted = FIRST_ROWS;
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        loop {
            let left = match self.batch.take() {
                Some(left) => left,
                None => {
                    let Some(left) = self.left.next(cx).await? else { return Ok(None) };
                    (self.row, self.begun, self.matched) = (0, false, false);
                    left
                }
            };
            let joined = self.join(&left, cx).await?;
            if self.row < left.rows() {
                self.batch = Some(left);
            }
            self.rows_wanted = (self.rows_wanted * 4).min(Batch::ROWS);
            if joined.rows() > 0 {
                return Ok(Some(joined));
            }
        }
    }
}
