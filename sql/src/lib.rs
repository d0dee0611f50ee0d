//! SQLite's dialect of SQL over HeddleDB's engine: parse, bind, plan, run.
//!
//! - [`parse`]: from text to [`ast`], statements as written; [`schema`]: what the schema's statements define.
//! - [`bind`]: from one to the other of [`ast`] and [`plan`].
//! - [`optimize`]: the planner's rules.
//! - [`plan`]: what a statement means, as relations over numbered columns.
//! - [`exec`]: runs plans.
//! - [`ddl`]: changes of the schema.
//! - [`modify`]: runs the plans that write.
//! - [`session`]: a connection's state.
//! - [`Error`]: what went wrong, in SQLite's words and classes.

pub mod ast;
pub mod bind;
pub mod ddl;
mod error;
pub mod exec;
pub mod modify;
pub mod optimize;
pub mod parse;
pub mod plan;
pub mod pragma;
pub mod schema;
pub mod session;

pub use error::{ConstraintKind, Error, Result};
