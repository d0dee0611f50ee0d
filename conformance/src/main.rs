//! Runs the suites and prints how they went: `cargo xtask slt`, `sqltest`, `differ`.
#![allow(clippy::disallowed_methods, reason = "what is measured here is real time")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use heddle_conformance::engine::{self, Kind, Place};
use heddle_conformance::slt::{self, Failure};
use heddle_conformance::{differ, shared, sqltest};

/// HeddleDB's SQL beside stock SQLite.
#[derive(Parser)]
#[command(name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

/// What the suites are run with.
#[derive(clap::Args)]
struct Suite {
    /// Only files whose path contains one of these.
    files: Vec<String>,
    /// Which engine.
    #[arg(long, value_enum, default_value_t = Kind::Heddle)]
    engine: Kind,
    /// How many failures of each file to print.
    #[arg(long, default_value_t = 3)]
    failures: usize,
    /// Databases in files.
    #[arg(long)]
    on_files: bool,
    /// Print the errors with other words too.
    #[arg(long)]
    words: bool,
}

/// What generated statements are run with.
#[derive(clap::Args)]
struct Differ {
    /// How many statements in all.
    #[arg(long, default_value_t = 10_000)]
    statements: usize,
    /// The first session's seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many statements a session has.
    #[arg(long, default_value_t = 120)]
    session: usize,
    /// Which engine is compared with stock.
    #[arg(long, value_enum, default_value_t = Kind::Heddle)]
    engine: Kind,
    /// How many differences are printed.
    #[arg(long, default_value_t = 10)]
    differences: usize,
    /// Print the first session's statements and end.
    #[arg(long)]
    print: bool,
}

#[derive(Subcommand)]
enum Task {
    /// The sqllogictest corpus.
    Slt(Suite),
    /// Turso's conformance suite.
    Sqltest(Suite),
    /// Generated statements on stock SQLite and another engine.
    Differ(Differ),
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Slt(suite) => run_slt(&suite),
        Task::Sqltest(suite) => run_sqltest(&suite),
        Task::Differ(differ) => run_differ(&differ),
    }
}

fn chosen(suite: &Suite, folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut files = shared::files(folder, ending)?;
    let is_chosen = |path: &PathBuf| {
        let path = path.to_string_lossy();
        suite.files.is_empty() || suite.files.iter().any(|part| path.contains(part))
    };
    files.retain(is_chosen);
    Ok(files)
}

fn show(failures: &[Failure], most: usize) {
    for failure in failures.iter().take(most) {
        println!("{failure}");
    }
}

fn run_slt(suite: &Suite) -> Result<()> {
    let folder = shared::find("slt/test").context("there is no shared/slt")?;
    let files = chosen(suite, &folder, ".test")?;
    let start = Instant::now();
    let reports = shared::on_two_threads(&files, |path| {
        let start = Instant::now();
        let file = slt::record::parse(&std::fs::read_to_string(path)?)?;
        let temporary = tempfile::tempdir()?;
        let place = if suite.on_files {
            Place::in_folder(temporary.path(), "test.db")
        } else {
            Place::Memory
        };
        let report = slt::run(&file, engine::open(suite.engine, &place)?.as_mut());
        Ok((report, start.elapsed()))
    })?;
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (path, (report, took)) in files.iter().zip(&reports) {
        let all = report.passed + report.failures.len();
        let shown = path.strip_prefix(&folder).unwrap_or(path).display();
        println!("{shown}: {} of {all} in {:.2} s", report.passed, took.as_secs_f64());
        show(&report.failures, suite.failures);
        passed += report.passed;
        failed += report.failures.len();
        skipped += report.skipped;
    }
    let took = start.elapsed().as_secs_f64();
    println!("{passed} of {} records passed, {skipped} skipped, in {took:.1} s", passed + failed);
    Ok(())
}

fn run_sqltest(suite: &Suite) -> Result<()> {
    let folder = shared::find("turso-sqltests").context("there is no shared/turso-sqltests")?;
    let files = chosen(suite, &folder.join("tests"), ".sqltest")?;
    let except = sqltest::run::except(&folder)?;
    let settings = sqltest::run::Settings {
        kind: suite.engine,
        suite: &folder,
        on_files: suite.on_files,
        except: &except,
    };
    let start = Instant::now();
    let reports = shared::on_two_threads(&files, |path| sqltest::run::run(path, &settings))?;
    let (mut passed, mut exact, mut failed, mut skipped) = (0, 0, 0, 0);
    for (path, report) in files.iter().zip(&reports) {
        let all = report.passed + report.failures.len();
        let shown = path.strip_prefix(&folder).unwrap_or(path).display();
        if !report.failures.is_empty() || suite.words && !report.inexact.is_empty() {
            println!("{shown}: {} of {all}, with exact words {}", report.passed, report.exact);
        }
        show(&report.failures, suite.failures);
        if suite.words {
            show(&report.inexact, suite.failures);
        }
        passed += report.passed;
        exact += report.exact;
        failed += report.failures.len();
        skipped += report.skipped;
    }
    let all = passed + failed;
    let took = start.elapsed().as_secs_f64();
    println!(
        "{passed} of {all} passed, {exact} with exact words, {skipped} skipped, in {took:.1} s"
    );
    Ok(())
}

fn run_differ(settings: &Differ) -> Result<()> {
    if settings.print {
        let session = differ::generator::session(settings.seed, settings.session);
        print!("{}", differ::shrink::script(&session));
        return Ok(());
    }
    let sessions = settings.statements.div_ceil(settings.session.max(1));
    let seeds: Vec<u64> = (settings.seed..).take(sessions).collect();
    let start = Instant::now();
    let shown = AtomicUsize::new(0);
    let results = shared::on_two_threads(&seeds, |seed| {
        let session = differ::generator::session(*seed, settings.session);
        let (difference, ran) = differ::compare::compare(&session, settings.engine)?;
        let Some(first) = difference else { return Ok((ran, 0)) };
        if shown.fetch_add(1, Ordering::Relaxed) < settings.differences {
            let (left, difference) = differ::shrink::shrink(&session, first, settings.engine)?;
            println!("-- seed {seed}\n{}{difference}\n", differ::shrink::script(&left));
        }
        Ok((ran, 1))
    })?;
    let ran: usize = results.iter().map(|(ran, _)| ran).sum();
    let differences: usize = results.iter().map(|(_, differences)| differences).sum();
    let took = start.elapsed().as_secs_f64();
    println!("{ran} statements in {sessions} sessions, {differences} differences, in {took:.1} s");
    anyhow::ensure!(differences == 0, "{differences} sessions differ");
    Ok(())
}
