//! The schema as SQL sees it: tables, indexes, views and triggers understood from their text.
//!
//! [`heddle_engine::raw`] gives objects as rows of text with trees; what is made of them here is kept as long as the engine's
//! schema is the same, and shared by the statements of a connection.
//!
//! - [`catalog`]: what there is, by name; `table`, `index`, `trigger`: what each is.
//! - [`mod@build`]: from the engine's objects, and from statements, to these; [`Cache`]: what was built, as long as it holds;
//!   [`with_statistics`]: what ANALYZE found.
//!
//! # Invariants
//! - S1: nothing here changes once made; a change of the schema makes a new one.
//! - S2: names compare without regard to ASCII case and are kept as written.

pub mod build;
mod cache;
pub mod catalog;
mod index;
mod statistics;
mod table;
mod trigger;

pub use build::build;
pub use cache::Cache;

pub use catalog::{Database, Databases, Named, Schema};
pub use heddle_value::StrictType;
pub use index::{Index, IndexKey, IndexOrigin};
pub use statistics::{StatisticsRow, with_statistics};
pub use table::{Check, Column, Default, ForeignKey, GeneratedColumn, Table, TableKind};
pub use trigger::{Trigger, View};

/// Which of a connection's databases: 0 is `main`, 1 `temp`, then those attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatabaseIndex(pub u16);

impl DatabaseIndex {
    /// `main`.
    pub const MAIN: DatabaseIndex = DatabaseIndex(0);
    /// `temp`.
    pub const TEMP: DatabaseIndex = DatabaseIndex(1);
}
