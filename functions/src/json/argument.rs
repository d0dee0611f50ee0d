//! Arguments of JSON functions as JSON, and their results as values.

use std::borrow::Cow;

use heddle_value::number::{parse_number, real_to_text};
use heddle_value::{Blob, Text, Value};

use super::escape::decode;
use super::jsonb::{Element, Kind, Trouble, is_jsonb, push};
use super::parse::parse;
use super::print::{print, quote};
use crate::{FunctionError, Result, Surroundings};

/// A message in SQLite's words.
pub(super) fn failed<T>(message: impl Into<String>) -> Result<T> {
    Err(FunctionError::Failed(message.into()))
}

/// The bytes of an argument as text; `None` for NULL.
pub(super) fn text(argument: &Value) -> Option<Cow<'_, [u8]>> {
    match argument {
        Value::Null => None,
        Value::Text(text) => Some(Cow::Borrowed(text.as_bytes())),
        Value::Blob(blob) => Some(Cow::Borrowed(blob.as_bytes())),
        number => Some(Cow::Owned(number.to_text().as_bytes().to_vec())),
    }
}

/// A text up to its first NUL, as SQLite reads names and paths.
pub(super) fn c_string(argument: &Value) -> Option<Cow<'_, [u8]>> {
    let cut = |bytes: &[u8]| bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    text(argument).map(|text| match text {
        Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(..cut(bytes)).unwrap_or_default()),
        Cow::Owned(mut bytes) => {
            bytes.truncate(cut(&bytes));
            Cow::Owned(bytes)
        }
    })
}

/// The document that an argument is, as JSONB: JSON text of any type, or JSONB as it is. `None` for NULL.
pub(super) fn document(argument: &Value) -> Result<Option<Cow<'_, [u8]>>> {
    if let Value::Blob(blob) = argument
        && is_jsonb(blob.as_bytes())
    {
        return Ok(Some(Cow::Borrowed(blob.as_bytes())));
    }
    let Some(text) = text(argument) else { return Ok(None) };
    let parsed = parse(&text).map_err(|_| Trouble::Malformed)?;
    Ok(Some(Cow::Owned(parsed.blob)))
}

const NO_BLOBS: &str = "JSON cannot hold BLOB values";

/// A value as an element of JSONB, to be put into a document.
pub(super) fn to_element(argument: &Value) -> Result<Cow<'_, [u8]>> {
    let mut out = Vec::new();
    match argument {
        Value::Null => out.push(Kind::Null as u8),
        Value::Integer(v) => push(&mut out, Kind::Int, v.to_string().as_bytes()),
        Value::Real(v) if v.is_infinite() => {
            let infinity: &[u8] = if *v < 0.0 { b"-9e999" } else { b"9e999" };
            push(&mut out, Kind::Float, infinity);
        }
        Value::Real(v) => push(&mut out, Kind::Float, real_to_text(*v).as_bytes()),
        Value::Text(text) if text.is_json() => {
            out = parse(text.as_bytes()).map_err(|_| Trouble::Malformed)?.blob;
        }
        Value::Text(text) => push(&mut out, Kind::TextRaw, text.as_bytes()),
        Value::Blob(blob) if is_jsonb(blob.as_bytes()) => {
            return Ok(Cow::Borrowed(blob.as_bytes()));
        }
        Value::Blob(_) => return failed(NO_BLOBS),
    }
    Ok(Cow::Owned(out))
}

/// Writes a value as JSON text.
pub(super) fn write(argument: &Value, out: &mut Vec<u8>) -> Result<()> {
    match argument {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Integer(v) => out.extend_from_slice(v.to_string().as_bytes()),
        Value::Real(v) if v.is_infinite() => {
            out.extend_from_slice(if *v < 0.0 { b"-9.0e+999" } else { b"9.0e+999" });
        }
        Value::Real(v) => out.extend_from_slice(real_to_text(*v).as_bytes()),
        Value::Text(text) if text.is_json() => out.extend_from_slice(text.as_bytes()),
        Value::Text(text) => quote(text.as_bytes(), out),
        Value::Blob(blob) if is_jsonb(blob.as_bytes()) => print(blob.as_bytes(), 0, out)?,
        Value::Blob(_) => return failed(NO_BLOBS),
    }
    Ok(())
}

fn fits(around: &dyn Surroundings, length: usize) -> Result<()> {
    if length > around.max_length() { Err(FunctionError::TooBig) } else { Ok(()) }
}

/// A text that is a result.
pub(super) fn plain_text(around: &dyn Surroundings, text: Vec<u8>) -> Result<Value> {
    fits(around, text.len())?;
    Ok(Value::Text(Text::from(text)))
}

/// A JSON text that is a result, marked as such.
pub(super) fn json_text(around: &dyn Surroundings, text: Vec<u8>) -> Result<Value> {
    fits(around, text.len())?;
    Ok(Value::Text(Text::from(text).marked_json(true)))
}

/// JSONB that is a result.
fn jsonb(around: &dyn Surroundings, blob: Cow<'_, [u8]>) -> Result<Value> {
    fits(around, blob.len())?;
    Ok(Value::Blob(match blob {
        Cow::Borrowed(bytes) => Blob::new(bytes),
        Cow::Owned(bytes) => Blob::from(bytes),
    }))
}

/// A document that is a result: JSONB, or text.
pub(super) fn give<const JSONB: bool>(
    around: &dyn Surroundings,
    blob: Cow<'_, [u8]>,
) -> Result<Value> {
    if JSONB {
        return jsonb(around, blob);
    }
    // Text is a little longer: quotes, commas and brackets are more than headers.
    let mut out = Vec::with_capacity(blob.len() + blob.len() / 2);
    print(&blob, 0, &mut out)?;
    json_text(around, out)
}

/// A JSON text just made that is a result: JSONB, or as it is. It is no JSON only where damaged JSONB went into it; SQLite then gives
/// the JSONB of what is before the error, which is damaged too.
pub(super) fn give_text<const JSONB: bool>(
    around: &dyn Surroundings,
    text: Vec<u8>,
) -> Result<Value> {
    if JSONB {
        let parsed = parse(&text).map_err(|_| Trouble::Malformed)?;
        return jsonb(around, Cow::Owned(parsed.blob));
    }
    json_text(around, text)
}

/// What an element is to SQL: a scalar of it, or for a container JSONB or text.
pub(super) fn to_value<const JSONB: bool>(
    around: &dyn Surroundings,
    blob: &[u8],
    found: &Element,
) -> Result<Value> {
    let payload = found.bytes(blob);
    let value = match found.kind {
        Kind::Null | Kind::True | Kind::False if !payload.is_empty() => None,
        Kind::Null => Some(Value::Null),
        Kind::True => Some(Value::Integer(1)),
        Kind::False => Some(Value::Integer(0)),
        Kind::Int | Kind::Int5 => integer(payload),
        Kind::Float | Kind::Float5 => real(payload),
        Kind::Text | Kind::TextRaw => Some(Value::text(payload)),
        Kind::TextJ | Kind::Text5 => Some(Value::Text(Text::from(decode(payload)))),
        Kind::Array | Kind::Object => {
            return give::<JSONB>(around, Cow::Borrowed(found.whole(blob)));
        }
    };
    let value = value.ok_or(Trouble::Malformed)?;
    if let Value::Text(text) = &value {
        fits(around, text.len())?;
    }
    Ok(value)
}

/// A number that is as it is written; `None` if it is none.
fn real(payload: &[u8]) -> Option<Value> {
    parse_number(payload).map(|number| Value::real(number.as_real_lossy()))
}

/// An integer in decimal or hexadecimal digits, or the real next to it where it is too large. Unlike in SQL a hexadecimal one never is
/// negative without a sign.
fn integer(payload: &[u8]) -> Option<Value> {
    let digits = payload.strip_prefix(b"-").unwrap_or(payload);
    let negative = digits.len() < payload.len();
    let hex = digits.strip_prefix(b"0x").or_else(|| digits.strip_prefix(b"0X"));
    let digits = std::str::from_utf8(hex.unwrap_or(digits)).ok()?;
    let radix = if hex.is_some() { 16 } else { 10 };
    if !digits.bytes().all(|b| char::from(b).is_digit(radix)) {
        return None;
    }
    let Ok(value) = u64::from_str_radix(digits, radix) else {
        return if hex.is_some() { None } else { real(payload) };
    };
    let signed = |real: f64| if negative { -real } else { real };
    Some(match i64::try_from(value) {
        Ok(value) => Value::Integer(if negative { -value } else { value }),
        Err(_) if negative && hex.is_none() && value == 1 << 63 => Value::Integer(i64::MIN),
        Err(_) if hex.is_some() => Value::Real(signed(value as f64)),
        Err(_) => real(payload)?,
    })
}
