//! Generated statements on two engines side by side: the same answers, column names, classes of errors and numbers of changes.
//!
//! - [`generator`]: a session's statements from a seed: [`schema`] makes tables and what hangs on them, [`change`] changes rows,
//!   [`query`] asks, [`expression`] is what all of them are made of.
//! - [`compare`]: runs a session on both and finds the first difference; [`shrink`] leaves what it needs.
//!
//! # Invariants
//! - F1: what SQLite leaves open is not compared: the order of rows without ORDER BY, which of equal values stands for a group. A
//!   [`generator::Compared`] says for each statement how it is compared.
//! - F2: sums don't depend on the order of their rows: stored reals are small multiples of a quarter.

pub mod change;
pub mod compare;
pub mod expression;
pub mod generator;
pub mod query;
pub mod schema;
pub mod shrink;
