//! SQL values, and what SQLite does with them.
//!
//! - [`Value`]: one value in one of the five storage classes; [`Text`] and [`Blob`] are its byte strings.
//!
//! Text is bytes here, as it is in SQLite: usually UTF-8, but what a user stored comes back unchanged when it is not. The
//! encoding of a database ends at its records; above them text is UTF-8.

mod affinity;
mod bytestring;
mod collation;
mod value;

pub use affinity::Affinity;
pub use bytestring::{Blob, Text};
pub use collation::{Collation, CollationCode};
pub use value::Value;
