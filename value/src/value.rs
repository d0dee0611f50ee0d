//! One value in one of SQLite's five storage classes.

use heddle_btree::value::ValueRef;

use crate::{Blob, Text};

/// A value.
///
/// Derived equality is by bits and storage class, as for tests and tables of constants; what SQL calls equal
/// is a comparison under a collation.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// NULL.
    #[default]
    Null,
    /// A 64-bit signed integer.
    Integer(i64),
    /// An IEEE 754 double, never NaN: SQLite makes NULL of that.
    Real(f64),
    /// Text.
    Text(Text),
    /// A blob.
    Blob(Blob),
}

impl Value {
    /// A text.
    pub fn text(text: impl AsRef<[u8]>) -> Value {
        Value::Text(Text::new(text))
    }

    /// A blob.
    pub fn blob(bytes: impl AsRef<[u8]>) -> Value {
        Value::Blob(Blob::new(bytes))
    }

    /// A real, or NULL for NaN.
    #[inline]
    pub fn real(real: f64) -> Value {
        if real.is_nan() { Value::Null } else { Value::Real(real) }
    }

    /// Whether it is NULL.
    #[inline]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Borrowed, as records and keys take it where the database's encoding is UTF-8.
    #[inline]
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Integer(v) => ValueRef::Integer(*v),
            Value::Real(v) => ValueRef::Real(*v),
            Value::Text(v) => ValueRef::Text(v.as_bytes()),
            Value::Blob(v) => ValueRef::Blob(v.as_bytes()),
        }
    }

    /// The name that `typeof` gives.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Integer(_) => "integer",
            Value::Real(_) => "real",
            Value::Text(_) => "text",
            Value::Blob(_) => "blob",
        }
    }
}

impl From<ValueRef<'_>> for Value {
    /// Copies; text is taken as UTF-8.
    #[inline]
    fn from(value: ValueRef<'_>) -> Value {
        match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(v) => Value::Integer(v),
            ValueRef::Real(v) => Value::Real(v),
            ValueRef::Text(v) => Value::text(v),
            ValueRef::Blob(v) => Value::blob(v),
        }
    }
}

impl From<i64> for Value {
    fn from(v: i64) -> Value {
        Value::Integer(v)
    }
}

impl From<bool> for Value {
    /// SQL's truth values are the integers 0 and 1.
    fn from(v: bool) -> Value {
        Value::Integer(i64::from(v))
    }
}
