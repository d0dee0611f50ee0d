//! Who waits for a chain: beside the chains, so that a chain nobody waits for pays nothing.
//!
//! A chain's `WAITERS` bit says that it has an entry here. The bit is set and cleared under this
//! table's mutex alone, and keeps the chain from being collected.
//!
//! # Invariants
//! - Q1: a waiter for the lock that is granted owns it: the lock was never free in between.
//! - Q2: at most one turn is out per chain; it ends when dropped, or when the chain is next
//!   unlocked, and then the next in line has it.
//! - Q3: whoever is granted something and goes away passes it on.

use crate::chain::{Chain, DEAD, LOCKED, WAITERS};
use heddle_base::sync::atomic::{AtomicBool, Ordering};
use heddle_base::sync::{Arc, Mutex};
use heddle_base::wait::{WaitList, WaiterId};
use std::collections::BTreeMap;
use std::task::Waker;

/// Told to a waiter under the table's mutex.
#[derive(Debug)]
pub(crate) struct Grant {
    id: u64,
    granted: AtomicBool,
}

impl Grant {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

/// A place in a line.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) grant: Arc<Grant>,
    waiter: WaiterId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Lock,
    Turn,
}

/// What asking for something came to.
pub(crate) enum Asked {
    Granted(u64),
    Waiting(Place),
    /// The chain is dead: look again.
    Gone,
}

#[derive(Debug, Default)]
struct Queue {
    locks: WaitList<Arc<Grant>>,
    turns: WaitList<Arc<Grant>>,
    turn: Option<u64>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    queues: BTreeMap<Box<[u8]>, Queue>,
}

/// The queues of one overlay's chains.
#[derive(Debug, Default)]
pub(crate) struct Queues(Mutex<Table>);

impl Queue {
    fn line(&mut self, line: Line) -> &mut WaitList<Arc<Grant>> {
        match line {
            Line::Lock => &mut self.locks,
            Line::Turn => &mut self.turns,
        }
    }

    /// Gives the turn to the next in line, if the chain is free and no turn is out (Q2).
    fn pass_turn(&mut self, chain: &Chain) -> Option<Waker> {
        if self.turn.is_some() || chain.word.load(Ordering::SeqCst) & LOCKED != 0 {
            return None;
        }
        let (grant, waker) = self.turns.pop()?;
        grant.granted.store(true, Ordering::Relaxed);
        self.turn = Some(grant.id);
        Some(waker)
    }

    fn is_idle(&self) -> bool {
        self.turn.is_none() && self.locks.is_empty() && self.turns.is_empty()
    }
}

impl Table {
    /// Forgets a chain's queue once nobody is in it.
    fn tidy(&mut self, chain: &Chain) {
        if self.queues.get(chain.key()).is_none_or(Queue::is_idle) {
            self.queues.remove(chain.key());
            chain.word.fetch_and(!WAITERS, Ordering::SeqCst);
        }
    }
}

impl Queues {
    /// Takes the lock or the turn at once, or stands in line.
    pub(crate) fn ask(&self, chain: &Chain, line: Line, waker: &Waker) -> Asked {
        let mut table = self.0.lock();
        let id = table.next;
        table.next += 1;
        // From here on no unlock takes the short way past this table.
        let word = chain.word.fetch_or(WAITERS, Ordering::SeqCst);
        if word & DEAD != 0 {
            return Asked::Gone;
        }
        let queue = match table.queues.get_mut(chain.key()) {
            Some(queue) => queue,
            None => table.queues.entry(chain.key().into()).or_default(),
        };
        let free = match line {
            Line::Lock => queue.locks.is_empty() && chain.try_lock().is_ok(),
            Line::Turn => {
                let free = word & LOCKED == 0 && queue.turn.is_none() && queue.turns.is_empty();
                queue.turn = if free { Some(id) } else { queue.turn };
                free
            }
        };
        if free {
            table.tidy(chain);
            return Asked::Granted(id);
        }
        let grant = Arc::new(Grant { id, granted: AtomicBool::new(false) });
        let waiter = queue.line(line).push(Arc::clone(&grant), waker.clone());
        Asked::Waiting(Place { grant, waiter })
    }

    /// Whether a place was granted; else remembers the new waker.
    pub(crate) fn poll(&self, key: &[u8], place: &Place, line: Line, waker: &Waker) -> Option<u64> {
        let mut table = self.0.lock();
        if place.grant.granted.load(Ordering::Relaxed) {
            return Some(place.grant.id);
        }
        if let Some(queue) = table.queues.get_mut(key) {
            queue.line(line).update(place.waiter, waker);
        }
        None
    }

    /// Leaves the line. `true` if the place was granted already: then the caller owns it (Q3).
    pub(crate) fn leave(&self, chain: &Chain, place: &Place, line: Line) -> bool {
        let mut table = self.0.lock();
        if place.grant.granted.load(Ordering::Relaxed) {
            return true;
        }
        if let Some(queue) = table.queues.get_mut(chain.key()) {
            queue.line(line).cancel(place.waiter);
        }
        table.tidy(chain);
        false
    }

    /// Ends a turn, if it has not ended by an unlock before.
    pub(crate) fn end_turn(&self, chain: &Chain, id: u64) {
        let mut table = self.0.lock();
        let Some(queue) = table.queues.get_mut(chain.key()) else { return };
        if queue.turn != Some(id) {
            return;
        }
        queue.turn = None;
        let woken = queue.pass_turn(chain);
        table.tidy(chain);
        drop(table);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Unlocks a chain that the caller holds: hands the lock over (Q1), or frees it and passes the
    /// turn (Q2).
    pub(crate) fn unlock(&self, chain: &Chain) {
        if chain.word.compare_exchange(LOCKED, 0, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
            return;
        }
        let mut table = self.0.lock();
        let woken = match table.queues.get_mut(chain.key()) {
            Some(queue) => {
                if let Some((grant, waker)) = queue.locks.pop() {
                    grant.granted.store(true, Ordering::Relaxed);
                    Some(waker)
                } else {
                    chain.word.fetch_and(!LOCKED, Ordering::SeqCst);
                    queue.turn = None;
                    queue.pass_turn(chain)
                }
            }
            None => {
                chain.word.fetch_and(!LOCKED, Ordering::SeqCst);
                None
            }
        };
        table.tidy(chain);
        drop(table);
        woken.into_iter().for_each(Waker::wake);
    }
}
