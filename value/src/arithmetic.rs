//! SQL's operators over values: arithmetic, bits and concatenation.
//!
//! # Invariants
//! - R1: integers that leave 64 bits become reals; a division by zero, and a NaN, is NULL.
//! - R2: a NULL operand makes NULL.
//! - R3: text and blobs count as the number they begin with, 0 if none.

use crate::number::parse_prefix;
use crate::{Text, Value};

/// An operand as a number (R3); `None` for NULL.
enum Number {
    Integer(i64),
    Real(f64),
}

impl Number {
    #[inline]
    fn of(value: &Value) -> Option<Number> {
        let number = match value {
            Value::Null => return None,
            Value::Integer(v) => return Some(Number::Integer(*v)),
            Value::Real(v) => return Some(Number::Real(*v)),
            Value::Text(v) => parse_prefix(v.as_bytes()),
            Value::Blob(v) => parse_prefix(v.as_bytes()),
        };
        match number {
            Value::Integer(v) => Some(Number::Integer(v)),
            Value::Real(v) => Some(Number::Real(v)),
            _ => None,
        }
    }

    #[inline]
    fn real(&self) -> f64 {
        match self {
            Number::Integer(v) => *v as f64,
            Number::Real(v) => *v,
        }
    }
}

#[inline]
fn calculate(
    left: &Value,
    right: &Value,
    integers: impl FnOnce(i64, i64) -> Option<i64>,
    reals: impl FnOnce(f64, f64) -> f64,
) -> Value {
    let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) else {
        return Value::Null;
    };
    if let (Number::Integer(a), Number::Integer(b)) = (&left, &right)
        && let Some(result) = integers(*a, *b)
    {
        return Value::Integer(result);
    }
    Value::real(reals(left.real(), right.real()))
}

/// `left + right`.
#[inline]
pub fn add(left: &Value, right: &Value) -> Value {
    calculate(left, right, i64::checked_add, |a, b| a + b)
}

/// `left - right`.
#[inline]
pub fn subtract(left: &Value, right: &Value) -> Value {
    calculate(left, right, i64::checked_sub, |a, b| a - b)
}

/// `left * right`.
#[inline]
pub fn multiply(left: &Value, right: &Value) -> Value {
    calculate(left, right, i64::checked_mul, |a, b| a * b)
}

/// `left / right`: towards zero for integers.
#[inline]
pub fn divide(left: &Value, right: &Value) -> Value {
    calculate(left, right, i64::checked_div, |a, b| if b == 0.0 { f64::NAN } else { a / b })
}

/// `left % right`: both as integers, with the sign of `left`; a real if an operand was one.
pub fn remainder(left: &Value, right: &Value) -> Value {
    // Text counts by its leading digits here, and only whether the result is a real by all of the number.
    let (a, b) = (left.as_integer_lossy(), right.as_integer_lossy());
    let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) else {
        return Value::Null;
    };
    if b == 0 {
        return Value::Null;
    }
    // The smallest integer by -1 overflows in hardware; the remainder is 0.
    let result = a.checked_rem(b).unwrap_or(0);
    match (left, right) {
        (Number::Integer(_), Number::Integer(_)) => Value::Integer(result),
        _ => Value::Real(result as f64),
    }
}

/// `-value`.
#[inline]
pub fn negate(value: &Value) -> Value {
    subtract(&Value::Integer(0), value)
}

#[inline]
fn bits(left: &Value, right: &Value, operation: impl FnOnce(i64, i64) -> i64) -> Value {
    if left.is_null() || right.is_null() {
        return Value::Null;
    }
    Value::Integer(operation(left.as_integer_lossy(), right.as_integer_lossy()))
}

/// `left & right`.
pub fn bit_and(left: &Value, right: &Value) -> Value {
    bits(left, right, |a, b| a & b)
}

/// `left | right`.
pub fn bit_or(left: &Value, right: &Value) -> Value {
    bits(left, right, |a, b| a | b)
}

/// `left << right`; to the right by a negative count.
pub fn shift_left(left: &Value, right: &Value) -> Value {
    bits(left, right, |a, by| if by >= 0 { up(a, by as u64) } else { down(a, by.unsigned_abs()) })
}

/// `left >> right`, keeping the sign; to the left by a negative count.
pub fn shift_right(left: &Value, right: &Value) -> Value {
    bits(left, right, |a, by| if by >= 0 { down(a, by as u64) } else { up(a, by.unsigned_abs()) })
}

fn up(value: i64, by: u64) -> i64 {
    if by < 64 { value << by } else { 0 }
}

fn down(value: i64, by: u64) -> i64 {
    value >> by.min(63)
}

/// `~value`.
pub fn bit_not(value: &Value) -> Value {
    if value.is_null() { Value::Null } else { Value::Integer(!value.as_integer_lossy()) }
}

/// `left || right`, always text. Lengths over a limit are the caller's to refuse.
pub fn concat(left: &Value, right: &Value) -> Value {
    if left.is_null() || right.is_null() {
        return Value::Null;
    }
    let (left, right) = (left.to_text(), right.to_text());
    let mut bytes = Vec::with_capacity(left.len() + right.len());
    bytes.extend(left.as_bytes());
    bytes.extend(right.as_bytes());
    Value::Text(Text::from(bytes))
}
