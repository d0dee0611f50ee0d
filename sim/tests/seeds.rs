//! Seeds run to their end without a finding, and each always in the same way.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

use heddle_sim::plan::Plan;
use heddle_sim::workers::guarded;

/// Runs a seed, twice; says its fingerprint.
fn twice(seed: u64) -> u64 {
    let plan = Plan::new(seed);
    let first = guarded(&plan);
    assert_eq!(first.failure, None, "again: cargo xtask sim --seed {seed}");
    let second = guarded(&plan);
    assert_eq!(first.fingerprint, second.fingerprint, "seed {seed} is not the same twice");
    assert_eq!(first.coverage, second.coverage, "seed {seed} is not the same twice");
    first.fingerprint
}

#[test]
fn a_seed_decides_everything() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..40 {
        seen.insert(twice(seed));
    }
    assert!(seen.len() > 35, "different seeds are different runs");
}

#[test]
fn seeds_that_found_something_find_nothing_any_more() {
    let list = include_str!("../seeds/regression.txt");
    let seeds = list.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
    let mut count = 0;
    for seed in seeds {
        twice(seed);
        count += 1;
    }
    assert!(count > 0, "the list is there");
}
