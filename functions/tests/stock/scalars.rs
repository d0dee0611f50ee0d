//! Core scalar functions.

use super::values::{Dice, corners, texts};
use super::*;

#[test]
fn functions_of_one_argument() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    for name in [
        "abs",
        "char",
        "concat",
        "hex",
        "length",
        "likely",
        "unlikely",
        "lower",
        "ltrim",
        "octet_length",
        "quote",
        "round",
        "rtrim",
        "sign",
        "soundex",
        "subtype",
        "trim",
        "typeof",
        "unhex",
        "unicode",
        "unistr",
        "unistr_quote",
        "upper",
    ] {
        for value in corners() {
            differences.call(&stock, name, &[value]);
        }
    }
    for count in [0, 1, 5, -3] {
        differences.call(&stock, "zeroblob", &[Value::Integer(count)]);
    }
    differences.call(&stock, "zeroblob", &[Value::Null]);
    differences.call(&stock, "zeroblob", &[Value::text("3x")]);
}

#[test]
fn functions_of_two_arguments() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    for name in [
        "coalesce",
        "concat",
        "concat_ws",
        "glob",
        "if",
        "iif",
        "ifnull",
        "instr",
        "like",
        "ltrim",
        "max",
        "min",
        "nullif",
        "round",
        "rtrim",
        "substr",
        "substring",
        "trim",
        "unhex",
    ] {
        for a in corners() {
            for b in corners() {
                differences.call(&stock, name, &[a.clone(), b]);
            }
        }
    }
}

#[test]
fn functions_of_more_arguments() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let mut dice = Dice(7);
    let corners = corners();
    for name in ["coalesce", "char", "concat", "concat_ws", "iif", "max", "min"] {
        for _ in 0..2000 {
            let count = 2 + dice.below(5);
            let arguments: Vec<_> = (0..count).map(|_| dice.pick(&corners).clone()).collect();
            differences.call(&stock, name, &arguments);
        }
    }
    for name in ["substr", "replace", "like"] {
        for _ in 0..20_000 {
            let arguments: Vec<_> = (0..3).map(|_| dice.pick(&corners).clone()).collect();
            differences.call(&stock, name, &arguments);
        }
    }
}

#[test]
fn substr_takes_its_window_anywhere() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let ends = [i64::MIN, i64::MIN + 3, i64::MAX, i64::MAX - 2];
    let numbers: Vec<i64> = (-6..=6).chain(ends).collect();
    let mut subjects: Vec<Value> = texts().iter().map(Value::text).collect();
    subjects.extend([Value::blob(b"abcd"), Value::blob(b"\x80\x80\xc3\xa9"), Value::blob(b"")]);
    for subject in subjects {
        for &from in &numbers {
            differences.call(&stock, "substr", &[subject.clone(), Value::Integer(from)]);
            for &count in &numbers {
                let arguments = [subject.clone(), Value::Integer(from), Value::Integer(count)];
                differences.call(&stock, "substr", &arguments);
            }
        }
    }
}

#[test]
fn texts_of_random_bytes() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let mut dice = Dice(99);
    let bytes = b"aAbc 01 \x00\x80\xbf\xc3\xa9\xe2\x82\xf0\xff\\u%_'\"";
    for _ in 0..20_000 {
        let mut text = |most: usize| -> Value {
            let length = dice.below(most);
            let text: Vec<u8> = (0..length).map(|_| *dice.pick(bytes)).collect();
            if dice.below(6) == 0 { Value::blob(text) } else { Value::text(text) }
        };
        let (a, b, c) = (text(12), text(4), text(4));
        for name in ["length", "upper", "unicode", "quote", "unistr_quote", "unistr", "soundex"] {
            differences.call(&stock, name, std::slice::from_ref(&a));
        }
        for name in ["instr", "trim", "ltrim", "rtrim", "like", "glob", "unhex"] {
            differences.call(&stock, name, &[a.clone(), b.clone()]);
        }
        differences.call(&stock, "replace", &[a.clone(), b.clone(), c.clone()]);
        differences.call(&stock, "like", &[a, b, c]);
    }
}

#[test]
fn round_of_random_reals() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let mut dice = Dice(5);
    for _ in 0..100_000 {
        let arguments = [Value::Real(dice.real()), Value::Integer(dice.below(20) as i64)];
        differences.call(&stock, "round", &arguments);
    }
}

#[test]
fn limits_of_length_hold() {
    let too_big = Err("string or blob too big".to_string());
    let mut around = Around { max_length: 10, ..Around::new() };
    let mut in_ten = |name: &str, arguments: &[Value]| call_in(&mut around, name, arguments);
    let six = Value::text("abcdef");
    assert_eq!(in_ten("zeroblob", &[Value::Integer(11)]), too_big);
    assert_eq!(in_ten("zeroblob", &[Value::Integer(10)]), Ok(Value::blob([0; 10])));
    assert_eq!(in_ten("zeroblob", &[Value::Integer(i64::MAX)]), too_big);
    assert_eq!(in_ten("randomblob", &[Value::Integer(11)]), too_big);
    assert_eq!(in_ten("hex", std::slice::from_ref(&six)), too_big);
    assert_eq!(in_ten("concat", &[six.clone(), six.clone()]), too_big);
    let arguments = [six, Value::text("a"), Value::text("123456")];
    assert_eq!(in_ten("replace", &arguments), too_big);
    let long = Value::text("a".repeat(50_001));
    assert_eq!(
        call("like", &[long.clone(), Value::text("a")]),
        Stock::new().call("like", &[long, Value::text("a")])
    );
}

#[test]
fn surroundings_show() {
    assert_eq!(call("changes", &[]), Ok(Value::Integer(11)));
    assert_eq!(call("total_changes", &[]), Ok(Value::Integer(22)));
    assert_eq!(call("last_insert_rowid", &[]), Ok(Value::Integer(33)));
    assert_eq!(call("sqlite_version", &[]), Ok(Value::text("3.50.4")));
    assert!(matches!(call("random", &[]), Ok(Value::Integer(_))));
    let Ok(Value::Blob(blob)) = call("randomblob", &[Value::Integer(21)]) else { panic!() };
    assert_eq!(blob.len(), 21);
    let Ok(Value::Blob(blob)) = call("randomblob", &[Value::Integer(-1)]) else { panic!() };
    assert_eq!(blob.len(), 1);
    assert_eq!(call("load_extension", &[Value::text("x")]), Err("not authorized".into()));
}

#[test]
fn options_are_found_by_name_and_number() {
    let used = |name: &str| call("sqlite_compileoption_used", &[Value::text(name)]);
    assert_eq!(used("THREADSAFE"), Ok(Value::Integer(1)));
    assert_eq!(used("sqlite_threadsafe"), Ok(Value::Integer(1)));
    assert_eq!(used("THREADSAFE=1"), Ok(Value::Integer(1)));
    assert_eq!(used("THREAD"), Ok(Value::Integer(0)));
    assert_eq!(used("OMIT_JSON"), Ok(Value::Integer(0)));
    let first = call("sqlite_compileoption_get", &[Value::Integer(0)]);
    assert_eq!(first, Ok(Value::text(heddle_functions::compile_options()[0])));
    assert_eq!(call("sqlite_compileoption_get", &[Value::Integer(-1)]), Ok(Value::Null));
    assert_eq!(call("sqlite_compileoption_get", &[Value::Integer(999)]), Ok(Value::Null));
}

#[test]
fn calls_have_the_numbers_of_arguments_that_stock_takes() {
    let stock = Stock::new();
    let names: std::collections::BTreeSet<_> =
        heddle_functions::scalars().map(|f| f.name).collect();
    // Not callable with any number, or keywords of their own.
    let apart = [
        "load_extension",
        "sqlite_log",
        "likelihood",
        "zeroblob",
        "randomblob",
        "current_date",
        "current_time",
        "current_timestamp",
    ];
    let known = "SELECT count(*) FROM pragma_function_list WHERE name = ?";
    let mut compared = 0;
    for name in names {
        let there = stock.one(known, &[Value::text(name)]);
        if apart.contains(&name) || there == Ok(Value::Integer(0)) {
            continue;
        }
        for count in 0..6 {
            let arguments = vec![Value::Integer(1); count];
            let wrong = stock
                .call(name, &arguments)
                .is_err_and(|e| e.starts_with("wrong number of arguments"));
            // An aggregate of one argument is no scalar function.
            let ours = heddle_functions::scalar(name, count).is_some()
                || heddle_functions::aggregate(name, count).is_some();
            assert_eq!(ours, !wrong, "{name} of {count}");
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared}");
}

#[test]
fn every_function_takes_anything() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let mut dice = Dice(61);
    let corners = corners();
    // Chance, the clock, the build; those whose result takes gigabytes; those that need a constant.
    let apart = [
        "random",
        "randomblob",
        "zeroblob",
        "date",
        "time",
        "datetime",
        "julianday",
        "unixepoch",
        "strftime",
        "current_date",
        "current_time",
        "current_timestamp",
        "changes",
        "total_changes",
        "last_insert_rowid",
        "sqlite_version",
        "sqlite_source_id",
        "sqlite_compileoption_get",
        "sqlite_compileoption_used",
        "sqlite_log",
        "load_extension",
        "likelihood",
    ];
    let known = "SELECT count(*) FROM pragma_function_list WHERE name = ?";
    let mut compared = std::collections::BTreeSet::new();
    for function in heddle_functions::scalars().filter(|f| !apart.contains(&f.name)) {
        // A judge without it can't say more than that there must be no panic.
        let judged = stock.one(known, &[Value::text(function.name)]) != Ok(Value::Integer(0));
        for _ in 0..1500 {
            let (least, most) = (function.arity.0, function.arity.1.unwrap_or(5));
            let count = least + dice.below(most.max(least) - least + 1);
            let arguments: Vec<_> = (0..count).map(|_| dice.pick(&corners).clone()).collect();
            if judged && !function.name.starts_with("json") {
                differences.call(&stock, function.name, &arguments);
                compared.insert(function.name);
            } else {
                let _ = call(function.name, &arguments);
            }
        }
    }
    assert!(compared.len() > 35, "{compared:?}");
}
