//! Escapes in JSON text: what they stand for, and labels compared by what they stand for.

use super::space::byte;

/// What an escape that means nothing stands for; no character has this number here.
pub(super) const INVALID: u32 = u32::MAX;

/// The number that so many hexadecimal digits give. As in SQLite, what is no digit counts as one: only JSONB made by hand has such.
fn hex(text: &[u8], at: usize, digits: usize) -> Option<u32> {
    let digits = text.get(at..at + digits)?;
    let value = |d: u8| (u32::from(d) + 9 * u32::from((d >> 6) & 1)) & 0x0f;
    Some(digits.iter().fold(0, |sum, &d| sum * 16 + value(d)))
}

/// How many bytes at the beginning are line ends with a backslash before them: they stand for nothing.
fn continued_lines(text: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += match text.get(at..).unwrap_or_default() {
            [b'\\', b'\r', b'\n', ..] => 3,
            [b'\\', b'\n' | b'\r', ..] => 2,
            [b'\\', 0xe2, 0x80, 0xa8 | 0xa9, ..] => 4,
            _ => return at,
        };
    }
}

/// The character at the beginning, in as many bytes as UTF-8 would have, whatever they are.
fn character(text: &[u8]) -> (u32, usize) {
    let lead = u32::from(byte(text, 0));
    let mut code = match lead {
        0xc0..=0xdf => lead & 0x1f,
        0xe0..=0xef => lead & 0x0f,
        0xf0..=0xf7 => lead & 0x07,
        _ => return (lead, text.len().min(1)),
    };
    let more = text.iter().skip(1).take(3).take_while(|&&b| b & 0xc0 == 0x80);
    let mut length = 1;
    for &b in more {
        code = (code << 6) | u32::from(b & 0x3f);
        length += 1;
    }
    (code, length)
}

/// The character that the escape at the beginning stands for, [`INVALID`] if none, and how many bytes it has.
pub(super) fn unescape(text: &[u8]) -> (u32, usize) {
    let skipped = continued_lines(text);
    if skipped > 0 {
        let rest = text.get(skipped..).unwrap_or_default();
        let (code, length) = match rest.first() {
            None => (0, 0),
            // What follows continued lines is none of them, so this does not call itself again.
            Some(b'\\') => unescape(rest),
            Some(_) => character(rest),
        };
        return (code, skipped + length);
    }
    match byte(text, 1) {
        _ if text.len() < 2 => (INVALID, text.len()),
        b'u' => unescape_unicode(text),
        b'b' => (0x08, 2),
        b'f' => (0x0c, 2),
        b'n' => (0x0a, 2),
        b'r' => (0x0d, 2),
        b't' => (0x09, 2),
        b'v' => (0x0b, 2),
        b'0' if !byte(text, 2).is_ascii_digit() => (0, 2),
        c @ (b'\'' | b'"' | b'/' | b'\\') => (u32::from(c), 2),
        b'x' => hex(text, 2, 2).map_or((INVALID, text.len().min(4)), |code| (code, 4)),
        0xe2 => (INVALID, text.len()),
        _ => (INVALID, 2),
    }
}

/// `\uXXXX`, or two of them where they are a pair of surrogates.
fn unescape_unicode(text: &[u8]) -> (u32, usize) {
    let Some(high) = hex(text, 2, 4) else { return (INVALID, text.len().min(6)) };
    if high & 0xfc00 == 0xd800
        && text.get(6..8) == Some(b"\\u")
        && let Some(low) = hex(text, 8, 4)
        && low & 0xfc00 == 0xdc00
    {
        return (0x1_0000 + ((high & 0x3ff) << 10) + (low & 0x3ff), 12);
    }
    (high, 6)
}

/// Writes a character; half a pair of surrogates as if it were one.
fn push(out: &mut Vec<u8>, code: u32) {
    let tail = |shift: u32| 0x80 | ((code >> shift) & 0x3f) as u8;
    match code {
        0..=0x7f => out.push(code as u8),
        0x80..=0x7ff => out.extend([0xc0 | (code >> 6) as u8, tail(0)]),
        0x800..=0xffff => out.extend([0xe0 | (code >> 12) as u8, tail(6), tail(0)]),
        0x1_0000..=0x10_ffff => {
            out.extend([0xf0 | (code >> 18) as u8, tail(12), tail(6), tail(0)]);
        }
        _ => {}
    }
}

/// What a text with escapes stands for; escapes that mean nothing are left out.
pub(super) fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(escape) = rest.iter().position(|&b| b == b'\\') {
        out.extend_from_slice(rest.get(..escape).unwrap_or_default());
        rest = rest.get(escape..).unwrap_or_default();
        let (code, length) = unescape(rest);
        push(&mut out, code);
        rest = rest.get(length.max(1)..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// A label, and whether it has escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label<'t> {
    pub(super) text: &'t [u8],
    /// Whether it stands for itself.
    pub(super) plain: bool,
}

impl Label<'_> {
    /// The next character, 0 at the end, which as in SQLite is also at a NUL.
    fn next(&mut self) -> u32 {
        let (code, length) = match self.text.first() {
            None => return 0,
            Some(b'\\') if !self.plain => unescape(self.text),
            Some(_) => character(self.text),
        };
        self.text = self.text.get(length.max(1)..).unwrap_or_default();
        code
    }

    /// Whether two labels stand for the same.
    pub(super) fn is(mut self, mut other: Label<'_>) -> bool {
        if self.plain && other.plain {
            return self.text == other.text;
        }
        loop {
            let code = self.next();
            if code != other.next() {
                return false;
            }
            if code == 0 {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_characters() {
        assert_eq!(decode(br"a\n\u00e9\ud83d\ude00\x41\'"), "a\n\u{e9}\u{1f600}A'".as_bytes());
        assert_eq!(decode(b"a\\\nb\\\r\nc"), b"abc");
        assert_eq!(decode(br"\ud800x"), b"\xed\xa0\x80x");
        assert_eq!(decode(br"\q\"), b"");
    }

    #[test]
    fn labels_are_the_same_by_what_they_stand_for() {
        let label = |text, plain| Label { text, plain };
        assert!(label(br"\u0061", false).is(label(b"a", true)));
        assert!(!label(br"\u0061", true).is(label(b"a", true)));
        assert!(!label(br"\u0061b", false).is(label(b"a", true)));
        assert!(label(br"\u00e9", false).is(label("\u{e9}".as_bytes(), true)));
    }
}
