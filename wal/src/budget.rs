//! What a reservation takes: a slot of the ring, and blocks in segments that are already on disk.
//!
//! Taken by [`crate::Log::reserve`]; given back by the flusher as it takes slots and packs
//! groups; grown by the keeper ([`crate::keeper`]) when a segment is ready.
//!
//! # Invariants
//! - G1: what is taken and not given back never exceeds what there is.
//! - G2: those who wait are served in order; nobody overtakes them by the fast path.
//! - G3: the blocks of [`blocks_for`] cover what a record needs whatever groups it falls into.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};

use crossbeam_utils::CachePadded;
use heddle_base::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use heddle_base::sync::{Arc, Mutex, MutexGuard};
use heddle_base::wait::{WaitList, WaiterId};

use crate::Error;

/// Low bits of the packed counter: free blocks. The others: free slots.
const BLOCK_BITS: u32 = 42;

/// Blocks that a record of `bytes` bytes reserves (G3).
///
/// A group of k blocks that ends because it is full holds at least 4096 k - 107 bytes of entries
/// (a header of 80 bytes, at most two records that it shares with its neighbours, less than an
/// entry's header unused), and each entry of n bytes has brought max(1, n / 3900) blocks, spread
/// evenly over its bytes: together at least k. A group that ends for want of records needs at
/// most one block more than they brought, and completes at least one record: hence the one extra.
pub(crate) fn blocks_for(bytes: usize) -> u64 {
    2 + bytes as u64 / 3900
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Budget {
    free: CachePadded<AtomicU64>,
    waiting: AtomicUsize,
    queue: Mutex<Queue>,
}

/// Those who wait, in order.
type Queue = WaitList<Need>;

/// What one who waits needs besides one slot, and what became of him.
#[derive(Debug)]
struct Need {
    blocks: u64,
    outcome: Arc<Mutex<Option<Result<(), Error>>>>,
}

impl Need {
    fn settle(&self, outcome: Result<(), Error>) {
        *self.outcome.lock() = Some(outcome);
    }
}

impl Budget {
    /// A budget of `slots` slots and no blocks.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            free: CachePadded::new(AtomicU64::new(pack(slots as u64, 0))),
            waiting: AtomicUsize::new(0),
            queue: Mutex::new(Queue::default()),
        }
    }

    /// Takes a slot and `blocks` blocks if they are free and nobody waits.
    #[inline]
    pub(crate) fn try_take(&self, blocks: u64) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0 && self.take(1, blocks)
    }

    /// Takes blocks without a slot, for a group that nobody reserved.
    pub(crate) fn try_take_blocks(&self, blocks: u64) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0 && self.take(0, blocks)
    }

    #[inline]
    fn take(&self, slots: u64, blocks: u64) -> bool {
        let wanted = pack(slots, blocks);
        let enough = |free: u64| {
            let (has_slots, has_blocks) = unpack(free);
            (has_slots >= slots && has_blocks >= blocks).then(|| free - wanted)
        };
        self.free.fetch_update(Ordering::AcqRel, Ordering::Relaxed, enough).is_ok()
    }

    /// Gives back, or adds, and serves those who wait.
    #[inline]
    pub(crate) fn give(&self, slots: u64, blocks: u64) {
        self.free.fetch_add(pack(slots, blocks), Ordering::AcqRel);
        // Pairs with the fence in `poll`.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) != 0 {
            self.serve();
        }
    }

    /// Free blocks now.
    pub(crate) fn free_blocks(&self) -> u64 {
        unpack(self.free.load(Ordering::Acquire)).1
    }

    /// By how many blocks the first who waits falls short.
    pub(crate) fn shortage(&self) -> u64 {
        let wanted = self.queue.lock().front().map_or(0, |need| need.blocks);
        wanted.saturating_sub(self.free_blocks())
    }

    fn serve(&self) {
        self.serve_locked(self.queue.lock());
    }

    /// Serves from the front, and wakes after letting go of the lock.
    fn serve_locked(&self, mut queue: MutexGuard<'_, Queue>) {
        let mut woken = Vec::new();
        while let Some(blocks) = queue.front().map(|need| need.blocks)
            && self.take(1, blocks)
            && let Some((need, waker)) = queue.pop()
        {
            need.settle(Ok(()));
            woken.push(waker);
        }
        self.waiting.store(queue.len(), Ordering::Relaxed);
        drop(queue);
        woken.into_iter().for_each(Waker::wake);
    }

    /// No segment could be made: fails all who need more blocks than are free, serves the others.
    pub(crate) fn fail_short(&self, error: &Error) {
        let free = self.free_blocks();
        self.fail(error, |blocks| blocks > free);
    }

    /// Fails all who wait.
    pub(crate) fn fail_all(&self, error: &Error) {
        self.fail(error, |_| true);
    }

    fn fail(&self, error: &Error, hit: impl Fn(u64) -> bool) {
        let mut woken = Vec::new();
        let mut queue = self.queue.lock();
        while let Some(blocks) = queue.front().map(|need| need.blocks) {
            let outcome = if hit(blocks) {
                Err(error.clone())
            } else if self.take(1, blocks) {
                Ok(())
            } else {
                break;
            };
            if let Some((need, waker)) = queue.pop() {
                need.settle(outcome);
                woken.push(waker);
            }
        }
        self.waiting.store(queue.len(), Ordering::Relaxed);
        drop(queue);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Waits for a slot and `blocks` blocks. `refused` is asked once this is in line, so that a
    /// failure that came before is not waited through.
    ///
    /// # Cancel safety
    /// Dropping it leaves the line, or gives back what it had been given.
    pub(crate) fn taken<'a>(
        &'a self,
        blocks: u64,
        refused: impl Fn() -> Option<Error> + Send + 'a,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'a {
        let outcome = Arc::new(Mutex::new(None));
        let mut turn = Turn { budget: self, blocks, outcome, id: None };
        poll_fn(move |cx| turn.poll(&refused, cx))
    }
}

struct Turn<'a> {
    budget: &'a Budget,
    blocks: u64,
    outcome: Arc<Mutex<Option<Result<(), Error>>>>,
    id: Option<WaiterId>,
}

impl Turn<'_> {
    fn poll(
        &mut self,
        refused: &impl Fn() -> Option<Error>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let budget = self.budget;
        let mut queue = budget.queue.lock();
        match self.id {
            Some(id) => drop(queue.update(id, cx.waker())),
            None => {
                let need = Need { blocks: self.blocks, outcome: Arc::clone(&self.outcome) };
                self.id = Some(queue.push(need, cx.waker().clone()));
            }
        }
        budget.waiting.store(queue.len(), Ordering::Relaxed);
        // Pairs with the fence in `give`.
        fence(Ordering::SeqCst);
        budget.serve_locked(queue);
        if let Some(outcome) = self.outcome.lock().take() {
            self.id = None;
            return Poll::Ready(outcome);
        }
        match refused() {
            // Dropping leaves the line, or gives back what came meanwhile.
            Some(error) => {
                self.leave();
                Poll::Ready(Err(error))
            }
            None => Poll::Pending,
        }
    }

    fn leave(&mut self) {
        let Some(id) = self.id.take() else { return };
        self.budget.queue.lock().cancel(id);
        let outcome = self.outcome.lock().take();
        match outcome {
            Some(Ok(())) => self.budget.give(1, self.blocks),
            // Those behind may be content with less.
            _ => self.budget.serve(),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

fn pack(slots: u64, blocks: u64) -> u64 {
    (slots << BLOCK_BITS) + blocks
}

fn unpack(packed: u64) -> (u64, u64) {
    (packed >> BLOCK_BITS, packed & ((1 << BLOCK_BITS) - 1))
}

#[cfg(all(test, not(any(heddle_loom, heddle_shuttle))))]
mod tests;
