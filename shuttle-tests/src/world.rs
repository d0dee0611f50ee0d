//! The world under shuttle: files in memory, tasks of shuttle's, a clock that stands still.

use heddle_io::{BoxFuture, Env, MemoryIo, Runtime};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// A database's world for one schedule.
pub fn env() -> Env {
    Env { io: MemoryIo::new(), runtime: Arc::new(ShuttleRuntime) }
}

/// Tasks of the schedule that have not ended. Shuttle does not know of the count: it is no place to switch.
static TASKS: AtomicUsize = AtomicUsize::new(0);

/// Before a schedule.
pub(crate) fn begin() {
    TASKS.store(0, Ordering::SeqCst);
}

/// After the body of a schedule: frees what is left, and lets tasks come to their end, as far as they do without the clock.
///
/// The garbage of crossbeam-epoch is shared by all that run in the process. What is freed later, in another schedule, would use
/// this one's locks there; and shuttle can't unwind a task that waits for a lock.
pub(crate) async fn end() {
    for _ in 0..3 {
        // Freed two epochs after it was made, and a flush moves on by one.
        (0..4).for_each(|_| heddle_mvcc::pin().flush());
        for _ in 0..200 {
            if TASKS.load(Ordering::SeqCst) == 0 {
                break;
            }
            shuttle::future::yield_now().await;
        }
    }
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
        TASKS.fetch_add(1, Ordering::SeqCst);
        drop(shuttle::future::spawn(async move {
            task.await;
            TASKS.fetch_sub(1, Ordering::SeqCst);
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
