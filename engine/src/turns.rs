//! Turns: a task whose reads are always ready lets others run now and then.
//!
//! A read whose pages are cached ends in its first poll. A task that does nothing but such reads
//! would keep a thread of its executor for as long as it likes, while writers, woken because their
//! group is on disk, wait for that thread: commits then take as long as all readers' turns
//! together. So reads are counted, for each thread, and after some work the task gives way once.
//!
//! # Invariants
//! - U1: between two turns a thread does a bounded amount of counted work: little while commits are
//!   on their way, more if not (the tasks of the user's program want to run as well).
//! - U2: counting touches no cache line that another thread writes.

use std::future::poll_fn;
use std::task::Poll;

use crossbeam_utils::CachePadded;
use heddle_base::sync::atomic::{AtomicU32, Ordering};
use heddle_base::sync::thread_number;

/// What beginning a transaction counts for.
pub(crate) const BEGIN: u32 = 8;
/// What a row found by its key counts for.
pub(crate) const POINT: u32 = 4;
/// What the next row of a walk counts for: less than half a microsecond.
pub(crate) const ROW: u32 = 1;

/// Work between two turns while commits are on their way: some 50 microseconds.
const WITH_COMMITS: u32 = 128;
/// Work between two turns otherwise: a few milliseconds.
const ALONE: u32 = 10_000;

const LANES: usize = 32;

/// Work done by each thread since it last gave way. Threads beyond the number of lanes share one.
#[derive(Debug)]
pub(crate) struct Turns {
    lanes: Box<[CachePadded<AtomicU32>]>,
}

impl Turns {
    pub(crate) fn new() -> Turns {
        Turns { lanes: (0..LANES).map(|_| CachePadded::default()).collect() }
    }

    /// Counts work; whether the task should give way now.
    #[inline]
    pub(crate) fn is_over(&self, work: u32, commits_running: impl FnOnce() -> bool) -> bool {
        // Of two threads in one lane one may be forgotten: it is a count of work, not of rows.
        let lane = &self.lanes[thread_number() % LANES];
        let done = lane.load(Ordering::Relaxed).saturating_add(work);
        let over = done >= WITH_COMMITS && (done >= ALONE || commits_running());
        lane.store(if over { 0 } else { done }, Ordering::Relaxed);
        over
    }
}

/// Lets the executor run other tasks once, on whatever executor it is.
///
/// # Cancel safety
/// It changes nothing.
pub(crate) async fn give_way() {
    let mut given = false;
    poll_fn(|cx| {
        if given {
            return Poll::Ready(());
        }
        given = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points_until_over(turns: &Turns, commits: bool) -> u32 {
        (1..).find(|_| turns.is_over(POINT, || commits)).unwrap_or(0)
    }

    #[test]
    fn u1_a_reader_gives_way_sooner_while_commits_are_on_their_way() {
        let turns = Turns::new();
        assert_eq!(points_until_over(&turns, true), WITH_COMMITS / POINT);
        assert_eq!(points_until_over(&turns, false), ALONE / POINT);
        assert_eq!(points_until_over(&turns, true), WITH_COMMITS / POINT, "each turn begins anew");
    }
}
