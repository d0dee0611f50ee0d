//! What runs a statement that writes: its source, the expressions beside it, and each row's fate.

use std::sync::Arc;

use bytes::Bytes;
use heddle_engine::Transaction;
use heddle_engine::raw::Step;
use heddle_value::Value;

use super::rules::{RulesRun, Touched};
use super::stored::{self, Format};
use super::trigger::Pool;
use crate::exec::{self, CodeId, Evaluator, Resources, RowImage};
use crate::plan::{Action, ColumnId, Expr, Given, Program, Write};
use crate::{Error, Result};

/// One run of a statement with all that its triggers do.
pub(super) struct Machine<'m> {
    pub(super) resources: &'m mut Resources,
    pub(super) programs: &'m [Program],
    pub(super) parameters: &'m Arc<[Value]>,
    pub(super) pool: &'m mut Pool,
    /// The triggers that run, the innermost last.
    pub(super) active: Vec<usize>,
    /// Rows changed by the statement that runs, not by its triggers.
    pub(super) changes: i64,
    /// What immediate foreign keys miss.
    pub(super) violations: i64,
    /// The rows of RETURNING.
    pub(super) returned: &'m mut Vec<Vec<Value>>,
}

/// A compiled statement.
pub(super) struct WriteRun {
    source: exec::Running,
    pub(super) rules: RulesRun,
    /// The expressions of RETURNING and ON CONFLICT.
    pub(super) beside: Evaluator,
    pub(super) returning: Vec<CodeId>,
    pub(super) upserts: Vec<UpsertRun>,
    /// What UPDATE touches.
    pub(super) touched: Option<Touched>,
}

/// DO UPDATE compiled.
pub(super) struct UpsertRun {
    pub(super) filter: Option<CodeId>,
    pub(super) values: Vec<CodeId>,
    pub(super) touched: Touched,
}

impl WriteRun {
    pub(super) fn new(write: &Write, parameters: &Arc<[Value]>) -> Result<WriteRun> {
        let rules = RulesRun::new(write)?;
        let source = exec::Running::start(Arc::clone(&write.source), Arc::clone(parameters))?;
        let returned: Vec<ColumnId> = write.returned.iter().map(|(_, id)| *id).collect();
        let mut exprs: Vec<(&Expr, &[ColumnId])> =
            write.returning.iter().map(|expr| (expr, &returned[..])).collect();
        let mut both: Vec<ColumnId> = Vec::new();
        let updates = match &write.action {
            Action::Insert(insert) => {
                both.extend(insert.existing.iter().chain(&insert.excluded).map(|(_, id)| *id));
                &insert.upserts[..]
            }
            _ => &[],
        };
        let updates: Vec<_> = updates.iter().map(|upsert| upsert.update.as_ref()).collect();
        for update in updates.iter().flatten() {
            let own = update.filter.iter().chain(update.sets.iter().map(|(_, expr)| expr));
            exprs.extend(own.map(|expr| (expr, &both[..])));
        }
        let beside = Evaluator::new(exprs, &write.shared, Arc::clone(parameters))?;
        let mut number = 0;
        let mut next = || {
            number += 1;
            beside.id(number - 1).ok_or_else(|| Error::sql("no such expression"))
        };
        let returning = write.returning.iter().map(|_| next()).collect::<Result<_>>()?;
        let mut upserts = Vec::with_capacity(updates.len());
        for update in updates {
            let sets = update.map_or(&[][..], |update| &update.sets);
            let columns: Vec<Option<u16>> = sets.iter().map(|(column, _)| *column).collect();
            upserts.push(UpsertRun {
                filter: update.and_then(|u| u.filter.as_ref()).map(|_| next()).transpose()?,
                values: sets.iter().map(|_| next()).collect::<Result<_>>()?,
                touched: rules.touched(&write.rules, &columns),
            });
        }
        let touched = match &write.action {
            Action::Update(update) => Some(rules.touched(&write.rules, &update.sets)),
            _ => None,
        };
        Ok(WriteRun { source, rules, beside, returning, upserts, touched })
    }

    pub(super) fn restart(&mut self, parameters: &Arc<[Value]>) {
        self.source.restart(Arc::clone(parameters));
        self.beside.set_parameters(Arc::clone(parameters));
    }

    /// Makes it ready to run in a trigger for these rows.
    pub(super) fn set_images(&mut self, old: Option<&RowImage>, new: Option<&RowImage>) {
        self.source.set_images(old.cloned(), new.cloned());
        self.beside.set_images(old.cloned(), new.cloned());
    }
}

/// The values of numbered columns of an image.
pub(super) fn given_values(given: &Given, image: &RowImage) -> Vec<Value> {
    given.iter().map(|(column, _)| stored::column_of(image, *column).clone()).collect()
}

impl Machine<'_> {
    /// Runs a statement to its end.
    pub(super) async fn write(&mut self, write: &Write, run: &mut WriteRun) -> Result<()> {
        self.check_schema(write, run)?;
        self.transaction(write)?.make_room().await?;
        if !write.collect {
            while let Some(batch) = run.source.next_batch(self.resources).await? {
                for row in 0..batch.rows() {
                    self.row(write, run, batch.row(row)).await?;
                }
            }
            return Ok(());
        }
        let mut rows = run.source.all_rows(self.resources).await?;
        if let Action::Update(update) = &write.action
            && update.joined
            && !write.is_view
        {
            rows = last_of_each(rows, update.key_columns);
        }
        for row in rows {
            if self.resources.interrupt.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            self.row(write, run, row).await?;
        }
        Ok(())
    }

    /// # Errors
    /// What is wrong with what the statement has to look at, whatever its rows.
    pub(super) fn check_schema(&self, write: &Write, run: &WriteRun) -> Result<()> {
        let is_insert = matches!(write.action, Action::Insert(_));
        self.check_foreign_keys(write, run.touched.as_ref(), is_insert)
    }

    async fn row(&mut self, write: &Write, run: &mut WriteRun, row: Vec<Value>) -> Result<()> {
        match &write.action {
            Action::Insert(insert) => self.insert_row(write, run, insert, row).await,
            Action::Update(update) => self.update_row(write, run, update, row).await,
            Action::Delete(fired) => self.delete_row(write, run, fired, row).await,
        }
    }

    pub(super) fn transaction(&mut self, write: &Write) -> Result<&mut Transaction> {
        self.resources.transaction(write.database)
    }

    pub(super) fn format(&mut self, write: &Write) -> Result<Format> {
        Ok(Format::of(self.transaction(write)?))
    }

    /// The row with this key as it is now, with its virtual columns; it becomes the row under construction too.
    pub(super) async fn read_row(
        &mut self,
        write: &Write,
        run: &mut WriteRun,
        key: &[u8],
    ) -> Result<Option<RowImage>> {
        let table = &write.table;
        let transaction = self.resources.transaction(write.database)?;
        let encoding = transaction.encoding();
        let decode = |record: &[u8]| stored::decode(table, key, record, encoding);
        let found = match transaction.try_read_with(&table.tree, key, decode)? {
            Step::Row(found) => found,
            _ => transaction.read(&table.tree, key).await?.map(|record| decode(&record)),
        };
        let Some(image) = found.transpose()? else { return Ok(None) };
        *run.rules.row() = image;
        run.rules.generate(self.resources)?;
        Ok(Some(run.rules.row().clone()))
    }

    /// The key that the first columns of a source's row are.
    pub(super) fn source_key(&mut self, write: &Write, values: &[Value]) -> Result<Bytes> {
        let table = &write.table;
        if table.has_rowid() {
            return match values.first() {
                Some(Value::Integer(rowid)) => Ok(stored::rowid_key(*rowid)),
                _ => Err(Error::Mismatch),
            };
        }
        let format = self.format(write)?;
        stored::key_of(&table.tree, &table.primary_key, values.iter(), format)
    }

    /// Notes the row of RETURNING.
    pub(super) async fn note_returned(
        &mut self,
        write: &Write,
        run: &mut WriteRun,
        image: &RowImage,
    ) -> Result<()> {
        if run.returning.is_empty() {
            return Ok(());
        }
        let given = given_values(&write.returned, image);
        let mut row = Vec::with_capacity(run.returning.len());
        for id in &run.returning {
            row.push(run.beside.value(*id, &given, self.resources).await?);
        }
        self.returned.push(row);
        Ok(())
    }
}

/// For each key the last row that has it, in the order of the first.
fn last_of_each(rows: Vec<Vec<Value>>, key_columns: usize) -> Vec<Vec<Value>> {
    let mut places =
        std::collections::HashMap::<Vec<u8>, usize, foldhash::fast::FixedState>::default();
    let mut kept: Vec<Vec<Value>> = Vec::new();
    for row in rows {
        let mut key = Vec::new();
        let values = row.iter().take(key_columns).map(Value::as_ref);
        if heddle_btree::record::encode(values, &mut key).is_err() {
            kept.push(row);
            continue;
        }
        match places.get(&key).and_then(|place| kept.get_mut(*place)) {
            Some(place) => *place = row,
            None => {
                places.insert(key, kept.len());
                kept.push(row);
            }
        }
    }
    kept
}
