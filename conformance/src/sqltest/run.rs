//! Runs a case of a `.sqltest` file on an engine and says whether it gave what is expected.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use heddle_value::{Text, Value};
use regex::{Regex, RegexBuilder};

use super::case::{Case, Database, Expected, parse};
use crate::engine::{self, Engine, Kind, Outcome, Place};
use crate::slt::Failure;

/// How long a case may take.
const LIMIT: Duration = Duration::from_secs(20);

/// How a file went.
#[derive(Debug, Default)]
pub struct Report {
    /// Case runs that gave what is expected, with any text for an error.
    pub passed: usize,
    /// Those of them whose error has the expected text too.
    pub exact: usize,
    /// Those whose error has another text.
    pub inexact: Vec<Failure>,
    /// Those that failed.
    pub failures: Vec<Failure>,
    /// Those left out.
    pub skipped: usize,
}

/// What a run is made with.
pub struct Settings<'a> {
    /// Which engine.
    pub kind: Kind,
    /// The suite's folder.
    pub suite: &'a Path,
    /// Whether what should be in memory is put in files.
    pub on_files: bool,
    /// File and line of the cases to leave out.
    pub except: &'a [(String, usize)],
}

/// The cases that the suite lists as expecting what stock SQLite does not give.
///
/// # Errors
/// Those of reading the list.
pub fn except(suite: &Path) -> Result<Vec<(String, usize)>> {
    let text = std::fs::read_to_string(suite.join("except.tsv"))?;
    let mut all = Vec::new();
    for line in text.lines() {
        let mut fields = line.split('\t');
        let file = fields.next().context("no file")?.to_owned();
        all.push((file, fields.next().context("no line")?.parse()?));
    }
    Ok(all)
}

/// Runs all cases of a file.
///
/// # Errors
/// A file that can't be read, and a database that can't be opened.
pub fn run(path: &Path, settings: &Settings<'_>) -> Result<Report> {
    let text = std::fs::read_to_string(path)?;
    let file = parse(&text).with_context(|| path.display().to_string())?;
    let name = path.strip_prefix(settings.suite.join("tests")).unwrap_or(path).to_string_lossy();
    let folder = tempfile::tempdir()?;
    let mut report = Report::default();
    for database in &file.databases {
        let fixture = fixture(database, settings, folder.path())?;
        for (number, case) in file.cases.iter().enumerate() {
            let is_excepted =
                settings.except.iter().any(|(file, line)| *file == name && *line == case.line);
            if is_excepted {
                continue;
            }
            if case.skipped.is_some() {
                report.skipped += 1;
                continue;
            }
            let place = match (database, &fixture) {
                (_, Some(path)) => Place::ReadOnly(path.clone()),
                (Database::Memory, _) if !settings.on_files => Place::Memory,
                _ => Place::in_folder(folder.path(), &format!("{number}.db")),
            };
            let outcome = run_case(case, settings.kind, &place);
            judge(case, outcome, &mut report);
            if let Place::File(path) = &place
                && case.is_checked
            {
                check_file(case, path, &mut report);
            }
        }
    }
    Ok(report)
}

/// A copy of the suite's file that is read.
fn fixture(database: &Database, settings: &Settings<'_>, folder: &Path) -> Result<Option<PathBuf>> {
    let Database::ReadOnly(name) = database else { return Ok(None) };
    let from = settings.suite.join(name);
    let to = folder.join(from.file_name().context("no name")?);
    std::fs::copy(&from, &to).with_context(|| from.display().to_string())?;
    // The suite's files may not be written; what is copied may.
    let mut permissions = std::fs::metadata(&to)?.permissions();
    #[allow(clippy::permissions_set_readonly_false, reason = "a copy in a folder of its own")]
    permissions.set_readonly(false);
    std::fs::set_permissions(&to, permissions)?;
    Ok(Some(to))
}

/// What a case gives: the outcome of its script, or the failure of its setup.
fn run_case(case: &Case, kind: Kind, place: &Place) -> Result<Outcome, String> {
    let mut engine = engine::open(kind, place).map_err(|error| format!("opening: {error:#}"))?;
    for setup in &case.setups {
        if let Some(fault) = engine.run(setup, Some(LIMIT)).fault {
            return Err(format!("setup: {}", fault.message));
        }
    }
    Ok(engine.run(&case.script, Some(LIMIT)))
}

/// What is expected and what came where they differ.
enum Verdict {
    Passed,
    OtherWords(String, String),
    Failed(String, String),
}

fn judge(case: &Case, outcome: Result<Outcome, String>, report: &mut Report) {
    let verdict = match outcome {
        Err(message) => Verdict::Failed("a setup without error".to_owned(), message),
        Ok(outcome) => verdict(case, &outcome),
    };
    let failure = |expected, got| Failure {
        line: case.line,
        sql: format!("[{}] {}\n{}", case.name, case.setups.join("\n"), case.script),
        expected,
        got,
    };
    match verdict {
        Verdict::Passed => {
            report.passed += 1;
            report.exact += 1;
        }
        Verdict::OtherWords(expected, got) => {
            report.passed += 1;
            report.inexact.push(failure(expected, got));
        }
        Verdict::Failed(expected, got) => report.failures.push(failure(expected, got)),
    }
}

fn verdict(case: &Case, outcome: &Outcome) -> Verdict {
    let output = output(outcome);
    let fault = outcome.fault.as_ref().map(|fault| fault.message.as_str());
    if let Expected::Error(pattern) = &case.expected {
        return error_verdict(pattern, fault, &output);
    }
    let expected = match &case.expected {
        Expected::AsStock => match run_case(case, Kind::Stock, &Place::Memory) {
            Ok(Outcome { fault: Some(stock), .. }) => {
                return error_verdict(&regex::escape(&stock.message), fault, &output);
            }
            Ok(stock) => self::output(&stock),
            Err(message) => return Verdict::Failed("a setup without error".to_owned(), message),
        },
        Expected::Lines(lines) | Expected::Unordered(lines) => lines.join("\n"),
        Expected::Raw(text) | Expected::Pattern(text) | Expected::Error(text) => text.clone(),
    };
    if let Some(message) = fault {
        return Verdict::Failed(expected, format!("{output}\n[error] {message}"));
    }
    let trimmed = || output.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    let is_met = match &case.expected {
        Expected::Lines(lines) => lines.join("\n") == trimmed().join("\n"),
        Expected::Unordered(lines) => {
            let (mut wanted, mut got) = (lines.clone(), trimmed());
            wanted.sort();
            got.sort();
            wanted == got
        }
        Expected::Pattern(pattern) => {
            Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(output.trim()))
        }
        _ => {
            let plain = |text: &str| text.trim_end_matches('\n').to_owned();
            plain(&expected) == plain(&output)
        }
    };
    if is_met { Verdict::Passed } else { Verdict::Failed(expected, output) }
}

fn error_verdict(pattern: &str, fault: Option<&str>, output: &str) -> Verdict {
    let squeeze = |text: &str| text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let Some(message) = fault else {
        return Verdict::Failed(format!("an error: {pattern}"), output.to_owned());
    };
    let squeezed = squeeze(pattern);
    let is_found = match RegexBuilder::new(&squeezed).case_insensitive(true).build() {
        Ok(pattern) => pattern.is_match(&squeeze(message)),
        Err(_) => false,
    };
    let is_plain = squeeze(message).to_lowercase().contains(&squeezed.to_lowercase());
    if is_found || is_plain {
        Verdict::Passed
    } else {
        Verdict::OtherWords(pattern.to_owned(), message.to_owned())
    }
}

/// The rows of all statements, a line for each.
fn output(outcome: &Outcome) -> String {
    let rows = outcome.answers.iter().flat_map(|answer| &answer.rows);
    let line = |row: &Vec<Value>| {
        let values = row.iter().map(|value| {
            let text = match value {
                Value::Real(real) => Text::from(fifteen_digits(*real)),
                other => other.to_text(),
            };
            let bytes = heddle_value::utf8::until_nul(text.as_bytes());
            String::from_utf8_lossy(bytes).into_owned()
        });
        values.collect::<Vec<_>>().join("|")
    };
    rows.map(line).collect::<Vec<_>>().join("\n")
}

/// What SQLite says of the file that a case left.
fn check_file(case: &Case, path: &Path, report: &mut Report) {
    let verdict = match crate::stock::Stock::open(&Place::File(path.to_owned())) {
        Ok(mut stock) => output(&stock.run("PRAGMA integrity_check", None)),
        Err(error) => error.to_string(),
    };
    if verdict != "ok" {
        report.failures.push(Failure {
            line: case.line,
            sql: format!("[{}] PRAGMA integrity_check by SQLite", case.name),
            expected: "ok".to_owned(),
            got: verdict,
        });
    }
}

/// A real as the shell of the suite's day writes it: `%!.15g`.
fn fifteen_digits(real: f64) -> String {
    if !real.is_finite() {
        return (if real > 0.0 { "Inf" } else { "-Inf" }).to_owned();
    }
    let shown = format!("{:.14e}", real.abs());
    let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    let sign = if real < 0.0 { "-" } else { "" };
    let or_zero = |digits: &str| if digits.is_empty() { "0".to_owned() } else { digits.to_owned() };
    if !(-4..15).contains(&exponent) {
        let (head, tail) = digits.split_at(digits.len().min(1));
        let power = exponent.unsigned_abs();
        let minus = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{head}.{}e{minus}{power:02}", or_zero(tail));
    }
    let zeros = "0".repeat(usize::try_from(-exponent).unwrap_or(0));
    let all = format!("{zeros}{digits}");
    let before = usize::try_from(exponent).unwrap_or(0) + 1;
    let all = format!("{all:0<before$}");
    let (before, after) = all.split_at(before);
    format!("{sign}{before}.{}", or_zero(after))
}

#[cfg(test)]
mod tests {
    use super::fifteen_digits;

    #[test]
    fn reals_have_fifteen_digits_and_a_point() {
        let cases = [
            (0.0, "0.0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (100.0, "100.0"),
            (82.938_967_982_354_65, "82.9389679823547"),
            (0.000_123, "0.000123"),
            (1e-5, "1.0e-05"),
            (1e15, "1.0e+15"),
            (999_999_999_999_999.9, "1.0e+15"),
            (-1.5e300, "-1.5e+300"),
        ];
        for (real, shown) in cases {
            assert_eq!(fifteen_digits(real), shown);
        }
    }
}
