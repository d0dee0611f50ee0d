//! `median`, `percentile`, `percentile_cont` and `percentile_disc`.
//!
//! # Invariant
//! - P1: the fraction is the same for all rows, give or take a thousandth; the values are finite numbers.

use heddle_value::{Collation, Value};

use crate::arguments::{argument, numeric};
use crate::{Aggregate, FunctionError, Result, Surroundings};

struct Percentile {
    name: &'static str,
    /// The fraction's end; `None` where it is always one half.
    end: Option<f64>,
    /// Takes one of the values rather than what lies between two.
    discrete: bool,
    fraction: Option<f64>,
    values: Vec<f64>,
    sorted: bool,
}

fn start(name: &'static str, end: Option<f64>, discrete: bool) -> Box<dyn Aggregate> {
    Box::new(Percentile { name, end, discrete, fraction: None, values: Vec::new(), sorted: true })
}

/// A new `median`.
pub(super) fn median(_: &Collation) -> Box<dyn Aggregate> {
    start("median", None, false)
}

/// A new `percentile`.
pub(super) fn percentile(_: &Collation) -> Box<dyn Aggregate> {
    start("percentile", Some(100.0), false)
}

/// A new `percentile_cont`.
pub(super) fn percentile_cont(_: &Collation) -> Box<dyn Aggregate> {
    start("percentile_cont", Some(1.0), false)
}

/// A new `percentile_disc`.
pub(super) fn percentile_disc(_: &Collation) -> Box<dyn Aggregate> {
    start("percentile_disc", Some(1.0), true)
}

impl Percentile {
    fn take_fraction(&mut self, args: &[Value]) -> Result<()> {
        let fraction = match self.end {
            None => 0.5,
            Some(end) => numeric(argument(args, 1))
                .map(|v| v.as_real_lossy() / end)
                .filter(|f| (0.0..=1.0).contains(f))
                .ok_or_else(|| {
                    FunctionError::Failed(format!(
                        "the fraction argument to {}() is not between 0.0 and {end:.1}",
                        self.name
                    ))
                })?,
        };
        if (*self.fraction.get_or_insert(fraction) - fraction).abs() > 0.001 {
            return Err(FunctionError::Failed(format!(
                "the fraction argument to {}() is not the same for all input rows",
                self.name
            )));
        }
        Ok(())
    }

    fn sort(&mut self) {
        if !self.sorted {
            self.values.sort_unstable_by(f64::total_cmp);
            self.sorted = true;
        }
    }
}

/// The number to be counted; `None` for NULL and what is no number, or no finite one.
fn finite(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(v) => Some(*v as f64),
        Value::Real(v) if v.is_finite() => Some(*v),
        _ => None,
    }
}

impl Aggregate for Percentile {
    fn step(&mut self, _: &mut dyn Surroundings, args: &[Value]) -> Result<()> {
        self.take_fraction(args)?;
        let value = argument(args, 0);
        let Some(real) = finite(value) else {
            return match value {
                Value::Null => Ok(()),
                Value::Real(_) => {
                    Err(FunctionError::Failed(format!("Inf input to {}()", self.name)))
                }
                _ => Err(FunctionError::Failed(format!("input to {}() is not numeric", self.name))),
            };
        };
        if self.sorted && self.values.last().is_some_and(|last| real < *last) {
            self.sorted = false;
        }
        self.values.push(real);
        Ok(())
    }

    fn inverse(&mut self, _: &mut dyn Surroundings, args: &[Value]) -> Result<()> {
        let Some(real) = finite(argument(args, 0)) else { return Ok(()) };
        self.sort();
        if let Ok(index) = self.values.binary_search_by(|v| v.total_cmp(&real)) {
            self.values.remove(index);
        }
        Ok(())
    }

    fn value(&mut self, _: &mut dyn Surroundings) -> Result<Value> {
        self.sort();
        let Some(last) = self.values.len().checked_sub(1) else { return Ok(Value::Null) };
        let place = self.fraction.unwrap_or(0.5) * last as f64;
        let index = (place as usize).min(last);
        let low = self.values.get(index).copied().unwrap_or_default();
        if self.discrete || place == index as f64 {
            return Ok(Value::real(low));
        }
        let high = self.values.get(index + 1).copied().unwrap_or(low);
        Ok(Value::real(low + (high - low) * (place - index as f64)))
    }
}
