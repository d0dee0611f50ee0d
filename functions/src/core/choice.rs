//! Functions that choose one of their arguments, or tell its class.
//!
//! A statement evaluates `coalesce`, `ifnull` and `iif` lazily by itself; here all arguments are there already.

use std::cmp::Ordering;

use heddle_value::{Collation, Value, compare};

use crate::arguments::argument;
use crate::{Result, Surroundings};

/// The subtype of JSON.
const JSON: i64 = 74;

/// `coalesce(X, Y, ...)` and `ifnull(X, Y)`: the first that is not NULL.
pub(super) fn coalesce(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    Ok(args.iter().find(|v| !v.is_null()).cloned().unwrap_or_default())
}

/// `iif(B1, V1, B2, V2, ..., ELSE)`: the value after the first condition that holds.
pub(super) fn iif(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let mut pairs = args.chunks_exact(2);
    for pair in &mut pairs {
        if argument(pair, 0).is_true() == Some(true) {
            return Ok(argument(pair, 1).clone());
        }
    }
    Ok(argument(pairs.remainder(), 0).clone())
}

/// `likely(X)` and its like: X, with a hint for the planner only.
pub(super) fn first(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    Ok(argument(args, 0).clone())
}

/// `nullif(X, Y)`: X, or NULL if they are equal.
pub(super) fn nullif(_: &mut dyn Surroundings, by: &Collation, args: &[Value]) -> Result<Value> {
    let (x, y) = (argument(args, 0), argument(args, 1));
    Ok(if compare(x, y, by) == Ordering::Equal { Value::Null } else { x.clone() })
}

/// The last of those that come first, or the first of those that come last, as SQLite has it; NULL if any is NULL.
fn extreme(by: &Collation, args: &[Value], better: fn(Ordering) -> bool) -> Value {
    let mut best = argument(args, 0);
    for value in args {
        if value.is_null() {
            return Value::Null;
        }
        if better(compare(best, value, by)) {
            best = value;
        }
    }
    best.clone()
}

/// `min(X, Y, ...)`.
pub(super) fn min(_: &mut dyn Surroundings, by: &Collation, args: &[Value]) -> Result<Value> {
    Ok(extreme(by, args, Ordering::is_ge))
}

/// `max(X, Y, ...)`.
pub(super) fn max(_: &mut dyn Surroundings, by: &Collation, args: &[Value]) -> Result<Value> {
    Ok(extreme(by, args, Ordering::is_lt))
}

/// `typeof(X)`.
pub(super) fn type_of(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    Ok(Value::text(argument(args, 0).type_name()))
}

/// `subtype(X)`: that of JSON, or 0.
pub(super) fn subtype(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let json = match argument(args, 0) {
        Value::Text(text) => text.is_json(),
        Value::Blob(blob) => blob.is_json(),
        _ => false,
    };
    Ok(Value::Integer(if json { JSON } else { 0 }))
}
