//! Text in the encoding of the database, and its conversion as stock SQLite converts.
//!
//! Text is kept as the bytes on the page. A UTF-16 text may hold lone surrogates or an odd last
//! byte, a UTF-8 text may hold anything: nothing is validated on the way in or out, as in SQLite.
//!
//! Invariants:
//! 1. Conversion from UTF-16 gives the very bytes that `sqlite3VdbeMemTranslate` gives: an odd last
//!    byte is dropped, a surrogate is joined with whatever unit follows it, one at the
//!    end is encoded alone in three bytes. NOCASE and RTRIM order UTF-16 databases by these bytes.

use std::borrow::Cow;

/// How the text of a database is encoded (offset 56 of its header).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Encoding {
    /// UTF-8, and 1 in the header.
    #[default]
    Utf8,
    /// UTF-16, little-endian, and 2 in the header.
    Utf16Le,
    /// UTF-16, big-endian, and 3 in the header.
    Utf16Be,
}

/// The bytes of `text` in UTF-8 (see invariant 1), borrowed if they are already.
pub fn to_utf8(text: &[u8], encoding: Encoding) -> Cow<'_, [u8]> {
    match encoding {
        Encoding::Utf8 => Cow::Borrowed(text),
        Encoding::Utf16Le | Encoding::Utf16Be => {
            let mut out = Vec::with_capacity(text.len());
            push_utf8(text, encoding, &mut out);
            Cow::Owned(out)
        }
    }
}

/// Appends `text`, given in `encoding`, to `out` in UTF-8.
pub fn push_utf8(text: &[u8], encoding: Encoding, out: &mut Vec<u8>) {
    let unit: fn([u8; 2]) -> u16 = match encoding {
        Encoding::Utf8 => {
            out.extend_from_slice(text);
            return;
        }
        Encoding::Utf16Le => u16::from_le_bytes,
        Encoding::Utf16Be => u16::from_be_bytes,
    };
    let mut units = text.chunks_exact(2).map(|pair| u32::from(unit([pair[0], pair[1]])));
    while let Some(first) = units.next() {
        let mut code = first;
        if (0xd800..0xe000).contains(&first)
            && let Some(second) = units.next()
        {
            code = (second & 0x3ff) + ((first & 0x3f) << 10) + (((first & 0x3c0) + 0x40) << 10);
        }
        push_code(code, out);
    }
}

fn push_code(code: u32, out: &mut Vec<u8>) {
    let tail = |shift: u32| 0x80 | (code >> shift & 0x3f) as u8;
    match code {
        0..0x80 => out.push(code as u8),
        0x80..0x800 => out.extend([0xc0 | (code >> 6) as u8, tail(0)]),
        0x800..0x1_0000 => out.extend([0xe0 | (code >> 12) as u8, tail(6), tail(0)]),
        _ => out.extend([0xf0 | (code >> 18 & 7) as u8, tail(12), tail(6), tail(0)]),
    }
}

/// The bytes that hold `text` in a database of this encoding.
pub fn from_str(text: &str, encoding: Encoding) -> Cow<'_, [u8]> {
    match encoding {
        Encoding::Utf8 => Cow::Borrowed(text.as_bytes()),
        Encoding::Utf16Le => Cow::Owned(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        Encoding::Utf16Be => Cow::Owned(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    }
}

/// `text` as a string; what is not valid becomes U+FFFD.
pub fn to_str(text: &[u8], encoding: Encoding) -> Cow<'_, str> {
    match to_utf8(text, encoding) {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(string) => Cow::Owned(string),
            Err(e) => Cow::Owned(String::from_utf8_lossy(e.as_bytes()).into_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_comes_back() {
        for text in ["", "abc", "\u{e9}\u{7ff}\u{800}\u{ffff}", "\u{10000}\u{10ffff}x"] {
            for encoding in [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be] {
                assert_eq!(to_str(&from_str(text, encoding), encoding), text);
            }
        }
    }

    /// Invariant 1.
    #[test]
    fn broken_utf16_is_converted_as_sqlite_does() {
        // A lone surrogate at the end, and an odd byte after it.
        assert_eq!(&*to_utf8(&[0x00, 0xd8, 0x41], Encoding::Utf16Le), [0xed, 0xa0, 0x80]);
        // A surrogate swallows the unit after it, whatever that is.
        assert_eq!(
            &*to_utf8(&[0x00, 0xd8, 0x41, 0x00], Encoding::Utf16Le),
            [0xf0, 0x90, 0x81, 0x81]
        );
    }
}
