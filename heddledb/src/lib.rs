//! HeddleDB: an embedded SQL database in which many writers commit at once.
//!
//! The file is SQLite's, the dialect is SQLite's, and the names are those that users of `libsql` and `turso` know. What differs: every
//! transaction is concurrent without being asked to be. Those that touch different rows commit side by side; one that another came
//! before fails with [`Error::Conflict`], and a single statement is run again by itself.
//!
//! ```
//! # fn main() -> heddledb::Result<()> { heddledb::block_on(async {
//! use heddledb::{Builder, params};
//!
//! let db = Builder::new_local(":memory:").build().await?;
//! let conn = db.connect()?;
//! let mut rows = conn.query("SELECT ?1 + 1, upper(?2)", params![41, "abc"]).await?;
//! while let Some(row) = rows.next().await? {
//!     assert_eq!(row.get::<i64>(0)?, 42);
//!     assert_eq!(row.get::<String>(1)?, "ABC");
//! }
//! # Ok(()) }) }
//! ```
//!
//! - [`Builder`], [`Database`]: opening; [`Database::transact`] runs a transaction until it gets through.
//! - [`Connection`], [`Transaction`], [`Statement`]: running SQL. [`Rows`], [`Row`]: what comes back.
//! - [`Value`], [`IntoValue`], [`FromValue`], [`IntoParams`]: values in and out.
//! - [`functions`]: functions and collations written in Rust.
//! - [`Error`]: what went wrong, with SQLite's numbers.
//!
//! # Cancel safety
//! Every future here can be dropped at any await. A statement that was dropped before its end has not happened, unless its commit had
//! begun to be written: then it stands.

mod builder;
mod connection;
mod database;
mod error;
pub mod functions;
pub mod params;
mod row;
mod rows;
#[cfg(feature = "serde")]
mod rows_serde;
mod slot;
mod statement;
mod transact;
pub mod transaction;
pub mod value;

pub use builder::Builder;
pub use connection::Connection;
pub use database::Database;
pub use error::{ConstraintKind, Error, Result};
pub use heddle_engine::{AutoVacuum, Durability, Encoding, Env, Isolation, Options};
pub use params::{IntoParams, Params, params_from_iter};
pub use row::{Row, RowIndex};
pub use rows::{Column, Rows};
pub use statement::Statement;
pub use transaction::{Transaction, TransactionBehavior, TransactionOptions};
pub use value::{FromValue, IntoValue, Value, ValueType};

/// Runs a future to its end on this thread, for programs and tests without an async runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    heddle_io::ThreadRuntime::new().block_on(future)
}
