//! What every layer of HeddleDB shares: the names of things, and the one door to the primitives.
//!
//! - [`ids`]: newtypes for numbers that must not be mixed (page, frame, tree, row, timestamp ...).
//! - [`mod@planted`]: mistakes on purpose, for the simulator; nothing in a build for users.
//! - [`sync`]: atomics, locks, cells and threads, from std in a build for users, from loom or
//!   shuttle in theirs. All lock-free and lock-based code of our own imports from here alone.
//! - [`wait`]: the waker list under every asynchronous wait of ours, which needs no runtime and
//!   so can be driven by tokio, loom, shuttle or the simulator alike.

pub mod ids;
pub mod planted;
pub mod sync;
pub mod wait;

pub use ids::{FrameNo, Generation, Lsn, PageNo, RowId, SchemaVersion, Timestamp, TreeId};
