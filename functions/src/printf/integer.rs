//! Integers: `%d`, `%i`, `%u`, `%x`, `%X`, `%o`, `%p` and `%r`, the ordinals of English.

use crate::{FunctionError, Result};

use super::Output;
use super::directive::Directive;

/// Up to this precision no limit is asked about.
const SHORT: usize = 37;

/// Digits in a base, from the last.
fn digits(mut number: u64, base: u64, upper: bool) -> Vec<u8> {
    let mut digits = Vec::new();
    loop {
        let digit = char::from_digit((number % base) as u32, 16).unwrap_or('0');
        digits.push(if upper { digit.to_ascii_uppercase() } else { digit } as u8);
        number /= base;
        if number == 0 {
            return digits;
        }
    }
}

fn ordinal(number: u64) -> &'static [u8; 2] {
    match (number % 10, number / 10 % 10) {
        (1..=3, 1) => b"th",
        (1, _) => b"st",
        (2, _) => b"nd",
        (3, _) => b"rd",
        _ => b"th",
    }
}

/// Appends an integer.
pub(super) fn convert(directive: &Directive, integer: i64, output: &mut Output) -> Result<()> {
    let signed = matches!(directive.conversion, b'd' | b'i' | b'r');
    let (number, sign) = match (signed, integer < 0) {
        (true, true) => (integer.unsigned_abs(), Some(b'-')),
        (true, false) => (integer as u64, directive.sign),
        (false, _) => (integer as u64, None),
    };
    let (base, before): (u64, &[u8]) = match directive.conversion {
        b'x' | b'p' => (16, b"0x"),
        b'X' => (16, b"0X"),
        b'o' => (8, b"0"),
        _ => (10, b""),
    };
    // Built from the end, which the zeros of a precision are then put to.
    let mut text = digits(number, base, directive.conversion != b'x');
    if directive.conversion == b'r' {
        let [first, second] = ordinal(number);
        text.splice(0..0, [*second, *first]);
    }
    let mut least = directive.precision.unwrap_or(0);
    if directive.zeros {
        least = least.max(directive.width.saturating_sub(usize::from(sign.is_some())));
    }
    if least > SHORT && least.saturating_add(least / 3) > output.most {
        return Err(FunctionError::TooBig);
    }
    while text.len() < least {
        text.push(b'0');
    }
    if directive.thousands && matches!(directive.conversion, b'd' | b'i' | b'u') {
        text = text.chunks(3).collect::<Vec<_>>().join(&b',');
    }
    text.extend(sign);
    if directive.alternate && number != 0 {
        text.extend(before.iter().rev());
    }
    text.reverse();
    output.padded(&text, directive.width, directive.left)
}
