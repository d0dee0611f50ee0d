//! What JSON is: `json_type`, `json_array_length`, `json_valid`, `json_error_position`.

use heddle_value::{Collation, Value};

use super::argument::{c_string, document, failed, text};
use super::jsonb::{Kind, element, is_jsonb};
use super::parse::parse;
use super::path::{Miss, count, find};
use super::validate::first_error;
use crate::{Result, ScalarFunction, Surroundings};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("json_type", 1, Some(2), json_type),
    ScalarFunction::new("json_array_length", 1, Some(2), array_length),
    ScalarFunction::new("json_valid", 1, Some(2), valid),
    ScalarFunction::new("json_error_position", 1, Some(1), error_position),
];

/// The element of the document in the first argument to which the path in the second leads: its kind and number of elements.
fn look(arguments: &[Value]) -> Result<Option<(Kind, u64)>> {
    let [json, path @ ..] = arguments else { return Ok(None) };
    let Some(blob) = document(json)? else { return Ok(None) };
    let found = match path.first() {
        None => element(&blob, 0)?,
        Some(path) => {
            let Some(path) = c_string(path) else { return Ok(None) };
            match find(&blob, &path) {
                Err(Miss::NotFound) => return Ok(None),
                found => found.map_err(|miss| miss.error(&path))?,
            }
        }
    };
    let count = if found.kind == Kind::Array { count(&blob, &found) } else { 0 };
    Ok(Some((found.kind, count)))
}

fn json_type(_: &mut dyn Surroundings, _: &Collation, arguments: &[Value]) -> Result<Value> {
    let found = look(arguments)?;
    Ok(found.map_or(Value::Null, |(kind, _)| Value::text(kind.name())))
}

fn array_length(_: &mut dyn Surroundings, _: &Collation, arguments: &[Value]) -> Result<Value> {
    let found = look(arguments)?;
    Ok(found.map_or(Value::Null, |(_, count)| Value::Integer(count as i64)))
}

/// Flag 1: text by RFC 8259; 2: text, JSON5 too; 4: a blob that looks like JSONB; 8: one that is.
fn valid(_: &mut dyn Surroundings, _: &Collation, arguments: &[Value]) -> Result<Value> {
    let flags = arguments.get(1).map_or(1, Value::as_integer_lossy);
    if !(1..=15).contains(&flags) {
        return failed("FLAGS parameter to json_valid() must be between 1 and 15");
    }
    let has = |flag: i64| flags & flag != 0;
    let json = arguments.first().unwrap_or(&Value::Null);
    if let Value::Blob(blob) = json
        && is_jsonb(blob.as_bytes())
    {
        return Ok((has(4) || has(8) && first_error(blob.as_bytes()).is_none()).into());
    }
    let Some(text) = text(json) else { return Ok(Value::Null) };
    let valid = (has(1) || has(2)) && parse(&text).is_ok_and(|parsed| has(2) || parsed.standard);
    Ok(valid.into())
}

/// The first error's place, in characters of a text or bytes of JSONB, counted from 1.
fn error_position(_: &mut dyn Surroundings, _: &Collation, arguments: &[Value]) -> Result<Value> {
    let json = arguments.first().unwrap_or(&Value::Null);
    if let Value::Blob(blob) = json
        && is_jsonb(blob.as_bytes())
    {
        return Ok(Value::Integer(first_error(blob.as_bytes()).unwrap_or(0) as i64));
    }
    let Some(text) = text(json) else { return Ok(Value::Null) };
    let Err(at) = parse(&text) else { return Ok(Value::Integer(0)) };
    let characters = text.iter().take(at).filter(|&b| b & 0xc0 != 0x80).count();
    Ok(Value::Integer(characters as i64 + 1))
}
