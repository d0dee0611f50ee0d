//! Bytes of segments and groups: encoding, checked decoding. `docs/format.md`, "The redo log".
//!
//! # Invariants
//! - F1: everything lies on 4 KiB boundaries; all integers are little-endian.
//! - F2: decoding never trusts a length before the checksum that covers it has been verified.

use std::ops::Range;

use heddle_io::IoBuf;

/// Unit of alignment in bytes.
pub(crate) const BLOCK: usize = 4096;
/// Newest format version.
pub(crate) const VERSION: u32 = 1;
/// Bytes of a group before its entries.
pub(crate) const GROUP_HEADER: usize = 80;
/// Bytes of an entry before its payload.
pub(crate) const ENTRY_HEADER: usize = 9;

const SEGMENT_MAGIC: &[u8; 8] = b"HEDDLLOG";
const GROUP_MAGIC: &[u8; 4] = b"HGRP";
const SEGMENT_HEADER: usize = 60;

/// "Continues the segment before": no group of earlier segments is annulled.
pub(crate) const NO_RESUME: u64 = u64::MAX;

/// The first block of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) version: u32,
    pub(crate) database_id: u64,
    pub(crate) segment: u64,
    /// Bytes of the file, this block included.
    pub(crate) capacity: u64,
    pub(crate) window: u64,
    /// Groups at or past this position in earlier segments are void: this segment takes over
    /// there. [`NO_RESUME`] in one that merely continues.
    pub(crate) resume: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> IoBuf {
        let mut buf = IoBuf::zeroed(BLOCK);
        put(&mut buf, 0, SEGMENT_MAGIC);
        put(&mut buf, 12, &self.version.to_le_bytes());
        put(&mut buf, 16, &self.database_id.to_le_bytes());
        put(&mut buf, 24, &self.segment.to_le_bytes());
        put(&mut buf, 32, &self.capacity.to_le_bytes());
        put(&mut buf, 40, &self.window.to_le_bytes());
        put(&mut buf, 48, &self.resume.to_le_bytes());
        let crc = segment_crc(&buf);
        put(&mut buf, 8, &crc.to_le_bytes());
        buf
    }

    /// `None` unless magic and checksum are right. The version is for the caller to judge.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.get(..8)? != SEGMENT_MAGIC || bytes.len() < SEGMENT_HEADER {
            return None;
        }
        if u32_at(bytes, 8)? != segment_crc(bytes) {
            return None;
        }
        Some(Self {
            version: u32_at(bytes, 12)?,
            database_id: u64_at(bytes, 16)?,
            segment: u64_at(bytes, 24)?,
            capacity: u64_at(bytes, 32)?,
            window: u64_at(bytes, 40)?,
            resume: u64_at(bytes, 48)?,
        })
    }
}

fn segment_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes.get(12..SEGMENT_HEADER).unwrap_or_default())
}

/// What precedes the entries of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct GroupHeader {
    /// Header and entries, without padding.
    pub(crate) length: u32,
    /// Checksum of the group before; 0 in the first of a log.
    pub(crate) previous: u32,
    /// Number of the segment, by which a recycled segment's old groups are told apart.
    pub(crate) generation: u64,
    pub(crate) sequence: u64,
    /// Position in the log: bytes of all groups before, padding included.
    pub(crate) lsn: u64,
    /// Everything below this position was on disk when this was written.
    pub(crate) durable: u64,
    /// Last ticket finished before this group.
    pub(crate) before: u64,
    /// Last ticket finished with this group; voids count.
    pub(crate) last: u64,
    pub(crate) entries: u32,
    pub(crate) seal: bool,
}

impl GroupHeader {
    /// Completes the group in `buf` (entries already behind the header) and gives its checksum.
    /// `buf` gets the padded length.
    pub(crate) fn finish(&self, buf: &mut IoBuf) -> u32 {
        let length = self.length as usize;
        buf.resize(length.next_multiple_of(BLOCK));
        buf[length..].fill(0);
        put(buf, 0, GROUP_MAGIC);
        put(buf, 8, &self.length.to_le_bytes());
        put(buf, 12, &self.previous.to_le_bytes());
        put(buf, 16, &self.generation.to_le_bytes());
        put(buf, 24, &self.sequence.to_le_bytes());
        put(buf, 32, &self.lsn.to_le_bytes());
        put(buf, 40, &self.durable.to_le_bytes());
        put(buf, 48, &self.before.to_le_bytes());
        put(buf, 56, &self.last.to_le_bytes());
        put(buf, 64, &self.entries.to_le_bytes());
        put(buf, 68, &u32::from(self.seal).to_le_bytes());
        put(buf, 72, &0_u64.to_le_bytes());
        let crc = crc32c::crc32c(buf.get(8..length).unwrap_or_default());
        put(buf, 4, &crc.to_le_bytes());
        crc
    }

    /// Bytes on disk.
    pub(crate) fn padded(&self) -> u64 {
        u64::from(self.length).next_multiple_of(BLOCK as u64)
    }

    /// The length a group claims, unverified: how much to read before [`GroupHeader::decode`].
    /// `None` if this can't be a group of segment `generation` with `room` bytes left.
    pub(crate) fn claimed(block: &[u8], generation: u64, room: u64) -> Option<usize> {
        if block.get(..4)? != GROUP_MAGIC || u64_at(block, 16)? != generation {
            return None;
        }
        let length = u32_at(block, 8)?;
        let fits = u64::from(length).next_multiple_of(BLOCK as u64) <= room;
        (length as usize >= GROUP_HEADER && fits).then_some(length as usize)
    }

    /// The header and its checksum, if the checksum over `bytes` is right.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, u32)> {
        let length = u32_at(bytes, 8)?;
        let crc = u32_at(bytes, 4)?;
        if bytes.get(..4)? != GROUP_MAGIC || (length as usize) < GROUP_HEADER {
            return None;
        }
        if crc32c::crc32c(bytes.get(8..length as usize)?) != crc {
            return None;
        }
        let header = Self {
            length,
            previous: u32_at(bytes, 12)?,
            generation: u64_at(bytes, 16)?,
            sequence: u64_at(bytes, 24)?,
            lsn: u64_at(bytes, 32)?,
            durable: u64_at(bytes, 40)?,
            before: u64_at(bytes, 48)?,
            last: u64_at(bytes, 56)?,
            entries: u32_at(bytes, 64)?,
            seal: u32_at(bytes, 68)? & 1 != 0,
        };
        (header.last >= header.before).then_some((header, crc))
    }
}

/// What an entry of a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The end of a commit's record, or all of it.
    Commit,
    /// The end of a control record, or all of it.
    Control,
    /// A piece of the record that the next entry continues.
    Piece,
    /// The pieces before belong to a record whose end was lost: forget them.
    Forget,
}

/// In an entry's first byte: pieces of the same record come before it.
const CONTINUED: u8 = 0x80;

impl Kind {
    fn code(self) -> u8 {
        match self {
            Kind::Commit => 1,
            Kind::Control => 2,
            Kind::Piece => 3,
            Kind::Forget => 4,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Kind::Commit, Kind::Control, Kind::Piece, Kind::Forget]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// What precedes an entry's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryHeader {
    pub(crate) kind: Kind,
    /// Whether pieces of the same record come before it.
    pub(crate) continued: bool,
    /// The commit's ticket less the group's `before`; 0 for other kinds.
    pub(crate) delta: u32,
}

/// Writes an entry at `at`; gives its end. The caller has made the buffer large enough.
pub(crate) fn put_entry(buf: &mut [u8], at: usize, header: EntryHeader, payload: &[u8]) -> usize {
    let end = at + ENTRY_HEADER + payload.len();
    let flag = if header.continued { CONTINUED } else { 0 };
    put(buf, at, &[header.kind.code() | flag]);
    put(buf, at + 1, &header.delta.to_le_bytes());
    put(buf, at + 5, &(payload.len() as u32).to_le_bytes());
    put(buf, at + ENTRY_HEADER, payload);
    end
}

/// One entry of a group, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) header: EntryHeader,
    /// Where in the group its payload lies.
    pub(crate) payload: Range<usize>,
}

/// The entry at `at` of a verified group (header and entries, no padding); `None` where there is
/// no entry.
pub(crate) fn entry_at(group: &[u8], at: usize) -> Option<Entry> {
    let code = *group.get(at)?;
    let (kind, continued) = (Kind::of(code & !CONTINUED)?, code & CONTINUED != 0);
    let header = EntryHeader { kind, continued, delta: u32_at(group, at + 1)? };
    let start = at + ENTRY_HEADER;
    let end = start.checked_add(u32_at(group, at + 5)? as usize)?;
    (end <= group.len()).then_some(Entry { header, payload: start..end })
}

fn put(buf: &mut [u8], at: usize, bytes: &[u8]) {
    buf[at..at + bytes.len()].copy_from_slice(bytes);
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(all(test, not(any(heddle_loom, heddle_shuttle))))]
mod tests;
