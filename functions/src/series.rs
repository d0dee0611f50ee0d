//! `generate_series(START, STOP, STEP)`: integers at even distances.
//!
//! # Invariants
//! - N1: a STOP that is left out is 4294967295, a STEP that is left out or 0 is 1. An argument that is there and NULL makes no row.
//! - N2: a negative STEP counts down. A step that would leave 64 bits is the end.

use heddle_value::Value;

use crate::registry::{TableFunction, TableRows};
use crate::{FunctionError, Result, Surroundings};

/// `generate_series`.
pub(crate) const TABLES: &[TableFunction] = &[TableFunction {
    name: "generate_series",
    columns: &[("value", "")],
    parameters: &["start", "stop", "step"],
    required: 1,
    open,
}];

struct Series {
    /// The next value, until the end.
    next: Option<i64>,
    start: i64,
    stop: i64,
    step: i64,
}

impl Series {
    fn passed(&self, value: i64) -> bool {
        if self.step > 0 { value > self.stop } else { value < self.stop }
    }
}

impl TableRows for Series {
    fn next(&mut self, _: &mut dyn Surroundings) -> Result<Option<Vec<Value>>> {
        let Some(value) = self.next.filter(|v| !self.passed(*v)) else { return Ok(None) };
        self.next = value.checked_add(self.step);
        Ok(Some([value, self.start, self.stop, self.step].map(Value::Integer).to_vec()))
    }
}

fn open(_: &mut dyn Surroundings, args: &[Value]) -> Result<Box<dyn TableRows>> {
    let number = |index: usize| args.get(index).map(Value::as_integer_lossy);
    let Some(start) = number(0) else {
        let message = "first argument to \"generate_series()\" missing or unusable";
        return Err(FunctionError::Failed(message.into()));
    };
    let stop = number(1).unwrap_or(0xffff_ffff);
    let step = number(2).filter(|step| *step != 0).unwrap_or(1);
    let next = if args.iter().any(Value::is_null) { None } else { Some(start) };
    Ok(Box::new(Series { next, start, stop, step }))
}
