//! The sqllogictest corpus of `shared/slt`: stock SQLite passes all of it, HeddleDB no fewer than `floors.toml` says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use heddle_conformance::engine::{self, Kind, Place};
use heddle_conformance::{floors, shared, slt};

/// How many records there are.
const RECORDS: usize = 93_099;
/// Those for other engines.
const SKIPPED: usize = 9_538;

/// Records that passed and those that were skipped; failures are printed.
fn run(kind: Kind, on_files: bool) -> Option<(usize, usize)> {
    let folder = shared::find_or_say("slt/test", "the sqllogictest corpus")?;
    let files = shared::files(&folder, ".test").unwrap();
    let reports = shared::on_two_threads(&files, |path| {
        let file = slt::record::parse(&std::fs::read_to_string(path)?)?;
        let temporary = tempfile::tempdir()?;
        let place =
            if on_files { Place::in_folder(temporary.path(), "test.db") } else { Place::Memory };
        Ok(slt::run(&file, engine::open(kind, &place)?.as_mut()))
    });
    let reports = reports.unwrap();
    for (path, report) in files.iter().zip(&reports) {
        if let Some(failure) = report.failures.first() {
            let failed = report.failures.len();
            eprintln!("{}: {failed} failed, the first:\n{failure}", path.display());
        }
    }
    let passed = reports.iter().map(|report| report.passed).sum();
    Some((passed, reports.iter().map(|report| report.skipped).sum()))
}

#[test]
fn stock_passes_all() {
    if let Some(counts) = run(Kind::Stock, false) {
        assert_eq!(counts, (RECORDS, SKIPPED));
    }
}

#[test]
fn queries_over_files_of_stock() {
    if let Some((passed, _)) = run(Kind::Reads, false) {
        floors::check("slt-reads", passed).unwrap();
    }
}

#[test]
fn heddle_in_memory() {
    if let Some((passed, _)) = run(Kind::Heddle, false) {
        floors::check("slt-memory", passed).unwrap();
    }
}
