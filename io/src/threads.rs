//! The runtime of production: threads of the operating system, its clocks, a fast random number.
//!
//! It needs no async runtime and serves callers on any. Threads start with their first use:
//! one for all spawned tasks, one for sleeps, one per dedicated task, and a pool as large as the
//! machine for computations.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::executor::{Executor, block_on, spawn_thread};
use crate::pool::Pool;
use crate::timer::{Timer, monotonic};
use crate::{BoxFuture, Runtime};

/// See the module.
pub struct ThreadRuntime {
    start: Instant,
    processors: usize,
    executor: Executor,
    timer: Timer,
    compute: Pool,
}

impl ThreadRuntime {
    /// A runtime without any thread yet.
    pub fn new() -> Arc<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Self {
            start: monotonic(),
            processors,
            executor: Executor::new(),
            timer: Timer::new(),
            compute: Pool::new("heddle-compute", processors),
        })
    }

    /// The one of this process, for those who come in thousands and have no work of their own in the background. Its
    /// threads stay.
    pub fn shared() -> Arc<Self> {
        static SHARED: std::sync::LazyLock<Arc<ThreadRuntime>> =
            std::sync::LazyLock::new(ThreadRuntime::new);
        Arc::clone(&SHARED)
    }

    /// Drives a future on the calling thread, for programs and tests without a runtime of their
    /// own. Must not be called from within a task of any runtime that needs the thread.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on(future)
    }
}

impl Runtime for ThreadRuntime {
    fn now(&self) -> Duration {
        monotonic().duration_since(self.start)
    }

    #[expect(clippy::disallowed_methods, reason = "the clock behind heddle_io::Runtime")]
    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(self.timer.sleep(duration))
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }

    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        self.executor.spawn(name, task);
    }

    fn spawn_dedicated(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        spawn_thread(name, move || block_on(task));
    }

    fn hasten(&self) {
        crate::os::hasten_this_thread();
    }

    fn may_spin(&self) -> bool {
        self.processors > 1
    }

    fn compute(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let running = self.compute.run(work, |work| work());
        Box::pin(async move {
            match running {
                // A job that panicked has said so in the log; what it was to make is missing.
                Ok(running) => drop(running.await),
                Err((_, work)) => work(),
            }
        })
    }
}

impl std::fmt::Debug for ThreadRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ThreadRuntime({} processors)", self.processors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::completion::completion;

    #[test]
    fn computes_spawns_and_dedicates() {
        let runtime = ThreadRuntime::new();
        let (promise, computed) = completion();
        block_on(runtime.compute(Box::new(move || promise.keep(std::thread::current().id()))));
        assert_ne!(block_on(computed), Some(std::thread::current().id()));

        let (promise, slept) = completion();
        let sleeper = Arc::clone(&runtime);
        let task = async move {
            sleeper.sleep(Duration::from_millis(1)).await;
            promise.keep(sleeper.now());
        };
        runtime.spawn("sleeper", Box::pin(task));
        assert!(block_on(slept).unwrap() >= Duration::from_millis(1));

        let (promise, named) = completion();
        let name = async move { promise.keep(std::thread::current().name().map(str::to_owned)) };
        runtime.spawn_dedicated("alone", Box::pin(name));
        assert_eq!(block_on(named), Some(Some("alone".to_owned())));
    }
}
