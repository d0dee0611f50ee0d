//! A row being inserted.

use bytes::Bytes;
use heddle_base::RowId;
use heddle_value::Value;

use super::conflict::{Policy, Ready, Verdict};
use super::machine::{Machine, WriteRun, given_values};
use super::stored;
use super::update::Change;
use crate::ast::ConflictClause;
use crate::exec::RowImage;
use crate::plan::{ColumnSource, Insert, Write};
use crate::{Error, Result};

impl Machine<'_> {
    pub(super) async fn insert_row(
        &mut self,
        write: &Write,
        run: &mut WriteRun,
        insert: &Insert,
        row: Vec<Value>,
    ) -> Result<()> {
        let given = insert.rowid.and_then(|at| row.get(at)).filter(|value| !value.is_null());
        let given = given.cloned();
        self.take_values(run, insert, &row)?;
        let before = &insert.triggers.before;
        if !before.is_empty() {
            let rowid = given.as_ref().map(stored::must_be_rowid).transpose()?.unwrap_or(-1);
            self.show_to_triggers(write, run, rowid)?;
            let new = run.rules.row().clone();
            if !self.fire(before, None, Some(&new)).await? {
                return Ok(());
            }
            if write.is_view {
                self.note_returned(write, run, &new).await?;
                return Ok(());
            }
            self.take_values_again(run, insert, &new);
        }
        let chosen = self.choose_rowid(write, run, given).await?;
        if run.rules.has_generated() {
            run.rules.convert()?;
            run.rules.generate(self.resources)?;
        }
        let policy = Policy {
            conflict: write.conflict,
            upserts: &insert.upserts,
            replaced: &insert.replaced,
            old_key: None,
            touched: None,
            check_key: chosen,
        };
        let verdict = self.judge(write, run, &policy).await?;
        if !chosen && !matches!(verdict, Verdict::Ready(_)) {
            self.give_rowid_back(write, run).await?;
        }
        match verdict {
            Verdict::Ignored => Ok(()),
            Verdict::Upsert(at, key) => self.upsert(write, run, insert, at, key).await,
            Verdict::Ready(ready) => self.store_new(write, run, insert, ready).await,
        }
    }

    /// A new rowid was not used: it is the next row's, but of an AUTOINCREMENT table it never comes again.
    async fn give_rowid_back(&mut self, write: &Write, run: &mut WriteRun) -> Result<()> {
        let table = &write.table;
        let Value::Integer(rowid) = run.rules.row().rowid else { return Ok(()) };
        let transaction = self.resources.transaction(write.database)?;
        match table.autoincrement {
            true => transaction.remember_rowid(&table.tree, RowId(rowid)).await?,
            false => transaction.note_rowid_deleted(&table.tree, RowId(rowid), false),
        }
        Ok(())
    }

    /// The row as the source and the defaults give it.
    fn take_values(&mut self, run: &mut WriteRun, insert: &Insert, row: &[Value]) -> Result<()> {
        let mut columns = Vec::with_capacity(insert.columns.len());
        for (place, source) in insert.columns.iter().enumerate() {
            columns.push(match source {
                ColumnSource::Source(at) => row.get(*at).cloned().unwrap_or_default(),
                ColumnSource::Default => run.rules.default(place, self.resources)?,
                ColumnSource::Computed => Value::Null,
            });
        }
        *run.rules.row() = RowImage { rowid: Value::Null, columns };
        Ok(())
    }

    /// Makes the row what BEFORE triggers see.
    fn show_to_triggers(&mut self, write: &Write, run: &mut WriteRun, rowid: i64) -> Result<()> {
        let table = &write.table;
        stored::set_rowid(table, run.rules.row(), rowid);
        if !write.is_view {
            run.rules.convert()?;
            run.rules.generate(self.resources)?;
        }
        Ok(())
    }

    /// The row once more after triggers ran, which may have used the place it is made in.
    fn take_values_again(&mut self, run: &mut WriteRun, insert: &Insert, new: &RowImage) {
        let columns = insert.columns.iter().zip(&new.columns).map(|(source, value)| match source {
            ColumnSource::Computed => Value::Null,
            _ => value.clone(),
        });
        *run.rules.row() = RowImage { rowid: Value::Null, columns: columns.collect() };
    }

    /// Gives the row its rowid: the one it has, or a new one. Whether another row may have it.
    async fn choose_rowid(
        &mut self,
        write: &Write,
        run: &mut WriteRun,
        given: Option<Value>,
    ) -> Result<bool> {
        let table = &write.table;
        if table.without_rowid {
            return Ok(true);
        }
        let (rowid, chosen) = match given {
            Some(value) => (stored::must_be_rowid(&value)?, true),
            None => {
                let transaction = self.transaction(write)?;
                (transaction.new_rowid(&table.tree, table.autoincrement).await?.0, false)
            }
        };
        stored::set_rowid(table, run.rules.row(), rowid);
        Ok(chosen)
    }

    async fn store_new(
        &mut self,
        write: &Write,
        run: &mut WriteRun,
        insert: &Insert,
        ready: Ready,
    ) -> Result<()> {
        let table = &write.table;
        if self.has_foreign_keys(write) {
            let new = run.rules.row().clone();
            self.note_keys(write, &new, 1, None).await?;
        }
        let transaction = self.resources.transaction(write.database)?;
        for (index, entry) in table.indexes.iter().zip(ready.entries) {
            if let Some(entry) = entry {
                transaction.write(&index.tree, entry.key, entry.record)?;
            }
        }
        transaction.write(&table.tree, ready.key, ready.record)?;
        if let Value::Integer(rowid) = run.rules.row().rowid
            && table.has_rowid()
        {
            transaction.note_rowid_used(&table.tree, RowId(rowid));
            if table.autoincrement {
                transaction.remember_rowid(&table.tree, RowId(rowid)).await?;
            }
            transaction.set_last_insert_rowid(RowId(rowid));
            self.resources.last_insert_rowid = rowid;
        }
        self.changes += 1;
        if run.returning.is_empty() && insert.triggers.after.is_empty() {
            return Ok(());
        }
        let new = run.rules.row().clone();
        self.note_returned(write, run, &new).await?;
        self.fire(&insert.triggers.after, None, Some(&new)).await?;
        Ok(())
    }

    /// DO UPDATE with the row that is in the way.
    async fn upsert(
        &mut self,
        write: &Write,
        run: &mut WriteRun,
        insert: &Insert,
        at: usize,
        key: Bytes,
    ) -> Result<()> {
        let excluded = run.rules.row().clone();
        let Some(old) = self.read_row(write, run, &key).await? else { return Ok(()) };
        let update = insert.upserts.get(at).and_then(|upsert| upsert.update.as_ref());
        let (Some(update), Some(compiled)) = (update, run.upserts.get(at)) else {
            return Err(Error::sql("no such ON CONFLICT clause"));
        };
        let mut given = given_values(&insert.existing, &old);
        given.extend(given_values(&insert.excluded, &excluded));
        if let Some(filter) = compiled.filter {
            let filter = run.beside.value(filter, &given, self.resources).await?;
            if filter.is_true() != Some(true) {
                return Ok(());
            }
        }
        let mut values = Vec::with_capacity(compiled.values.len());
        for id in &compiled.values {
            values.push(run.beside.value(*id, &given, self.resources).await?);
        }
        let sets: Vec<Option<u16>> = update.sets.iter().map(|(column, _)| *column).collect();
        let touched = compiled.touched.clone();
        let change = Change {
            sets: &sets,
            triggers: &update.triggers,
            replaced: &insert.replaced,
            touched: &touched,
            conflict: Some(ConflictClause::Abort),
        };
        self.change_row(write, run, &change, key, old, &values).await
    }
}
