//! The mathematical functions.
//!
//! # Invariants
//! - M1: an argument is a number or a text that is nothing else; the result for any other is NULL.
//! - M2: no result is NaN: where a function is not defined, it gives NULL.

use std::f64::consts::PI;

use heddle_value::{Collation, Value};

use crate::arguments::{argument, numeric};
use crate::registry::ScalarCode;
use crate::{Result, ScalarFunction, Surroundings};

/// Code that applies a function of one real.
macro_rules! of_one {
    ($function:expr) => {
        |_, _, args| Ok(one(args, $function))
    };
}

/// Code that applies a function of two reals.
macro_rules! of_two {
    ($function:expr) => {
        |_, _, args| Ok(two(args, $function))
    };
}

/// Code that makes a real whole and leaves an integer alone.
macro_rules! whole {
    ($function:expr) => {
        |_, _, args| {
            Ok(match numeric(argument(args, 0)) {
                Some(Value::Real(v)) => Value::real($function(v)),
                other => other.unwrap_or_default(),
            })
        }
    };
}

const fn unary(name: &'static str, code: ScalarCode) -> ScalarFunction {
    ScalarFunction::new(name, 1, Some(1), code)
}

const fn binary(name: &'static str, code: ScalarCode) -> ScalarFunction {
    ScalarFunction::new(name, 2, Some(2), code)
}

/// The mathematical functions.
pub(crate) const SCALARS: &[ScalarFunction] = &[
    unary("acos", of_one!(f64::acos)),
    unary("acosh", of_one!(f64::acosh)),
    unary("asin", of_one!(f64::asin)),
    unary("asinh", of_one!(f64::asinh)),
    unary("atan", of_one!(f64::atan)),
    binary("atan2", of_two!(f64::atan2)),
    unary("atanh", of_one!(f64::atanh)),
    unary("ceil", whole!(f64::ceil)),
    unary("ceiling", whole!(f64::ceil)),
    unary("cos", of_one!(f64::cos)),
    unary("cosh", of_one!(f64::cosh)),
    unary("degrees", of_one!(|x| x * (180.0 / PI))),
    unary("exp", of_one!(f64::exp)),
    unary("floor", whole!(f64::floor)),
    unary("ln", of_one!(|x| logarithm(x, f64::ln))),
    unary("log", of_one!(|x| logarithm(x, f64::log10))),
    binary("log", log_to_base),
    unary("log10", of_one!(|x| logarithm(x, f64::log10))),
    unary("log2", of_one!(|x| logarithm(x, f64::log2))),
    binary("mod", of_two!(|x, y| x % y)),
    ScalarFunction::new("pi", 0, Some(0), pi),
    binary("pow", of_two!(f64::powf)),
    binary("power", of_two!(f64::powf)),
    unary("radians", of_one!(|x| x * (PI / 180.0))),
    unary("sin", of_one!(f64::sin)),
    unary("sinh", of_one!(f64::sinh)),
    unary("sqrt", of_one!(f64::sqrt)),
    unary("tan", of_one!(f64::tan)),
    unary("tanh", of_one!(f64::tanh)),
    unary("trunc", whole!(f64::trunc)),
];

/// An argument as a real (M1).
fn real(args: &[Value], index: usize) -> Option<f64> {
    numeric(argument(args, index)).map(|v| v.as_real_lossy())
}

fn one(args: &[Value], function: fn(f64) -> f64) -> Value {
    real(args, 0).map_or(Value::Null, |x| Value::real(function(x)))
}

fn two(args: &[Value], function: fn(f64, f64) -> f64) -> Value {
    match (real(args, 0), real(args, 1)) {
        (Some(x), Some(y)) => Value::real(function(x, y)),
        _ => Value::Null,
    }
}

/// A logarithm, of positive numbers only: that of zero is not minus infinity here.
fn logarithm(x: f64, function: fn(f64) -> f64) -> f64 {
    if x > 0.0 { function(x) } else { f64::NAN }
}

/// `log(B, X)`: to a base over 1. X may be a text that only begins with a number, unlike elsewhere (M1).
fn log_to_base(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let Some(base) = real(args, 0) else { return Ok(Value::Null) };
    let base = logarithm(base, f64::ln);
    let x = logarithm(argument(args, 1).as_real_lossy(), f64::ln);
    Ok(if base > 0.0 { Value::real(x / base) } else { Value::Null })
}

/// `pi()`.
fn pi(_: &mut dyn Surroundings, _: &Collation, _: &[Value]) -> Result<Value> {
    Ok(Value::Real(PI))
}
