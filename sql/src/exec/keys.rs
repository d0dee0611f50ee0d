//! Bytes made of values, so that equal values have equal bytes, or so that the order of bytes is that of values.
//!
//! # Invariants
//! - K1: two lists of values have the same key exactly if each pair is equal under its collation (NULLs are equal).
//! - K2: keys made for an order compare as bytes as the values do in that order. A user's collation has none (see
//!   [`KeyMaker::for_order`]).

use heddle_btree::key::{KeyColumn, KeyShape, encode_values};
use heddle_btree::text::Encoding;
use heddle_btree::value::ValueRef;
use heddle_value::{Collation, Text, Value};

/// Makes keys of values.
#[derive(Debug)]
pub(crate) struct KeyMaker {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    shape: KeyShape,
    /// NULL is marked by a byte of its own: where it does not stand where the bytes would put it.
    marked: Option<Mark>,
    /// Of a user's collation: one text for each class of equal ones, in its order, and the class's number.
    classes: Option<(Collation, Vec<(Text, i64)>)>,
}

/// The bytes before a NULL and before all else.
#[derive(Debug, Clone, Copy)]
struct Mark {
    null: u8,
    other: u8,
}

/// One part of an order.
#[derive(Debug, Clone)]
pub(crate) struct OrderPart {
    /// How texts compare.
    pub(crate) collation: Collation,
    /// Largest first.
    pub(crate) descending: bool,
    /// NULLs first.
    pub(crate) nulls_first: bool,
}

impl OrderPart {
    /// From the smallest to the largest, NULLs first.
    pub(crate) fn ascending(collation: &Collation) -> OrderPart {
        OrderPart { collation: collation.clone(), descending: false, nulls_first: true }
    }
}

/// Whether there are keys that compare as bytes (K2).
pub(crate) fn has_order(parts: &[OrderPart]) -> bool {
    parts.iter().all(|part| matches!(part.collation, Collation::BuiltIn(_)))
}

impl Part {
    fn new(collation: &Collation, descending: bool, nulls_first: bool) -> Part {
        let (stored, classes) = match collation {
            Collation::BuiltIn(stored) => (*stored, None),
            user => (Default::default(), Some((user.clone(), Vec::new()))),
        };
        let column = KeyColumn { collation: stored, descending };
        let marked = (nulls_first == descending).then_some(match nulls_first {
            true => Mark { null: 0, other: 1 },
            false => Mark { null: 1, other: 0 },
        });
        Part { shape: KeyShape::new([column], Encoding::Utf8), marked, classes }
    }

    #[inline]
    fn push(&mut self, value: &Value, out: &mut Vec<u8>) {
        if let Some(mark) = self.marked {
            out.push(if value.is_null() { mark.null } else { mark.other });
        }
        match (&mut self.classes, value) {
            (Some((collation, classes)), Value::Text(text)) => {
                let found = classes.binary_search_by(|(class, _)| {
                    collation.compare(class.as_bytes(), text.as_bytes())
                });
                let number = match found {
                    Ok(at) => classes.get(at).map_or(0, |(_, number)| *number),
                    Err(at) => {
                        let number = classes.len() as i64;
                        classes.insert(at, (text.clone(), number));
                        number
                    }
                };
                // Told from numbers by a byte that begins none.
                out.push(0x21);
                encode_values(&self.shape, [ValueRef::Integer(number)], out);
            }
            _ => encode_values(&self.shape, [value.as_ref()], out),
        }
    }
}

impl KeyMaker {
    /// Keys that are equal as values are (K1).
    pub(crate) fn for_equality<'c>(
        collations: impl IntoIterator<Item = &'c Collation>,
    ) -> KeyMaker {
        KeyMaker { parts: collations.into_iter().map(|c| Part::new(c, false, true)).collect() }
    }

    /// Keys in order (K2); `None` if a collation is a user's.
    pub(crate) fn for_order(parts: &[OrderPart]) -> Option<KeyMaker> {
        has_order(parts).then(|| KeyMaker {
            parts: parts
                .iter()
                .map(|p| Part::new(&p.collation, p.descending, p.nulls_first))
                .collect(),
        })
    }

    /// Appends the part of a key that a value makes.
    #[inline]
    pub(crate) fn push(&mut self, part: usize, value: &Value, out: &mut Vec<u8>) {
        if let Some(part) = self.parts.get_mut(part) {
            part.push(value, out);
        }
    }

    /// Appends the key of these values.
    pub(crate) fn push_all<'v>(
        &mut self,
        values: impl IntoIterator<Item = &'v Value>,
        out: &mut Vec<u8>,
    ) {
        for (part, value) in self.parts.iter_mut().zip(values) {
            part.push(value, out);
        }
    }
}

/// Which of two values comes first in an order.
pub(crate) fn compare_in_order(
    left: &Value,
    right: &Value,
    part: &OrderPart,
) -> std::cmp::Ordering {
    match (left.is_null(), right.is_null()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) if part.nulls_first => std::cmp::Ordering::Less,
        (true, false) => std::cmp::Ordering::Greater,
        (false, true) if part.nulls_first => std::cmp::Ordering::Greater,
        (false, true) => std::cmp::Ordering::Less,
        (false, false) => {
            let order = heddle_value::compare(left, right, &part.collation);
            if part.descending { order.reverse() } else { order }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn values() -> Vec<Value> {
        vec![
            Value::Null,
            Value::Integer(-3),
            Value::Integer(2),
            Value::Real(2.0),
            Value::Real(2.5),
            Value::text(""),
            Value::text("a"),
            Value::text("A"),
            Value::text("b"),
            Value::blob(""),
            Value::blob("a"),
        ]
    }

    #[test]
    fn k1_keys_are_equal_as_values_are() {
        let user =
            Collation::User("len".into(), Arc::new(|a: &[u8], b: &[u8]| a.len().cmp(&b.len())));
        for collation in [Collation::BINARY, Collation::NOCASE, user] {
            let mut keys = KeyMaker::for_equality([&collation]);
            for a in &values() {
                for b in &values() {
                    let (mut x, mut y) = (Vec::new(), Vec::new());
                    keys.push_all([a], &mut x);
                    keys.push_all([b], &mut y);
                    let equal = heddle_value::equal(a, b, &collation);
                    assert_eq!(x == y, equal, "{a:?} {b:?} {collation:?}");
                }
            }
        }
    }

    #[test]
    fn k2_keys_are_ordered_as_values_are() {
        for collation in [Collation::BINARY, Collation::NOCASE] {
            for (descending, nulls_first) in
                [(false, true), (false, false), (true, true), (true, false)]
            {
                let part = OrderPart { collation: collation.clone(), descending, nulls_first };
                let mut keys = KeyMaker::for_order(std::slice::from_ref(&part)).unwrap();
                for a in &values() {
                    for b in &values() {
                        let (mut x, mut y) = (Vec::new(), Vec::new());
                        keys.push_all([a], &mut x);
                        keys.push_all([b], &mut y);
                        assert_eq!(
                            x.cmp(&y),
                            compare_in_order(a, b, &part),
                            "{a:?} {b:?} {part:?}"
                        );
                    }
                }
            }
        }
    }
}
