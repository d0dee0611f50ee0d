//! Runs a session's statements on two engines and finds the first whose answers differ.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use heddle_value::Value;

use super::generator::{Compared, Statement};
use crate::engine::{self, Answer, Kind, Outcome, Place};

/// How long a statement may take.
const LIMIT: Duration = Duration::from_secs(10);
/// SQLite's code for a statement that took longer.
const INTERRUPTED: i32 = 9;

/// A statement whose answers differ.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Its place among the session's.
    pub at: usize,
    /// What differs.
    pub what: &'static str,
    /// What stock SQLite gave.
    pub stock: String,
    /// What the other gave.
    pub other: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "-- {} differ", self.what)?;
        writeln!(f, "-- stock: {}", self.stock.replace('\n', "\n--        "))?;
        write!(f, "-- other: {}", self.other.replace('\n', "\n--        "))
    }
}

/// The first difference between stock and `other`, if there is one, and how many statements ran.
///
/// # Errors
/// If a database can't be opened.
pub fn compare(statements: &[Statement], other: Kind) -> Result<(Option<Difference>, usize)> {
    let mut stock = engine::open(Kind::Stock, &Place::Memory)?;
    let mut other = engine::open(other, &Place::Memory)?;
    for (at, statement) in statements.iter().enumerate() {
        let expected = stock.run(&statement.sql, Some(LIMIT));
        if expected.fault.as_ref().is_some_and(|fault| fault.code == INTERRUPTED) {
            return Ok((None, at));
        }
        let got = other.run(&statement.sql, Some(LIMIT));
        if let Some(what) = differs(statement, &expected, &got) {
            let (stock, other) = (shown(&expected), shown(&got));
            return Ok((Some(Difference { at, what, stock, other }), at + 1));
        }
    }
    Ok((None, statements.len()))
}

fn differs(statement: &Statement, expected: &Outcome, got: &Outcome) -> Option<&'static str> {
    match (&expected.fault, &got.fault) {
        (None, None) => {}
        (Some(expected), Some(got)) => {
            return (expected.code != got.code).then_some("the codes of errors");
        }
        _ => return Some("success and failure"),
    }
    let none = Answer::default();
    let expected = expected.answers.last().unwrap_or(&none);
    let got = got.answers.last().unwrap_or(&none);
    if expected.columns != got.columns {
        return Some("the names of columns");
    }
    if is_change(&statement.sql) && expected.changes != got.changes {
        return Some("the numbers of changes");
    }
    let prepared = |answer: &Answer| {
        let mut rows: Vec<Vec<String>> =
            answer.rows.iter().map(|row| key(row, statement.compared)).collect();
        if statement.compared != Compared::InOrder {
            rows.sort();
        }
        rows
    };
    (prepared(expected) != prepared(got)).then_some("rows")
}

fn is_change(sql: &str) -> bool {
    ["INSERT", "UPDATE", "DELETE"].iter().any(|word| sql.starts_with(word))
}

/// A row as it is compared.
fn key(row: &[Value], compared: Compared) -> Vec<String> {
    row.iter()
        .map(|value| if compared == Compared::Loosely { loose(value) } else { exact(value) })
        .collect()
}

/// Tells all values apart, their types too.
fn exact(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Text(text) => format!("'{}'", text.to_string_lossy()),
        Value::Blob(blob) => format!("x'{}'", hex(blob.as_bytes())),
    }
}

/// Equal for values that compare equal under one of the collations.
fn loose(value: &Value) -> String {
    match value {
        Value::Integer(_) => format!("{:?}", value.as_real_lossy()),
        Value::Text(text) => {
            format!("'{}'", text.to_string_lossy().trim_end_matches(' ').to_ascii_lowercase())
        }
        other => exact(other),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn shown(outcome: &Outcome) -> String {
    if let Some(fault) = &outcome.fault {
        return format!("error {}: {}", fault.code, fault.message);
    }
    let Some(answer) = outcome.answers.last() else { return "nothing".to_owned() };
    let mut text = format!(
        "{} rows ({}), {} changes",
        answer.rows.len(),
        answer.columns.join(", "),
        answer.changes
    );
    let mut rows: Vec<String> =
        answer.rows.iter().map(|row| key(row, Compared::InOrder).join("|")).collect();
    rows.sort();
    for row in rows.iter().take(40) {
        text.push('\n');
        text.push_str(row);
    }
    text
}
