//! SQLite's `-wal` file: which frames of one left behind count, and the bytes of one of ours.
//!
//! Neighbours: [`crate::opening`] reads one; [`crate::page_writer`] writes one.
//!
//! Invariants:
//! 1. A frame counts only if its salts and its checksum, chained from the header's, are right, and a frame that
//!    ends a transaction follows or is it. The first frame that fails ends the file.
//! 2. What we write has a checksum in big-endian words.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use heddle_base::PageNo;
use heddle_io::{File, IoBuf};

use crate::error::{Error, Result};
use crate::stream::Stream;

/// Pages, and where in the file their images begin.
pub(crate) type Frames = HashMap<PageNo, u64, foldhash::fast::RandomState>;

/// Bytes of the file's header.
pub(crate) const HEADER: usize = 32;
/// Bytes of a frame before its page.
pub(crate) const FRAME_HEADER: usize = 24;
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
pub(crate) struct Committed {
    /// Bytes of a page.
    pub(crate) page_size: u32,
    /// Pages of the database after the last commit.
    pub(crate) page_count: u32,
    /// The newest image of each page.
    pub(crate) frames: Frames,
}

/// Reads a `-wal` file up to its last commit; `None` if it holds none (invariant 1).
pub(crate) async fn read(path: &Path, file: Arc<dyn File>) -> Result<Option<Committed>> {
    let mut stream = Stream::new(file);
    let Ok(header) = <[u8; HEADER]>::try_from(stream.at(0, HEADER).await?) else {
        return Ok(None);
    };
    let big_endian = match word(&header, 0) ^ MAGIC {
        0 => false,
        1 => true,
        _ => return Ok(None),
    };
    let page_size = word(&header, 8);
    let mut sum = Checksum::default().add(&header[..24], big_endian);
    if !(512..=65_536).contains(&page_size)
        || !page_size.is_power_of_two()
        || sum != Checksum(word(&header, 24), word(&header, 28))
    {
        return Ok(None);
    }
    if word(&header, 4) != VERSION {
        let what = "its -wal has a version that is not known";
        return Err(Error::Unsupported { path: path.to_owned(), what });
    }
    let mut frames = Frames::default();
    let mut open = Vec::new();
    let mut page_count = 0;
    let size = FRAME_HEADER + page_size as usize;
    let mut offset = HEADER as u64;
    loop {
        let frame = stream.at(offset, size).await?;
        if frame.len() < size || frame[8..16] != header[16..24] || word(frame, 0) == 0 {
            break;
        }
        sum = sum.add(&frame[..8], big_endian).add(&frame[FRAME_HEADER..], big_endian);
        if sum != Checksum(word(frame, 16), word(frame, 20)) {
            break;
        }
        open.push((PageNo(word(frame, 0)), offset + FRAME_HEADER as u64));
        if word(frame, 4) != 0 {
            page_count = word(frame, 4);
            frames.extend(open.drain(..));
        }
        offset += size as u64;
    }
    frames.retain(|page, _| page.get() <= page_count);
    Ok((page_count > 0).then_some(Committed { page_size, page_count, frames }))
}

/// Makes the bytes of a new `-wal` file, piece by piece. A clone goes on from the same place.
#[derive(Clone, Debug)]
pub(crate) struct FrameWriter {
    salts: [u8; 8],
    sum: Checksum,
    offset: u64,
}

fn append(out: &mut IoBuf, bytes: &[u8]) {
    let at = out.len();
    out.resize(at + bytes.len());
    out[at..].copy_from_slice(bytes);
}

impl FrameWriter {
    /// Adds to `out` the header of a file with these salts; gives what makes its frames.
    pub(crate) fn begin(out: &mut IoBuf, page_size: u32, salts: u64) -> Self {
        let mut header = [0; HEADER];
        let salts = salts.to_be_bytes();
        for (at, word) in [(0, MAGIC | 1), (4, VERSION), (8, page_size)] {
            header[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        header[16..24].copy_from_slice(&salts);
        let sum = Checksum::default().add(&header[..24], true);
        header[24..28].copy_from_slice(&sum.0.to_be_bytes());
        header[28..32].copy_from_slice(&sum.1.to_be_bytes());
        append(out, &header);
        Self { salts, sum, offset: HEADER as u64 }
    }

    /// Adds the next frame to `out`; gives where in the file its image begins. `commit` is the page count if the
    /// frame ends the transaction, else 0.
    pub(crate) fn frame(
        &mut self,
        out: &mut IoBuf,
        page: PageNo,
        image: &[u8],
        commit: u32,
    ) -> u64 {
        let mut header = [0; FRAME_HEADER];
        header[..4].copy_from_slice(&page.get().to_be_bytes());
        header[4..8].copy_from_slice(&commit.to_be_bytes());
        header[8..16].copy_from_slice(&self.salts);
        self.sum = self.sum.add(&header[..8], true).add(image, true);
        header[16..20].copy_from_slice(&self.sum.0.to_be_bytes());
        header[20..24].copy_from_slice(&self.sum.1.to_be_bytes());
        append(out, &header);
        append(out, image);
        let at = self.offset + FRAME_HEADER as u64;
        self.offset = at + image.len() as u64;
        at
    }

    /// Where the sector of the last byte ends.
    pub(crate) fn sector_end(&self) -> u64 {
        self.offset.next_multiple_of(4096)
    }

    /// Where the next frame goes.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }
}
