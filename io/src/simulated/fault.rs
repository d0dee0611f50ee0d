//! Rules by which operations fail.

use std::io;

use fastrand::Rng;

use crate::Operation;

/// One rule: which operations fail, when, and how.
///
/// ```
/// # use heddle_io::{Fault, Operation};
/// // The third sync of a log says EIO.
/// let third_sync = Fault::on(Operation::Sync).path_suffix("-log").nth(3);
/// // Each write anywhere fails with probability 0.01, as if the disk were full.
/// let full_at_times = Fault::on(Operation::Write).probability(0.01).os_error(28);
/// # drop((third_sync, full_at_times));
/// ```
#[derive(Debug, Clone)]
pub struct Fault {
    operation: Option<Operation>,
    path_suffix: String,
    when: When,
    os_error: i32,
}

/// Which of the operations that fit a rule fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// All of them.
    Always,
    /// This one, counted from 1 since the rule was added.
    Nth(u64),
    /// This one and all after it.
    From(u64),
    /// Each with this probability.
    Probability(f64),
}

impl Fault {
    /// Every such operation fails with EIO, until narrowed down.
    pub fn on(operation: Operation) -> Fault {
        Fault { operation: Some(operation), ..Fault::on_any() }
    }

    /// Every operation fails with EIO, until narrowed down.
    pub fn on_any() -> Fault {
        let (path_suffix, when) = (String::new(), When::Always);
        Fault { operation: None, path_suffix, when, os_error: libc::EIO }
    }

    /// Only on files whose path ends so.
    #[must_use]
    pub fn path_suffix(self, suffix: impl Into<String>) -> Fault {
        Fault { path_suffix: suffix.into(), ..self }
    }

    /// Only the `count`-th from now on, counted from 1.
    #[must_use]
    pub fn nth(self, count: u64) -> Fault {
        Fault { when: When::Nth(count), ..self }
    }

    /// The `count`-th from now on, counted from 1, and all after it.
    #[must_use]
    pub fn from(self, count: u64) -> Fault {
        Fault { when: When::From(count), ..self }
    }

    /// Each with this probability.
    #[must_use]
    pub fn probability(self, probability: f64) -> Fault {
        Fault { when: When::Probability(probability), ..self }
    }

    /// With this error number of the operating system (28 is "no space left", 5 is EIO).
    #[must_use]
    pub fn os_error(self, number: i32) -> Fault {
        Fault { os_error: number, ..self }
    }

    fn fits(&self, operation: Operation, path: &str) -> bool {
        self.operation.is_none_or(|wanted| wanted == operation) && path.ends_with(&self.path_suffix)
    }
}

/// All rules in force.
#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<(Fault, u64)>,
    fired: u64,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.rules.push((fault, 0));
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn fired(&self) -> u64 {
        self.fired
    }

    /// Whether this operation is to fail, and how. Every rule that fits counts it.
    pub(super) fn draw(
        &mut self,
        operation: Operation,
        path: &str,
        rng: &mut Rng,
    ) -> Option<io::Error> {
        let mut error = None;
        for (rule, seen) in &mut self.rules {
            if !rule.fits(operation, path) {
                continue;
            }
            *seen += 1;
            let strikes = match rule.when {
                When::Always => true,
                When::Nth(count) => *seen == count,
                When::From(count) => *seen >= count,
                When::Probability(probability) => rng.f64() < probability,
            };
            if strikes && error.is_none() {
                error = Some(io::Error::from_raw_os_error(rule.os_error));
            }
        }
        self.fired += u64::from(error.is_some());
        error
    }
}
