//! One simulated file: what programs see, what the disk has, and what lies between.
//!
//! # Invariants
//! - N1: a sector that is not in `dirty` reads the same from `seen` and from `durable` (both
//!   taken as zeros beyond their end), unless a failed sync lost it (S3).
//! - N2: the versions of a dirty sector are in the order in which they were written, the last one
//!   being what is seen.

use std::collections::BTreeMap;
use std::ops::Range;

use fastrand::Rng;

use crate::locks::RangeLocks;

/// What a disk writes as a whole or not at all, in bytes.
pub(super) const SECTOR: usize = 512;

/// Versions kept of one sector between syncs; of more, the older ones stand for all.
const VERSIONS: usize = 6;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeMap<usize, Vec<Version>>,
    /// Lengths since the last sync, each with when it was set.
    lens: Vec<(u64, usize)>,
    pub(super) locks: RangeLocks,
    /// Open handles.
    pub(super) opens: usize,
}

/// A sector's content after one write.
#[derive(Debug, Clone)]
struct Version {
    /// When: a number that grows with every change on the disk.
    moment: u64,
    bytes: Box<[u8]>,
    /// Made by cutting the file off before or within this sector.
    cut: bool,
}

/// How a crash treats what was not synced.
#[derive(Debug, Clone, Copy)]
enum Mercy {
    /// All is lost.
    None,
    /// All is kept.
    All,
    /// The disk wrote in order, up to this moment.
    Until(u64),
    /// Each sector on its own; the newest version of it with this probability.
    Each(f64),
}

impl Inode {
    /// A file whose content is durable.
    pub(super) fn durable(content: Vec<u8>) -> Inode {
        Inode { seen: content.clone(), durable: content, ..Inode::default() }
    }

    /// What programs see.
    pub(super) fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Fills `buf` from `offset` on; says how much there was.
    pub(super) fn read(&self, buf: &mut [u8], offset: usize) -> usize {
        let rest = self.seen.get(offset..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        count
    }

    /// Writes, seen at once and not yet durable.
    pub(super) fn write(&mut self, moment: u64, bytes: &[u8], offset: usize) {
        let range = offset..offset + bytes.len();
        if range.end > self.seen.len() && !bytes.is_empty() {
            self.seen.resize(range.end, 0);
            self.lens.push((moment, range.end));
        }
        self.seen[range.clone()].copy_from_slice(bytes);
        self.note(moment, range, false);
    }

    /// Makes sectors dirty with what is seen of them now.
    fn note(&mut self, moment: u64, range: Range<usize>, cut: bool) {
        for sector in sectors(&range) {
            let mut bytes = vec![0; SECTOR].into_boxed_slice();
            copy_sector(&self.seen, sector, &mut bytes);
            if self.is_fresh_zeros(sector, &bytes) {
                continue;
            }
            let versions = self.dirty.entry(sector).or_default();
            if versions.len() == VERSIONS {
                versions.remove(1);
            }
            versions.push(Version { moment, bytes, cut });
        }
    }

    /// Zeros where a crash could leave nothing else need no version: so preallocating is cheap.
    fn is_fresh_zeros(&self, sector: usize, bytes: &[u8]) -> bool {
        sector * SECTOR >= self.durable.len()
            && !self.dirty.contains_key(&sector)
            && bytes.iter().all(|byte| *byte == 0)
    }

    /// Cuts off, or grows with zeros.
    pub(super) fn set_len(&mut self, moment: u64, len: usize) {
        let before = self.seen.len();
        if len == before {
            return;
        }
        self.seen.resize(len, 0);
        self.lens.push((moment, len));
        if len < before {
            self.note(moment, len..before.max(self.durable.len()), true);
        }
    }

    /// Makes everything durable.
    pub(super) fn sync(&mut self) {
        self.durable.resize(self.seen.len(), 0);
        for sector in std::mem::take(&mut self.dirty).into_keys() {
            self.settle(sector);
        }
        self.lens.clear();
    }

    /// Makes a range durable, and the length if the range needs it.
    pub(super) fn sync_range(&mut self, range: Range<usize>) {
        if range.end > self.durable.len() {
            self.durable.resize(self.seen.len(), 0);
            self.settle_cuts();
            self.lens.clear();
        }
        for sector in sectors(&range) {
            self.dirty.remove(&sector);
            self.settle(sector);
        }
    }

    /// With the length durable, what was cut off is so too.
    fn settle_cuts(&mut self) {
        for (sector, versions) in &mut self.dirty {
            if let Some(last) = versions.iter().rposition(|version| version.cut) {
                put_sector(&mut self.durable, *sector, &versions[last].bytes);
                versions.drain(..=last);
            }
        }
        self.dirty.retain(|_, versions| !versions.is_empty());
    }

    /// A sync that fails: some of it was written, and the rest will never be (S3).
    pub(super) fn fail_sync(&mut self, rng: &mut Rng) {
        if rng.bool() {
            self.durable.resize(self.seen.len(), 0);
        }
        for sector in std::mem::take(&mut self.dirty).into_keys() {
            if rng.bool() {
                self.settle(sector);
            }
        }
        self.lens.clear();
    }

    /// Turns over one bit, seen and durable; false beyond the end.
    pub(super) fn flip_bit(&mut self, offset: usize, bit: u8) -> bool {
        let mask = 1 << (bit % 8);
        if let Some(byte) = self.durable.get_mut(offset) {
            *byte ^= mask;
        }
        self.seen.get_mut(offset).map(|byte| *byte ^= mask).is_some()
    }

    /// What is seen of a sector becomes durable, as far as the durable length goes.
    fn settle(&mut self, sector: usize) {
        let mut bytes = [0; SECTOR];
        copy_sector(&self.seen, sector, &mut bytes);
        put_sector(&mut self.durable, sector, &bytes);
    }

    /// The power goes: what is left.
    pub(super) fn crash(self, rng: &mut Rng) -> Inode {
        let mercy = self.mercy(rng);
        let mut lens = vec![(0, self.durable.len())];
        lens.extend(&self.lens);
        let (len_moment, len) = match mercy {
            Mercy::None => lens[0],
            Mercy::All => lens[lens.len() - 1],
            Mercy::Until(end) => lens[lens.partition_point(|(moment, _)| *moment <= end) - 1],
            Mercy::Each(_) => lens[rng.usize(..lens.len())],
        };
        let mut left = self.durable;
        left.resize(len, 0);
        for (sector, versions) in self.dirty {
            if let Some(bytes) = survivor(&versions, len_moment, mercy, rng) {
                put_sector(&mut left, sector, bytes);
            }
        }
        Inode::durable(left)
    }

    fn mercy(&self, rng: &mut Rng) -> Mercy {
        let moments = || self.dirty.values().flatten().map(|version| version.moment);
        match (rng.u8(..6), moments().min(), moments().max()) {
            (0, _, _) => Mercy::None,
            (1, _, _) => Mercy::All,
            (2 | 3, Some(first), Some(last)) => Mercy::Until(rng.u64(first - 1..=last)),
            _ => Mercy::Each(rng.f64()),
        }
    }
}

/// The version of one sector that a crash leaves; `None` for the durable one. `len_moment` is
/// when the surviving length was set: what was cut off by then is gone, and a cut that came after
/// has not happened.
fn survivor<'a>(
    versions: &'a [Version],
    len_moment: u64,
    mercy: Mercy,
    rng: &mut Rng,
) -> Option<&'a [u8]> {
    let mut candidates: Vec<Option<&Version>> = vec![None];
    for version in versions {
        match version.cut {
            true if version.moment <= len_moment => candidates = vec![Some(version)],
            true => {}
            false => candidates.push(Some(version)),
        }
    }
    let last = candidates.len() - 1;
    let chosen = match mercy {
        Mercy::None => 0,
        Mercy::All => last,
        Mercy::Until(end) => candidates
            .iter()
            .rposition(|candidate| candidate.is_none_or(|version| version.moment <= end))
            .unwrap_or(0),
        Mercy::Each(probability) if rng.f64() < probability => last,
        Mercy::Each(_) => rng.usize(..=last),
    };
    candidates[chosen].map(|version| &*version.bytes)
}

/// The sectors that a range of bytes touches.
fn sectors(range: &Range<usize>) -> Range<usize> {
    range.start / SECTOR..range.end.div_ceil(SECTOR).max(range.start / SECTOR)
}

/// Copies a sector out, with zeros beyond the end.
fn copy_sector(from: &[u8], sector: usize, to: &mut [u8]) {
    let rest = from.get(sector * SECTOR..).unwrap_or_default();
    let count = rest.len().min(SECTOR);
    to[..count].copy_from_slice(&rest[..count]);
    to[count..].fill(0);
}

/// Copies a sector in, as far as the content reaches.
fn put_sector(to: &mut [u8], sector: usize, bytes: &[u8]) {
    let rest = to.get_mut(sector * SECTOR..).unwrap_or_default();
    let count = rest.len().min(SECTOR);
    rest[..count].copy_from_slice(&bytes[..count]);
}
