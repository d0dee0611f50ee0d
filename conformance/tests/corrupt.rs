//! Malformed database files of `shared/corruptdb`: every step gives an answer or an error, in time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(clippy::disallowed_methods, reason = "what is measured here is real time")]

use std::time::{Duration, Instant};

use heddle_conformance::engine::{Engine, Outcome, Place};
use heddle_conformance::heddle::{Heddle, PANIC};
use heddle_conformance::shared;

/// How long one step may take.
const STEP: Duration = Duration::from_secs(5);
/// How long a step may take to hear that its time is over.
const SLACK: Duration = Duration::from_secs(20);

/// Runs a step; a panic or a hang is a fault of the engine, an error is not.
fn step(engine: &mut Heddle, sql: &str, faults: &mut Vec<String>) -> Outcome {
    let start = Instant::now();
    let outcome = engine.run(sql, Some(STEP));
    if let Some(fault) = &outcome.fault
        && fault.code == PANIC
    {
        faults.push(format!("{sql}: {}", fault.message));
    }
    if start.elapsed() > STEP + SLACK {
        faults.push(format!("{sql}: took {:.1} s", start.elapsed().as_secs_f64()));
    }
    outcome
}

#[test]
fn malformed_files_give_errors_only() {
    let Some(folder) = shared::find_or_say("corruptdb", "the malformed files") else { return };
    let files = shared::files(&folder, ".db").unwrap();
    assert!(!files.is_empty());
    let temporary = tempfile::tempdir().unwrap();
    let mut faults = Vec::new();
    for path in &files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let copy = temporary.path().join(&name);
        std::fs::write(&copy, std::fs::read(path).unwrap()).unwrap();
        let opened = std::panic::catch_unwind(|| Heddle::open(&Place::File(copy)));
        let mut engine = match opened {
            Ok(Ok(engine)) => engine,
            Ok(Err(_)) => continue,
            Err(_) => {
                faults.push(format!("{name}: opening panicked"));
                continue;
            }
        };
        let mut own = Vec::new();
        let tables =
            step(&mut engine, "SELECT name FROM sqlite_schema WHERE type = 'table'", &mut own);
        let names =
            tables.answers.iter().flat_map(|answer| &answer.rows).filter_map(|row| row.first());
        let names: Vec<String> =
            names.map(|name| name.to_text().to_string_lossy().into_owned()).collect();
        step(&mut engine, "PRAGMA integrity_check", &mut own);
        for table in &names {
            let table = table.replace('"', "\"\"");
            step(&mut engine, &format!("SELECT count(*) FROM \"{table}\""), &mut own);
            step(&mut engine, &format!("SELECT * FROM \"{table}\""), &mut own);
            step(&mut engine, &format!("INSERT INTO \"{table}\" DEFAULT VALUES"), &mut own);
            step(&mut engine, &format!("UPDATE \"{table}\" SET rowid = rowid"), &mut own);
            step(&mut engine, &format!("DELETE FROM \"{table}\""), &mut own);
        }
        step(&mut engine, "VACUUM", &mut own);
        faults.extend(own.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
