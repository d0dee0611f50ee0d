//! SQLite's JSON.
//!
//! - `jsonb` is the form that all work on, `validate` checks it. `parse` makes it from text (`token`: scalars, `space`: spaces),
//!   `print` writes it as text.
//! - `path` finds elements, `edit` changes them, `patch` merges documents, `escape` knows what escapes stand for.
//! - `argument` is between values and JSON. The functions: `build`, `inspect`, `extract`, `modify`;
//!   `group` of many rows, `each` gives rows.
//!
//! That a text came from a JSON function, so that another takes it for JSON and not for a string, is marked in the value itself
//! (`heddle_value::Text::is_json`).

mod argument;
mod build;
mod each;
mod edit;
mod escape;
mod extract;
mod group;
mod inspect;
mod jsonb;
mod modify;
mod parse;
mod patch;
mod path;
mod print;
mod space;
mod token;
mod validate;

use crate::{AggregateFunction, ScalarFunction, TableFunction};

/// The scalar functions, a table for each sort.
pub(crate) const BUILD: &[ScalarFunction] = build::FUNCTIONS;
pub(crate) const INSPECT: &[ScalarFunction] = inspect::FUNCTIONS;
pub(crate) const EXTRACT: &[ScalarFunction] = extract::FUNCTIONS;
pub(crate) const MODIFY: &[ScalarFunction] = modify::FUNCTIONS;
/// The aggregates.
pub(crate) const GROUP: &[AggregateFunction] = group::FUNCTIONS;
/// The table-valued functions.
pub(crate) const EACH: &[TableFunction] = each::FUNCTIONS;
