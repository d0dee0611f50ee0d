//! Values as callers see them: owned and borrowed, to and from Rust's own types.

use std::borrow::Cow;
use std::fmt;

use heddle_base::RowId;

use crate::{Error, Result};

/// A value in one of SQLite's five storage classes, owned.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs)]
pub enum Value {
    #[default]
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// A value, borrowed from a row or from a caller. Text is borrowed where the database is UTF-8.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs)]
pub enum ValueRef<'a> {
    #[default]
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Blob(&'a [u8]),
}

impl ValueRef<'_> {
    /// An owned copy.
    pub fn to_owned(&self) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(v) => Value::Integer(*v),
            ValueRef::Real(v) => Value::Real(*v),
            ValueRef::Text(v) => Value::Text(v.clone().into_owned()),
            ValueRef::Blob(v) => Value::Blob(v.to_vec()),
        }
    }

    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, ValueRef::Null)
    }

    /// The storage class, as SQLite's `typeof()` says it.
    pub fn type_name(&self) -> &'static str {
        match self {
            ValueRef::Null => "null",
            ValueRef::Integer(_) => "integer",
            ValueRef::Real(_) => "real",
            ValueRef::Text(_) => "text",
            ValueRef::Blob(_) => "blob",
        }
    }
}

impl Value {
    /// A view of it.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Integer(v) => ValueRef::Integer(*v),
            Value::Real(v) => ValueRef::Real(*v),
            Value::Text(v) => ValueRef::Text(Cow::Borrowed(v)),
            Value::Blob(v) => ValueRef::Blob(v),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Integer(v) => write!(f, "{v}"),
            Value::Real(v) => write!(f, "{v:?}"),
            Value::Text(v) => write!(f, "'{}'", v.replace('\'', "''")),
            Value::Blob(v) => write!(f, "<{} bytes>", v.len()),
        }
    }
}

/// What may be given as a column's value or as part of a key.
pub trait ToValue: Send + Sync {
    /// A view of it as a value.
    fn to_value(&self) -> ValueRef<'_>;
}

macro_rules! integers {
    ($($t:ty),*) => { $(
        impl ToValue for $t {
            fn to_value(&self) -> ValueRef<'_> {
                ValueRef::Integer(i64::from(*self))
            }
        }
        impl From<$t> for Value {
            fn from(v: $t) -> Value {
                Value::Integer(i64::from(v))
            }
        }
    )* };
}
integers!(i8, i16, i32, i64, u8, u16, u32, bool);

impl ToValue for f64 {
    fn to_value(&self) -> ValueRef<'_> {
        if self.is_nan() { ValueRef::Null } else { ValueRef::Real(*self) }
    }
}

impl ToValue for RowId {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Integer(self.0)
    }
}

impl ToValue for str {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Text(Cow::Borrowed(self))
    }
}

impl ToValue for String {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Text(Cow::Borrowed(self))
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Blob(self)
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Blob(self)
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Blob(self)
    }
}

impl ToValue for Value {
    fn to_value(&self) -> ValueRef<'_> {
        self.as_ref()
    }
}

impl ToValue for ValueRef<'_> {
    fn to_value(&self) -> ValueRef<'_> {
        match self {
            ValueRef::Text(text) => ValueRef::Text(Cow::Borrowed(text)),
            other => other.clone(),
        }
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> ValueRef<'_> {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> ValueRef<'_> {
        self.as_ref().map_or(ValueRef::Null, ToValue::to_value)
    }
}

impl From<f64> for Value {
    fn from(v: f64) -> Value {
        if v.is_nan() { Value::Null } else { Value::Real(v) }
    }
}

impl From<&str> for Value {
    fn from(v: &str) -> Value {
        Value::Text(v.to_owned())
    }
}

impl From<String> for Value {
    fn from(v: String) -> Value {
        Value::Text(v)
    }
}

impl From<Vec<u8>> for Value {
    fn from(v: Vec<u8>) -> Value {
        Value::Blob(v)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Value {
        v.map_or(Value::Null, Into::into)
    }
}

/// What a column can be read as. Nothing is converted: an integer is read as an integer; only NULL
/// is also `None`, and an integer also an `f64`.
pub trait FromValue: Sized {
    /// The value as this type.
    ///
    /// # Errors
    /// [`Error::WrongType`], with an empty column name, if it is of another storage class or out of range.
    fn from_value(value: ValueRef<'_>) -> Result<Self>;
}

#[cold]
fn wrong(expected: &'static str, found: &ValueRef<'_>) -> Error {
    Error::WrongType { column: String::new(), expected, found: found.type_name() }
}

macro_rules! from_integers {
    ($($t:ty),*) => { $(
        impl FromValue for $t {
            #[inline]
            fn from_value(value: ValueRef<'_>) -> Result<Self> {
                match value {
                    ValueRef::Integer(v) => <$t>::try_from(v).map_err(|_| wrong(stringify!($t), &value)),
                    _ => Err(wrong(stringify!($t), &value)),
                }
            }
        }
    )* };
}
from_integers!(i8, i16, i32, i64, u8, u16, u32, u64, usize);

impl FromValue for bool {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        i64::from_value(value).map(|v| v != 0)
    }
}

impl FromValue for RowId {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        i64::from_value(value).map(RowId)
    }
}

impl FromValue for f64 {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Real(v) => Ok(v),
            ValueRef::Integer(v) => Ok(v as f64),
            _ => Err(wrong("real", &value)),
        }
    }
}

impl FromValue for String {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Text(v) => Ok(v.into_owned()),
            _ => Err(wrong("text", &value)),
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Blob(v) => Ok(v.to_vec()),
            _ => Err(wrong("blob", &value)),
        }
    }
}

impl FromValue for Value {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        Ok(value.to_owned())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Null => Ok(None),
            other => T::from_value(other).map(Some),
        }
    }
}
