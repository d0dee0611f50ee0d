//! The order of values, and what follows from it: equality and a hash.
//!
//! # Invariants
//! - O1: NULL, then numbers by value whatever their class, then text by collation, then blobs by bytes. The order is total.
//! - O2: values that are equal have equal hashes.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use heddle_btree::text::Encoding;

use crate::{Collation, Value};

/// Which comes first (O1). NULLs are equal here; operators of SQL look for them before.
#[inline]
pub fn compare(left: &Value, right: &Value, collation: &Collation) -> Ordering {
    match (left, right) {
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => collation.compare(a.as_bytes(), b.as_bytes()),
        (Value::Real(a), Value::Real(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        (Value::Integer(a), Value::Real(b)) => integer_to_real(*a, *b),
        (Value::Real(a), Value::Integer(b)) => integer_to_real(*b, *a).reverse(),
        (Value::Blob(a), Value::Blob(b)) => a.as_bytes().cmp(b.as_bytes()),
        _ => rank(left).cmp(&rank(right)),
    }
}

/// Whether neither comes first.
#[inline]
pub fn equal(left: &Value, right: &Value, collation: &Collation) -> bool {
    compare(left, right, collation) == Ordering::Equal
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 1,
        Value::Text(_) => 2,
        Value::Blob(_) => 3,
    }
}

/// Exactly: the integer is not rounded to a real first.
fn integer_to_real(integer: i64, real: f64) -> Ordering {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if real >= END {
        return Ordering::Less;
    }
    if real < -END {
        return Ordering::Greater;
    }
    // In range, so that only the fraction is lost, which decides when the rest is equal.
    let whole = real as i64;
    integer.cmp(&whole).then_with(|| (whole as f64).partial_cmp(&real).unwrap_or(Ordering::Equal))
}

/// Feeds a value to a hasher so that equal values end alike (O2). Texts under a user's collation all do.
pub fn hash_value<H: Hasher>(value: &Value, collation: &Collation, state: &mut H) {
    rank(value).hash(state);
    match value {
        Value::Null => {}
        Value::Integer(v) => v.hash(state),
        Value::Real(v) => {
            let whole = *v as i64;
            // The end of the range above is no integer, though it saturates to one.
            if whole as f64 == *v && integer_to_real(whole, *v) == Ordering::Equal {
                whole.hash(state);
            } else {
                v.to_bits().hash(state);
            }
        }
        Value::Text(v) => match collation {
            Collation::BuiltIn(folding) => folding.fold(v.as_bytes(), Encoding::Utf8).hash(state),
            Collation::User(..) => {}
        },
        Value::Blob(v) => v.hash(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::hash_map::DefaultHasher;

    fn hash(value: &Value, collation: &Collation) -> u64 {
        let mut state = DefaultHasher::new();
        hash_value(value, collation, &mut state);
        state.finish()
    }

    #[test]
    fn o1_integers_are_compared_with_reals_exactly() {
        let cases = [
            (9_007_199_254_740_993, 9_007_199_254_740_992.0, Ordering::Greater),
            (i64::MAX, 9_223_372_036_854_775_808.0, Ordering::Less),
            (i64::MIN, -9_223_372_036_854_775_808.0, Ordering::Equal),
            (0, -0.5, Ordering::Greater),
            (0, 0.5, Ordering::Less),
            (-1, -1.5, Ordering::Greater),
            (1, f64::INFINITY, Ordering::Less),
            (1, f64::NEG_INFINITY, Ordering::Greater),
            (3, 3.0, Ordering::Equal),
        ];
        for (integer, real, expected) in cases {
            let (a, b) = (Value::Integer(integer), Value::Real(real));
            assert_eq!(compare(&a, &b, &Collation::BINARY), expected, "{integer} {real}");
            assert_eq!(compare(&b, &a, &Collation::BINARY), expected.reverse(), "{real} {integer}");
        }
    }

    #[test]
    fn o2_equal_values_have_equal_hashes() {
        let values = [
            Value::Null,
            Value::Integer(1),
            Value::Real(1.0),
            Value::Real(0.0),
            Value::Real(-0.0),
            Value::Integer(0),
            Value::Integer(i64::MAX),
            Value::Real(i64::MAX as f64),
            Value::Integer(i64::MIN),
            Value::Real(i64::MIN as f64),
            Value::text("a"),
            Value::text("A"),
            Value::text("a  "),
            Value::blob("a"),
        ];
        for collation in [Collation::BINARY, Collation::NOCASE, Collation::RTRIM] {
            for a in &values {
                for b in &values {
                    if equal(a, b, &collation) {
                        assert_eq!(hash(a, &collation), hash(b, &collation), "{a:?} {b:?}");
                    }
                }
            }
        }
    }
}
