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

use heddle_value::{Collation, Value};

use crate::{AggregateFunction, Result, ScalarFunction, Surroundings, TableFunction};

/// The scalar functions, a table for each sort.
pub(crate) const BUILD: &[ScalarFunction] = build::FUNCTIONS;
pub(crate) const INSPECT: &[ScalarFunction] = inspect::FUNCTIONS;
pub(crate) const EXTRACT: &[ScalarFunction] = extract::FUNCTIONS;
pub(crate) const MODIFY: &[ScalarFunction] = modify::FUNCTIONS;
/// The aggregates.
pub(crate) const GROUP: &[AggregateFunction] = group::FUNCTIONS;
/// The table-valued functions.
pub(crate) const EACH: &[TableFunction] = each::FUNCTIONS;

/// Whether the results of the function of this name, scalar or aggregate, may be marked as JSON.
pub fn gives_json(name: &str) -> bool {
    const NAMES: [&str; 14] = [
        "json",
        "json_array",
        "json_array_insert",
        "json_extract",
        "json_group_array",
        "json_group_object",
        "json_insert",
        "json_object",
        "json_patch",
        "json_quote",
        "json_remove",
        "json_replace",
        "json_set",
        "->",
    ];
    NAMES.contains(&name)
}

/// Gives its argument without the mark of JSON. No statement can call it by name; plans have it where a query's results are read by
/// another query.
pub static FORGET_JSON: ScalarFunction = ScalarFunction::new("", 1, Some(1), forget_json);

fn forget_json(_: &mut dyn Surroundings, _: &Collation, arguments: &[Value]) -> Result<Value> {
    Ok(match arguments.first() {
        Some(Value::Text(text)) => Value::Text(text.clone().marked_json(false)),
        other => other.cloned().unwrap_or_default(),
    })
}
