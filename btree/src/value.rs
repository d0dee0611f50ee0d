//! One column's value, borrowed from a record or given by a caller.

use std::borrow::Cow;

use crate::text::{self, Encoding};

/// A value in one of SQLite's five storage classes.
///
/// Text is bytes in the encoding of its database: [`ValueRef::text`] gives a string.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// NULL.
    Null,
    /// A 64-bit signed integer.
    Integer(i64),
    /// An IEEE 754 double; never NaN when it comes from a record (NaN is NULL in SQLite).
    Real(f64),
    /// Text, as bytes in the encoding of the database.
    Text(&'a [u8]),
    /// A blob.
    Blob(&'a [u8]),
}

impl<'a> ValueRef<'a> {
    /// Whether this is NULL.
    #[inline]
    pub fn is_null(&self) -> bool {
        matches!(self, ValueRef::Null)
    }

    /// The integer, if it is one.
    #[inline]
    pub fn integer(&self) -> Option<i64> {
        match *self {
            ValueRef::Integer(v) => Some(v),
            _ => None,
        }
    }

    /// The text as a string, if it is text; what is not valid in `encoding` becomes U+FFFD.
    pub fn text(&self, encoding: Encoding) -> Option<Cow<'a, str>> {
        match *self {
            ValueRef::Text(bytes) => Some(text::to_str(bytes, encoding)),
            _ => None,
        }
    }

    /// The bytes of a text or a blob.
    #[inline]
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match *self {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl From<i64> for ValueRef<'_> {
    fn from(v: i64) -> Self {
        ValueRef::Integer(v)
    }
}

impl From<f64> for ValueRef<'_> {
    fn from(v: f64) -> Self {
        ValueRef::Real(v)
    }
}
