//! Each function over texts, documents, paths and values picked by hand.

use heddle_value::Value;

use crate::documents::{PATHS, TEXTS, TREES};
use crate::{Expr, Judge, call, i, t};

/// Values of all types, and JSON among them.
fn values() -> Vec<Expr> {
    let mut values = vec![
        Expr::Value(Value::Null),
        i(0),
        i(-12),
        i(i64::MIN),
        Expr::Value(Value::Real(1.5)),
        Expr::Value(Value::Real(1.0)),
        Expr::Value(Value::Real(1e100)),
        Expr::Value(Value::Real(f64::INFINITY)),
        Expr::Value(Value::Real(f64::NEG_INFINITY)),
        Expr::Value(Value::Real(0.1 + 0.2)),
        t(""),
        t("abc"),
        t("[1]"),
        t("a\"b\\c\n\u{1}'\u{e9}"),
        t("nul\u{0}inside"),
        t("a text of more than twenty-two bytes, and \"more\""),
        call("json", [t("[1, 2 ,'x']")]),
        call("json", [t("{a:1}")]),
        call("json", [t("null")]),
        call("jsonb", [t("{\"a\":[true,'\\x41']}")]),
        call("json_quote", [t("q\"")]),
    ];
    let blobs: &[&[u8]] = &[
        b"",
        b"\x00",
        b"\x0b",
        b"abc",
        b"[1]",
        b"5",
        b"{}",
        b"\x13",
        b"\x135",
        b"\x0d",
        b"\x10a",
        b"\xff",
        b"\x5b\x135",
        b"\x3c\x17a\x00",
        b"\xcb\x02\x135",
        b"{\"a\":1}",
        b"\x4aa'b\"",
    ];
    values.extend(blobs.iter().map(|b| Expr::Value(Value::blob(b))));
    values
}

#[test]
fn texts_are_read_as_stock_reads_them() {
    let mut judge = Judge::new();
    for text in TEXTS {
        for name in ["json", "jsonb", "json_valid", "json_error_position", "json_type"] {
            judge.check(&call(name, [t(text)]));
        }
        for flags in -1..=16 {
            judge.check_document("json_valid", text, &[i(flags)]);
        }
        for name in ["json_extract", "jsonb_extract", "->", "->>"] {
            judge.check_document(name, text, &[t("$")]);
        }
        judge.check_document("json_pretty", text, &[]);
        judge.check_document("json_error_position", text, &[]);
        judge.check_document("json", text, &[]);
        // Bytes of text are taken for text, unless they are JSONB.
        judge.check(&call("json", [Expr::Value(Value::blob(text))]));
    }
}

#[test]
fn arguments_of_all_types_are_taken_as_stock_takes_them() {
    let mut judge = Judge::new();
    for value in values() {
        for name in [
            "json",
            "jsonb",
            "json_array",
            "jsonb_array",
            "json_quote",
            "json_type",
            "json_valid",
            "json_error_position",
            "json_array_length",
            "json_pretty",
            "json_extract",
            "json_remove",
            "json_set",
        ] {
            judge.check(&call(name, [value.clone()]));
        }
        for other in values() {
            for name in [
                "json_object",
                "jsonb_object",
                "json_array",
                "json_extract",
                "->",
                "->>",
                "json_remove",
                "json_array_length",
                "json_type",
                "json_pretty",
                "json_valid",
                "json_patch",
                "json_insert",
            ] {
                judge.check(&call(name, [value.clone(), other.clone()]));
            }
        }
        for name in ["json_set", "jsonb_set", "json_insert", "jsonb_replace", "json_array_insert"] {
            for path in ["$", "$.a", "$.b[0]"] {
                judge.check_document(name, "{\"a\":1,\"b\":[2]}", &[t(path), value.clone()]);
            }
            judge.check_document(name, "[]", &[value.clone(), i(1)]);
        }
    }
}

#[test]
fn paths_lead_where_they_lead_in_stock() {
    let mut judge = Judge::new();
    for tree in TREES {
        for path in PATHS {
            for name in [
                "json_extract",
                "jsonb_extract",
                "->",
                "->>",
                "json_type",
                "json_array_length",
                "json_remove",
                "jsonb_remove",
            ] {
                judge.check_document(name, tree, &[t(path)]);
            }
            judge.check_document("json_extract", tree, &[t("$.a"), t(path), t("$[1]")]);
            judge.check_document("jsonb_extract", tree, &[t(path), t(path)]);
            judge.check_document("json_remove", tree, &[t(path), t("$.b[0]"), t(path)]);
        }
        for short in ["a", "x y", "b", "[0]", "[#-1]", "[1", "0", "1", "a.b", "", "\"a\"", "it's"] {
            judge.check_document("->", tree, &[t(short)]);
            judge.check_document("->>", tree, &[t(short)]);
        }
        for n in [0, 1, 2, -1, -8, -9, i64::MAX, i64::MIN] {
            judge.check_document("->", tree, &[i(n)]);
            judge.check_document("->>", tree, &[i(n)]);
        }
        judge.check_document("->", tree, &[Expr::Value(Value::Real(1.5))]);
        judge.check_document("->", tree, &[Expr::Value(Value::Null)]);
    }
}

#[test]
fn changes_at_paths_are_those_of_stock() {
    let mut judge = Judge::new();
    let new = [
        i(7),
        t("new"),
        call("json", [t("{\"k\":[]}")]),
        Expr::Value(Value::Null),
        t("a text that is longer than what it stands for, a good deal longer"),
    ];
    for tree in TREES {
        for path in PATHS {
            for value in &new {
                for name in [
                    "json_insert",
                    "jsonb_insert",
                    "json_replace",
                    "jsonb_replace",
                    "json_set",
                    "jsonb_set",
                    "json_array_insert",
                    "jsonb_array_insert",
                ] {
                    judge.check_document(name, tree, &[t(path), value.clone()]);
                }
            }
            judge.check_document(
                "jsonb_set",
                tree,
                &[t("$.z"), i(1), t(path), t("v"), t("$.z"), t("w"), t("$.a.b.c"), i(3)],
            );
        }
    }
}

#[test]
fn patches_merge_as_in_stock() {
    let mut judge = Judge::new();
    let patches = [
        "{}",
        "{\"a\":2}",
        "{\"a\":null}",
        "{\"a\":null,\"b\":null,\"c\":null,\"\":null}",
        "{\"c\":{\"d\":null,\"g\":{\"h\":null,\"i\":1}}}",
        "{\"a\":{\"b\":{\"c\":1}}}",
        "{\"b\":{\"x\":1}}",
        "{\"a\":{\"x\":1},\"a\":{\"y\":2}}",
        "{\"n\":{\"x\":1},\"n\":{\"y\":2},\"n\":{\"x\":null}}",
        "{\"a\":1,\"a\":null}",
        "{\"\\u0061\":\"escaped\"}",
        "{\"x y\":\"123456789012345678901234567890\"}",
        "{\"new\":[1,null,{\"a\":null}]}",
        "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5}",
        "{'b':'xyz'}",
    ];
    for target in TREES.iter().chain(&["1x", "\"12345\""]) {
        for patch in TREES.iter().chain(&patches).chain(&["{\"a\":}", ""]) {
            for name in ["json_patch", "jsonb_patch"] {
                judge.check_document(name, target, &[t(patch)]);
                judge.check_document(name, target, &[call("jsonb", [t(patch)])]);
            }
        }
        judge.check_document("json_patch", target, &[Expr::Value(Value::Null)]);
    }
    judge.check(&call("json_patch", [Expr::Value(Value::Null), t("{x")]));
}

#[test]
fn documents_are_laid_out_as_in_stock() {
    let mut judge = Judge::new();
    for tree in TREES {
        judge.check_document("json_pretty", tree, &[]);
        for indent in ["", " ", "\t", "--", "a\u{0}b"] {
            judge.check_document("json_pretty", tree, &[t(indent)]);
        }
        judge.check_document("json_pretty", tree, &[i(3)]);
        judge.check_document("json_pretty", tree, &[Expr::Value(Value::Null)]);
    }
}

#[test]
fn results_of_json_functions_count_as_json_and_others_do_not() {
    let mut judge = Judge::new();
    let tree = || t("{\"a\":[1],\"s\":\"[2]\",\"o\":{}}");
    for inner in [
        call("json", [t("[1]")]),
        call("json_array", [i(1)]),
        call("json_object", [t("a"), i(1)]),
        call("json_quote", [t("[1]")]),
        call("json_extract", [tree(), t("$.a")]),
        call("json_extract", [tree(), t("$.s")]),
        call("json_extract", [tree(), t("$.a"), t("$.s")]),
        call("jsonb_extract", [tree(), t("$.a")]),
        call("jsonb_extract", [tree(), t("$.s")]),
        call("jsonb_extract", [tree(), t("$.a"), t("$.s")]),
        call("->", [tree(), t("$.a")]),
        call("->", [tree(), t("$.s")]),
        call("->>", [tree(), t("$.a")]),
        call("->>", [tree(), t("$.s")]),
        call("json_set", [tree(), t("$.a"), i(1)]),
        call("json_remove", [tree(), t("$.a")]),
        call("json_patch", [tree(), t("{\"a\":2}")]),
        call("json_pretty", [tree()]),
        call("json_type", [tree()]),
    ] {
        for name in ["json_array", "jsonb_array", "json_quote"] {
            judge.check(&call(name, [inner.clone()]));
        }
        judge.check(&call("json_object", [t("k"), inner.clone()]));
        judge.check(&call("json_set", [t("{}"), t("$.k"), inner.clone()]));
        judge.check(&call("json_array_insert", [t("[0]"), t("$[0]"), inner.clone()]));
    }
}

#[test]
fn wrong_numbers_of_arguments_are_told_as_in_stock() {
    let mut judge = Judge::new();
    for (name, least, most) in [
        ("json_array", 0, 3),
        ("json_object", 0, 4),
        ("jsonb_object", 1, 1),
        ("json_extract", 0, 2),
        ("json_insert", 0, 5),
        ("jsonb_replace", 0, 4),
        ("json_set", 0, 4),
        ("json_array_insert", 0, 4),
        ("json_remove", 0, 3),
        ("json", 0, 2),
        ("json_patch", 1, 3),
        ("json_quote", 0, 2),
        ("json_type", 0, 3),
        ("json_valid", 0, 3),
        ("json_pretty", 0, 3),
        ("json_error_position", 0, 2),
        ("json_array_length", 0, 3),
    ] {
        for count in least..=most {
            judge.check(&call(name, vec![t("[]"); count]));
        }
    }
}
