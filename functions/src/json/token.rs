//! The scalars of JSON text: strings, numbers and words.
//!
//! Each function here takes the text and the place where its scalar begins. An error is the place that `json_error_position` tells.

use super::jsonb::Kind;
use super::space::{byte, has_hex, is_separator, plain_length};

/// A scalar as it goes into JSONB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) payload: &'t [u8],
    /// What comes after it in the text.
    pub(super) end: usize,
    /// Whether RFC 8259 knows it.
    pub(super) standard: bool,
}

/// A scalar, or the place of its error.
pub(super) type Scalar<'t> = Result<Token<'t>, usize>;

/// What an escape is.
enum Escape {
    Standard,
    Five,
}

/// A string in quotes of either sort.
#[inline]
pub(super) fn string(text: &[u8], at: usize) -> Scalar<'_> {
    let quote = byte(text, at);
    let mut standard = quote == b'"';
    let mut kind = Kind::Text;
    let mut end = at + 1;
    loop {
        end += plain_length(text.get(end..).unwrap_or_default());
        match byte(text, end) {
            c if c == quote => break,
            b'\\' => {
                end += 1;
                match escape(text, end).ok_or(end)? {
                    Escape::Standard if kind == Kind::Text => kind = Kind::TextJ,
                    Escape::Standard => {}
                    Escape::Five => (kind, standard) = (Kind::Text5, false),
                }
                if byte(text, end) == b'\r' && byte(text, end + 1) == b'\n' {
                    end += 1;
                }
            }
            0 => return Err(end),
            // JSON5 lets control characters be, and a quote in quotes of the other sort.
            0x01..=0x1f => (kind, standard) = (Kind::Text5, false),
            b'"' => kind = Kind::Text5,
            _ => {}
        }
        end += 1;
    }
    let payload = text.get(at + 1..end).unwrap_or_default();
    Ok(Token { kind, payload, end: end + 1, standard })
}

/// What the escape is whose backslash is before this place.
fn escape(text: &[u8], at: usize) -> Option<Escape> {
    match byte(text, at) {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(Escape::Standard),
        b'u' if has_hex(text, at + 1, 4) => Some(Escape::Standard),
        b'\'' | b'v' | b'\n' | b'\r' => Some(Escape::Five),
        b'0' if !byte(text, at + 1).is_ascii_digit() => Some(Escape::Five),
        b'x' if has_hex(text, at + 1, 2) => Some(Escape::Five),
        0xe2 if is_separator(text.get(at..).unwrap_or_default()) => Some(Escape::Five),
        _ => None,
    }
}

/// Whether this word stands here, its ASCII letters in any case.
fn is_word(text: &[u8], at: usize, word: &str) -> bool {
    text.get(at..at + word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word.as_bytes()))
}

/// A number, also one with a sign or point first; the words for infinity after a sign.
#[inline]
pub(super) fn number(text: &[u8], at: usize) -> Scalar<'_> {
    let first = byte(text, at);
    let signed = matches!(first, b'+' | b'-');
    let from = if first == b'+' { at + 1 } else { at };
    let digits = at + usize::from(signed);
    let token = |kind, end, standard| {
        let payload = text.get(from..end).unwrap_or_default();
        Ok(Token { kind, payload, end, standard: standard && first != b'+' })
    };
    if first == b'.' && !byte(text, at + 1).is_ascii_digit() {
        return Err(at);
    }
    if signed && !byte(text, digits).is_ascii_digit() {
        if is_word(text, digits, "inf") {
            return Ok(infinity(text, digits, first == b'-'));
        }
        if byte(text, digits) != b'.' {
            return Err(at);
        }
    }
    if byte(text, digits) == b'0' {
        let next = byte(text, digits + 1);
        if next.is_ascii_digit() {
            return Err(at + 1);
        }
        if matches!(next, b'x' | b'X') && has_hex(text, digits + 2, 1) {
            let rest = text.get(digits + 2..).unwrap_or_default();
            let count = rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
            return token(Kind::Int5, digits + 2 + count, false);
        }
    }
    let (end, float, five) = decimal(text, at)?;
    let kind = match (float, five) {
        (false, false) => Kind::Int,
        (false, true) => Kind::Int5,
        (true, false) => Kind::Float,
        (true, true) => Kind::Float5,
    };
    token(kind, end, !five)
}

/// The word for infinity that stands after a sign.
fn infinity(text: &[u8], at: usize, negative: bool) -> Token<'static> {
    let end = at + if is_word(text, at, "infinity") { 8 } else { 3 };
    let payload: &[u8] = if negative { b"-9e999" } else { b"9e999" };
    Token { kind: Kind::Float, payload, end, standard: false }
}

/// The rest of a decimal number from its first byte on: its end, whether it is a float, and whether only JSON5 knows it.
fn decimal(text: &[u8], at: usize) -> Result<(usize, bool, bool), usize> {
    let mut float = byte(text, at) == b'.';
    let mut five = float || byte(text, at + 1) == b'.' && !byte(text, at).is_ascii_digit();
    let mut exponent = false;
    let mut end = at + 1;
    // A point must have a digit on one side at least, and has one before it if none is after.
    let bare_point = |end: usize| match byte(text, end - 1) {
        b'.' if end >= at + 2 && byte(text, end - 2).is_ascii_digit() => Ok(true),
        b'0'.. => Ok(false),
        _ => Err(end),
    };
    loop {
        match byte(text, end) {
            b'0'..=b'9' => {}
            b'.' if float => return Err(end),
            b'.' => float = true,
            b'e' | b'E' => {
                five |= bare_point(end)?;
                if exponent {
                    return Err(end);
                }
                (float, exponent) = (true, true);
                if matches!(byte(text, end + 1), b'+' | b'-') {
                    end += 1;
                }
                if !byte(text, end + 1).is_ascii_digit() {
                    return Err(end);
                }
            }
            _ => break,
        }
        end += 1;
    }
    five |= bare_point(end)?;
    Ok((end, float, five))
}

/// `true`, `false`, `null`, and the names of infinity and of no number at all that SQLite takes in any case.
pub(super) fn word(text: &[u8], at: usize) -> Scalar<'_> {
    const EXACT: [(&str, Kind); 3] =
        [("true", Kind::True), ("false", Kind::False), ("null", Kind::Null)];
    const NAMES: [(&str, Kind, &[u8]); 5] = [
        ("inf", Kind::Float, b"9e999"),
        ("infinity", Kind::Float, b"9e999"),
        ("nan", Kind::Null, b""),
        ("qnan", Kind::Null, b""),
        ("snan", Kind::Null, b""),
    ];
    let ends = |word: &str| !byte(text, at + word.len()).is_ascii_alphanumeric();
    let rest = text.get(at..).unwrap_or_default();
    for (word, kind) in EXACT {
        if rest.starts_with(word.as_bytes()) && ends(word) {
            return Ok(Token { kind, payload: b"", end: at + word.len(), standard: true });
        }
    }
    for (word, kind, payload) in NAMES {
        if is_word(text, at, word) && ends(word) {
            return Ok(Token { kind, payload, end: at + word.len(), standard: false });
        }
    }
    Err(at)
}

/// A label without quotes; `None` if none is here.
pub(super) fn bare_label(text: &[u8], at: usize) -> Option<Token<'_>> {
    let is_escape = |at: usize| {
        byte(text, at) == b'\\' && byte(text, at + 1) == b'u' && has_hex(text, at + 2, 4)
    };
    let is_first = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b'$' | 0x80..);
    let is_more = |at: usize| {
        let b = byte(text, at);
        (is_first(b) || b.is_ascii_digit()) && super::space::skip(text, at) == at
    };
    let mut escaped = is_escape(at);
    if !escaped && !is_first(byte(text, at)) {
        return None;
    }
    let mut end = at + 1;
    loop {
        if is_escape(end) {
            escaped = true;
        } else if !is_more(end) {
            break;
        }
        end += 1;
    }
    let kind = if escaped { Kind::TextJ } else { Kind::Text };
    Some(Token { kind, payload: text.get(at..end).unwrap_or_default(), end, standard: false })
}
