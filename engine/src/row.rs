//! Rows on their way in ([`RowValues`]) and out ([`Row`]).
//!
//! A [`Row`] is the record's bytes and a borrowed view of the table's definition: a column is
//! decoded when it is asked for, and the others never.

use std::sync::Arc;

use bytes::Bytes;
use heddle_base::RowId;
use heddle_btree::record::{Record, RecordError};
use heddle_btree::text::Encoding;
use smallvec::SmallVec;

use crate::catalog::TableInfo;
use crate::{Error, FromValue, Result, ToValue, Value, ValueRef};

/// The values of a whole row (or of a key), in the order of the columns: a tuple, an array, a
/// slice or a vector of anything that is [`ToValue`].
///
/// ```
/// # use heddle_engine::{RowValues, Value};
/// fn takes(row: impl RowValues) -> usize { row.to_values().len() }
/// assert_eq!(takes((1, "Ada", None::<f64>)), 3);
/// assert_eq!(takes(vec![Value::Null, Value::from("x")]), 2);
/// ```
pub trait RowValues: Send + Sync {
    /// A view of each value.
    fn to_values(&self) -> SmallVec<[ValueRef<'_>; 8]>;
}

impl<T: RowValues + ?Sized> RowValues for &T {
    fn to_values(&self) -> SmallVec<[ValueRef<'_>; 8]> {
        (**self).to_values()
    }
}

impl<T: ToValue> RowValues for [T] {
    fn to_values(&self) -> SmallVec<[ValueRef<'_>; 8]> {
        self.iter().map(ToValue::to_value).collect()
    }
}

impl<T: ToValue> RowValues for Vec<T> {
    fn to_values(&self) -> SmallVec<[ValueRef<'_>; 8]> {
        self.as_slice().to_values()
    }
}

impl<T: ToValue, const N: usize> RowValues for [T; N] {
    fn to_values(&self) -> SmallVec<[ValueRef<'_>; 8]> {
        self.as_slice().to_values()
    }
}

macro_rules! tuples {
    ($(($($t:ident $i:tt),+))*) => { $(
        impl<$($t: ToValue),+> RowValues for ($($t,)+) {
            fn to_values(&self) -> SmallVec<[ValueRef<'_>; 8]> {
                let mut values = SmallVec::new();
                $(values.push(self.$i.to_value());)+
                values
            }
        }
    )* };
}
tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
}

/// How a column is named: by name or by position.
pub trait ColumnName {
    #[doc(hidden)]
    fn position(&self, names: &[Box<str>]) -> Option<usize>;
    #[doc(hidden)]
    fn describe(&self) -> String;
}

impl ColumnName for str {
    fn position(&self, names: &[Box<str>]) -> Option<usize> {
        names.iter().position(|name| name.eq_ignore_ascii_case(self))
    }
    fn describe(&self) -> String {
        self.to_owned()
    }
}

impl ColumnName for usize {
    fn position(&self, names: &[Box<str>]) -> Option<usize> {
        (*self < names.len()).then_some(*self)
    }
    fn describe(&self) -> String {
        self.to_string()
    }
}

impl<T: ColumnName + ?Sized> ColumnName for &T {
    fn position(&self, names: &[Box<str>]) -> Option<usize> {
        (**self).position(names)
    }
    fn describe(&self) -> String {
        (**self).describe()
    }
}

/// A row, as the transaction that read it sees it. Columns are decoded when asked for.
pub struct Row<'t> {
    table: Definition<'t>,
    encoding: Encoding,
    rowid: Option<RowId>,
    record: RecordBytes<'t>,
}

/// The table's definition.
enum Definition<'t> {
    /// Its transaction's.
    Borrowed(&'t TableInfo),
    /// Held by a row that outlives its transaction.
    Shared(Arc<TableInfo>),
}

impl std::ops::Deref for Definition<'_> {
    type Target = TableInfo;

    #[inline]
    fn deref(&self) -> &TableInfo {
        match self {
            Definition::Borrowed(table) => table,
            Definition::Shared(table) => table,
        }
    }
}

/// A record's bytes.
enum RecordBytes<'t> {
    Owned(Bytes),
    /// In the buffer of a scan.
    Lent(&'t [u8]),
}

impl std::ops::Deref for RecordBytes<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            RecordBytes::Owned(bytes) => bytes,
            RecordBytes::Lent(bytes) => bytes,
        }
    }
}

impl<'t> Row<'t> {
    pub(crate) fn new(
        table: &'t TableInfo,
        encoding: Encoding,
        rowid: Option<RowId>,
        record: Bytes,
    ) -> Row<'t> {
        let table = Definition::Borrowed(table);
        Row { table, encoding, rowid, record: RecordBytes::Owned(record) }
    }

    /// A row whose record stays in its reader's buffer.
    pub(crate) fn lent(
        table: &'t TableInfo,
        encoding: Encoding,
        rowid: Option<RowId>,
        record: &'t [u8],
    ) -> Row<'t> {
        let table = Definition::Borrowed(table);
        Row { table, encoding, rowid, record: RecordBytes::Lent(record) }
    }

    /// The same row, which borrows nothing. `table` is the one that it is of.
    pub(crate) fn detached(self, table: Arc<TableInfo>) -> Row<'static> {
        let record = match self.record {
            RecordBytes::Owned(record) => record,
            RecordBytes::Lent(record) => Bytes::copy_from_slice(record),
        };
        let (encoding, rowid) = (self.encoding, self.rowid);
        let table = Definition::Shared(table);
        Row { table, encoding, rowid, record: RecordBytes::Owned(record) }
    }

    /// The rowid; `None` in a WITHOUT ROWID table.
    pub fn rowid(&self) -> Option<RowId> {
        self.rowid
    }

    /// A column, by name or position, as a type of Rust.
    ///
    /// # Errors
    /// [`Error::NoSuchColumn`]; [`Error::WrongType`] if it holds something else;
    /// [`Error::Corrupt`] if the record can't be read.
    #[inline]
    pub fn get<T: FromValue>(&self, column: impl ColumnName) -> Result<T> {
        let position = self.position(&column)?;
        if let Some(value) = self.usual(position)
            && let Ok(value) = T::from_value(value)
        {
            return Ok(value);
        }
        T::from_value(self.at(position)?).map_err(|error| match error {
            Error::WrongType { expected, found, .. } => {
                let column = self.table.names[position].to_string();
                Error::WrongType { column, expected, found }
            }
            other => other,
        })
    }

    /// A column, by name or position, as it is.
    ///
    /// # Errors
    /// As [`Row::get`], the type aside.
    pub fn value(&self, column: impl ColumnName) -> Result<ValueRef<'_>> {
        self.at(self.position(&column)?)
    }

    /// All columns, copied.
    ///
    /// # Errors
    /// As [`Row::value`].
    pub fn values(&self) -> Result<Vec<Value>> {
        (0..self.table.names.len()).map(|i| Ok(self.at(i)?.to_owned())).collect()
    }

    /// The names of the columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.table.names.iter().map(|name| &**name)
    }

    /// The record's bytes, in SQLite's record format.
    pub fn record(&self) -> &[u8] {
        &self.record
    }

    #[inline]
    fn position(&self, column: &impl ColumnName) -> Result<usize> {
        column.position(&self.table.names).ok_or_else(|| Error::NoSuchColumn {
            table: self.table.def.name.to_string(),
            column: column.describe(),
        })
    }

    /// A column in a record as nearly all are; `None` says nothing.
    // Where a scan spends its time: as a call of its own it would have the row written to memory first.
    #[inline(always)]
    fn usual(&self, position: usize) -> Option<ValueRef<'_>> {
        let def = &self.table.def;
        if let (Some(rowid), true) = (self.rowid, def.rowid_alias == Some(position)) {
            return Some(ValueRef::Integer(rowid.0));
        }
        let value =
            Record::parse(&self.record).ok()?.short_column(*self.table.places.get(position)?)?;
        Some(def.columns.get(position)?.load(value, self.encoding))
    }

    fn at(&self, position: usize) -> Result<ValueRef<'_>> {
        let def = &self.table.def;
        if let (Some(rowid), true) = (self.rowid, def.rowid_alias == Some(position)) {
            return Ok(ValueRef::Integer(rowid.0));
        }
        let place = self.table.places[position];
        let stored = Record::parse(&self.record).and_then(|record| record.column(place));
        match stored {
            Ok(Some(value)) => Ok(def.columns[position].load(value, self.encoding)),
            Ok(None) => def.columns[position].default_value(&def.name),
            Err(error) => Err(self.corrupt(&error)),
        }
    }

    #[cold]
    fn corrupt(&self, error: &RecordError) -> Error {
        let table = &self.table.def.name;
        let row = self.rowid.map_or_else(String::new, |rowid| format!(" row {rowid}"));
        Error::Corrupt { path: "".into(), reason: format!("table {table}{row}: {error}") }
    }
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut map = f.debug_map();
        for (i, name) in self.table.names.iter().enumerate() {
            map.entry(&name, &self.at(i).ok());
        }
        map.finish()
    }
}
