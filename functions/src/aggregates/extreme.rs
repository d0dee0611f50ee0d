//! `min(X)` and `max(X)` over rows. NULLs do not count; of equal values the first stays.

use std::cmp::Ordering;

use heddle_value::{Collation, Value, compare};

use crate::arguments::argument;
use crate::{Aggregate, FunctionError, Result, Surroundings};

struct Extreme {
    best: Value,
    collation: Collation,
    /// How a better value compares with the best so far.
    better: Ordering,
}

/// A new `min`.
pub(super) fn min(collation: &Collation) -> Box<dyn Aggregate> {
    let collation = collation.clone();
    Box::new(Extreme { best: Value::Null, collation, better: Ordering::Less })
}

/// A new `max`.
pub(super) fn max(collation: &Collation) -> Box<dyn Aggregate> {
    let collation = collation.clone();
    Box::new(Extreme { best: Value::Null, collation, better: Ordering::Greater })
}

impl Aggregate for Extreme {
    fn step(&mut self, _: &mut dyn Surroundings, args: &[Value]) -> Result<()> {
        let value = argument(args, 0);
        if !value.is_null()
            && (self.best.is_null() || compare(value, &self.best, &self.collation) == self.better)
        {
            self.best = value.clone();
        }
        Ok(())
    }

    fn inverse(&mut self, _: &mut dyn Surroundings, _: &[Value]) -> Result<()> {
        Err(FunctionError::Failed("min and max cannot take a row out again".into()))
    }

    fn value(&mut self, _: &mut dyn Surroundings) -> Result<Value> {
        Ok(self.best.clone())
    }
}
