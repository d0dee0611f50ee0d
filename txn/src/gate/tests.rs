//! Gates by hand: order, cancellation, time-out, and threads in a crowd.
#![allow(clippy::panic, clippy::disallowed_methods, reason = "a test, and threads for it")]

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;

use heddle_io::ThreadRuntime;

use super::*;

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn ready<T>(poll: Poll<T>) -> T {
    match poll {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("not ready"),
    }
}

#[test]
fn g1_first_come_first_served() {
    let gate = Gate::new();
    let first = ready(poll(&mut Gate::pass(&gate, Mode::Shared)));
    let mut exclusive = Gate::pass(&gate, Mode::Exclusive);
    assert!(poll(&mut exclusive).is_pending());
    let mut late = Gate::pass(&gate, Mode::Shared);
    assert!(poll(&mut late).is_pending());
    assert!(Gate::try_pass(&gate, Mode::Shared).is_none());
    drop(first);
    assert!(poll(&mut late).is_pending());
    let alone = ready(poll(&mut exclusive));
    assert!(poll(&mut late).is_pending());
    drop(alone);
    let late = ready(poll(&mut late));
    assert!(Gate::try_pass(&gate, Mode::Shared).is_some());
    drop(late);
    assert!(!gate.is_busy());
}

#[test]
fn g3_cancelled_before_and_after_the_grant() {
    let gate = Gate::new();
    let first = ready(poll(&mut Gate::pass(&gate, Mode::Shared)));
    let mut exclusive = Gate::pass(&gate, Mode::Exclusive);
    assert!(poll(&mut exclusive).is_pending());
    let mut shared = Gate::pass(&gate, Mode::Shared);
    assert!(poll(&mut shared).is_pending());
    // Leaving the line lets the shared one behind it pass beside the first.
    drop(exclusive);
    let shared = ready(poll(&mut shared));
    let mut exclusive = Gate::pass(&gate, Mode::Exclusive);
    assert!(poll(&mut exclusive).is_pending());
    drop((first, shared));
    // Granted, and never polled again.
    assert!(Gate::try_pass(&gate, Mode::Shared).is_none());
    drop(exclusive);
    assert!(Gate::try_pass(&gate, Mode::Exclusive).is_some());
    assert!(!gate.is_busy());
}

#[test]
fn times_out_and_leaves_the_line() {
    let runtime = ThreadRuntime::new();
    let gate = Gate::new();
    let held = Gate::try_pass(&gate, Mode::Exclusive).unwrap();
    let timeout = Duration::from_millis(5);
    let result =
        block_on(Gate::pass_within(&gate, Mode::Shared, Some(timeout), &*runtime)).map(|_| ());
    assert_eq!(result, Err(TimedOut { waited: timeout }));
    drop(held);
    assert!(!gate.is_busy());
    assert!(block_on(Gate::pass_within(&gate, Mode::Shared, Some(timeout), &*runtime)).is_ok());
}

#[test]
fn exclusive_is_alone_in_a_crowd() {
    let gate = Arc::new(Gate::new());
    let inside = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
            std::thread::spawn(move || {
                for round in 0..2000 {
                    let exclusive = (thread + round) % 3 == 0;
                    let mode = if exclusive { Mode::Exclusive } else { Mode::Shared };
                    let mut passing = Gate::pass(&*gate, mode);
                    if round % 5 == 0 && poll(&mut passing).is_pending() {
                        continue;
                    }
                    if round % 5 == 0 {
                        continue;
                    }
                    let pass = block_on(passing);
                    let weight = if exclusive { 1000 } else { 1 };
                    let before = inside.fetch_add(weight, Ordering::SeqCst);
                    assert!(if exclusive { before == 0 } else { before < 1000 });
                    inside.fetch_sub(weight, Ordering::SeqCst);
                    drop(pass);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(gate.word.load(Ordering::SeqCst), 0);
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
