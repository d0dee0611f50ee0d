//! INSERT, UPDATE and DELETE, judged by stock SQLite: rows, errors, counters, and the file that is left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod conflicts;
mod foreign;
mod rows;
mod support;
mod triggers;
mod upserts;
