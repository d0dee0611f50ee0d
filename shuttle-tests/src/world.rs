//! The world under shuttle: files in memory, tasks of shuttle's, a clock that stands still.

use heddle_io::{BoxFuture, Env, MemoryIo, Runtime};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A database's world for one schedule.
pub fn env() -> Env {
    Env { io: MemoryIo::new(), runtime: Arc::new(ShuttleRuntime) }
}

struct ShuttleRuntime;

impl Runtime for ShuttleRuntime {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    /// Time does not pass, so nothing here may depend on a timeout.
    fn sleep(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn random(&self) -> u64 {
        use shuttle::rand::Rng;
        shuttle::rand::thread_rng().r#gen()
    }

    fn spawn(&self, _name: &'static str, task: BoxFuture<'static, ()>) {
        drop(shuttle::future::spawn(task));
    }

    fn spawn_dedicated(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        self.spawn(name, task);
    }

    fn may_spin(&self) -> bool {
        false
    }

    fn compute(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        work();
        Box::pin(std::future::ready(()))
    }
}
