//! Keys: bytes whose `memcmp` order is the order of a tree.
//!
//! A table tree's key is its rowid, eight bytes big-endian with the sign bit flipped. An index
//! tree's key is its key columns one after the other:
//!
//! | value | bytes |
//! | --- | --- |
//! | NULL | `05` |
//! | integer or real | `10`, then the number (below): 8 or 10 bytes |
//! | text | `20`, the text folded by its collation and escaped, `00 00` |
//! | blob | `30`, the blob escaped, `00 00` |
//!
//! Escaped means `00` written as `00 FF`. A descending column has all its bytes complemented.
//!
//! A number is the largest double not above it, as 8 bytes in order; where doubles lie further apart than 1
//! (2^53 and beyond) two bytes follow with what an integer has on top of that double. So integers
//! and reals have one exact order: 2^53 < 2^53 + 1 < 2^53 + 2.0, and 1 is 1.0 is one key.
//!
//! Invariants:
//! 1. The order of keys is the order of stock SQLite's `ORDER BY` with the same collations and
//!    directions, and keys are equal exactly if stock calls all columns equal.
//! 2. No column's bytes are a proper prefix of another value's bytes in that column. So the key of
//!    the first n columns is a byte prefix of the key of all, and of no other key's.
//! 3. [`compare_record`] gives what `encode_record` and `memcmp` would give.

use std::cmp::Ordering;

use crate::collation::Collation;
use crate::record::{Columns, Record, RecordError};
use crate::text::Encoding;
use crate::value::ValueRef;

const NULL: u8 = 0x05;
const NUMBER: u8 = 0x10;
const TEXT: u8 = 0x20;
const BLOB: u8 = 0x30;

/// Ends a text or a blob: below every escaped byte.
const TERMINATOR: [u8; 2] = [0, 0];
/// Stands for a zero byte within a text or a blob.
const ESCAPED_ZERO: [u8; 2] = [0, 0xff];

/// How one column takes part in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct KeyColumn {
    /// How texts compare.
    pub collation: Collation,
    /// Whether larger values come first.
    pub descending: bool,
}

/// What makes the key of an index tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyShape {
    /// The leading columns of the record that order the tree: those declared, and then what makes entries
    /// distinct (the rowid, or primary key columns).
    pub columns: Box<[KeyColumn]>,
    /// In a unique index, how many columns were declared: if none of them is NULL, they alone are the key.
    pub unique: Option<usize>,
    /// Encoding of the database's text.
    pub encoding: Encoding,
}

impl KeyShape {
    /// A key of all these columns.
    pub fn new(columns: impl Into<Box<[KeyColumn]>>, encoding: Encoding) -> Self {
        Self { columns: columns.into(), unique: None, encoding }
    }

    /// The same for a unique index whose first `declared` columns must differ.
    #[must_use]
    pub fn unique(mut self, declared: usize) -> Self {
        self.unique = Some(declared.min(self.columns.len()));
        self
    }
}

/// The key of a row in a table tree.
#[inline]
pub fn encode_rowid(rowid: i64) -> [u8; 8] {
    (rowid as u64 ^ 1 << 63).to_be_bytes()
}

/// The rowid of a table tree's key; `None` if the key has not eight bytes.
#[inline]
pub fn decode_rowid(key: &[u8]) -> Option<i64> {
    let bytes: [u8; 8] = key.try_into().ok()?;
    Some((u64::from_be_bytes(bytes) ^ 1 << 63) as i64)
}

/// Appends the key of these values, the first of the shape's columns, to `out`.
///
/// With fewer values than columns it is the common prefix of all keys with these values. If the
/// shape is unique and all declared columns are given and none is NULL, further values are left out.
pub fn encode_values<'v>(
    shape: &KeyShape,
    values: impl IntoIterator<Item = ValueRef<'v>>,
    out: &mut Vec<u8>,
) {
    let mut sink = Append { out, mask: 0 };
    let mut has_null = false;
    for (i, (column, value)) in shape.columns.iter().zip(values).enumerate() {
        if shape.unique == Some(i) && !has_null {
            return;
        }
        has_null |= value.is_null();
        put_column(column, shape.encoding, value, &mut sink);
    }
}

/// Appends the key of an index record to `out`.
///
/// # Errors
/// `Malformed` if the bytes are no record or have too few columns; `NotLocal` if the record
/// is a local part that does not hold the whole key. What `out` then has at its end is undefined.
pub fn encode_record(
    shape: &KeyShape,
    record: &Record<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    put_record(shape, record, &mut Append { out, mask: 0 }).map(|_| ())
}

/// The order of a record's key relative to `key`, found without writing the record's key down.
///
/// # Errors
/// As [`encode_record`], but only for columns up to the first that differs.
#[inline]
pub fn compare_record(
    shape: &KeyShape,
    record: &Record<'_>,
    key: &[u8],
) -> Result<Ordering, RecordError> {
    let mut sink = Compare { rest: key, mask: 0, order: Ordering::Equal };
    if put_record(shape, record, &mut sink)? && !sink.rest.is_empty() {
        return Ok(Ordering::Less);
    }
    Ok(sink.order)
}

/// Makes of `prefix` the smallest key above all keys that begin with it; `false` if there is none
/// (the scan then ends with the tree).
pub fn prefix_successor(prefix: &mut Vec<u8>) -> bool {
    while let Some(last) = prefix.last_mut() {
        if *last < 0xff {
            *last += 1;
            return true;
        }
        prefix.pop();
    }
    false
}

/// Feeds the key of `record` to `sink`: `false` if the sink had enough.
#[inline]
fn put_record<S: Sink>(
    shape: &KeyShape,
    record: &Record<'_>,
    sink: &mut S,
) -> Result<bool, RecordError> {
    let mut values: Columns<'_> = record.columns();
    let mut has_null = false;
    for (i, column) in shape.columns.iter().enumerate() {
        if shape.unique == Some(i) && !has_null {
            break;
        }
        let Some(value) = values.next_value()? else {
            return Err(RecordError::Malformed("a key column is missing"));
        };
        has_null |= value.is_null();
        if !put_column(column, shape.encoding, value, sink) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where the bytes of a key go.
trait Sink {
    /// The bytes that follow are to be complemented, or not.
    fn complement(&mut self, yes: bool);
    /// Takes the next bytes; `false` if no more are wanted.
    fn put(&mut self, bytes: &[u8]) -> bool;
}

/// Writes the key down.
struct Append<'a> {
    out: &'a mut Vec<u8>,
    mask: u8,
}

impl Sink for Append<'_> {
    #[inline]
    fn complement(&mut self, yes: bool) {
        self.mask = if yes { 0xff } else { 0 };
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> bool {
        if self.mask == 0 {
            self.out.extend_from_slice(bytes);
        } else {
            self.out.extend(bytes.iter().map(|b| !b));
        }
        true
    }
}

/// Compares the key with `rest` as far as they agree.
struct Compare<'a> {
    rest: &'a [u8],
    mask: u8,
    order: Ordering,
}

impl Sink for Compare<'_> {
    #[inline]
    fn complement(&mut self, yes: bool) {
        self.mask = if yes { 0xff } else { 0 };
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> bool {
        let common = bytes.len().min(self.rest.len());
        let (rest, after) = self.rest.split_at(common);
        self.order = if self.mask == 0 {
            bytes[..common].cmp(rest)
        } else {
            bytes[..common].iter().map(|b| !b).cmp(rest.iter().copied())
        };
        self.rest = after;
        if self.order == Ordering::Equal && bytes.len() > common {
            self.order = Ordering::Greater;
        }
        self.order == Ordering::Equal
    }
}

#[inline]
fn put_column<S: Sink>(
    column: &KeyColumn,
    encoding: Encoding,
    value: ValueRef<'_>,
    sink: &mut S,
) -> bool {
    sink.complement(column.descending);
    match value {
        ValueRef::Null => sink.put(&[NULL]),
        ValueRef::Integer(v) => put_integer(v, sink),
        ValueRef::Real(v) if v.is_nan() => sink.put(&[NULL]),
        ValueRef::Real(v) => put_number(v, 0, sink),
        ValueRef::Text(bytes) if column.collation == Collation::Binary => {
            put_bytes(TEXT, bytes, sink)
        }
        ValueRef::Text(bytes) => put_bytes(TEXT, &column.collation.fold(bytes, encoding), sink),
        ValueRef::Blob(bytes) => put_bytes(BLOB, bytes, sink),
    }
}

/// Integers up to here, and no further, are doubles every one.
const EXACT: u64 = 1 << 53;

#[inline]
fn put_integer<S: Sink>(integer: i64, sink: &mut S) -> bool {
    let nearest = integer as f64;
    if integer.unsigned_abs() < EXACT {
        return put_number(nearest, 0, sink);
    }
    // The nearest double may lie above (up to 2^63 itself, hence the wider type).
    let floor = if nearest as i128 > i128::from(integer) { nearest.next_down() } else { nearest };
    // Below 2^63 doubles lie at most 2^10 apart.
    let above = (i128::from(integer) - floor as i128) as u16;
    put_number(floor, above, sink)
}

/// `above` is how far the value lies above `floor`; not 0 only for integers beyond 2^53.
#[inline]
fn put_number<S: Sink>(floor: f64, above: u16, sink: &mut S) -> bool {
    let mut bytes = [NUMBER, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // Adding 0.0 makes 0.0 of -0.0, which is equal to it.
    let bits = (floor + 0.0).to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    bytes[1..9].copy_from_slice(&ordered.to_be_bytes());
    if floor.abs() < EXACT as f64 {
        sink.put(&bytes[..9])
    } else {
        bytes[9..].copy_from_slice(&above.to_be_bytes());
        sink.put(&bytes)
    }
}

#[inline]
fn put_bytes<S: Sink>(tag: u8, mut bytes: &[u8], sink: &mut S) -> bool {
    if !sink.put(&[tag]) {
        return false;
    }
    while let Some(zero) = memchr::memchr(0, bytes) {
        if !sink.put(&bytes[..zero]) || !sink.put(&ESCAPED_ZERO) {
            return false;
        }
        bytes = &bytes[zero + 1..];
    }
    sink.put(bytes) && sink.put(&TERMINATOR)
}

#[cfg(test)]
mod tests;
