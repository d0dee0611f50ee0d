//! A bounded pool of threads for calls that block or compute.
//!
//! Threads start when there is work and none is idle, up to the bound; the queue before them is
//! first in, first out and unbounded (its users bound what they have in flight).
//!
//! # Invariants
//! - P1: a job that was accepted runs to its end, also if the pool is dropped meanwhile (I3).
//! - P2: after [`Pool::close`] nothing is accepted, and [`Pool::drained`] ends once nothing runs.
//! - P3: a job that panics takes no thread with it; its promise is broken, which its waiter sees.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use heddle_base::sync::{Condvar, Mutex};

use crate::completion::{Completion, completion};

type Job = Box<dyn FnOnce() + Send>;

/// See the module.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    bound: usize,
    state: Mutex<State>,
    work: Condvar,
    /// A copy of `State::closed` for those who only look.
    closed: AtomicBool,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    /// Jobs queued or running, and calls of others counted in by [`Pool::enter`].
    in_flight: usize,
    closed: bool,
    drained: Vec<Waker>,
}

/// Counts one call on the caller's own thread as work of the pool, for [`Pool::drained`].
pub(crate) struct Entered<'a>(&'a Shared);

impl Pool {
    /// A pool of up to `bound` threads, none of them running yet.
    pub(crate) fn new(name: &'static str, bound: usize) -> Self {
        let shared = Shared {
            name,
            bound: bound.max(1),
            state: Mutex::new(State::default()),
            work: Condvar::new(),
            closed: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Queues `work` on `input`. Once the pool is closed it refuses, and gives the input back.
    pub(crate) fn run<T: Send + 'static, R: Send + 'static>(
        &self,
        input: T,
        work: impl FnOnce(T) -> R + Send + 'static,
    ) -> Result<Completion<R>, (io::Error, T)> {
        let mut state = self.shared.state.lock();
        if state.closed {
            return Err((crate::error::closed(), input));
        }
        let (promise, completion) = completion();
        state.in_flight += 1;
        state.queue.push_back(Box::new(move || promise.keep(work(input))));
        let short = state.idle < state.queue.len() && state.threads < self.shared.bound;
        if short && self.start_thread().is_ok() {
            state.threads += 1;
        }
        let nobody = state.threads == 0;
        drop(state);
        if nobody {
            // The system refuses threads: late and blocking is better than not at all.
            self.shared.serve_one();
        } else {
            self.shared.work.notify_one();
        }
        Ok(completion)
    }

    fn start_thread(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new()
            .name(self.shared.name.to_owned())
            .spawn(move || shared.serve())
            .map(drop)
    }

    /// Counts the caller in until the guard is dropped. Fails once the pool is closed.
    pub(crate) fn enter(&self) -> io::Result<Entered<'_>> {
        let mut state = self.shared.state.lock();
        if state.closed {
            return Err(crate::error::closed());
        }
        state.in_flight += 1;
        Ok(Entered(&self.shared))
    }

    /// Fails once the pool is closed; for calls that are too short to be counted in.
    pub(crate) fn check_open(&self) -> io::Result<()> {
        let closed = self.shared.closed.load(Ordering::Acquire);
        if closed { Err(crate::error::closed()) } else { Ok(()) }
    }

    /// Accepts no more work.
    pub(crate) fn close(&self) {
        self.shared.state.lock().closed = true;
        self.shared.closed.store(true, Ordering::Release);
        self.shared.work.notify_all();
    }

    /// Ends when nothing is queued or running.
    pub(crate) async fn drained(&self) {
        poll_fn(|cx| {
            let mut state = self.shared.state.lock();
            if state.in_flight == 0 {
                return Poll::Ready(());
            }
            state.drained.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.finished();
    }
}

impl Shared {
    /// The life of one thread.
    fn serve(&self) {
        while let Some(job) = self.next() {
            self.perform(job);
        }
    }

    /// Does one queued job on the calling thread.
    fn serve_one(&self) {
        let job = self.state.lock().queue.pop_front();
        if let Some(job) = job {
            self.perform(job);
        }
    }

    fn perform(&self, job: Job) {
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!(pool = self.name, "a job panicked");
        }
        self.finished();
    }

    /// The next job; `None` when the pool is closed and empty.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            if state.closed {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            state = self.work.wait(state);
            state.idle -= 1;
        }
    }

    fn finished(&self) {
        let mut state = self.state.lock();
        state.in_flight -= 1;
        if state.in_flight == 0 {
            let wakers = std::mem::take(&mut state.drained);
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::block_on;

    #[test]
    fn p1_p2_accepted_jobs_end_and_later_ones_are_refused() {
        let pool = Pool::new("test", 3);
        let jobs: Vec<_> = (0..100).map(|n| pool.run(n, |n| n * 2).unwrap()).collect();
        pool.close();
        assert!(pool.run((), |()| ()).is_err());
        block_on(pool.drained());
        for (n, job) in jobs.into_iter().enumerate() {
            assert_eq!(block_on(job), Some(n * 2));
        }
    }

    #[test]
    fn p3_a_panic_breaks_one_promise_only() {
        let pool = Pool::new("test", 1);
        let broken = pool.run((), |()| panic!("on purpose")).unwrap();
        let kept = pool.run((), |()| 7).unwrap();
        assert_eq!(block_on(broken), None::<()>);
        assert_eq!(block_on(kept), Some(7));
    }
}
