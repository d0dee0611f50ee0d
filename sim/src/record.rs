//! What clients note of what they did and saw, for the model to judge afterwards.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use heddle_engine::{Durability, Error, ErrorKind, Witness};

use crate::plan::TxPlan;
use crate::workload::{Op, Outcome};

/// One run of one transaction.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Its number, unique in a run.
    pub number: i64,
    pub client: usize,
    /// As it was planned; `None` for a snapshot of what is acknowledged.
    pub plan: Option<Arc<TxPlan>>,
    /// How durable its commit was to be.
    pub durability: Durability,
    /// The moment whose state it saw.
    pub reads_at: u64,
    /// What it did, and what came of it.
    pub steps: Vec<(Op, Outcome)>,
    /// Knows its ticket.
    pub witness: Option<Witness>,
    /// When its last statement was done, so that nothing was left but its commit ([`Records::now`]).
    pub asked: Option<u64>,
    /// When its end was known to whoever asked.
    pub answered: Option<u64>,
    pub end: End,
}

/// How far an attempt came.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// It was cut off, or is still running.
    Open,
    Failed(String),
    RolledBack,
    /// Its commit was acknowledged.
    Acknowledged,
}

impl Attempt {
    /// Its place in the order of commits, if it was published.
    pub fn ticket(&self) -> Option<u64> {
        self.witness.as_ref()?.ticket().map(|ticket| ticket.get())
    }
}

/// Which errors a life may meet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tolerance {
    /// Operations on the disk fail.
    pub faults: bool,
    /// Bits turned over.
    pub rot: bool,
}

impl Tolerance {
    /// Whether an error is among them.
    pub fn allows(self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::Conflict | ErrorKind::Busy => true,
            ErrorKind::Io | ErrorKind::DiskFull | ErrorKind::Poisoned => self.faults,
            ErrorKind::Corrupt => self.rot,
            _ => false,
        }
    }
}

/// Shared by the clients of one life.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Mutex<Records>>);

/// What was noted.
#[derive(Debug)]
pub struct Records {
    pub attempts: Vec<Attempt>,
    /// What should not have happened.
    pub problems: Vec<String>,
    /// Checkpoints that succeeded, by their cuts.
    pub cuts: Vec<u64>,
    /// Those of them that were VACUUMs.
    pub vacuums: u64,
    /// Clients at work.
    pub running: usize,
    pub waiting: Option<Waker>,
    pub tolerance: Tolerance,
    pub next_number: i64,
    /// Counts what was noted: an earlier moment is less.
    clock: u64,
    /// Errors met, by kind.
    pub errors: std::collections::BTreeMap<String, u64>,
}

impl Records {
    /// A moment after all that were asked for before. Only their order counts: one thing at a time happens in a
    /// simulated world.
    pub fn now(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// An attempt came to its end.
    pub fn end(&mut self, attempt: usize, end: End) {
        let now = self.now();
        if let Some(attempt) = self.attempts.get_mut(attempt) {
            (attempt.answered, attempt.end) = (Some(now), end);
        }
    }

    /// An attempt has done its statements.
    pub fn asks(&mut self, attempt: usize) {
        let now = self.now();
        if let Some(attempt) = self.attempts.get_mut(attempt) {
            attempt.asked = Some(now);
        }
    }
}

impl Recorder {
    /// Nothing noted; attempts are numbered from here.
    pub fn new(tolerance: Tolerance, next_number: i64) -> Recorder {
        Recorder(Arc::new(Mutex::new(Records {
            attempts: Vec::new(),
            problems: Vec::new(),
            cuts: Vec::new(),
            vacuums: 0,
            running: 0,
            waiting: None,
            tolerance,
            next_number,
            clock: 0,
            errors: std::collections::BTreeMap::new(),
        })))
    }

    /// What was noted so far.
    pub fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an error; one that nothing explains is a problem.
    pub fn error(&self, doing: &str, error: &Error) {
        if matches!(error, Error::Io(error) if error.is_closed()) {
            // The world stopped in the middle of this poll, which is the last.
            return;
        }
        let mut records = self.records();
        *records.errors.entry(format!("error.{:?}", error.kind())).or_default() += 1;
        if !records.tolerance.allows(error) {
            records.problems.push(format!("{doing}: {error}"));
        }
    }

    /// Notes something that should not have happened.
    pub fn problem(&self, problem: String) {
        self.records().problems.push(problem);
    }

    /// A client begins.
    pub fn enter(&self) -> Running {
        self.records().running += 1;
        Running(self.clone())
    }

    /// Ends when no client is at work.
    pub async fn all_done(&self) {
        std::future::poll_fn(|cx| {
            let mut records = self.records();
            if records.running == 0 {
                return std::task::Poll::Ready(());
            }
            records.waiting = Some(cx.waker().clone());
            std::task::Poll::Pending
        })
        .await;
    }
}

/// A client at work, until dropped.
#[derive(Debug)]
pub struct Running(Recorder);

impl Drop for Running {
    fn drop(&mut self) {
        let waiting = {
            let mut records = self.0.records();
            records.running -= 1;
            records.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}
