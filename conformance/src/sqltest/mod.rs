//! Files of turso's conformance suite (`.sqltest`).
//!
//! - [`case`](mod@case): a file as cases. [`run`](mod@run): a case on an engine, and whether it gave what is expected.

pub mod case;
pub mod run;
