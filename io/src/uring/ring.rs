//! One ring on one thread of its own, driven by tokio-uring.
//!
//! Requests arrive in a queue from any thread; each becomes a task on the ring's thread, and its
//! result goes back through a promise.
//!
//! # Invariants
//! - U1: the thread runs nothing else, and each task does nothing between its operations:
//!   tokio-uring submits only when its thread parks.
//! - U2: at most [`IN_FLIGHT`] operations are with the kernel, half of the ring's entries, so that
//!   neither queue of the ring overflows.
//! - U3: the runtime ends only when nothing is in flight. tokio-uring 0.5 frees the buffers of
//!   what is still in flight then, before the kernel is done with them. Where U3 can't be kept
//!   the process aborts rather than let the kernel write to freed memory.
//! - U4: the buffer and the descriptors of an operation are owned by it (I1): the driver keeps
//!   them until the kernel has answered, whoever goes away.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use heddle_base::sync::Mutex;

use super::operation::{self, Action};
use crate::IoBuf;
use crate::completion::{Completion, Promise, completion};
use crate::os::Handle;

/// Entries of the submission queue.
const ENTRIES: u32 = 256;
/// Bound on operations with the kernel (U2).
pub(super) const IN_FLIGHT: usize = ENTRIES as usize / 2;

/// What comes back: the result, and the buffer.
pub(super) type Outcome = (io::Result<usize>, IoBuf);

/// See the module.
pub(super) struct Ring {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Request>,
    /// The ring thread's, while it waits for requests, room, or the end.
    waker: Option<Waker>,
    closed: bool,
    ended: bool,
    at_end: Vec<Waker>,
}

/// One operation asked for.
struct Request {
    action: Action,
    handle: Arc<Handle>,
    buf: IoBuf,
    offset: u64,
    promise: Promise<Outcome>,
}

impl Ring {
    /// Starts the thread. Fails where the kernel refuses the ring.
    pub(super) fn start(name: &'static str) -> io::Result<Ring> {
        let shared = Arc::new(Shared::default());
        let (started, start) = std::sync::mpsc::channel();
        let serving = Arc::clone(&shared);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            match tokio_uring::Runtime::new(tokio_uring::builder().entries(ENTRIES)) {
                Ok(runtime) => {
                    let _ = started.send(Ok(()));
                    serving.serve(runtime);
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            }
            serving.end();
        })?;
        start.recv().unwrap_or_else(|_| Err(io::Error::other("the ring's thread died")))?;
        Ok(Ring { shared })
    }

    /// Queues one operation. Once the ring is closed it refuses, and gives the buffer back.
    pub(super) fn submit(
        &self,
        action: Action,
        handle: Arc<Handle>,
        buf: IoBuf,
        offset: u64,
    ) -> Result<Completion<Outcome>, (io::Error, IoBuf)> {
        let mut state = self.shared.state.lock();
        if state.closed {
            return Err((crate::error::closed(), buf));
        }
        let (promise, completion) = completion();
        state.queue.push_back(Request { action, handle, buf, offset, promise });
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        Ok(completion)
    }

    /// Accepts nothing more; the thread ends when all that was accepted is done.
    pub(super) fn close(&self) {
        let mut state = self.shared.state.lock();
        state.closed = true;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Ends when the ring is gone.
    pub(super) async fn ended(&self) {
        poll_fn(|cx| {
            let mut state = self.shared.state.lock();
            if state.ended {
                return Poll::Ready(());
            }
            state.at_end.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.close();
    }
}

/// Counts one task while it lives, and tells the thread's loop when it goes.
struct Running {
    count: Rc<Cell<usize>>,
    shared: Arc<Shared>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What this task had in flight is now unknown, so that nobody can wait for it.
            tracing::error!("a task of the ring panicked: aborting (U3)");
            std::process::abort();
        }
        self.count.set(self.count.get() - 1);
        self.shared.room();
    }
}

impl Shared {
    /// The life of the ring's thread.
    fn serve(self: &Arc<Self>, runtime: tokio_uring::Runtime) {
        let running = Rc::new(Cell::new(0));
        let served = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(self.accept(&running));
        }));
        if served.is_err() && running.get() > 0 {
            tracing::error!("the ring's thread panicked with operations in flight: aborting (U3)");
            std::process::abort();
        }
        drop(runtime);
    }

    /// Turns requests into tasks, until the ring is closed and all is done.
    async fn accept(self: &Arc<Self>, running: &Rc<Cell<usize>>) {
        while let Some(batch) = poll_fn(|cx| self.poll_batch(running.get(), cx)).await {
            for request in batch {
                running.set(running.get() + 1);
                let task = Running { count: Rc::clone(running), shared: Arc::clone(self) };
                tokio_uring::spawn(async move {
                    let Request { action, handle, buf, offset, promise } = request;
                    promise.keep(operation::perform(action, handle, buf, offset).await);
                    drop(task);
                });
            }
        }
    }

    /// As many requests as there is room for (U2); `None` at the end (U3).
    fn poll_batch(&self, running: usize, cx: &mut Context<'_>) -> Poll<Option<Vec<Request>>> {
        let mut state = self.state.lock();
        let room = IN_FLIGHT.saturating_sub(running).min(state.queue.len());
        if room > 0 {
            return Poll::Ready(Some(state.queue.drain(..room).collect()));
        }
        if state.closed && state.queue.is_empty() && running == 0 {
            return Poll::Ready(None);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// A task has ended: wakes the loop if that is what it waits for.
    fn room(&self) {
        let mut state = self.state.lock();
        if state.closed || !state.queue.is_empty() {
            let waker = state.waker.take();
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// The thread is done, in whatever way: what still waits learns it by its broken promise.
    fn end(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.ended = true;
        let (unserved, wakers) =
            (std::mem::take(&mut state.queue), std::mem::take(&mut state.at_end));
        drop(state);
        drop(unserved);
        wakers.into_iter().for_each(Waker::wake);
    }
}
