//! Values as literals of SQL.
//!
//! The quoting of texts is also that of `printf`'s `%q`, `%Q` and `%w`.

use heddle_value::number::{integer_to_text, real_to_text};
use heddle_value::utf8::until_nul;
use heddle_value::{Collation, Value};

use crate::arguments::{argument, text_result};
use crate::core::hexadecimal::push_hex;
use crate::{Result, Surroundings};

/// Appends a text with each `quote` in it doubled.
pub(crate) fn push_doubled(out: &mut Vec<u8>, text: &[u8], quote: u8) {
    for &byte in text {
        out.push(byte);
        if byte == quote {
            out.push(byte);
        }
    }
}

/// Appends a text as it stands between the quotes of `unistr('...')`: quotes and backslashes doubled, control characters as `\uXXXX`.
pub(crate) fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'\'' | b'\\' => out.extend([byte, byte]),
            0..=0x1f => out.extend(format!("\\u{byte:04x}").bytes()),
            _ => out.push(byte),
        }
    }
}

/// Whether a text needs `unistr` to be written without control characters.
pub(crate) fn has_controls(text: &[u8]) -> bool {
    text.iter().any(|&b| b <= 0x1f)
}

/// Appends a text as a literal.
pub(crate) fn push_literal(out: &mut Vec<u8>, text: &[u8], escape: bool) {
    if escape && has_controls(text) {
        out.extend(b"unistr('");
        push_escaped(out, text);
        out.extend(b"')");
    } else {
        out.push(b'\'');
        push_doubled(out, text, b'\'');
        out.push(b'\'');
    }
}

fn literal(value: &Value, escape: bool) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Value::Null => out.extend(b"NULL"),
        Value::Integer(v) => out.extend(integer_to_text(*v).as_bytes()),
        // A literal that no real can hold is read as infinity.
        Value::Real(v) if v.is_infinite() => {
            out.extend(if *v > 0.0 { b"9.0e+999".as_slice() } else { b"-9.0e+999" });
        }
        Value::Real(v) => out.extend(real_to_text(*v).as_bytes()),
        Value::Text(v) => push_literal(&mut out, until_nul(v.as_bytes()), escape),
        Value::Blob(v) => {
            out.extend(b"X'");
            push_hex(&mut out, v.as_bytes());
            out.push(b'\'');
        }
    }
    out
}

/// `quote(X)`.
pub(super) fn quote(around: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    text_result(around, literal(argument(args, 0), false))
}

/// `unistr_quote(X)`: control characters are escaped.
pub(super) fn unistr_quote(
    around: &mut dyn Surroundings,
    _: &Collation,
    args: &[Value],
) -> Result<Value> {
    text_result(around, literal(argument(args, 0), true))
}
