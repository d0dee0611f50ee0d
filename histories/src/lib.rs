//! Histories: what transactions did, and whether an isolation level allows it.
//!
//! A test records each operation of each transaction with a [`Recorder`] and gives the [`History`] to
//! [`check`], which builds the dependency graph of Adya's thesis ("Weak Consistency: A Generalized Theory and
//! Optimistic Implementations for Distributed Transactions", 1999) and looks for the phenomena that he names: dirty
//! and intermediate reads, and cycles of write, read and anti-dependencies. The way from what clients saw to that
//! graph (lists that are only appended to, unique values, the order of versions) follows Kingsbury and Alvaro,
//! "Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB 2020. Nothing here knows HeddleDB.
//!
//! - [`history`]: transactions, operations, outcomes; [`recorder`]: how they are noted while they run.
//! - `versions`: in which order the versions of each key came; `reads`: who read which of them, and the plain anomalies.
//! - `graph`: the dependencies and their strongly connected parts; `cycles`: the cycles in them, by class.
//! - [`anomaly`]: the classes, which level forbids which, and the counterexample in words.
//!
//! # Invariants
//! - H1: what is reported is an anomaly in every order of events that explains the history: an edge is
//!   drawn only if each such order has it. (What the clients did not see may hide others.)
//! - H2: the same history gives the same report.
//!
//! ```
//! use heddle_histories::{Class, Level, Recorder, check};
//!
//! let recorder = Recorder::new();
//! let (mut a, mut b) = (recorder.begin(), recorder.begin());
//! a.read(1, None);
//! b.read(1, None);
//! a.write(1, Some(10));
//! b.write(1, Some(20));
//! a.committed(None);
//! b.committed(None);
//! let mut c = recorder.begin();
//! c.read(1, Some(20));
//! c.committed(None);
//!
//! let report = check(&recorder.history());
//! assert!(report.classes().contains(&Class::LostUpdate));
//! assert!(report.violations(Level::Snapshot).next().is_some());
//! ```

pub mod anomaly;
mod cycles;
mod graph;
pub mod history;
mod reads;
pub mod recorder;
mod versions;

pub use anomaly::{Anomaly, Class, Level, Report, check};
pub use history::{History, Key, Op, Outcome, Scope, Txn, TxnId, Value};
pub use recorder::{Recorder, Recording};
