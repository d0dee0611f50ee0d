//! A value read as another storage class, as SQLite's `sqlite3_value_*` do.

use crate::number::{integer_to_text, parse_integer_prefix, parse_real_prefix, real_to_text};
use crate::{Blob, Text, Value};

impl Value {
    /// As an integer, whatever is lost: reals towards zero and to the nearest end of the range, text by the digits it begins
    /// with, NULL as 0.
    pub fn as_integer_lossy(&self) -> i64 {
        match self {
            Value::Null => 0,
            Value::Integer(v) => *v,
            Value::Real(v) => *v as i64,
            Value::Text(v) => parse_integer_prefix(v.as_bytes()),
            Value::Blob(v) => parse_integer_prefix(v.as_bytes()),
        }
    }

    /// As a real, whatever is lost: text by the number it begins with, NULL as 0.
    pub fn as_real_lossy(&self) -> f64 {
        match self {
            Value::Null => 0.0,
            Value::Integer(v) => *v as f64,
            Value::Real(v) => *v,
            Value::Text(v) => parse_real_prefix(v.as_bytes()),
            Value::Blob(v) => parse_real_prefix(v.as_bytes()),
        }
    }

    /// As text: numbers as they are written, a blob's bytes as they are, NULL as nothing.
    pub fn to_text(&self) -> Text {
        match self {
            Value::Null => Text::from(""),
            Value::Integer(v) => integer_to_text(*v),
            Value::Real(v) => real_to_text(*v),
            Value::Text(v) => v.clone(),
            Value::Blob(v) => Text::new(v),
        }
    }

    /// As a blob: the bytes of the text that it would be.
    pub fn to_blob(&self) -> Blob {
        match self {
            Value::Blob(v) => v.clone(),
            Value::Text(v) => Blob::new(v),
            other => Blob::new(other.to_text()),
        }
    }

    /// Whether it counts as true; NULL is neither.
    pub fn is_true(&self) -> Option<bool> {
        match self {
            Value::Null => None,
            Value::Integer(v) => Some(*v != 0),
            other => Some(other.as_real_lossy() != 0.0),
        }
    }
}
