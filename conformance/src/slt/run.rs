//! Runs a sqllogictest file on one connection to one empty database.

use std::collections::HashMap;
use std::fmt;

use heddle_value::Value;
use md5::{Digest, Md5};

use super::record::{Expected, File, Record, Sort, Type};
use super::render::render;
use crate::engine::{Engine, Outcome};

/// A record that did not give what is expected.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Where it begins in its file.
    pub line: usize,
    /// What was run.
    pub sql: String,
    /// What should have come.
    pub expected: String,
    /// What came.
    pub got: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}\n  {}\n", self.line, self.sql.replace('\n', "\n  "))?;
        writeln!(f, "  expected: {}", self.expected.replace('\n', "\n    "))?;
        write!(f, "  got:      {}", self.got.replace('\n', "\n    "))
    }
}

/// How a file went.
#[derive(Debug, Default)]
pub struct Report {
    /// Records that gave what is expected.
    pub passed: usize,
    /// Those that did not.
    pub failures: Vec<Failure>,
    /// Those for other engines.
    pub skipped: usize,
}

/// Runs all records of a file.
pub fn run(file: &File, engine: &mut dyn Engine) -> Report {
    let mut report = Report { skipped: file.skipped, ..Report::default() };
    let mut labels = HashMap::new();
    for record in &file.records {
        let outcome = engine.run(&record.sql, None);
        match check(record, outcome, &mut labels) {
            None => report.passed += 1,
            Some((expected, got)) => report.failures.push(Failure {
                line: record.line,
                sql: record.sql.clone(),
                expected,
                got,
            }),
        }
    }
    report
}

/// What was expected and what came, if they differ.
fn check(
    record: &Record,
    outcome: Outcome,
    labels: &mut HashMap<String, String>,
) -> Option<(String, String)> {
    match (&record.expected, outcome.fault) {
        (Expected::Ok, None) | (Expected::Error, Some(_)) => None,
        (Expected::Ok, Some(fault)) => Some(("ok".to_owned(), fault.message)),
        (Expected::Error, None) => Some(("an error".to_owned(), "ok".to_owned())),
        (Expected::Query { .. }, Some(fault)) if !fault.while_running => {
            Some(("rows".to_owned(), fault.message))
        }
        // An error while a query runs is the end of its rows.
        (Expected::Query { types, sort, label, lines, threshold }, fault) => {
            let rows = outcome.answers.into_iter().next_back().unwrap_or_default().rows;
            let values = match rendered(&rows, types, *sort) {
                Ok(values) => values,
                Err(columns) => {
                    return Some((
                        format!("{} columns", types.len()),
                        format!("{columns} columns"),
                    ));
                }
            };
            let hash = digest(&values);
            if let Some(label) = label {
                let first = labels.entry(label.clone()).or_insert_with(|| hash.clone());
                if *first != hash {
                    return Some((
                        format!("the same as others of the label {label}"),
                        values.join(" "),
                    ));
                }
            }
            let long = *threshold > 0 && values.len() > *threshold;
            let shown = if long {
                vec![format!("{} values hashing to {hash}", values.len())]
            } else {
                values.clone()
            };
            if shown == *lines {
                return None;
            }
            let mut got = shown.join(" ");
            if long {
                let some: Vec<_> = values.iter().take(30).map(String::as_str).collect();
                got = format!("{got}: {} ...", some.join(" "));
            }
            if let Some(fault) = fault {
                got = format!("{got} [{}]", fault.message);
            }
            Some((lines.join(" "), got))
        }
    }
}

/// All values in the order asked for, or the number of columns where it is not that of the types.
fn rendered(rows: &[Vec<Value>], types: &[Type], sort: Sort) -> Result<Vec<String>, usize> {
    if let Some(row) = rows.iter().find(|row| row.len() != types.len()) {
        return Err(row.len());
    }
    let one = |row: &Vec<Value>| -> Vec<String> {
        row.iter().zip(types).map(|(value, letter)| render(value, *letter)).collect()
    };
    let mut rows: Vec<Vec<String>> = rows.iter().map(one).collect();
    if sort == Sort::Rows {
        rows.sort();
    }
    let mut values: Vec<String> = rows.into_iter().flatten().collect();
    if sort == Sort::Values {
        values.sort();
    }
    Ok(values)
}

fn digest(values: &[String]) -> String {
    let mut digest = Md5::new();
    for value in values {
        digest.update(value.as_bytes());
        digest.update(b"\n");
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
