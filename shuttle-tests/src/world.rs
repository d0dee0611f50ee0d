//! The world under shuttle: files in memory, tasks of shuttle's, a clock that stands still.

use heddle_io::{BoxFuture, Env, MemoryIo, Runtime};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// A database's world for one schedule.
pub fn env() -> Env {
    counted().0
}

/// Likewise, and a count of the tasks in it that have not ended.
pub fn counted() -> (Env, Tasks) {
    let tasks = Tasks::default();
    let runtime = Arc::new(ShuttleRuntime { tasks: tasks.clone() });
    (Env { io: MemoryIo::new(), runtime }, tasks)
}

/// Tasks that have not ended. Shuttle does not know of the count: it is no place to switch.
#[derive(Debug, Clone, Default)]
pub struct Tasks(Arc<AtomicUsize>);

impl Tasks {
    /// Lets the tasks come to their end, as far as they do without the clock. Shuttle can't unwind one that waits for a
    /// lock when the body of a test ends.
    pub async fn ended(&self) {
        for _ in 0..1000 {
            if self.0.load(Ordering::SeqCst) == 0 {
                return;
            }
            shuttle::future::yield_now().await;
        }
    }
}

struct ShuttleRuntime {
    tasks: Tasks,
}

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
        let Tasks(count) = self.tasks.clone();
        count.fetch_add(1, Ordering::SeqCst);
        drop(shuttle::future::spawn(async move {
            task.await;
            count.fetch_sub(1, Ordering::SeqCst);
        }));
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
