//! `count(*)` and `count(X)`.

use heddle_value::{Collation, Value};

use crate::{Aggregate, Result, Surroundings};

struct Count(i64);

/// A new `count`.
pub(super) fn count(_: &Collation) -> Box<dyn Aggregate> {
    Box::new(Count(0))
}

/// Whether a row counts: all without an argument, else those where it is not NULL.
fn counts(args: &[Value]) -> bool {
    args.first().is_none_or(|v| !v.is_null())
}

impl Aggregate for Count {
    fn step(&mut self, _: &mut dyn Surroundings, args: &[Value]) -> Result<()> {
        self.0 += i64::from(counts(args));
        Ok(())
    }

    fn inverse(&mut self, _: &mut dyn Surroundings, args: &[Value]) -> Result<()> {
        self.0 -= i64::from(counts(args));
        Ok(())
    }

    fn value(&mut self, _: &mut dyn Surroundings) -> Result<Value> {
        Ok(Value::Integer(self.0))
    }
}
