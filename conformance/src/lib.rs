//! HeddleDB's SQL beside stock SQLite.
//!
//! - [`engine`]: what is judged: something that runs a script of SQL. [`stock`] is SQLite itself, [`heddle`] HeddleDB, [`reads`] both.
//! - [`slt`]: files of the sqllogictest corpus; [`sqltest`]: files of turso's conformance suite.
//! - [`differ`]: generated statements on two engines side by side.
//! - [`shared`]: where the suites lie; [`floors`]: how much of each must pass.
#![allow(clippy::disallowed_methods, reason = "what is measured here is real time")]

pub mod differ;
pub mod engine;
pub mod floors;
pub mod heddle;
pub mod reads;
pub mod shared;
pub mod slt;
pub mod sqltest;
pub mod stock;
mod stock_math;
