//! A sqllogictest file as records. [`super::run()`] runs them.

use anyhow::{Context, Result, bail};

/// One record that is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The line of the file on which it begins, from 1.
    pub line: usize,
    /// What is run.
    pub sql: String,
    /// What is expected of it.
    pub expected: Expected,
}

/// What a record expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// `statement ok`.
    Ok,
    /// `statement error`.
    Error,
    /// `query`.
    Query {
        /// How each column is rendered.
        types: Vec<Type>,
        /// In which order the values stand.
        sort: Sort,
        /// Queries of one label have the same result.
        label: Option<String>,
        /// The lines after `----`.
        lines: Vec<String>,
        /// More values than this are expected as a digest; 0: never.
        threshold: usize,
    },
}

/// How the values of a column are rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `I`.
    Integer,
    /// `R`.
    Real,
    /// `T`.
    Text,
}

/// In which order values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// As they come.
    No,
    /// The rows in the order of their rendered values.
    Rows,
    /// All values in the order of their bytes.
    Values,
}

/// A file's records, without those for other engines.
#[derive(Debug, Default)]
pub struct File {
    /// Those to run.
    pub records: Vec<Record>,
    /// How many were left out.
    pub skipped: usize,
}

/// The threshold at the start of a file.
const THRESHOLD: usize = 8;
/// The engine that the files know us as.
const NAME: &str = "sqlite";

/// Reads a file.
///
/// # Errors
/// A line that is not of the format, with its number.
pub fn parse(text: &str) -> Result<File> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut file = File::default();
    let mut threshold = THRESHOLD;
    let mut skip = false;
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let start = at + 1;
        at += 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_ascii_whitespace();
        let word = words.next().unwrap_or_default();
        match word {
            "skipif" => skip |= is_us(words.next()),
            "onlyif" => skip |= !is_us(words.next()),
            "halt" if skip => skip = false,
            "halt" => return Ok(file),
            "hash-threshold" => {
                let number = words.next().and_then(|word| word.parse().ok());
                threshold = number.with_context(|| format!("line {start}: no number"))?;
            }
            "statement" | "query" => {
                let body = body(&lines, &mut at);
                if std::mem::take(&mut skip) {
                    file.skipped += 1;
                    continue;
                }
                let record = if word == "query" {
                    query(start, words, &body, threshold)
                } else {
                    statement(start, words.next(), &body)
                };
                file.records.push(record.with_context(|| format!("line {start}"))?);
            }
            other => bail!("line {start}: {other} is unknown"),
        }
    }
    Ok(file)
}

fn is_us(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.eq_ignore_ascii_case(NAME))
}

/// The lines up to the next empty one; comments within are not part of it.
fn body<'a>(lines: &[&'a str], at: &mut usize) -> Vec<&'a str> {
    let mut body = Vec::new();
    while let Some(line) = lines.get(*at).filter(|line| !line.is_empty()) {
        if !line.starts_with('#') {
            body.push(*line);
        }
        *at += 1;
    }
    body
}

fn statement(line: usize, outcome: Option<&str>, body: &[&str]) -> Result<Record> {
    let expected = match outcome {
        Some("ok") => Expected::Ok,
        Some("error") => Expected::Error,
        other => bail!("a statement that expects {other:?}"),
    };
    Ok(Record { line, sql: body.join("\n"), expected })
}

fn query<'a>(
    line: usize,
    mut words: impl Iterator<Item = &'a str>,
    body: &[&str],
    threshold: usize,
) -> Result<Record> {
    let types = words.next().context("no types")?.chars();
    let types = types
        .map(|letter| match letter {
            'I' => Ok(Type::Integer),
            'R' => Ok(Type::Real),
            'T' => Ok(Type::Text),
            other => bail!("the type {other}"),
        })
        .collect::<Result<Vec<_>>>()?;
    let sort = match words.next() {
        None | Some("nosort") => Sort::No,
        Some("rowsort") => Sort::Rows,
        Some("valuesort") => Sort::Values,
        Some(other) => bail!("the order {other}"),
    };
    let label = words.next().map(str::to_owned);
    let end = body.iter().position(|line| *line == "----").unwrap_or(body.len());
    let (sql, lines) = body.split_at(end);
    let lines = lines.iter().skip(1).map(|line| (*line).to_owned()).collect();
    let expected = Expected::Query { types, sort, label, lines, threshold };
    Ok(Record { line, sql: sql.join("\n"), expected })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn records_conditions_and_the_end() {
        let text = "# a file\nstatement ok\nCREATE TABLE t(a)\n\nskipif sqlite # not here\nonlyif mysql\n\
            statement error\nnonsense\n\nhash-threshold 3\nonlyif SQLite\nquery IT rowsort x\nSELECT 1,\n# why\n'a'\n----\n1\na\n\n\
            query R\nSELECT 1.5 WHERE 0\n\nhalt\nnonsense\n";
        let file = parse(text).unwrap();
        assert_eq!(file.skipped, 1);
        let sql: Vec<_> = file.records.iter().map(|record| record.sql.as_str()).collect();
        assert_eq!(sql, ["CREATE TABLE t(a)", "SELECT 1,\n'a'", "SELECT 1.5 WHERE 0"]);
        let Expected::Query { types, sort, label, lines, threshold } = &file.records[1].expected
        else {
            unreachable!("a query")
        };
        assert_eq!(types, &[Type::Integer, Type::Text]);
        assert_eq!((*sort, label.as_deref(), *threshold), (Sort::Rows, Some("x"), 3));
        assert_eq!(lines, &["1", "a"]);
        assert_eq!(file.records[1].line, 12);
    }

    #[test]
    fn what_is_not_of_the_format_is_refused() {
        for text in ["bogus\n", "query X\nSELECT 1\n", "statement maybe\nSELECT 1\n", "query\n"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
