//! What the shuttle tests share: running a body under both schedulers, a database in miniature over
//! the version store, and the check of what it did.
//!
//! `cargo xtask shuttle` runs them. A failure prints its schedule; in a file that `HEDDLE_SHUTTLE_SCHEDULE` names, it is
//! run again, while the code is the same. Shuttle knows sequential consistency only: orderings are loom's.
#![cfg(heddle_shuttle)]

pub mod history;
pub mod mini;
pub mod world;

use shuttle::Runner;
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler};

/// Runs `body` once per schedule: as many as `HEDDLE_SHUTTLE_ITERATIONS` says (300 if it is unset)
/// under the random scheduler, and as many under PCT with three changes of priority. If `HEDDLE_SHUTTLE_SCHEDULE` names a
/// file, the one schedule in it is run instead. One test at a time, whatever the number of threads: see [`world`].
pub fn run(body: impl Fn() + Send + Sync + 'static) {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let body = move || {
        world::begin();
        body();
        shuttle::future::block_on(world::end());
    };
    if let Some(path) = std::env::var_os("HEDDLE_SHUTTLE_SCHEDULE") {
        let schedule = std::fs::read_to_string(path).expect("the file with the schedule");
        let scheduler = ReplayScheduler::new_from_encoded(schedule.trim());
        Runner::new(scheduler, config()).run(body);
        return;
    }
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
