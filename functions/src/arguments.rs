//! What most functions do first with their arguments and last with their results.
//!
//! Used by all families.

use heddle_value::number::parse_number;
use heddle_value::{Text, Value};

use crate::{FunctionError, Result, Surroundings};

static NULL: Value = Value::Null;

/// An argument; NULL if it is not there.
pub(crate) fn argument(arguments: &[Value], index: usize) -> &Value {
    arguments.get(index).unwrap_or(&NULL)
}

/// An argument as text; `None` for NULL.
pub(crate) fn text_argument(arguments: &[Value], index: usize) -> Option<Text> {
    text_of(argument(arguments, index))
}

/// A value as text; `None` for NULL.
pub(crate) fn text_of(value: &Value) -> Option<Text> {
    if value.is_null() { None } else { Some(value.to_text()) }
}

/// A value as a number if it is one or a text that is nothing else; `None` otherwise, so for every blob.
pub(crate) fn numeric(value: &Value) -> Option<Value> {
    match value {
        Value::Integer(_) | Value::Real(_) => Some(value.clone()),
        Value::Text(text) => parse_number(text.as_bytes()),
        Value::Null | Value::Blob(_) => None,
    }
}

/// Refuses a length over the limit.
pub(crate) fn check_length(around: &dyn Surroundings, length: usize) -> Result<()> {
    if length > around.max_length() { Err(FunctionError::TooBig) } else { Ok(()) }
}

/// A text as a result, unless it is too long.
pub(crate) fn text_result(around: &dyn Surroundings, bytes: Vec<u8>) -> Result<Value> {
    check_length(around, bytes.len())?;
    Ok(Value::Text(Text::from(bytes)))
}
