//! Which images stay: S3-FIFO, three queues of names.
//!
//! New images enter the small queue, a tenth of the budget. One that is used again before it leaves that queue moves
//! to the main queue, the others leave the cache, and only their page numbers are remembered (the ghosts): who comes
//! back soon enters the main queue at once. So a scan passes through the small queue and displaces nothing.
//!
//! A scan touches each page many times in a moment. Uses within one *tick*, a fraction of the small queue's length,
//! count as one, and those within the tick in which the image came do not count.
//!
//! Invariants:
//! 1. `small.bytes` and `main.bytes` are the costs of the linked entries of each queue.
//! 2. A queue may name entries that are gone; at most as many as are there, and a few.

use std::collections::VecDeque;

use heddle_base::PageNo;

/// The name of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) page: PageNo,
    pub(super) id: u64,
}

/// One queue.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) names: VecDeque<Name>,
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

/// See the module.
pub(super) struct Policy {
    pub(super) small: Queue,
    pub(super) main: Queue,
    ghosts: VecDeque<PageNo>,
    ghost_set: std::collections::HashSet<PageNo, foldhash::fast::RandomState>,
    pub(super) next_id: u64,
    pub(super) inserts: u64,
    /// The oldest state that anybody may still read.
    pub(super) horizon: u64,
    pub(super) evictions: u64,
}

impl Queue {
    pub(super) fn push(&mut self, name: Name, cost: usize) {
        self.names.push_back(name);
        self.entries += 1;
        self.bytes += cost;
    }

    pub(super) fn removed(&mut self, cost: usize) {
        self.entries -= 1;
        self.bytes -= cost;
    }

    /// Whether so many names are stale that the queue must be swept (invariant 2).
    pub(super) fn is_stale(&self) -> bool {
        self.names.len() > 2 * self.entries + 64
    }
}

impl Policy {
    pub(super) fn new() -> Self {
        Self {
            small: Queue::default(),
            main: Queue::default(),
            ghosts: VecDeque::new(),
            ghost_set: Default::default(),
            next_id: 0,
            inserts: 0,
            horizon: 0,
            evictions: 0,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.small.bytes + self.main.bytes
    }

    pub(super) fn queue(&mut self, main: bool) -> &mut Queue {
        if main { &mut self.main } else { &mut self.small }
    }

    /// Remembers a page that left the small queue unused; at most `most` are remembered.
    pub(super) fn remember(&mut self, page: PageNo, most: usize) {
        if self.ghost_set.insert(page) {
            self.ghosts.push_back(page);
        }
        while self.ghosts.len() > most {
            if let Some(oldest) = self.ghosts.pop_front() {
                self.ghost_set.remove(&oldest);
            }
        }
    }

    /// Whether the page left the small queue not long ago.
    pub(super) fn is_ghost(&self, page: PageNo) -> bool {
        self.ghost_set.contains(&page)
    }
}
