//! SQLite's built-in SQL functions: scalar, aggregate, window and table-valued.
//!
//! Nothing here knows of statements or storage: a function takes values and gives one. What it may ask of its
//! surroundings (time, randomness, the connection's counters, limits) comes through [`Surroundings`].

mod aggregates;
mod arguments;
mod core;
mod date;
mod json;
mod lookup;
mod math;
mod printf;
mod registry;
mod series;
mod surroundings;

pub use crate::core::compile_options;
pub use json::{FORGET_JSON, gives_json};
pub use lookup::{aggregate, aggregates, is_known, scalar, scalars, table, tables};
pub use registry::{
    Aggregate, AggregateFunction, FunctionError, OpenRows, Result, ScalarCode, ScalarFunction,
    TableFunction, TableRows,
};
pub use surroundings::Surroundings;
