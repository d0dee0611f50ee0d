//! What is in a row's way, and what becomes of it.
//!
//! # Invariants
//! - C1: constraints are looked at in SQLite's order: NOT NULL, types, CHECK, then what is unique, where those that REPLACE come last.
//! - C2: a row in the way of one that replaces it is gone before the next constraint is looked at.

use bytes::Bytes;

use super::machine::{Machine, WriteRun};
use super::rules::{Checked, Touched};
use super::stored::{self, Entry};
use crate::ast::ConflictClause;
use crate::exec::RowImage;
use crate::plan::{Fired, Upsert, UpsertTarget, Write};
use crate::schema::{Index, Table};
use crate::{ConstraintKind, Error, Result};

/// A row that may be written.
pub(super) struct Ready {
    pub(super) key: Bytes,
    pub(super) record: Bytes,
    pub(super) entries: Vec<Option<Entry>>,
    /// Whether rows were removed and triggers may have changed anything.
    pub(super) disturbed: bool,
}

/// What the constraints say.
pub(super) enum Verdict {
    Ready(Ready),
    /// The row is passed over.
    Ignored,
    /// The ON CONFLICT clause with this number is to do with the row of this key.
    Upsert(usize, Bytes),
}

/// How a row is looked at.
pub(super) struct Policy<'p> {
    /// What OR says.
    pub(super) conflict: Option<ConflictClause>,
    pub(super) upserts: &'p [Upsert],
    /// The triggers of rows that are replaced.
    pub(super) replaced: &'p Fired,
    /// The key of the row that is changed.
    pub(super) old_key: Option<&'p Bytes>,
    pub(super) touched: Option<&'p Touched>,
    /// Whether the key of the table itself can be taken.
    pub(super) check_key: bool,
}

/// Something unique: the key of the table, or an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unique {
    Key,
    Index(usize),
}

/// What is done with a row in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resolution {
    Clause(ConflictClause),
    Upsert(usize),
}

impl Machine<'_> {
    /// Looks at all constraints of the row under construction.
    pub(super) async fn judge(
        &mut self,
        write: &Write,
        run: &mut WriteRun,
        policy: &Policy<'_>,
    ) -> Result<Verdict> {
        let conflict = policy.conflict;
        let nulls = run.rules.check_nulls(conflict, policy.touched, self.resources)?;
        if nulls == Checked::Ignored {
            return Ok(Verdict::Ignored);
        }
        run.rules.convert()?;
        if run.rules.check_checks(conflict, policy.touched, self.resources)? == Checked::Ignored {
            return Ok(Verdict::Ignored);
        }
        let format = self.format(write)?;
        let entries = run.rules.entries(policy.touched, format, self.resources)?;
        let key = stored::row_key(&write.table, run.rules.row(), format)?;
        let mut ready = Ready { key, record: Bytes::new(), entries, disturbed: false };
        for unique in order(&write.table, policy) {
            let Some(found) = self.in_the_way(write, policy, &ready, unique).await? else {
                continue;
            };
            match resolution(&write.table, policy, unique) {
                Resolution::Upsert(at)
                    if policy.upserts.get(at).is_some_and(|u| u.update.is_some()) =>
                {
                    return Ok(Verdict::Upsert(at, found));
                }
                Resolution::Upsert(_) | Resolution::Clause(ConflictClause::Ignore) => {
                    return Ok(Verdict::Ignored);
                }
                Resolution::Clause(ConflictClause::Replace) => {
                    self.replace(write, run, policy, found).await?;
                    ready.disturbed |= self.fires_for_replaced(policy);
                }
                Resolution::Clause(action) => return Err(refused(&write.table, unique, action)),
            }
        }
        if ready.disturbed {
            // What triggers did may have brought something in the way.
            for unique in order(&write.table, policy) {
                if self.in_the_way(write, policy, &ready, unique).await?.is_some() {
                    return Err(refused(&write.table, unique, ConflictClause::Abort));
                }
            }
        }
        ready.record = stored::row_record(&write.table, run.rules.row(), format)?;
        Ok(Verdict::Ready(ready))
    }

    fn fires_for_replaced(&self, policy: &Policy<'_>) -> bool {
        self.resources.recursive_triggers && !policy.replaced.is_empty()
    }

    /// The key of another row that has what must be unique.
    async fn in_the_way(
        &mut self,
        write: &Write,
        policy: &Policy<'_>,
        ready: &Ready,
        unique: Unique,
    ) -> Result<Option<Bytes>> {
        let table = &write.table;
        let transaction = self.resources.transaction(write.database)?;
        match unique {
            Unique::Key => {
                if !policy.check_key || policy.old_key == Some(&ready.key) {
                    return Ok(None);
                }
                let found = transaction.read_for_constraint(&table.tree, &ready.key).await?;
                Ok(found.map(|_| ready.key.clone()))
            }
            Unique::Index(at) => {
                let (Some(index), Some(Some(entry))) =
                    (table.indexes.get(at), ready.entries.get(at))
                else {
                    return Ok(None);
                };
                if !entry.is_unique {
                    return Ok(None);
                }
                let found = transaction.read_for_constraint(&index.tree, &entry.key).await?;
                let Some(record) = found else { return Ok(None) };
                let row = stored::row_of_entry(table, index, &record)?;
                Ok((policy.old_key != Some(&row)).then_some(row))
            }
        }
    }

    /// Removes a row that is replaced, and comes back to the row under construction.
    async fn replace(
        &mut self,
        write: &Write,
        run: &mut WriteRun,
        policy: &Policy<'_>,
        key: Bytes,
    ) -> Result<()> {
        let row: RowImage = run.rules.row().clone();
        if let Some(old) = self.read_row(write, run, &key).await? {
            let none = Fired::default();
            let fired = match self.resources.recursive_triggers {
                true => policy.replaced,
                false => &none,
            };
            self.remove_row(write, run, fired, key, old, false).await?;
        }
        *run.rules.row() = row;
        Ok(())
    }
}

/// What is unique, in the order in which it is looked at (C1).
fn order(table: &Table, policy: &Policy<'_>) -> Vec<Unique> {
    let unique = |index: &Index| index.unique;
    let is_touched = |at: usize| {
        policy.touched.is_none_or(|touched| touched.indexes.get(at).copied().unwrap_or(true))
    };
    let mut order: Vec<Unique> = Vec::with_capacity(table.indexes.len() + 1);
    let replaces =
        policy.conflict.is_none() && table.primary_key_conflict == Some(ConflictClause::Replace);
    // The primary key of a WITHOUT ROWID table is the index that was made first; a rowid is looked at before all.
    let first = table.has_rowid() && !replaces;
    if first {
        order.push(Unique::Key);
    }
    for (at, index) in table.indexes.iter().enumerate() {
        if !first
            && !replaces
            && index.conflict == Some(ConflictClause::Replace)
            && !order.contains(&Unique::Key)
        {
            order.push(Unique::Key);
        }
        if unique(index) && is_touched(at) {
            order.push(Unique::Index(at));
        }
    }
    if !order.contains(&Unique::Key) {
        order.push(Unique::Key);
    }
    upserts_first(&mut order, policy.upserts);
    order
}

/// Brings what ON CONFLICT clauses name to the front, in their order.
fn upserts_first(order: &mut Vec<Unique>, upserts: &[Upsert]) {
    let named = |upsert: &Upsert| match upsert.target {
        UpsertTarget::Any => None,
        UpsertTarget::Key => Some(Unique::Key),
        UpsertTarget::Index(at) => Some(Unique::Index(at)),
    };
    let mut first: Vec<Unique> = Vec::new();
    for unique in upserts.iter().filter_map(named) {
        if !first.contains(&unique) && order.contains(&unique) {
            first.push(unique);
        }
    }
    order.retain(|unique| !first.contains(unique));
    first.append(order);
    *order = first;
}

fn resolution(table: &Table, policy: &Policy<'_>, unique: Unique) -> Resolution {
    let is_meant = |upsert: &Upsert| match (upsert.target, unique) {
        (UpsertTarget::Any, _) | (UpsertTarget::Key, Unique::Key) => true,
        (UpsertTarget::Index(named), Unique::Index(at)) => named == at,
        _ => false,
    };
    if let Some(at) = policy.upserts.iter().position(is_meant) {
        return Resolution::Upsert(at);
    }
    let own = match unique {
        Unique::Key => table.primary_key_conflict,
        Unique::Index(at) => table.indexes.get(at).and_then(|index| index.conflict),
    };
    Resolution::Clause(policy.conflict.or(own).unwrap_or(ConflictClause::Abort))
}

fn refused(table: &Table, unique: Unique, action: ConflictClause) -> Error {
    let column = |place: Option<u16>| {
        let column = place.and_then(|place| table.columns.get(usize::from(place)));
        format!("{}.{}", table.name, column.map_or("rowid", |column| &column.name))
    };
    let (kind, what) = match unique {
        Unique::Key if table.has_rowid() => match table.rowid_alias {
            Some(alias) => (ConstraintKind::PrimaryKey, column(u16::try_from(alias).ok())),
            None => (ConstraintKind::Rowid, column(None)),
        },
        Unique::Key => {
            let columns: Vec<String> =
                table.primary_key.iter().map(|key| column(key.column)).collect();
            (ConstraintKind::PrimaryKey, columns.join(", "))
        }
        Unique::Index(at) => match table.indexes.get(at) {
            Some(index) => (kind_of(index), named(index, &column)),
            None => (ConstraintKind::Unique, String::new()),
        },
    };
    Error::Constraint { kind, what, action }
}

fn kind_of(index: &Index) -> ConstraintKind {
    match index.origin {
        crate::schema::IndexOrigin::PrimaryKey => ConstraintKind::PrimaryKey,
        _ => ConstraintKind::Unique,
    }
}

fn named(index: &Index, column: &dyn Fn(Option<u16>) -> String) -> String {
    if index.keys.iter().any(|key| key.column.is_none() && key.expr.is_some()) {
        return format!("index '{}'", index.name);
    }
    let columns: Vec<String> = index.keys.iter().map(|key| column(key.column)).collect();
    columns.join(", ")
}
