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
    path_part: String,
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
        let (path_suffix, path_part) = (String::new(), String::new());
        Fault { operation: None, path_suffix, path_part, when: When::Always, os_error: libc::EIO }
    }

    /// Only on files whose path ends so.
    #[must_use]
    pub fn path_suffix(self, suffix: impl Into<String>) -> Fault {
        Fault { path_suffix: suffix.into(), ..self }
    }

    /// Only on files whose path has this in it.
    #[must_use]
    pub fn path_part(self, part: impl Into<String>) -> Fault {
        Fault { path_part: part.into(), ..self }
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
        self.operation.is_none_or(|wanted| wanted == operation)
            && path.ends_with(&self.path_suffix)
            && path.contains(&self.path_part)
    }
}

/// A rule, how many operations fitted, and how many of them failed.
#[derive(Debug)]
struct Rule {
    fault: Fault,
    seen: u64,
    fired: u64,
}

/// All rules in force.
#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<Rule>,
    fired: u64,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.rules.push(Rule { fault, seen: 0, fired: 0 });
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn by_rule(&self) -> Vec<u64> {
        self.rules.iter().map(|rule| rule.fired).collect()
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
        for rule in &mut self.rules {
            if !rule.fault.fits(operation, path) {
                continue;
            }
            rule.seen += 1;
            let strikes = match rule.fault.when {
                When::Always => true,
                When::Nth(count) => rule.seen == count,
                When::From(count) => rule.seen >= count,
                When::Probability(probability) => rng.f64() < probability,
            };
            if strikes && error.is_none() {
                rule.fired += 1;
                error = Some(io::Error::from_raw_os_error(rule.fault.os_error));
            }
        }
        self.fired += u64::from(error.is_some());
        error
    }
}
