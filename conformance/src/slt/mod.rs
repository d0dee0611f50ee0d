//! Files of the sqllogictest corpus.
//!
//! - [`record`]: a file's records. [`render`]: values as the files write them. [`run`](mod@run): a file on an engine.

pub mod record;
pub mod render;
pub mod run;

pub use run::{Failure, Report, run};
