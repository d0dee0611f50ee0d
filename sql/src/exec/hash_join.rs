//! Joins by a hash table over the right side.
//!
//! # Invariants
//! - G1: rows come in the order of the left side, and for one left row in that of the right side, as a loop gives them;
//!   right rows without match (RIGHT, FULL) come last.
//! - G2: two rows meet if all pairs of keys are equal after their affinities; NULL is equal to NULL only under IS.

use std::collections::HashMap;

use async_trait::async_trait;
use heddle_value::Affinity;

use super::batch::BatchBuilder;
use super::code::{Code, applied, evaluate_batch, filter};
use super::compile::{Compiled, Compiler};
use super::context::Context;
use super::join::Join;
use super::keys::KeyMaker;
use super::operator::Operator;
use super::{Batch, Vector};
use crate::plan::{CompareOp, Comparison, JoinKind};
use crate::{Error, Result};

/// No row.
pub(crate) const NONE: u32 = u32::MAX;

/// Keys of one side.
struct Side {
    codes: Vec<Code>,
    affinities: Vec<Option<Affinity>>,
    /// Which keys let NULL be equal to NULL.
    is: Vec<bool>,
}

impl Side {
    /// Calls `each` with the key of every row that can meet another.
    async fn keys(
        &self,
        maker: &mut KeyMaker,
        batch: &Batch,
        cx: &mut Context<'_>,
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let columns: Vec<Vector> = evaluate_batch(&self.codes, batch, cx).await?;
        let key = |row: usize| {
            let mut key = Vec::with_capacity(16);
            let parts = columns.iter().zip(&self.affinities).zip(&self.is);
            for (part, ((column, affinity), is)) in parts.enumerate() {
                if !is && column.is_null(row) {
                    return None;
                }
                match affinity {
                    None => column.with(row, |value| maker.push(part, value, &mut key)),
                    some => maker.push(part, &applied(column.get(row), *some), &mut key),
                }
            }
            Some(key)
        };
        Ok((0..batch.rows()).map(key).collect())
    }
}

/// A hash join.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn compile(
    compiler: &mut Compiler<'_>,
    join: &Join<'_>,
    keys: &[Comparison],
) -> Result<Compiled> {
    let left = compiler.relation(join.left)?;
    let (right, used) = compiler.with_registers(join.right)?;
    if used.iter().any(|id| left.columns.contains(id)) {
        return Err(Error::sql("the right side of a hash join uses the left"));
    }
    compiler.registers.extend(used);
    let is: Vec<bool> = keys.iter().map(|key| key.op == CompareOp::Is).collect();
    let left_side = Side {
        codes: compiler.codes(keys.iter().map(|key| &key.left), &left.columns)?,
        affinities: keys.iter().map(|key| key.left_affinity).collect(),
        is: is.clone(),
    };
    let right_side = Side {
        codes: compiler.codes(keys.iter().map(|key| &key.right), &right.columns)?,
        affinities: keys.iter().map(|key| key.right_affinity).collect(),
        is,
    };
    let both: Vec<_> = left.columns.iter().chain(&right.columns).copied().collect();
    let on = compiler.codes(join.on, &both)?;
    let columns = join.columns(&left.columns, &right.columns);
    let operator = HashJoin {
        kind: join.kind,
        widths: (left.columns.len(), right.columns.len()),
        left: left.operator,
        right: right.operator,
        sides: (left_side, right_side),
        keys: KeyMaker::for_equality(keys.iter().map(|key| &key.collation)),
        on,
        table: None,
        batch: Batch::default(),
        pairs: Vec::new(),
        given: 0,
        stage: Stage::Left,
    };
    Ok(Compiled { operator: Box::new(operator), columns })
}

/// The right side.
struct Table {
    rows: Batch,
    /// The first row of each key.
    heads: HashMap<Box<[u8]>, u32, foldhash::fast::FixedState>,
    /// For each row the next one of the same key.
    next: Vec<u32>,
    matched: Vec<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Left,
    /// Right rows without match.
    Right,
    End,
}

struct HashJoin {
    kind: JoinKind,
    left: Box<dyn Operator>,
    right: Box<dyn Operator>,
    widths: (usize, usize),
    sides: (Side, Side),
    keys: KeyMaker,
    /// Over the columns of both sides.
    on: Vec<Code>,
    table: Option<Table>,
    /// The left rows that are being joined.
    batch: Batch,
    /// Pairs of rows of both sides that are to be given.
    pairs: Vec<(u32, u32)>,
    /// How many were.
    given: usize,
    stage: Stage,
}

impl HashJoin {
    async fn build(&mut self, cx: &mut Context<'_>) -> Result<Table> {
        let mut rows = BatchBuilder::new(self.widths.1);
        let mut heads: HashMap<Box<[u8]>, u32, foldhash::fast::FixedState> = HashMap::default();
        let mut next = Vec::new();
        // The last row of each key, so that chains are in order.
        let mut tails: Vec<u32> = Vec::new();
        while let Some(batch) = self.right.next(cx).await? {
            let keys = self.sides.1.keys(&mut self.keys, &batch, cx).await?;
            for key in keys {
                let row = next.len() as u32;
                next.push(NONE);
                tails.push(row);
                let Some(key) = key else { continue };
                match heads.get(&*key) {
                    None => {
                        heads.insert(key.into(), row);
                    }
                    Some(head) => {
                        let last = tails.get_mut(*head as usize);
                        let last = last.map_or(*head, |last| std::mem::replace(last, row));
                        if let Some(next) = next.get_mut(last as usize) {
                            *next = row;
                        }
                    }
                }
            }
            rows.push_batch(&batch);
        }
        let matched = vec![false; next.len()];
        Ok(Table { rows: rows.take(), heads, next, matched })
    }

    /// The pairs that the next left rows make, ON included.
    async fn probe(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let Some(table) = &mut self.table else { return Ok(()) };
        let keys = self.sides.0.keys(&mut self.keys, &self.batch, cx).await?;
        let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(keys.len());
        for (row, key) in keys.iter().enumerate() {
            let head = key.as_ref().and_then(|key| table.heads.get(&**key)).copied();
            let mut at = head.unwrap_or(NONE);
            while at != NONE {
                pairs.push((row as u32, at));
                at = table.next.get(at as usize).copied().unwrap_or(NONE);
            }
        }
        if !self.on.is_empty() {
            let mut kept = Vec::new();
            for chunk in pairs.chunks(Batch::ROWS) {
                let joined = joined(&self.batch, &table.rows, chunk);
                match filter(&self.on, &joined, cx).await? {
                    None => kept.extend_from_slice(chunk),
                    Some(rows) => {
                        kept.extend(rows.iter().filter_map(|row| chunk.get(*row as usize)));
                    }
                }
            }
            pairs = kept;
        }
        if matches!(self.kind, JoinKind::Right | JoinKind::Full) {
            for (_, right) in &pairs {
                if let Some(matched) = table.matched.get_mut(*right as usize) {
                    *matched = true;
                }
            }
        }
        self.pairs = for_kind(self.kind, pairs, self.batch.rows() as u32);
        Ok(())
    }

    /// The next rows to be given.
    fn give(&mut self) -> Option<Batch> {
        let rest = self.pairs.get(self.given..).unwrap_or_default();
        let chunk = rest.get(..rest.len().min(Batch::ROWS)).unwrap_or_default();
        if chunk.is_empty() {
            return None;
        }
        self.given += chunk.len();
        let table = self.table.as_ref()?;
        Some(match self.kind {
            JoinKind::Semi | JoinKind::Anti => {
                let rows: Vec<u32> = chunk.iter().map(|(left, _)| *left).collect();
                self.batch.select(&rows)
            }
            _ => joined_padded(&self.batch, self.widths, &table.rows, chunk),
        })
    }
}

/// What a kind of join makes of matching pairs, which are in the order of left rows.
fn for_kind(kind: JoinKind, pairs: Vec<(u32, u32)>, rows: u32) -> Vec<(u32, u32)> {
    let outer = match kind {
        JoinKind::Inner | JoinKind::Right => return pairs,
        JoinKind::Left | JoinKind::Full => true,
        JoinKind::Semi | JoinKind::Anti => false,
    };
    let mut out = Vec::with_capacity(pairs.len());
    let mut pairs = pairs.into_iter().peekable();
    for row in 0..rows {
        let mut matched = false;
        while let Some(pair) = pairs.next_if(|(left, _)| *left == row) {
            if outer || (kind == JoinKind::Semi && !matched) {
                out.push(pair);
            }
            matched = true;
        }
        if !matched && kind != JoinKind::Semi {
            out.push((row, NONE));
        }
    }
    out
}

fn joined(left: &Batch, right: &Batch, pairs: &[(u32, u32)]) -> Batch {
    let lefts: Vec<u32> = pairs.iter().map(|(left, _)| *left).collect();
    let rights: Vec<u32> = pairs.iter().map(|(_, right)| *right).collect();
    let mut columns = left.select(&lefts).into_columns();
    columns.extend(right.select(&rights).into_columns());
    Batch::new(columns, pairs.len())
}

/// Pairs of rows of two batches, where a side may have no row.
pub(crate) fn joined_padded(
    left: &Batch,
    widths: (usize, usize),
    right: &Batch,
    pairs: &[(u32, u32)],
) -> Batch {
    let mut columns = Vec::with_capacity(widths.0 + widths.1);
    let lefts: Vec<u32> = pairs.iter().map(|(left, _)| *left).collect();
    let rights: Vec<u32> = pairs.iter().map(|(_, right)| *right).collect();
    for (batch, width, rows) in [(left, widths.0, &lefts), (right, widths.1, &rights)] {
        for slot in 0..width {
            columns.push(match batch.columns().get(slot) {
                Some(column) => column.gather_padded(rows),
                None => Vector::constant(heddle_value::Value::Null, rows.len()),
            });
        }
    }
    Batch::new(columns, pairs.len())
}

#[async_trait]
impl Operator for HashJoin {
    fn open(&mut self) {
        self.left.open();
        self.right.open();
        self.table = None;
        self.pairs.clear();
        self.given = 0;
        self.stage = Stage::Left;
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if self.table.is_none() {
            self.table = Some(self.build(cx).await?);
        }
        loop {
            if let Some(batch) = self.give() {
                return Ok(Some(batch));
            }
            self.pairs.clear();
            self.given = 0;
            match self.stage {
                Stage::Left => match self.left.next(cx).await? {
                    Some(batch) => {
                        cx.check_interrupt()?;
                        self.batch = batch;
                        self.probe(cx).await?;
                    }
                    None => self.stage = Stage::Right,
                },
                Stage::Right => {
                    let outer = matches!(self.kind, JoinKind::Right | JoinKind::Full);
                    if let (true, Some(table)) = (outer, &self.table) {
                        let rows = table.matched.iter().zip(0_u32..);
                        let alone = rows.filter(|(matched, _)| !**matched);
                        self.pairs = alone.map(|(_, row)| (NONE, row)).collect();
                    }
                    self.batch = Batch::default();
                    self.stage = Stage::End;
                }
                Stage::End => return Ok(None),
            }
        }
    }
}
