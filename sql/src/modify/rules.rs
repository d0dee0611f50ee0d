//! The rules of a table for the row under construction: generated columns, NOT NULL, types, CHECK, index entries.
//!
//! # Invariant
//! - R1: the row is the `NEW` of the evaluator ([`RulesRun::row`]), and stays there from its making to its writing.

use std::sync::Arc;

use heddle_value::{Affinity, Value};

use super::stored::{self, Entry, Format};
use crate::ast::ConflictClause;
use crate::exec::{CodeId, Evaluator, Resources, RowImage};
use crate::plan::{Expr, Rules, TriggerColumn, Visit, Write, walk};
use crate::schema::{Column, Index, Table};
use crate::{ConstraintKind, Error, Result};

/// The rules of a table, compiled.
pub(super) struct RulesRun {
    pub(super) table: Arc<Table>,
    evaluator: Evaluator,
    generated: Vec<(usize, CodeId)>,
    defaults: Vec<Option<CodeId>>,
    checks: Vec<CodeId>,
    indexes: Vec<IndexRun>,
    /// The columns that each CHECK uses.
    check_columns: Vec<Vec<Option<u16>>>,
}

struct IndexRun {
    index: Arc<Index>,
    filter: Option<CodeId>,
    keys: Vec<Option<CodeId>>,
    /// The columns that its entries depend on.
    columns: Vec<Option<u16>>,
}

/// What an UPDATE touches.
#[derive(Debug, Clone)]
pub(super) struct Touched {
    /// By column, generated ones included.
    pub(super) columns: Vec<bool>,
    /// Whether the row gets another key.
    pub(super) key: bool,
    pub(super) checks: Vec<bool>,
    pub(super) indexes: Vec<bool>,
}

/// What became of a check.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Checked {
    Holds,
    /// The row is passed over.
    Ignored,
}

fn columns_of(expr: &Expr) -> Vec<Option<u16>> {
    struct Columns(Vec<Option<u16>>);
    impl Visit for Columns {
        fn expr(&mut self, expr: &mut Expr) -> bool {
            if let Expr::Row(TriggerColumn::New(column)) = expr {
                self.0.push(*column);
            }
            true
        }
    }
    let mut columns = Columns(Vec::new());
    walk::expr(&mut expr.clone(), &mut columns);
    columns.0
}

/// Gives out the ids of an evaluator in the order of its expressions.
struct Ids<'e>(&'e Evaluator, usize);

impl Ids<'_> {
    fn next(&mut self) -> Result<CodeId> {
        self.1 += 1;
        self.0.id(self.1 - 1).ok_or_else(|| Error::sql("no such expression"))
    }
}

impl RulesRun {
    pub(super) fn new(write: &Write) -> Result<RulesRun> {
        let (rules, table) = (&write.rules, &write.table);
        let evaluator = Evaluator::new(exprs(rules).map(|expr| (expr, &[][..])), &[], [].into())?;
        let mut ids = Ids(&evaluator, 0);
        let mut generated = Vec::with_capacity(rules.generated.len());
        for (place, _) in &rules.generated {
            generated.push((usize::from(*place), ids.next()?));
        }
        let mut optional = |expr: &Option<Expr>| expr.as_ref().map(|_| ids.next()).transpose();
        let defaults = rules.defaults.iter().map(&mut optional).collect::<Result<_>>()?;
        let mut indexes = Vec::with_capacity(rules.indexes.len());
        for (rule, index) in rules.indexes.iter().zip(&table.indexes) {
            let filter = optional(&rule.filter)?;
            let keys = rule.keys.iter().map(&mut optional).collect::<Result<_>>()?;
            let own = index.keys.iter().chain(&index.row_keys).filter(|key| key.column.is_some());
            let mut columns: Vec<_> = own.map(|key| key.column).collect();
            let exprs = rule.filter.iter().chain(rule.keys.iter().flatten());
            columns.extend(exprs.flat_map(columns_of));
            columns.extend(table.has_rowid().then_some(None));
            indexes.push(IndexRun { index: Arc::clone(index), filter, keys, columns });
        }
        let mut checks = Vec::with_capacity(rules.checks.len());
        for _ in &rules.checks {
            checks.push(ids.next()?);
        }
        let check_columns = rules.checks.iter().map(columns_of).collect();
        let table = Arc::clone(table);
        Ok(RulesRun { table, evaluator, generated, defaults, checks, indexes, check_columns })
    }

    /// What setting these columns touches.
    pub(super) fn touched(&self, rules: &Rules, sets: &[Option<u16>]) -> Touched {
        let table = &self.table;
        let mut columns = vec![false; table.columns.len()];
        let mut rowid = false;
        for set in sets {
            match set {
                Some(column) => mark(&mut columns, *column),
                None => {
                    rowid = true;
                    if let Some(cell) = table.rowid_alias.and_then(|alias| columns.get_mut(alias)) {
                        *cell = true;
                    }
                }
            }
        }
        let uses = |columns: &[bool], of: &[Option<u16>]| {
            of.iter().any(|column| match column {
                Some(column) => columns.get(usize::from(*column)).copied().unwrap_or(false),
                None => rowid,
            })
        };
        for (place, expr) in &rules.generated {
            if uses(&columns, &columns_of(expr)) {
                mark(&mut columns, *place);
            }
        }
        let primary: Vec<_> = table.primary_key.iter().map(|key| key.column).collect();
        let key = rowid || (table.without_rowid && uses(&columns, &primary));
        let checks = self.check_columns.iter().map(|of| uses(&columns, of)).collect();
        let indexes = self.indexes.iter().map(|index| uses(&columns, &index.columns)).collect();
        Touched { columns, key, checks, indexes }
    }

    /// The row under construction (R1).
    pub(super) fn row(&mut self) -> &mut RowImage {
        self.evaluator.new_image()
    }

    fn value(&mut self, id: CodeId, resources: &mut Resources) -> Result<Value> {
        let value = self.evaluator.try_value(id, &[], resources)?;
        value.ok_or_else(|| Error::sql("subqueries prohibited in the expressions of a table"))
    }

    /// A column's DEFAULT.
    pub(super) fn default(&mut self, place: usize, resources: &mut Resources) -> Result<Value> {
        match self.defaults.get(place).copied().flatten() {
            Some(id) => self.value(id, resources),
            None => Ok(Value::Null),
        }
    }

    /// Computes the generated columns from the others.
    pub(super) fn generate(&mut self, resources: &mut Resources) -> Result<()> {
        for at in 0..self.generated.len() {
            let Some((place, id)) = self.generated.get(at).copied() else { continue };
            let value = self.value(id, resources)?;
            let column = self.table.columns.get(place);
            let affinity = column.map_or(Affinity::Blob, |column| column.affinity);
            if let Some(cell) = self.row().columns.get_mut(place) {
                *cell = affinity.apply(value);
            }
        }
        Ok(())
    }

    /// Whether there are generated columns.
    pub(super) fn has_generated(&self) -> bool {
        !self.generated.is_empty()
    }

    /// Makes each value what its column stores.
    ///
    /// # Errors
    /// A STRICT column does not take it.
    pub(super) fn convert(&mut self) -> Result<()> {
        let table = Arc::clone(&self.table);
        for (column, cell) in table.columns.iter().zip(&mut self.row().columns) {
            let value = std::mem::take(cell);
            let is_virtual = column.generated.as_ref().is_some_and(|generated| !generated.stored);
            *cell = match column.strict {
                Some(strict) if !is_virtual => {
                    strict.accept(value).map_err(|value| wrong_type(&table, column, &value))?
                }
                _ => column.affinity.apply(value),
            };
        }
        Ok(())
    }

    /// NOT NULL.
    ///
    /// # Errors
    /// NULL where it may not be.
    pub(super) fn check_nulls(
        &mut self,
        conflict: Option<ConflictClause>,
        touched: Option<&Touched>,
        resources: &mut Resources,
    ) -> Result<Checked> {
        let table = Arc::clone(&self.table);
        let mut replaced = false;
        for generated in [false, true] {
            for (place, column) in table.columns.iter().enumerate() {
                let Some(own) = column.not_null else { continue };
                let untouched =
                    touched.is_some_and(|t| !t.columns.get(place).copied().unwrap_or(true));
                if untouched
                    || table.rowid_alias == Some(place)
                    || column.generated.is_some() != generated
                    || !self.row().columns.get(place).is_some_and(Value::is_null)
                {
                    continue;
                }
                let mut action = conflict.or(own).unwrap_or(ConflictClause::Abort);
                if action == ConflictClause::Ignore {
                    return Ok(Checked::Ignored);
                }
                if action == ConflictClause::Replace {
                    action = ConflictClause::Abort;
                    let default = self.default(place, resources)?;
                    if !default.is_null() {
                        replaced = true;
                        if let Some(cell) = self.row().columns.get_mut(place) {
                            *cell = default;
                        }
                        continue;
                    }
                }
                return Err(Error::Constraint {
                    kind: ConstraintKind::NotNull,
                    what: format!("{}.{}", table.name, column.name),
                    action,
                });
            }
            if !generated && replaced && self.has_generated() {
                self.convert()?;
                self.generate(resources)?;
            }
        }
        Ok(Checked::Holds)
    }

    /// CHECK.
    ///
    /// # Errors
    /// One that is false.
    pub(super) fn check_checks(
        &mut self,
        conflict: Option<ConflictClause>,
        touched: Option<&Touched>,
        resources: &mut Resources,
    ) -> Result<Checked> {
        for at in 0..self.checks.len() {
            if touched.is_some_and(|touched| touched.checks.get(at) == Some(&false)) {
                continue;
            }
            let Some(id) = self.checks.get(at).copied() else { continue };
            if self.value(id, resources)?.is_true() != Some(false) {
                continue;
            }
            let action = match conflict {
                Some(ConflictClause::Ignore) => return Ok(Checked::Ignored),
                None | Some(ConflictClause::Replace) => ConflictClause::Abort,
                Some(other) => other,
            };
            let check = self.table.checks.get(at);
            let what = check.map(|check| check.name.as_deref().unwrap_or(&check.text));
            return Err(Error::Constraint {
                kind: ConstraintKind::Check,
                what: what.unwrap_or_default().to_owned(),
                action,
            });
        }
        Ok(Checked::Holds)
    }

    /// The entries of the row in all indexes that are touched; `None` where it has none.
    pub(super) fn entries(
        &mut self,
        touched: Option<&Touched>,
        format: Format,
        resources: &mut Resources,
    ) -> Result<Vec<Option<Entry>>> {
        let mut entries = Vec::with_capacity(self.indexes.len());
        for at in 0..self.indexes.len() {
            let skip = touched.is_some_and(|touched| touched.indexes.get(at) == Some(&false));
            entries.push(if skip { None } else { self.entry(at, format, resources)? });
        }
        Ok(entries)
    }

    fn entry(
        &mut self,
        at: usize,
        format: Format,
        resources: &mut Resources,
    ) -> Result<Option<Entry>> {
        let Some(run) = self.indexes.get(at) else { return Ok(None) };
        if let Some(filter) = run.filter
            && self.value(filter, resources)?.is_true() != Some(true)
        {
            return Ok(None);
        }
        let Some(run) = self.indexes.get(at) else { return Ok(None) };
        let index = Arc::clone(&run.index);
        let mut keys = Vec::with_capacity(index.keys.len());
        for (place, key) in index.keys.iter().enumerate() {
            let code = self.indexes.get(at).and_then(|run| run.keys.get(place).copied().flatten());
            keys.push(match code {
                Some(id) => self.value(id, resources)?,
                None => stored::column_of(self.row(), key.column).clone(),
            });
        }
        let table = Arc::clone(&self.table);
        Ok(Some(stored::index_entry(&table, &index, &keys, self.row(), format)?))
    }
}

fn mark(columns: &mut [bool], column: u16) {
    if let Some(cell) = columns.get_mut(usize::from(column)) {
        *cell = true;
    }
}

/// All expressions in the order in which their ids are given out.
fn exprs(rules: &Rules) -> impl Iterator<Item = &Expr> {
    let generated = rules.generated.iter().map(|(_, expr)| expr);
    let indexes =
        rules.indexes.iter().flat_map(|rule| rule.filter.iter().chain(rule.keys.iter().flatten()));
    generated.chain(rules.defaults.iter().flatten()).chain(indexes).chain(&rules.checks)
}

fn wrong_type(table: &Table, column: &Column, value: &Value) -> Error {
    let class = match value {
        Value::Integer(_) => "INT",
        Value::Real(_) => "REAL",
        Value::Text(_) => "TEXT",
        Value::Blob(_) => "BLOB",
        Value::Null => "NULL",
    };
    let strict = column.strict.map_or("", |strict| strict.name());
    Error::Constraint {
        kind: ConstraintKind::Datatype,
        what: format!(
            "cannot store {class} value in {strict} column {}.{}",
            table.name, column.name
        ),
        action: ConflictClause::Abort,
    }
}
