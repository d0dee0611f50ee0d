//! From relations of a plan to operators.
//!
//! # Invariants
//! - M1: the columns of an operator's batches are those of [`Compiled::columns`], in that order.
//! - M2: while a relation is compiled, [`Compiler::registers`] gathers the columns that it takes from registers. Whoever gives
//!   them (a join for its right side, a subquery's caller) takes them out, so that what is left is wanted from further out.

use std::collections::{BTreeSet, HashMap};

use super::operator::Operator;
use super::shared::SharedRun;
use super::subquery::{Kind, SubqueryRun};
use super::{
    aggregate, basic, compound, distinct, join, recursive, rows, scan, shared, sort, window,
};
use crate::plan::{ColumnId, Relation, Shared, SharedId, Subquery, SubqueryId};
use crate::{Error, Result};

/// An operator and its columns (M1).
pub(crate) struct Compiled {
    pub(crate) operator: Box<dyn Operator>,
    pub(crate) columns: Vec<ColumnId>,
}

impl Compiled {
    /// Where these columns are.
    ///
    /// # Errors
    /// If one is not there.
    pub(crate) fn slots<'i>(
        &self,
        ids: impl IntoIterator<Item = &'i ColumnId>,
    ) -> Result<Vec<usize>> {
        let slot = |id: &ColumnId| {
            let found = self.columns.iter().position(|column| column == id);
            found.ok_or_else(|| Error::sql(format!("column {} is not computed", id.0)))
        };
        ids.into_iter().map(slot).collect()
    }
}

/// The compilation of one statement.
#[derive(Default)]
pub(crate) struct Compiler<'q> {
    /// The statement's relations that are read by several.
    pub(crate) shared: &'q [Shared],
    /// Taken from registers since it was last emptied (M2).
    pub(crate) registers: BTreeSet<ColumnId>,
    /// Whether `OLD` or `NEW` was used.
    pub(crate) images_used: bool,
    /// How many patterns are kept.
    pub(crate) patterns: usize,
    pub(crate) subqueries: Vec<SubqueryRun>,
    /// By [`SharedId`]; `None` as long as nobody reads it.
    pub(crate) shared_runs: Vec<Option<SharedRun>>,
    indexes: HashMap<(SubqueryId, u8), usize, foldhash::fast::FixedState>,
}

impl<'q> Compiler<'q> {
    /// For a statement with these shared relations.
    pub(crate) fn new(shared: &'q [Shared]) -> Compiler<'q> {
        Compiler { shared, ..Compiler::default() }
    }

    /// The operator of a relation.
    ///
    /// # Errors
    /// What can't be run.
    pub(crate) fn relation(&mut self, relation: &Relation) -> Result<Compiled> {
        stacker::maybe_grow(64 << 10, 1 << 20, || self.relation_here(relation))
    }

    fn relation_here(&mut self, relation: &Relation) -> Result<Compiled> {
        match relation {
            Relation::Unit => Ok(basic::unit()),
            Relation::Empty => Ok(basic::empty()),
            Relation::Values { columns, rows } => basic::values(self, columns, rows),
            Relation::Scan(scan) => scan::compile(self, scan),
            Relation::Filter { input, predicates } => basic::filter(self, input, predicates),
            Relation::Project { input, columns } => basic::project(self, input, columns),
            Relation::Limit { input, count, offset } => {
                basic::limit(self, input, count, offset.as_ref())
            }
            Relation::Shared { id, columns } => shared::reader(self, *id, columns),
            Relation::Rows { source, arguments, columns } => {
                rows::compile(self, source, arguments, columns)
            }
            Relation::Join { kind, left, right, on, algorithm, keep_order: _ } => {
                join::compile(self, &join::Join { kind: *kind, left, right, on }, algorithm)
            }
            Relation::Aggregate { input, groups, aggregates, bare, ordered } => {
                let ordered = *ordered;
                let aggregation =
                    aggregate::Aggregation { input, groups, aggregates, bare, ordered };
                aggregate::compile(self, &aggregation)
            }
            Relation::Distinct { input, columns } => distinct::compile(self, input, columns),
            Relation::Sort { input, keys, top } => sort::compile(self, input, keys, top.as_deref()),
            Relation::Compound { op, left, right, columns } => {
                compound::compile(self, relation, *op, [left, right], columns)
            }
            Relation::Recursive { queue, initial, step, columns, distinct, order, limit } => {
                let recursion = recursive::Recursion {
                    queue: *queue,
                    initial,
                    step,
                    columns,
                    distinct: *distinct,
                    order,
                    limit: limit.as_deref(),
                };
                recursive::compile(self, &recursion)
            }
            Relation::Window { input, partition, order, calls } => {
                window::compile(self, &window::Definition { input, partition, order, calls })
            }
        }
    }

    /// Compiles a relation whose registers are given by who asks: these, apart from those gathered so far.
    ///
    /// # Errors
    /// What can't be run.
    pub(crate) fn with_registers(
        &mut self,
        relation: &Relation,
    ) -> Result<(Compiled, BTreeSet<ColumnId>)> {
        let before = std::mem::take(&mut self.registers);
        let compiled = self.relation(relation);
        let used = std::mem::replace(&mut self.registers, before);
        Ok((compiled?, used))
    }

    /// The index of a subquery, compiled once for all its copies.
    ///
    /// # Errors
    /// What can't be run.
    pub(crate) fn subquery(&mut self, query: &Subquery, kind: Kind) -> Result<usize> {
        let key = (query.id, kind.number());
        if let Some(index) = self.indexes.get(&key) {
            return Ok(*index);
        }
        let images_before = std::mem::replace(&mut self.images_used, false);
        let compiled = self.with_registers(&query.relation);
        let uses_images = self.images_used;
        self.images_used |= images_before;
        let (compiled, outer) = compiled?;
        let slots = compiled.slots(&query.columns)?;
        let outer = outer.into_iter().collect();
        let index = self.subqueries.len();
        self.subqueries.push(SubqueryRun::new(
            kind,
            compiled.operator,
            slots,
            outer,
            query.stable,
            uses_images,
        ));
        self.indexes.insert(key, index);
        Ok(index)
    }

    /// The columns around a subquery that it uses, and whether it is stable.
    pub(crate) fn needs(&self, index: usize) -> (Vec<ColumnId>, bool) {
        match self.subqueries.get(index) {
            Some(run) => (run.outer().to_vec(), run.is_stable()),
            None => (Vec::new(), false),
        }
    }

    /// Compiles a shared relation, if that was not done yet.
    ///
    /// # Errors
    /// What can't be compiled, and if there is none of this number.
    pub(crate) fn produce(&mut self, id: SharedId) -> Result<()> {
        let at = id.0 as usize;
        if self.shared_runs.get(at).is_some_and(Option::is_some) {
            return Ok(());
        }
        let found = self.shared.iter().find(|shared| shared.id == id);
        let Some(shared) = found else {
            return Err(Error::sql(format!("no shared relation {}", id.0)));
        };
        // There before it is compiled, so that one that reads itself finds it, and fails when it runs.
        self.set_shared(at, SharedRun::default());
        if let Some(relation) = &shared.relation {
            let (compiled, _) = self.with_registers(relation)?;
            let slots = compiled.slots(&shared.columns)?;
            self.set_shared(at, SharedRun::new(compiled.operator, slots));
        }
        Ok(())
    }

    fn set_shared(&mut self, at: usize, run: SharedRun) {
        if self.shared_runs.len() <= at {
            self.shared_runs.resize_with(at + 1, || None);
        }
        if let Some(place) = self.shared_runs.get_mut(at) {
            *place = Some(run);
        }
    }
}
