//! Values as sqllogictest files write them: the column's letter decides, not the value's type.

use heddle_value::Value;

use super::record::Type;

/// One value under a letter.
pub fn render(value: &Value, letter: Type) -> String {
    if value.is_null() {
        return "NULL".to_owned();
    }
    match letter {
        Type::Integer => as_int(value).to_string(),
        Type::Real => three_decimals(value.as_real_lossy()),
        Type::Text => text(value),
    }
}

/// `sqlite3_column_int`: the low half of the whole number.
#[allow(clippy::cast_possible_truncation, reason = "as SQLite does")]
fn as_int(value: &Value) -> i32 {
    value.as_integer_lossy() as i32
}

fn text(value: &Value) -> String {
    let text = value.to_text();
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let shown = |byte: &u8| if (0x20..=0x7e).contains(byte) { char::from(*byte) } else { '@' };
    text.as_bytes().iter().map(shown).collect()
}

/// `%.3f`, with zeros after the sixteenth digit.
fn three_decimals(real: f64) -> String {
    if !real.is_finite() {
        return (if real > 0.0 { "Inf" } else { "-Inf" }).to_owned();
    }
    // Seventeen digits tell doubles apart; rounding goes from there, half up.
    let shown = format!("{:.16e}", real.abs());
    let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: Vec<u8> =
        mantissa.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect();
    let keep = (exponent + 4).min(16);
    let mut whole: u128 = 0;
    if keep >= 0 {
        let keep = usize::try_from(keep).unwrap_or(0);
        for digit in digits.iter().take(keep) {
            whole = whole * 10 + u128::from(*digit);
        }
        if digits.get(keep).is_some_and(|digit| *digit >= 5) {
            whole += 1;
        }
    }
    let mut all = whole.to_string();
    let zeros = usize::try_from(exponent + 4 - 16).unwrap_or(0);
    all.push_str(&"0".repeat(zeros));
    let all = format!("{all:0>4}");
    let (before, after) = all.split_at(all.len() - 3);
    let sign = if real < 0.0 && whole > 0 { "-" } else { "" };
    format!("{sign}{before}.{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_decides() {
        let shown = |value: Value, letter| render(&value, letter);
        assert_eq!(shown(Value::Null, Type::Integer), "NULL");
        assert_eq!(shown(Value::Real(-2.9), Type::Integer), "-2");
        assert_eq!(shown(Value::text("12abc"), Type::Integer), "12");
        assert_eq!(shown(Value::Integer(1 << 32), Type::Integer), "0");
        assert_eq!(shown(Value::text(""), Type::Text), "(empty)");
        assert_eq!(shown(Value::text("a\n\u{e9}"), Type::Text), "a@@@");
    }

    #[test]
    fn reals_have_three_decimals_and_sixteen_digits() {
        let cases = [
            (0.0, "0.000"),
            (-0.0001, "0.000"),
            (1.0625, "1.063"),
            (-2.5, "-2.500"),
            (9.9996, "10.000"),
            (0.0005, "0.001"),
            (0.00051, "0.001"),
            (123_456.789_4, "123456.789"),
            (-9_223_372_036_854_775_808.0, "-9223372036854776000.000"),
        ];
        for (real, shown) in cases {
            assert_eq!(three_decimals(real), shown);
        }
    }
}
