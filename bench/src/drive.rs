//! Many sessions at once, each running one kind of step over and over for some seconds.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio::sync::Barrier;

use crate::latency::Latencies;
use crate::machine::{self, Disk};
use crate::peer::{Counters, Peer, Session, Style};

/// What one step did.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    pub operations: u64,
    pub retries: u32,
}

impl Outcome {
    pub fn commit(retries: u32) -> Self {
        Outcome { operations: 1, retries }
    }
}

/// What a session does over and over. Each session has its own copy.
pub trait Step<S: Session>: Clone + Send + 'static {
    fn run(&mut self, session: &mut S) -> impl Future<Output = Result<Outcome>> + Send;
}

/// Nothing, for a crew of one kind.
#[derive(Debug, Clone)]
pub struct Idle;

impl<S: Session> Step<S> for Idle {
    async fn run(&mut self, _: &mut S) -> Result<Outcome> {
        Ok(Outcome { operations: 0, retries: 0 })
    }
}

/// What the sessions of one kind did together.
#[derive(Debug, Clone)]
pub struct Tally {
    pub operations: u64,
    pub retries: u64,
    pub latencies: Latencies,
}

impl Tally {
    fn new() -> Result<Self> {
        Ok(Tally { operations: 0, retries: 0, latencies: Latencies::new()? })
    }

    fn merge(&mut self, other: &Tally) -> Result<()> {
        self.operations += other.operations;
        self.retries += other.retries;
        self.latencies.merge(&other.latencies)
    }

    /// Operations per second over `elapsed`.
    pub fn rate(&self, elapsed: Duration) -> f64 {
        self.operations as f64 / elapsed.as_secs_f64()
    }
}

/// A drive's measures: two kinds of sessions, and what the machine saw meanwhile.
#[derive(Debug, Clone)]
pub struct Driven {
    pub elapsed: Duration,
    pub first: Tally,
    pub second: Tally,
    pub cpu: Duration,
    pub flushes: Option<u64>,
    pub counters: Counters,
}

/// Runs `steps` on `sessions` sessions.
pub fn drive<P: Peer, A: Step<P::Session>>(
    runtime: &Runtime,
    peer: &P,
    at: &Path,
    span: Duration,
    sessions: usize,
    step: A,
) -> Result<Driven> {
    drive_two(runtime, peer, at, span, (sessions, step), (0, Idle))
}

/// Runs two kinds of steps side by side.
pub fn drive_two<P: Peer, A: Step<P::Session>, B: Step<P::Session>>(
    runtime: &Runtime,
    peer: &P,
    at: &Path,
    span: Duration,
    first: (usize, A),
    second: (usize, B),
) -> Result<Driven> {
    let barrier = Arc::new(Barrier::new(first.0 + second.0 + 1));
    let first = start(runtime, peer, span, first, &barrier)?;
    let second = start(runtime, peer, span, second, &barrier)?;
    let disk = Disk::under(at);
    runtime.block_on(barrier.wait());
    let begin = Instant::now();
    let cpu = machine::cpu_time();
    let flushes = disk.as_ref().and_then(Disk::flushes);
    let counters = peer.counters();
    let (first, second) = (first.join(runtime)?, second.join(runtime)?);
    let elapsed = begin.elapsed();
    let after = peer.counters();
    let since = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
    Ok(Driven {
        elapsed,
        first,
        second,
        cpu: machine::cpu_time().saturating_sub(cpu),
        flushes: since(disk.as_ref().and_then(Disk::flushes), flushes),
        counters: Counters {
            syncs: since(after.syncs, counters.syncs),
            log_bytes: since(after.log_bytes, counters.log_bytes),
        },
    })
}

/// Sessions under way.
enum Crew {
    Threads(Vec<std::thread::JoinHandle<Result<Tally>>>),
    Tasks(Vec<tokio::task::JoinHandle<Result<Tally>>>),
}

fn start<P: Peer, T: Step<P::Session>>(
    runtime: &Runtime,
    peer: &P,
    span: Duration,
    (sessions, step): (usize, T),
    barrier: &Arc<Barrier>,
) -> Result<Crew> {
    let mut threads = Vec::new();
    let mut tasks = Vec::new();
    for _ in 0..sessions {
        let session = runtime.block_on(peer.session())?;
        let work = work::<P, T>(session, step.clone(), span, Arc::clone(barrier));
        match P::STYLE {
            Style::Tasks => tasks.push(runtime.spawn(work)),
            Style::Threads => {
                let handle = runtime.handle().clone();
                threads.push(
                    std::thread::Builder::new()
                        .stack_size(512 << 10)
                        .spawn(move || handle.block_on(work))?,
                );
            }
        }
    }
    Ok(match P::STYLE {
        Style::Threads => Crew::Threads(threads),
        Style::Tasks => Crew::Tasks(tasks),
    })
}

impl Crew {
    fn join(self, runtime: &Runtime) -> Result<Tally> {
        let mut sum = Tally::new()?;
        match self {
            Crew::Threads(threads) => {
                for thread in threads {
                    sum.merge(&thread.join().ok().context("a session panicked")??)?;
                }
            }
            Crew::Tasks(tasks) => {
                for task in tasks {
                    sum.merge(&runtime.block_on(task)??)?;
                }
            }
        }
        Ok(sum)
    }
}

async fn work<P: Peer, T: Step<P::Session>>(
    mut session: P::Session,
    mut step: T,
    span: Duration,
    barrier: Arc<Barrier>,
) -> Result<Tally> {
    let mut tally = Tally::new()?;
    barrier.wait().await;
    let deadline = Instant::now() + span;
    let mut begin = Instant::now();
    loop {
        let outcome = step.run(&mut session).await?;
        let end = Instant::now();
        tally.operations += outcome.operations;
        tally.retries += u64::from(outcome.retries);
        tally.latencies.record((end - begin) / outcome.operations.max(1) as u32);
        if end >= deadline {
            return Ok(tally);
        }
        if P::STYLE == Style::Tasks {
            // As tokio's own I/O does: a task that is always ready lets others run now and then.
            tokio::task::consume_budget().await;
        }
        begin = Instant::now();
    }
}
