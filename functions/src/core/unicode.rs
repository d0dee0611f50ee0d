//! Characters by their numbers: `char`, `unicode`, `unistr`.
//!
//! # Invariant
//! - C1: a surrogate is written in three bytes as any other number of its size, as SQLite does, though that is no UTF-8.

use heddle_value::utf8::{next_char, until_nul};
use heddle_value::{Collation, Text, Value};

use crate::arguments::{text_argument, text_result};
use crate::{FunctionError, Result, Surroundings};

/// Appends a character (C1); of numbers over 21 bits the lower ones count.
fn push_code(text: &mut Vec<u8>, code: u32) {
    let tail = |shift: u32| 0x80 | (code >> shift & 0x3f) as u8;
    match code {
        0..0x80 => text.push(code as u8),
        0x80..0x800 => text.extend([0xc0 | (code >> 6) as u8, tail(0)]),
        0x800..0x1_0000 => text.extend([0xe0 | (code >> 12) as u8, tail(6), tail(0)]),
        _ => text.extend([0xf0 | (code >> 18 & 7) as u8, tail(12), tail(6), tail(0)]),
    }
}

/// `char(X, ...)`: U+FFFD for what is no character's number.
pub(super) fn char(around: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let mut text = Vec::with_capacity(args.len());
    for value in args {
        let code = value.as_integer_lossy();
        push_code(&mut text, if (0..=0x10_ffff).contains(&code) { code as u32 } else { 0xfffd });
    }
    text_result(around, text)
}

/// `unicode(X)`: the number of the first character.
pub(super) fn unicode(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let text = text_argument(args, 0);
    let text = text.as_ref().map(|t| until_nul(t.as_bytes())).unwrap_or_default();
    // A malformed character can have any 32 bits, which SQLite takes for signed.
    Ok(next_char(text).map_or(Value::Null, |(code, _)| Value::Integer(i64::from(code as i32))))
}

/// `unistr(X)`: with `\XXXX`, `\+XXXXXX`, `\uXXXX` and `\UXXXXXXXX` made into characters and `\\` into one backslash.
pub(super) fn unistr(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let Some(text) = text_argument(args, 0) else { return Ok(Value::Null) };
    let failed = || FunctionError::Failed("invalid Unicode escape".into());
    let all = text.as_bytes();
    // What comes after a NUL stays as it is.
    let (mut rest, tail) = all.split_at(until_nul(all).len());
    let mut out = Vec::with_capacity(all.len());
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'\\' {
            out.push(byte);
            rest = after;
            continue;
        }
        let (skip, digits) = match after.first() {
            Some(b'\\') => {
                out.push(b'\\');
                rest = after.get(1..).unwrap_or_default();
                continue;
            }
            Some(b'+') => (1, 6),
            Some(b'u') => (1, 4),
            Some(b'U') => (1, 8),
            _ => (0, 4),
        };
        let code = after.get(skip..skip + digits).ok_or_else(failed)?;
        if !code.iter().all(u8::is_ascii_hexdigit) {
            return Err(failed());
        }
        let code = std::str::from_utf8(code).ok().and_then(|c| u32::from_str_radix(c, 16).ok());
        push_code(&mut out, code.ok_or_else(failed)?);
        rest = after.get(skip + digits..).unwrap_or_default();
    }
    out.extend(tail);
    Ok(Value::Text(Text::from(out)))
}
