//! Foreign keys of a row that comes or goes: violations are counted, and what keys say is done.
//!
//! # Invariants
//! - F1: a row that comes without its parent adds a violation, one that goes without its parent mends it; a parent that goes adds one
//!   for each child, one that comes mends them. Those of immediate keys must be none at the statement's end, those of
//!   deferred ones at the commit.
//! - F2: what is read for it is defended at every isolation level.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use heddle_btree::key::prefix_successor;
use heddle_engine::Direction;
use heddle_value::{Affinity, Collation, Value, equal};

use super::machine::Machine;
use super::rules::Touched;
use super::stored::{self, Format};
use crate::exec::RowImage;
use crate::plan::{ChildKey, KeyLookup, ParentKey, Write};
use crate::schema::{DatabaseIndex, Index, Table};
use crate::{Error, Result};

/// Whether a change touches one of these columns; what comes or goes touches all.
fn touches(touched: Option<&Touched>, columns: &[u16]) -> bool {
    touched.is_none_or(|touched| {
        columns.iter().any(|at| touched.columns.get(usize::from(*at)).copied().unwrap_or(true))
    })
}

impl Machine<'_> {
    /// Whether the keys of a statement's table are to be looked at.
    pub(super) fn has_foreign_keys(&self, write: &Write) -> bool {
        self.resources.foreign_keys && !write.foreign.is_empty()
    }

    /// # Errors
    /// What is wrong with a key that the statement has to look at.
    pub(super) fn check_foreign_keys(
        &self,
        write: &Write,
        touched: Option<&Touched>,
        is_insert: bool,
    ) -> Result<()> {
        if !self.has_foreign_keys(write) {
            return Ok(());
        }
        let children = write.foreign.children.iter();
        let children = children
            .filter(|key| key.is_self || touches(touched, &key.columns))
            .map(|key| &key.problem);
        let parents = write.foreign.parents.iter();
        // A single new row can't mend what is not deferred.
        let parents = parents
            .filter(|key| {
                !(is_insert && write.single && self.active.is_empty() && !self.waits(key.deferred))
            })
            .map(|key| &key.problem);
        match children.chain(parents).flatten().next() {
            Some(problem) => Err(Error::sql(problem.to_string())),
            None => Ok(()),
        }
    }

    fn waits(&self, deferred: bool) -> bool {
        deferred || self.resources.defer_foreign_keys
    }

    fn count(&mut self, deferred: bool, by: i64) {
        match self.waits(deferred) {
            true => self.resources.deferred_violations += by,
            false => self.violations += by,
        }
    }

    /// Whether there is nothing to mend.
    fn is_clean(&self, deferred: bool) -> bool {
        self.resources.deferred_violations <= 0 && (deferred || self.violations <= 0)
    }

    /// A row comes (`by` 1) or goes (-1), as child and as parent.
    pub(super) async fn note_keys(
        &mut self,
        write: &Write,
        image: &RowImage,
        by: i64,
        touched: Option<&Touched>,
    ) -> Result<()> {
        if !self.has_foreign_keys(write) {
            return Ok(());
        }
        for key in &write.foreign.children {
            if key.is_self || touches(touched, &key.columns) {
                // One row that comes alone is refused before it is written.
                let alone = write.single && touched.is_none() && self.active.is_empty();
                let before = self.violations;
                self.note_child(write, key, image, by).await?;
                if alone && by > 0 && self.violations > before {
                    return Err(super::violated());
                }
            }
        }
        for key in &write.foreign.parents {
            if key.problem.is_none() && touches(touched, &key.columns) {
                self.note_parent(write, key, image, -by).await?;
            }
        }
        Ok(())
    }

    async fn note_child(
        &mut self,
        write: &Write,
        key: &ChildKey,
        image: &RowImage,
        by: i64,
    ) -> Result<()> {
        let Some(parent) = &key.parent else { return Ok(()) };
        if by < 0 && self.is_clean(key.deferred) {
            return Ok(());
        }
        let mut values = Vec::with_capacity(key.columns.len());
        for (child, place) in key.columns.iter().zip(&key.parent_columns) {
            let value = stored::column_of(image, Some(*child)).clone();
            if value.is_null() {
                return Ok(());
            }
            let affinity = parent.columns.get(usize::from(*place)).map(|column| column.affinity);
            values.push(affinity.unwrap_or(Affinity::Blob).apply(value));
        }
        if key.is_self && by > 0 {
            let mut own = key.parent_columns.iter().zip(&values);
            if own.all(|(place, value)| {
                equal(stored::column_of(image, Some(*place)), value, &Collation::BINARY)
            }) {
                return Ok(());
            }
        }
        if !self.has_parent(write.database, parent, key, &values).await? {
            self.count(key.deferred, by);
        }
        Ok(())
    }

    /// Whether there is a row with this key.
    async fn has_parent(
        &mut self,
        database: DatabaseIndex,
        parent: &Table,
        key: &ChildKey,
        values: &[Value],
    ) -> Result<bool> {
        let transaction = self.resources.transaction(database)?;
        let format = Format::of(transaction);
        let in_order = |keys: &[crate::schema::IndexKey]| -> Vec<Value> {
            let value = |of: &crate::schema::IndexKey| {
                let place = key.parent_columns.iter().position(|place| of.column == Some(*place));
                place.and_then(|place| values.get(place)).cloned().unwrap_or_default()
            };
            keys.iter().map(value).collect()
        };
        let (tree, wanted) = match key.lookup {
            KeyLookup::Rowid => match values {
                [Value::Integer(rowid)] => (&parent.tree, stored::rowid_key(*rowid)),
                _ => return Ok(false),
            },
            KeyLookup::Primary => {
                let values = in_order(&parent.primary_key);
                let wanted =
                    stored::key_of(&parent.tree, &parent.primary_key, values.iter(), format)?;
                (&parent.tree, wanted)
            }
            KeyLookup::Index(at) => {
                let Some(index) = parent.indexes.get(at) else { return Ok(false) };
                let values = in_order(&index.keys);
                (&index.tree, stored::key_of(&index.tree, &index.keys, values.iter(), format)?)
            }
        };
        Ok(transaction.read_for_constraint(tree, &wanted).await?.is_some())
    }

    async fn note_parent(
        &mut self,
        write: &Write,
        key: &ParentKey,
        image: &RowImage,
        by: i64,
    ) -> Result<()> {
        if by < 0 && self.is_clean(key.deferred) {
            return Ok(());
        }
        let values: Vec<Value> = key
            .columns
            .iter()
            .map(|place| stored::column_of(image, Some(*place)).clone())
            .collect();
        if values.iter().any(Value::is_null) {
            return Ok(());
        }
        let own = match key.is_self && by > 0 {
            true => {
                let format = Format::of(self.resources.transaction(write.database)?);
                Some(stored::row_key(&write.table, image, format)?)
            }
            false => None,
        };
        let found = self.children(write, key, &values, own.as_ref()).await?;
        self.count(key.deferred, by * found);
        Ok(())
    }

    /// How many children a parent's key has, the row of key `own` not counted.
    async fn children(
        &mut self,
        write: &Write,
        key: &ParentKey,
        values: &[Value],
        own: Option<&Bytes>,
    ) -> Result<i64> {
        let child = &key.child;
        let comparisons: Vec<ColumnComparison> = comparisons(&write.table, key, values);
        let transaction = self.resources.transaction(write.database)?;
        let format = Format::of(transaction);
        let index = child.indexes.iter().find(|index| serves(index, &comparisons));
        let (tree, from, to) = match index {
            Some(index) => {
                let values = index.keys.iter().filter_map(|part| {
                    let of = |c: &&ColumnComparison| part.column == Some(c.column);
                    comparisons.iter().find(of).map(|comparison| &comparison.value)
                });
                let from = stored::key_of(
                    &index.tree,
                    &index.keys,
                    values.take(comparisons.len()),
                    format,
                )?;
                let mut end = from.to_vec();
                let to = match prefix_successor(&mut end) {
                    true => Bound::Excluded(Bytes::from(end)),
                    false => Bound::Unbounded,
                };
                (&index.tree, Bound::Included(from), to)
            }
            None => (&child.tree, Bound::Unbounded, Bound::Unbounded),
        };
        let mut cursor = transaction.constraint_cursor(tree, from, to, Direction::Ascending);
        let mut found = 0;
        while cursor.step(transaction).await? {
            let (Some(entry), Some(record)) = (cursor.key(), cursor.record()) else { continue };
            match index {
                Some(index) => {
                    let row = stored::row_of_entry(child, index, record)?;
                    found += i64::from(own != Some(&row));
                }
                None => {
                    let row = stored::decode(child, entry, record, format.encoding)?;
                    let is_child = comparisons.iter().all(|comparison| comparison.holds(&row));
                    found += i64::from(is_child && own.is_none_or(|own| own[..] != *entry));
                }
            }
        }
        Ok(found)
    }

    /// Does what keys say of a parent that went (`new` is `None`) or changed.
    pub(super) async fn act(
        &mut self,
        write: &Write,
        old: &RowImage,
        new: Option<&RowImage>,
        touched: Option<&Touched>,
    ) -> Result<()> {
        if !self.has_foreign_keys(write) {
            return Ok(());
        }
        for key in &write.foreign.parents {
            let action = if new.is_some() { key.on_update } else { key.on_delete };
            let Some(action) = action else { continue };
            if !touches(touched, &key.columns)
                || (action.restrict && self.resources.defer_foreign_keys)
            {
                continue;
            }
            self.fire(&[action.program], Some(old), new).await?;
        }
        Ok(())
    }
}

/// How a child's column is compared with a parent's value.
struct ColumnComparison {
    /// The child's column.
    column: u16,
    /// The parent's value, as it is compared.
    value: Value,
    /// What is applied to the child's.
    affinity: Option<Affinity>,
    /// The parent's.
    collation: Collation,
}

impl ColumnComparison {
    fn holds(&self, row: &RowImage) -> bool {
        let value = stored::column_of(row, Some(self.column)).clone();
        if value.is_null() {
            return false;
        }
        let value = self.affinity.map_or(Affinity::Blob, |affinity| affinity).apply(value);
        equal(&self.value, &value, &self.collation)
    }
}

fn comparisons(parent: &Arc<Table>, key: &ParentKey, values: &[Value]) -> Vec<ColumnComparison> {
    let places = key.columns.iter().zip(&key.child_columns).zip(values);
    places
        .map(|((place, column), value)| {
            let of_parent = parent.columns.get(usize::from(*place));
            let of_child = key.child.columns.get(usize::from(*column));
            let (left, right) = Affinity::for_comparison(
                of_parent.map(|column| column.affinity),
                of_child.map(|column| column.affinity),
            );
            ColumnComparison {
                column: *column,
                value: left.map_or(Affinity::Blob, |affinity| affinity).apply(value.clone()),
                affinity: right,
                collation: of_parent.map_or(Collation::BINARY, |column| column.collation.clone()),
            }
        })
        .collect()
}

/// Whether the first keys of an index are just the columns that are compared, as they are compared.
fn serves(index: &Index, comparisons: &[ColumnComparison]) -> bool {
    let is_one = |part: &crate::schema::IndexKey| {
        comparisons.iter().any(|comparison| {
            part.column == Some(comparison.column)
                && comparison.affinity.is_none()
                && part.collation.name() == comparison.collation.name()
        })
    };
    let mut columns: Vec<u16> = Vec::new();
    for part in index.keys.iter().take(comparisons.len()) {
        match part.column {
            Some(column) if is_one(part) && !columns.contains(&column) => columns.push(column),
            _ => return false,
        }
    }
    index.filter.is_none() && index.tree.is_ordered() && columns.len() == comparisons.len()
}
