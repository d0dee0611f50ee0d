//! Which keys of which trees a scan walks.
//!
//! An access path becomes a list of [`Span`]s when the scan begins, since what it depends on is then known: registers and parameters.
//!
//! # Invariants
//! - A1: a span holds exactly the rows that the access finds for its values, given the affinities that its expressions
//!   apply. No comparison is left to a filter.
//! - A2: the spans of [`Access::Each`] come in the order of the tree.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use heddle_btree::key::{KeyShape, encode_rowid, encode_values, prefix_successor};
use heddle_btree::text::{Encoding, from_str};
use heddle_btree::value::ValueRef;
use heddle_value::Value;

use super::Walked;
use crate::exec::code::{Code, InTable, evaluate_row};
use crate::exec::compile::Compiler;
use crate::exec::context::Context;
use crate::exec::subquery::{self, Kind};
use crate::plan::{self, Access, ColumnId, InSet, Members};
use crate::schema::Index;
use crate::{Error, Result};

/// A compiled [`Access`].
pub(super) enum AccessCode {
    Full,
    Rowid(Range),
    /// `tree`: which of the scan's trees.
    Index {
        tree: usize,
        equal: Vec<Code>,
        is: Vec<bool>,
        range: Range,
    },
    Union(Vec<AccessCode>),
    Each {
        column: ColumnId,
        set: Box<EachSet>,
        access: Box<AccessCode>,
    },
}

/// A compiled [`plan::Bound`].
#[derive(Default)]
pub(super) struct Range {
    low: Option<(Code, bool)>,
    high: Option<(Code, bool)>,
}

/// The values that [`Access::Each`] goes through.
pub(super) struct EachSet {
    affinities: Vec<Option<heddle_value::Affinity>>,
    collations: Vec<heddle_value::Collation>,
    source: EachSource,
}

enum EachSource {
    List(Vec<Code>),
    /// The subquery of this index.
    Query(usize),
}

/// What is walked: one row of the table, or keys of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Span {
    Rowid(i64),
    Keys { tree: usize, from: Bound<Bytes>, to: Bound<Bytes> },
}

impl AccessCode {
    /// Compiles an access path; `walk` takes an index, and whether it covers, and gives the number of its tree.
    ///
    /// # Errors
    /// What can't be compiled.
    pub(super) fn compile(
        compiler: &mut Compiler<'_>,
        access: &Access,
        walk: &mut dyn FnMut(&Arc<Index>, bool) -> Result<usize>,
    ) -> Result<AccessCode> {
        Ok(match access {
            Access::Full => AccessCode::Full,
            Access::Rowid(bound) => AccessCode::Rowid(Range::compile(compiler, bound)?),
            Access::Index { index, equal, is, range, covering } => {
                let tree = match index {
                    Some(index) => walk(index, *covering)?,
                    None => 0,
                };
                let equal = compiler.codes(equal, &[])?;
                let range = Range::compile(compiler, range)?;
                AccessCode::Index { tree, equal, is: is.clone(), range }
            }
            Access::Union(parts) => {
                let parts: Result<_> =
                    parts.iter().map(|part| AccessCode::compile(compiler, part, walk)).collect();
                AccessCode::Union(parts?)
            }
            Access::Each { column, set, access } => {
                let set = Box::new(EachSet::compile(compiler, set)?);
                let access = Box::new(AccessCode::compile(compiler, access, walk)?);
                compiler.registers.remove(column);
                AccessCode::Each { column: *column, set, access }
            }
        })
    }

    /// Adds what is to be walked.
    ///
    /// # Errors
    /// What evaluating meets.
    pub(super) async fn spans(
        &self,
        walked: &[Walked],
        encoding: Encoding,
        cx: &mut Context<'_>,
        out: &mut Vec<Span>,
    ) -> Result<()> {
        match self {
            AccessCode::Full => {
                out.push(Span::Keys { tree: 0, from: Bound::Unbounded, to: Bound::Unbounded })
            }
            AccessCode::Rowid(range) => {
                let range = range.evaluate(cx).await?;
                out.extend(rowid_span(&range));
            }
            AccessCode::Index { tree, equal, is, range } => {
                let mut values = Vec::with_capacity(equal.len() + 1);
                for (code, is) in
                    equal.iter().zip(is.iter().copied().chain(std::iter::repeat(false)))
                {
                    let value = evaluate_row(code, &[], cx).await?;
                    if value.is_null() && !is {
                        return Ok(());
                    }
                    values.push(value);
                }
                let range = range.evaluate(cx).await?;
                let tree_of = walked.get(*tree).map(|walked| &walked.tree);
                let Some(shape) = tree_of.and_then(heddle_engine::raw::Tree::shape) else {
                    return Err(Error::sql("what orders an index is not known"));
                };
                if let Some((from, to)) = index_bounds(shape, encoding, values, &range) {
                    out.push(Span::Keys { tree: *tree, from, to });
                }
            }
            AccessCode::Union(parts) => {
                for part in parts {
                    Box::pin(part.spans(walked, encoding, cx, out)).await?;
                }
            }
            AccessCode::Each { column, set, access } => {
                let values = set.values(cx).await?;
                let start = out.len();
                for value in values {
                    let before = cx.state.set_register(*column, value);
                    let spans = Box::pin(access.spans(walked, encoding, cx, out)).await;
                    cx.state.set_register(*column, before);
                    spans?;
                }
                if let Some(new) = out.get_mut(start..) {
                    new.sort_by(compare_spans);
                }
            }
        }
        Ok(())
    }
}

/// The order of spans of one tree (A2).
fn compare_spans(a: &Span, b: &Span) -> Ordering {
    match (a, b) {
        (Span::Rowid(a), Span::Rowid(b)) => a.cmp(b),
        (Span::Keys { from: a, .. }, Span::Keys { from: b, .. }) => match (a, b) {
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
                a.cmp(b)
            }
            _ => Ordering::Equal,
        },
        _ => Ordering::Equal,
    }
}

impl EachSet {
    fn compile(compiler: &mut Compiler<'_>, set: &InSet) -> Result<EachSet> {
        let (affinities, collations) = (set.affinities.clone(), set.collations.clone());
        let source = match &set.set {
            Members::List(items) => EachSource::List(compiler.codes(items, &[])?),
            Members::Query(query) => {
                let kind =
                    Kind::Set { affinities: affinities.clone(), collations: collations.clone() };
                let index = compiler.subquery(query, kind)?;
                let (outer, _) = compiler.needs(index);
                compiler.registers.extend(outer);
                EachSource::Query(index)
            }
        };
        Ok(EachSet { affinities, collations, source })
    }

    /// Its different values but NULL.
    async fn values(&self, cx: &mut Context<'_>) -> Result<Vec<Value>> {
        let first = |row: &Vec<Value>| row.first().cloned().filter(|value| !value.is_null());
        match &self.source {
            EachSource::List(items) => {
                let mut table = InTable::new(&self.affinities, &self.collations);
                for item in items {
                    table.insert(vec![evaluate_row(item, &[], cx).await?]);
                }
                Ok(table.rows().iter().filter_map(first).collect())
            }
            EachSource::Query(index) => {
                let take = |table: &InTable| table.rows().iter().filter_map(first).collect();
                subquery::with_set(*index, cx, take).await
            }
        }
    }
}

/// A range whose limits are known.
#[derive(Debug, Default)]
struct Limits {
    low: Option<(Value, bool)>,
    high: Option<(Value, bool)>,
}

impl Limits {
    /// Whether a limit is NULL, so that nothing is within.
    fn is_null(&self) -> bool {
        let null = |limit: &Option<(Value, bool)>| limit.as_ref().is_some_and(|(v, _)| v.is_null());
        null(&self.low) || null(&self.high)
    }
}

impl Range {
    fn compile(compiler: &mut Compiler<'_>, bound: &plan::Bound) -> Result<Range> {
        let mut side = |limit: &Option<(plan::Expr, bool)>| match limit {
            Some((expr, included)) => Ok(Some((compiler.code(expr, &[])?, *included))),
            None => Ok::<_, Error>(None),
        };
        Ok(Range { low: side(&bound.low)?, high: side(&bound.high)? })
    }

    async fn evaluate(&self, cx: &mut Context<'_>) -> Result<Limits> {
        let mut limits = Limits::default();
        if let Some((code, included)) = &self.low {
            limits.low = Some((evaluate_row(code, &[], cx).await?, *included));
        }
        if let Some((code, included)) = &self.high {
            limits.high = Some((evaluate_row(code, &[], cx).await?, *included));
        }
        Ok(limits)
    }
}

/// The rowids within limits of any class.
fn rowid_span(limits: &Limits) -> Option<Span> {
    if limits.is_null() {
        return None;
    }
    let low = match &limits.low {
        None => i64::MIN,
        Some((value, included)) => lowest(value, *included)?,
    };
    let high = match &limits.high {
        None => i64::MAX,
        Some((value, included)) => highest(value, *included)?,
    };
    match low.cmp(&high) {
        Ordering::Greater => None,
        Ordering::Equal => Some(Span::Rowid(low)),
        Ordering::Less => Some(Span::Keys {
            tree: 0,
            from: Bound::Included(Bytes::copy_from_slice(&encode_rowid(low))),
            to: Bound::Included(Bytes::copy_from_slice(&encode_rowid(high))),
        }),
    }
}

/// The end of the range of integers, as a real: the first beyond.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

/// The smallest integer above (or at) a value; `None` if there is none.
fn lowest(value: &Value, included: bool) -> Option<i64> {
    match value {
        Value::Integer(value) if included => Some(*value),
        Value::Integer(value) => value.checked_add(1),
        Value::Real(value) if *value >= BEYOND => None,
        Value::Real(value) if *value < -BEYOND => Some(i64::MIN),
        Value::Real(value) if value.trunc() == *value && !included => {
            (*value as i64).checked_add(1)
        }
        Value::Real(value) => Some(value.ceil() as i64),
        // Texts and blobs are above all numbers.
        _ => None,
    }
}

/// The largest integer below (or at) a value; `None` if there is none.
fn highest(value: &Value, included: bool) -> Option<i64> {
    match value {
        Value::Integer(value) if included => Some(*value),
        Value::Integer(value) => value.checked_sub(1),
        Value::Real(value) if *value >= BEYOND => Some(i64::MAX),
        Value::Real(value) if *value < -BEYOND => None,
        Value::Real(value) if value.trunc() == *value && !included => {
            (*value as i64).checked_sub(1)
        }
        Value::Real(value) => Some(value.floor() as i64),
        _ => Some(i64::MAX),
    }
}

/// The key of these values, the first of an index's.
fn key_of(shape: &KeyShape, encoding: Encoding, values: &[Value]) -> Vec<u8> {
    let mut key = Vec::with_capacity(values.len() * 12);
    if encoding == Encoding::Utf8 {
        encode_values(shape, values.iter().map(Value::as_ref), &mut key);
        return key;
    }
    let stored: Vec<_> = values
        .iter()
        .map(|value| match value {
            Value::Text(text) => Some(from_str(&text.to_string_lossy(), encoding).into_owned()),
            _ => None,
        })
        .collect();
    let refs = values.iter().zip(&stored).map(|(value, stored)| match stored {
        Some(text) => ValueRef::Text(text),
        None => value.as_ref(),
    });
    encode_values(shape, refs, &mut key);
    key
}

/// The bytes of keys that begin with these values and have the next column within limits.
fn index_bounds(
    shape: &KeyShape,
    encoding: Encoding,
    equal: Vec<Value>,
    limits: &Limits,
) -> Option<(Bound<Bytes>, Bound<Bytes>)> {
    if limits.is_null() {
        return None;
    }
    let descending = shape.columns.get(equal.len()).is_some_and(|column| column.descending);
    let prefix = key_of(shape, encoding, &equal);
    let with = |value: &Value| {
        let mut values = equal.clone();
        values.push(value.clone());
        key_of(shape, encoding, &values)
    };
    // In the order of keys, the limit where the range begins and the one where it ends.
    let (first, last) = match descending {
        false => (&limits.low, &limits.high),
        true => (&limits.high, &limits.low),
    };
    let ranged = first.is_some() || last.is_some();
    let from = match first {
        Some((value, true)) => Bound::Included(Bytes::from(with(value))),
        Some((value, false)) => after(with(value))?,
        // NULLs come before all else.
        None if ranged && !descending => after(with(&Value::Null))?,
        None => Bound::Included(Bytes::from(prefix.clone())),
    };
    let to = match last {
        Some((value, true)) => before_end(with(value)),
        Some((value, false)) => Bound::Excluded(Bytes::from(with(value))),
        // NULLs come after all else.
        None if ranged && descending => Bound::Excluded(Bytes::from(with(&Value::Null))),
        None => before_end(prefix),
    };
    Some((from, to))
}

/// From the first key that does not begin with this; `None` if there can be none.
fn after(mut key: Vec<u8>) -> Option<Bound<Bytes>> {
    prefix_successor(&mut key).then(|| Bound::Included(Bytes::from(key)))
}

/// To the last key that begins with this.
fn before_end(mut key: Vec<u8>) -> Bound<Bytes> {
    match prefix_successor(&mut key) {
        true => Bound::Excluded(Bytes::from(key)),
        false => Bound::Unbounded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rowids_within_limits_of_any_class() {
        let span = |low: Option<(Value, bool)>, high: Option<(Value, bool)>| {
            let limits = Limits { low, high };
            match rowid_span(&limits) {
                None => None,
                Some(Span::Rowid(id)) => Some((id, id)),
                Some(Span::Keys { from: Bound::Included(a), to: Bound::Included(b), .. }) => {
                    let decode = heddle_btree::key::decode_rowid;
                    Some((decode(&a).unwrap(), decode(&b).unwrap()))
                }
                other => panic!("{other:?}"),
            }
        };
        let real = |v: f64| Some((Value::Real(v), false));
        let included = |v: f64| Some((Value::Real(v), true));
        let integer = |v: i64| Some((Value::Integer(v), true));
        assert_eq!(span(real(1.5), real(3.5)), Some((2, 3)));
        assert_eq!(span(real(1.0), real(3.0)), Some((2, 2)));
        assert_eq!(span(included(1.0), included(3.0)), Some((1, 3)));
        assert_eq!(span(included(-1.5), included(-0.5)), Some((-1, -1)));
        assert_eq!(span(integer(5), integer(4)), None);
        assert_eq!(span(None, real(1e300)), Some((i64::MIN, i64::MAX)));
        assert_eq!(span(real(1e300), None), None);
        assert_eq!(span(real(-1e300), integer(i64::MIN)), Some((i64::MIN, i64::MIN)));
        assert_eq!(span(Some((Value::Integer(i64::MAX), false)), None), None);
        assert_eq!(span(Some((Value::text("a"), true)), None), None);
        assert_eq!(span(integer(7), Some((Value::text("a"), true))), Some((7, i64::MAX)));
        assert_eq!(span(Some((Value::Null, true)), None), None);
    }
}
