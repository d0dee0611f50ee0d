//! Blobs: hexadecimal digits, and zeros.

use heddle_value::utf8::{next_char, until_nul};
use heddle_value::{Blob, Collation, Value};

use crate::arguments::{argument, check_length, text_argument, text_result};
use crate::{FunctionError, Result, Surroundings};

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// Appends the digits of bytes.
pub(super) fn push_hex(text: &mut Vec<u8>, bytes: &[u8]) {
    text.reserve(bytes.len() * 2);
    for byte in bytes {
        // Both are below 16.
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// `hex(X)`: of the bytes of X as a blob.
pub(super) fn hex(around: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let blob = argument(args, 0).to_blob();
    check_length(around, blob.len().saturating_mul(2))?;
    let mut text = Vec::new();
    push_hex(&mut text, blob.as_bytes());
    text_result(around, text)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|d| d as u8)
}

/// `unhex(X, Y)`: the blob whose digits X is, with characters of Y between the bytes; NULL if X is none.
pub(super) fn unhex(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let Some(text) = text_argument(args, 0) else { return Ok(Value::Null) };
    let passed = match (args.len(), text_argument(args, 1)) {
        (2, None) => return Ok(Value::Null),
        (_, passed) => passed,
    };
    let passed = passed.as_ref().map(|p| p.as_bytes()).unwrap_or_default();
    Ok(decode(until_nul(text.as_bytes()), passed)
        .map_or(Value::Null, |b| Value::Blob(Blob::from(b))))
}

fn decode(mut text: &[u8], passed: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    while let Some((&first, rest)) = text.split_first() {
        if let Some(high) = digit(first) {
            let (&second, rest) = rest.split_first()?;
            bytes.push(high << 4 | digit(second)?);
            text = rest;
        } else {
            let (code, rest) = next_char(text)?;
            let mut allowed = passed;
            loop {
                let (other, after) = next_char(allowed)?;
                if other == code {
                    break;
                }
                allowed = after;
            }
            text = rest;
        }
    }
    Some(bytes)
}

/// `zeroblob(N)`: N zeros.
pub(super) fn zeroblob(
    around: &mut dyn Surroundings,
    _: &Collation,
    args: &[Value],
) -> Result<Value> {
    let count = usize::try_from(argument(args, 0).as_integer_lossy().max(0));
    let count = count.map_err(|_| FunctionError::TooBig)?;
    check_length(around, count)?;
    Ok(Value::Blob(Blob::from(vec![0; count])))
}
