//! Text to syntax trees: ends of statements, texts of columns, limits, errors' words and places.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use heddle_sql::Error;
use heddle_sql::ast::{Expr, Literal, ResultColumn, SelectCore, Statement, TransactionKind};
use heddle_sql::parse::{parse, parse_one};
use heddle_value::Value;

fn columns(sql: &str) -> Vec<ResultColumn> {
    match parse_one(sql).unwrap().statement {
        Statement::Select(select) => match select.body.first {
            SelectCore::Select { columns, .. } => columns,
            SelectCore::Values(_) => panic!("VALUES"),
        },
        other => panic!("{other:?}"),
    }
}

fn texts(sql: &str) -> Vec<String> {
    let text = |column: ResultColumn| match column {
        ResultColumn::Expr { text, .. } => text.to_string(),
        other => format!("{other:?}"),
    };
    columns(sql).into_iter().map(text).collect()
}

fn message(sql: &str) -> String {
    parse(sql).unwrap_err().to_string()
}

#[test]
fn a_column_keeps_the_text_it_was_written_as() {
    assert_eq!(texts("SELECT a +  b, count( * ) FROM t"), ["a +  b", "count( * )"]);
    assert_eq!(texts("select DISTINCT 1+ 1 AS two,x y"), ["1+ 1", "x"]);
    assert_eq!(
        texts("SELECT (SELECT 1, 2 FROM u), b IS NOT DISTINCT FROM c"),
        ["(SELECT 1, 2 FROM u)", "b IS NOT DISTINCT FROM c"]
    );
    assert_eq!(
        texts("SELECT CASE WHEN a THEN b END, 'it''s, FROM'"),
        ["CASE WHEN a THEN b END", "'it''s, FROM'"]
    );
}

#[test]
fn texts_of_inner_queries_are_not_mixed_up() {
    let columns = columns("SELECT (SELECT a+1 FROM t), b+2");
    let ResultColumn::Expr { expr: Expr::Subquery(inner), .. } = &columns[0] else { panic!() };
    let SelectCore::Select { columns: inner, .. } = &inner.body.first else { panic!() };
    assert!(matches!(&inner[0], ResultColumn::Expr { text, .. } if &**text == "a+1"));
    assert!(matches!(&columns[1], ResultColumn::Expr { text, .. } if &**text == "b+2"));
}

#[test]
fn a_text_of_many_statements_is_taken_one_by_one() {
    let sql = "  ; SELECT 1; -- done\nBEGIN CONCURRENT;/* x */ CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END; ";
    let first = parse(sql).unwrap().unwrap();
    assert_eq!(&sql[first.text.clone()], "SELECT 1");
    let rest = &sql[first.end..];
    let second = parse(rest).unwrap().unwrap();
    assert_eq!(second.statement, Statement::Begin(TransactionKind::Concurrent));
    let rest = &rest[second.end..];
    let third = parse(rest).unwrap().unwrap();
    assert!(matches!(third.statement, Statement::CreateTrigger(_)));
    assert_eq!(&rest[third.text], "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END");
    assert!(parse(&rest[third.end..]).unwrap().is_none());
}

#[test]
fn numbers_are_read_as_sqlite_reads_them() {
    let value = |sql: &str| match columns(sql).remove(0) {
        ResultColumn::Expr { expr: Expr::Literal(Literal::Value(value)), .. } => value,
        other => panic!("{other:?}"),
    };
    assert_eq!(value("SELECT 9223372036854775807"), Value::Integer(i64::MAX));
    assert_eq!(value("SELECT 9223372036854775808"), Value::Real(9_223_372_036_854_775_808.0));
    assert_eq!(value("SELECT -9223372036854775808"), Value::Integer(i64::MIN));
    assert_eq!(value("SELECT 0xFFFFFFFFFFFFFFFF"), Value::Integer(-1));
    assert_eq!(value("SELECT 1_000"), Value::Integer(1000));
    assert_eq!(value("SELECT x'0aFF'"), Value::blob([10, 255]));
    assert_eq!(value("SELECT 'a''b'"), Value::text("a'b"));
}

#[test]
fn parameters_are_numbered_as_sqlite_numbers_them() {
    let parsed = parse_one("SELECT ?, :a, ?5, $b, :a, ?").unwrap();
    let names: Vec<_> = parsed.parameters.iter().map(Option::as_deref).collect();
    assert_eq!(names, [None, Some(":a"), None, None, Some("?5"), Some("$b"), None]);
}

#[test]
fn errors_have_sqlites_words_and_the_place() {
    assert_eq!(message("SELEC 1"), "near \"SELEC\": syntax error");
    assert_eq!(message("SELECT 1 FROM"), "incomplete input");
    assert_eq!(message("SELECT 'abc"), "unrecognized token: \"'abc\"");
    assert_eq!(message("SELECT 123abc"), "unrecognized token: \"123abc\"");
    match parse(";;SELECT\n a FROM FROM t").unwrap_err() {
        Error::Sql { message, offset } => {
            assert_eq!(message, "near \"FROM\": syntax error");
            assert_eq!(offset, Some(17));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn depth_is_limited_and_length_is_not_depth() {
    let nested = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(message(&nested).starts_with("Expression tree is too large"));
    let minus = format!("SELECT {}1", "- ".repeat(5000));
    assert!(message(&minus).starts_with("Expression tree is too large"));
    let sum = format!("SELECT 1{}", "+1".repeat(1_000_000));
    assert!(message(&sum).starts_with("Expression tree is too large"));
    let deep = format!("SELECT {}1{}", "(".repeat(900), ")".repeat(900));
    parse_one(&deep).unwrap();
    let list = format!("SELECT 1 IN (1{})", ",1".repeat(100_000));
    parse_one(&list).unwrap();
    let selects = format!("SELECT * FROM {}t{}", "(SELECT * FROM ".repeat(3000), ")".repeat(3000));
    assert!(parse(&selects).is_err());
}

#[test]
fn definitions_keep_the_texts_that_sqlite_quotes() {
    let sql = "CREATE TABLE t(a INT DEFAULT (1 + 2) CHECK ( a > 0 ), b DEFAULT -5 REFERENCES u ON DELETE SET DEFAULT, c DEFAULT 'x', CHECK(b<c))";
    let Statement::CreateTable(table) = parse_one(sql).unwrap().statement else { panic!() };
    let shown = format!("{table:?}");
    for text in ["\"1 + 2\"", "\"a > 0\"", "\"-5\"", "\"'x'\"", "\"b<c\""] {
        assert!(shown.contains(&format!("text: {text}")), "{text} in {shown}");
    }
    let sql = "ALTER TABLE main.t ADD COLUMN d TEXT DEFAULT 'q' ; ";
    let Statement::AlterTable { change, .. } = parse_one(sql).unwrap().statement else { panic!() };
    assert!(format!("{change:?}").contains("text: \"d TEXT DEFAULT 'q'\""), "{change:?}");
}
