//! Paths into JSON: `$.a."b c"[0][#-1]`.
//!
//! A path is read as far as elements are there for it, so an error further on shows only if the element before it exists.

use super::escape::Label;
use super::jsonb::{Element, Kind, MAX_DEPTH, Trouble, element};
use super::space::byte;
use crate::FunctionError;

/// Why a path leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Miss {
    /// There is no such element.
    NotFound,
    /// It is not a path.
    Bad,
    /// It does not end at an array's element, where only those will do.
    NotElement,
    TooDeep,
    Malformed,
}

impl From<Trouble> for Miss {
    fn from(trouble: Trouble) -> Miss {
        match trouble {
            Trouble::Malformed => Miss::Malformed,
            Trouble::TooDeep => Miss::TooDeep,
        }
    }
}

impl Miss {
    /// The error that a user sees who gave this path.
    pub(super) fn error(self, path: &[u8]) -> FunctionError {
        let quoted = String::from_utf8_lossy(path).replace('\'', "''");
        FunctionError::Failed(match self {
            Miss::NotElement => format!("not an array element: '{quoted}'"),
            Miss::Malformed => "malformed JSON".to_owned(),
            Miss::TooDeep => "JSON path too deep".to_owned(),
            Miss::Bad | Miss::NotFound => format!("bad JSON path: '{quoted}'"),
        })
    }
}

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'p> {
    Member(Label<'p>),
    /// Counted from the first element.
    Element(u64),
}

/// The first step of a path without `$`, and the rest of it. `count` is asked for the number of elements of the array it goes into.
pub(super) fn step(path: &[u8], count: impl FnOnce() -> u64) -> Result<(Step<'_>, &[u8]), Miss> {
    let rest = path.get(1..).unwrap_or_default();
    match path.first() {
        Some(b'.') => member(rest),
        Some(b'[') => array_element(rest, count),
        _ => Err(Miss::Bad),
    }
}

fn member(path: &[u8]) -> Result<(Step<'_>, &[u8]), Miss> {
    let Some(quoted) = path.strip_prefix(b"\"") else {
        let end = path.iter().position(|b| matches!(b, b'.' | b'[')).unwrap_or(path.len());
        let (text, rest) = path.split_at(end);
        let step = Step::Member(Label { text, plain: true });
        return if text.is_empty() { Err(Miss::Bad) } else { Ok((step, rest)) };
    };
    let mut end = 0;
    loop {
        match quoted.get(end) {
            None => return Err(Miss::Bad),
            Some(b'"') => break,
            Some(b'\\') if end + 1 < quoted.len() => end += 2,
            Some(_) => end += 1,
        }
    }
    let (text, rest) = quoted.split_at(end);
    let plain = !text.contains(&b'\\');
    Ok((Step::Member(Label { text, plain }), rest.get(1..).unwrap_or_default()))
}

/// A number at the beginning, and what comes after it. It stops growing once it is larger than any array.
fn number(path: &[u8]) -> Option<(u64, &[u8])> {
    let count = path.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = path.split_at(count);
    let grow = |n: u64, &d: &u8| if n < 0xffff_ffff { n * 10 + u64::from(d - b'0') } else { n };
    (count > 0).then(|| (digits.iter().fold(0, grow), rest))
}

fn array_element(path: &[u8], count: impl FnOnce() -> u64) -> Result<(Step<'_>, &[u8]), Miss> {
    let (n, rest) = match (number(path), path.strip_prefix(b"#")) {
        (Some(found), _) => found,
        (None, Some(end)) => match end.strip_prefix(b"-").and_then(number) {
            // SQLite looks for the bracket only if there is such an element.
            Some((back, rest)) => (count().checked_sub(back).ok_or(Miss::NotFound)?, rest),
            None => (count(), end),
        },
        (None, None) => return Err(Miss::Bad),
    };
    Ok((Step::Element(n), rest.strip_prefix(b"]").ok_or(Miss::Bad)?))
}

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'p> {
    /// To an element, which is the value of a member if there is a label.
    Found { element: Element, label: Option<usize> },
    /// To nothing yet, but an element could be put at `at`, with this label if it is in an object; the rest of the path goes on in it.
    Room { at: usize, label: Option<Label<'p>>, rest: &'p [u8] },
}

/// Follows a path without `$`. The containers it goes through are put into `through`, outermost first.
pub(super) fn follow<'p>(
    blob: &[u8],
    mut path: &'p [u8],
    through: &mut Vec<usize>,
) -> Result<Target<'p>, Miss> {
    let mut here = element(blob, 0)?;
    let mut label = None;
    while !path.is_empty() {
        // SQLite looks at what is in the brackets only where there is an array.
        if path.first() == Some(&b'[') && here.kind != Kind::Array {
            return Err(Miss::NotFound);
        }
        let (first, rest) = step(path, || count(blob, &here))?;
        let found = match first {
            Step::Member(_) if here.kind != Kind::Object => return Err(Miss::NotFound),
            Step::Member(wanted) => find_member(blob, &here, wanted)?,
            Step::Element(n) => find_element(blob, &here, n)?,
        };
        through.push(here.at);
        match found {
            Ok((element, its_label)) => {
                if through.len() >= MAX_DEPTH {
                    return Err(Miss::TooDeep);
                }
                (here, label, path) = (element, its_label, rest);
            }
            Err(at) => {
                let label = if let Step::Member(label) = first { Some(label) } else { None };
                return Ok(Target::Room { at, label, rest });
            }
        }
    }
    Ok(Target::Found { element: here, label })
}

/// An element and its label, or where there is room for it.
type Search = Result<(Element, Option<usize>), usize>;

fn find_member(blob: &[u8], object: &Element, wanted: Label<'_>) -> Result<Search, Miss> {
    let mut children = object.children(blob);
    while let Some(label) = children.next() {
        let label = label?;
        if !label.kind.is_text() {
            return Err(Miss::Malformed);
        }
        let value = children.next().ok_or(Miss::Malformed)??;
        let plain = label.kind.is_plain_text();
        if wanted.is(Label { text: label.bytes(blob), plain }) {
            return Ok(Ok((value, Some(label.at))));
        }
    }
    Ok(Err(object.end))
}

fn find_element(blob: &[u8], array: &Element, mut n: u64) -> Result<Search, Miss> {
    for element in array.children(blob) {
        let element = element?;
        if n == 0 {
            return Ok(Ok((element, None)));
        }
        n -= 1;
    }
    // One behind the last can be added, no other.
    if n == 0 { Ok(Err(array.end)) } else { Err(Miss::NotFound) }
}

/// How many elements an array has, up to the first that is malformed.
pub(super) fn count(blob: &[u8], array: &Element) -> u64 {
    array.children(blob).map(|_| 1).sum()
}

/// The element to which a path leads, `$` included.
pub(super) fn find(blob: &[u8], path: &[u8]) -> Result<Element, Miss> {
    let path = path.strip_prefix(b"$").ok_or(Miss::Bad)?;
    match follow(blob, path, &mut Vec::new())? {
        Target::Found { element, .. } => Ok(element),
        Target::Room { .. } => Err(Miss::NotFound),
    }
}

/// The path that the right side of `->` and `->>` is short for, if it does not begin with `$`.
pub(super) fn expand(short: &[u8], is_integer: bool) -> Vec<u8> {
    let simple = short.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_');
    let bracketed = short.len() >= 3 && short.starts_with(b"[") && short.ends_with(b"]");
    let (before, after): (&[u8], &[u8]) = match () {
        () if is_integer && byte(short, 0) == b'-' => (b"$[#", b"]"),
        () if is_integer => (b"$[", b"]"),
        () if simple => (b"$.", b""),
        () if bracketed => (b"$", b""),
        () => (b"$.\"", b"\""),
    };
    [before, short, after].concat()
}
