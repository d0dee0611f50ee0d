//! HeddleDB's engine: open a SQLite file and let many async tasks write to it at once.
//!
//! ```
//! # fn main() -> heddle_engine::Result<()> { futures_block_on(async {
//! use heddle_engine::{Database, Options, RowId};
//!
//! let db = Database::open_in_memory(Options::default()).await?;
//! let mut tx = db.begin().await?;
//! tx.create_table("CREATE TABLE account (id INTEGER PRIMARY KEY, owner TEXT, balance INT)").await?;
//! tx.commit().await?;
//!
//! let id: RowId = db.insert("account", (None::<i64>, "Ada", 100)).await?;
//! let row = db.get("account", id).await?.expect("it was committed");
//! assert_eq!(row.get::<i64>("balance")?, 100);
//! # drop(row);
//! db.close().await
//! # }) }
//! # fn futures_block_on<F: std::future::Future>(future: F) -> F::Output {
//! #     heddle_io::ThreadRuntime::new().block_on(future)
//! # }
//! ```
//!
//! - [`Database`]: open, begin, checkpoint, close, metrics. One per file and process.
//! - [`Transaction`]: reads at one snapshot and private writes, until [`Transaction::commit`].
//! - [`Table`], [`Index`]: typed rows, kept consistent with each other; [`Scan`] walks them.
//! - [`raw`]: trees, rows as bytes and the schema's objects, for what makes a language of them.
//! - [`Error`]: what went wrong, with facts; [`Error::kind`] says what to do next.
//!
//! Below it: `heddle-txn` (transactions over bytes), `heddle-btree` (the file format), `heddle-wal`
//! (the redo log). What this crate adds is meaning: the catalog read from `sqlite_schema`, rows,
//! indexes, rowids, and the order in which a checkpoint and a recovery do things.

mod activation;
mod attempts;
mod calls;
mod catalog;
mod cells;
mod checkpoint;
mod commits;
mod core;
mod database;
mod directory;
mod error;
mod index;
mod lanes;
mod maintenance;
mod merging;
mod metrics;
mod opening;
mod options;
mod promise;
mod pulse;
pub mod raw;
mod recovery;
mod replaying;
mod reservations;
mod row;
mod rowids;
mod scan;
mod schema;
mod sequence;
mod steps;
mod table;
mod transaction;
mod tree_changes;
mod turns;
mod vacuum;
mod value;
mod witness;

pub use attempts::Attempts;
pub use database::{CheckpointReport, Database};
pub use error::{Conflict, Constraint, Error, ErrorKind, Result};
pub use heddle_base::{RowId, Timestamp};
pub use heddle_btree::text::Encoding;
pub use heddle_io::{BoxFuture, Env};
pub use index::Index;
pub use metrics::Metrics;
pub use options::{AutoVacuum, Durability, Isolation, Mode, Options, TxOptions};
pub use row::{ColumnName, Row, RowValues};
pub use scan::{Direction, Scan};
#[doc(hidden)]
pub use steps::CheckpointSteps;
pub use table::Table;
pub use transaction::{Attempt, Committed, Savepoint, Transaction};
pub use value::{FromValue, ToValue, Value, ValueRef};
#[doc(hidden)]
pub use witness::Witness;
