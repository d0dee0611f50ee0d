//! Clock, dice and spawner: what is not a file and must still be under a simulator's control.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::Io;

/// A boxed future that can move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Time, randomness and spawning.
pub trait Runtime: Send + Sync + 'static {
    /// Monotonic time since an arbitrary start.
    fn now(&self) -> Duration;

    /// Wall-clock time.
    fn wall_clock(&self) -> SystemTime;

    /// Ends after `duration`. Usable from any executor. Cancel-safe: dropping it forgets it.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// A uniformly random number; not for cryptography.
    fn random(&self) -> u64;

    /// Runs `task` in the background, beside others, on a thread of the database's own. It must
    /// not block.
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>);

    /// Runs `task` on a thread for it alone, where it may block and spin (the log's flusher). In
    /// a simulator this is [`Runtime::spawn`].
    fn spawn_dedicated(&self, name: &'static str, task: BoxFuture<'static, ()>);

    /// Asks that the calling thread, a dedicated one, run as soon as it is woken, also when all
    /// processors are busy: it works little, and many wait for it. Means nothing in a simulator.
    fn hasten(&self) {}

    /// Whether a task may spin for a few microseconds in the hope of work. False in a simulator.
    fn may_spin(&self) -> bool;

    /// Runs long computations (checksums, sorting, merging) so that they do not hold up a
    /// caller's executor. In a simulator: at once.
    fn compute(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()>;
}

/// The world a database lives in.
#[derive(Clone)]
pub struct Env {
    /// Files.
    pub io: Arc<dyn Io>,
    /// Time, randomness, spawning.
    pub runtime: Arc<dyn Runtime>,
}

#[cfg(not(any(heddle_loom, heddle_shuttle)))]
impl Env {
    /// The default: files of the operating system by the best means it offers, threads of the
    /// operating system. See [`crate::default_io`].
    pub fn system() -> Env {
        Env { io: crate::default_io(), runtime: crate::ThreadRuntime::new() }
    }

    /// Files of the operating system through a pool of threads.
    pub fn blocking() -> Env {
        Env { io: crate::BlockingIo::new(), runtime: crate::ThreadRuntime::new() }
    }

    /// Files in memory, gone with the last handle; threads of the operating system.
    pub fn memory() -> Env {
        Env { io: crate::MemoryIo::new(), runtime: crate::ThreadRuntime::new() }
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Env({})", self.io.name())
    }
}
