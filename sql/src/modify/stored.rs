//! Rows as the trees keep them: keys and records.
//!
//! # Invariants
//! - S1: an image has its rowid twice where a column is another name for it; the record has NULL there.
//! - S2: what of an image is text is UTF-8; keys and records have the database's encoding.

use bytes::Bytes;
use heddle_btree::key::{self, KeyShape, encode_values};
use heddle_btree::record::{self, Record, RecordError};
use heddle_btree::text::{self, Encoding};
use heddle_btree::value::ValueRef;
use heddle_engine::Transaction;
use heddle_engine::raw::Tree;
use heddle_value::{Affinity, Value};
use smallvec::SmallVec;

use crate::exec::{RowImage, default_of, malformed};
use crate::schema::{Index, IndexKey, Table};
use crate::{Error, Result};

/// How a database keeps text and numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) encoding: Encoding,
    /// Whether records have constants for 0 and 1.
    pub(super) constants: bool,
}

impl Format {
    pub(super) fn of(transaction: &Transaction) -> Format {
        Format { encoding: transaction.encoding(), constants: transaction.has_constants() }
    }
}

/// A key with its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Bytes,
    pub(super) record: Bytes,
    /// Whether its key is one that no other entry may have.
    pub(super) is_unique: bool,
}

type Refs<'v> = SmallVec<[ValueRef<'v>; 12]>;

/// Values in the database's encoding: texts are converted into `space` where they have to be.
fn refs<'s, 'v: 's>(
    values: impl Iterator<Item = &'v Value>,
    format: Format,
    space: &'s mut Vec<Vec<u8>>,
) -> Refs<'s> {
    if format.encoding == Encoding::Utf8 {
        return values.map(|value| -> ValueRef<'s> { value.as_ref() }).collect();
    }
    let values: SmallVec<[&Value; 12]> = values.collect();
    space.extend(values.iter().map(|value| match value {
        Value::Text(of) => text::from_str(&of.to_string_lossy(), format.encoding).into_owned(),
        _ => Vec::new(),
    }));
    let converted = values.iter().zip(space.iter());
    converted
        .map(|(value, bytes)| match value {
            Value::Text(_) => ValueRef::Text(bytes),
            other => other.as_ref(),
        })
        .collect()
}

fn encode(values: &[ValueRef<'_>], format: Format) -> Result<Bytes> {
    let mut out = Vec::new();
    let encoded = match format.constants {
        true => record::encode(values.iter().copied(), &mut out),
        false => record::encode_legacy(values.iter().copied(), &mut out),
    };
    encoded.map_err(|_| Error::TooBig)?;
    Ok(out.into())
}

/// The key of a tree of a WITHOUT ROWID table or an index.
///
/// # Errors
/// If a collation of it is not known.
pub(super) fn shape(tree: &Tree, keys: &[IndexKey]) -> Result<KeyShape> {
    if let Some(shape) = tree.shape() {
        return Ok(shape.clone());
    }
    let unknown = keys.iter().find_map(|key| key.unknown_collation.as_ref());
    Err(match unknown {
        Some(name) => Error::sql(format!("no such collation sequence: {name}")),
        None => {
            Error::Unsupported(format!("writing to {}, whose order is not known, is", tree.name()))
        }
    })
}

/// A value as a column stores it: integers for reals that are whole.
fn compacted<'v>(value: ValueRef<'v>, affinity: Affinity) -> ValueRef<'v> {
    match value {
        ValueRef::Real(real) if affinity == Affinity::Real => record::compact_real(real),
        other => other,
    }
}

/// The key of a row.
///
/// # Errors
/// If the key of the table is not known.
pub(super) fn row_key(table: &Table, image: &RowImage, format: Format) -> Result<Bytes> {
    if table.has_rowid() {
        return Ok(rowid_key(integer(&image.rowid)));
    }
    let values = table.primary_key.iter().map(|key| column_of(image, key.column));
    key_of(&table.tree, &table.primary_key, values, format)
}

/// The key of the values of a primary key.
///
/// # Errors
/// As [`row_key`].
pub(super) fn key_of<'v>(
    tree: &Tree,
    keys: &[IndexKey],
    values: impl Iterator<Item = &'v Value>,
    format: Format,
) -> Result<Bytes> {
    let shape = shape(tree, keys)?;
    let mut space = Vec::new();
    let values = refs(values, format, &mut space);
    let mut out = Vec::new();
    encode_values(&shape, values, &mut out);
    Ok(out.into())
}

/// The key of a row with this rowid.
pub(super) fn rowid_key(rowid: i64) -> Bytes {
    Bytes::copy_from_slice(&key::encode_rowid(rowid))
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::Integer(value) => *value,
        _ => 0,
    }
}

static NULL: Value = Value::Null;

/// A column of an image, or its rowid.
pub(super) fn column_of(image: &RowImage, column: Option<u16>) -> &Value {
    match column {
        Some(column) => image.columns.get(usize::from(column)).unwrap_or(&NULL),
        None => &image.rowid,
    }
}

/// The record of a row.
///
/// # Errors
/// [`Error::TooBig`].
pub(super) fn row_record(table: &Table, image: &RowImage, format: Format) -> Result<Bytes> {
    let alias = table.rowid_alias.and_then(|alias| u16::try_from(alias).ok());
    let places = || table.record_order.iter().copied();
    let stored = places().map(|column| match Some(column) == alias {
        true => &NULL,
        false => column_of(image, Some(column)),
    });
    let mut space = Vec::new();
    let mut values = refs(stored, format, &mut space);
    for (value, column) in values.iter_mut().zip(places()) {
        let affinity = table.columns.get(usize::from(column)).map(|column| column.affinity);
        *value = compacted(*value, affinity.unwrap_or(Affinity::Blob));
    }
    encode(&values, format)
}

/// The entry of a row in an index, whose keys have these values.
///
/// # Errors
/// [`Error::TooBig`]; if the index's order is not known.
pub(super) fn index_entry(
    table: &Table,
    index: &Index,
    keys: &[Value],
    image: &RowImage,
    format: Format,
) -> Result<Entry> {
    let shape = shape(&index.tree, &index.keys)?;
    let rest = index.row_keys.iter().map(|key| column_of(image, key.column));
    let rowid = table.has_rowid().then_some(&image.rowid);
    let mut space = Vec::new();
    let mut values = refs(keys.iter().chain(rest).chain(rowid), format, &mut space);
    let has_null = values.iter().take(keys.len()).any(ValueRef::is_null);
    let mut key = Vec::new();
    encode_values(&shape, values.iter().copied(), &mut key);
    for (value, key) in values.iter_mut().zip(index.keys.iter().chain(&index.row_keys)) {
        let column = key.column.and_then(|column| table.columns.get(usize::from(column)));
        *value = compacted(*value, column.map_or(Affinity::Blob, |column| column.affinity));
    }
    let record = encode(&values, format)?;
    Ok(Entry { key: key.into(), record, is_unique: index.unique && !has_null })
}

/// The key of the row that an index's record belongs to.
///
/// # Errors
/// If the record is malformed.
pub(super) fn row_of_entry(table: &Table, index: &Index, entry: &[u8]) -> Result<Bytes> {
    let record = Record::parse(entry).map_err(malformed)?;
    if table.has_rowid() {
        return match record.column(index.keys.len()).map_err(malformed)? {
            Some(ValueRef::Integer(rowid)) => Ok(rowid_key(rowid)),
            _ => Err(malformed(RecordError::Malformed("an index entry without rowid"))),
        };
    }
    let shape = shape(&table.tree, &table.primary_key)?;
    let mut values = Refs::new();
    for part in &table.primary_key {
        let mut places = index.keys.iter().chain(&index.row_keys);
        let is_it = |key: &IndexKey| {
            key.column == part.column && key.collation.name() == part.collation.name()
        };
        let place = places.position(is_it);
        let place = place.ok_or(malformed(RecordError::Malformed("an entry without row")))?;
        values.push(record.column(place).map_err(malformed)?.unwrap_or(ValueRef::Null));
    }
    let mut key = Vec::new();
    encode_values(&shape, values, &mut key);
    Ok(key.into())
}

/// The row that a record is, virtual columns aside.
///
/// # Errors
/// If the record is malformed.
pub(super) fn decode(
    table: &Table,
    key: &[u8],
    record: &[u8],
    encoding: Encoding,
) -> Result<RowImage> {
    let mut columns = Record::parse(record).map_err(malformed)?.columns();
    let mut image =
        RowImage { rowid: Value::Null, columns: vec![Value::Null; table.columns.len()] };
    for place in &table.record_order {
        let found = columns.next_value().map_err(malformed)?;
        let (Some(definition), Some(cell)) =
            (table.columns.get(usize::from(*place)), image.columns.get_mut(usize::from(*place)))
        else {
            continue;
        };
        *cell = match found {
            Some(ValueRef::Integer(value)) if definition.affinity == Affinity::Real => {
                Value::Real(value as f64)
            }
            Some(ValueRef::Text(bytes)) if encoding != Encoding::Utf8 => {
                Value::text(text::to_utf8(bytes, encoding))
            }
            Some(value) => Value::from(value),
            None => default_of(definition),
        };
    }
    if table.has_rowid() {
        let rowid = key::decode_rowid(key);
        let rowid = rowid.ok_or(malformed(RecordError::Malformed("a key is no rowid")))?;
        set_rowid(table, &mut image, rowid);
    }
    Ok(image)
}

/// Sets the rowid (S1).
pub(super) fn set_rowid(table: &Table, image: &mut RowImage, rowid: i64) {
    image.rowid = Value::Integer(rowid);
    if let Some(cell) = table.rowid_alias.and_then(|alias| image.columns.get_mut(alias)) {
        *cell = Value::Integer(rowid);
    }
}

/// A value as a rowid, as `OP_MustBeInt` takes it.
///
/// # Errors
/// [`Error::Mismatch`].
pub(super) fn must_be_rowid(value: &Value) -> Result<i64> {
    match Affinity::Integer.apply(value.clone()) {
        Value::Integer(rowid) => Ok(rowid),
        _ => Err(Error::Mismatch),
    }
}
