//! A row being changed, or removed.

use bytes::Bytes;
use heddle_base::RowId;
use heddle_value::Value;

use super::conflict::{Policy, Ready, Verdict};
use super::machine::{Machine, WriteRun};
use super::rules::Touched;
use super::stored::{self, Entry};
use crate::ast::ConflictClause;
use crate::exec::RowImage;
use crate::plan::{Fired, Update, Write};
use crate::schema::Table;
use crate::{Error, Result};

/// What is done to a row.
pub(super) struct Change<'c> {
    /// What is set: columns, `None` the rowid.
    pub(super) sets: &'c [Option<u16>],
    pub(super) triggers: &'c Fired,
    pub(super) replaced: &'c Fired,
    pub(super) touched: &'c Touched,
    pub(super) conflict: Option<ConflictClause>,
}

/// Gives a row the values that are set.
fn assign(
    table: &Table,
    image: &mut RowImage,
    sets: &[Option<u16>],
    values: &[Value],
) -> Result<()> {
    for (column, value) in sets.iter().zip(values) {
        match column {
            None => stored::set_rowid(table, image, stored::must_be_rowid(value)?),
            Some(column) => {
                if let Some(cell) = image.columns.get_mut(usize::from(*column)) {
                    *cell = value.clone();
                }
            }
        }
    }
    Ok(())
}

impl Machine<'_> {
    pub(super) async fn update_row(
        &mut self,
        write: &Write,
        run: &mut WriteRun,
        update: &Update,
        row: Vec<Value>,
    ) -> Result<()> {
        let (key, values) = row.split_at(update.key_columns.min(row.len()));
        if write.is_view {
            let old = RowImage { rowid: Value::Null, columns: key.to_vec() };
            let mut new = old.clone();
            assign(&write.table, &mut new, &update.sets, values)?;
            if self.fire(&update.triggers.before, Some(&old), Some(&new)).await? {
                self.note_returned(write, run, &new).await?;
            }
            return Ok(());
        }
        let key = self.source_key(write, key)?;
        let Some(old) = self.read_row(write, run, &key).await? else { return Ok(()) };
        let Some(touched) = run.touched.take() else {
            return Err(Error::sql("nothing is set"));
        };
        let change = Change {
            sets: &update.sets,
            triggers: &update.triggers,
            replaced: &update.replaced,
            touched: &touched,
            conflict: write.conflict,
        };
        let done = self.change_row(write, run, &change, key, old, values).await;
        run.touched = Some(touched);
        done
    }

    /// Changes the row of this key, which is `old`.
    pub(super) async fn change_row(
        &mut self,
        write: &Write,
        run: &mut WriteRun,
        change: &Change<'_>,
        key: Bytes,
        mut old: RowImage,
        values: &[Value],
    ) -> Result<()> {
        let table = &write.table;
        let seen = old.clone();
        *run.rules.row() = old.clone();
        assign(table, run.rules.row(), change.sets, values)?;
        let before = &change.triggers.before;
        if !before.is_empty() {
            run.rules.convert()?;
            run.rules.generate(self.resources)?;
            let new = run.rules.row().clone();
            if !self.fire(before, Some(&seen), Some(&new)).await? {
                return Ok(());
            }
            match self.read_row(write, run, &key).await? {
                Some(now) => old = now,
                None => return Ok(()),
            }
            assign(table, run.rules.row(), change.sets, values)?;
        }
        if run.rules.has_generated() {
            run.rules.convert()?;
            run.rules.generate(self.resources)?;
        }
        let policy = Policy {
            conflict: change.conflict,
            upserts: &[],
            replaced: change.replaced,
            old_key: Some(&key),
            touched: Some(change.touched),
            check_key: change.touched.key,
        };
        let mut ready = match self.judge(write, run, &policy).await? {
            Verdict::Ready(ready) => ready,
            Verdict::Ignored => return Ok(()),
            Verdict::Upsert(..) => return Err(Error::sql("an UPDATE has no ON CONFLICT clause")),
        };
        let new = run.rules.row().clone();
        if ready.disturbed {
            match self.read_row(write, run, &key).await? {
                Some(now) => old = now,
                None => return Ok(()),
            }
        }
        let touched = Some(change.touched);
        if self.has_foreign_keys(write) {
            self.note_keys(write, &old, -1, touched).await?;
            self.resources.transaction(write.database)?.erase(&table.tree, key.clone())?;
            self.erase_touched(write, run, change, &old)?;
            *run.rules.row() = new.clone();
            self.note_keys(write, &new, 1, touched).await?;
        }
        let is_out = self.has_foreign_keys(write);
        self.store_changed(write, run, change, &key, (old, is_out), &mut ready)?;
        self.changes += 1;
        self.act(write, &seen, Some(&new), touched).await?;
        if run.returning.is_empty() && change.triggers.after.is_empty() {
            return Ok(());
        }
        self.note_returned(write, run, &new).await?;
        self.fire(&change.triggers.after, Some(&seen), Some(&new)).await?;
        Ok(())
    }

    /// Writes a row in the place of the old one. `is_out`: whose entries were taken out already.
    fn store_changed(
        &mut self,
        write: &Write,
        run: &mut WriteRun,
        change: &Change<'_>,
        key: &Bytes,
        (old, is_out): (RowImage, bool),
        ready: &mut Ready,
    ) -> Result<()> {
        let table = &write.table;
        let format = self.format(write)?;
        let new_rowid = run.rules.row().rowid.clone();
        let old_rowid = old.rowid.clone();
        *run.rules.row() = old;
        let before = match is_out {
            true => vec![None; table.indexes.len()],
            false => run.rules.entries(Some(change.touched), format, self.resources)?,
        };
        let transaction = self.resources.transaction(write.database)?;
        for ((index, old), new) in table.indexes.iter().zip(before).zip(&mut ready.entries) {
            store_entry(transaction, &index.tree, old, new.take())?;
        }
        let moved = ready.key != *key;
        if moved {
            transaction.erase(&table.tree, key.clone())?;
        }
        let record = std::mem::take(&mut ready.record);
        transaction.write(&table.tree, ready.key.clone(), record)?;
        if moved && table.has_rowid() {
            if let Value::Integer(rowid) = old_rowid {
                transaction.note_rowid_deleted(&table.tree, RowId(rowid), table.autoincrement);
            }
            if let Value::Integer(rowid) = new_rowid {
                transaction.note_rowid_used(&table.tree, RowId(rowid));
            }
        }
        Ok(())
    }

    /// Takes the old entries of a row out before foreign keys look at what will be.
    fn erase_touched(
        &mut self,
        write: &Write,
        run: &mut WriteRun,
        change: &Change<'_>,
        old: &RowImage,
    ) -> Result<()> {
        let format = self.format(write)?;
        *run.rules.row() = old.clone();
        let before = run.rules.entries(Some(change.touched), format, self.resources)?;
        let transaction = self.resources.transaction(write.database)?;
        for (index, entry) in write.table.indexes.iter().zip(before) {
            store_entry(transaction, &index.tree, entry, None)?;
        }
        Ok(())
    }

    pub(super) async fn delete_row(
        &mut self,
        write: &Write,
        run: &mut WriteRun,
        fired: &Fired,
        row: Vec<Value>,
    ) -> Result<()> {
        if write.is_view {
            let old = RowImage { rowid: Value::Null, columns: row };
            if self.fire(&fired.before, Some(&old), None).await? {
                self.note_returned(write, run, &old).await?;
            }
            return Ok(());
        }
        let key = self.source_key(write, &row)?;
        let Some(old) = self.read_row(write, run, &key).await? else { return Ok(()) };
        self.remove_row(write, run, fired, key, old, true).await
    }

    /// Removes the row of this key, which is `old`. `counted`: as one that the statement changes.
    pub(super) async fn remove_row(
        &mut self,
        write: &Write,
        run: &mut WriteRun,
        fired: &Fired,
        key: Bytes,
        mut old: RowImage,
        counted: bool,
    ) -> Result<()> {
        let table = &write.table;
        let seen = old.clone();
        if !fired.before.is_empty() {
            if !self.fire(&fired.before, Some(&seen), None).await? {
                return Ok(());
            }
            match self.read_row(write, run, &key).await? {
                Some(now) => old = now,
                None => return Ok(()),
            }
        }
        self.note_keys(write, &old, -1, None).await?;
        let format = self.format(write)?;
        let rowid = old.rowid.clone();
        *run.rules.row() = old;
        let entries = run.rules.entries(None, format, self.resources)?;
        let transaction = self.resources.transaction(write.database)?;
        for (index, entry) in table.indexes.iter().zip(entries) {
            store_entry(transaction, &index.tree, entry, None)?;
        }
        transaction.erase(&table.tree, key)?;
        if let Value::Integer(rowid) = rowid
            && table.has_rowid()
        {
            transaction.note_rowid_deleted(&table.tree, RowId(rowid), table.autoincrement);
        }
        self.act(write, &seen, None, None).await?;
        if counted {
            self.changes += 1;
            self.note_returned(write, run, &seen).await?;
        }
        self.fire(&fired.after, Some(&seen), None).await?;
        Ok(())
    }
}

/// Puts an index's entry in the place of the one before.
fn store_entry(
    transaction: &mut heddle_engine::Transaction,
    tree: &heddle_engine::raw::Tree,
    old: Option<Entry>,
    new: Option<Entry>,
) -> Result<()> {
    if old == new {
        return Ok(());
    }
    if let Some(old) = old
        && new.as_ref().is_none_or(|new| new.key != old.key)
    {
        transaction.erase(tree, old.key)?;
    }
    if let Some(new) = new {
        transaction.write(tree, new.key, new.record)?;
    }
    Ok(())
}
