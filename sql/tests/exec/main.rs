//! Plans made by hand, run, and judged by what stock SQLite says to the same query in SQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod access;
mod expressions;
mod json;
mod queries;
mod support;
mod windows;
