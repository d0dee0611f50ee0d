//! The workshop: `cargo xtask` lists what can be run here, `cargo xtask test` runs the tests.
//!
//! Each command is a thin layer over cargo, so that continuous integration and a person at a
//! keyboard run the same thing. Crates that must not burden a user's build (`bench`, `loom-tests`,
//! `shuttle-tests`, `fuzz`) are workspaces of their own; the commands below know where they are.

mod command;
mod fuzz;
mod tidy;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use command::Cargo;

/// HeddleDB's workshop.
#[derive(Parser)]
#[command(name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything a change must pass before it is committed: format, lints, tidy, documentation.
    Check,
    /// All tests: nextest over the workspace, then the documentation's examples.
    Test {
        /// Passed on to nextest (a filter, `--release`, ...).
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// House rules that rustc and clippy don't know: module headers, file sizes, known words.
    Tidy,
    /// Model-checks the concurrent core with loom.
    Loom {
        /// How many preemptions loom explores per execution.
        #[arg(long, default_value_t = 2)]
        preemptions: u32,
        /// Seconds allowed for each test before loom stops exploring.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Passed on to the test program (a filter).
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Runs whole transactions under shuttle's random and PCT schedulers.
    Shuttle {
        /// Schedules per test.
        #[arg(long, default_value_t = 300)]
        iterations: u32,
        /// Passed on to the test program (a filter).
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Kills a process at work on a real disk, again and again, and checks what it leaves.
    Kill {
        /// How often.
        #[arg(long, default_value_t = 100)]
        times: u32,
        /// Passed on to the program (`--seed`, `--folder`, `--longest`).
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Runs whole databases in a simulated world with faults; `cargo xtask sim --help` says more.
    #[command(disable_help_flag = true)]
    Sim {
        /// Passed on to the simulator.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Runs the sqllogictest corpus of `shared/slt`; `cargo xtask slt --help` says more.
    #[command(disable_help_flag = true)]
    Slt {
        /// Passed on to the runner.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Runs turso's conformance suite of `shared/turso-sqltests`; `cargo xtask sqltest --help` says more.
    #[command(disable_help_flag = true)]
    Sqltest {
        /// Passed on to the runner.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Runs generated statements on stock SQLite and on HeddleDB; `cargo xtask differ --help` says more.
    #[command(disable_help_flag = true)]
    Differ {
        /// Passed on to the runner.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Fuzzes everything that reads bytes, with corpora made from real files.
    Fuzz(fuzz::Fuzz),
    /// Measures HeddleDB beside its peers; `cargo xtask bench -- --help` lists the workloads.
    Bench {
        /// Passed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Licences and advisories of every dependency (installs cargo-deny if it is missing).
    Deny,
}

fn main() -> Result<()> {
    let root = root()?;
    match Arguments::parse().task {
        Task::Check => check(&root),
        Task::Test { rest } => test(&root, &rest),
        Task::Tidy => tidy::run(&root),
        Task::Loom { preemptions, seconds, rest } => Cargo::at(root.join("loom-tests"))
            .env("RUSTFLAGS", "--cfg heddle_loom --cfg crossbeam_loom")
            .env("LOOM_MAX_PREEMPTIONS", &preemptions.to_string())
            .env("LOOM_MAX_DURATION", &seconds.to_string())
            .run(["test", "--release"], &rest),
        Task::Shuttle { iterations, rest } => Cargo::at(root.join("shuttle-tests"))
            .env("RUSTFLAGS", "--cfg heddle_shuttle")
            .env("HEDDLE_SHUTTLE_ITERATIONS", &iterations.to_string())
            .run(["test", "--release"], &rest),
        Task::Kill { times, rest } => {
            let times = times.to_string();
            let run = ["run", "--release", "-p", "heddle-kill-tests", "--", "--times", &times];
            Cargo::at(&root).run(run, &rest)
        }
        Task::Sim { rest } => sim(&root, &rest),
        Task::Slt { rest } => conformance(&root, "slt", &rest),
        Task::Sqltest { rest } => conformance(&root, "sqltest", &rest),
        Task::Differ { rest } => conformance(&root, "differ", &rest),
        Task::Fuzz(arguments) => fuzz::run(&root, &arguments),
        Task::Bench { rest } => {
            Cargo::at(root.join("bench")).run(["run", "--release", "--"], &rest)
        }
        Task::Deny => deny(&root),
    }
}

fn conformance(root: &Path, suite: &str, rest: &[String]) -> Result<()> {
    let words =
        ["run", "--quiet", "--profile", "sim", "--package", "heddle-conformance", "--", suite];
    Cargo::at(root).run(words, rest)
}

fn sim(root: &Path, rest: &[String]) -> Result<()> {
    let cargo = Cargo::at(root);
    let mut words = vec!["run", "--quiet", "--profile", "sim", "--package", "heddle-sim"];
    if rest.iter().any(|word| word.starts_with("--planted")) {
        words.extend(["--features", "planted"]);
    }
    words.push("--");
    cargo.run(words, rest)
}

fn check(root: &Path) -> Result<()> {
    let cargo = Cargo::at(root);
    cargo.run(["fmt", "--all", "--check"], &[])?;
    cargo.run(
        ["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"],
        &[],
    )?;
    tidy::run(root)?;
    Cargo::at(root)
        .env("RUSTDOCFLAGS", "--deny warnings")
        .run(["doc", "--workspace", "--no-deps", "--quiet"], &[])
}

fn test(root: &Path, rest: &[String]) -> Result<()> {
    let cargo = Cargo::at(root);
    if !cargo.has("nextest") {
        cargo.run(["install", "cargo-nextest", "--locked"], &[])?;
    }
    cargo.run(["nextest", "run", "--workspace"], rest)?;
    if rest.is_empty() {
        cargo.run(["test", "--workspace", "--doc", "--quiet"], &[])?;
    }
    Ok(())
}

fn deny(root: &Path) -> Result<()> {
    let cargo = Cargo::at(root);
    if !cargo.has("deny") {
        cargo.run(["install", "cargo-deny", "--locked"], &[])?;
    }
    cargo.run(["deny", "check", "licenses", "bans", "sources"], &[])
}

/// The repository: the folder above this crate's.
fn root() -> Result<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).context("xtask stands inside the repository")
}
