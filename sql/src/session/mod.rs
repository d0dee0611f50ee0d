//! A connection's state: its databases, its transaction, its own functions.

mod extensions;
mod function;

pub use extensions::Extensions;
pub use function::{AggregateStart, ScalarClosure, UserAggregate, UserFunction};
