//! A world in one thread, driven by one seed: tasks, time and a disk that loses power.
//!
//! The same seed and the same program give the same run, event by event
//! ([`Simulation::fingerprint`]); so a failure is replayed by its seed.
//!
//! ```
//! use heddle_io::{IoBuf, OpenOptions, Simulation};
//!
//! let simulation = Simulation::new(7);
//! let env = simulation.env();
//! simulation.block_on(async move {
//!     let file = env.io.open("/d/a".as_ref(), OpenOptions::CREATE).await?;
//!     file.write_at(IoBuf::copy_of(b"synced"), 0).await.0?;
//!     file.sync_data().await?;
//!     env.io.sync_dir("/d".as_ref()).await?;
//!     file.write_at(IoBuf::copy_of(b"maybe!"), 0).await.0
//! })?;
//! let env = simulation.restart();
//! let survived = simulation.disk().read("/d/a").expect("its name was synced");
//! assert!(survived == b"synced" || survived == b"maybe!");
//! # drop(env);
//! # Ok::<(), heddle_io::Error>(())
//! ```
//!
//! # Invariants
//! - S1: nothing outside decides anything: clock, order of tasks, delays, faults and losses come
//!   from the seed.
//! - S2: what was synced survives a loss of power: bytes by [`crate::File::sync_data`] or a
//!   durable write, names by [`crate::Io::sync_dir`]. Of the rest any part may survive, down to
//!   single sectors of 512 bytes ([`disk`] says which parts).
//! - S3: a sync that fails loses for good what it did not write: it is seen until the power goes,
//!   and later syncs succeed without it. So does Linux.
//! - S4: after a loss of power no handle of before touches the disk.
//!
//! # Not here
//! Shared memory between threads and its orderings (loom), preemption within a poll (shuttle).

mod disk;
mod executor;
mod fault;
mod file;
mod inode;
mod io;
mod world;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use self::executor::SimulatedRuntime;
pub use self::fault::{Fault, When};
use self::io::SimulatedIo;
use self::world::World;
use crate::Env;

/// How long a run may last by the simulated clock before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// See the module.
pub struct Simulation {
    world: Arc<World>,
}

impl Simulation {
    /// A world with an empty disk.
    pub fn new(seed: u64) -> Self {
        Self { world: World::new(seed) }
    }

    /// The seed, for the message of a failing test.
    pub fn seed(&self) -> u64 {
        self.world.seed
    }

    /// Handles to this world, valid until the power goes. Each call gives an [`crate::Io`] of its
    /// own on the same disk, so that one may be shut down and the next one used.
    pub fn env(&self) -> Env {
        Env {
            io: SimulatedIo::new(&self.world),
            runtime: Arc::new(SimulatedRuntime::new(&self.world)),
        }
    }

    /// Runs `future` and every spawned task until `future` ends; `None` if the power went first.
    /// Tasks that have not ended stay for the next run.
    ///
    /// # Panics
    /// If nothing can make progress any more, or a simulated day has passed.
    pub fn run<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let main = self.world.executor.enter_main();
        let waker = Waker::from(Arc::clone(&main));
        let end = self.world.now() + PATIENCE;
        while self.world.is_powered() {
            self.world.run_due();
            match self.world.executor.pick(&self.world) {
                Some(next) if Arc::ptr_eq(&next, &main) => {
                    self.world.tick(0);
                    let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                    if let Poll::Ready(output) = polled {
                        return Some(output);
                    }
                }
                Some(next) => {
                    self.world.tick(next.id());
                    self.world.executor.poll(&next);
                }
                None => self.check_progress(end),
            }
        }
        None
    }

    /// As [`Simulation::run`], for a run through which the power stays on.
    ///
    /// # Panics
    /// As [`Simulation::run`], and if the power went.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        #[expect(clippy::expect_used, reason = "the caller promised power; a test's own mistake")]
        self.run(future).expect("the power went during the run")
    }

    /// Moves on to the next event.
    #[expect(clippy::panic, reason = "a hung simulation is a failed test; nobody else runs one")]
    fn check_progress(&self, end: Duration) {
        let seed = self.seed();
        if !self.world.skip_to_next_event() {
            panic!("seed {seed}: a deadlock, nothing can make progress");
        }
        if self.world.now() > end {
            panic!("seed {seed}: no end after a simulated day");
        }
    }

    /// Cuts the power when the disk is asked for the `count`-th operation from now on (from 1);
    /// that one is then in flight. Ends [`Simulation::run`].
    pub fn power_off_at(&self, count: u64) {
        self.world.state.lock().power_off_in = Some(count);
    }

    /// Cuts the power now, if it is still on: ends all tasks, and decides what the disk kept.
    pub fn crash(&self) {
        self.world.crash();
    }

    /// A loss of power, and handles to the world after it.
    pub fn restart(&self) -> Env {
        self.crash();
        self.env()
    }

    /// Ends the process now: all tasks end, what was in flight landed or not, and what was written is
    /// seen by whoever opens the files next, synced or not; a later loss of power can still take that.
    pub fn kill(&self) {
        self.world.kill();
    }

    /// Adds a rule by which operations fail.
    pub fn inject(&self, fault: Fault) {
        self.world.state.lock().faults.add(fault);
    }

    /// Forgets all rules.
    pub fn clear_faults(&self) {
        self.world.state.lock().faults.clear();
    }

    /// How many operations each rule made to fail, in the order in which they were added.
    pub fn faults_by_rule(&self) -> Vec<u64> {
        self.world.state.lock().faults.by_rule()
    }

    /// How many operations were made to fail.
    pub fn faults_fired(&self) -> u64 {
        self.world.state.lock().faults.fired()
    }

    /// How many operations the disk was asked for.
    pub fn operations(&self) -> u64 {
        self.world.state.lock().operations
    }

    /// Bounds the disk in bytes; writes that would go beyond fail with "no space left".
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.world.state.lock().disk.set_capacity(bytes);
    }

    /// Bounds within which an operation's delay is drawn.
    pub fn set_delays(&self, shortest: Duration, longest: Duration) {
        self.world.state.lock().delays = (shortest, longest);
    }

    /// Lets an operation take this long instead, with this probability.
    pub fn set_stalls(&self, probability: f64, duration: Duration) {
        self.world.state.lock().stalls = (probability, duration);
    }

    /// Lets a read or a write do only a part of its work at first, and the rest in a second call of the system, with this
    /// probability: the backends call until all is done, and others act, crash, and see the file in between.
    pub fn set_short_transfers(&self, probability: f64) {
        self.world.state.lock().short.0 = probability;
    }

    /// How many reads and writes were cut short.
    pub fn short_transfers(&self) -> u64 {
        self.world.state.lock().short.1
    }

    /// By the simulated clock.
    pub fn now(&self) -> Duration {
        self.world.now()
    }

    /// A number over every event so far: equal for equal runs.
    pub fn fingerprint(&self) -> u64 {
        self.world.state.lock().fingerprint.get()
    }

    /// The raw disk.
    pub fn disk(&self) -> Disk<'_> {
        Disk { world: &self.world }
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        // Tasks and events hold handles to the world, which holds them.
        self.world.end();
    }
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Simulation(seed {})", self.seed())
    }
}

/// The simulated disk from outside: no delay, no fault, and what is changed is durable.
pub struct Disk<'a> {
    world: &'a World,
}

impl Disk<'_> {
    /// The names of all files.
    pub fn files(&self) -> Vec<PathBuf> {
        self.world.state.lock().disk.files()
    }

    /// A file's bytes as programs see them.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        self.world.state.lock().disk.content(path.as_ref()).map(<[u8]>::to_vec)
    }

    /// Makes a file, or replaces its content, durably.
    pub fn write(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        self.world.state.lock().disk.place(path.as_ref(), bytes);
    }

    /// Removes a file, durably.
    pub fn remove(&self, path: impl AsRef<Path>) {
        self.world.state.lock().disk.discard(path.as_ref());
    }

    /// Turns one bit over: rot at rest. False if the file has no such byte.
    pub fn flip_bit(&self, path: impl AsRef<Path>, offset: u64, bit: u8) -> bool {
        self.world.state.lock().disk.flip_bit(path.as_ref(), offset, bit)
    }

    /// Turns over a bit that the seed chooses; says at which byte.
    pub fn flip_any_bit(&self, path: impl AsRef<Path>) -> Option<u64> {
        let state = &mut *self.world.state.lock();
        let len = state.disk.content(path.as_ref())?.len() as u64;
        let offset = (len > 0).then(|| state.rng.u64(..len))?;
        state.disk.flip_bit(path.as_ref(), offset, state.rng.u8(..8));
        Some(offset)
    }

    /// A number over the names and bytes of all files, as programs see them: equal for equal runs.
    pub fn fingerprint(&self) -> u64 {
        let mut fingerprint = world::Fingerprint::default();
        let state = self.world.state.lock();
        for path in state.disk.files() {
            fingerprint.mix(path.as_os_str().as_encoded_bytes());
            fingerprint.mix(state.disk.content(&path).unwrap_or_default());
        }
        fingerprint.get()
    }

    /// Copies the files of a simulated directory into a real one, so that other programs can be
    /// asked about them.
    ///
    /// # Errors
    /// Those of writing the real files.
    pub fn export(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> std::io::Result<()> {
        for path in self.files() {
            if path.parent() == Some(from.as_ref())
                && let (Some(name), Some(bytes)) = (path.file_name(), self.read(&path))
            {
                std::fs::write(to.as_ref().join(name), bytes)?;
            }
        }
        Ok(())
    }

    /// Copies the files of a real directory into a simulated one, durably.
    ///
    /// # Errors
    /// Those of reading the real files.
    pub fn import(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> std::io::Result<()> {
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let bytes = std::fs::read(entry.path())?;
                self.write(to.as_ref().join(entry.file_name()), &bytes);
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Disk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.files()).finish()
    }
}
