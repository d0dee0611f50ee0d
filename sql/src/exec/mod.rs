//! The executor: runs the relations of a [plan](crate::plan).
//!
//! A relation is compiled to an operator (`compile`), which gives batches of rows when it is asked (`operator`, [`Batch`],
//! [`Vector`]), and its expressions to code (`code`). What is running keeps its state apart from the connection's
//! [`Resources`] (`context`).
//!
//! - [`Running`]: a query being run. [`Evaluator`]: expressions evaluated by themselves, for who writes rows.
//! - `basic`, `scan`, `rows`, `join`, `hash_join`, `lookup_join`, `aggregate`, `distinct`, `sort`, `compound`, `shared`, `recursive`, `window`: operators.
//!   `subquery`: queries inside expressions. `keys`: bytes that compare as values do. `spill`: rows sorted
//!   with the help of a temporary file.
//!
//! # Invariants
//! - X1: operators await; the code of expressions does not. A subquery that an expression turns out to need is run by the operator
//!   that evaluates it.
//! - X2: columns of relations around one that runs are in registers, which are set before it is opened and stay until it is opened again.

mod aggregate;
mod basic;
mod batch;
mod code;
mod compile;
mod compound;
mod context;
mod distinct;
mod hash_join;
mod join;
mod keys;
mod lookup_join;
mod operator;
mod recursive;
mod rows;
mod running;
mod scan;
mod shared;
mod sort;
mod spill;
mod subquery;
mod vector;
mod window;

pub use batch::Batch;
pub use context::{PragmaRows, Resources, RowImage};
pub use running::{CodeId, Evaluator, Running};
pub(crate) use scan::{default_of, malformed};
pub use vector::{Builder, Vector};
