//! Reals: `%f`, `%e` and `%g`.
//!
//! # Invariants
//! - E1: at most 16 digits count, with `!` 20; after them come zeros.
//! - E2: infinity is `Inf`, with the flag `0` a number that is too large for any real.

use heddle_value::decimal::{Decimal, Keep};

use crate::{FunctionError, Result};

use super::Output;
use super::directive::Directive;

/// The largest precision.
const MOST_PRECISION: usize = 100_000_000;

/// A number's digits and what its looks depend on.
struct Shape<'a> {
    digits: &'a [u8],
    /// The exponent of the first digit.
    exponent: i64,
    precision: usize,
    exponential: bool,
    /// Without zeros at the end.
    short: bool,
}

/// Appends a real.
pub(super) fn convert(directive: &Directive, real: f64, output: &mut Output) -> Result<()> {
    let sign = if real < 0.0 { Some(b'-') } else { directive.sign };
    if real.is_infinite() && !directive.zeros {
        let text: Vec<u8> = sign.into_iter().chain(*b"Inf").collect();
        return output.padded(&text, directive.width, directive.left);
    }
    let kind = directive.conversion.to_ascii_lowercase();
    let precision = directive.precision.unwrap_or(6).min(MOST_PRECISION);
    let keep = match kind {
        b'f' => Keep::Decimals(precision),
        b'g' => Keep::Digits(precision.max(1)),
        _ => Keep::Digits(precision + 1),
    };
    let decimal = Decimal::of(real, keep, if directive.bang { 20 } else { 16 });
    let (digits, exponent): (&[u8], i64) = if real.is_infinite() {
        (b"9", 999)
    } else if decimal.digits().is_empty() {
        (b"0", 0)
    } else {
        (decimal.digits(), i64::from(decimal.point) - 1)
    };
    let hidden = directive.alternate && directive.sign.is_none() && kind == b'f' && digits == b"0";
    let sign = if hidden && real < 0.0 { None } else { sign };
    let shape = shape(directive, kind, precision, digits, exponent);
    let whole = if shape.exponential { 0 } else { shape.exponent.max(0) as usize };
    let length = whole + whole / 3 + shape.precision + directive.width + 10;
    if output.text.len().saturating_add(length) > output.most {
        return Err(FunctionError::TooBig);
    }
    let mut text: Vec<u8> = sign.into_iter().collect();
    let signs = text.len();
    mantissa(&mut text, directive, &shape);
    if shape.exponential {
        let letter = if directive.conversion.is_ascii_uppercase() { 'E' } else { 'e' };
        let sign = if exponent < 0 { '-' } else { '+' };
        text.extend(format!("{letter}{sign}{:02}", exponent.unsigned_abs()).bytes());
    }
    let missing = directive.width.saturating_sub(text.len());
    if missing > 0 && directive.zeros && !directive.left {
        text.splice(signs..signs, std::iter::repeat_n(b'0', missing));
    }
    output.padded(&text, directive.width, directive.left)
}

/// What `%f`, `%e` or `%g` shows; the last is one of the others, by the exponent.
fn shape<'a>(
    directive: &Directive,
    kind: u8,
    precision: usize,
    digits: &'a [u8],
    exponent: i64,
) -> Shape<'a> {
    let mut shape =
        Shape { digits, exponent, precision, exponential: kind == b'e', short: directive.bang };
    if kind == b'g' {
        let precision = precision.max(1) as i64 - 1;
        shape.short = !directive.alternate;
        shape.exponential = exponent < -4 || exponent > precision;
        let decimals = if shape.exponential { precision } else { precision - exponent };
        shape.precision = decimals.max(0) as usize;
    }
    shape
}

/// Appends the digits with their point.
fn mantissa(text: &mut Vec<u8>, directive: &Directive, shape: &Shape<'_>) {
    let places = if shape.exponential { 0 } else { shape.exponent };
    let mut digits = shape.digits.iter().copied();
    if places < 0 {
        text.push(b'0');
    }
    for place in (0..=places).rev() {
        text.push(digits.next().unwrap_or(b'0'));
        if directive.thousands && place % 3 == 0 && place > 1 {
            text.push(b',');
        }
    }
    let mut left = shape.precision;
    if left == 0 && !directive.alternate && !directive.bang {
        return;
    }
    text.push(b'.');
    let zeros = usize::try_from(-1 - places).unwrap_or(0).min(left);
    text.extend(std::iter::repeat_n(b'0', zeros));
    left -= zeros;
    let before = text.len();
    text.extend(digits.take(left));
    left -= text.len() - before;
    if !shape.short {
        text.extend(std::iter::repeat_n(b'0', left));
        return;
    }
    while text.last() == Some(&b'0') {
        text.pop();
    }
    if text.last() == Some(&b'.') {
        if directive.bang {
            text.push(b'0');
        } else {
            text.pop();
        }
    }
}
