//! Waits, handoffs, and what becomes of them when a waiter goes away.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;

use super::*;

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

type Waiting<'a> = Pin<Box<dyn Future<Output = Result<(), Failed>> + 'a>>;

/// Waiters for 1, 2, 3, ..., polled once, and how often each was woken.
fn waiters(mark: &Watermark, count: u64) -> Vec<(Waiting<'_>, Arc<Count>)> {
    (1..=count)
        .map(|target| {
            let woken = Arc::new(Count(AtomicUsize::new(0)));
            let mut wait: Waiting<'_> = Box::pin(mark.reached(target));
            assert!(poll(&mut wait, &woken).is_pending());
            (wait, woken)
        })
        .collect()
}

fn poll(wait: &mut Waiting<'_>, woken: &Arc<Count>) -> Poll<Result<(), Failed>> {
    let waker = Waker::from(Arc::clone(woken));
    wait.as_mut().poll(&mut Context::from_waker(&waker))
}

fn woken(waiters: &[(Waiting<'_>, Arc<Count>)]) -> Vec<usize> {
    waiters.iter().map(|(_, count)| count.0.load(Ordering::Relaxed)).collect()
}

#[test]
fn m2_a_wait_ends_when_its_target_is_reached_and_not_before() {
    let mark = Watermark::new(0);
    let mut all = waiters(&mark, 3);
    mark.raise(2);
    assert_eq!(mark.notify(), 2);
    assert_eq!(woken(&all), [1, 1, 0]);
    let states: Vec<bool> =
        all.iter_mut().map(|(wait, count)| poll(wait, count).is_ready()).collect();
    assert_eq!(states, [true, true, false]);
    mark.raise(1);
    assert_eq!(mark.get(), 2);
}

#[test]
fn m3_the_first_of_many_wakes_the_others() {
    let mark = Watermark::new(0);
    let mut all = waiters(&mark, 20);
    mark.raise(20);
    assert_eq!(mark.notify(), 20);
    assert_eq!(woken(&all).iter().sum::<usize>(), 1);
    assert!(mark.is_handed());
    let (wait, count) = &mut all[0];
    assert!(poll(wait, count).is_ready());
    assert_eq!(woken(&all), [1; 20]);
    assert!(!mark.is_handed());
}

#[test]
fn m3_a_waiter_that_goes_away_passes_the_handoff_on() {
    let mark = Watermark::new(0);
    let mut all = waiters(&mark, 20);
    mark.raise(20);
    mark.notify();
    let (first, _) = all.remove(0);
    drop(first);
    assert_eq!(woken(&all), [1; 19]);
}

#[test]
fn m3_a_handoff_that_nobody_takes_is_rescued() {
    let mark = Watermark::new(0);
    let all = waiters(&mark, 20);
    mark.raise(20);
    mark.notify();
    assert_eq!(mark.rescue(), 19);
    assert_eq!(woken(&all), [1; 20]);
    assert_eq!(mark.rescue(), 0);
}

#[test]
fn a_failure_ends_what_was_not_reached() {
    let mark = Watermark::new(0);
    let mut all = waiters(&mark, 2);
    mark.raise(1);
    mark.fail();
    let ends: Vec<_> = all.iter_mut().map(|(wait, count)| poll(wait, count)).collect();
    assert_eq!(ends, [Poll::Ready(Ok(())), Poll::Ready(Err(Failed))]);
    let late = Arc::new(Count(AtomicUsize::new(0)));
    let mut wait: Waiting<'_> = Box::pin(mark.reached(9));
    assert_eq!(poll(&mut wait, &late), Poll::Ready(Err(Failed)));
}
