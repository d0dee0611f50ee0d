//! Queries inside expressions: run when their value is asked for, and what they gave is kept.
//!
//! # Invariants
//! - Q1: what is kept is found by the values of the columns around the subquery that it uses, bit by bit.
//! - Q2: a subquery runs with those values in its registers, and leaves the registers as they were.

use std::collections::HashMap;

use heddle_btree::record;
use heddle_value::{Affinity, Collation, Value};

use super::Batch;
use super::code::InTable;
use super::context::Context;
use super::operator::Operator;
use crate::plan::ColumnId;
use crate::{Error, Result};

/// How many bytes of results one subquery keeps, about, before it starts anew.
const KEPT_BYTES: usize = 4 << 20;

/// What of a subquery's rows is wanted.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// The first.
    Row,
    /// Whether there is any.
    Exists,
    /// All, as a set.
    Set { affinities: Vec<Option<Affinity>>, collations: Vec<Collation> },
}

impl Kind {
    /// Tells the kinds apart.
    pub(crate) fn number(&self) -> u8 {
        match self {
            Kind::Row => 0,
            Kind::Exists => 1,
            Kind::Set { .. } => 2,
        }
    }
}

/// What a subquery gave.
#[derive(Debug)]
pub(crate) enum Found {
    Row(Option<Vec<Value>>),
    Exists(bool),
    Set(InTable),
}

impl Found {
    fn bytes(&self) -> usize {
        64 + match self {
            Found::Row(Some(row)) => row.iter().map(super::vector::value_bytes).sum(),
            Found::Row(None) | Found::Exists(_) => 0,
            Found::Set(table) => table.bytes(),
        }
    }
}

/// A compiled subquery and what it gave.
pub(crate) struct SubqueryRun {
    kind: Kind,
    /// `None` while it runs.
    operator: Option<Box<dyn Operator>>,
    /// Where its columns are.
    slots: Vec<usize>,
    /// The columns around that it uses.
    outer: Vec<ColumnId>,
    stable: bool,
    /// Whether it uses `OLD` or `NEW`.
    uses_images: bool,
    /// If it uses no columns around.
    only: Option<Found>,
    kept: HashMap<Box<[u8]>, Found, foldhash::fast::FixedState>,
    kept_bytes: usize,
}

impl SubqueryRun {
    /// A subquery that has not run.
    pub(crate) fn new(
        kind: Kind,
        operator: Box<dyn Operator>,
        slots: Vec<usize>,
        outer: Vec<ColumnId>,
        stable: bool,
        uses_images: bool,
    ) -> SubqueryRun {
        SubqueryRun {
            kind,
            operator: Some(operator),
            slots,
            outer,
            stable,
            uses_images,
            only: None,
            kept: HashMap::default(),
            kept_bytes: 0,
        }
    }

    /// The columns around that it uses.
    pub(crate) fn outer(&self) -> &[ColumnId] {
        &self.outer
    }

    /// Whether the same values around give the same result.
    pub(crate) fn is_stable(&self) -> bool {
        self.stable
    }

    /// Whether it uses `OLD` or `NEW`.
    pub(crate) fn uses_images(&self) -> bool {
        self.uses_images
    }

    /// Forgets what it gave.
    pub(crate) fn forget(&mut self) {
        self.only = None;
        self.kept.clear();
        self.kept_bytes = 0;
    }

    /// What it gave for these values around.
    #[inline]
    pub(crate) fn find(&self, values: &[Value]) -> Option<&Found> {
        if values.is_empty() {
            return self.only.as_ref();
        }
        if self.kept.is_empty() {
            return None;
        }
        self.kept.get(&*key(values)?)
    }

    fn keep(&mut self, values: &[Value], found: Found) -> Result<()> {
        if values.is_empty() {
            self.only = Some(found);
            return Ok(());
        }
        let bytes = found.bytes();
        if self.kept_bytes + bytes > KEPT_BYTES {
            self.forget();
        }
        let key = key(values).ok_or(Error::TooBig)?;
        self.kept_bytes += bytes + key.len();
        self.kept.insert(key.into(), found);
        Ok(())
    }
}

/// The values, bit by bit (Q1); `None` if they are too long.
fn key(values: &[Value]) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    record::encode(values.iter().map(Value::as_ref), &mut key).ok()?;
    Some(key)
}

/// Runs the subquery that was found missing, for the values in `pending`.
///
/// # Errors
/// What running it meets.
pub(crate) async fn run(index: usize, cx: &mut Context<'_>) -> Result<()> {
    let values = std::mem::take(&mut cx.state.pending);
    let taken = cx.state.subqueries.get_mut(index);
    let taken = taken.and_then(|run| {
        Some((run.operator.take()?, run.kind.clone(), run.slots.clone(), run.outer.clone()))
    });
    let Some((mut operator, kind, slots, outer)) = taken else {
        return Err(Error::sql("a subquery runs inside itself"));
    };
    let before: Vec<Value> = outer
        .iter()
        .zip(&values)
        .map(|(id, value)| cx.state.set_register(*id, value.clone()))
        .collect();
    operator.open();
    let found = collect(&mut *operator, &kind, &slots, cx).await;
    for (id, value) in outer.into_iter().zip(before) {
        cx.state.set_register(id, value);
    }
    if let Some(run) = cx.state.subqueries.get_mut(index) {
        run.operator = Some(operator);
        run.keep(&values, found?)?;
    }
    Ok(())
}

async fn collect(
    operator: &mut dyn Operator,
    kind: &Kind,
    slots: &[usize],
    cx: &mut Context<'_>,
) -> Result<Found> {
    match kind {
        Kind::Exists => Ok(Found::Exists(operator.next(cx).await?.is_some())),
        Kind::Row => {
            let batch: Option<Batch> = operator.next(cx).await?;
            Ok(Found::Row(batch.map(|batch| batch.project(slots).row(0))))
        }
        Kind::Set { affinities, collations } => {
            let mut table = InTable::new(affinities, collations);
            while let Some(batch) = operator.next(cx).await? {
                let batch = batch.project(slots);
                (0..batch.rows()).for_each(|row| table.insert(batch.row(row)));
            }
            Ok(Found::Set(table))
        }
    }
}

/// Hands the set that a subquery of [`Kind::Set`] gives for the registers as they are to `read`.
///
/// # Errors
/// What running it meets.
pub(crate) async fn with_set<R>(
    index: usize,
    cx: &mut Context<'_>,
    read: impl FnOnce(&InTable) -> R,
) -> Result<R> {
    let outer = cx.state.subqueries.get(index).map_or(Vec::new(), |run| run.outer.clone());
    let values: Vec<Value> = outer.iter().map(|id| cx.state.register(*id)).collect();
    let known = |cx: &Context<'_>| {
        cx.state.subqueries.get(index).is_some_and(|run| run.stable && run.find(&values).is_some())
    };
    if !known(cx) {
        cx.state.pending = values.clone();
        run(index, cx).await?;
    }
    match cx.state.subqueries.get(index).and_then(|run| run.find(&values)) {
        Some(Found::Set(table)) => Ok(read(table)),
        _ => Err(Error::sql("a subquery gave no set")),
    }
}
