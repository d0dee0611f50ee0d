//! Numbers in text, as SQLite reads and writes them.

use crate::Value;

/// The number that all of `text` is, spaces around it aside; `None` if it is none.
pub(crate) fn parse_number(text: &str) -> Option<Value> {
    let text = text.trim_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    if !looks_numeric(text.as_bytes()) {
        return None;
    }
    if let Ok(integer) = text.parse::<i64>() {
        return Some(Value::Integer(integer));
    }
    text.parse::<f64>().ok().map(Value::Real)
}

/// `[+-] digits [. digits] [e [+-] digits]` with a digit before or after the point.
fn looks_numeric(mut text: &[u8]) -> bool {
    fn digits(text: &mut &[u8]) -> usize {
        let count = text.iter().take_while(|b| b.is_ascii_digit()).count();
        *text = text.get(count..).unwrap_or_default();
        count
    }
    fn skip(text: &mut &[u8], any: &[u8]) -> bool {
        match text.split_first() {
            Some((first, rest)) if any.contains(first) => {
                *text = rest;
                true
            }
            _ => false,
        }
    }
    skip(&mut text, b"+-");
    let mut mantissa = digits(&mut text);
    if skip(&mut text, b".") {
        mantissa += digits(&mut text);
    }
    if mantissa == 0 {
        return false;
    }
    if skip(&mut text, b"eE") {
        skip(&mut text, b"+-");
        if digits(&mut text) == 0 {
            return false;
        }
    }
    text.is_empty()
}

/// The integer with exactly this value, if there is one that SQLite would store instead.
pub(crate) fn real_as_integer(real: f64) -> Option<i64> {
    let integer = real as i64;
    let inner = integer > i64::MIN && integer < i64::MAX;
    (inner && integer as f64 == real).then_some(integer)
}

/// A real as text with 15 significant digits: C's `%!.15g`, which always shows that it is a real.
pub(crate) fn format_real(real: f64) -> String {
    if real.is_infinite() {
        return if real > 0.0 { "Inf".to_owned() } else { "-Inf".to_owned() };
    }
    if real == 0.0 {
        return "0.0".to_owned();
    }
    let scientific = format!("{real:.14e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let negative = mantissa.starts_with('-');
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        some => some,
    };
    let body = if (-4..15).contains(&exponent) {
        plain(digits, exponent)
    } else {
        exponential(digits, exponent)
    };
    if negative { format!("-{body}") } else { body }
}

fn plain(digits: &str, exponent: i32) -> String {
    if exponent < 0 {
        let zeros = "0".repeat((-exponent - 1) as usize);
        return format!("0.{zeros}{digits}");
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        format!("{digits}{}.0", "0".repeat(whole - digits.len()))
    } else {
        let (head, tail) = digits.split_at(whole);
        format!("{head}.{tail}")
    }
}

fn exponential(digits: &str, exponent: i32) -> String {
    let (head, tail) = digits.split_at(1);
    let tail = if tail.is_empty() { "0" } else { tail };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{head}.{tail}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_from_text() {
        for text in ["", "x", "1x", ".", "e5", "1e", "0x10", "1 2", "inf", "nan", "--1"] {
            assert_eq!(parse_number(text), None, "{text}");
        }
        assert_eq!(parse_number(" +12 "), Some(Value::Integer(12)));
        assert_eq!(parse_number(".5"), Some(Value::Real(0.5)));
        assert_eq!(parse_number("5."), Some(Value::Real(5.0)));
        assert_eq!(parse_number("1e3"), Some(Value::Real(1000.0)));
        assert_eq!(
            parse_number("9223372036854775808"),
            Some(Value::Real(9_223_372_036_854_775_808.0))
        );
    }

    #[test]
    fn reals_are_written_with_15_digits() {
        let cases: [(f64, &str); 9] = [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (-2.5, "-2.5"),
            (0.1 + 0.2, "0.3"),
            (1e15, "1.0e+15"),
            (123456789012345.0, "123456789012345.0"),
            (1e-5, "1.0e-05"),
            (0.0001, "0.0001"),
            (1.5e300, "1.5e+300"),
        ];
        for (real, text) in cases {
            assert_eq!(format_real(real), text);
        }
    }
}
