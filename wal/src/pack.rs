//! Packs records into one group's buffer, splitting those that don't fit.
//!
//! # Invariants
//! - K1: a group never exceeds its limit, a multiple of the block size.
//! - K2: a group that is not the last of those waiting is full up to less than an entry's header
//!   and one byte, which [`crate::budget::blocks_for`] relies upon.

use bytes::Bytes;
use heddle_io::IoBuf;

use crate::format::{BLOCK, ENTRY_HEADER, EntryHeader, GROUP_HEADER, GroupHeader, Kind, put_entry};

/// A record on its way into groups.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) ticket: u64,
    pub(crate) kind: Kind,
    pub(crate) bytes: Bytes,
    /// Whether a part has been packed already.
    pub(crate) continued: bool,
}

/// A group in the making.
#[derive(Debug)]
pub(crate) struct Packer {
    buf: IoBuf,
    end: usize,
    limit: usize,
    entries: u32,
    before: u64,
}

impl Packer {
    /// An empty group of at most `limit` bytes, after ticket `before`. `buf` is reused memory.
    pub(crate) fn new(buf: IoBuf, limit: usize, before: u64) -> Self {
        let mut packer = Self { buf, end: GROUP_HEADER, limit, entries: 0, before };
        packer.grow(GROUP_HEADER);
        packer
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Adds the record, or as much of it as there is room for: then it comes back without that.
    pub(crate) fn add(&mut self, mut record: Pending) -> Option<Pending> {
        let room = self.limit - self.end;
        let whole = ENTRY_HEADER + record.bytes.len();
        if whole <= room {
            let delta = match record.kind {
                Kind::Commit => (record.ticket - self.before) as u32,
                _ => 0,
            };
            let Pending { kind, continued, .. } = record;
            self.put(EntryHeader { kind, continued, delta }, &record.bytes);
            return None;
        }
        if room > ENTRY_HEADER {
            let piece = record.bytes.split_to(room - ENTRY_HEADER);
            let (kind, continued) = (Kind::Piece, record.continued);
            self.put(EntryHeader { kind, continued, delta: 0 }, &piece);
            record.continued = true;
        }
        Some(record)
    }

    /// Says that the record whose pieces came before has no end.
    pub(crate) fn forget(&mut self) {
        self.put(EntryHeader { kind: Kind::Forget, continued: true, delta: 0 }, &[]);
    }

    fn put(&mut self, header: EntryHeader, payload: &[u8]) {
        self.grow(self.end + ENTRY_HEADER + payload.len());
        self.end = put_entry(&mut self.buf, self.end, header, payload);
        self.entries += 1;
    }

    fn grow(&mut self, to: usize) {
        if to > self.buf.capacity() {
            // Doubling, so that a group of many records is not copied for each.
            self.buf.resize(to.max(2 * self.buf.capacity()).next_multiple_of(BLOCK));
        }
        if to > self.buf.len() {
            self.buf.resize(to);
        }
    }

    /// Completes the group: its bytes, padded, and its checksum. Of `header` the fields that
    /// packing knows are filled in here.
    pub(crate) fn finish(mut self, mut header: GroupHeader) -> (IoBuf, u32) {
        header.length = self.end as u32;
        header.entries = self.entries;
        header.before = self.before;
        let crc = header.finish(&mut self.buf);
        (self.buf, crc)
    }
}
