//! System calls on files, shared by the backends that have an operating system under them.
//!
//! Everything here blocks its thread; [`crate::blocking`] and [`crate::uring`] decide whose.

mod handle;
mod lock;
pub(crate) mod names;
mod schedule;

pub(crate) use handle::Handle;
pub(crate) use schedule::hasten_this_thread;
