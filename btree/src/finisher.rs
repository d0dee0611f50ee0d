//! Changes to files that come to their end even if nobody waits for them.
//!
//! A future of [`heddle_io`] that is dropped leaves its operation running. Were the next step to begin meanwhile, a
//! late write or truncation would land on top of it. So what is dropped midway is handed to the runtime, and each
//! new step first waits until nothing of before is left. Who is not dropped pays no hop for this.
//!
//! Invariants:
//! 1. `left` counts the operations that were dropped and have not ended.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use heddle_base::sync::Mutex;
use heddle_base::wait::WaitList;
use heddle_io::{BoxFuture, Runtime};

use crate::error::Result;

/// See the module. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Finisher {
    runtime: Arc<dyn Runtime>,
    left: Arc<Mutex<Left>>,
}

#[derive(Default)]
struct Left {
    count: usize,
    waiters: WaitList<()>,
}

impl Finisher {
    pub(crate) fn new(runtime: Arc<dyn Runtime>) -> Self {
        Self { runtime, left: Arc::default() }
    }

    /// Runs an operation, to its end even if this future is dropped.
    pub(crate) fn run<F>(&self, operation: F) -> Running
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        Running { finisher: self.clone(), operation: Some(Box::pin(operation)) }
    }

    /// Ends when no operation of before is left.
    pub(crate) async fn settle(&self) {
        let mut waiter = None;
        poll_fn(|context| {
            let mut left = self.left.lock();
            if left.count == 0 {
                return Poll::Ready(());
            }
            let known = waiter.is_some_and(|id| left.waiters.update(id, context.waker()));
            if !known {
                waiter = Some(left.waiters.push((), context.waker().clone()));
            }
            Poll::Pending
        })
        .await;
    }
}

/// An operation on its way.
pub(crate) struct Running {
    finisher: Finisher,
    operation: Option<BoxFuture<'static, Result<()>>>,
}

impl Future for Running {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(operation) = &mut self.operation else {
            return Poll::Ready(Ok(()));
        };
        let done = operation.as_mut().poll(context);
        if done.is_ready() {
            self.operation = None;
        }
        done
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(operation) = self.operation.take() else { return };
        self.finisher.left.lock().count += 1;
        let ended = Ended(Arc::clone(&self.finisher.left));
        let rest = async move {
            // Whoever wanted to know is gone.
            let _ = operation.await;
            drop(ended);
        };
        self.finisher.runtime.spawn("finish", Box::pin(rest));
    }
}

/// Counts an operation as ended, also when the runtime drops its task.
struct Ended(Arc<Mutex<Left>>);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut woken = Vec::new();
        let mut left = self.0.lock();
        left.count -= 1;
        if left.count == 0 {
            left.waiters.pop_where(|()| true, &mut woken);
        }
        drop(left);
        woken.into_iter().for_each(std::task::Waker::wake);
    }
}

/// Runs futures beside each other on the caller's task; gives what each gave, in their order.
pub(crate) async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    #[expect(clippy::type_complexity, reason = "it is named nowhere else")]
    let mut running: Vec<(Option<Pin<Box<F>>>, Option<F::Output>)> =
        futures.into_iter().map(|future| (Some(Box::pin(future)), None)).collect();
    poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut running {
            if let Some(running) = future {
                match running.as_mut().poll(context) {
                    Poll::Ready(done) => {
                        *output = Some(done);
                        *future = None;
                    }
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}
