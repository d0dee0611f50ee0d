//! The commits that run, which the end waits for.
//!
//! # Invariants
//! - Z2: a commit counts from before it looks whether the database is closed until it is over, so that who closes it and then
//!   waits here misses none.
//! - Z3: who waits says so before it reads the count, and a commit counts itself out before it looks whether somebody
//!   waits (both SeqCst): one of them sees the other.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use crossbeam_utils::CachePadded;
use heddle_base::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use heddle_base::sync::{Arc, Mutex};

use crate::Result;
use crate::core::Core;

/// How many commits run.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    running: CachePadded<AtomicU64>,
    awaited: AtomicBool,
    waiter: Mutex<Option<Waker>>,
}

/// A commit that runs.
#[derive(Debug)]
pub(crate) struct Committing(Arc<Core>);

impl Committing {
    /// A commit begins (Z2).
    ///
    /// # Errors
    /// [`crate::Error::Closed`].
    pub(crate) fn enter(core: &Arc<Core>) -> Result<Committing> {
        core.commits.running.fetch_add(1, Ordering::SeqCst);
        let committing = Committing(Arc::clone(core));
        core.check_open()?;
        Ok(committing)
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        let commits = &self.0.commits;
        let last = commits.running.fetch_sub(1, Ordering::SeqCst) == 1;
        // Z3.
        if last && commits.awaited.load(Ordering::SeqCst) {
            let waiter = commits.waiter.lock().take();
            if let Some(waiter) = waiter {
                waiter.wake();
            }
        }
    }
}

impl Commits {
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.running.load(Ordering::SeqCst) > 0
    }

    /// Waits until none runs. For the maintenance task alone, after the database was closed to new ones.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub(crate) async fn ended(&self) {
        poll_fn(|cx| {
            *self.waiter.lock() = Some(cx.waker().clone());
            self.awaited.store(true, Ordering::SeqCst);
            if self.any() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await
    }
}
