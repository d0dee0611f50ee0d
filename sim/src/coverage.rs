//! What a run, or many, exercised: counters by name.

use std::collections::BTreeMap;
use std::fmt;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<String, u64>);

impl Coverage {
    /// Counts one.
    pub fn count(&mut self, name: impl Into<String>) {
        self.add(name, 1);
    }

    /// Counts some.
    pub fn add(&mut self, name: impl Into<String>, count: u64) {
        if count > 0 {
            *self.0.entry(name.into()).or_default() += count;
        }
    }

    /// How often.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Coverage) {
        for (name, count) in &other.0 {
            self.add(name.clone(), *count);
        }
    }

    /// As one line, for another process.
    pub fn line(&self) -> String {
        let words: Vec<String> =
            self.0.iter().map(|(name, count)| format!("{name}={count}")).collect();
        words.join(" ")
    }

    /// From such a line.
    pub fn parse(line: &str) -> Coverage {
        let pairs = line.split(' ').filter_map(|word| word.rsplit_once('='));
        Coverage(
            pairs
                .filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?)))
                .collect(),
        )
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.0 {
            writeln!(f, "  {count:>10}  {name}")?;
        }
        Ok(())
    }
}
