//! Many seeds on all cores: one process a core, each told which seeds are its own.
//!
//! Processes, not threads: a run that hangs within one poll, or aborts, takes only its own process with it, and is
//! named by the last line of it.

use std::io::{BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::coverage::Coverage;
use crate::plan::Plan;
use crate::run::{Report, run};

/// How long a seed may take by a real clock before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(120);

/// Which seeds to run.
#[derive(Debug, Clone)]
pub struct Order {
    pub first: u64,
    /// Without: until the time is over.
    pub count: Option<u64>,
    pub time: Option<Duration>,
    pub jobs: usize,
    /// Whether the first failure ends it.
    pub stop_at_failure: bool,
    /// The mistake on purpose that is in force.
    pub planted: Option<&'static str>,
}

/// What came of them.
#[derive(Debug, Default)]
pub struct Summary {
    pub seeds: u64,
    pub coverage: Coverage,
    /// Seeds that failed, and how.
    pub failures: Vec<(u64, String)>,
    pub took: Duration,
}

enum Line {
    Begun(u64),
    Done(Coverage),
    Failed(u64, String),
    Ended,
}

thread_local! {
    /// What the last panic said, and where.
    static PANIC: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

/// Runs a plan; a panic is a failure too.
pub fn guarded(plan: &Plan) -> Report {
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let trace = match std::env::var_os("RUST_BACKTRACE") {
                Some(_) => format!("\n{}", std::backtrace::Backtrace::force_capture()),
                None => String::new(),
            };
            PANIC.with(|words| *words.borrow_mut() = format!("{info}{trace}"));
        }));
    });
    catch_unwind(AssertUnwindSafe(|| run(plan))).unwrap_or_else(|panic| {
        drop(panic);
        let words = PANIC.with(|words| words.take());
        Report {
            coverage: Coverage::default(),
            fingerprint: 0,
            failure: Some(format!("a panic: {words}")),
        }
    })
}

/// A worker's whole life: seeds `first`, `first + step`, and so on, told about line by line.
pub fn work(first: u64, step: u64, end: u64) {
    let mut out = std::io::stdout().lock();
    let mut say = |line: String| {
        // Nobody is listening any more: there is nothing left to do.
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    };
    let mut seed = first;
    while seed < end {
        say(format!("begin {seed}"));
        let report = guarded(&Plan::new(seed));
        match report.failure {
            None => say(format!("done {seed} {}", report.coverage.line())),
            Some(failure) => say(format!("fail {seed} {}", failure.replace('\n', "\u{1}"))),
        }
        seed = seed.saturating_add(step);
    }
}

/// Runs seeds in worker processes of this same program.
///
/// # Errors
/// If no worker can be started.
#[expect(
    clippy::disallowed_methods,
    reason = "a tool outside of any simulation, with a clock and threads of its own"
)]
pub fn run_all(order: &Order) -> Result<Summary> {
    let program = std::env::current_exe().context("this program's own file")?;
    let started = Instant::now();
    let end = order.count.map_or(u64::MAX, |count| order.first.saturating_add(count));
    let (sender, lines) = channel();
    let mut children = Vec::new();
    for job in 0..order.jobs.max(1) {
        let numbers = [order.first + job as u64, order.jobs.max(1) as u64, end];
        let mut child = Command::new(&program)
            .arg("worker")
            .args(numbers.map(|number| number.to_string()))
            .env_remove("RUST_BACKTRACE")
            .env("HEDDLE_PLANTED", order.planted.unwrap_or_default())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("a worker did not start")?;
        let out = child.stdout.take().context("a worker without output")?;
        let sender = sender.clone();
        std::thread::spawn(move || listen(job, BufReader::new(out), &sender));
        children.push(child);
    }
    drop(sender);
    let summary = collect(order, &lines, children.len(), started);
    for child in &mut children {
        end_child(child);
    }
    Ok(summary)
}

fn end_child(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

fn listen(job: usize, out: impl BufRead, sender: &Sender<(usize, Line)>) {
    for line in out.lines() {
        let Ok(line) = line else { break };
        let mut words = line.splitn(3, ' ');
        let (what, seed) =
            (words.next().unwrap_or(""), words.next().and_then(|seed| seed.parse().ok()));
        let (Some(seed), rest) = (seed, words.next().unwrap_or("")) else { continue };
        let line = match what {
            "begin" => Line::Begun(seed),
            "done" => Line::Done(Coverage::parse(rest)),
            _ => Line::Failed(seed, rest.replace('\u{1}', "\n")),
        };
        if sender.send((job, line)).is_err() {
            return;
        }
    }
    let _ = sender.send((job, Line::Ended));
}

#[expect(clippy::disallowed_methods, reason = "as above")]
fn collect(
    order: &Order,
    lines: &Receiver<(usize, Line)>,
    jobs: usize,
    started: Instant,
) -> Summary {
    let mut summary = Summary::default();
    let mut at_work: Vec<Option<(u64, Instant)>> = vec![None; jobs];
    let mut shown = started;
    let mut running = jobs;
    while running > 0 {
        if order.time.is_some_and(|time| started.elapsed() > time) {
            break;
        }
        match lines.recv_timeout(Duration::from_millis(500)) {
            Ok((job, Line::Begun(seed))) => at_work[job] = Some((seed, Instant::now())),
            Ok((job, Line::Done(coverage))) => {
                at_work[job] = None;
                summary.seeds += 1;
                summary.coverage.merge(&coverage);
            }
            Ok((job, Line::Failed(seed, failure))) => {
                at_work[job] = None;
                summary.seeds += 1;
                summary.failures.push((seed, failure));
                if order.stop_at_failure {
                    break;
                }
            }
            Ok((job, Line::Ended)) => {
                running -= 1;
                if let Some((seed, _)) = at_work[job].take() {
                    summary.failures.push((seed, "its process died".to_owned()));
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let hung = at_work.iter().flatten().find(|(_, since)| since.elapsed() > PATIENCE);
        if let Some((seed, _)) = hung {
            summary.failures.push((*seed, "it hangs".to_owned()));
            break;
        }
        if shown.elapsed() > Duration::from_secs(2) {
            shown = Instant::now();
            let rate = summary.seeds as f64 / started.elapsed().as_secs_f64();
            eprint!(
                "\r{} seeds, {rate:.0} a second, {} failed   ",
                summary.seeds,
                summary.failures.len()
            );
        }
    }
    summary.took = started.elapsed();
    eprintln!();
    summary
}
