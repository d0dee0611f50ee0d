//! Depth, length, and JSONB that is damaged.

use heddle_functions::FunctionError;
use heddle_value::{Collation, Value};

use crate::{Around, Expr, Judge, Narrow, call, i, t};

fn nested(open: &str, close: &str, inner: &str, depth: usize) -> String {
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn json_nests_as_deep_as_in_stock() {
    let mut judge = Judge::new();
    for depth in [1, 500, 998, 999, 1000, 1001, 1002, 5000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{a:", "}]")] {
            let text = nested(open, close, "1", depth);
            for name in ["json", "jsonb", "json_valid", "json_error_position", "json_pretty"] {
                judge.check_document(name, &text, &[]);
            }
            judge.check_document("json_valid", &text, &[i(8)]);
            judge.check_document("json_patch", &text, &[t(&text)]);
            judge.check_document("json_patch", "{}", &[t(&text)]);
            judge.check_document("json_extract", &text, &[t("$.a[0].a")]);
        }
        for step in ["[0]", ".a"] {
            let path = format!("${}", step.repeat(depth));
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let text = nested(open, close, "1", depth);
                judge.check_document("json_extract", &text, &[t(&path)]);
                judge.check_document("json_remove", &text, &[t(&path)]);
            }
            judge.check_document("json_set", "{}", &[t(&path), i(1)]);
            judge.check_document("json_set", "[]", &[t(&path), i(1)]);
        }
    }
}

#[test]
fn very_deep_input_is_an_error_and_no_overflow() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let text = nested(open, close, "1", 200_000);
        let error = call("json", [t(&text)]).ours().unwrap_err();
        assert_eq!(error, "malformed JSON");
    }
    // JSONB as deep as its headers allow.
    let mut blob = vec![0x00];
    for _ in 0..20_000 {
        let mut outer = vec![0xeb];
        outer.extend((blob.len() as u32).to_be_bytes());
        outer.append(&mut blob);
        blob = outer;
    }
    let blob = || Expr::Value(Value::blob(&blob));
    assert_eq!(call("json", [blob()]).ours(), Err("JSON nested too deep".to_owned()));
    assert_eq!(call("json_pretty", [blob()]).ours(), Err("JSON nested too deep".to_owned()));
    assert_eq!(call("json_valid", [blob(), i(8)]).ours(), Ok(Value::Integer(0)));
}

/// Damages JSONB of all kinds byte by byte: both sides say the same of its validity, and ours never fails in another way than by an
/// error. What else stock makes of damaged JSONB is chance.
#[test]
fn damaged_jsonb_is_judged_as_in_stock() {
    let mut judge = Judge::new();
    let stock = rusqlite::Connection::open_in_memory().unwrap();
    for text in [
        "[1,-2,0x1f,1.5,.5,5.,1e5,-1e-5,-0xff,9e999]",
        "{\"a\":'x\\x41\\'\\\n',b:\"\\u0041\\n\",\"c\":[null,true,false,{}]}",
        "[\"plain text of some length\",'with \"quotes\"',[],{\"k\":{\"l\":[]}}]",
        "5",
        "\"abc\"",
        "{\"a\":1}",
    ] {
        let blob: Vec<u8> = stock.query_row("SELECT jsonb(?)", [text], |row| row.get(0)).unwrap();
        for at in 0..blob.len() {
            for new in (0..=255).step_by(if blob.len() < 12 { 1 } else { 5 }) {
                let mut damaged = blob.clone();
                damaged[at] = new;
                let damaged = || Expr::Value(Value::blob(&damaged));
                for flags in [4, 8] {
                    judge.check(&call("json_valid", [damaged(), i(flags)]));
                }
                judge.check(&call("json_error_position", [damaged()]));
                for name in ["json", "json_pretty", "json_type", "json_array"] {
                    let _ = call(name, [damaged()]).ours();
                }
                for name in ["json_extract", "json_remove", "json_array_length"] {
                    for path in ["$.a", "$[1]", "$[#-1]", "$.c[3]"] {
                        let _ = call(name, [damaged(), t(path)]).ours();
                    }
                }
                for name in ["jsonb_set", "jsonb_array_insert", "json_replace"] {
                    for path in ["$.a", "$[1]", "$[#]", "$.c[3].x"] {
                        let _ = call(name, [damaged(), t(path), i(1)]).ours();
                    }
                }
                let _ = call("json_patch", [damaged(), t("{\"c\":{\"x\":1}}")]).ours();
                let _ = call("json_patch", [t("{\"c\":{\"x\":1}}"), damaged()]).ours();
            }
        }
    }
}

#[test]
fn results_over_the_limit_are_refused() {
    let long = Value::text("x".repeat(60));
    let list = Value::text(format!("[\"{0}\",\"{0}\"]", "y".repeat(60)));
    let path = Value::text("$");
    for (name, arguments) in [
        ("json", vec![list.clone()]),
        ("jsonb", vec![list.clone()]),
        ("json_array", vec![long.clone(), long.clone()]),
        ("jsonb_array", vec![long.clone(), long.clone()]),
        ("json_object", vec![long.clone(), long.clone()]),
        ("json_quote", vec![Value::text("\u{1}".repeat(60))]),
        ("json_extract", vec![list.clone(), path.clone()]),
        ("->", vec![list.clone(), path.clone()]),
        ("->>", vec![list.clone(), path.clone()]),
        ("json_set", vec![Value::text("{}"), Value::text("$.a"), Value::text("z".repeat(200))]),
        ("jsonb_set", vec![Value::text("{}"), Value::text("$.a"), Value::text("z".repeat(200))]),
        (
            "json_patch",
            vec![Value::text("{}"), Value::text(format!("{{\"{}\":1}}", "a".repeat(100)))],
        ),
        ("json_pretty", vec![Value::text("[1,[2,[3]]]"), Value::text(" ".repeat(50))]),
    ] {
        let code = heddle_functions::scalar(name, arguments.len()).unwrap().code;
        let narrow = code(&mut Narrow, &Collation::BINARY, &arguments);
        assert_eq!(narrow, Err(FunctionError::TooBig), "{name}");
        assert!(code(&mut Around, &Collation::BINARY, &arguments).is_ok(), "{name}");
    }
    let group = heddle_functions::aggregate("json_group_array", 1).unwrap();
    let mut group = (group.start)(&Collation::BINARY);
    let mut step = || group.step(&mut Narrow, std::slice::from_ref(&long));
    assert_eq!(step(), Ok(()));
    assert_eq!(step(), Err(FunctionError::TooBig));
}
