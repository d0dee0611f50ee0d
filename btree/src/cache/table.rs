//! From page numbers to lists of entries: two levels of atomic pointers, made and freed as pages come and go.
//!
//! Invariants:
//! 1. Readers take no lock: they follow pointers under an epoch guard. Changes are made by one thread at a time (the
//!    caller holds the policy's lock), and what is unlinked is freed only after every guard of then is gone.
//! 2. A chunk that holds no entry is not kept.

use crossbeam_epoch::{Atomic, Guard, Owned, Shared};
use heddle_base::PageNo;
use heddle_base::sync::atomic::{AtomicU32, Ordering};

use super::entry::Entry;

/// Pages of a chunk.
const CHUNK: usize = 512;

/// See the module.
pub(super) struct Table {
    root: Atomic<Root>,
}

struct Root(Box<[Atomic<Chunk>]>);

struct Chunk {
    slots: [Atomic<Entry>; CHUNK],
    entries: AtomicU32,
}

impl Root {
    fn new(len: usize) -> Self {
        Self((0..len).map(|_| Atomic::null()).collect())
    }
}

impl Chunk {
    fn new() -> Self {
        Self { slots: std::array::from_fn(|_| Atomic::null()), entries: AtomicU32::new(0) }
    }
}

fn place(page: PageNo) -> (usize, usize) {
    let index = page.get() as usize;
    (index / CHUNK, index % CHUNK)
}

impl Table {
    pub(super) fn new() -> Self {
        Self { root: Atomic::new(Root::new(1)) }
    }

    /// The entry of a page that a state sees.
    #[inline]
    pub(super) fn find<'g>(&self, page: PageNo, at: u64, guard: &'g Guard) -> Option<&'g Entry> {
        let any = heddle_base::planted!("cache-without-generation");
        self.list(page, guard).find(|entry| any || entry.shows(at))
    }

    /// All entries of a page, the newest first.
    #[inline]
    pub(super) fn list<'g>(&self, page: PageNo, guard: &'g Guard) -> List<'g> {
        let (chunk, slot) = place(page);
        let head = match self.chunk(chunk, guard) {
            Some(chunk) => chunk.slots[slot].load(Ordering::Acquire, guard),
            None => Shared::null(),
        };
        List { at: head, guard }
    }

    #[inline]
    fn chunk<'g>(&self, chunk: usize, guard: &'g Guard) -> Option<&'g Chunk> {
        deref(
            deref(self.root.load(Ordering::Acquire, guard))?
                .0
                .get(chunk)?
                .load(Ordering::Acquire, guard),
        )
    }

    /// Adds an entry before those that its page has.
    pub(super) fn push(&self, entry: Entry, guard: &Guard) {
        let (chunk, slot) = place(entry.page);
        let Some(chunk) = self.make_chunk(chunk, guard) else { return };
        let head = &chunk.slots[slot];
        entry.next.store(head.load(Ordering::Relaxed, guard), Ordering::Relaxed);
        // Pairs with the Acquire in `list`: who sees the entry sees what is in it.
        head.store(Owned::new(entry), Ordering::Release);
        chunk.entries.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes out the entries of a page that `wanted` picks, telling it of each once.
    pub(super) fn unlink(
        &self,
        page: PageNo,
        guard: &Guard,
        mut wanted: impl FnMut(&Entry) -> bool,
    ) {
        let (index, slot) = place(page);
        let Some(chunk) = self.chunk(index, guard) else { return };
        let mut link = &chunk.slots[slot];
        loop {
            let at = link.load(Ordering::Relaxed, guard);
            let Some(entry) = deref(at) else { break };
            if !wanted(entry) {
                link = &entry.next;
                continue;
            }
            link.store(entry.next.load(Ordering::Relaxed, guard), Ordering::Release);
            retire(at, guard);
            if chunk.entries.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.drop_chunk(index, guard);
                break;
            }
        }
    }

    fn make_chunk<'g>(&self, chunk: usize, guard: &'g Guard) -> Option<&'g Chunk> {
        let mut root = self.root.load(Ordering::Relaxed, guard);
        if deref(root)?.0.len() <= chunk {
            let old = root;
            let larger = Root::new((chunk + 1).next_power_of_two());
            for (to, from) in larger.0.iter().zip(&deref(old)?.0) {
                to.store(from.load(Ordering::Relaxed, guard), Ordering::Relaxed);
            }
            root = Owned::new(larger).into_shared(guard);
            self.root.store(root, Ordering::Release);
            retire(old, guard);
        }
        let slot = deref(root)?.0.get(chunk)?;
        if slot.load(Ordering::Relaxed, guard).is_null() {
            slot.store(Owned::new(Chunk::new()), Ordering::Release);
        }
        deref(slot.load(Ordering::Relaxed, guard))
    }

    fn drop_chunk(&self, chunk: usize, guard: &Guard) {
        let slot =
            deref(self.root.load(Ordering::Relaxed, guard)).and_then(|root| root.0.get(chunk));
        if let Some(slot) = slot {
            retire(slot.swap(Shared::null(), Ordering::AcqRel, guard), guard);
        }
    }
}

/// Follows a pointer of the table.
#[inline]
fn deref<'g, T>(at: Shared<'g, T>) -> Option<&'g T> {
    // SAFETY: the table's pointers are null or to what it allocated, and that is freed only by `retire`, after the
    // guard of the borrow is gone (invariant 1), or with the table.
    #[allow(unsafe_code)]
    unsafe {
        at.as_ref()
    }
}

/// Frees what was unlinked, once nobody can be reading it.
fn retire<T>(at: Shared<'_, T>, guard: &Guard) {
    if !at.is_null() {
        // SAFETY: the caller has unlinked it, so that no new guard can reach it, and under the policy's lock, so that
        // nobody else retires it.
        #[allow(unsafe_code)]
        unsafe {
            guard.defer_destroy(at);
        }
    }
}

/// See [`Table::list`].
pub(super) struct List<'g> {
    at: Shared<'g, Entry>,
    guard: &'g Guard,
}

impl<'g> Iterator for List<'g> {
    type Item = &'g Entry;

    #[inline]
    fn next(&mut self) -> Option<&'g Entry> {
        let entry = deref(self.at)?;
        self.at = entry.next.load(Ordering::Acquire, self.guard);
        Some(entry)
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: `&mut self`: nobody else reads or changes the table, and each pointer in it owns its target.
        #[allow(unsafe_code)]
        unsafe {
            let guard = crossbeam_epoch::unprotected();
            let root = std::mem::take(&mut self.root).into_owned();
            for chunk in root.0.iter() {
                let chunk = chunk.load(Ordering::Relaxed, guard);
                if chunk.is_null() {
                    continue;
                }
                let chunk = chunk.into_owned();
                for slot in &chunk.slots {
                    let mut at = slot.load(Ordering::Relaxed, guard);
                    while !at.is_null() {
                        let entry = at.into_owned();
                        at = entry.next.load(Ordering::Relaxed, guard);
                    }
                }
            }
        }
    }
}
