//! Batches: some rows of an operator, by columns.

use heddle_value::Value;

use super::{Builder, Vector};

/// Some rows. Which column is which is known when a plan is compiled.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Its columns, each of `rows` values.
    columns: Vec<Vector>,
    rows: usize,
}

impl Batch {
    /// The most rows of a batch.
    pub const ROWS: usize = 1024;

    /// Of these columns, each of `rows` values.
    pub fn new(columns: Vec<Vector>, rows: usize) -> Batch {
        debug_assert!(columns.iter().all(|column| column.len() == rows), "ragged columns");
        Batch { columns, rows }
    }

    /// How many rows.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Its columns.
    #[inline]
    pub fn columns(&self) -> &[Vector] {
        &self.columns
    }

    /// Its columns, to be taken.
    pub fn into_columns(self) -> Vec<Vector> {
        self.columns
    }

    /// A value; NULL where there is none.
    #[inline]
    pub fn value(&self, column: usize, row: usize) -> Value {
        self.columns.get(column).map_or(Value::Null, |column| column.get(row))
    }

    /// The values of a row.
    pub fn row(&self, row: usize) -> Vec<Value> {
        self.columns.iter().map(|column| column.get(row)).collect()
    }

    /// These rows, in this order.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Batch {
        let columns = self.columns.iter().map(|column| column.gather(rows)).collect();
        Batch { columns, rows: rows.len() }
    }

    /// The rows from `start` on, at most `len`.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> Batch {
        let end = start.saturating_add(len).min(self.rows);
        if start == 0 && end == self.rows {
            return self.clone();
        }
        let rows: Vec<u32> = (start.min(end)..end).map(|row| row as u32).collect();
        self.select(&rows)
    }

    /// These columns, in this order.
    #[must_use]
    pub(crate) fn project(&self, slots: &[usize]) -> Batch {
        let column = |slot: &usize| match self.columns.get(*slot) {
            Some(column) => column.clone(),
            None => Vector::constant(Value::Null, self.rows),
        };
        Batch { columns: slots.iter().map(column).collect(), rows: self.rows }
    }

    /// About how many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.columns.iter().map(Vector::bytes).sum::<usize>() + size_of::<Batch>()
    }
}

/// Rows under construction.
#[derive(Debug, Default)]
pub(crate) struct BatchBuilder {
    columns: Vec<Builder>,
    rows: usize,
}

impl BatchBuilder {
    /// Of so many columns.
    pub(crate) fn new(columns: usize) -> BatchBuilder {
        BatchBuilder { columns: (0..columns).map(|_| Builder::default()).collect(), rows: 0 }
    }

    /// How many rows.
    #[inline]
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row. Values beyond the columns are dropped, missing ones NULL.
    pub(crate) fn push_row(&mut self, values: impl IntoIterator<Item = Value>) {
        let mut values = values.into_iter();
        for column in &mut self.columns {
            column.push(values.next().unwrap_or_default());
        }
        self.rows += 1;
    }

    /// Adds rows whose columns are those of several batches, one after the other: of each batch the rows in its list, or NULLs.
    /// The lists are of `rows` rows.
    pub(crate) fn push_joined(&mut self, parts: &[(usize, Part<'_>)], rows: usize) {
        let mut columns = self.columns.iter_mut();
        'parts: for (width, part) in parts {
            for slot in 0..*width {
                // A semi join gives the columns of its left side alone.
                let Some(column) = columns.next() else { break 'parts };
                match part {
                    Part::Nulls => column.push_repeated(&Value::Null, rows),
                    Part::Rows(batch, list) => match batch.columns.get(slot) {
                        Some(vector) => column.extend_rows(vector, list),
                        None => column.push_repeated(&Value::Null, rows),
                    },
                    Part::Same(batch, row) => {
                        column.push_repeated(&batch.value(slot, *row), rows);
                    }
                    Part::All(batch) => match batch.columns.get(slot) {
                        Some(vector) => column.extend(vector),
                        None => column.push_repeated(&Value::Null, rows),
                    },
                }
            }
        }
        self.rows += rows;
    }

    /// Adds all rows of a batch.
    pub(crate) fn push_batch(&mut self, batch: &Batch) {
        self.push_joined(&[(self.columns.len(), Part::All(batch))], batch.rows);
    }

    /// The rows, leaving none.
    pub(crate) fn take(&mut self) -> Batch {
        let columns = self.columns.iter_mut().map(Builder::take).collect();
        Batch::new(columns, std::mem::take(&mut self.rows))
    }

    /// Access to one column; who uses it pushes to all of them, and then says so by [`BatchBuilder::pushed`].
    #[inline]
    pub(crate) fn column(&mut self, slot: usize) -> Option<&mut Builder> {
        self.columns.get_mut(slot)
    }

    /// One row was pushed to every column.
    #[inline]
    pub(crate) fn pushed(&mut self) {
        self.rows += 1;
    }
}

/// Where the columns of joined rows come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    /// NULL in all rows.
    Nulls,
    /// These rows of a batch.
    Rows(&'a Batch, &'a [u32]),
    /// One row of a batch, again and again.
    Same(&'a Batch, usize),
    /// All rows of a batch.
    All(&'a Batch),
}
