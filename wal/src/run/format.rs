//! Bytes of a run file: header, block, footer. `docs/format.md`, "Run files".
//!
//! # Invariants
//! - F1: all integers are little-endian. Nothing is aligned: the file is written once, through the cache of
//!   the OS.
//! - F2: decoding never trusts a length before the checksum that covers it has been verified.

use bytes::Bytes;

use super::RunName;

/// Newest format version.
pub(super) const VERSION: u32 = 1;
/// Bytes before the first block.
pub(super) const HEADER: usize = 32;
/// Bytes after the index.
pub(super) const FOOTER: usize = 64;
/// Bytes of a block before its entries.
pub(super) const BLOCK_HEADER: usize = 24;
/// Bytes of an entry before its key.
pub(super) const ENTRY_HEADER: usize = 8;
/// Bytes a block aims at. One that holds a larger entry holds nothing else.
pub(super) const TARGET: usize = 32 << 10;
/// No key and no value is longer.
pub(super) const LONGEST: usize = 1 << 30;

const MAGIC: &[u8; 8] = b"HEDDLRUN";
const END_MAGIC: &[u8; 8] = b"HEDDLEND";
/// The length of a value that is none: the key is deleted.
const DELETED: u32 = u32::MAX;

/// The file's first bytes.
pub(super) fn header(name: RunName) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    put(&mut out, 0, MAGIC);
    put(&mut out, 12, &VERSION.to_le_bytes());
    put(&mut out, 16, &name.id().to_le_bytes());
    let crc = crc32c::crc32c(&out[12..]);
    put(&mut out, 8, &crc.to_le_bytes());
    out
}

/// Whether these are the first bytes of this run's file, of whatever version.
pub(super) fn is_header(bytes: &[u8], name: RunName) -> bool {
    bytes.get(..8) == Some(MAGIC)
        && bytes.get(12..HEADER).map(crc32c::crc32c) == u32_at(bytes, 8)
        && u64_at(bytes, 16) == Some(name.id())
}

/// The file's last bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) version: u32,
    pub(super) id: u64,
    /// Bytes of the file.
    pub(super) file: u64,
    /// Where the index begins; it ends where the footer begins.
    pub(super) index: u64,
    pub(super) index_crc: u32,
    pub(super) blocks: u32,
    pub(super) trees: u32,
}

impl Footer {
    pub(super) fn encode(&self) -> [u8; FOOTER] {
        let mut out = [0; FOOTER];
        put(&mut out, 0, END_MAGIC);
        put(&mut out, 12, &self.version.to_le_bytes());
        put(&mut out, 16, &self.id.to_le_bytes());
        put(&mut out, 24, &self.file.to_le_bytes());
        put(&mut out, 32, &self.index.to_le_bytes());
        put(&mut out, 40, &self.index_crc.to_le_bytes());
        put(&mut out, 44, &self.blocks.to_le_bytes());
        put(&mut out, 48, &self.trees.to_le_bytes());
        let crc = crc32c::crc32c(&out[12..]);
        put(&mut out, 8, &crc.to_le_bytes());
        out
    }

    /// `None` unless magic and checksum are right. The version is for the caller to judge.
    pub(super) fn decode(bytes: &[u8]) -> Option<Footer> {
        if bytes.len() != FOOTER || bytes.get(..8)? != END_MAGIC {
            return None;
        }
        if u32_at(bytes, 8)? != crc32c::crc32c(bytes.get(12..)?) {
            return None;
        }
        Some(Footer {
            version: u32_at(bytes, 12)?,
            id: u64_at(bytes, 16)?,
            file: u64_at(bytes, 24)?,
            index: u64_at(bytes, 32)?,
            index_crc: u32_at(bytes, 40)?,
            blocks: u32_at(bytes, 44)?,
            trees: u32_at(bytes, 48)?,
        })
    }
}

/// Appends an entry.
pub(super) fn put_entry(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    out.extend_from_slice(&(key.len() as u32).to_le_bytes());
    let length = value.map_or(DELETED, |value| value.len() as u32);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value.unwrap_or_default());
}

/// Completes a block whose entries lie behind room for its header: appends where they begin, then
/// fills in the header.
pub(super) fn finish_block(
    block: &mut Vec<u8>,
    start: usize,
    name: RunName,
    number: u32,
    places: &[u32],
) {
    for place in places {
        block.extend_from_slice(&place.to_le_bytes());
    }
    let Some(block) = block.get_mut(start..) else { return };
    let length = block.len() as u32;
    put(block, 4, &length.to_le_bytes());
    put(block, 8, &name.id().to_le_bytes());
    put(block, 16, &number.to_le_bytes());
    put(block, 20, &(places.len() as u32).to_le_bytes());
    let crc = crc32c::crc32c(block.get(4..).unwrap_or_default());
    put(block, 0, &crc.to_le_bytes());
}

/// What a block must be, by the index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) name: RunName,
    pub(super) number: u32,
    pub(super) entries: u32,
    /// No key is smaller.
    pub(super) fence: &'a [u8],
    /// All keys are smaller; empty if there is no bound.
    pub(super) end: &'a [u8],
}

/// A block, verified: every entry can be read, and keys ascend between the fences.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Bytes,
    entries: u32,
    number: u32,
}

impl Block {
    pub(super) fn decode(bytes: Bytes, expected: Expected<'_>) -> Result<Block, &'static str> {
        let whole = u32_at(&bytes, 4) == u32::try_from(bytes.len()).ok();
        if !whole || u32_at(&bytes, 0) != bytes.get(4..).map(crc32c::crc32c) {
            return Err("a block's checksum is wrong");
        }
        let ours = u64_at(&bytes, 8) == Some(expected.name.id())
            && u32_at(&bytes, 16) == Some(expected.number)
            && u32_at(&bytes, 20) == Some(expected.entries);
        if !ours || expected.entries == 0 {
            return Err("a block is not the one that the index says");
        }
        let block = Block { bytes, entries: expected.entries, number: expected.number };
        if block.is_sound(expected) { Ok(block) } else { Err("a block's entries can't be read") }
    }

    /// Whether the entries lie one behind the other up to the table of their places, and their keys ascend.
    fn is_sound(&self, expected: Expected<'_>) -> bool {
        let table = self.entries as usize * 4;
        let Some(table) = self.bytes.len().checked_sub(table) else { return false };
        let mut at = BLOCK_HEADER;
        let mut last: Option<&[u8]> = None;
        for index in 0..self.entries {
            let Some((start, key, value)) = self.parts(index) else { return false };
            let end = value.unwrap_or(key).1;
            let key = self.bytes.get(key.0..key.1).unwrap_or_default();
            let ascends = last.is_none_or(|last| last < key);
            if start != at || end > table || !ascends {
                return false;
            }
            (at, last) = (end, Some(key));
        }
        let below = |key: &[u8]| expected.end.is_empty() || key < expected.end;
        at == table && self.key(0) >= expected.fence && last.is_some_and(below)
    }

    /// Where an entry begins, and where its key and its value begin and end.
    #[expect(clippy::type_complexity, reason = "it is taken apart at once, here alone")]
    fn parts(&self, index: u32) -> Option<(usize, (usize, usize), Option<(usize, usize)>)> {
        let table = self.bytes.len().checked_sub(self.entries as usize * 4)?;
        let start = u32_at(&self.bytes, table + index as usize * 4)? as usize;
        let key = start.checked_add(ENTRY_HEADER)?;
        let key_end = key.checked_add(u32_at(&self.bytes, start)? as usize)?;
        let value = match u32_at(&self.bytes, start + 4)? {
            DELETED => None,
            length => Some((key_end, key_end.checked_add(length as usize)?)),
        };
        Some((start, (key, key_end), value))
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn entries(&self) -> u32 {
        self.entries
    }

    /// Bytes in memory.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The key of an entry; empty beyond the last.
    pub(super) fn key(&self, index: u32) -> &[u8] {
        let parts = if index < self.entries { self.parts(index) } else { None };
        parts.and_then(|(_, (from, to), _)| self.bytes.get(from..to)).unwrap_or_default()
    }

    /// The value of an entry.
    pub(super) fn value(&self, index: u32) -> Option<&[u8]> {
        let (from, to) = self.parts(index)?.2?;
        self.bytes.get(from..to)
    }

    /// An entry that shares the block's memory.
    pub(super) fn entry(&self, index: u32) -> (Bytes, Option<Bytes>) {
        (self.bytes.slice_ref(self.key(index)), self.shared_value(index))
    }

    /// A value that shares the block's memory.
    pub(super) fn shared_value(&self, index: u32) -> Option<Bytes> {
        self.value(index).map(|value| self.bytes.slice_ref(value))
    }

    /// How many entries have keys of which `is_before` holds; it holds of a first part of them.
    pub(super) fn partition(&self, is_before: impl Fn(&[u8]) -> bool) -> u32 {
        let (mut low, mut high) = (0, self.entries);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(self.key(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

fn put(buf: &mut [u8], at: usize, bytes: &[u8]) {
    buf[at..at + bytes.len()].copy_from_slice(bytes);
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
