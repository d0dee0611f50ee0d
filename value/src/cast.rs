//! CAST: a value made into another storage class, whatever is lost.

use crate::number::parse_prefix;
use crate::{Affinity, Value};

/// `CAST(value AS type)`, by the affinity of the type.
pub fn cast(value: Value, to: Affinity) -> Value {
    match (to, value) {
        (_, Value::Null) => Value::Null,
        (Affinity::Blob, value) => Value::Blob(value.to_blob()),
        (Affinity::Text, value) => Value::Text(value.to_text()),
        (Affinity::Integer, value) => Value::Integer(value.as_integer_lossy()),
        (Affinity::Real, value) => Value::Real(value.as_real_lossy()),
        (Affinity::Numeric, value @ (Value::Integer(_) | Value::Real(_))) => value,
        (Affinity::Numeric, Value::Text(text)) => numeric(text.as_bytes()),
        (Affinity::Numeric, Value::Blob(bytes)) => numeric(bytes.as_bytes()),
    }
}

/// The number a text begins with; a real that is a whole number of at most 51 bits becomes an integer.
fn numeric(text: &[u8]) -> Value {
    const HALF: f64 = (1_i64 << 51) as f64;
    match parse_prefix(text) {
        Value::Real(v) if (-HALF..HALF).contains(&v) && v.trunc() == v => Value::Integer(v as i64),
        number => number,
    }
}
