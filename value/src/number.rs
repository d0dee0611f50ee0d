//! Numbers in text: how SQLite reads and writes them.
//!
//! Reals are written by way of [`crate::decimal`].
//!
//! # Invariants
//! - N1: a number read from text has the value of its first digits, as many as fit 64 bits (19, sometimes 20), the others taken
//!   for zeros, and is then rounded correctly. So SQLite does, and so it differs from reading all digits in rare cases.
//! - N2: a text ends at its first NUL.

use crate::decimal::{Decimal, Keep, scale};
use crate::{Text, Value};

/// What stands at the beginning of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scan {
    /// The number; an integer only where there is neither point nor exponent and it fits.
    number: Number,
    /// Whether there was any digit.
    found: bool,
    /// Whether nothing but spaces comes after it.
    whole: bool,
    /// Whether the text goes on behind a NUL.
    cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Number {
    Integer(i64),
    Real(f64),
}

impl Number {
    fn value(self) -> Value {
        match self {
            Number::Integer(v) => Value::Integer(v),
            Number::Real(v) => Value::Real(v),
        }
    }

    fn real(self) -> f64 {
        match self {
            Number::Integer(v) => v as f64,
            Number::Real(v) => v,
        }
    }
}

/// Whether a byte is a space to SQLite.
#[inline]
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

fn skip_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|&&b| is_space(b)).count();
    text.get(spaces..).unwrap_or_default()
}

/// The digits of a mantissa as far as they count (N1).
#[derive(Default)]
struct Mantissa {
    value: u64,
    /// By how many tens `value` is to be scaled.
    exponent: i64,
    digits: usize,
}

impl Mantissa {
    fn take(&mut self, text: &[u8], after_point: bool) -> usize {
        let count = text.iter().take_while(|b| b.is_ascii_digit()).count();
        for &digit in text.iter().take(count) {
            let full = self.value > (u64::MAX - 9) / 10;
            if !full {
                self.value = self.value * 10 + u64::from(digit - b'0');
            }
            self.exponent += i64::from(full) - i64::from(after_point);
        }
        self.digits += count;
        count
    }
}

fn scan(text: &[u8]) -> Scan {
    let end = text.iter().position(|&b| b == 0);
    let text = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    let mut rest = skip_spaces(text);
    let negative = rest.first() == Some(&b'-');
    if matches!(rest.first(), Some(b'-' | b'+')) {
        rest = rest.get(1..).unwrap_or_default();
    }
    let mut mantissa = Mantissa::default();
    let mut integer = true;
    let count = mantissa.take(rest, false);
    rest = rest.get(count..).unwrap_or_default();
    if let Some((b'.', decimals)) = rest.split_first() {
        let count = mantissa.take(decimals, true);
        if mantissa.digits > 0 {
            integer = false;
            rest = decimals.get(count..).unwrap_or_default();
        }
    }
    if mantissa.digits == 0 {
        return Scan { number: Number::Integer(0), found: false, whole: false, cut: false };
    }
    if let Some((tens, after)) = exponent(rest) {
        integer = false;
        mantissa.exponent += tens;
        rest = after;
    }
    let whole = skip_spaces(rest).is_empty();
    let fits = integer && mantissa.exponent == 0;
    let number = match (fits, negative, mantissa.value) {
        (true, false, value) if value <= i64::MAX as u64 => Number::Integer(value as i64),
        (true, true, value) if value <= 1 << 63 => Number::Integer((value as i64).wrapping_neg()),
        (_, _, value) => {
            let real = scale(value, mantissa.exponent);
            Number::Real(if negative { -real } else { real })
        }
    };
    Scan { number, found: true, whole, cut: end.is_some() }
}

/// `e[+-]digits` at the beginning: the exponent, and what comes after it.
fn exponent(text: &[u8]) -> Option<(i64, &[u8])> {
    let (b'e' | b'E', mut rest) = text.split_first()? else { return None };
    let negative = rest.first() == Some(&b'-');
    if matches!(rest.first(), Some(b'-' | b'+')) {
        rest = rest.get(1..)?;
    }
    let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let tens = rest
        .iter()
        .take(count)
        .fold(0_i64, |sum, d| (sum * 10 + i64::from(d - b'0')).min(1_000_000));
    Some((if negative { -tens } else { tens }, rest.get(count..)?))
}

/// The number that all of a text is, spaces around it aside; `None` if it is none.
pub fn parse_number(text: &[u8]) -> Option<Value> {
    let scan = scan(text);
    (scan.found && scan.whole).then(|| scan.number.value())
}

/// The number at the beginning of a text, as arithmetic takes it; 0 if there is none.
pub fn parse_prefix(text: &[u8]) -> Value {
    let scan = scan(text);
    // SQLite takes a whole number that a NUL follows for a real.
    if scan.cut && scan.whole { Value::Real(scan.number.real()) } else { scan.number.value() }
}

/// The real at the beginning of a text; 0 if there is none.
pub fn parse_real_prefix(text: &[u8]) -> f64 {
    scan(text).number.real()
}

/// The integer at the beginning of a text, as CAST takes it: digits only, the nearest integer where there are too many.
pub fn parse_integer_prefix(text: &[u8]) -> i64 {
    let mut rest = skip_spaces(text);
    let negative = rest.first() == Some(&b'-');
    if matches!(rest.first(), Some(b'-' | b'+')) {
        rest = rest.get(1..).unwrap_or_default();
    }
    let mut value = 0_i64;
    for digit in rest.iter().take_while(|b| b.is_ascii_digit()) {
        let digit = i64::from(digit - b'0');
        // Counted downwards, where there is room for one more.
        value = value.saturating_mul(10).saturating_sub(digit);
    }
    if negative { value } else { value.checked_neg().unwrap_or(i64::MAX) }
}

/// A numeric literal of SQL, without sign: decimal, with point or exponent, or hexadecimal, with `_` between digits.
/// `None` if it is none, or hexadecimal and over 64 bits.
pub fn parse_literal(text: &str) -> Option<Value> {
    let plain: String = text.chars().filter(|&c| c != '_').collect();
    if let Some(hex) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        let digits = hex.trim_start_matches('0');
        let valid = !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());
        return match digits.len() {
            _ if !valid => None,
            0 => Some(Value::Integer(0)),
            1..=16 => u64::from_str_radix(digits, 16).ok().map(|v| Value::Integer(v as i64)),
            _ => None,
        };
    }
    let scan = scan(plain.as_bytes());
    let signed = plain.starts_with(['-', '+']) || plain.starts_with(|c: char| c.is_whitespace());
    (scan.found && scan.whole && !signed).then(|| scan.number.value())
}

/// The integer with exactly this value, if there is one that a column of numeric affinity stores instead.
#[inline]
pub fn real_as_integer(real: f64) -> Option<i64> {
    let integer = real as i64;
    let inner = integer > i64::MIN && integer < i64::MAX;
    (inner && integer as f64 == real).then_some(integer)
}

/// An integer as text.
pub fn integer_to_text(integer: i64) -> Text {
    Text::from(integer.to_string())
}

/// A real as text, with up to 17 digits and always with a decimal point.
pub fn real_to_text(real: f64) -> Text {
    if real.is_infinite() {
        return Text::from(if real > 0.0 { "Inf" } else { "-Inf" });
    }
    let decimal = Decimal::of(real, Keep::Digits(17), 17);
    let digits = decimal.digits();
    if digits.is_empty() {
        return Text::from("0.0");
    }
    let mut text = Vec::with_capacity(26);
    if real < 0.0 {
        text.push(b'-');
    }
    let exponent = decimal.point - 1;
    if (-4..17).contains(&exponent) {
        plain(&mut text, digits, decimal.point);
    } else {
        exponential(&mut text, digits, exponent);
    }
    Text::from(text)
}

fn plain(text: &mut Vec<u8>, digits: &[u8], point: i32) {
    let whole = usize::try_from(point).unwrap_or(0);
    let (head, tail) = digits.split_at(whole.min(digits.len()));
    text.extend(head);
    text.extend(std::iter::repeat_n(b'0', whole - head.len()));
    if whole == 0 {
        text.push(b'0');
    }
    text.push(b'.');
    text.extend(std::iter::repeat_n(b'0', usize::try_from(-point).unwrap_or(0)));
    text.extend(tail);
    if tail.is_empty() {
        text.push(b'0');
    }
}

fn exponential(text: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let (head, tail) = digits.split_at(digits.len().min(1));
    text.extend(head);
    text.push(b'.');
    text.extend(if tail.is_empty() { b"0" } else { tail });
    text.extend(
        format!("e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs()).bytes(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_from_text() {
        for text in ["", "x", "1x", ".", "e5", "1e", "0x10", "1 2", "inf", "nan", "--1", "1_0"] {
            assert_eq!(parse_number(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_number(b" +12 "), Some(Value::Integer(12)));
        assert_eq!(parse_number(b".5"), Some(Value::Real(0.5)));
        assert_eq!(parse_number(b"5."), Some(Value::Real(5.0)));
        assert_eq!(parse_number(b"-9223372036854775808"), Some(Value::Integer(i64::MIN)));
        assert_eq!(
            parse_number(b"9223372036854775808"),
            Some(Value::Real(9_223_372_036_854_775_808.0))
        );
    }

    #[test]
    fn literals_of_sql_have_hexadecimal_digits_and_separators() {
        assert_eq!(parse_literal("0xFFFFFFFFFFFFFFFF"), Some(Value::Integer(-1)));
        assert_eq!(parse_literal("0x1ffffffffffffffff"), None);
        assert_eq!(parse_literal("1_000"), Some(Value::Integer(1000)));
        assert_eq!(parse_literal("1e3"), Some(Value::Real(1000.0)));
        assert_eq!(parse_literal("-1"), None);
        assert_eq!(parse_literal("0x"), None);
    }
}
