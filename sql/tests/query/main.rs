//! Queries as text, bound, run as bound and as planned, and judged by stock SQLite: rows, names of columns, words of errors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod aggregates;
mod errors;
mod expressions;
mod joins;
mod planned;
mod recursive;
mod results;
mod subqueries;
mod support;
mod windows;
