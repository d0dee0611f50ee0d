//! Turso's conformance suite of `shared/turso-sqltests`: stock SQLite passes all of it, HeddleDB no fewer than
//! `floors.toml` says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use heddle_conformance::engine::Kind;
use heddle_conformance::sqltest::run::{Settings, except, run};
use heddle_conformance::{floors, shared};

/// How many case runs there are.
const CASES: usize = 6_033;

/// Case runs that passed, those with the exact words of errors, and those that failed.
fn run_all(kind: Kind, on_files: bool) -> Option<(usize, usize, usize)> {
    let suite = shared::find_or_say("turso-sqltests", "turso's conformance suite")?;
    let files = shared::files(&suite.join("tests"), ".sqltest").unwrap();
    let except = except(&suite).unwrap();
    let settings = Settings { kind, suite: &suite, on_files, except: &except };
    let reports = shared::on_two_threads(&files, |path| run(path, &settings)).unwrap();
    for (path, report) in files.iter().zip(&reports) {
        if let Some(failure) = report.failures.first() {
            let failed = report.failures.len();
            eprintln!("{}: {failed} failed, the first:\n{failure}", path.display());
        }
    }
    let count =
        |of: fn(&heddle_conformance::sqltest::run::Report) -> usize| reports.iter().map(of).sum();
    Some((
        count(|report| report.passed),
        count(|report| report.exact),
        count(|report| report.failures.len()),
    ))
}

#[test]
fn stock_passes_all_with_exact_words() {
    if let Some(counts) = run_all(Kind::Stock, false) {
        assert_eq!(counts, (CASES, CASES, 0));
    }
}

#[test]
fn queries_over_files_of_stock() {
    if let Some((passed, ..)) = run_all(Kind::Reads, false) {
        floors::check("sqltest-reads", passed).unwrap();
    }
}

#[test]
fn heddle_in_memory() {
    if let Some((passed, ..)) = run_all(Kind::Heddle, false) {
        floors::check("sqltest-memory", passed).unwrap();
    }
}
