//! The three collations built into SQLite, and the direction of a key column.
//!
//! Their order is realised in [`crate::key`]: a collation here only says how text is *folded*
//! before its bytes are compared.
//!
//! Invariants:
//! 1. `memcmp` of two folded texts is the order stock SQLite gives the texts, in every encoding. BINARY
//!    compares the bytes in the encoding of the database; NOCASE and RTRIM compare UTF-8, so
//!    UTF-16 is converted first.
//! 2. Two texts fold to the same bytes exactly if stock SQLite calls them equal.

use std::borrow::Cow;

use crate::text::{self, Encoding};

/// How texts are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Collation {
    /// By bytes, in the encoding of the database.
    #[default]
    Binary,
    /// With the 26 ASCII letters folded to lower case.
    NoCase,
    /// Without trailing spaces.
    RTrim,
}

impl Collation {
    /// The collation of this name (any case), if it is a built-in one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Binary, Self::NoCase, Self::RTrim]
            .into_iter()
            .find(|c| c.name().eq_ignore_ascii_case(name))
    }

    /// The name as in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "BINARY",
            Self::NoCase => "NOCASE",
            Self::RTrim => "RTRIM",
        }
    }

    /// The bytes to compare in place of `text` (invariants 1 and 2).
    #[inline]
    pub fn fold(self, text: &[u8], encoding: Encoding) -> Cow<'_, [u8]> {
        match self {
            Self::Binary => Cow::Borrowed(text),
            Self::NoCase => Cow::Owned(fold_case(text::to_utf8(text, encoding))),
            Self::RTrim => match text::to_utf8(text, encoding) {
                Cow::Borrowed(bytes) => Cow::Borrowed(trim_end(bytes)),
                Cow::Owned(mut bytes) => {
                    bytes.truncate(trim_end(&bytes).len());
                    Cow::Owned(bytes)
                }
            },
        }
    }
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let spaces = bytes.iter().rev().take_while(|&&b| b == b' ').count();
    &bytes[..bytes.len() - spaces]
}

/// Stock SQLite's NOCASE stops comparing at the first NUL; texts that agree so far are then ordered
/// by their whole length. So what follows a NUL is replaced by how long it is.
fn fold_case(text: Cow<'_, [u8]>) -> Vec<u8> {
    let mut bytes = text.into_owned();
    let compared = memchr::memchr(0, &bytes).unwrap_or(bytes.len());
    bytes[..compared].make_ascii_lowercase();
    if compared < bytes.len() {
        let rest = (bytes.len() - compared) as u64;
        bytes.truncate(compared + 1);
        bytes.extend(rest.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(collation: Collation, text: &[u8]) -> Vec<u8> {
        collation.fold(text, Encoding::Utf8).into_owned()
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(Collation::from_name("nocase"), Some(Collation::NoCase));
        assert_eq!(Collation::from_name("RTrim"), Some(Collation::RTrim));
        assert_eq!(Collation::from_name("icu"), None);
    }

    #[test]
    fn nocase_folds_ascii_only() {
        assert_eq!(fold(Collation::NoCase, "AZ\u{c4}[`".as_bytes()), "az\u{c4}[`".as_bytes());
    }

    #[test]
    fn nocase_ignores_what_follows_a_nul_but_its_length() {
        assert_eq!(fold(Collation::NoCase, b"a\0B"), fold(Collation::NoCase, b"A\0c"));
        assert!(fold(Collation::NoCase, b"a\0zz") > fold(Collation::NoCase, b"a\0z"));
        assert!(fold(Collation::NoCase, b"a\0") > fold(Collation::NoCase, b"a"));
    }

    #[test]
    fn rtrim_drops_trailing_spaces_only() {
        assert_eq!(fold(Collation::RTrim, b" a \t  "), b" a \t");
        assert_eq!(fold(Collation::RTrim, b"   "), b"");
    }
}
