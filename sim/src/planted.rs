//! The mistakes that can be planted, and whether the simulator finds each.
//!
//! A mistake stands where it would be made, behind `heddle_base::planted!`; the program has to be built with the
//! feature `planted`, as `cargo xtask sim --planted` does.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::workers::{Order, run_all};

/// A mistake.
#[derive(Debug, Clone, Copy)]
pub struct Planted {
    /// Its name, which the environment carries.
    pub name: &'static str,
    /// What is done wrong.
    pub what: &'static str,
    /// Seeds, from 0 on, within which it is found.
    pub within: u64,
}

/// All of them.
pub const ALL: &[Planted] = &[
    planted("missing-sync", "a lone commit is written to the log and not synced", 500),
    planted("checkpoint-unsynced", "a checkpoint is published with its -wal not synced", 500),
    planted("lost-wake-up", "of those whose commit became durable only the first is woken", 100),
    planted("early-watermark", "commits count as durable when their group is sent", 100),
    planted("ticket-after-validation", "the ticket is drawn some time after validation", 500),
    planted("gc-too-far", "the collector drops the version that a snapshot just needs", 5000),
    planted("registration-unchecked", "a snapshot is registered late, without looking again", 1000),
    planted("cut-above-durable", "a checkpoint takes commits that are not on disk yet", 500),
    planted(
        "first-page-first",
        "the first page is carried into the file before the others",
        20_000,
    ),
    planted("cache-without-generation", "the cache finds a page whatever state it is of", 1000),
    planted("schema-unchecked", "nobody looks whether a definition changed meanwhile", 500),
    planted("range-unvalidated", "ranges that were read are not looked at again", 100),
    planted("index-entry-left", "a deleted row's index entries stay", 200),
    planted(
        "torn-tail-unasked",
        "recovery takes any damage for a torn tail, and does not look further",
        20_000,
    ),
    planted("no-fence", "stock SQLite may write a file whose log holds commits", 100),
];

const fn planted(name: &'static str, what: &'static str, within: u64) -> Planted {
    Planted { name, what, within }
}

/// Plants each mistake (or the one named), and says which seed finds it first.
///
/// # Errors
/// A mistake that is not found, or a build without the feature.
pub fn hunt(only: Option<&str>, jobs: usize) -> Result<()> {
    ensure!(
        cfg!(feature = "planted"),
        "this program was built without mistakes: cargo xtask sim --planted"
    );
    let mut missed = Vec::new();
    for planted in ALL.iter().filter(|planted| only.is_none_or(|only| only == planted.name)) {
        match first_finding(planted, jobs)? {
            Some((seed, failure)) => {
                let words: String = failure.chars().take(160).collect();
                println!("{}: found by seed {seed}: {}", planted.name, words.replace('\n', " "));
            }
            None => {
                println!("{}: NOT FOUND within {} seeds", planted.name, planted.within);
                missed.push(planted.name);
            }
        }
    }
    ensure!(missed.is_empty(), "not found: {}", missed.join(", "));
    Ok(())
}

/// The first seed that fails with the mistake, and does not fail without it.
fn first_finding(planted: &Planted, jobs: usize) -> Result<Option<(u64, String)>> {
    let mut order = Order {
        first: 0,
        count: Some(planted.within),
        time: Some(Duration::from_secs(900)),
        jobs,
        stop_at_failure: true,
        planted: Some(planted.name),
    };
    loop {
        let summary = run_all(&order)?;
        let Some((seed, failure)) = summary.failures.first() else { return Ok(None) };
        let without =
            Order { first: *seed, count: Some(1), planted: None, jobs: 1, ..order.clone() };
        if run_all(&without)?.failures.is_empty() {
            return Ok(Some((*seed, failure.clone())));
        }
        order.first = seed + 1;
        order.count = Some(planted.within.saturating_sub(order.first));
    }
}
