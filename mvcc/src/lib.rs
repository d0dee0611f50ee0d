//! Version chains in memory: what was committed since the B-tree file was last written.
//!
//! Below `heddle-txn`, beside `heddle-btree`; knows neither files nor rows. One [`Overlay`] per
//! tree maps a key to its chain of versions; a [`Store`] holds the overlays and collects what
//! nobody can read any more; a [`Registry`] says who can still read what.
//!
//! - [`status`]: the one word per transaction by which all its versions become visible at once.
//! - `chain`: a key, its lock word, its versions: a node of `index`, the lock-free skiplist, and an
//!   entry of `directory`, the hash map for points.
//! - [`overlay`]: reads; [`lock`]: writes; [`validate`]: what changed since a snapshot.
//! - [`registry`], `evicted`, [`collect`]: what may be dropped, and what is remembered of it.
//! - [`run`]: sorted runs of transactions larger than memory; [`drain`]: what a checkpoint takes.
//!
//! # Invariants
//! - M1: no reader sees a version before its transaction's status says `Committed`.
//! - M2: within a chain, committed timestamps fall strictly from head to tail, and at most the
//!   transaction that holds the chain's lock has pending versions in it.
//! - M3: a version that a registered snapshot can read is never dropped. A reader is a
//!   [`View`]: what its base holds it reads there, whatever of it is still here.
//! - M4: whoever misses a dropped version finds a bound at least as new: in the chain's floor, or
//!   in the table of evicted timestamps once the chain is gone.
//! - M5: memory is freed only by crossbeam-epoch, after it became unreachable on every level.

#[allow(unsafe_code)]
mod chain;
#[allow(unsafe_code)]
pub mod collect;
#[allow(unsafe_code)]
mod directory;
pub mod drain;
mod evicted;
#[allow(unsafe_code)]
mod index;
#[allow(unsafe_code)]
pub mod lock;
#[allow(unsafe_code)]
pub mod overlay;
mod queue;
#[allow(unsafe_code)]
pub mod registry;
#[allow(unsafe_code)]
pub mod run;
pub mod scan;
pub mod status;
pub mod store;
mod tally;
pub mod validate;

pub use collect::{GcInput, GcStats};
pub use crossbeam_epoch::{Guard, pin};
pub use drain::Drained;
pub use lock::{Contended, LockedChain, Turn, TurnId};
pub use overlay::{Entry, Lookup, Overlay, View};
pub use registry::{Registered, Registry, Slot, SlotId, Stale};
pub use run::{Ahead, BlockNo, Probe, RunBlock, SortedRun};
pub use scan::{Direction, Scan};
pub use status::{Status, TxnStatus};
pub use store::{Store, StoreOptions};
pub use validate::Change;
