//! A connection's state: its databases, its transaction, its own functions.

mod function;

pub use function::{AggregateStart, ScalarClosure, UserAggregate, UserFunction};
