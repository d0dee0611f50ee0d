//! Writing to a chain: its lock, and the two ways to wait for it.
//!
//! Used by the commit pipeline in step 1 and released after step 4. Waiting is FIFO and by waker,
//! see `queue`.
//!
//! # Invariants
//! - L1: a chain is unlocked only after its holder's versions were stamped (committed) or dropped
//!   (anything else). So a free chain has no pending versions.
//! - L2: `Overlay::pending` counts chains with versions linked and not yet settled, from before
//!   the link to after `last_commit` was raised.

use crate::chain::{Chain, DEAD};
use crate::index::Found;
use crate::overlay::{Overlay, View};
use crate::queue::{Asked, Line, Place};
use crate::status::TxnStatus;
use bytes::Bytes;
use crossbeam_epoch::Guard;
use heddle_base::Timestamp;
use heddle_base::sync::Arc;
use heddle_base::sync::atomic::Ordering;
use heddle_base::sync::hint;
use std::future::Future;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// A holder is between steps 1 and 5, all synchronous: worth this many looks.
const SPINS: usize = if cfg!(any(heddle_loom, heddle_shuttle)) { 0 } else { 64 };

/// Somebody else holds the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chain is locked by another committer")]
pub struct Contended;

/// A chain that the caller holds. Publish the transaction's status before dropping it: what is not
/// committed by then is dropped from the chain.
#[derive(Debug)]
pub struct LockedChain<'a> {
    overlay: &'a Overlay,
    chain: NonNull<Chain>,
    linked: bool,
}

// SAFETY: a locked chain is never removed (C2), so the pointer stays valid wherever it is moved;
// `Chain` and `Overlay` are Sync.
unsafe impl Send for LockedChain<'_> {}
// SAFETY: as above; `&LockedChain` only reads.
unsafe impl Sync for LockedChain<'_> {}

impl<'a> LockedChain<'a> {
    fn new(overlay: &'a Overlay, chain: &Chain) -> Self {
        Self { overlay, chain: NonNull::from(chain), linked: false }
    }

    fn chain(&self) -> &Chain {
        // SAFETY: the lock is ours until drop, and a locked chain is never freed (C2).
        unsafe { self.chain.as_ref() }
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        self.chain().key()
    }

    /// The newest commit to this key, or a bound for it: what first-committer-wins compares with
    /// the snapshot. Versions of the caller do not count while they are pending.
    pub fn newest(&self) -> Timestamp {
        let guard = crossbeam_epoch::pin();
        let chain = self.chain();
        let ts = chain.newest(&guard).unwrap_or_else(|| self.overlay.evicted_bound(chain.key()));
        ts.max(self.overlay.newest_in_runs(chain.key(), &guard))
    }

    /// The newest commit to this key if it stands here: its timestamp and value (`None`: a
    /// tombstone). If not, the newest base or a run has it, if there is any.
    pub fn newest_version<'g>(&self, guard: &'g Guard) -> Option<(Timestamp, Option<&'g Bytes>)> {
        let (ts, version) = self.chain().visible(View::ALL, guard)?;
        (ts > self.chain().floor()).then(|| (ts, version.value()))
    }

    /// Links a version of the transaction whose status this is; `None` is a tombstone. Infallible;
    /// nobody sees it before the status says `Committed`.
    pub fn link(&mut self, value: Option<Bytes>, status: &Arc<TxnStatus>) {
        if !self.linked {
            self.overlay.pending.fetch_add(1, Ordering::SeqCst);
            self.linked = true;
        }
        let guard = crossbeam_epoch::pin();
        let first = self.chain().versions(&guard).next().is_none();
        let bytes = self.chain().push(value, status, &guard);
        self.overlay.memory.add(self.chain.as_ptr().addr(), bytes);
        if !first {
            // After the push: who resets the count before it will look at this chain again.
            self.overlay.garbage.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for LockedChain<'_> {
    fn drop(&mut self) {
        let guard = crossbeam_epoch::pin();
        // SAFETY: as in `chain`; the guard keeps it beyond the unlock.
        let chain = unsafe { self.chain.as_ref() };
        if self.linked {
            let (stamped, dropped) = chain.settle(&guard);
            self.overlay.memory.sub(self.chain.as_ptr().addr(), dropped);
            if let Some(ts) = stamped {
                self.overlay.last_commit.fetch_max(ts.get(), Ordering::SeqCst);
            }
            self.overlay.pending.fetch_sub(1, Ordering::SeqCst);
        }
        if chain.versions(&guard).next().is_none() {
            self.overlay.garbage.fetch_add(1, Ordering::Relaxed);
        }
        self.overlay.queues.unlock(chain);
    }
}

impl Overlay {
    /// Locks a key's chain, made if it is missing, without waiting beyond a brief spin.
    ///
    /// # Errors
    /// [`Contended`] if somebody else holds it.
    pub fn try_lock(&self, key: &[u8]) -> Result<LockedChain<'_>, Contended> {
        let guard = crossbeam_epoch::pin();
        let hash = self.evicted.hash(key);
        let mut spins = SPINS;
        loop {
            let found = match self.directory.get(key, hash, &guard) {
                Some(chain) => Found::Existing(chain),
                None => self.index.find_or_insert(key, hash, &guard),
            };
            let chain = match found {
                Found::Created(chain) => {
                    self.directory.insert(chain, hash);
                    self.memory.add(std::ptr::from_ref(chain).addr(), chain.bytes());
                    return Ok(LockedChain::new(self, chain));
                }
                Found::Existing(chain) => chain,
            };
            loop {
                match chain.try_lock() {
                    Ok(()) => return Ok(LockedChain::new(self, chain)),
                    Err(word) if word & DEAD != 0 => {
                        self.unlink(chain, hash, &guard);
                        break;
                    }
                    Err(_) if spins == 0 => return Err(Contended),
                    Err(_) => {
                        spins -= 1;
                        hint::spin_loop();
                    }
                }
            }
        }
    }

    /// Locks a key's chain, in the order of asking among those who wait.
    ///
    /// # Cancel safety
    /// Dropped while waiting, it leaves the line; if the lock was just handed to it, it hands it on.
    pub async fn lock(&self, key: &[u8]) -> LockedChain<'_> {
        loop {
            if let Ok(locked) = self.try_lock(key) {
                return locked;
            }
            if let Some(id) = (Wait { overlay: self, key, line: Line::Lock, place: None }).await
                && let Some(locked) = self.adopt(key, id)
            {
                return locked;
            }
        }
    }

    /// Waits until the chain's present holder has published and it is the caller's turn to try
    /// again. The turn ends when it is dropped or when the chain is next unlocked. Drop a turn
    /// before waiting for another, and before waiting for durability.
    ///
    /// # Cancel safety
    /// Dropped while waiting, it leaves the line; a turn just given passes to the next.
    pub async fn queue<'a>(&'a self, key: &'a [u8]) -> Turn<'a> {
        let id = (Wait { overlay: self, key, line: Line::Turn, place: None }).await;
        Turn { overlay: self, key, id }
    }

    /// As [`Overlay::queue`], for an owner that can't borrow the overlay: it keeps the number and
    /// gives it to [`Overlay::end_turn`]. `None`: there is no chain to queue on.
    ///
    /// # Cancel safety
    /// As [`Overlay::queue`].
    pub async fn queue_detached(&self, key: &[u8]) -> Option<TurnId> {
        Wait { overlay: self, key, line: Line::Turn, place: None }.await.map(TurnId)
    }

    /// Ends a turn that [`Overlay::queue_detached`] gave.
    pub fn end_turn(&self, key: &[u8], turn: TurnId) {
        drop(Turn { overlay: self, key, id: Some(turn.0) });
    }

    /// A key's chain, also one that its creator has not entered in the directory yet: whoever found
    /// it locked would otherwise look for it in vain, again and again.
    fn find_to_wait<'g>(&'g self, key: &[u8], guard: &'g Guard) -> Option<&'g Chain> {
        self.find(key, guard)
            .or_else(|| self.index.lower(key, true, guard).filter(|chain| chain.key() == key))
    }

    /// The lock that was granted in line: the chain can't have gone.
    fn adopt(&self, key: &[u8], _granted: u64) -> Option<LockedChain<'_>> {
        let guard = crossbeam_epoch::pin();
        self.find_to_wait(key, &guard).map(|chain| LockedChain::new(self, chain))
    }
}

/// A [`Turn`] by number: not Copy, since it is to be ended once.
#[derive(Debug, PartialEq, Eq)]
pub struct TurnId(u64);

/// The right to try next, among those who queued on a chain.
#[derive(Debug)]
pub struct Turn<'a> {
    overlay: &'a Overlay,
    key: &'a [u8],
    id: Option<u64>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let guard = crossbeam_epoch::pin();
        if let Some(chain) = self.overlay.find_to_wait(self.key, &guard) {
            self.overlay.queues.end_turn(chain, id);
        }
    }
}

/// Waits in one of a chain's lines. `None`: there is no such chain (any more).
struct Wait<'a> {
    overlay: &'a Overlay,
    key: &'a [u8],
    line: Line,
    place: Option<Place>,
}

impl Future for Wait<'_> {
    type Output = Option<u64>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<u64>> {
        let this = &mut *self;
        if let Some(place) = &this.place {
            let granted = this.overlay.queues.poll(this.key, place, this.line, context.waker());
            return match granted {
                Some(id) => {
                    this.place = None;
                    Poll::Ready(Some(id))
                }
                None => Poll::Pending,
            };
        }
        let guard = crossbeam_epoch::pin();
        let Some(chain) = this.overlay.find_to_wait(this.key, &guard) else {
            return Poll::Ready(None);
        };
        match this.overlay.queues.ask(chain, this.line, context.waker()) {
            Asked::Granted(id) => Poll::Ready(Some(id)),
            Asked::Gone => Poll::Ready(None),
            Asked::Waiting(place) => {
                this.place = Some(place);
                Poll::Pending
            }
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let guard = crossbeam_epoch::pin();
        let Some(chain) = self.overlay.find_to_wait(self.key, &guard) else { return };
        if self.overlay.queues.leave(chain, &place, self.line) {
            match self.line {
                Line::Lock => self.overlay.queues.unlock(chain),
                Line::Turn => self.overlay.queues.end_turn(chain, place.grant.id()),
            }
        }
    }
}
