//! A key's chain: its lock word, its versions newest first, and its place in the index.
//!
//! A chain is a node of [`crate::index`]. Versions are pushed by the holder of the lock only;
//! readers follow `head` and `older` without any lock, under an epoch guard.
//!
//! # Invariants
//! - C1: `head` and every `older` change only under the chain's lock (or before it is shared).
//! - C2: a `DEAD` chain stays dead; it became so under its lock, with nobody waiting.
//! - C3: `floor` is at least the timestamp of every version that was dropped from the chain.
//! - C4: a chain's tower is complete before its first lock is released: so it is never linked on a
//!   level after collection began to unlink it.

use crate::overlay::View;
use crate::status::{Status, TxnStatus};
use bytes::Bytes;
use crossbeam_epoch::{Atomic, Guard, Owned, Shared};
use heddle_base::Timestamp;
use heddle_base::sync::Arc;
use heddle_base::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use heddle_base::sync::cell::UnsafeCell;
use std::cmp::Ordering as Order;

pub(crate) const LOCKED: u32 = 1;
pub(crate) const DEAD: u32 = 2;
pub(crate) const WAITERS: u32 = 4;

/// One version of one key.
#[derive(Debug)]
pub(crate) struct Version {
    /// The commit's ticket; 0 until stamped, and then the status says.
    ts: AtomicU64,
    status: Arc<TxnStatus>,
    /// `None` is a tombstone. Never written once shared; the cell lets loom see the hand-over.
    value: UnsafeCell<Option<Bytes>>,
    pub(crate) older: Atomic<Version>,
}

// SAFETY: `value` is written only at construction, before the version is published by a Release
// store; afterwards it is only read. Everything else is Sync by itself.
unsafe impl Sync for Version {}
// SAFETY: all parts are Send; `Atomic<Version>` owns versions of the same type.
unsafe impl Send for Version {}

impl Version {
    fn new(value: Option<Bytes>, status: &Arc<TxnStatus>) -> Self {
        Self {
            ts: AtomicU64::new(0),
            status: Arc::clone(status),
            value: UnsafeCell::new(value),
            older: Atomic::null(),
        }
    }

    /// Where the version stands, by its stamp or by its transaction.
    #[inline]
    pub(crate) fn state(&self) -> Status {
        match self.ts.load(Ordering::Acquire) {
            0 => self.status.get(),
            ts => Status::Committed(Timestamp(ts)),
        }
    }

    /// Its commit timestamp, if it is committed (M1).
    #[inline]
    pub(crate) fn committed(&self) -> Option<Timestamp> {
        match self.state() {
            Status::Committed(ts) => Some(ts),
            _ => None,
        }
    }

    /// The value; `None` is a tombstone.
    #[inline]
    pub(crate) fn value(&self) -> Option<&Bytes> {
        // SAFETY: written at construction only, so no exclusive access is alive; the borrow is
        // bound to `self`, which the epoch guard keeps.
        self.value.with(|value| unsafe { (*value).as_ref() })
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.value().map_or(0, Bytes::len)
    }
}

/// A key's chain, which is also a node of the index.
#[derive(Debug)]
pub(crate) struct Chain {
    /// The first eight bytes, big-endian: settles most comparisons without touching `key`.
    prefix: u64,
    key: Box<[u8]>,
    pub(crate) word: AtomicU32,
    /// The newest timestamp that was dropped from this chain (C3).
    floor: AtomicU64,
    pub(crate) head: Atomic<Version>,
    next: Atomic<Chain>,
    upper: Box<[Atomic<Chain>]>,
}

/// A key prepared for many comparisons.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe<'k> {
    prefix: u64,
    pub(crate) key: &'k [u8],
}

impl<'k> Probe<'k> {
    #[inline]
    pub(crate) fn new(key: &'k [u8]) -> Self {
        let prefix = match key.first_chunk::<8>() {
            Some(first) => u64::from_be_bytes(*first),
            None => {
                let mut first = [0; 8];
                first[..key.len()].copy_from_slice(key);
                u64::from_be_bytes(first)
            }
        };
        Self { prefix, key }
    }
}

impl Chain {
    /// A chain without versions, locked by its creator.
    pub(crate) fn new_locked(probe: Probe<'_>, height: usize) -> Self {
        Self {
            prefix: probe.prefix,
            key: probe.key.into(),
            word: AtomicU32::new(LOCKED),
            floor: AtomicU64::new(0),
            head: Atomic::null(),
            next: Atomic::null(),
            upper: (1..height).map(|_| Atomic::null()).collect(),
        }
    }

    /// The key.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(crate) fn height(&self) -> usize {
        1 + self.upper.len()
    }

    /// The link on a level below [`Chain::height`].
    #[inline]
    pub(crate) fn link(&self, level: usize) -> &Atomic<Chain> {
        match level.checked_sub(1) {
            None => &self.next,
            Some(at) => &self.upper[at],
        }
    }

    /// Compares this chain's key with another.
    #[inline]
    pub(crate) fn compare(&self, probe: &Probe<'_>) -> Order {
        self.prefix.cmp(&probe.prefix).then_with(|| (*self.key).cmp(probe.key))
    }

    /// Memory of the chain without its versions, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.key.len() + self.upper.len() * size_of::<Atomic<Chain>>()
    }

    pub(crate) fn floor(&self) -> Timestamp {
        Timestamp(self.floor.load(Ordering::SeqCst))
    }

    pub(crate) fn raise_floor(&self, ts: Timestamp) {
        self.floor.fetch_max(ts.get(), Ordering::SeqCst);
    }

    /// The versions, newest first.
    #[inline]
    pub(crate) fn versions<'g>(&self, guard: &'g Guard) -> Versions<'g> {
        Versions { at: self.head.load(Ordering::Acquire, guard), guard }
    }

    /// The version a view sees here. `None`: its base decides.
    #[inline]
    pub(crate) fn visible<'g>(
        &self,
        view: View,
        guard: &'g Guard,
    ) -> Option<(Timestamp, &'g Version)> {
        let found = self.versions(guard).find_map(|version| match version.committed() {
            Some(at) if at <= view.ts => Some((at, version)),
            _ => None,
        });
        // A version that the base holds may be kept for somebody else, while a newer one that the
        // base holds too has gone.
        found.filter(|(at, _)| *at > view.base)
    }

    /// The newest commit this chain knows of: one that stands in it, or one that was dropped.
    pub(crate) fn newest(&self, guard: &Guard) -> Option<Timestamp> {
        let standing = self.visible(View::ALL, guard).map(|(ts, _)| ts);
        // After the walk: what the walk did not meet any more had raised the floor (C3).
        standing.max(Some(self.floor()).filter(|floor| *floor > Timestamp::ZERO))
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_lock(&self) -> Result<(), u32> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & (LOCKED | DEAD) != 0 {
                return Err(word);
            }
            match self.word.compare_exchange_weak(
                word,
                word | LOCKED,
                Ordering::SeqCst,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    /// Links a version at the head. Caller holds the lock (C1). Returns its size in bytes.
    pub(crate) fn push(
        &self,
        value: Option<Bytes>,
        status: &Arc<TxnStatus>,
        guard: &Guard,
    ) -> usize {
        let version = Owned::new(Version::new(value, status));
        version.older.store(self.head.load(Ordering::Relaxed, guard), Ordering::Relaxed);
        let bytes = version.bytes();
        self.head.store(version, Ordering::Release);
        bytes
    }

    /// Before unlocking: stamps what the holder committed, drops what it did not. Returns the
    /// newest timestamp stamped, and the bytes dropped.
    pub(crate) fn settle(&self, guard: &Guard) -> (Option<Timestamp>, usize) {
        let (mut stamped, mut dropped) = (None, 0);
        loop {
            let head = self.head.load(Ordering::Relaxed, guard);
            // SAFETY: loaded under the guard, and only the holder of the lock drops versions.
            let Some(version) = (unsafe { head.as_ref() }) else { break };
            if version.committed().is_some() {
                break;
            }
            self.head.store(version.older.load(Ordering::Relaxed, guard), Ordering::Release);
            dropped += version.bytes();
            // SAFETY: unreachable for whoever pins from now on; it was linked once, here.
            unsafe { guard.defer_destroy(head) };
        }
        for version in self.versions(guard) {
            if version.ts.load(Ordering::Relaxed) != 0 {
                break;
            }
            if let Some(ts) = version.committed() {
                version.ts.store(ts.get(), Ordering::Release);
                stamped = stamped.max(Some(ts));
            }
        }
        (stamped, dropped)
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // SAFETY: the chain is unreachable and every guard that could see it is gone (M5), so its
        // versions belong to us alone; those dropped earlier are no longer linked.
        unsafe {
            let guard = crossbeam_epoch::unprotected();
            let mut at = self.head.load(Ordering::Acquire, guard);
            while !at.is_null() {
                let version = at.into_owned();
                at = version.older.load(Ordering::Acquire, guard);
            }
        }
    }
}

/// Walks a chain's versions, newest first.
pub(crate) struct Versions<'g> {
    at: Shared<'g, Version>,
    guard: &'g Guard,
}

impl<'g> Iterator for Versions<'g> {
    type Item = &'g Version;

    #[inline]
    fn next(&mut self) -> Option<&'g Version> {
        // SAFETY: reached under the guard from a chain that was reachable under it (M5).
        let version = unsafe { self.at.as_ref() }?;
        self.at = version.older.load(Ordering::Acquire, self.guard);
        Some(version)
    }
}
