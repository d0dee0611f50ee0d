//! `printf`.

use super::values::{Dice, corners};
use super::*;

fn check(stock: &Stock, differences: &mut Differences, format: &str, arguments: &[Value]) {
    let all: Vec<_> =
        std::iter::once(Value::text(format)).chain(arguments.iter().cloned()).collect();
    differences.call(stock, "printf", &all);
}

#[test]
fn directives_over_corners() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    for conversion in "diuxXopcrszqQwjJeEfgGn%TSabhl".chars() {
        for flags in
            ["", "-", "+", " ", "0", "#", "!", ",", "#!", "0,", "-0", "+0", "#0", "!0", "+ ", "#q"]
        {
            for size in [
                "", "1", "7", "12", ".0", ".1", ".3", "9.2", "20.10", ".20", "40.30", "l", "ll",
                "5l", "5.2ll", "lll", ".",
            ] {
                let format = format!("<%{flags}{size}{conversion}>");
                for value in corners().iter().step_by(2) {
                    check(&stock, &mut differences, &format, std::slice::from_ref(value));
                }
            }
        }
    }
}

#[test]
fn widths_and_precisions_from_arguments() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let numbers =
        [0, 1, 5, -1, -7, 12, i64::from(i32::MIN), 1 << 32, (1 << 32) + 3].map(Value::Integer);
    for format in ["<%*d>", "<%-*d>", "<%*s>", "<%0*d>", "<%+*f>", "<%*lld>", "<%!*s>"] {
        for width in &numbers {
            for value in [Value::Integer(-42), Value::text("caf\u{e9}s"), Value::Null] {
                check(&stock, &mut differences, format, &[width.clone(), value]);
            }
        }
    }
    for format in ["<%*.*d>", "<%*.*s>", "<%-*.*f>", "<%!*.*q>", "<%*.*c>"] {
        for width in &numbers {
            for precision in &numbers {
                let arguments = [width.clone(), precision.clone(), Value::text("12'345")];
                check(&stock, &mut differences, format, &arguments);
            }
        }
    }
}

#[test]
fn patterns_of_random_pieces() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let mut dice = Dice(17);
    let pieces = [
        "%", "d", "5", "0", ".", "*", "l", "s", "c", "q", "Q", "f", "g", "e", "x", "-", "+", " ",
        "#", "!", ",", "%d", "%s", "%,d", "%.3f", "%%", "text", "\u{e9}", "z", "3", "%r", "w",
    ];
    let corners = corners();
    let small = |v: &Value| matches!(v, Value::Integer(v) if v.unsigned_abs() > 1000);
    for _ in 0..60_000 {
        let format: String = (0..dice.below(12)).map(|_| *dice.pick(&pieces)).collect();
        let mut arguments: Vec<Value> =
            (0..dice.below(5)).map(|_| dice.pick(&corners).clone()).collect();
        if format.contains('*') {
            arguments.retain(|v| !small(v) && !matches!(v, Value::Text(_) | Value::Real(_)));
        }
        let digits = format.split(|c: char| !c.is_ascii_digit());
        if digits.map(str::len).max() > Some(4) {
            continue;
        }
        check(&stock, &mut differences, &format, &arguments);
    }
    differences.call(&stock, "printf", &[]);
    differences.call(&stock, "printf", &[Value::Null]);
    differences.call(&stock, "printf", &[Value::Integer(12)]);
    differences.call(&stock, "printf", &[Value::text(b"a\x00%d")]);
}

#[test]
fn random_reals() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let mut dice = Dice(29);
    for _ in 0..60_000 {
        let real = Value::Real(dice.real());
        let flags = *dice.pick(&["", "!", "#", ",", "0", "+", "!#", "+0,"]);
        let precision = dice.below(24);
        let conversion = *dice.pick(&["f", "e", "g", "G"]);
        check(&stock, &mut differences, &format!("%{flags}.{precision}{conversion}"), &[real]);
    }
}

#[test]
fn halves_of_whole_numbers() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let mut dice = Dice(37);
    for _ in 0..20_000 {
        // Some digits, a 5 and zeros: a tie at one precision.
        let digits = 1 + dice.below(15);
        let zeros = dice.below(17 - digits);
        let number = (dice.roll() % 10_u64.pow(digits as u32)) * 10 + 5;
        let real = Value::Real(number as f64 * 10_f64.powi(zeros as i32));
        for precision in digits.saturating_sub(2)..=digits + 1 {
            for conversion in ["e", "g"] {
                let format = format!("%.{precision}{conversion}");
                check(&stock, &mut differences, &format, std::slice::from_ref(&real));
            }
        }
    }
}

#[test]
fn lengths_over_the_limit_are_refused_before_they_take_memory() {
    let too_big = Err("string or blob too big".to_string());
    for format in [
        "%2000000000d",
        "%.2000000000d",
        "%02000000000d",
        "%,.2000000000d",
        "%2000000000s",
        "%2000000000f",
        "%.2000000000c",
        "%2000000000.99999999e",
        "%2000000000q",
        "%2000000000%",
        "%2000000000J",
    ] {
        let arguments = [Value::text(format), Value::Integer(1)];
        assert_eq!(call("printf", &arguments), too_big, "{format}");
        assert_eq!(Stock::new().call("printf", &arguments), too_big, "{format}");
    }
    let mut around = Around { max_length: 10, ..Around::new() };
    for (format, fits) in
        [("%10d", true), ("%11d", false), ("%s12345678", true), ("%s1234567890", false)]
    {
        let outcome = call_in(&mut around, "printf", &[Value::text(format), Value::Integer(7)]);
        assert_eq!(outcome.is_ok(), fits, "{format}");
    }
}
