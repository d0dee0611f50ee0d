//! One row of a query.

use std::sync::Arc;

use heddle_sql::exec::Batch;
use heddle_sql::session::OutputColumn;

use crate::value::{FromValue, Value, ValueType};
use crate::{Error, Result};

/// A row.
#[derive(Debug, Clone)]
pub struct Row {
    columns: Arc<[OutputColumn]>,
    /// Rows that came together share it.
    batch: Arc<Batch>,
    at: usize,
}

/// What names a column: its position from 0, or its name.
pub trait RowIndex {
    /// Its position.
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such column.
    fn position(&self, row: &Row) -> Result<usize>;
}

/// The first column of this name; ASCII case does not matter.
pub(crate) fn position(columns: &[OutputColumn], name: &str) -> Result<usize> {
    let exact = columns.iter().position(|column| &*column.name == name);
    exact
        .or_else(|| columns.iter().position(|column| column.name.eq_ignore_ascii_case(name)))
        .ok_or_else(|| Error::Range(format!("there is no column named {name}")))
}

impl RowIndex for usize {
    fn position(&self, row: &Row) -> Result<usize> {
        if *self < row.columns.len() {
            return Ok(*self);
        }
        let count = row.columns.len();
        Err(Error::Range(format!("column index {self} out of bounds (row has {count} columns)")))
    }
}

impl RowIndex for i32 {
    fn position(&self, row: &Row) -> Result<usize> {
        usize::try_from(*self).unwrap_or(usize::MAX).position(row)
    }
}

impl RowIndex for &str {
    fn position(&self, row: &Row) -> Result<usize> {
        position(&row.columns, self)
    }
}

impl RowIndex for &String {
    fn position(&self, row: &Row) -> Result<usize> {
        position(&row.columns, self)
    }
}

impl Row {
    pub(crate) fn new(columns: Arc<[OutputColumn]>, batch: Arc<Batch>, at: usize) -> Row {
        Row { columns, batch, at }
    }

    pub(crate) fn inner(&self, column: usize) -> heddle_value::Value {
        self.batch.value(column, self.at)
    }

    /// A column's value as a type.
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such column; [`Error::Conversion`] if its value is not of that type.
    pub fn get<T: FromValue>(&self, index: impl RowIndex) -> Result<T> {
        let at = index.position(self)?;
        T::from_value(self.inner(at).into()).map_err(|error| match error {
            Error::Conversion(what) => {
                let name = self.column_name(at).unwrap_or_default();
                Error::Conversion(format!("column {name}: {what}"))
            }
            other => other,
        })
    }

    /// A column's value.
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such column.
    pub fn get_value(&self, index: impl RowIndex) -> Result<Value> {
        Ok(self.inner(index.position(self)?).into())
    }

    /// The bytes of a text or blob as they are stored; `None` for other values.
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such column.
    pub fn get_bytes(&self, index: impl RowIndex) -> Result<Option<Vec<u8>>> {
        Ok(match self.inner(index.position(self)?) {
            heddle_value::Value::Text(text) => Some(text.as_bytes().to_vec()),
            heddle_value::Value::Blob(blob) => Some(blob.as_bytes().to_vec()),
            _ => None,
        })
    }

    /// The storage class of a column's value.
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such column.
    pub fn column_type(&self, index: impl RowIndex) -> Result<ValueType> {
        use heddle_value::Value as Inner;
        Ok(match self.inner(index.position(self)?) {
            Inner::Null => ValueType::Null,
            Inner::Integer(_) => ValueType::Integer,
            Inner::Real(_) => ValueType::Real,
            Inner::Text(_) => ValueType::Text,
            Inner::Blob(_) => ValueType::Blob,
        })
    }

    /// How many columns it has.
    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// The name of a column.
    pub fn column_name(&self, index: usize) -> Option<&str> {
        self.columns.get(index).map(|column| &*column.name)
    }

    /// All values.
    pub fn values(&self) -> Vec<Value> {
        (0..self.columns.len()).map(|at| self.inner(at).into()).collect()
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Row) -> bool {
        self.values() == other.values()
    }
}
