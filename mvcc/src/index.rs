//! The ordered index: a lock-free skiplist whose nodes are the chains.
//!
//! Inserting is open to all; removing is [`crate::collect`]'s alone. After Harris, Michael and
//! Fraser, made simpler by two rules of ours: a chain is born locked and unlocks only with a
//! complete tower (C4), and only an unlocked chain can be removed.
//!
//! # Invariants
//! - I1: a link whose tag is 1 is frozen: its chain is being removed from that level.
//! - I2: on each level keys rise; among equal keys at most one chain is not frozen.
//! - I3: after [`Index::unlink`] has searched past its key on every level, the chain is reachable
//!   from none. An equal, newer chain may stand *before* it on an upper level, so that search goes
//!   past equal keys.
//! - I4: a chain that was linked before a walk began is not missed by it: a walk descends only
//!   from chains seen unfrozen on level 0 after it began.

use crate::chain::{Chain, Probe};
use crossbeam_epoch::{Atomic, Guard, Owned, Shared};
use heddle_base::sync::atomic::{AtomicUsize, Ordering};
use std::cmp::Ordering as Order;

pub(crate) const MAX_HEIGHT: usize = if cfg!(any(heddle_loom, heddle_shuttle)) { 2 } else { 12 };
const FROZEN: usize = 1;

/// Chains in key order.
#[derive(Debug)]
pub(crate) struct Index {
    head: [Atomic<Chain>; MAX_HEIGHT],
    /// No chain is taller: where searches start.
    height: AtomicUsize,
}

struct Position<'g> {
    before: [Option<&'g Chain>; MAX_HEIGHT],
    after: [Shared<'g, Chain>; MAX_HEIGHT],
}

/// What [`Index::find_or_insert`] found.
pub(crate) enum Found<'g> {
    /// Somebody's chain, locked or not, perhaps dead.
    Existing(&'g Chain),
    /// A new chain, locked by the caller.
    Created(&'g Chain),
}

impl Index {
    pub(crate) fn new() -> Self {
        Self { head: std::array::from_fn(|_| Atomic::null()), height: AtomicUsize::new(1) }
    }

    /// A chain's height from its key's hash: a quarter of the chains of each level reach the next.
    /// Models choose: keys in capitals are tall.
    fn height_of(key: &[u8], hash: u64) -> usize {
        if cfg!(any(heddle_loom, heddle_shuttle)) {
            return 1 + usize::from(key.first().is_some_and(u8::is_ascii_uppercase));
        }
        (1 + hash.trailing_zeros() as usize / 2).min(MAX_HEIGHT)
    }

    #[inline]
    fn link<'a>(&'a self, before: Option<&'a Chain>, level: usize) -> &'a Atomic<Chain> {
        match before {
            Some(chain) => chain.link(level),
            None => &self.head[level],
        }
    }

    /// Whether there is no chain at all: one load.
    #[inline]
    pub(crate) fn is_empty(&self, guard: &Guard) -> bool {
        self.head[0].load(Ordering::Acquire, guard).is_null()
    }

    /// The first chain.
    pub(crate) fn first<'g>(&self, guard: &'g Guard) -> Option<&'g Chain> {
        // SAFETY: reachable under the guard (M5).
        unsafe { self.head[0].load(Ordering::Acquire, guard).as_ref() }
    }

    /// The chain after `chain`.
    #[inline]
    pub(crate) fn after<'g>(chain: &Chain, guard: &'g Guard) -> Option<&'g Chain> {
        // SAFETY: as in `first`; a frozen link still leads forward, to chains not yet freed.
        unsafe { chain.link(0).load(Ordering::Acquire, guard).with_tag(0).as_ref() }
    }

    /// The last chain for which `before` holds, and the first for which it does not. Reads only.
    ///
    /// On an upper level it steps on a chain only while that chain's lowest link is not frozen
    /// (I4): behind a chain that left level 0 already, newer chains would be missed.
    #[inline]
    fn walk<'g>(
        &'g self,
        guard: &'g Guard,
        before: impl Fn(&Chain) -> bool,
    ) -> (Option<&'g Chain>, Option<&'g Chain>) {
        let mut last: Option<&'g Chain> = None;
        let mut next = None;
        for level in (0..self.height.load(Ordering::Acquire)).rev() {
            let mut at = self.link(last, level).load(Ordering::Acquire, guard);
            loop {
                // SAFETY: reached under the guard (M5).
                next = unsafe { at.with_tag(0).as_ref() };
                let Some(chain) = next else { break };
                let leaving =
                    level > 0 && chain.link(0).load(Ordering::Acquire, guard).tag() == FROZEN;
                if !leaving {
                    if !before(chain) {
                        break;
                    }
                    last = next;
                }
                at = chain.link(level).load(Ordering::Acquire, guard);
            }
        }
        (last, next)
    }

    /// The first chain with key `>= key` (or `> key`).
    pub(crate) fn lower<'g>(
        &'g self,
        key: &[u8],
        inclusive: bool,
        guard: &'g Guard,
    ) -> Option<&'g Chain> {
        let probe = Probe::new(key);
        let edge = if inclusive { Order::Less } else { Order::Equal };
        self.walk(guard, |chain| chain.compare(&probe) <= edge).1
    }

    /// The last chain with key `<= key` (or `< key`).
    pub(crate) fn upper<'g>(
        &'g self,
        key: &[u8],
        inclusive: bool,
        guard: &'g Guard,
    ) -> Option<&'g Chain> {
        let probe = Probe::new(key);
        let edge = if inclusive { Order::Equal } else { Order::Less };
        self.walk(guard, |chain| chain.compare(&probe) <= edge).0
    }

    /// The last chain.
    pub(crate) fn last<'g>(&'g self, guard: &'g Guard) -> Option<&'g Chain> {
        self.walk(guard, |_| true).0
    }

    /// Finds a key's place on every level, unlinking frozen chains on the way.
    fn search<'g>(
        &'g self,
        probe: &Probe<'_>,
        levels: usize,
        past_equal: bool,
        guard: &'g Guard,
    ) -> Position<'g> {
        'again: loop {
            let mut place =
                Position { before: [None; MAX_HEIGHT], after: [Shared::null(); MAX_HEIGHT] };
            let mut last: Option<&'g Chain> = None;
            for level in (0..levels).rev() {
                let mut at = self.link(last, level).load(Ordering::Acquire, guard);
                if at.tag() == FROZEN {
                    continue 'again;
                }
                // SAFETY: reached under the guard (M5).
                while let Some(chain) = unsafe { at.as_ref() } {
                    let next = chain.link(level).load(Ordering::Acquire, guard);
                    if next.tag() == FROZEN {
                        let swapped = self.link(last, level).compare_exchange(
                            at,
                            next.with_tag(0),
                            Ordering::AcqRel,
                            Ordering::Acquire,
                            guard,
                        );
                        if swapped.is_err() {
                            continue 'again;
                        }
                        at = next.with_tag(0);
                        continue;
                    }
                    let order = chain.compare(probe);
                    if order == Order::Less || (past_equal && order == Order::Equal) {
                        last = Some(chain);
                        at = next;
                    } else {
                        break;
                    }
                }
                place.before[level] = last;
                place.after[level] = at;
            }
            return place;
        }
    }

    /// Finds a key's chain, or inserts one that the caller has locked (C4).
    pub(crate) fn find_or_insert<'g>(
        &'g self,
        key: &[u8],
        hash: u64,
        guard: &'g Guard,
    ) -> Found<'g> {
        let probe = Probe::new(key);
        let height = Self::height_of(key, hash);
        if self.height.load(Ordering::Relaxed) < height {
            self.height.fetch_max(height, Ordering::AcqRel);
        }
        let mut fresh: Option<Owned<Chain>> = None;
        let (chain, mut place) = loop {
            let levels = self.height.load(Ordering::Acquire);
            let place = self.search(&probe, levels, false, guard);
            // SAFETY: reached under the guard (M5).
            if let Some(existing) = unsafe { place.after[0].as_ref() }
                && existing.compare(&probe) == Order::Equal
            {
                return Found::Existing(existing);
            }
            let chain =
                fresh.take().unwrap_or_else(|| Owned::new(Chain::new_locked(probe, height)));
            chain.link(0).store(place.after[0], Ordering::Relaxed);
            match self.link(place.before[0], 0).compare_exchange(
                place.after[0],
                chain,
                Ordering::AcqRel,
                Ordering::Acquire,
                guard,
            ) {
                Ok(chain) => break (chain, place),
                Err(lost) => fresh = Some(lost.new),
            }
        };
        // SAFETY: just linked, and locked by us, so nobody removes it (C4).
        let created = unsafe { chain.deref() };
        for level in 1..height {
            loop {
                created.link(level).store(place.after[level], Ordering::Relaxed);
                let linked = self.link(place.before[level], level).compare_exchange(
                    place.after[level],
                    chain,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                    guard,
                );
                if linked.is_ok() {
                    break;
                }
                let levels = self.height.load(Ordering::Acquire);
                place = self.search(&probe, levels, false, guard);
            }
        }
        Found::Created(created)
    }

    /// Freezes a dead chain on every level, top down, and unlinks it. Idempotent.
    pub(crate) fn unlink(&self, chain: &Chain, guard: &Guard) {
        for level in (0..chain.height()).rev() {
            chain.link(level).fetch_or(FROZEN, Ordering::AcqRel, guard);
        }
        self.search(&Probe::new(chain.key()), MAX_HEIGHT, true, guard);
    }

    /// Frees a chain that the caller marked dead and unlinked, once nobody can see it any more.
    pub(crate) fn release(chain: &Chain, guard: &Guard) {
        let chain = Shared::from(std::ptr::from_ref(chain));
        // SAFETY: unreachable on every level (I3); the caller alone marked it dead, so it is freed
        // once. The pointer stems from the `Owned` of `find_or_insert`.
        unsafe { guard.defer_destroy(chain) };
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // SAFETY: exclusive access; every chain linked on level 0 is owned by the index.
        unsafe {
            let guard = crossbeam_epoch::unprotected();
            let mut at = self.head[0].load(Ordering::Acquire, guard).with_tag(0);
            while !at.is_null() {
                let chain = at.into_owned();
                at = chain.link(0).load(Ordering::Acquire, guard).with_tag(0);
            }
        }
    }
}
