//! The patterns of LIKE and GLOB.
//!
//! # Invariants
//! - L1: pattern and text end at their first NUL, and are cut into characters as [`crate::utf8`] does.
//! - L2: only the last `%` or `*` passed is ever gone back to, so that the time is at most the product of the lengths.

use crate::utf8::{next_char, until_nul};

/// What one place of a pattern matches.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    /// Any number of characters.
    Many,
    /// One character.
    One,
    /// This one. Folded if the pattern ignores case.
    Char(u32),
    /// One of these ranges, or, if negated, one of none.
    Set { negated: bool, ranges: Vec<(u32, u32)> },
    /// None: a set without end, or an escape before nothing.
    Never,
}

/// A pattern, ready for many texts.
#[derive(Debug, Clone, PartialEq)]
pub struct LikePattern {
    parts: Vec<Part>,
    ignore_case: bool,
}

#[inline]
fn fold(code: u32) -> u32 {
    if (u32::from(b'A')..=u32::from(b'Z')).contains(&code) { code | 0x20 } else { code }
}

impl LikePattern {
    /// The longest pattern that SQLite takes, in bytes; over it, it says `LIKE or GLOB pattern too complex`.
    pub const MAX_LENGTH: usize = 50_000;

    /// LIKE's, with an escape character if there is one.
    pub fn like(pattern: &[u8], escape: Option<u32>, case_sensitive: bool) -> LikePattern {
        let mut rest = until_nul(pattern);
        let mut parts = Vec::new();
        while let Some((code, after)) = next_char(rest) {
            rest = after;
            let literal = |code| Part::Char(if case_sensitive { code } else { fold(code) });
            if Some(code) == escape {
                match next_char(rest) {
                    Some((escaped, after)) => {
                        rest = after;
                        parts.push(literal(escaped));
                    }
                    None => parts.push(Part::Never),
                }
            } else if code == u32::from(b'%') {
                if parts.last() != Some(&Part::Many) {
                    parts.push(Part::Many);
                }
            } else if code == u32::from(b'_') {
                parts.push(Part::One);
            } else {
                parts.push(literal(code));
            }
        }
        LikePattern { parts, ignore_case: !case_sensitive }
    }

    /// GLOB's.
    pub fn glob(pattern: &[u8]) -> LikePattern {
        let mut rest = until_nul(pattern);
        let mut parts = Vec::new();
        while let Some((code, after)) = next_char(rest) {
            rest = after;
            match u8::try_from(code) {
                Ok(b'*') if parts.last() == Some(&Part::Many) => {}
                Ok(b'*') => parts.push(Part::Many),
                Ok(b'?') => parts.push(Part::One),
                Ok(b'[') => {
                    let (set, after) = set(rest);
                    parts.push(set);
                    rest = after;
                }
                _ => parts.push(Part::Char(code)),
            }
        }
        LikePattern { parts, ignore_case: false }
    }

    /// Whether all of a text matches.
    pub fn matches(&self, text: &[u8]) -> bool {
        let mut text = until_nul(text);
        let mut at = 0;
        // After the last `Many`: the place in the pattern, and the text that it has not eaten yet.
        let mut back: Option<(usize, &[u8])> = None;
        loop {
            let matched = match (self.parts.get(at), next_char(text)) {
                (Some(Part::Many), _) => {
                    at += 1;
                    if at == self.parts.len() {
                        return true;
                    }
                    back = Some((at, text));
                    continue;
                }
                (None, None) => return true,
                (Some(part), Some((code, after))) if self.fits(part, code) => {
                    text = after;
                    true
                }
                // The text is at its end, and what is left of the pattern needs more.
                (Some(_), None) => return false,
                _ => false,
            };
            if matched {
                at += 1;
                continue;
            }
            let Some((part, eaten)) = back else { return false };
            let Some(next) = self.advance(part, eaten) else { return false };
            at = part;
            text = next;
            back = Some((part, next));
        }
    }

    /// The text after at least one more character is eaten by the `Many` before `part`.
    fn advance<'a>(&self, part: usize, text: &'a [u8]) -> Option<&'a [u8]> {
        let (_, mut text) = next_char(text)?;
        let Some(wanted @ Part::Char(_)) = self.parts.get(part) else { return Some(text) };
        loop {
            let (code, after) = next_char(text)?;
            if self.fits(wanted, code) {
                return Some(text);
            }
            text = after;
        }
    }

    #[inline]
    fn fits(&self, part: &Part, code: u32) -> bool {
        match part {
            Part::Many | Part::One => true,
            Part::Char(wanted) => *wanted == if self.ignore_case { fold(code) } else { code },
            Part::Set { negated, ranges } => {
                *negated != ranges.iter().any(|(low, high)| (*low..=*high).contains(&code))
            }
            Part::Never => false,
        }
    }

    /// The characters that each match begins with, as UTF-8, letters in lower case if the pattern ignores case; and
    /// whether they, followed by anything, are all of the pattern. For bounds on an index.
    pub fn prefix(&self) -> (Vec<u8>, bool) {
        let mut prefix = Vec::new();
        let mut parts = self.parts.iter();
        while let Some(Part::Char(code)) = parts.as_slice().first() {
            // What is no character could stand for several sequences of bytes.
            let Some(char) = char::from_u32(*code).filter(|c| {
                *c != char::REPLACEMENT_CHARACTER && !(0x80..0xc0).contains(&u32::from(*c))
            }) else {
                break;
            };
            prefix.extend(char.encode_utf8(&mut [0; 4]).bytes());
            parts.next();
        }
        (prefix, parts.as_slice() == [Part::Many])
    }
}

/// A set after its `[`, and the pattern after its `]`.
fn set(pattern: &[u8]) -> (Part, &[u8]) {
    const END: u32 = b']' as u32;
    const DASH: u32 = b'-' as u32;
    let never = (Part::Never, &b""[..]);
    let Some((mut code, mut rest)) = next_char(pattern) else { return never };
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    let negated = code == u32::from(b'^');
    if negated {
        let Some(next) = next_char(rest) else { return never };
        (code, rest) = next;
    }
    if code == END {
        ranges.push((END, END));
        let Some(next) = next_char(rest) else { return never };
        (code, rest) = next;
    }
    // The character before, if a range can begin with it.
    let mut before = None;
    while code != END {
        let after = next_char(rest);
        match (code, before, after) {
            (DASH, Some(low), Some((high, after))) if high != END => {
                ranges.push((low, high));
                before = None;
                rest = after;
            }
            _ => {
                ranges.push((code, code));
                before = Some(code);
            }
        }
        let Some(next) = next_char(rest) else { return never };
        (code, rest) = next;
    }
    (Part::Set { negated, ranges }, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l2_hostile_patterns_take_no_longer_than_the_product() {
        let text = vec![b'a'; 5_000];
        let pattern = [b"%a".repeat(500), b"b".to_vec()].concat();
        assert!(!LikePattern::like(&pattern, None, false).matches(&text));
        assert!(!LikePattern::glob(&[b"*a".repeat(500), b"b".to_vec()].concat()).matches(&text));
    }

    #[test]
    fn a_prefix_is_what_comes_before_the_first_wildcard() {
        let like = |p: &str| LikePattern::like(p.as_bytes(), Some(u32::from(b'\\')), true).prefix();
        assert_eq!(like("ab%"), (b"ab".to_vec(), true));
        assert_eq!(like("a\\%%c"), (b"a%".to_vec(), false));
        assert_eq!(like("_a"), (b"".to_vec(), false));
    }
}
