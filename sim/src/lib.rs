//! A whole database (clients, checkpointer, flusher) in a world from one seed, with faults, judged by a model.
//!
//! `cargo xtask sim --seeds 1000` runs seeds; a failing one is run again by `cargo xtask sim --seed S`.
//!
//! - [`plan`]: what a seed stands for; [`workload`]: what clients do; [`faults`]: what goes wrong.
//! - [`run`]: carries a plan out; [`client`] does and [`record`] notes; [`model`] judges, over [`state`].
//! - [`survey`] reads everything back; [`stock`] lets stock SQLite read it.
//! - [`planted`]: mistakes on purpose, each of which is found.
//! - [`shrink`]: makes a failing plan smaller; [`coverage`]: what was exercised; [`workers`]: many seeds on all cores.
//!
//! # Invariants
//! - R1: two runs of one plan are equal, event by event and byte by byte: nothing outside the seed decides anything.
//! - R2: every failure of a run is the database's, or the simulator's own mistake; a run without one proves that what
//!   the model says held.
#![allow(
    missing_docs,
    reason = "a tool: fields of plans and records say by their names what they are"
)]

pub mod client;
pub mod coverage;
pub mod faults;
pub mod model;
pub mod plan;
pub mod planted;
pub mod record;
pub mod run;
pub mod shrink;
pub mod state;
pub mod stock;
pub mod survey;
pub mod workers;
pub mod workload;
