//! The simulator's command line: `cargo xtask sim`.
#![allow(clippy::disallowed_methods, reason = "a tool outside of any simulation")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use heddle_sim::plan::Plan;
use heddle_sim::planted::hunt;
use heddle_sim::shrink::shrink;
use heddle_sim::workers::{Order, guarded, run_all, work};

/// Runs whole databases in worlds from seeds, with faults, and checks each against a model.
#[derive(Parser)]
#[command(name = "cargo xtask sim")]
struct Arguments {
    /// Run so many seeds.
    #[arg(long)]
    seeds: Option<u64>,
    /// Run for so many minutes.
    #[arg(long)]
    minutes: Option<f64>,
    /// Run one seed, and say what it does.
    #[arg(long)]
    seed: Option<u64>,
    /// The first seed of many.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Processes at once; by default one a core.
    #[arg(long)]
    jobs: Option<usize>,
    /// Go on after a failure.
    #[arg(long)]
    keep_going: bool,
    /// Of one failing seed: leave out what it fails without, in at most so many runs.
    #[arg(long, default_missing_value = "3000", num_args = 0..=1)]
    shrink: Option<usize>,
    /// Plant known mistakes (or the one named) one after the other, and show that each is found.
    #[arg(long, default_missing_value = "", num_args = 0..=1)]
    planted: Option<String>,
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// What a worker process runs; not for people.
    #[command(hide = true)]
    Worker { first: u64, step: u64, end: u64 },
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(Task::Worker { first, step, end }) = arguments.task {
        work(first, step, end);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(name) = &arguments.planted {
        let only = Some(name.as_str()).filter(|name| !name.is_empty());
        hunt(only, jobs(&arguments))?;
        return Ok(ExitCode::SUCCESS);
    }
    match arguments.seed {
        Some(seed) => Ok(one(seed, arguments.shrink)),
        None => many(&arguments),
    }
}

fn one(seed: u64, budget: Option<usize>) -> ExitCode {
    let plan = Plan::new(seed);
    let report = guarded(&plan);
    if budget.is_none() {
        println!("{plan:#?}");
    }
    print!("{}", report.coverage);
    println!("fingerprint {:016x}", report.fingerprint);
    let Some(failure) = report.failure else {
        println!("seed {seed}: nothing found");
        return ExitCode::SUCCESS;
    };
    println!("seed {seed} FAILS: {failure}");
    if let Some(budget) = budget {
        let (plan, report) = shrink(&plan, guarded, budget);
        println!("shrunk to:\n{plan:#?}");
        println!("which fails: {}", report.failure.unwrap_or_default());
    }
    ExitCode::FAILURE
}

fn jobs(arguments: &Arguments) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    arguments.jobs.unwrap_or(cores)
}

fn many(arguments: &Arguments) -> Result<ExitCode> {
    let time = arguments.minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
    let order = Order {
        first: arguments.from,
        count: arguments.seeds.or(if time.is_none() { Some(1000) } else { None }),
        time,
        jobs: jobs(arguments),
        stop_at_failure: !arguments.keep_going,
        planted: None,
    };
    let summary = run_all(&order)?;
    print!("{}", summary.coverage);
    let seconds = summary.took.as_secs_f64();
    println!(
        "{} seeds from {} on in {seconds:.1} s: {:.1} a second on {} processes",
        summary.seeds,
        order.first,
        summary.seeds as f64 / seconds,
        order.jobs
    );
    for (seed, failure) in &summary.failures {
        println!(
            "seed {seed} FAILS: {failure}\n  again: cargo xtask sim --seed {seed}   smaller: cargo xtask sim --seed {seed} --shrink"
        );
    }
    Ok(if summary.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
