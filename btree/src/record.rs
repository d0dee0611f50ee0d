//! SQLite's record format: a header of serial types, then the bodies of the columns.
//!
//! A [`Record`] walks the header as far as it is asked and allocates nothing. It may be given only
//! the part of a payload that lies on the b-tree page: whatever can be told from that is told, and
//! [`RecordError::NotLocal`] asks for the rest ([`crate::overflow`]).
//!
//! Invariants:
//! 1. Every length is checked against the header's or the payload's before it is used: a hostile
//!    record gives [`RecordError::Malformed`], never a panic nor an allocation.
//! 2. `NotLocal` comes only from a record whose payload is not complete.
//! 3. [`encode`] writes the shortest serial types, as stock SQLite does: what stock wrote is written
//!    again byte for byte (but for reals it stored as integers, see [`compact_real`]).

use heddle_base::PageNo;

use crate::error::Error;
use crate::layout::Corrupt;
use crate::value::ValueRef;
use crate::varint;

/// Longest payload that is read or written, in bytes: `SQLITE_MAX_LENGTH`, and a header on top.
pub const MAX_PAYLOAD: u64 = 1_000_000_000 + MAX_HEADER;
/// Longest header that stock SQLite accepts, in bytes: 32,676 serial types of three bytes, and its length.
pub const MAX_HEADER: u64 = 98_307;

/// Why a record can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes are no record.
    #[error("malformed record: {0}")]
    Malformed(&'static str),
    /// The rest of the payload is needed, which lies on overflow pages.
    #[error("the column continues on an overflow page")]
    NotLocal,
    /// A record to be written is over SQLite's limits.
    #[error("a record of {0} bytes is over the limit of {MAX_PAYLOAD}")]
    TooBig(u64),
}

impl RecordError {
    /// The error for a record found on this page.
    pub fn on_page(self, page: PageNo) -> Error {
        let reason = match self {
            RecordError::Malformed(reason) => reason,
            RecordError::NotLocal => "a record is shorter than its header says",
            RecordError::TooBig(_) => "a record is over SQLite's limit",
        };
        Corrupt { page, reason }.into()
    }
}

/// A record, or the local part of one.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    bytes: &'a [u8],
    payload_len: u64,
    /// Where the serial types begin and end.
    types: u32,
    header: u32,
}

impl<'a> Record<'a> {
    /// A record of which all bytes are here.
    ///
    /// # Errors
    /// `Malformed` if the header's length is impossible.
    #[inline]
    pub fn parse(payload: &'a [u8]) -> Result<Self, RecordError> {
        Self::parse_local(payload, payload.len() as u64)
    }

    /// The first bytes of a record of `payload_len` bytes.
    ///
    /// # Errors
    /// `Malformed` if the header's length is impossible, `NotLocal` if not even that is here.
    #[inline]
    pub fn parse_local(bytes: &'a [u8], payload_len: u64) -> Result<Self, RecordError> {
        let Some((header, types)) = varint::read(bytes) else {
            return Err(missing(bytes, payload_len, "it ends in its header"));
        };
        if header > payload_len.min(MAX_HEADER) || header < types as u64 {
            return Err(RecordError::Malformed("impossible header length"));
        }
        Ok(Self { bytes, payload_len, types: types as u32, header: header as u32 })
    }

    /// A walk over the columns.
    #[inline]
    pub fn columns(&self) -> Columns<'a> {
        Columns {
            bytes: self.bytes,
            payload_len: self.payload_len,
            at: self.types as usize,
            header: self.header as usize,
            body: u64::from(self.header),
        }
    }

    /// The value of the column with this index, counted from 0; `None` if the record is shorter (a
    /// column added to the table later: its default applies).
    ///
    /// # Errors
    /// `Malformed` or `NotLocal`, if that column or one before it is so.
    #[inline]
    pub fn column(&self, index: usize) -> Result<Option<ValueRef<'a>>, RecordError> {
        match self.short_column(index) {
            Some(value) => Ok(Some(value)),
            None => self.any_column(index),
        }
    }

    /// A column that is here, if it and those before it have serial types of one byte, as nearly all have. `None`
    /// says nothing: ask [`Record::column`].
    #[inline]
    pub fn short_column(&self, index: usize) -> Option<ValueRef<'a>> {
        let types = self.bytes.get(self.types as usize..self.header as usize)?;
        let (&serial, before) = types.get(..index.checked_add(1)?)?.split_last()?;
        let mut start = self.header as usize;
        for &serial in before {
            start += short_body_len(serial)?;
        }
        let body = self.bytes.get(start..start + short_body_len(serial)?)?;
        Some(decode(u64::from(serial), body))
    }

    fn any_column(&self, index: usize) -> Result<Option<ValueRef<'a>>, RecordError> {
        let mut columns = self.columns();
        for _ in 0..index {
            if !columns.skip()? {
                return Ok(None);
            }
        }
        columns.next_value()
    }

    /// How many columns the record has.
    ///
    /// # Errors
    /// `Malformed` or `NotLocal`, if the header is so.
    pub fn column_count(&self) -> Result<usize, RecordError> {
        let mut columns = self.columns();
        let mut count = 0;
        while columns.skip()? {
            count += 1;
        }
        Ok(count)
    }
}

fn missing(bytes: &[u8], payload_len: u64, reason: &'static str) -> RecordError {
    if (bytes.len() as u64) < payload_len {
        RecordError::NotLocal
    } else {
        RecordError::Malformed(reason)
    }
}

/// A walk over the columns of a record, in order.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    bytes: &'a [u8],
    payload_len: u64,
    /// The next serial type.
    at: usize,
    header: usize,
    /// The next column's body.
    body: u64,
}

impl<'a> Columns<'a> {
    /// The next column's value, or `None` after the last.
    ///
    /// # Errors
    /// `Malformed`, or `NotLocal` if the value continues on an overflow page.
    #[inline]
    pub fn next_value(&mut self) -> Result<Option<ValueRef<'a>>, RecordError> {
        let start = self.body;
        let Some(serial) = self.next_type()? else {
            return Ok(None);
        };
        let (start, end) = (start as usize, self.body as usize);
        match self.bytes.get(start..end) {
            Some(body) => Ok(Some(decode(serial, body))),
            None => Err(RecordError::NotLocal),
        }
    }

    /// Steps over the next column without looking at its body; `false` after the last.
    ///
    /// # Errors
    /// As [`Columns::next_value`], except that the body may lie anywhere.
    #[inline]
    pub fn skip(&mut self) -> Result<bool, RecordError> {
        Ok(self.next_type()?.is_some())
    }

    /// Takes the next serial type and moves `body` past its bytes, which end within the payload.
    #[inline]
    fn next_type(&mut self) -> Result<Option<u64>, RecordError> {
        if self.at >= self.header {
            return Ok(None);
        }
        let limit = self.header.min(self.bytes.len());
        let types = self.bytes.get(self.at..limit).unwrap_or_default();
        let Some((serial, n)) = varint::read(types) else {
            return Err(if limit < self.header {
                missing(self.bytes, self.payload_len, "it ends in its header")
            } else {
                RecordError::Malformed("a serial type runs over the header's end")
            });
        };
        self.at += n;
        self.body += body_len(serial)?;
        if self.body > self.payload_len {
            return Err(RecordError::Malformed("a column runs over the record's end"));
        }
        Ok(Some(serial))
    }
}

/// Bytes of a column's body.
#[inline]
fn body_len(serial: u64) -> Result<u64, RecordError> {
    const FIXED: [u64; 10] = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0];
    match serial {
        0..=9 => Ok(FIXED[serial as usize]),
        10 | 11 => Err(RecordError::Malformed("a reserved serial type")),
        _ => Ok((serial - 12) / 2),
    }
}

/// As [`body_len`], for a serial type of one byte; `None` for any other.
#[inline]
fn short_body_len(serial: u8) -> Option<usize> {
    match serial {
        0..=9 => Some([0, 1, 2, 3, 4, 6, 8, 8, 0, 0][usize::from(serial)]),
        12..=127 => Some(usize::from(serial - 12) / 2),
        _ => None,
    }
}

/// `body` has the length that `body_len` gave for `serial`.
#[inline]
fn decode(serial: u64, body: &[u8]) -> ValueRef<'_> {
    match (serial, body) {
        (1, &[a]) => ValueRef::Integer(i64::from(a as i8)),
        (2, &[a, b]) => ValueRef::Integer(i64::from(i16::from_be_bytes([a, b]))),
        (3, &[a, b, c]) => ValueRef::Integer(i64::from(i32::from_be_bytes([a, b, c, 0]) >> 8)),
        (4, &[a, b, c, d]) => ValueRef::Integer(i64::from(i32::from_be_bytes([a, b, c, d]))),
        (5, &[a, b, c, d, e, f]) => {
            ValueRef::Integer(i64::from_be_bytes([a, b, c, d, e, f, 0, 0]) >> 16)
        }
        (6, &[a, b, c, d, e, f, g, h]) => {
            ValueRef::Integer(i64::from_be_bytes([a, b, c, d, e, f, g, h]))
        }
        (7, &[a, b, c, d, e, f, g, h]) => {
            let real = f64::from_be_bytes([a, b, c, d, e, f, g, h]);
            if real.is_nan() { ValueRef::Null } else { ValueRef::Real(real) }
        }
        (8, _) => ValueRef::Integer(0),
        (9, _) => ValueRef::Integer(1),
        (0..=11, _) => ValueRef::Null,
        _ if serial % 2 == 1 => ValueRef::Text(body),
        _ => ValueRef::Blob(body),
    }
}

/// How stock SQLite may store a real in a column of REAL affinity: as an integer, if that has the
/// same value and takes at most six bytes. -0.0 stays a real.
pub fn compact_real(real: f64) -> ValueRef<'static> {
    const LIMIT: f64 = (1i64 << 47) as f64;
    let integer = real as i64;
    if (-LIMIT..LIMIT).contains(&real) && (integer as f64).to_bits() == real.to_bits() {
        ValueRef::Integer(integer)
    } else {
        ValueRef::Real(real)
    }
}

/// The serial type stock SQLite would choose, with or without those that say 0 and 1 by themselves.
fn serial_type<const CONSTANTS: bool>(value: &ValueRef<'_>) -> u64 {
    match *value {
        ValueRef::Null => 0,
        ValueRef::Integer(0) if CONSTANTS => 8,
        ValueRef::Integer(1) if CONSTANTS => 9,
        ValueRef::Integer(v) => {
            // One bit for the sign.
            match 65 - (v ^ v >> 63).leading_zeros() {
                0..=8 => 1,
                9..=16 => 2,
                17..=24 => 3,
                25..=32 => 4,
                33..=48 => 5,
                _ => 6,
            }
        }
        ValueRef::Real(v) if v.is_nan() => 0,
        ValueRef::Real(_) => 7,
        ValueRef::Text(bytes) => bytes.len() as u64 * 2 + 13,
        ValueRef::Blob(bytes) => bytes.len() as u64 * 2 + 12,
    }
}

/// Appends the record of these values to `out`.
///
/// # Errors
/// `TooBig` if the record or its header is over the limit; `out` is as before.
pub fn encode<'v, I>(values: I, out: &mut Vec<u8>) -> Result<(), RecordError>
where
    I: IntoIterator<Item = ValueRef<'v>>,
    I::IntoIter: Clone,
{
    encode_as::<true, I>(values, out)
}

/// As [`encode`], in the schema formats below 4, which do not have the serial types 8 and 9.
///
/// # Errors
/// As [`encode`].
pub fn encode_legacy<'v, I>(values: I, out: &mut Vec<u8>) -> Result<(), RecordError>
where
    I: IntoIterator<Item = ValueRef<'v>>,
    I::IntoIter: Clone,
{
    encode_as::<false, I>(values, out)
}

fn encode_as<'v, const CONSTANTS: bool, I>(values: I, out: &mut Vec<u8>) -> Result<(), RecordError>
where
    I: IntoIterator<Item = ValueRef<'v>>,
    I::IntoIter: Clone,
{
    let values = values.into_iter();
    let (mut types, mut bodies) = (0u64, 0u64);
    for value in values.clone() {
        let serial = serial_type::<CONSTANTS>(&value);
        types += varint::len(serial) as u64;
        bodies += body_len(serial)?;
    }
    let header = header_len(types);
    if header > MAX_HEADER || header + bodies > MAX_PAYLOAD {
        return Err(RecordError::TooBig(header + bodies));
    }
    out.reserve((header + bodies) as usize);
    varint::push(header, out);
    for value in values.clone() {
        varint::push(serial_type::<CONSTANTS>(&value), out);
    }
    for value in values {
        match value {
            ValueRef::Null => {}
            ValueRef::Integer(v) => {
                let len = body_len(serial_type::<CONSTANTS>(&value))? as usize;
                out.extend_from_slice(&v.to_be_bytes()[8 - len..]);
            }
            ValueRef::Real(v) if v.is_nan() => {}
            ValueRef::Real(v) => out.extend_from_slice(&v.to_be_bytes()),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => out.extend_from_slice(bytes),
        }
    }
    Ok(())
}

/// The header's length counts the varint that holds it.
fn header_len(types: u64) -> u64 {
    let mut len = types + 1;
    if varint::len(len) > 1 {
        len = types + varint::len(types + 2) as u64;
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(values: &[ValueRef<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(values.iter().copied(), &mut out).expect("within limits");
        out
    }

    fn decoded(bytes: &[u8]) -> Vec<ValueRef<'_>> {
        let mut columns = Record::parse(bytes).expect("a record").columns();
        let mut out = Vec::new();
        while let Some(value) = columns.next_value().expect("a column") {
            out.push(value);
        }
        out
    }

    /// Invariant 3, at every boundary between serial types.
    #[test]
    fn integers_take_the_shortest_type() {
        let cases = [
            (0, 8),
            (1, 9),
            (-1, 1),
            (2, 1),
            (127, 1),
            (-128, 1),
            (128, 2),
            (-129, 2),
            (32_767, 2),
            (32_768, 3),
            (-32_769, 3),
            (8_388_607, 3),
            (8_388_608, 4),
            (-8_388_609, 4),
            (i64::from(i32::MAX), 4),
            (i64::from(i32::MAX) + 1, 5),
            ((1 << 47) - 1, 5),
            (-(1 << 47), 5),
            (1 << 47, 6),
            (i64::MAX, 6),
            (i64::MIN, 6),
        ];
        for (integer, serial) in cases {
            let bytes = encoded(&[ValueRef::Integer(integer)]);
            assert_eq!(bytes[1], serial, "{integer}");
            assert_eq!(decoded(&bytes), [ValueRef::Integer(integer)]);
        }
    }

    #[test]
    fn nan_is_null_and_minus_zero_stays() {
        assert_eq!(encoded(&[ValueRef::Real(f64::NAN)]), [2, 0]);
        let bytes = encoded(&[ValueRef::Real(-0.0)]);
        let Some(ValueRef::Real(zero)) = decoded(&bytes).pop() else {
            panic!("a real is expected")
        };
        assert!(zero.is_sign_negative());
        assert_eq!(decoded(&[2, 7, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]), [ValueRef::Null]);
        assert_eq!(compact_real(3.0), ValueRef::Integer(3));
        assert_eq!(compact_real(-0.0).integer(), None);
        assert_eq!(compact_real(0.5), ValueRef::Real(0.5));
        assert_eq!(compact_real(f64::INFINITY), ValueRef::Real(f64::INFINITY));
    }

    /// The header's length is part of the header: both sides of the step from one byte to two.
    #[test]
    fn header_length_counts_itself() {
        for columns in [0, 1, 125, 126, 127, 128, 129, 16_380, 16_381, 16_382, 16_383, 32_000] {
            let bytes = encoded(&vec![ValueRef::Null; columns]);
            let record = Record::parse(&bytes).expect("a record");
            assert_eq!(record.header as usize, bytes.len(), "{columns} columns");
            assert_eq!(record.column_count(), Ok(columns));
        }
    }

    /// Invariant 1.
    #[test]
    fn hostile_records_are_malformed() {
        let cases: &[&[u8]] = &[
            &[],
            &[0],
            &[5, 0],
            &[2, 10],
            &[2, 11],
            &[2, 1],
            &[2, 0x80],
            &[3, 13, 15],
            &[0xff; 9],
            &[2, 6, 0, 0, 0],
            &[10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ];
        for case in cases {
            let outcome = Record::parse(case).and_then(|r| {
                let mut columns = r.columns();
                while columns.next_value()?.is_some() {}
                Ok(())
            });
            assert!(matches!(outcome, Err(RecordError::Malformed(_))), "{case:?}: {outcome:?}");
        }
    }

    /// The short way to a column agrees with the walk, and says nothing where that fails or has to look further.
    #[test]
    fn the_short_way_to_a_column_agrees_with_the_walk() {
        let long = vec![b'x'; 70];
        let values = [
            ValueRef::Null,
            ValueRef::Integer(0),
            ValueRef::Integer(-300),
            ValueRef::Integer(i64::MAX),
            ValueRef::Real(1.5),
            ValueRef::Text(b"abc"),
            ValueRef::Blob(&long[..57]),
            ValueRef::Text(&long),
            ValueRef::Integer(1),
        ];
        let bytes = encoded(&values);
        for end in 0..=bytes.len() {
            let Ok(record) = Record::parse_local(&bytes[..end], bytes.len() as u64) else {
                continue;
            };
            for index in 0..=values.len() {
                match record.short_column(index) {
                    Some(value) => assert_eq!(Ok(Some(value)), record.any_column(index), "{index}"),
                    None => assert!(end < bytes.len() || index >= 7, "{index}"),
                }
            }
            assert_eq!(record.short_column(usize::MAX), None);
        }
        // Reserved serial types, and a body beyond the end.
        for hostile in [&[2, 10][..], &[2, 11], &[3, 10, 1, 7], &[2, 6, 0], &[2, 0x80], &[9, 1]] {
            let record = Record::parse(hostile);
            assert!(record.is_err() || record.is_ok_and(|r| r.short_column(0).is_none()));
        }
    }

    /// Invariant 2.
    #[test]
    fn a_local_part_tells_what_it_can() {
        let blob = vec![7; 300];
        let bytes = encoded(&[ValueRef::Integer(5), ValueRef::Blob(&blob), ValueRef::Integer(9)]);
        let total = bytes.len() as u64;
        let local = Record::parse_local(&bytes[..100], total).expect("header is local");
        assert_eq!(local.column(0), Ok(Some(ValueRef::Integer(5))));
        assert_eq!(local.column(1), Err(RecordError::NotLocal));
        assert_eq!(local.column(2), Err(RecordError::NotLocal));
        assert_eq!(local.column(3), Ok(None));
        assert_eq!(Record::parse_local(&[], total).err(), Some(RecordError::NotLocal));
        let header_cut = Record::parse_local(&bytes[..2], total).expect("length is local");
        assert_eq!(header_cut.column_count(), Err(RecordError::NotLocal));
    }
}
