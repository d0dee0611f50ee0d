//! Whether JSONB is valid all through, as `json_valid(X, 8)` and `json_error_position` want to know.

use super::escape::{INVALID, unescape};
use super::jsonb::{Element, Kind, MAX_DEPTH, element};
use super::space::{byte, has_hex, stands_for_itself};

/// A container whose elements are being looked at.
struct Open {
    end: usize,
    object: bool,
    count: usize,
}

/// The place of the first error, counted from 1; `None` if there is none. The blob must be one element by its outermost header.
pub(super) fn first_error(blob: &[u8]) -> Option<usize> {
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    loop {
        let Ok(found) = element(blob, at) else { return Some(at + 1) };
        if let Some(top) = open.last_mut() {
            let label = top.object && top.count % 2 == 0;
            if found.end > top.end || label && !found.kind.is_text() {
                return Some(at + 1);
            }
            top.count += 1;
        }
        if open.len() >= MAX_DEPTH {
            return Some(at + 1);
        }
        if found.kind.is_container() {
            open.push(Open { end: found.end, object: found.kind == Kind::Object, count: 0 });
            at = found.payload;
        } else {
            if let Some(error) = scalar_error(blob, &found) {
                return Some(error + 1);
            }
            at = found.end;
        }
        loop {
            let top = open.last()?;
            if at < top.end {
                break;
            }
            if top.object && top.count % 2 == 1 {
                return Some(at + 1);
            }
            open.pop();
        }
    }
}

/// The place of the first error in a scalar.
fn scalar_error(blob: &[u8], found: &Element) -> Option<usize> {
    let payload = found.bytes(blob);
    let inside = |n: usize| found.payload + n;
    match found.kind {
        Kind::Null | Kind::True | Kind::False => (found.end - found.at != 1).then_some(found.at),
        Kind::Int => integer_error(payload).map(|e| e.map_or(found.at, inside)),
        Kind::Int5 => hex_error(payload).map(|e| e.map_or(found.at, inside)),
        Kind::Float | Kind::Float5 => {
            float_error(payload, found.kind == Kind::Float5).map(|e| e.map_or(found.at, inside))
        }
        Kind::Text => payload.iter().position(|&b| !stands_for_itself(b) && b != b'\'').map(inside),
        Kind::TextJ | Kind::Text5 => text_error(payload, found.kind == Kind::Text5).map(inside),
        Kind::TextRaw | Kind::Array | Kind::Object => None,
    }
}

/// An error in a number: at a byte of its payload, or (`Some(None)`) at its header.
type NumberError = Option<Option<usize>>;

fn sign(payload: &[u8]) -> usize {
    usize::from(payload.first() == Some(&b'-'))
}

fn integer_error(payload: &[u8]) -> NumberError {
    let sign = sign(payload);
    if payload.len() <= sign {
        return Some(None);
    }
    let bad = payload.iter().skip(sign).position(|b| !b.is_ascii_digit());
    bad.map(|n| Some(n + sign))
}

fn hex_error(payload: &[u8]) -> NumberError {
    let sign = sign(payload);
    if payload.len() < sign + 3 || byte(payload, sign) != b'0' {
        return Some(None);
    }
    if !matches!(byte(payload, sign + 1), b'x' | b'X') {
        return Some(Some(sign + 1));
    }
    let bad = payload.iter().skip(sign + 2).position(|b| !b.is_ascii_hexdigit());
    bad.map(|n| Some(n + sign + 2))
}

fn float_error(payload: &[u8], five: bool) -> NumberError {
    let mut at = sign(payload);
    let len = payload.len();
    if len < at + 2 {
        return Some(None);
    }
    let mut point = false;
    let mut exponent = false;
    match byte(payload, at) {
        b'.' => {
            if !five || !byte(payload, at + 1).is_ascii_digit() {
                return Some(Some(at));
            }
            at += 2;
            point = true;
        }
        b'0' if !five => {
            if at + 3 > len || !matches!(byte(payload, at + 1), b'.' | b'e' | b'E') {
                return Some(Some(at));
            }
            at += 1;
        }
        _ => {}
    }
    while at < len {
        match byte(payload, at) {
            b'0'..=b'9' => {}
            b'.' => {
                if point || exponent || !five && !byte(payload, at + 1).is_ascii_digit() {
                    return Some(Some(at));
                }
                point = true;
            }
            b'e' | b'E' => {
                if exponent || at + 1 == len {
                    return Some(Some(at));
                }
                if matches!(byte(payload, at + 1), b'+' | b'-') {
                    at += 1;
                    if at + 1 == len {
                        return Some(Some(at));
                    }
                }
                exponent = true;
            }
            _ => return Some(Some(at)),
        }
        at += 1;
    }
    (!point && !exponent).then_some(None)
}

fn text_error(payload: &[u8], five: bool) -> Option<usize> {
    let mut at = 0;
    while let Some(&b) = payload.get(at) {
        at += match b {
            b'"' | 0..=0x1f if !five => return Some(at),
            b'\\' => match byte(payload, at + 1) {
                _ if at + 1 >= payload.len() => return Some(at),
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                // SQLite's search among these finds the NUL that ends them too.
                0 => 2,
                b'u' if has_hex(payload, at + 2, 4) => 2,
                b'u' => return Some(at),
                _ if !five => return Some(at),
                _ => match unescape(payload.get(at..).unwrap_or_default()) {
                    (INVALID, _) => return Some(at),
                    (_, length) => length,
                },
            },
            _ => 1,
        };
    }
    None
}
