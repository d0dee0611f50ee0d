//! Parts of JSON: `json_extract`, `jsonb_extract`, `->`, `->>`.

use std::borrow::Cow;

use heddle_value::{Collation, Value};

use super::argument::{c_string, document, give, give_text, to_value};
use super::path::{Miss, expand, find};
use super::print::print;
use crate::{Result, ScalarFunction, Surroundings};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("json_extract", 0, None, extract::<false>),
    ScalarFunction::new("jsonb_extract", 0, None, extract::<true>),
    ScalarFunction::new("->", 2, Some(2), arrow),
    ScalarFunction::new("->>", 2, Some(2), long_arrow),
];

/// One path gives an element as SQL has it, several an array.
fn extract<const JSONB: bool>(
    around: &mut dyn Surroundings,
    _: &Collation,
    arguments: &[Value],
) -> Result<Value> {
    let [json, paths @ ..] = arguments else { return Ok(Value::Null) };
    if paths.is_empty() {
        return Ok(Value::Null);
    }
    let Some(blob) = document(json)? else { return Ok(Value::Null) };
    if let [path] = paths {
        let Some(path) = c_string(path) else { return Ok(Value::Null) };
        return match find(&blob, &path) {
            Ok(found) => to_value::<JSONB>(around, &blob, &found),
            Err(Miss::NotFound) => Ok(Value::Null),
            Err(miss) => Err(miss.error(&path)),
        };
    }
    let mut out = vec![b'['];
    for path in paths {
        let Some(path) = c_string(path) else { return Ok(Value::Null) };
        if out.len() > 1 {
            out.push(b',');
        }
        match find(&blob, &path) {
            Ok(found) => print(&blob, found.at, &mut out)?,
            Err(Miss::NotFound) => out.extend_from_slice(b"null"),
            Err(miss) => return Err(miss.error(&path)),
        }
    }
    out.push(b']');
    give_text::<JSONB>(around, out)
}

fn arrow(around: &mut dyn Surroundings, _: &Collation, arguments: &[Value]) -> Result<Value> {
    by_arrow::<true>(around, arguments)
}

fn long_arrow(around: &mut dyn Surroundings, _: &Collation, arguments: &[Value]) -> Result<Value> {
    by_arrow::<false>(around, arguments)
}

/// The element at a path that may be short, as JSON or as SQL has it.
fn by_arrow<const JSON: bool>(around: &mut dyn Surroundings, arguments: &[Value]) -> Result<Value> {
    let [json, path] = arguments else { return Ok(Value::Null) };
    let Some(blob) = document(json)? else { return Ok(Value::Null) };
    let Some(given) = c_string(path) else { return Ok(Value::Null) };
    let path = if given.starts_with(b"$") {
        given.clone()
    } else {
        Cow::Owned(expand(&given, matches!(path, Value::Integer(_))))
    };
    match find(&blob, &path) {
        Ok(found) if JSON => give::<false>(around, Cow::Borrowed(found.whole(&blob))),
        Ok(found) => match to_value::<false>(around, &blob, &found)? {
            // The text of a container is just text here.
            Value::Text(text) => Ok(Value::Text(text.marked_json(false))),
            value => Ok(value),
        },
        Err(Miss::NotFound) => Ok(Value::Null),
        Err(miss) => Err(miss.error(&given)),
    }
}
