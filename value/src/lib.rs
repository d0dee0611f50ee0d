//! SQL values, and what SQLite does with them.
//!
//! - [`Value`]: one value in one of the five storage classes; [`Text`] and [`Blob`] are its byte strings. `convert` gives it the
//!   readings of `sqlite3_value_*`.
//! - [`Affinity`] and [`StrictType`]: what a column makes of a value. [`cast`]: CAST.
//! - [`compare`], [`equal`], [`hash_value`] under a [`Collation`]: the order of values.
//! - [`arithmetic`]: the operators. [`like`]: the patterns of LIKE and GLOB. [`number`] and [`decimal`]: numbers in text.
//!   [`utf8`]: characters.
//!
//! Text is bytes here, as it is in SQLite: usually UTF-8, but what a user stored comes back unchanged when it is not. The
//! encoding of a database ends at its records; above them text is UTF-8.

mod affinity;
pub mod arithmetic;
mod bytestring;
mod cast;
mod collation;
mod compare;
mod convert;
pub mod decimal;
pub mod like;
pub mod number;
mod power;
mod strict;
pub mod utf8;
mod value;

pub use affinity::Affinity;
pub use bytestring::{Blob, Text};
pub use cast::cast;
pub use collation::{Collation, CollationCode};
pub use compare::{compare, equal, hash_value};
pub use like::LikePattern;
pub use strict::StrictType;
pub use value::Value;
