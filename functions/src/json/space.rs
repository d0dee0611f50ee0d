//! What counts as space in JSON and JSON5, and which bytes of a text stand for themselves.

/// The byte at a place, 0 beyond the end: no text has a NUL in it here.
#[inline]
pub(super) fn byte(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// Whether a byte is a space of RFC 8259.
#[inline]
fn is_plain(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b' ')
}

/// The place after the spaces of RFC 8259.
#[inline]
pub(super) fn skip_plain(text: &[u8], mut at: usize) -> usize {
    while is_plain(byte(text, at)) {
        at += 1;
    }
    at
}

/// The place after all spaces and comments of JSON5.
pub(super) fn skip(text: &[u8], mut at: usize) -> usize {
    loop {
        let next = match byte(text, at) {
            0x09..=0x0d | b' ' => at + 1,
            b'/' => skip_comment(text, at),
            lead if lead >= 0xc2 => at + unicode(text.get(at..).unwrap_or_default()),
            _ => at,
        };
        if next == at {
            return at;
        }
        at = next;
    }
}

/// How many bytes the space beyond ASCII has that is first here, 0 if there is none.
fn unicode(text: &[u8]) -> usize {
    match text {
        // No-break space.
        [0xc2, 0xa0, ..] => 2,
        // Ogham space mark.
        [0xe1, 0x9a, 0x80, ..] => 3,
        // The widths of spaces, the two separators, the narrow no-break space.
        [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, ..] => 3,
        // Medium mathematical space.
        [0xe2, 0x81, 0x9f, ..] => 3,
        // Ideographic space.
        [0xe3, 0x80, 0x80, ..] => 3,
        // Byte order mark.
        [0xef, 0xbb, 0xbf, ..] => 3,
        _ => 0,
    }
}

/// Whether U+2028 or U+2029 is first here; both end lines.
pub(super) fn is_separator(text: &[u8]) -> bool {
    matches!(text, [0xe2, 0x80, 0xa8 | 0xa9, ..])
}

/// The place after the comment that begins here; the same place if it is none or has no end.
fn skip_comment(text: &[u8], at: usize) -> usize {
    let rest = text.get(at + 2..).unwrap_or_default();
    match byte(text, at + 1) {
        b'*' => rest.windows(2).position(|w| w == b"*/").map_or(at, |n| at + 2 + n + 2),
        b'/' => {
            for (n, &b) in rest.iter().enumerate() {
                if b == b'\n' || b == b'\r' {
                    return at + 2 + n + 1;
                }
                if is_separator(rest.get(n..).unwrap_or_default()) {
                    return at + 2 + n + 3;
                }
            }
            text.len()
        }
        _ => at,
    }
}

/// The bytes that stand for themselves in every JSON text: all but control characters, quotes of both sorts and the backslash.
const PLAIN: [bool; 256] = {
    let mut table = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = false;
        byte += 1;
    }
    table[b'"' as usize] = false;
    table[b'\'' as usize] = false;
    table[b'\\' as usize] = false;
    table
};

/// Whether a byte stands for itself in every JSON text.
#[inline]
pub(super) fn stands_for_itself(byte: u8) -> bool {
    // There is an entry for each byte.
    PLAIN[usize::from(byte)]
}

/// How many bytes at the beginning stand for themselves.
#[inline]
pub(super) fn plain_length(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return n * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    words.len() * 8 + rest.iter().position(|&b| !stands_for_itself(b)).unwrap_or(rest.len())
}

/// The high bits of those bytes of a word that do not stand for themselves, right up to the first such byte: it finds zero bytes by the
/// borrow of a subtraction, which the bytes above may get too.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let is = |byte: u8| {
        let other = word ^ (ONES * u64::from(byte));
        other.wrapping_sub(ONES) & !other
    };
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (control | is(b'"') | is(b'\'') | is(b'\\')) & HIGH
}

/// Whether so many hexadecimal digits stand here.
pub(super) fn has_hex(text: &[u8], at: usize, digits: usize) -> bool {
    text.get(at..at + digits).is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_must_be_escaped_is_found_wherever_it_stands() {
        for byte in 0..=255 {
            for before in 0..20 {
                for filler in [b' ', b'a', b'!', b'#', b'[', b']', b'&', b'(', 0x7f, 0x80, 0xff] {
                    let mut text = vec![filler; 24];
                    text[before] = byte;
                    let found = if stands_for_itself(byte) { text.len() } else { before };
                    assert_eq!(plain_length(&text), found, "{byte} after {before} of {filler}");
                }
            }
        }
    }

    #[test]
    fn comments_end_where_they_end() {
        for (text, end) in [
            ("/**/x", 4),
            ("/*/", 0),
            ("/*", 0),
            ("/***/x", 5),
            ("//", 2),
            ("//a\nx", 4),
            ("//a\u{2028}x", 6),
            (" \u{a0}\u{feff}/**/ x", 11),
            ("/x", 0),
            ("\u{e9}", 0),
        ] {
            assert_eq!(skip(text.as_bytes(), 0), end, "{text:?}");
        }
    }
}
