//! Texts: their length, their parts, and what is made of several.
//!
//! # Invariant
//! - T1: most functions see a text up to its first NUL; `octet_length`, `upper`, `lower`, `replace`, `instr` and `concat` see all.

use heddle_value::utf8::{count_chars, until_nul};
use heddle_value::{Collation, Text, Value};

use crate::arguments::{argument, check_length, text_argument, text_of, text_result};
use crate::{Result, Surroundings};

/// How many bytes at the beginning continue a character.
fn continuation(text: &[u8]) -> usize {
    text.iter().take_while(|&&b| b & 0xc0 == 0x80).count()
}

/// The text after its first character: where it is not UTF-8, a byte over 0x7f takes all continuation bytes that follow, unlike
/// elsewhere, where a continuation byte on its own takes none.
fn after_char(text: &[u8]) -> &[u8] {
    let length = match text.split_first() {
        None => 0,
        Some((0..=0x7f, _)) => 1,
        Some((_, rest)) => 1 + continuation(rest),
    };
    text.get(length..).unwrap_or_default()
}

/// `length(X)`: characters of a text, bytes of a blob or of a number's text.
pub(super) fn length(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let length = match argument(args, 0) {
        Value::Null => return Ok(Value::Null),
        Value::Blob(blob) => blob.len(),
        Value::Text(text) => {
            let mut rest = until_nul(text.as_bytes());
            if rest.is_ascii() {
                rest.len()
            } else {
                let mut count = 0;
                while !rest.is_empty() {
                    rest = after_char(rest);
                    count += 1;
                }
                count
            }
        }
        number => number.to_text().len(),
    };
    Ok(Value::Integer(length as i64))
}

/// `octet_length(X)`: bytes.
pub(super) fn octet_length(
    _: &mut dyn Surroundings,
    _: &Collation,
    args: &[Value],
) -> Result<Value> {
    let value = argument(args, 0);
    if value.is_null() { Ok(Value::Null) } else { Ok(Value::Integer(value.to_text().len() as i64)) }
}

fn with_bytes(args: &[Value], change: fn(&[u8]) -> Vec<u8>) -> Value {
    text_argument(args, 0).map_or(Value::Null, |t| Value::Text(Text::from(change(t.as_bytes()))))
}

/// `upper(X)`: ASCII letters only.
pub(super) fn upper(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    Ok(with_bytes(args, <[u8]>::to_ascii_uppercase))
}

/// `lower(X)`: ASCII letters only.
pub(super) fn lower(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    Ok(with_bytes(args, <[u8]>::to_ascii_lowercase))
}

/// `instr(X, Y)`: where Y first is in X, counted from 1; in bytes if both are blobs, in characters otherwise; 0 if nowhere.
pub(super) fn instr(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let (Some(text), Some(wanted)) = (text_argument(args, 0), text_argument(args, 1)) else {
        return Ok(Value::Null);
    };
    let bytes = args.iter().all(|v| matches!(v, Value::Blob(_)));
    let (mut rest, wanted) = (text.as_bytes(), wanted.as_bytes());
    let mut place = 1;
    while wanted.len() <= rest.len() && !rest.starts_with(wanted) {
        let after = rest.get(1..).unwrap_or_default();
        let skip = if bytes { 0 } else { continuation(after) };
        rest = after.get(skip..).unwrap_or_default();
        place += 1;
    }
    Ok(Value::Integer(if wanted.len() > rest.len() { 0 } else { place }))
}

/// Where `substr(X, from, count)` begins, counted from 0, and how much it takes.
fn window(mut from: i64, mut count: i64, length: i64) -> (u64, u64) {
    if from < 0 {
        from += length;
        if from < 0 {
            count = if count < 0 { 0 } else { count + from };
            from = 0;
        }
    } else if from > 0 {
        from -= 1;
    } else if count > 0 {
        // The place 0 is one before the first.
        count -= 1;
    }
    if count < 0 {
        // So many before the place; no more than there are.
        count = if count < -from { from } else { -count };
        from -= count;
    }
    (from as u64, count as u64)
}

/// `substr(X, FROM, COUNT)`: characters of a text, bytes of a blob.
pub(super) fn substr(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let Some(text) = text_argument(args, 0) else { return Ok(Value::Null) };
    if args.iter().any(Value::is_null) {
        return Ok(Value::Null);
    }
    let from = argument(args, 1).as_integer_lossy();
    let count = args.get(2).map_or(i64::MAX, Value::as_integer_lossy);
    if let Value::Blob(blob) = argument(args, 0) {
        let bytes = blob.as_bytes();
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        let (from, count) = window(from, count, bytes.len() as i64);
        let from = (from as usize).min(bytes.len());
        let end = from.saturating_add(count as usize).min(bytes.len());
        return Ok(Value::blob(bytes.get(from..end).unwrap_or_default()));
    }
    let mut rest = until_nul(text.as_bytes());
    let length = if from < 0 { count_chars(rest) as i64 } else { 0 };
    let (from, count) = window(from, count, length);
    for _ in 0..from {
        if rest.is_empty() {
            break;
        }
        rest = after_char(rest);
    }
    let mut end = rest;
    for _ in 0..count {
        if end.is_empty() {
            break;
        }
        end = after_char(end);
    }
    Ok(Value::text(rest.get(..rest.len() - end.len()).unwrap_or_default()))
}

/// `replace(X, Y, Z)`: X with Z for each Y.
pub(super) fn replace(
    around: &mut dyn Surroundings,
    _: &Collation,
    args: &[Value],
) -> Result<Value> {
    let (Some(text), Some(old)) = (text_argument(args, 0), text_argument(args, 1)) else {
        return Ok(Value::Null);
    };
    let (bytes, old) = (text.as_bytes(), old.as_bytes());
    if until_nul(old).is_empty() {
        return Ok(Value::Text(text.marked_json(false)));
    }
    let Some(new) = text_argument(args, 2) else { return Ok(Value::Null) };
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(old) {
            out.extend(new.as_bytes());
            // Not at the end only: a short X can make a result that no memory holds.
            check_length(around, out.len())?;
            rest = after;
        } else {
            out.push(first);
            rest = after;
        }
    }
    text_result(around, out)
}

fn joined(around: &dyn Surroundings, separator: &[u8], args: &[Value]) -> Result<Value> {
    let mut out = Vec::new();
    for (index, text) in args.iter().filter_map(text_of).enumerate() {
        if index > 0 {
            out.extend(separator);
        }
        out.extend(text.as_bytes());
        check_length(around, out.len())?;
    }
    text_result(around, out)
}

/// `concat(X, ...)`: those that are not NULL, one after another.
pub(super) fn concat(
    around: &mut dyn Surroundings,
    _: &Collation,
    args: &[Value],
) -> Result<Value> {
    joined(around, b"", args)
}

/// `concat_ws(SEPARATOR, X, ...)`: those that are not NULL, with the separator between them.
pub(super) fn concat_ws(
    around: &mut dyn Surroundings,
    _: &Collation,
    args: &[Value],
) -> Result<Value> {
    let Some(separator) = text_argument(args, 0) else { return Ok(Value::Null) };
    joined(around, separator.as_bytes(), args.get(1..).unwrap_or_default())
}
