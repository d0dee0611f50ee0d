//! Transactions: bytes in, bytes out.
//!
//! Above `heddle-mvcc` (versions in memory), `heddle-wal` (the log) and the base (the B-tree
//! file); below the engine, which knows tables and rows.
//!
//! - [`redo`]: the record of a commit in the log.
//! - [`gate`]: who may commit beside whom.

pub mod gate;
pub mod redo;
mod varint;
