//! A row taken apart: one stored value for each column, and what records and keys come of it.
//!
//! # Invariants
//! - L1: the cells of a row are in the order of the table's columns; the column that is another name
//!   for the rowid holds the rowid here and NULL in the record, as SQLite stores it.
//! - L2: the entries of an index are made here alone, for building, adding and removing, so that what was added is
//!   found again.

use std::borrow::Cow;

use bytes::Bytes;
use heddle_btree::key::{self, KeyShape};
use heddle_btree::record::{self, Record, RecordError};
use heddle_btree::text::Encoding;
use heddle_btree::tree::TreeKind;
use heddle_btree::value;
use smallvec::SmallVec;

use crate::catalog::column::{Stored, apply};
use crate::catalog::definition::KeyPart;
use crate::catalog::format::Format;
use crate::catalog::{IndexInfo, TableInfo};
use crate::{Constraint, Error, Result, ValueRef};

/// One stored value for each column (L1).
pub(crate) type Cells<'a> = SmallVec<[Stored<'a>; 8]>;

/// A key and the record under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: Bytes,
    pub(crate) record: Bytes,
}

/// The cells of a row given by a caller: affinities applied, rules checked, the rowid aside.
///
/// # Errors
/// [`Error::ColumnCount`], [`Error::Constraint`].
pub(crate) fn given<'a>(
    table: &TableInfo,
    values: &'a [ValueRef<'_>],
    encoding: Encoding,
) -> Result<Cells<'a>> {
    let def = &table.def;
    if values.len() != def.columns.len() {
        return Err(Error::ColumnCount {
            table: def.name.to_string(),
            expected: def.columns.len(),
            found: values.len(),
        });
    }
    let mut cells = Cells::new();
    for (position, (column, value)) in def.columns.iter().zip(values).enumerate() {
        let cell =
            column.store(value, encoding).map_err(|found| datatype(table, position, found))?;
        if def.rowid_alias == Some(position) {
            if !matches!(cell, Stored::Null | Stored::Integer(_)) {
                return Err(datatype(table, position, value.type_name()));
            }
        } else if column.not_null && cell.is_null() {
            return Err(Error::Constraint(Constraint::NotNull {
                table: def.name.to_string(),
                column: column.name.to_string(),
            }));
        }
        cells.push(cell);
    }
    Ok(cells)
}

fn datatype(table: &TableInfo, position: usize, found: &'static str) -> Error {
    Error::Constraint(Constraint::Datatype {
        table: table.def.name.to_string(),
        column: table.def.columns[position].name.to_string(),
        found,
    })
}

/// The cells of a row read from the table.
///
/// # Errors
/// [`Error::Corrupt`] if the record can't be read.
pub(crate) fn read<'a>(
    table: &'a TableInfo,
    record: &'a [u8],
    rowid: Option<i64>,
    encoding: Encoding,
) -> Result<Cells<'a>> {
    let fail = |error| corrupt(&table.def.name, error);
    let mut columns = Record::parse(record).map_err(fail)?.columns();
    let mut cells: Cells<'a> = SmallVec::from_elem(Stored::Null, table.record_order.len());
    for &position in &table.record_order {
        cells[position] = match columns.next_value().map_err(fail)? {
            Some(value) => stored(value),
            None => default_cell(table, position, encoding)?,
        };
    }
    if let (Some(alias), Some(rowid)) = (table.def.rowid_alias, rowid) {
        cells[alias] = Stored::Integer(rowid);
    }
    Ok(cells)
}

fn default_cell(table: &TableInfo, position: usize, encoding: Encoding) -> Result<Stored<'static>> {
    let column = &table.def.columns[position];
    let value = column.default_value(&table.def.name)?;
    Ok(match apply(column.affinity, &value, encoding) {
        Stored::Null => Stored::Null,
        Stored::Integer(v) => Stored::Integer(v),
        Stored::Real(v) => Stored::Real(v),
        Stored::Text(v) => Stored::Text(Cow::Owned(v.into_owned())),
        Stored::Blob(v) => Stored::Blob(Cow::Owned(v.into_owned())),
    })
}

fn stored(value: value::ValueRef<'_>) -> Stored<'_> {
    match value {
        value::ValueRef::Null => Stored::Null,
        value::ValueRef::Integer(v) => Stored::Integer(v),
        value::ValueRef::Real(v) => Stored::Real(v),
        value::ValueRef::Text(v) => Stored::Text(Cow::Borrowed(v)),
        value::ValueRef::Blob(v) => Stored::Blob(Cow::Borrowed(v)),
    }
}

/// The record of a row.
///
/// # Errors
/// [`Error::TooBig`].
pub(crate) fn row_record(table: &TableInfo, cells: &Cells<'_>) -> Result<Bytes> {
    let values = table.record_order.iter().map(|&position| {
        if table.def.rowid_alias == Some(position) {
            value::ValueRef::Null
        } else {
            cells[position].as_record()
        }
    });
    encode(values, table.format)
}

/// The key of a row in a WITHOUT ROWID table's tree.
pub(crate) fn row_key(table: &TableInfo, cells: &Cells<'_>) -> Bytes {
    let mut out = Vec::new();
    if let (TreeKind::Index(shape), Some(parts)) = (&*table.tree.kind, &table.def.primary_key) {
        key::encode_values(
            shape,
            parts.iter().map(|part| cells[part.column].as_record()),
            &mut out,
        );
    }
    out.into()
}

/// The entry of a row in an index (L2).
///
/// # Errors
/// [`Error::TooBig`].
pub(crate) fn index_entry(
    index: &IndexInfo,
    cells: &Cells<'_>,
    rowid: Option<i64>,
) -> Result<Entry> {
    let declared = index.def.parts.iter().chain(&index.row_parts);
    let values = declared
        .map(|part| cells[part.column].as_record())
        .chain(rowid.map(value::ValueRef::Integer));
    let mut out = Vec::new();
    if let TreeKind::Index(shape) = &*index.tree.kind {
        key::encode_values(shape, values.clone(), &mut out);
    }
    Ok(Entry { key: out.into(), record: encode(values, index.format)? })
}

/// Whether a unique index would refuse another row with these cells: not if one of its columns is NULL.
pub(crate) fn is_constrained(index: &IndexInfo, cells: &Cells<'_>) -> bool {
    index.def.unique && !index.def.parts.iter().any(|part| cells[part.column].is_null())
}

/// The row that an index record names.
///
/// # Errors
/// [`Error::Corrupt`] if the record can't be read.
pub(crate) fn named_row(table: &TableInfo, index: &IndexInfo, record: &[u8]) -> Result<RowName> {
    let fail = |error| corrupt(&index.def.name, error);
    let parsed = Record::parse(record).map_err(fail)?;
    let (TreeKind::Index(shape), Some(parts)) = (&*table.tree.kind, &table.def.primary_key) else {
        let rowid = parsed.column(index.def.parts.len()).map_err(fail)?;
        return match rowid.and_then(|value| value.integer()) {
            Some(rowid) => Ok(RowName::Rowid(rowid)),
            None => Err(corrupt(&index.def.name, RecordError::Malformed("no rowid at its end"))),
        };
    };
    let mut values: SmallVec<[value::ValueRef<'_>; 8]> = SmallVec::new();
    for part in parts {
        let same = |p: &KeyPart| p.column == part.column && p.collation == part.collation;
        let all = index.def.parts.iter().chain(&index.row_parts);
        let place = all.clone().position(same).unwrap_or(usize::MAX);
        let value = if place == usize::MAX { None } else { parsed.column(place).map_err(fail)? };
        values.push(value.unwrap_or(value::ValueRef::Null));
    }
    let mut out = Vec::new();
    key::encode_values(shape, values, &mut out);
    Ok(RowName::Key(out.into()))
}

/// How a row is found in its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowName {
    Rowid(i64),
    Key(Bytes),
}

impl RowName {
    /// The key in the table's tree.
    pub(crate) fn tree_key(&self) -> Bytes {
        match self {
            RowName::Rowid(rowid) => Bytes::copy_from_slice(&key::encode_rowid(*rowid)),
            RowName::Key(key) => key.clone(),
        }
    }

    pub(crate) fn rowid(&self) -> Option<i64> {
        match self {
            RowName::Rowid(rowid) => Some(*rowid),
            RowName::Key(_) => None,
        }
    }
}

/// The common prefix of all keys that begin with these values, as a caller gives them to look
/// something up: the affinity of each column is applied.
pub(crate) fn search_key(
    table: &TableInfo,
    shape: &KeyShape,
    parts: &[KeyPart],
    values: &[ValueRef<'_>],
    encoding: Encoding,
) -> Result<Vec<u8>> {
    if values.len() > parts.len() {
        return Err(Error::misuse(format!(
            "a key of table {} has {} columns, but {} values were given",
            table.def.name,
            parts.len(),
            values.len()
        )));
    }
    let cells: Cells<'_> = parts
        .iter()
        .zip(values)
        .map(|(part, value)| apply(table.def.columns[part.column].affinity, value, encoding))
        .collect();
    let mut out = Vec::new();
    key::encode_values(shape, cells.iter().map(Stored::as_record), &mut out);
    Ok(out)
}

fn encode<'v>(
    values: impl Iterator<Item = value::ValueRef<'v>> + Clone,
    format: Format,
) -> Result<Bytes> {
    let mut out = Vec::new();
    let encoded = match format.has_constants() {
        true => record::encode(values, &mut out),
        false => record::encode_legacy(values, &mut out),
    };
    match encoded {
        Ok(()) => Ok(out.into()),
        Err(RecordError::TooBig(size)) => {
            Err(Error::TooBig { what: "a row", size, limit: record::MAX_PAYLOAD })
        }
        Err(error) => Err(Error::misuse(error.to_string())),
    }
}

#[cold]
pub(crate) fn corrupt(tree: &str, error: impl std::fmt::Display) -> Error {
    Error::Corrupt { path: "".into(), reason: format!("a record of {tree}: {error}") }
}
