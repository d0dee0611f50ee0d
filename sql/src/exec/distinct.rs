//! DISTINCT: each different row once, in the order of first coming.
//!
//! # Invariant
//! - D1: when the keys of the rows seen are over the memory that is allowed, rows that are not among them are sorted aside, and those
//!   that differ come last, in that order.

use std::collections::HashSet;

use async_trait::async_trait;
use heddle_value::{Collation, Value};

use super::Batch;
use super::compile::{Compiled, Compiler};
use super::context::Context;
use super::keys::{KeyMaker, OrderPart, has_order};
use super::operator::Operator;
use super::spill::{Sorted, Sorter};
use crate::Result;
use crate::plan::{ColumnId, Relation};

/// The rows seen so far.
pub(crate) struct Seen {
    maker: KeyMaker,
    keys: HashSet<Box<[u8]>, foldhash::fast::FixedState>,
    key: Vec<u8>,
    bytes: usize,
}

/// What one key takes beside its bytes, about.
const KEY: usize = 48;

impl Seen {
    /// None so far; rows are of as many values as there are collations.
    pub(crate) fn new<'c>(collations: impl IntoIterator<Item = &'c Collation>) -> Seen {
        let maker = KeyMaker::for_equality(collations);
        Seen { maker, keys: HashSet::default(), key: Vec::new(), bytes: 0 }
    }

    /// Forgets them.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.bytes = 0;
    }

    /// About how many bytes they take.
    fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a row; whether it is the first of its kind.
    pub(crate) fn insert<'v>(&mut self, row: impl IntoIterator<Item = &'v Value>) -> bool {
        self.key.clear();
        self.maker.push_all(row, &mut self.key);
        self.insert_key()
    }

    fn insert_key(&mut self) -> bool {
        if self.keys.contains(&*self.key) {
            return false;
        }
        self.bytes += self.key.len() + KEY;
        self.keys.insert(self.key.as_slice().into())
    }

    /// Takes a row of a batch, of these columns.
    fn insert_row(&mut self, batch: &Batch, slots: &[usize], row: usize) -> bool {
        self.make_key(batch, slots, row);
        self.insert_key()
    }

    /// Whether a row of a batch is among them.
    fn has_row(&mut self, batch: &Batch, slots: &[usize], row: usize) -> bool {
        self.make_key(batch, slots, row);
        self.keys.contains(&*self.key)
    }

    fn make_key(&mut self, batch: &Batch, slots: &[usize], row: usize) {
        self.key.clear();
        for (part, slot) in slots.iter().enumerate() {
            if let Some(column) = batch.columns().get(*slot) {
                column.with(row, |value| self.maker.push(part, value, &mut self.key));
            }
        }
    }
}

struct Distinct {
    input: Box<dyn Operator>,
    slots: Vec<usize>,
    seen: Seen,
    /// Rows that do not fit among those seen (D1).
    aside: Option<Sorter>,
    parts: Vec<OrderPart>,
    width: usize,
    /// Those in order, and the key of the last.
    late: Option<(Sorted, Vec<u8>)>,
}

impl Distinct {
    /// The different rows among those that were sorted aside.
    async fn late(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if let Some(mut sorter) = self.aside.take() {
            self.late = Some((sorter.finish(cx).await?, Vec::new()));
        }
        let Some((sorted, last)) = &mut self.late else { return Ok(None) };
        while let Some(batch) = sorted.next(cx).await? {
            let mut rows = Vec::new();
            for row in 0..batch.rows() {
                self.seen.make_key(&batch, &self.slots, row);
                if *last != self.seen.key {
                    last.clone_from(&self.seen.key);
                    rows.push(row as u32);
                }
            }
            if !rows.is_empty() {
                return Ok(Some(batch.select(&rows)));
            }
        }
        Ok(None)
    }

    /// Sorts the rows aside that are not among those seen.
    async fn set_aside(&mut self, batch: &Batch, cx: &mut Context<'_>) -> Result<()> {
        let Some(sorter) = &mut self.aside else { return Ok(()) };
        let new = |row: &u32| !self.seen.has_row(batch, &self.slots, *row as usize);
        let rows: Vec<u32> = (0..batch.rows() as u32).filter(new).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let rest = batch.select(&rows);
        let keys = rest.project(&self.slots).into_columns();
        sorter.push(&keys, &rest, cx).await
    }
}

#[async_trait]
impl Operator for Distinct {
    fn open(&mut self) {
        self.input.open();
        self.seen.clear();
        (self.aside, self.late) = (None, None);
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if self.late.is_some() {
            return self.late(cx).await;
        }
        while let Some(batch) = self.input.next(cx).await? {
            if self.aside.is_some() {
                self.set_aside(&batch, cx).await?;
                continue;
            }
            let new = |row: &u32| self.seen.insert_row(&batch, &self.slots, *row as usize);
            let rows: Vec<u32> = (0..batch.rows() as u32).filter(new).collect();
            if self.seen.bytes() > cx.resources.memory_budget && has_order(&self.parts) {
                self.aside = Some(Sorter::new(&self.parts, self.width));
            }
            if rows.len() == batch.rows() {
                return Ok(Some(batch));
            }
            if !rows.is_empty() {
                return Ok(Some(batch.select(&rows)));
            }
        }
        self.late(cx).await
    }
}

/// Each different row once.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn compile(
    compiler: &mut Compiler<'_>,
    input: &Relation,
    columns: &[(ColumnId, Collation)],
) -> Result<Compiled> {
    let input = compiler.relation(input)?;
    let slots = input.slots(columns.iter().map(|(id, _)| id))?;
    let seen = Seen::new(columns.iter().map(|(_, collation)| collation));
    let operator = Distinct {
        input: input.operator,
        slots,
        seen,
        aside: None,
        parts: columns.iter().map(|(_, collation)| OrderPart::ascending(collation)).collect(),
        width: input.columns.len(),
        late: None,
    };
    Ok(Compiled { operator: Box::new(operator), columns: input.columns })
}
