//! Transactions: bytes in, bytes out.
//!
//! Above `heddle-mvcc` (versions in memory), `heddle-wal` (the log) and the base (the B-tree
//! file); below the engine, which knows tables and rows.
//!
//! - [`manager`]: what all transactions share, and where they begin; [`base`]: the B-tree below them.
//! - [`transaction`], [`cursor`]: reads and writes; `view`: what a snapshot sees.
//! - `write_set`, `read_set`: what a transaction did, until it commits; `spill`: writes that memory does not
//!   hold, and their commit; [`runs`]: what was committed so.
//! - `commit`: the pipeline of DESIGN section 4; `validate` and `recent`: its step 3; [`gate`]: who may commit beside whom.
//! - [`retry`]: the way back after a conflict.
//! - [`redo`]: the record of a commit in the log; `replay`: from there into memory again.
//!
//! # Invariants
//! - X1: nobody sees a write before its transaction's status says `Committed`, nor a reader's
//!   snapshot before `installed` reached the ticket.
//! - X2: from the draw to the unlock a commit is synchronous: a future that is dropped was not yet
//!   committed, or is.
//! - X3: nothing is confirmed before what it read is as durable as was asked for.
//! - X4: locks are taken in one order: database gate, table gates by id, a place in the log, chains
//!   by tree and key.

pub mod base;
mod commit;
pub mod cursor;
pub mod error;
pub mod gate;
pub mod manager;
pub mod options;
mod own;
mod read_set;
mod recent;
pub mod redo;
mod replay;
pub mod retry;
pub mod runs;
mod spill;
pub mod transaction;
mod trees;
mod validate;
mod varint;
mod view;
mod write_set;

pub use base::{Base, Roots};
pub use commit::{Committed, Published};
pub use cursor::{Cursor, Step};
pub use error::{Conflict, ConflictKind, Error, Result};
pub use heddle_mvcc::Direction;
pub use heddle_wal::Durability;
pub use manager::{Manager, Parts};
pub use options::{Isolation, ManagerOptions, Mode, TxOptions};
pub use retry::{Retry, Turn};
pub use transaction::Transaction;
pub use trees::TreeRef;
pub use write_set::Savepoint;
