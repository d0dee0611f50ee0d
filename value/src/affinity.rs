//! What a column prefers to store, and what that makes of values.
//!
//! # Invariant
//! - A1: what [`Affinity::apply`] gives is what stock SQLite's column of that affinity gives back for the same value.

use crate::Value;
use crate::number::{parse_number, real_as_integer};

/// A column's preference (datatype3.html, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Affinity {
    /// None.
    Blob,
    /// Text.
    Text,
    /// Integers, then reals, where text looks like one.
    Numeric,
    /// As NUMERIC; they differ in casts.
    Integer,
    /// As NUMERIC, and integers become reals.
    Real,
}

impl Affinity {
    /// That of a declared type, or of the type in a CAST: the first rule that matches anywhere in it.
    pub fn of_type(declared: &str) -> Affinity {
        let upper = declared.to_ascii_uppercase();
        let has = |part: &str| upper.contains(part);
        if has("INT") {
            Affinity::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Affinity::Text
        } else if has("BLOB") || upper.trim().is_empty() {
            Affinity::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Affinity::Real
        } else {
            Affinity::Numeric
        }
    }

    /// Whether text that looks like a number becomes one.
    #[inline]
    pub fn is_numeric(self) -> bool {
        matches!(self, Affinity::Numeric | Affinity::Integer | Affinity::Real)
    }

    /// The value as a column of this affinity gives it back (A1).
    #[inline]
    pub fn apply(self, value: Value) -> Value {
        match (self, value) {
            (Affinity::Blob, value) | (_, value @ (Value::Null | Value::Blob(_))) => value,
            (Affinity::Text, value @ Value::Text(_)) => value,
            (Affinity::Text, value) => Value::Text(value.to_text()),
            (_, Value::Text(text)) => match parse_number(text.as_bytes()) {
                Some(number) => self.of_number(number),
                None => Value::Text(text),
            },
            (_, number) => self.of_number(number),
        }
    }

    fn of_number(self, number: Value) -> Value {
        match (self, number) {
            (Affinity::Real, Value::Integer(v)) => Value::Real(v as f64),
            (Affinity::Numeric | Affinity::Integer, Value::Real(v)) => {
                real_as_integer(v).map_or(Value::Real(v), Value::Integer)
            }
            // A zero's sign does not survive the way through a record.
            (Affinity::Real, Value::Real(v)) => Value::Real(v + 0.0),
            (_, number) => number,
        }
    }

    /// What is applied to each side before two values are compared (datatype3.html, section 4.2), by the affinity that each side's
    /// expression has. `None`: the side is taken as it is, or, of a side, that it has none.
    pub fn for_comparison(
        left: Option<Affinity>,
        right: Option<Affinity>,
    ) -> (Option<Affinity>, Option<Affinity>) {
        let both = match (left, right) {
            (Some(a), Some(b)) if a.is_numeric() || b.is_numeric() => Affinity::Numeric,
            (Some(one), None) | (None, Some(one)) if one.is_numeric() => Affinity::Numeric,
            (Some(Affinity::Text), None) | (None, Some(Affinity::Text)) => Affinity::Text,
            _ => return (None, None),
        };
        let needed = |side: Option<Affinity>| match side {
            Some(own) if own == both || (own.is_numeric() && both.is_numeric()) => None,
            _ => Some(both),
        };
        (needed(left), needed(right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinity_follows_the_declared_type() {
        let cases = [
            ("INTEGER", Affinity::Integer),
            ("tinyint(3)", Affinity::Integer),
            ("NVARCHAR(160)", Affinity::Text),
            ("CLOB", Affinity::Text),
            ("", Affinity::Blob),
            ("BLOB", Affinity::Blob),
            ("double precision", Affinity::Real),
            ("FLOAT", Affinity::Real),
            ("NUMERIC(10,2)", Affinity::Numeric),
            ("DATETIME", Affinity::Numeric),
            ("FLOATING POINT", Affinity::Integer),
            ("CHARINT", Affinity::Integer),
        ];
        for (declared, affinity) in cases {
            assert_eq!(Affinity::of_type(declared), affinity, "{declared}");
        }
    }

    #[test]
    fn a_side_gets_what_the_other_prefers() {
        use Affinity::*;
        let cases = [
            (Some(Integer), Some(Text), (None, Some(Numeric))),
            (Some(Blob), Some(Real), (Some(Numeric), None)),
            (Some(Text), None, (None, Some(Text))),
            (None, Some(Integer), (Some(Numeric), None)),
            (Some(Text), Some(Blob), (None, None)),
            (Some(Text), Some(Text), (None, None)),
            (Some(Blob), None, (None, None)),
            (None, None, (None, None)),
        ];
        for (left, right, expected) in cases {
            assert_eq!(Affinity::for_comparison(left, right), expected, "{left:?} {right:?}");
        }
    }
}
