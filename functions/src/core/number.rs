//! Numbers: `abs`, `round`, `sign`.

use heddle_value::decimal::{Decimal, Keep};
use heddle_value::number::parse_real_prefix;
use heddle_value::{Collation, Value};

use crate::arguments::{argument, numeric};
use crate::{FunctionError, Result, Surroundings};

/// `abs(X)`: what is no integer counts as a real.
pub(super) fn abs(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    match argument(args, 0) {
        Value::Null => Ok(Value::Null),
        Value::Integer(v) => {
            v.checked_abs().map(Value::Integer).ok_or(FunctionError::IntegerOverflow)
        }
        other => Ok(Value::real(other.as_real_lossy().abs())),
    }
}

/// `sign(X)`: of a number, or a text that is one.
pub(super) fn sign(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let Some(number) = numeric(argument(args, 0)) else { return Ok(Value::Null) };
    let real = number.as_real_lossy();
    Ok(Value::Integer(i64::from(real > 0.0) - i64::from(real < 0.0)))
}

/// `round(X, N)`: to N decimals, at most 30; always a real.
pub(super) fn round(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    /// From here on a real has no fraction.
    const WHOLE: f64 = 4_503_599_627_370_496.0;
    if args.iter().any(Value::is_null) {
        return Ok(Value::Null);
    }
    let decimals = argument(args, 1).as_integer_lossy().clamp(0, 30) as usize;
    let real = argument(args, 0).as_real_lossy();
    let rounded = if !(-WHOLE..=WHOLE).contains(&real) {
        real
    } else if decimals == 0 {
        // Not the nearest: SQLite adds a half and cuts, which shows just below one half.
        (real + if real < 0.0 { -0.5 } else { 0.5 }).trunc()
    } else {
        decimal(real, decimals)
    };
    Ok(Value::real(rounded))
}

/// By way of the decimal digits.
fn decimal(real: f64, decimals: usize) -> f64 {
    let decimal = Decimal::of(real, Keep::Decimals(decimals), 20);
    let digits = decimal.digits();
    let exponent = i64::from(decimal.point) - digits.len() as i64;
    let mut text = digits.to_vec();
    text.extend(format!("e{exponent}").bytes());
    let rounded = parse_real_prefix(&text);
    if real < 0.0 { -rounded } else { rounded }
}
