//! The entries of an index for the rows that its table has.

use std::sync::Arc;

use bytes::Bytes;
use heddle_btree::key::{KeyShape, decode_rowid, encode_values};
use heddle_btree::record::{compact_real, encode, encode_legacy};
use heddle_btree::text::{Encoding, from_str};
use heddle_btree::value::ValueRef;
use heddle_engine::raw::Entries;
use heddle_value::{Affinity, Value};

use super::row::RowReader;
use crate::ast::ConflictClause;
use crate::bind::Environment;
use crate::exec::{Resources, RowImage};
use crate::schema::{Index, IndexKey, Table};
use crate::{ConstraintKind, Error, Result};

/// Makes the entries of one index.
pub(super) struct IndexEntries<'a> {
    table: &'a Arc<Table>,
    index: &'a Index,
    shape: KeyShape,
    has_constants: bool,
    reader: RowReader,
    /// Where the condition is among the reader's further expressions.
    filter: Option<usize>,
    resources: &'a mut Resources,
    /// What failed, which the engine's errors have no words for.
    failed: Option<Error>,
}

impl<'a> IndexEntries<'a> {
    pub(super) fn new(
        environment: Environment<'_>,
        table: &'a Arc<Table>,
        index: &'a Index,
        has_constants: bool,
        resources: &'a mut Resources,
    ) -> Result<IndexEntries<'a>> {
        let Some(shape) = index.tree.shape().cloned() else {
            let name = &index.name;
            return Err(Error::Unsupported(format!("an order like that of the index {name} is")));
        };
        let mut others: Vec<_> = index.keys.iter().filter_map(|key| key.expr.as_ref()).collect();
        let filter = index.filter.as_ref().map(|filter| {
            others.push(filter);
            others.len() - 1
        });
        let reader = RowReader::new(environment, table, shape.encoding, &others, resources)?;
        Ok(IndexEntries {
            table,
            index,
            shape,
            has_constants,
            reader,
            filter,
            resources,
            failed: None,
        })
    }

    /// The error to give for the engine's, if it came from here.
    pub(super) fn error(&mut self, other: heddle_engine::Error) -> Error {
        self.failed.take().unwrap_or(Error::Engine(other))
    }

    fn make(&mut self, key: &[u8], record: &[u8]) -> Result<Option<(Bytes, Bytes)>> {
        let rowid = self.table.has_rowid().then(|| decode_rowid(key)).flatten();
        let row = self.reader.read(rowid, record, self.resources)?;
        if let Some(filter) = self.filter
            && self.reader.other(filter, self.resources)?.is_true() != Some(true)
        {
            return Ok(None);
        }
        let mut values = Vec::new();
        let mut expressions = 0;
        for key in &self.index.keys {
            if key.expr.is_some() {
                values.push(self.reader.other(expressions, self.resources)?);
                expressions += 1;
            } else {
                values.push(column_of(self.table, &row, key));
            }
        }
        values.extend(self.index.row_keys.iter().map(|key| column_of(self.table, &row, key)));
        values.extend(rowid.map(Value::Integer));
        let encoded = encoded(&values, self.shape.encoding);
        let refs = || values.iter().zip(&encoded).map(|(value, text)| stored(value, text));
        let mut key = Vec::new();
        encode_values(&self.shape, refs(), &mut key);
        let mut record = Vec::new();
        let done = match self.has_constants {
            true => encode(refs(), &mut record),
            false => encode_legacy(refs(), &mut record),
        };
        done.map_err(|_| Error::TooBig)?;
        Ok(Some((key.into(), record.into())))
    }
}

/// A column's value as the record of an index has it.
fn column_of(table: &Table, row: &RowImage, key: &IndexKey) -> Value {
    let at = key.column.map(usize::from);
    let value = at.and_then(|at| row.columns.get(at)).cloned().unwrap_or_default();
    let is_real = at
        .and_then(|at| table.columns.get(at))
        .is_some_and(|column| column.affinity == Affinity::Real);
    match value {
        Value::Real(real) if is_real => Value::from(compact_real(real)),
        other => other,
    }
}

/// Texts in the encoding of the file, where that is another one.
fn encoded(values: &[Value], encoding: Encoding) -> Vec<Option<Vec<u8>>> {
    let text = |value: &Value| match value {
        Value::Text(text) if encoding != Encoding::Utf8 => {
            Some(from_str(&text.to_string_lossy(), encoding).into_owned())
        }
        _ => None,
    };
    values.iter().map(text).collect()
}

fn stored<'v>(value: &'v Value, text: &'v Option<Vec<u8>>) -> ValueRef<'v> {
    match text {
        Some(text) => ValueRef::Text(text),
        None => value.as_ref(),
    }
}

impl Entries for IndexEntries<'_> {
    fn entry(
        &mut self,
        key: &[u8],
        record: &[u8],
    ) -> heddle_engine::Result<Option<(Bytes, Bytes)>> {
        self.make(key, record).map_err(|error| {
            self.failed = Some(error);
            told_elsewhere(self.index)
        })
    }

    fn duplicate(&mut self, _key: &[u8], _record: &[u8]) -> heddle_engine::Error {
        let what = unique_words(self.table, self.index);
        let action = ConflictClause::Abort;
        self.failed = Some(Error::Constraint { kind: ConstraintKind::Unique, what, action });
        told_elsewhere(self.index)
    }
}

/// Stands for the error that is kept.
fn told_elsewhere(index: &Index) -> heddle_engine::Error {
    heddle_engine::Error::NoSuchIndex { name: index.name.to_string() }
}

/// What of an index is not unique, as messages say it.
fn unique_words(table: &Table, index: &Index) -> String {
    if index.keys.iter().any(|key| key.column.is_none()) {
        return format!("index '{}'", index.name);
    }
    let columns = index.keys.iter().filter_map(|key| table.columns.get(usize::from(key.column?)));
    let columns: Vec<String> =
        columns.map(|column| format!("{}.{}", table.name, column.name)).collect();
    columns.join(", ")
}
