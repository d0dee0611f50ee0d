//! Changes of JSONB at a path: `json_insert`, `json_replace`, `json_set`, `json_array_insert`, `json_remove`.
//!
//! # Invariants
//! - E1: after each change the sizes in the headers of all containers around it are right again, innermost first.
//! - E2: where an element is replaced by one up to 8 bytes shorter, its header is made longer instead if one of the right length
//!   exists, so that nothing behind it moves. SQLite does so, and its JSONB shows it.

use super::jsonb::{Kind, MAX_DEPTH, Trouble, element, push, push_header, read_header, resize};
use super::path::{Miss, Step, Target, follow, step};

/// What to do at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit<'v> {
    Remove,
    /// If it is there.
    Replace(&'v [u8]),
    /// If it is not.
    Insert(&'v [u8]),
    Set(&'v [u8]),
    /// Before the array's element that is there, or as its last.
    ArrayInsert(&'v [u8]),
}

/// Changes what is at a path without `$`; [`Miss::NotFound`] where there is nothing to change.
pub(super) fn edit(blob: &mut Vec<u8>, path: &[u8], edit: Edit<'_>) -> Result<(), Miss> {
    let mut through = Vec::new();
    match follow(blob, path, &mut through)? {
        Target::Found { element, label } => {
            let whole = element.end - element.at;
            match edit {
                Edit::Remove => {
                    let from = label.unwrap_or(element.at);
                    splice(blob, from, element.end - from, &[], &through)?;
                }
                Edit::Replace(value) | Edit::Set(value) => {
                    let value = widen(value, whole);
                    splice(blob, element.at, whole, &value, &through)?;
                }
                Edit::ArrayInsert(_) if !path.ends_with(b"]") => return Err(Miss::NotElement),
                Edit::ArrayInsert(value) => splice(blob, element.at, 0, value, &through)?,
                Edit::Insert(_) => {}
            }
        }
        Target::Room { at, label, rest } => {
            let (value, only_elements) = match edit {
                Edit::Insert(value) | Edit::Set(value) => (value, false),
                Edit::ArrayInsert(value) => (value, true),
                Edit::Remove | Edit::Replace(_) => return Err(Miss::NotFound),
            };
            if only_elements && label.is_some() && !rest.ends_with(b"]") {
                return Err(Miss::NotElement);
            }
            let nested = nest(value, rest, through.len(), only_elements)?;
            let mut new = Vec::with_capacity(nested.len());
            if let Some(label) = label {
                let kind = if label.plain { Kind::TextRaw } else { Kind::Text5 };
                push(&mut new, kind, label.text);
            }
            new.extend_from_slice(&nested);
            splice(blob, at, 0, &new, &through)?;
        }
    }
    Ok(())
}

/// Replaces all of a document.
pub(super) fn replace_all(blob: &mut Vec<u8>, value: &[u8]) {
    *blob = widen(value, blob.len());
}

/// Replaces `length` bytes at `at` and makes the sizes of the containers around them right (E1).
fn splice(
    blob: &mut Vec<u8>,
    at: usize,
    length: usize,
    new: &[u8],
    through: &[usize],
) -> Result<(), Trouble> {
    if at + length > blob.len() {
        return Err(Trouble::Malformed);
    }
    blob.splice(at..at + length, new.iter().copied());
    let mut delta = new.len() as isize - length as isize;
    for &container in through.iter().rev() {
        if delta == 0 {
            break;
        }
        let (_, size) = read_header(blob, container).ok_or(Trouble::Malformed)?;
        let size = size.checked_add_signed(delta).ok_or(Trouble::Malformed)?;
        delta += resize(blob, container, size)?;
    }
    Ok(())
}

/// An element that is to stand where one of `old` bytes was, with a longer header if that makes it as long (E2).
pub(super) fn widen(new: &[u8], old: usize) -> Vec<u8> {
    let Ok(found) = element(new, 0) else { return new.to_vec() };
    let missing = old.saturating_sub(new.len());
    let header = found.header();
    let (first, more) = match header + missing {
        2 => (0xc0, 1),
        3 => (0xd0, 2),
        5 => (0xe0, 4),
        9 => (0xf0, 8),
        _ => return new.to_vec(),
    };
    if missing == 0 || matches!(found.kind, Kind::Null | Kind::True | Kind::False) {
        return new.to_vec();
    }
    let size = (found.end - found.payload) as u64;
    let size = size.to_be_bytes();
    let mut wide = Vec::with_capacity(old);
    wide.push(first | found.kind as u8);
    wide.extend(size.iter().skip(size.len() - more));
    wide.extend_from_slice(found.bytes(new));
    wide
}

/// The value in those containers that the rest of the path asks for; `depth` containers are around it.
fn nest(value: &[u8], path: &[u8], depth: usize, only_elements: bool) -> Result<Vec<u8>, Miss> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if depth + steps.len() >= MAX_DEPTH {
            return Err(Miss::TooDeep);
        }
        let (first, after) = step(rest, || 0)?;
        match first {
            // In a new array there is room for a first element only.
            Step::Element(1..) => return Err(Miss::NotFound),
            Step::Member(_) if only_elements && !after.ends_with(b"]") => {
                return Err(Miss::NotElement);
            }
            _ => steps.push(first),
        }
        rest = after;
    }
    let mut inner = value.to_vec();
    for step in steps.iter().rev() {
        let mut outer = Vec::with_capacity(inner.len() + 9);
        match step {
            Step::Member(label) => {
                let kind = if label.plain { Kind::TextRaw } else { Kind::Text5 };
                let mut members = Vec::with_capacity(label.text.len() + inner.len() + 9);
                push(&mut members, kind, label.text);
                members.extend_from_slice(&inner);
                push(&mut outer, Kind::Object, &members);
            }
            Step::Element(_) => {
                push_header(&mut outer, Kind::Array, inner.len());
                outer.extend_from_slice(&inner);
            }
        }
        inner = outer;
    }
    Ok(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_element_is_widened_to_the_old_length() {
        assert_eq!(widen(&[0x13, b'7'], 3), [0xc3, 1, b'7']);
        assert_eq!(widen(&[0x13, b'7'], 4), [0xd3, 0, 1, b'7']);
        assert_eq!(widen(&[0x13, b'7'], 5), [0x13, b'7']);
        assert_eq!(widen(&[0x13, b'7'], 6), [0xe3, 0, 0, 0, 1, b'7']);
        assert_eq!(widen(&[0x13, b'7'], 10), [0xf3, 0, 0, 0, 0, 0, 0, 0, 1, b'7']);
        assert_eq!(widen(&[0x00], 2), [0x00]);
    }
}
