//! Literals: numbers, strings, blobs.

use heddle_value::Value;

use super::name::unquoted;
use crate::{Error, Result};

/// A number as written, negated if a minus stands before it: only so the smallest integer can be written.
///
/// # Errors
/// `hex literal too big`.
pub(super) fn number(text: &str, negative: bool) -> Result<Value> {
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let hex = hex.trim_start_matches('0');
        if hex.len() > 16 {
            let sign = if negative { "-" } else { "" };
            return Err(Error::sql(format!("hex literal too big: {sign}{text}")));
        }
        let bits =
            if hex.is_empty() { 0 } else { u64::from_str_radix(hex, 16).unwrap_or_default() };
        let value = bits as i64;
        return Ok(Value::Integer(if negative { value.wrapping_neg() } else { value }));
    }
    let signed = if negative { format!("-{digits}") } else { digits };
    if let Ok(integer) = signed.parse::<i64>() {
        return Ok(Value::Integer(integer));
    }
    Ok(Value::real(signed.parse::<f64>().unwrap_or_default()))
}

/// A string with its quotes.
pub(super) fn string(text: &str) -> Value {
    Value::text(unquoted(text).as_bytes())
}

/// A blob's hexadecimal digits.
pub(super) fn blob(digits: &str) -> Value {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
    let bytes: Vec<u8> = digits
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect();
    Value::blob(bytes)
}
