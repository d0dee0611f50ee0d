//! DISTINCT: each different row once, in the order of first coming.

use std::collections::HashSet;

use async_trait::async_trait;
use heddle_value::{Collation, Value};

use super::Batch;
use super::compile::{Compiled, Compiler};
use super::context::Context;
use super::keys::KeyMaker;
use super::operator::Operator;
use crate::Result;
use crate::plan::{ColumnId, Relation};

/// The rows seen so far.
pub(crate) struct Seen {
    maker: KeyMaker,
    keys: HashSet<Box<[u8]>, foldhash::fast::FixedState>,
    key: Vec<u8>,
}

impl Seen {
    /// None so far; rows are of as many values as there are collations.
    pub(crate) fn new<'c>(collations: impl IntoIterator<Item = &'c Collation>) -> Seen {
        let maker = KeyMaker::for_equality(collations);
        Seen { maker, keys: HashSet::default(), key: Vec::new() }
    }

    /// Forgets them.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
    }

    /// Takes a row; whether it is the first of its kind.
    pub(crate) fn insert<'v>(&mut self, row: impl IntoIterator<Item = &'v Value>) -> bool {
        self.key.clear();
        self.maker.push_all(row, &mut self.key);
        self.insert_key()
    }

    fn insert_key(&mut self) -> bool {
        !self.keys.contains(&*self.key) && self.keys.insert(self.key.as_slice().into())
    }

    /// Takes a row of a batch, of these columns.
    fn insert_row(&mut self, batch: &Batch, slots: &[usize], row: usize) -> bool {
        self.key.clear();
        for (part, slot) in slots.iter().enumerate() {
            if let Some(column) = batch.columns().get(*slot) {
                column.with(row, |value| self.maker.push(part, value, &mut self.key));
            }
        }
        self.insert_key()
    }
}

struct Distinct {
    input: Box<dyn Operator>,
    slots: Vec<usize>,
    seen: Seen,
}

#[async_trait]
impl Operator for Distinct {
    fn open(&mut self) {
        self.input.open();
        self.seen.clear();
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        while let Some(batch) = self.input.next(cx).await? {
            let new = |row: &u32| self.seen.insert_row(&batch, &self.slots, *row as usize);
            let rows: Vec<u32> = (0..batch.rows() as u32).filter(new).collect();
            if rows.len() == batch.rows() {
                return Ok(Some(batch));
            }
            if !rows.is_empty() {
                return Ok(Some(batch.select(&rows)));
            }
        }
        Ok(None)
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
    let operator = Distinct { input: input.operator, slots, seen };
    Ok(Compiled { operator: Box::new(operator), columns: input.columns })
}
