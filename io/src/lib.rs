//! Files, time, randomness and spawning: the only way by which HeddleDB touches the world.
//!
//! [`Io`] opens and names files, [`File`] reads and writes them, [`Runtime`] is clock, dice and
//! spawner; [`Env`] carries all three. Everything above this crate is plain `async fn` over these
//! traits, so that a whole database runs on io_uring, on a pool of threads, in memory or in a
//! simulator from one seed, without knowing.
//!
//! # Invariants
//! - I1: a buffer belongs to the operation from the call until it comes back with the result. A
//!   caller that goes away never frees memory that the kernel still writes to.
//! - I2: a write that was reported done is seen by every later read. It is on disk only after
//!   [`File::sync_data`], or if it was a [`File::write_durable_at`].
//! - I3: dropping a future of this crate never undoes or tears the operation: it is done in the
//!   background, or was never begun.

mod buf;
mod error;
mod file;
mod locks;
mod memory;
mod runtime;

// Threads and system calls mean nothing to loom and shuttle, which bring their own.
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
mod blocking;
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
mod completion;
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
mod executor;
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
mod os;
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
mod pool;
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
mod simulated;
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
mod system;
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
mod threads;
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
mod timer;
#[cfg(all(target_os = "linux", not(any(heddle_loom, heddle_shuttle))))]
mod uring;

#[cfg(not(any(heddle_loom, heddle_shuttle)))]
pub use blocking::BlockingIo;
pub use buf::IoBuf;
pub use error::{Error, Operation, Result};
pub use file::{Access, File, Io, LockKind, Metadata, OpenOptions, TryRead};
pub use memory::MemoryIo;
pub use runtime::{BoxFuture, Env, Runtime};
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
pub use simulated::{Disk, Fault, Simulation, When};
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
pub use system::default_io;
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
pub use threads::ThreadRuntime;
#[cfg(all(target_os = "linux", not(any(heddle_loom, heddle_shuttle))))]
pub use uring::{DurableWrites, UringIo};
