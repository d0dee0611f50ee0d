//! The ticket ring and the group-commit redo log: records are bytes here, rows are not known.
//!
//! Called by the commit pipeline (`heddle-txn`) and by the checkpointer; writes through
//! [`heddle_io`]. A committer reserves ([`Log::reserve`]), draws a ticket ([`Permit::draw`]), fills
//! it ([`Draw::fill`]) and waits ([`Log::wait`]). One flusher packs the filled prefix of the ring
//! into groups. What of a transaction is too large for a record goes into a file of its own ([`run`]).
//!
//! # Invariants
//! - W1: `durable <= written <= installed`; none of them moves backwards, nor does `acked`.
//! - W2: a wait ends with success only once its watermark has reached the ticket.
//! - W3: after a failed write or sync nothing new becomes durable until the log is reopened.
//! - W4: whoever holds a permit can draw and fill without waiting and without failing: its slot
//!   and its bytes in synced segments are its own.
//!
//! # Format
//! `docs/format.md`, "The redo log" and "Run files".

mod bell;
mod budget;
mod error;
mod flusher;
mod format;
mod keeper;
mod log;
mod metrics;
mod options;
mod pack;
mod recovery;
#[doc(hidden)]
pub mod ring;
pub mod run;
mod scan;
#[cfg(heddle_loom)]
#[doc(hidden)]
pub mod seams;
mod segment;
mod spin;
#[doc(hidden)]
pub mod watermark;

pub use error::{Error, Result};
pub use log::{Draw, Log, Permit};
pub use metrics::Metrics;
pub use options::{Durability, LogOptions};
pub use recovery::{Facts, Opened, Recovered, Recovery};
