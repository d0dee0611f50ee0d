//! Functions that users write in Rust.

use std::fmt;

use heddle_functions::{Aggregate, Result};
use heddle_value::{Collation, Value};

/// What a user's scalar function does.
pub type ScalarClosure = dyn Fn(&[Value]) -> Result<Value> + Send + Sync;

/// A user's scalar function.
pub struct UserFunction {
    /// Its name.
    pub name: Box<str>,
    /// How many arguments; `None`: any number.
    pub arity: Option<usize>,
    /// Whether the same arguments give the same result.
    pub deterministic: bool,
    /// What it does.
    pub code: Box<ScalarClosure>,
}

/// What starts a user's aggregate function.
pub type AggregateStart = dyn Fn(&Collation) -> Box<dyn Aggregate> + Send + Sync;

/// A user's aggregate function.
pub struct UserAggregate {
    /// Its name.
    pub name: Box<str>,
    /// How many arguments; `None`: any number.
    pub arity: Option<usize>,
    /// Whether [`Aggregate::inverse`] works.
    pub invertible: bool,
    /// A new, empty one.
    pub start: Box<AggregateStart>,
}

impl fmt::Debug for UserFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for UserAggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
