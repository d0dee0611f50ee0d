//! Everything that reads bytes from a disk, given bytes that nobody wrote.
//!
//! A target is a function from bytes; what it finds is a panic, an overflow, a read out of bounds, a hang, or memory without
//! bound. That it returns an error is its right.
//!
//! - [`targets`]: what is fuzzed. `fuzz_targets/` has one line for each, for libFuzzer.
//! - [`files`]: how one input becomes several files beside each other, in memory.
//! - [`repair`]: checksums made right again, so that mutations get past them.
//! - `bin/seeds`: the corpora, made from real files. `bin/plain`: a driver without coverage for a stable compiler.

pub mod files;
pub mod repair;
pub mod targets;
