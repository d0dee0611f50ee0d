//! Reads a log's groups in order, and finds where the log ends.
//!
//! Read through by [`crate::recovery`], which decides nothing about bytes: what each sight means
//! is the table in [`decide`].
//!
//! # Invariants
//! - A1: a group is handed out only if its checksum is right and it follows the one before it by
//!   position, sequence, checksum and ticket.
//! - A2: memory is bounded by one group and one read, whatever the bytes say.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use heddle_base::sync::Mutex;
use heddle_io::{Access, Env, File, IoBuf, OpenOptions};

use crate::format::{BLOCK, GROUP_HEADER, GroupHeader, NO_RESUME, SegmentHeader};
use crate::{Error, Result};

/// Bytes read at once.
const READ: usize = 1 << 20;
/// No group is larger: the largest that [`crate::LogOptions::group_bytes`] allows.
const LARGEST: usize = 64 << 20;
/// Positions, tickets and numbers are below: what follows them can be counted without overflow.
pub(crate) const LAST: u64 = 1 << 62;

/// A segment file whose header has been read and found ours.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
}

/// A group that follows the one before it.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) header: GroupHeader,
    pub(crate) crc: u32,
    /// Header and entries, without padding.
    pub(crate) bytes: Bytes,
    /// Index of its segment.
    pub(crate) segment: usize,
}

/// What lies at the position where the next group should begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// A group that follows.
    Group,
    /// The end of the segment.
    Full,
    /// Anything else.
    Other,
}

/// All that decides how to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) sight: Sight,
    /// How this position compares with the one where a later segment takes over; `Less` if none.
    pub(crate) resume: std::cmp::Ordering,
    /// Whether any later segment takes over.
    pub(crate) resumed: bool,
    /// Whether another segment follows.
    pub(crate) more: bool,
    /// Whether no group has been read yet.
    pub(crate) first: bool,
    /// Whether a valid group beyond says that this position is on disk. Looked for only where it
    /// matters.
    pub(crate) claimed: bool,
}

/// How to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Take the group.
    Take,
    /// Go on in the next segment.
    NextSegment,
    /// Go on in the segment that takes over here.
    TakeOver,
    /// The log ends here; what lies beyond was never acknowledged.
    End,
    /// The log is damaged, and what is damaged had been on disk.
    Corrupt(&'static str),
}

/// The table. A torn tail and rot look alike but for one thing: a torn group was never called
/// durable by anything written later.
pub(crate) fn decide(at: Position) -> Decision {
    use std::cmp::Ordering::{Equal, Greater, Less};
    match at {
        Position { resumed: true, resume: Equal, .. } => Decision::TakeOver,
        Position { resumed: true, resume: Greater, .. } => {
            Decision::Corrupt("a group lies across the position where a later segment takes over")
        }
        Position { sight: Sight::Group, .. } => Decision::Take,
        Position { sight: Sight::Full, more: true, .. } => Decision::NextSegment,
        Position { resumed: true, resume: Less, .. } => {
            Decision::Corrupt("invalid before the position where a later segment takes over")
        }
        Position { first: true, .. } => Decision::Corrupt("the first group is invalid"),
        Position { sight: Sight::Full, more: false, .. } => Decision::End,
        Position { sight: Sight::Other, claimed: true, .. } => {
            Decision::Corrupt("invalid, though a later group says that it was on disk")
        }
        Position { sight: Sight::Other, claimed: false, .. } => Decision::End,
    }
}

/// See the module.
pub(crate) struct Scanner {
    env: Env,
    pub(crate) segments: Vec<Found>,
    /// Index of the segment being read.
    index: usize,
    file: Option<Arc<dyn File>>,
    offset: u64,
    /// The group before, once there is one.
    previous: Option<(GroupHeader, u32)>,
    /// Bytes read ahead, and their offset in the file.
    chunk: Bytes,
    chunk_at: u64,
    spare: Spare,
}

impl Scanner {
    pub(crate) fn new(env: &Env, segments: Vec<Found>) -> Self {
        Self {
            env: env.clone(),
            segments,
            index: 0,
            file: None,
            offset: BLOCK as u64,
            previous: None,
            chunk: Bytes::new(),
            chunk_at: 0,
            spare: Spare::default(),
        }
    }

    /// Position behind the last group.
    pub(crate) fn position(&self) -> Option<u64> {
        self.previous.map(|(header, _)| header.lsn + header.padded())
    }

    /// The last group's header and checksum.
    pub(crate) fn last(&self) -> Option<(GroupHeader, u32)> {
        self.previous
    }

    /// The next group, or `None` at the end of the log.
    ///
    /// Cancel-safe: what a dropped call had read, the next one reads again.
    pub(crate) async fn next(&mut self) -> Result<Option<Group>> {
        loop {
            let Some(found) = self.segments.get(self.index).cloned() else { return Ok(None) };
            let group = self.group(&found).await?;
            let room = found.header.capacity.saturating_sub(self.offset);
            let sight = match &group {
                Some(_) => Sight::Group,
                None if room < BLOCK as u64 => Sight::Full,
                None => Sight::Other,
            };
            let takeover = self.takeover();
            let lsn = self.position().or(group.as_ref().map(|group| group.header.lsn));
            let mut at = Position {
                sight,
                resume: match (takeover, lsn) {
                    (Some((_, resume)), Some(lsn)) => lsn.cmp(&resume),
                    _ => std::cmp::Ordering::Less,
                },
                resumed: takeover.is_some(),
                more: self.index + 1 < self.segments.len(),
                first: self.previous.is_none(),
                claimed: false,
            };
            let unclear = decide(at) == Decision::End && sight == Sight::Other;
            if unclear && !heddle_base::planted!("torn-tail-unasked") {
                at.claimed = self.claimed().await?;
            }
            match (decide(at), group) {
                (Decision::Take, Some(group)) => {
                    self.offset += group.header.padded();
                    self.previous = Some((group.header, group.crc));
                    return Ok(Some(group));
                }
                (Decision::TakeOver, _) => match takeover {
                    Some((index, _)) => self.enter(index),
                    None => return Ok(None),
                },
                (Decision::NextSegment, _) => self.enter(self.index + 1),
                (Decision::End | Decision::Take, _) => return Ok(None),
                (Decision::Corrupt(what), _) => {
                    return Err(Error::Corrupt { path: found.path, offset: self.offset, what });
                }
            }
        }
    }

    /// The segment that takes over from this or an earlier one, and where. Of several the one with
    /// the smallest position, and of these the last: what it takes over is void in all before it.
    fn takeover(&self) -> Option<(usize, u64)> {
        let later = self.segments.iter().enumerate().skip(self.index + 1);
        let resuming = later.map(|(index, found)| (index, found.header.resume));
        resuming
            .filter(|(_, at)| *at != NO_RESUME)
            .min_by_key(|(index, at)| (*at, usize::MAX - index))
    }

    fn enter(&mut self, index: usize) {
        self.index = index;
        self.file = None;
        self.offset = BLOCK as u64;
        self.chunk = Bytes::new();
    }

    /// The group at the offset, if it is whole and follows.
    async fn group(&mut self, found: &Found) -> Result<Option<Group>> {
        let room = found.header.capacity.saturating_sub(self.offset);
        if room < BLOCK as u64 {
            return Ok(None);
        }
        let Some((bytes, header, crc)) = self.read_group(found, self.offset, room).await? else {
            return Ok(None);
        };
        let follows = match &self.previous {
            None => true,
            Some((before, crc)) => {
                header.previous == *crc
                    && header.lsn == before.lsn + before.padded()
                    && header.sequence == before.sequence + 1
                    && header.before >= before.last
            }
        };
        let sound = header.durable <= header.lsn
            && header.lsn < LAST
            && header.last < LAST
            && header.sequence < LAST
            && header.lsn - header.durable <= found.header.window;
        let segment = self.index;
        Ok((follows && sound).then_some(Group { header, crc, bytes, segment }))
    }

    /// A group with the right checksum at `offset` of the segment.
    async fn read_group(
        &mut self,
        found: &Found,
        offset: u64,
        room: u64,
    ) -> Result<Option<(Bytes, GroupHeader, u32)>> {
        let block = self.bytes(found, offset, GROUP_HEADER).await?;
        let claimed = GroupHeader::claimed(&block, found.header.segment, room);
        let Some(length) = claimed.filter(|length| *length <= LARGEST) else { return Ok(None) };
        let bytes = self.bytes(found, offset, length).await?;
        if bytes.len() < length {
            return Ok(None);
        }
        Ok(GroupHeader::decode(&bytes).map(|(header, crc)| (bytes, header, crc)))
    }

    /// `len` bytes of the segment, fewer at its end; a slice of what was read ahead if it is there.
    async fn bytes(&mut self, found: &Found, offset: u64, len: usize) -> Result<Bytes> {
        let inside = offset.checked_sub(self.chunk_at).map(|skip| skip as usize);
        if let Some(skip) = inside
            && skip + len <= self.chunk.len()
        {
            return Ok(self.chunk.slice(skip..skip + len));
        }
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let options = OpenOptions::READ.with_access(Access::Log);
                Arc::clone(self.file.insert(self.env.io.open(&found.path, options).await?))
            }
        };
        let room = found.header.capacity.saturating_sub(offset) as usize;
        let want = len.max(READ).min(room).max(len.min(room));
        self.chunk = Bytes::new();
        let (done, buf) = file.read_at(self.spare.take(want), offset).await;
        let got = done?;
        let lent = Lent { buf, spare: self.spare.clone() };
        self.chunk = Bytes::from_owner(lent).slice(..got.min(want));
        self.chunk_at = offset;
        Ok(self.chunk.slice(..len.min(self.chunk.len())))
    }

    /// Whether any whole group within the window beyond the end says that the end is on disk.
    async fn claimed(&mut self) -> Result<bool> {
        let Some(end) = self.position() else { return Ok(false) };
        let (index, offset) = (self.index, self.offset);
        let window = self.segments.get(index).map_or(0, |found| found.header.window);
        // A block may claim to be a large group without being one: a bound on what is hashed.
        let mut budget = 8 * window + LARGEST as u64;
        let mut left = window + BLOCK as u64;
        let mut seen = false;
        while left > 0 && !seen {
            let Some(found) = self.segments.get(self.index).cloned() else { break };
            let room = found.header.capacity.saturating_sub(self.offset);
            if room < BLOCK as u64 {
                self.enter(self.index + 1);
                continue;
            }
            let block = self.bytes(&found, self.offset, GROUP_HEADER).await?;
            if let Some(length) = GroupHeader::claimed(&block, found.header.segment, room) {
                budget = budget.saturating_sub(length as u64);
                if budget == 0 {
                    let what = "more groups are claimed behind its end than fit";
                    return Err(Error::Corrupt { path: found.path, offset: self.offset, what });
                }
                let group = self.read_group(&found, self.offset, room).await?;
                seen = group.is_some_and(|(_, header, _)| header.durable > end);
            }
            self.offset += BLOCK as u64;
            left = left.saturating_sub(BLOCK as u64);
        }
        self.enter(index);
        self.offset = offset;
        Ok(seen)
    }
}

/// Buffers that nobody reads any more: fresh memory for each read costs more than the read.
#[derive(Debug, Clone, Default)]
struct Spare(Arc<Mutex<Vec<IoBuf>>>);

impl Spare {
    /// More are given back to the system.
    const MOST: usize = 4;

    fn take(&self, len: usize) -> IoBuf {
        match self.0.lock().pop() {
            Some(mut buf) => {
                buf.resize(len);
                buf
            }
            None => IoBuf::zeroed(len),
        }
    }

    fn give(&self, buf: IoBuf) {
        let mut spare = self.0.lock();
        if spare.len() < Self::MOST && buf.capacity() <= READ {
            spare.push(buf);
        }
    }
}

/// Lends a buffer's memory to [`Bytes`].
struct Lent {
    buf: IoBuf,
    spare: Spare,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buf
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.spare.give(std::mem::replace(&mut self.buf, IoBuf::empty()));
    }
}

#[cfg(all(test, not(any(heddle_loom, heddle_shuttle))))]
mod tests;
