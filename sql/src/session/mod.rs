//! A connection's state: its databases, its transaction, its own functions; and statements run in it.
//!
//! - [`Session`]: the state. `attached`: one database of it; `settings`: what pragmas set.
//! - [`Prepared`]: a statement, with its plan for as long as that holds. [`Outcome`]: what running one gives; [`QueryRun`]: a query's
//!   rows as they are asked for.
//! - `run`: which statement is done how; `write`: statements that write, alone and inside a transaction; `control`: BEGIN to
//!   ROLLBACK, and savepoints; `files`: ATTACH, DETACH, VACUUM; `pragma`: PRAGMA, and `facts`: what those answer from; `explain`: EXPLAIN QUERY PLAN.
//! - [`Extensions`]: a user's functions and collations.

mod attached;
mod constant;
mod control;
mod explain;
mod extensions;
mod facts;
mod files;
mod function;
mod pragma;
mod prepared;
mod query;
mod run;
mod settings;
mod state;
mod write;

pub use extensions::Extensions;
pub use function::{AggregateStart, ScalarClosure, UserAggregate, UserFunction};
pub use prepared::{OutputColumn, Prepared};
pub use query::QueryRun;
pub use run::{Finished, Outcome};
pub use settings::{Settings, TransactionOptions};
pub use state::Session;
