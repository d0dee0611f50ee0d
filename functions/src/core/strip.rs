//! `trim`, `ltrim` and `rtrim`.

use heddle_value::utf8::{char_len, until_nul};
use heddle_value::{Collation, Text, Value};

use crate::arguments::text_argument;
use crate::{Result, Surroundings};

/// `trim(X, Y)`.
pub(super) fn trim(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    Ok(strip(args, true, true))
}

/// `ltrim(X, Y)`.
pub(super) fn ltrim(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    Ok(strip(args, true, false))
}

/// `rtrim(X, Y)`.
pub(super) fn rtrim(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    Ok(strip(args, false, true))
}

/// X without the characters of Y, or spaces, at its ends.
fn strip(args: &[Value], left: bool, right: bool) -> Value {
    let Some(text) = text_argument(args, 0) else { return Value::Null };
    let set = match args.get(1) {
        None => Text::from(" "),
        Some(Value::Null) => return Value::Null,
        Some(set) => set.to_text(),
    };
    let mut chars = Vec::new();
    let mut rest = until_nul(set.as_bytes());
    while !rest.is_empty() {
        let (char, after) = rest.split_at(char_len(rest).min(rest.len()));
        chars.push(char);
        rest = after;
    }
    let mut kept = text.as_bytes();
    while left
        && !kept.is_empty()
        && let Some(after) = chars.iter().find_map(|c| kept.strip_prefix(*c))
    {
        kept = after;
    }
    while right
        && !kept.is_empty()
        && let Some(before) = chars.iter().find_map(|c| kept.strip_suffix(*c))
    {
        kept = before;
    }
    if kept.len() == text.len() { Value::Text(text.marked_json(false)) } else { Value::text(kept) }
}
