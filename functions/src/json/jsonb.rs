//! JSONB, SQLite's binary form of JSON: reading and writing its elements.
//!
//! All of this folder works on it: [`super::parse`] makes it, [`super::print`] writes it as text, [`super::path`] finds elements in
//! it, and [`super::edit`] and [`super::patch`] change it.
//!
//! An element is a header and a payload. The low half of the first byte is the [`Kind`], the high half the size of the payload, or
//! 12 to 15 for a size in the 1, 2, 4 or 8 bytes that follow, most significant first.
//!
//! # Invariants
//! - B1: [`element`] gives only elements that end within the blob, so that their payload can be taken.
//! - B2: what is written here has the shortest header; what is read may have any. [`super::edit`] says where SQLite writes others.

use crate::FunctionError;

/// How deep JSON may nest.
pub(super) const MAX_DEPTH: usize = 1000;

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Kind {
    Null,
    True,
    False,
    /// Decimal digits.
    Int,
    /// Hexadecimal digits, from JSON5.
    Int5,
    /// As RFC 8259 has it.
    Float,
    /// As JSON5 has it: nothing before or after the point.
    Float5,
    /// Text that stands for itself both in JSON and in SQL.
    Text,
    /// Text with escapes of RFC 8259.
    TextJ,
    /// Text with escapes of JSON5.
    Text5,
    /// Text that stands for itself, but must be escaped in JSON.
    TextRaw,
    Array,
    Object,
}

impl Kind {
    const ALL: [Kind; 13] = [
        Kind::Null,
        Kind::True,
        Kind::False,
        Kind::Int,
        Kind::Int5,
        Kind::Float,
        Kind::Float5,
        Kind::Text,
        Kind::TextJ,
        Kind::Text5,
        Kind::TextRaw,
        Kind::Array,
        Kind::Object,
    ];

    /// The kind that the first byte of a header names; 13 to 15 are none.
    pub(super) fn of(byte: u8) -> Option<Kind> {
        Kind::ALL.get(usize::from(byte & 0x0f)).copied()
    }

    pub(super) fn is_text(self) -> bool {
        matches!(self, Kind::Text | Kind::TextJ | Kind::Text5 | Kind::TextRaw)
    }

    /// Whether it is text without escapes.
    pub(super) fn is_plain_text(self) -> bool {
        matches!(self, Kind::Text | Kind::TextRaw)
    }

    pub(super) fn is_container(self) -> bool {
        matches!(self, Kind::Array | Kind::Object)
    }

    /// The name that `json_type` gives.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::True => "true",
            Kind::False => "false",
            Kind::Int | Kind::Int5 => "integer",
            Kind::Float | Kind::Float5 => "real",
            Kind::Text | Kind::TextJ | Kind::Text5 | Kind::TextRaw => "text",
            Kind::Array => "array",
            Kind::Object => "object",
        }
    }
}

/// Why JSON can't be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    Malformed,
    TooDeep,
}

impl From<Trouble> for FunctionError {
    fn from(trouble: Trouble) -> FunctionError {
        FunctionError::Failed(match trouble {
            Trouble::Malformed => "malformed JSON".to_owned(),
            Trouble::TooDeep => "JSON nested too deep".to_owned(),
        })
    }
}

/// Where one element lies in its blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) kind: Kind,
    /// Its header.
    pub(super) at: usize,
    /// Its payload.
    pub(super) payload: usize,
    /// What comes after it.
    pub(super) end: usize,
}

impl Element {
    /// Its payload, empty if `blob` is not the one it was read from (B1).
    pub(super) fn bytes<'b>(&self, blob: &'b [u8]) -> &'b [u8] {
        blob.get(self.payload..self.end).unwrap_or_default()
    }

    /// Its header and payload.
    pub(super) fn whole<'b>(&self, blob: &'b [u8]) -> &'b [u8] {
        blob.get(self.at..self.end).unwrap_or_default()
    }

    /// How many bytes its header has.
    pub(super) fn header(&self) -> usize {
        self.payload - self.at
    }

    /// The elements in it.
    pub(super) fn children<'b>(&self, blob: &'b [u8]) -> Children<'b> {
        Children { blob, at: self.payload, end: self.end }
    }
}

/// The elements in an array, or the labels and values in an object.
#[derive(Debug, Clone)]
pub(super) struct Children<'b> {
    blob: &'b [u8],
    at: usize,
    end: usize,
}

impl Iterator for Children<'_> {
    type Item = Result<Element, Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        match element(self.blob, self.at) {
            Ok(child) if child.end <= self.end => {
                self.at = child.end;
                Some(Ok(child))
            }
            _ => {
                self.at = self.end;
                Some(Err(Trouble::Malformed))
            }
        }
    }
}

/// The lengths of a header and its payload, which may go beyond the end of the blob.
pub(super) fn read_header(blob: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = *blob.get(at)?;
    let more = match first >> 4 {
        12 => 1,
        13 => 2,
        14 => 4,
        15 => 8,
        size => return Some((1, usize::from(size))),
    };
    let bytes = blob.get(at + 1..at + 1 + more)?;
    let size = bytes.iter().fold(0_u64, |size, &byte| (size << 8) | u64::from(byte));
    // SQLite takes no sizes beyond 32 bits.
    Some((1 + more, usize::try_from(u32::try_from(size).ok()?).ok()?))
}

/// The element at this place (B1).
pub(super) fn element(blob: &[u8], at: usize) -> Result<Element, Trouble> {
    let (header, size) = read_header(blob, at).ok_or(Trouble::Malformed)?;
    let kind = blob.get(at).and_then(|&byte| Kind::of(byte)).ok_or(Trouble::Malformed)?;
    let payload = at + header;
    let end = payload.checked_add(size).ok_or(Trouble::Malformed)?;
    if end > blob.len() {
        return Err(Trouble::Malformed);
    }
    Ok(Element { kind, at, payload, end })
}

/// A header, in the first so many bytes.
pub(super) fn header(kind: Kind, size: usize) -> ([u8; 9], usize) {
    let mut bytes = [0; 9];
    let kind = kind as u8;
    let (first, more) = match size {
        0..=11 => ((size as u8) << 4, 0),
        12..=0xff => (0xc0, 1),
        0x100..=0xffff => (0xd0, 2),
        0x1_0000..=0xffff_ffff => (0xe0, 4),
        _ => (0xf0, 8),
    };
    let size = (size as u64).to_be_bytes();
    for (place, byte) in bytes
        .iter_mut()
        .zip(std::iter::once(first | kind).chain(size.iter().skip(size.len() - more).copied()))
    {
        *place = byte;
    }
    (bytes, 1 + more)
}

/// Writes an element.
#[inline]
pub(super) fn push(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    push_header(out, kind, payload.len());
    out.extend_from_slice(payload);
}

/// Writes the header of an element whose payload is still to come.
#[inline]
pub(super) fn push_header(out: &mut Vec<u8>, kind: Kind, size: usize) {
    if size <= 11 {
        out.push(((size as u8) << 4) | kind as u8);
    } else {
        let (bytes, len) = header(kind, size);
        out.extend_from_slice(bytes.get(..len).unwrap_or_default());
    }
}

/// Begins a container whose size is not known yet; what it gives is for [`close`].
#[inline]
pub(super) fn open(out: &mut Vec<u8>, kind: Kind) -> usize {
    out.push(kind as u8);
    out.len() - 1
}

/// Ends the container begun at `head`.
pub(super) fn close(out: &mut Vec<u8>, head: usize) {
    let end = out.len();
    let kind = out.get(head).and_then(|&byte| Kind::of(byte)).unwrap_or(Kind::Array);
    let (bytes, len) = header(kind, end - head - 1);
    // The payload goes on by as much as the header grows.
    out.resize(end + len - 1, 0);
    out.copy_within(head + 1..end, head + len);
    for (place, byte) in out.iter_mut().skip(head).zip(bytes.into_iter().take(len)) {
        *place = byte;
    }
}

/// Gives the element at `at` another payload size; how much longer its header became. The payload itself is the caller's.
pub(super) fn resize(blob: &mut Vec<u8>, at: usize, size: usize) -> Result<isize, Trouble> {
    let (old, _) = read_header(blob, at).ok_or(Trouble::Malformed)?;
    let kind = blob.get(at).and_then(|&byte| Kind::of(byte)).ok_or(Trouble::Malformed)?;
    let (bytes, new) = header(kind, size);
    blob.splice(at..at + old, bytes.into_iter().take(new));
    Ok(new as isize - old as isize)
}

/// Whether a blob is likely JSONB: its outermost element is of a known kind and as long as the blob. Short blobs that could be JSON
/// text by their first byte must be valid all through, so that no text is ever taken for JSONB.
pub(super) fn is_jsonb(blob: &[u8]) -> bool {
    let Ok(root) = element(blob, 0) else { return false };
    if root.end != blob.len() {
        return false;
    }
    let size = root.end - root.payload;
    if matches!(root.kind, Kind::Null | Kind::True | Kind::False) && size != 0 {
        return false;
    }
    let like_text = blob.first().is_some_and(|b| matches!(b, b'{' | b'[') || b.is_ascii_digit());
    size > 7 || !like_text || super::validate::first_error(blob).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_were_written() {
        for size in [0, 1, 11, 12, 255, 256, 65_535, 65_536, 0xffff_ffff] {
            let (bytes, len) = header(Kind::Object, size);
            assert_eq!(read_header(&bytes[..len], 0), Some((len, size)), "{size}");
            assert_eq!(read_header(&bytes[..len - 1], 0), None, "{size}");
        }
        assert_eq!(read_header(&[0xf7, 0, 0, 0, 1, 0, 0, 0, 0], 0), None);
    }

    #[test]
    fn an_element_that_ends_outside_is_none() {
        assert!(element(&[0x37, b'a', b'b'], 0).is_err());
        assert!(element(&[0x27, b'a', b'b'], 0).is_ok());
        assert!(element(&[0x0d], 0).is_err());
        assert!(element(&[], 0).is_err());
    }
}
