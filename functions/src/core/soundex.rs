//! `soundex`: how an English name sounds, as a letter and three digits.

use heddle_value::utf8::until_nul;
use heddle_value::{Collation, Value};

use crate::arguments::text_argument;
use crate::{Result, Surroundings};

/// The group of consonants that a letter is in; `None` for vowels and what is no letter.
fn group(byte: u8) -> Option<u8> {
    match (byte & 0x7f).to_ascii_lowercase() {
        b'b' | b'f' | b'p' | b'v' => Some(b'1'),
        b'c' | b'g' | b'j' | b'k' | b'q' | b's' | b'x' | b'z' => Some(b'2'),
        b'd' | b't' => Some(b'3'),
        b'l' => Some(b'4'),
        b'm' | b'n' => Some(b'5'),
        b'r' => Some(b'6'),
        _ => None,
    }
}

/// `soundex(X)`: `?000` where there is no letter.
pub(super) fn soundex(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let text = text_argument(args, 0);
    let text = text.as_ref().map(|t| until_nul(t.as_bytes())).unwrap_or_default();
    let start = text.iter().position(u8::is_ascii_alphabetic).unwrap_or(text.len());
    let rest = text.get(start..).unwrap_or_default();
    let Some(first) = rest.first() else { return Ok(Value::text("?000")) };
    let mut code = vec![first.to_ascii_uppercase()];
    let mut last = group(*first);
    for byte in rest {
        let group = group(*byte);
        if let Some(digit) = group
            && group != last
        {
            code.push(digit);
        }
        if code.len() == 4 {
            break;
        }
        last = group;
    }
    code.resize(4, b'0');
    Ok(Value::text(code))
}
