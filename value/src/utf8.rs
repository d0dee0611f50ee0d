//! Characters of texts that need not be UTF-8.
//!
//! # Invariant
//! - U1: a text is cut into characters as SQLite cuts it: a byte below 0xC0 is one, a higher byte takes all the continuation bytes
//!   that follow. So no text is refused.

/// What stands for a sequence that encodes no character.
pub const REPLACEMENT: u32 = 0xfffd;

/// The first character and what comes after it; `None` at the end.
#[inline]
pub fn next_char(text: &[u8]) -> Option<(u32, &[u8])> {
    let (&first, rest) = text.split_first()?;
    if first < 0xc0 {
        return Some((u32::from(first), rest));
    }
    let high = match first {
        0xc0..=0xdf => first & 0x1f,
        0xe0..=0xef => first & 0x0f,
        0xf0..=0xf7 => first & 0x07,
        0xf8..=0xfb => first & 0x03,
        0xfc..=0xfd => first & 0x01,
        _ => 0,
    };
    let count = continuation(rest);
    let code = rest
        .iter()
        .take(count)
        .fold(u32::from(high), |code, b| (code << 6).wrapping_add(u32::from(b & 0x3f)));
    let none = code < 0x80 || (code & 0xffff_f800) == 0xd800;
    Some((if none { REPLACEMENT } else { code }, rest.get(count..).unwrap_or_default()))
}

/// How many bytes the first character has; 0 at the end.
#[inline]
pub fn char_len(text: &[u8]) -> usize {
    match text.split_first() {
        None => 0,
        Some((0..=0xbf, _)) => 1,
        Some((_, rest)) => 1 + continuation(rest),
    }
}

fn continuation(text: &[u8]) -> usize {
    text.iter().take_while(|&&b| b & 0xc0 == 0x80).count()
}

/// How many characters.
pub fn count_chars(mut text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    let mut count = 0;
    while !text.is_empty() {
        text = text.get(char_len(text)..).unwrap_or_default();
        count += 1;
    }
    count
}

/// Appends a character; one that does not exist becomes U+FFFD.
pub fn push_char(text: &mut Vec<u8>, code: u32) {
    let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    text.extend(char.encode_utf8(&mut [0; 4]).bytes());
}

/// The text up to its first NUL.
#[inline]
pub fn until_nul(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|&b| b == 0).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}
