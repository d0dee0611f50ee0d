//! SQLite's `-wal` file: which frames of one left behind count, and the bytes of one of ours.
//!
//! Invariants:
//! 1. A frame counts only if its salts and its checksum, chained from the header's, are right, and a frame that
//!    ends a transaction follows or is it. The first frame that fails ends the file.
//! 2. What we write has a checksum in big-endian words.

use std::collections::BTreeMap;

use heddle_base::PageNo;
use heddle_io::{File, IoBuf};

use crate::error::Result;

/// Bytes of the file's header.
pub const HEADER: usize = 32;
/// Bytes of a frame before its page.
pub const FRAME_HEADER: usize = 24;
const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;

/// SQLite's running checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Checksum(u32, u32);

impl Checksum {
    fn add(self, bytes: &[u8], big_endian: bool) -> Self {
        let word = |pair: &[u8], at: usize| {
            let bytes = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
            if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        bytes.chunks_exact(8).fold(self, |Checksum(s0, s1), pair| {
            let s0 = s0.wrapping_add(word(pair, 0)).wrapping_add(s1);
            let s1 = s1.wrapping_add(word(pair, 4)).wrapping_add(s0);
            Checksum(s0, s1)
        })
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// What the committed frames of a `-wal` file say.
#[derive(Debug)]
pub struct Committed {
    /// Bytes of a page.
    pub page_size: u32,
    /// Pages of the database after the last commit.
    pub page_count: u32,
    /// Where in the file the newest image of each page begins.
    pub pages: BTreeMap<PageNo, u64>,
}

/// Reads a `-wal` file up to its last commit; `None` if it holds none (invariant 1).
///
/// # Errors
/// What reading gives.
///
/// # Cancel safety
/// It only reads.
pub async fn read(file: &dyn File) -> Result<Option<Committed>> {
    let (read, header) = file.read_at(IoBuf::zeroed(HEADER), 0).await;
    if read? < HEADER {
        return Ok(None);
    }
    let big_endian = match word(&header, 0) ^ MAGIC {
        0 => false,
        1 => true,
        _ => return Ok(None),
    };
    let page_size = word(&header, 8);
    let mut sum = Checksum::default().add(&header[..24], big_endian);
    if word(&header, 4) != VERSION
        || !(512..=65_536).contains(&page_size)
        || !page_size.is_power_of_two()
        || sum != Checksum(word(&header, 24), word(&header, 28))
    {
        return Ok(None);
    }
    let mut pages = BTreeMap::new();
    let mut open = Vec::new();
    let mut page_count = 0;
    let size = FRAME_HEADER + page_size as usize;
    let mut offset = HEADER as u64;
    let mut buf = IoBuf::zeroed(size);
    loop {
        let (read, frame) = file.read_at(buf, offset).await;
        if read? < size || frame[8..16] != header[16..24] || word(&frame, 0) == 0 {
            break;
        }
        sum = sum.add(&frame[..8], big_endian).add(&frame[FRAME_HEADER..], big_endian);
        if sum != Checksum(word(&frame, 16), word(&frame, 20)) {
            break;
        }
        open.push((PageNo(word(&frame, 0)), offset + FRAME_HEADER as u64));
        if word(&frame, 4) != 0 {
            page_count = word(&frame, 4);
            pages.extend(open.drain(..));
        }
        offset += size as u64;
        buf = frame;
    }
    pages.retain(|page, _| page.get() <= page_count);
    Ok((page_count > 0).then_some(Committed { page_size, page_count, pages }))
}

/// Makes the bytes of a new `-wal` file, piece by piece.
#[derive(Debug)]
pub struct FrameWriter {
    salts: [u8; 8],
    sum: Checksum,
    offset: u64,
}

impl FrameWriter {
    /// The header of a file with these salts, and what makes its frames.
    pub fn begin(page_size: u32, sequence: u32, salts: u64) -> (IoBuf, Self) {
        let mut header = IoBuf::zeroed(HEADER);
        let salts = salts.to_be_bytes();
        for (at, word) in [(0, MAGIC | 1), (4, VERSION), (8, page_size), (12, sequence)] {
            header[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        header[16..24].copy_from_slice(&salts);
        let sum = Checksum::default().add(&header[..24], true);
        header[24..28].copy_from_slice(&sum.0.to_be_bytes());
        header[28..32].copy_from_slice(&sum.1.to_be_bytes());
        (header, Self { salts, sum, offset: HEADER as u64 })
    }

    /// The next frame and where it goes. `commit` is the page count if the frame ends the transaction, else 0.
    pub fn frame(&mut self, page: PageNo, image: &[u8], commit: u32) -> (IoBuf, u64) {
        let mut frame = IoBuf::zeroed(FRAME_HEADER + image.len());
        frame[..4].copy_from_slice(&page.get().to_be_bytes());
        frame[4..8].copy_from_slice(&commit.to_be_bytes());
        frame[8..16].copy_from_slice(&self.salts);
        frame[FRAME_HEADER..].copy_from_slice(image);
        self.sum = self.sum.add(&frame[..8], true).add(image, true);
        frame[16..20].copy_from_slice(&self.sum.0.to_be_bytes());
        frame[20..24].copy_from_slice(&self.sum.1.to_be_bytes());
        let at = self.offset;
        self.offset += frame.len() as u64;
        (frame, at)
    }

    /// Where the sector of the last byte ends.
    pub fn sector_end(&self) -> u64 {
        self.offset.next_multiple_of(4096)
    }

    /// Where the next frame goes.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}
