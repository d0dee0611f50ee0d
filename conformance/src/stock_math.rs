//! SQLite's mathematical functions for [`crate::stock`]: the SQLite that is linked here is built without them.

use std::f64::consts::PI;

use heddle_value::{Value, number};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

type One = (&'static str, fn(f64) -> f64);
type Two = (&'static str, fn(f64, f64) -> f64);

/// Functions of one real.
const OF_ONE: [One; 20] = [
    ("acos", f64::acos),
    ("acosh", f64::acosh),
    ("asin", f64::asin),
    ("asinh", f64::asinh),
    ("atan", f64::atan),
    ("atanh", f64::atanh),
    ("cos", f64::cos),
    ("cosh", f64::cosh),
    ("degrees", |x| x * (180.0 / PI)),
    ("exp", f64::exp),
    ("ln", positive_ln),
    ("log", positive_log10),
    ("log10", positive_log10),
    ("log2", positive_log2),
    ("radians", |x| x * (PI / 180.0)),
    ("sin", f64::sin),
    ("sinh", f64::sinh),
    ("sqrt", f64::sqrt),
    ("tan", f64::tan),
    ("tanh", f64::tanh),
];

/// Functions of two.
const OF_TWO: [Two; 5] = [
    ("atan2", f64::atan2),
    ("log", |base, x| {
        let base = positive_ln(base);
        if base > 0.0 { positive_ln(x) / base } else { f64::NAN }
    }),
    ("mod", |x, y| x % y),
    ("pow", f64::powf),
    ("power", f64::powf),
];

/// Functions that leave whole numbers whole.
const ROUNDING: [One; 4] =
    [("ceil", f64::ceil), ("ceiling", f64::ceil), ("floor", f64::floor), ("trunc", f64::trunc)];

fn positive(x: f64, function: fn(f64) -> f64) -> f64 {
    if x > 0.0 { function(x) } else { f64::NAN }
}

fn positive_ln(x: f64) -> f64 {
    positive(x, f64::ln)
}

fn positive_log10(x: f64) -> f64 {
    positive(x, f64::log10)
}

fn positive_log2(x: f64) -> f64 {
    positive(x, f64::log2)
}

/// Makes them all.
///
/// # Errors
/// Those of making a function.
pub(crate) fn add(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    for (name, function) in OF_ONE {
        connection.create_scalar_function(name, 1, flags, move |context: &mut Context<'_>| {
            Ok(number_at(context, 0).map(|x| function(x.as_real_lossy())))
        })?;
    }
    for (name, function) in OF_TWO {
        connection.create_scalar_function(name, 2, flags, move |context: &mut Context<'_>| {
            let (x, y) = (number_at(context, 0), number_at(context, 1));
            Ok(x.zip(y).map(|(x, y)| function(x.as_real_lossy(), y.as_real_lossy())))
        })?;
    }
    for (name, function) in ROUNDING {
        connection.create_scalar_function(name, 1, flags, move |context: &mut Context<'_>| {
            Ok(match number_at(context, 0) {
                Some(Value::Integer(integer)) => rusqlite::types::Value::Integer(integer),
                Some(Value::Real(real)) => rusqlite::types::Value::Real(function(real)),
                _ => rusqlite::types::Value::Null,
            })
        })?;
    }
    connection.create_scalar_function("pi", 0, flags, |_: &mut Context<'_>| Ok(PI))
}

/// The argument as a number, if it is one or a text of one.
fn number_at(context: &Context<'_>, at: usize) -> Option<Value> {
    match context.get_raw(at) {
        ValueRef::Integer(integer) => Some(Value::Integer(integer)),
        ValueRef::Real(real) => Some(Value::Real(real)),
        ValueRef::Text(text) => number::parse_number(text),
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}
