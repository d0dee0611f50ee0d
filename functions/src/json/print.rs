//! JSONB to JSON text by RFC 8259, close together or laid out.
//!
//! JSONB that was not made by SQLite or by us may be malformed in ways that are not looked for here; then the text is no JSON.

use super::jsonb::{Element, Kind, MAX_DEPTH, Trouble, element};
use super::space::plain_length;

/// A container that is being written.
struct Open {
    end: usize,
    object: bool,
    /// How many labels and values were written.
    count: usize,
}

impl Open {
    fn of(found: &Element) -> Open {
        Open { end: found.end, object: found.kind == Kind::Object, count: 0 }
    }

    fn brackets(&self) -> (u8, u8) {
        if self.object { (b'{', b'}') } else { (b'[', b']') }
    }

    /// Whether it may end here.
    fn check_end(&self, at: usize) -> Result<(), Trouble> {
        let odd = self.object && self.count % 2 == 1;
        if at > self.end || odd { Err(Trouble::Malformed) } else { Ok(()) }
    }
}

/// Writes the element at `at`.
pub(super) fn print(blob: &[u8], at: usize, out: &mut Vec<u8>) -> Result<(), Trouble> {
    print_below(blob, at, 0, out)
}

/// Writes the element at `at`, which so many others enclose.
fn print_below(blob: &[u8], mut at: usize, depth: usize, out: &mut Vec<u8>) -> Result<(), Trouble> {
    let mut open: Vec<Open> = Vec::new();
    loop {
        let found = element(blob, at)?;
        if found.kind.is_container() {
            if depth + open.len() >= MAX_DEPTH {
                return Err(Trouble::TooDeep);
            }
            let container = Open::of(&found);
            out.push(container.brackets().0);
            open.push(container);
            at = found.payload;
        } else {
            scalar(blob, &found, out)?;
            at = found.end;
            if let Some(top) = open.last_mut() {
                top.count += 1;
            }
        }
        loop {
            let Some(top) = open.last() else { return Ok(()) };
            if at < top.end {
                if top.count > 0 {
                    out.push(if top.object && top.count % 2 == 1 { b':' } else { b',' });
                }
                break;
            }
            top.check_end(at)?;
            out.push(top.brackets().1);
            open.pop();
            if let Some(top) = open.last_mut() {
                top.count += 1;
            }
        }
    }
}

fn new_line(out: &mut Vec<u8>, indent: &[u8], depth: usize) {
    out.push(b'\n');
    for _ in 0..depth {
        out.extend_from_slice(indent);
    }
}

/// Writes a document with each element and member on a line of its own. `most` is the length after which there is no use in going on.
pub(super) fn print_pretty(
    blob: &[u8],
    indent: &[u8],
    most: usize,
    out: &mut Vec<u8>,
) -> Result<(), Trouble> {
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while out.len() <= most {
        let found = element(blob, at)?;
        let label = open.last().is_some_and(|top| top.object && top.count % 2 == 0);
        if found.kind.is_container() && !label && found.end > found.payload {
            let container = Open::of(&found);
            out.push(container.brackets().0);
            open.push(container);
            if open.len() >= MAX_DEPTH {
                return Err(Trouble::TooDeep);
            }
            at = found.payload;
        } else {
            print_below(blob, at, open.len(), out)?;
            at = found.end;
            if let Some(top) = open.last_mut() {
                top.count += 1;
            }
        }
        loop {
            let depth = open.len();
            let Some(top) = open.last() else { return Ok(()) };
            if at < top.end {
                if top.object && top.count % 2 == 1 {
                    out.extend_from_slice(b": ");
                } else {
                    if top.count > 0 {
                        out.push(b',');
                    }
                    new_line(out, indent, depth);
                }
                break;
            }
            top.check_end(at)?;
            let closing = top.brackets().1;
            new_line(out, indent, depth - 1);
            out.push(closing);
            open.pop();
            if let Some(top) = open.last_mut() {
                top.count += 1;
            }
        }
    }
    Ok(())
}

fn scalar(blob: &[u8], found: &Element, out: &mut Vec<u8>) -> Result<(), Trouble> {
    let payload = found.bytes(blob);
    match found.kind {
        Kind::Null => out.extend_from_slice(b"null"),
        Kind::True => out.extend_from_slice(b"true"),
        Kind::False => out.extend_from_slice(b"false"),
        _ if payload.is_empty() && !found.kind.is_text() => return Err(Trouble::Malformed),
        Kind::Int | Kind::Float => out.extend_from_slice(payload),
        Kind::Int5 => return hexadecimal(payload, out),
        Kind::Float5 => return float(payload, out),
        Kind::Text | Kind::TextJ => {
            out.push(b'"');
            out.extend_from_slice(payload);
            out.push(b'"');
        }
        Kind::Text5 => return escaped(payload, out),
        Kind::TextRaw => quote(payload, out),
        // The caller writes these.
        Kind::Array | Kind::Object => return Err(Trouble::Malformed),
    }
    Ok(())
}

/// A hexadecimal integer in decimal digits; over 64 bits, an infinity.
fn hexadecimal(payload: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
    let signed = matches!(payload.first(), Some(b'-' | b'+'));
    if payload.first() == Some(&b'-') {
        out.push(b'-');
    }
    let mut value = Some(0_u64);
    for &digit in payload.iter().skip(2 + usize::from(signed)) {
        let digit = char::from(digit).to_digit(16).ok_or(Trouble::Malformed)?;
        value = value.and_then(|v| v.checked_mul(16)).map(|v| v | u64::from(digit));
    }
    match value {
        Some(value) => out.extend_from_slice(value.to_string().as_bytes()),
        None => out.extend_from_slice(b"9.0e999"),
    }
    Ok(())
}

/// A float with a zero where JSON5 needs no digit.
fn float(payload: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
    let digits = payload.strip_prefix(b"-");
    if digits.is_some() {
        out.push(b'-');
    }
    let digits = digits.unwrap_or(payload);
    if digits.is_empty() {
        return Err(Trouble::Malformed);
    }
    if digits.first() == Some(&b'.') {
        out.push(b'0');
    }
    for (n, &digit) in digits.iter().enumerate() {
        out.push(digit);
        if digit == b'.' && !digits.get(n + 1).is_some_and(u8::is_ascii_digit) {
            out.push(b'0');
        }
    }
    Ok(())
}

/// A text with escapes of JSON5: those that RFC 8259 does not know are written as it has them.
fn escaped(payload: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
    out.push(b'"');
    let mut rest = payload;
    while let Some(&first) = rest.first() {
        let plain = plain_length(rest);
        let (written, taken): (&[u8], usize) = match rest {
            _ if plain > 0 => (rest.get(..plain).unwrap_or_default(), plain),
            [b'"', ..] => (b"\\\"", 1),
            [b'\'', ..] => (b"'", 1),
            [0..=0x1f, ..] => {
                control(first, out);
                (b"", 1)
            }
            [b'\\', b'\'', ..] => (b"'", 2),
            [b'\\', b'v', ..] => (b"\\u000b", 2),
            [b'\\', b'0', ..] => (b"\\u0000", 2),
            [b'\\', b'x', high, low, ..] => {
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', *high, *low]);
                (b"", 4)
            }
            [b'\\', b'\r', b'\n', ..] => (b"", 3),
            [b'\\', b'\r' | b'\n', ..] => (b"", 2),
            [b'\\', 0xe2, 0x80, 0xa8 | 0xa9, ..] => (b"", 4),
            [b'\\'] | [b'\\', b'x' | 0xe2, ..] => return Err(Trouble::Malformed),
            _ => (rest.get(..2).unwrap_or_default(), 2),
        };
        out.extend_from_slice(written);
        rest = rest.get(taken..).unwrap_or_default();
    }
    out.push(b'"');
    Ok(())
}

/// A control character's escape.
fn control(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// A text of SQL as a string of JSON.
pub(super) fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    loop {
        let plain = plain_length(rest);
        out.extend_from_slice(rest.get(..plain).unwrap_or_default());
        rest = rest.get(plain..).unwrap_or_default();
        let Some((&first, more)) = rest.split_first() else { break };
        match first {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', first]),
            0..=0x1f => control(first, out),
            _ => out.push(first),
        }
        rest = more;
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_must_be_is_escaped() {
        for text in ["", "abc", "\u{e9}\u{7f}"] {
            let mut out = Vec::new();
            quote(text.as_bytes(), &mut out);
            assert_eq!(out, format!("\"{text}\"").as_bytes());
        }
        let mut out = Vec::new();
        quote(b"'\"\\\n\x01", &mut out);
        assert_eq!(out, br#""'\"\\\n\u0001""#);
    }
}
