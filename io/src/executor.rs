//! Two ways to drive a future on a thread of our own: alone ([`block_on`]), or beside others on
//! one shared thread ([`Executor`]).
//!
//! # Invariants
//! - X1: a task is polled by one thread at a time, and again after every wake that came after its
//!   last poll began.
//! - X2: the shared thread lives until its executor is dropped and every task has ended.
//! - X3: a task that panics ends alone.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use heddle_base::sync::{Condvar, Mutex};

use crate::BoxFuture;

/// Drives `future` on the calling thread, which sleeps while the future waits.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let parker = Arc::new(Parker { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&parker));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        // Acquire pairs with the Release in `wake_by_ref`: the poll sees what the waker did. The
        // flag, not the park token alone, says whether to poll: others may unpark this thread.
        while !parker.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

struct Parker {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}

/// Many tasks on one thread.
pub(crate) struct Executor {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Arc<Task>>,
    live: usize,
    started: bool,
    closed: bool,
}

struct Task {
    name: &'static str,
    future: Mutex<Option<BoxFuture<'static, ()>>>,
    /// Whether it is in the ready queue.
    queued: AtomicBool,
    executor: Weak<Shared>,
}

impl Executor {
    /// An executor whose thread starts with the first task.
    pub(crate) fn new() -> Self {
        let shared = Shared { state: Mutex::new(State::default()), work: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Runs `task` beside the others.
    pub(crate) fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        let task = Arc::new(Task {
            name,
            future: Mutex::new(Some(task)),
            queued: AtomicBool::new(true),
            executor: Arc::downgrade(&self.shared),
        });
        let mut state = self.shared.state.lock();
        state.live += 1;
        state.ready.push_back(task);
        if !state.started {
            state.started = true;
            let shared = Arc::clone(&self.shared);
            spawn_thread("heddle-tasks", move || shared.serve());
        }
        drop(state);
        self.shared.work.notify_one();
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.work.notify_one();
    }
}

impl Shared {
    fn serve(&self) {
        while let Some(task) = self.next() {
            if task.poll() {
                self.state.lock().live -= 1;
            }
        }
    }

    fn next(&self) -> Option<Arc<Task>> {
        let mut state = self.state.lock();
        loop {
            if let Some(task) = state.ready.pop_front() {
                return Some(task);
            }
            if state.closed && state.live == 0 {
                return None;
            }
            state = self.work.wait(state);
        }
    }
}

impl Task {
    /// Polls once; true if the task has ended.
    fn poll(self: &Arc<Self>) -> bool {
        // Before the poll, so that a wake during it queues the task again (X1). Acquire pairs with
        // the Release in `wake_by_ref`.
        self.queued.swap(false, Ordering::Acquire);
        let waker = Waker::from(Arc::clone(self));
        let mut slot = self.future.lock();
        let Some(future) = slot.as_mut() else {
            return false;
        };
        let polled = catch_unwind(AssertUnwindSafe(|| {
            future.as_mut().poll(&mut Context::from_waker(&waker))
        }));
        if matches!(polled, Ok(Poll::Pending)) {
            return false;
        }
        if polled.is_err() {
            tracing::error!(task = self.name, "a background task panicked");
        }
        let ended = slot.take();
        drop(slot);
        drop(ended);
        true
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel)
            && let Some(executor) = self.executor.upgrade()
        {
            executor.state.lock().ready.push_back(Arc::clone(self));
            executor.work.notify_one();
        }
    }
}

/// Starts a named thread. Without threads nothing of the database works, so a system that
/// refuses one ends the caller by panic, as `std::thread::spawn` does.
pub(crate) fn spawn_thread(name: &'static str, work: impl FnOnce() + Send + 'static) {
    #[expect(clippy::expect_used, reason = "see above: as std::thread::spawn")]
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .expect("the system can start a thread");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::completion::completion;

    #[test]
    fn x1_x3_tasks_run_beside_each_other_and_panic_alone() {
        let executor = Executor::new();
        let (ping, pinged) = completion();
        let (pong, ponged) = completion();
        executor.spawn("waits", Box::pin(async move { pong.keep(pinged.await.unwrap() + 1) }));
        executor.spawn("panics", Box::pin(async { panic!("on purpose") }));
        executor.spawn("wakes", Box::pin(async move { ping.keep(1) }));
        assert_eq!(block_on(ponged), Some(2));
    }

    #[test]
    fn x2_tasks_outlive_the_executor() {
        let executor = Executor::new();
        let (go, gone) = completion();
        let (done, end) = completion();
        executor.spawn("late", Box::pin(async move { done.keep(gone.await) }));
        drop(executor);
        go.keep(());
        assert_eq!(block_on(end), Some(Some(())));
    }
}
