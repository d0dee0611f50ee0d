//! What the shuttle tests share: running a body under both schedulers, a database in miniature over
//! the version store, and the check of what it did.
//!
//! `cargo xtask shuttle` runs them. A failure prints its schedule; `shuttle::replay` runs it again
//! while the code is the same. Shuttle knows sequential consistency only: orderings are loom's.
#![cfg(heddle_shuttle)]

pub mod history;
pub mod mini;
pub mod world;

use shuttle::Runner;
use shuttle::scheduler::{PctScheduler, RandomScheduler};

/// Runs `body` once per schedule: as many as `HEDDLE_SHUTTLE_ITERATIONS` says (300 if it is unset)
/// under the random scheduler, and as many under PCT with three changes of priority.
pub fn run(body: impl Fn() + Send + Sync + 'static) {
    let iterations = std::env::var("HEDDLE_SHUTTLE_ITERATIONS")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(300);
    let body = std::sync::Arc::new(body);
    let random = std::sync::Arc::clone(&body);
    Runner::new(RandomScheduler::new(iterations), config()).run(move || random());
    Runner::new(PctScheduler::new(3, iterations), config()).run(move || body());
}

fn config() -> shuttle::Config {
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 20;
    config
}
