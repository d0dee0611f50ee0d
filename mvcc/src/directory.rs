//! The hash directory: from a key straight to its chain, for points.
//!
//! Beside `index`, which has the same chains in order: a lookup there walks some twenty chains of a
//! large tree, here one. It holds no keys of its own, only pointers to chains. A sharded hash map
//! (dashmap) for users; loom and shuttle can't see into that, so they get a map behind a lock.
//!
//! # Invariants
//! - D1: a chain is entered after it was linked in the index and before its first lock is released,
//!   so before its creator draws a ticket: who misses it here began before that.
//! - D2: a dead chain leaves before it is frozen in the index, so before it is freed, and before an
//!   equal chain can be made: there is never more than one entry for a key.

use crate::chain::Chain;
use crossbeam_epoch::Guard;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::ptr::NonNull;

/// What entries and the keys looked up have in common, so that a map of chains can be asked by key.
trait Named {
    fn hash(&self) -> u64;
    fn key(&self) -> &[u8];
}

impl PartialEq for dyn Named + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.hash() == other.hash() && self.key() == other.key()
    }
}

impl Eq for dyn Named + '_ {}

impl Hash for dyn Named + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(Named::hash(self));
    }
}

struct Wanted<'k> {
    hash: u64,
    key: &'k [u8],
}

impl Named for Wanted<'_> {
    fn hash(&self) -> u64 {
        self.hash
    }

    fn key(&self) -> &[u8] {
        self.key
    }
}

/// A chain with its key's hash, so that growing the map need not look at the keys.
struct Entry {
    hash: u64,
    chain: NonNull<Chain>,
}

// SAFETY: chains are Send and Sync; an entry is only a shared reference to one.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Named for Entry {
    fn hash(&self) -> u64 {
        self.hash
    }

    fn key(&self) -> &[u8] {
        // SAFETY: a chain leaves the directory before it can be freed (D2), and an entry is looked
        // at only while it is in the directory, under its shard's lock.
        unsafe { self.chain.as_ref() }.key()
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.key() == other.key()
    }
}

impl Eq for Entry {}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl<'a> std::borrow::Borrow<dyn Named + 'a> for Entry {
    fn borrow(&self) -> &(dyn Named + 'a) {
        self
    }
}

/// The keys are hashed already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type ByHash = BuildHasherDefault<Hashed>;

#[cfg(not(any(heddle_loom, heddle_shuttle)))]
mod map {
    use super::{ByHash, Chain, Entry, Named, NonNull};
    use dashmap::DashMap;

    /// Enough that growing one holds up few: each grows for a thirty-second of the chains.
    const SHARDS: usize = 32;

    pub(super) struct Map(DashMap<Entry, (), ByHash>);

    impl Map {
        pub(super) fn new() -> Self {
            Self(DashMap::with_hasher_and_shard_amount(ByHash::default(), SHARDS))
        }

        #[inline]
        pub(super) fn get(&self, wanted: &dyn Named) -> Option<NonNull<Chain>> {
            self.0.get(wanted).map(|entry| entry.key().chain)
        }

        pub(super) fn insert(&self, entry: Entry) {
            self.0.insert(entry, ());
        }

        pub(super) fn remove(&self, wanted: &dyn Named, chain: NonNull<Chain>) {
            self.0.remove_if(wanted, |entry, ()| entry.chain == chain);
        }

        pub(super) fn len(&self) -> usize {
            self.0.len()
        }
    }
}

#[cfg(any(heddle_loom, heddle_shuttle))]
mod map {
    use super::{ByHash, Chain, Entry, Named, NonNull};
    use heddle_base::sync::Mutex;
    use std::collections::HashMap;

    pub(super) struct Map(Mutex<HashMap<Entry, (), ByHash>>);

    impl Map {
        pub(super) fn new() -> Self {
            Self(Mutex::new(HashMap::default()))
        }

        pub(super) fn get(&self, wanted: &dyn Named) -> Option<NonNull<Chain>> {
            self.0.lock().get_key_value(wanted).map(|(entry, ())| entry.chain)
        }

        pub(super) fn insert(&self, entry: Entry) {
            self.0.lock().insert(entry, ());
        }

        pub(super) fn remove(&self, wanted: &dyn Named, chain: NonNull<Chain>) {
            let mut map = self.0.lock();
            if map.get_key_value(wanted).is_some_and(|(entry, ())| entry.chain == chain) {
                map.remove(wanted);
            }
        }

        pub(super) fn len(&self) -> usize {
            self.0.lock().len()
        }
    }
}

/// The chains of one overlay by key.
pub(crate) struct Directory(map::Map);

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Directory({} chains)", self.0.len())
    }
}

impl Directory {
    pub(crate) fn new() -> Self {
        Self(map::Map::new())
    }

    /// A key's chain. It may be dead by the time it is looked at, but not freed.
    #[inline]
    pub(crate) fn get<'g>(&self, key: &[u8], hash: u64, _guard: &'g Guard) -> Option<&'g Chain> {
        let chain = self.0.get(&Wanted { hash, key })?;
        // SAFETY: it was in the directory while the caller's guard was pinned, and is freed, by
        // epoch, only after it has left (D2, M5).
        Some(unsafe { chain.as_ref() })
    }

    /// Enters a chain that the caller has made and holds (D1).
    pub(crate) fn insert(&self, chain: &Chain, hash: u64) {
        self.0.insert(Entry { hash, chain: NonNull::from(chain) });
    }

    /// Takes out a dead chain, if it is still in; an equal one that came later stays (D2).
    pub(crate) fn remove(&self, chain: &Chain, hash: u64) {
        self.0.remove(&Wanted { hash, key: chain.key() }, NonNull::from(chain));
    }
}
