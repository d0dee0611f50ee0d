//! Values, and Rust's types as values.

use std::borrow::Cow;
use std::sync::Arc;

use crate::{Error, Result};

/// A value in one of SQLite's five storage classes.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// NULL.
    #[default]
    Null,
    /// An integer.
    Integer(i64),
    /// A real.
    Real(f64),
    /// A text.
    Text(String),
    /// A blob.
    Blob(Vec<u8>),
}

/// The storage classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "their names say it")]
pub enum ValueType {
    Null,
    Integer,
    Real,
    Text,
    Blob,
}

impl Value {
    /// Its storage class.
    pub fn value_type(&self) -> ValueType {
        match self {
            Value::Null => ValueType::Null,
            Value::Integer(_) => ValueType::Integer,
            Value::Real(_) => ValueType::Real,
            Value::Text(_) => ValueType::Text,
            Value::Blob(_) => ValueType::Blob,
        }
    }

    /// Whether it is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Whether it is an integer.
    pub fn is_integer(&self) -> bool {
        matches!(self, Value::Integer(_))
    }

    /// Whether it is a real.
    pub fn is_real(&self) -> bool {
        matches!(self, Value::Real(_))
    }

    /// Whether it is a text.
    pub fn is_text(&self) -> bool {
        matches!(self, Value::Text(_))
    }

    /// Whether it is a blob.
    pub fn is_blob(&self) -> bool {
        matches!(self, Value::Blob(_))
    }

    /// The integer that it is.
    pub fn as_integer(&self) -> Option<&i64> {
        if let Value::Integer(v) = self { Some(v) } else { None }
    }

    /// The real that it is.
    pub fn as_real(&self) -> Option<&f64> {
        if let Value::Real(v) = self { Some(v) } else { None }
    }

    /// The text that it is.
    pub fn as_text(&self) -> Option<&String> {
        if let Value::Text(v) = self { Some(v) } else { None }
    }

    /// The blob that it is.
    pub fn as_blob(&self) -> Option<&Vec<u8>> {
        if let Value::Blob(v) = self { Some(v) } else { None }
    }
}

/// As SQL has it inside. Text that is not UTF-8 gets U+FFFD for what is not; [`crate::Row::get_bytes`] gives it as it is.
impl From<heddle_value::Value> for Value {
    fn from(value: heddle_value::Value) -> Value {
        use heddle_value::Value as Inner;
        match value {
            Inner::Null => Value::Null,
            Inner::Integer(v) => Value::Integer(v),
            Inner::Real(v) => Value::Real(v),
            Inner::Text(v) => Value::Text(v.to_string_lossy().into_owned()),
            Inner::Blob(v) => Value::Blob(v.as_bytes().to_vec()),
        }
    }
}

impl From<Value> for heddle_value::Value {
    fn from(value: Value) -> heddle_value::Value {
        use heddle_value::Value as Inner;
        match value {
            Value::Null => Inner::Null,
            Value::Integer(v) => Inner::Integer(v),
            Value::Real(v) => Inner::real(v),
            Value::Text(v) => Inner::Text(v.into()),
            Value::Blob(v) => Inner::Blob(v.into()),
        }
    }
}

/// What can be given as a parameter.
pub trait IntoValue {
    /// As a value.
    ///
    /// # Errors
    /// [`Error::Conversion`] if no value is the same, as for a `u64` beyond `i64`.
    fn into_value(self) -> Result<Value>;
}

/// What a value can be read as.
pub trait FromValue: Sized {
    /// The value as this type.
    ///
    /// # Errors
    /// [`Error::Conversion`] if it is of another storage class, or out of range.
    fn from_value(value: Value) -> Result<Self>;
}

impl IntoValue for Value {
    fn into_value(self) -> Result<Value> {
        Ok(self)
    }
}

impl IntoValue for Result<Value> {
    fn into_value(self) -> Result<Value> {
        self
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Result<Value> {
        self.map_or(Ok(Value::Null), T::into_value)
    }
}

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Value> {
        Ok(value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Option<T>> {
        if value.is_null() { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

/// The values that convert without loss.
macro_rules! direct {
    ($($from:ty => $value:ident |$v:ident| $convert:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($v: $from) -> Value {
                Value::$value($convert)
            }
        }

        impl IntoValue for $from {
            fn into_value(self) -> Result<Value> {
                Ok(self.into())
            }
        }
    )*};
}

direct! {
    i8 => Integer |v| v.into();
    i16 => Integer |v| v.into();
    i32 => Integer |v| v.into();
    i64 => Integer |v| v;
    u8 => Integer |v| v.into();
    u16 => Integer |v| v.into();
    u32 => Integer |v| v.into();
    bool => Integer |v| v.into();
    f32 => Real |v| v.into();
    f64 => Real |v| v;
    &str => Text |v| v.to_owned();
    String => Text |v| v;
    &String => Text |v| v.clone();
    Box<str> => Text |v| v.into();
    Arc<str> => Text |v| v.as_ref().to_owned();
    Cow<'_, str> => Text |v| v.into_owned();
    &[u8] => Blob |v| v.to_vec();
    Vec<u8> => Blob |v| v;
    &Vec<u8> => Blob |v| v.clone();
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(bytes: [u8; N]) -> Value {
        Value::Blob(bytes.to_vec())
    }
}

impl<const N: usize> IntoValue for [u8; N] {
    fn into_value(self) -> Result<Value> {
        Ok(self.into())
    }
}

impl<const N: usize> IntoValue for &[u8; N] {
    fn into_value(self) -> Result<Value> {
        Ok(Value::Blob(self.to_vec()))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, T::into)
    }
}

fn unlike(value: &Value, wanted: &str) -> Error {
    Error::Conversion(format!("a value of type {:?} is no {wanted}", value.value_type()))
}

/// The integers that may not fit.
macro_rules! integers {
    ($($from:ty)*) => {$(
        impl FromValue for $from {
            fn from_value(value: Value) -> Result<$from> {
                match value {
                    Value::Integer(v) => <$from>::try_from(v).map_err(|_| {
                        let type_name = stringify!($from);
                        Error::Conversion(format!("the integer {v} is out of the range of {type_name}"))
                    }),
                    other => Err(unlike(&other, stringify!($from))),
                }
            }
        }
    )*};
}

integers! { i8 i16 i32 i64 u8 u16 u32 u64 isize usize }

macro_rules! large_integers {
    ($($from:ty)*) => {$(
        impl IntoValue for $from {
            fn into_value(self) -> Result<Value> {
                let value = i64::try_from(self).map_err(|_| {
                    Error::Conversion(format!("the number {self} is out of the range of integers"))
                })?;
                Ok(Value::Integer(value))
            }
        }
    )*};
}

large_integers! { u64 isize usize }

impl FromValue for bool {
    fn from_value(value: Value) -> Result<bool> {
        match value {
            Value::Integer(v) => Ok(v != 0),
            other => Err(unlike(&other, "bool")),
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: Value) -> Result<f64> {
        match value {
            Value::Real(v) => Ok(v),
            Value::Integer(v) => Ok(v as f64),
            other => Err(unlike(&other, "f64")),
        }
    }
}

impl FromValue for f32 {
    fn from_value(value: Value) -> Result<f32> {
        f64::from_value(value).map(|v| v as f32)
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<String> {
        match value {
            Value::Text(v) => Ok(v),
            other => Err(unlike(&other, "String")),
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value) -> Result<Vec<u8>> {
        match value {
            Value::Blob(v) => Ok(v),
            other => Err(unlike(&other, "Vec<u8>")),
        }
    }
}

impl<const N: usize> FromValue for [u8; N] {
    fn from_value(value: Value) -> Result<[u8; N]> {
        match value {
            Value::Blob(v) => v.try_into().map_err(|v: Vec<u8>| {
                Error::Conversion(format!("a blob of {} bytes is not one of {N}", v.len()))
            }),
            other => Err(unlike(&other, "[u8; N]")),
        }
    }
}
