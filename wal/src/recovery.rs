//! Opening a log: which segments there are, what they say, and the step from reading to writing.
//!
//! What lies beyond the last position that a group calls durable may be in the cache of the
//! operating system and nowhere else: seen now, gone after the next loss of power. So before
//! anybody may build on it, [`Recovery::finish`] writes it again, into a segment that takes over
//! from there, and syncs that.
//!
//! # Invariants
//! - Y1: no record whose commit was acknowledged as durable is left out, or opening fails.
//! - Y2: records come in log order, each once, whole; of a record whose end is lost, or whose head
//!   was recycled, nothing comes.
//! - Y3: nothing is written or removed before `finish`; until then opening may be repeated.
//! - Y4: memory is bounded by the window, a group and the largest record.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use heddle_base::Timestamp;
use heddle_base::sync::Arc;
use heddle_base::sync::atomic::Ordering;
use heddle_io::{Env, IoBuf, OpenOptions};

use crate::flusher::{Flusher, Tail};
use crate::format::{
    BLOCK, EntryHeader, GROUP_HEADER, GroupHeader, Kind, NO_RESUME, SegmentHeader, VERSION,
    entry_at,
};
use crate::keeper::{self, Keeper};
use crate::log::{Inner, Log, Phase};
use crate::pack::{Packer, Pending};
use crate::scan::{self, Found, Group, Scanner};
use crate::segment::{self, Live, Names, Plan, Role};
use crate::{Error, Result};

/// No record is longer: the largest that [`crate::LogOptions::max_record_bytes`] allows.
const LONGEST: usize = 1 << 30;

/// A log that has been opened, and what it holds.
#[derive(Debug)]
pub struct Opened {
    /// The log; it accepts commits once the recovery is finished (and once activated, if it is
    /// idle).
    pub log: Log,
    /// The records since the last checkpoint and before.
    pub recovery: Recovery,
}

/// A record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovered {
    /// A commit.
    Commit {
        /// Its ticket.
        ticket: Timestamp,
        /// Its record.
        bytes: Bytes,
    },
    /// A control record.
    Control(Bytes),
}

/// What is known about the log; complete once [`Recovery::next`] has given `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// The database that the log belongs to; `None` if there is no log.
    pub database_id: Option<u64>,
    /// The last ticket that the log knows of.
    pub last: Timestamp,
    /// The last position that a group called durable.
    pub durable: u64,
    /// Where the log ends. If beyond `durable`, the rest is written again by `finish`.
    pub end: u64,
    /// Groups read.
    pub groups: u64,
    /// Bytes of groups read.
    pub bytes: u64,
}

/// Reads the log, then takes over from whoever wrote it.
pub struct Recovery {
    inner: Arc<Inner>,
    scanner: Scanner,
    facts: Facts,
    /// The group whose entries are being handed out, with the next entry's place and number.
    group: Option<(Group, usize, u32)>,
    /// Pieces of the record that is being read.
    pieces: BytesMut,
    records: Records,
    /// Whether the beginning of any record has been seen.
    begun: bool,
    /// Groups beyond the position called durable.
    tail: VecDeque<Group>,
    /// Start, and last ticket, of each segment with groups, by index.
    spans: Vec<(usize, u64, u64)>,
    ended: bool,
    /// The first error, which every later call gives again: what lies behind it is not to be built on.
    failed: Option<Error>,
}

/// Finds the segments of a database and checks their headers.
pub(crate) async fn survey(env: &Env, names: &Names) -> Result<Vec<Found>> {
    let mut numbers: Vec<u64> = Vec::new();
    for entry in env.io.list(names.dir()).await? {
        if let Some(Role::Segment(number)) = names.classify(&entry) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    let mut found: Vec<Found> = Vec::new();
    for number in numbers {
        let path = names.segment(number);
        let file = env.io.open(&path, OpenOptions::READ).await?;
        let len = file.len().await?;
        let (done, block) = file.read_at(IoBuf::zeroed(BLOCK), 0).await;
        let block = block.get(..done?).unwrap_or_default();
        let corrupt = |what| Error::Corrupt { path: path.clone(), offset: 0, what };
        let header = SegmentHeader::decode(block).ok_or_else(|| corrupt("no segment header"))?;
        if header.version > VERSION {
            return Err(Error::NewerFormat { path, found: header.version, known: VERSION });
        }
        if header.segment != number {
            return Err(corrupt("the header's number is not the name's"));
        }
        if number >= scan::LAST {
            return Err(corrupt("a segment's number that none can follow"));
        }
        if let Some(first) = found.first()
            && first.header.database_id != header.database_id
        {
            let expected = first.header.database_id;
            return Err(Error::Foreign { path, expected, found: header.database_id });
        }
        if header.capacity > len || header.window > 1 << 30 {
            return Err(corrupt("the file is shorter than its header says"));
        }
        if let Some(before) = found.last()
            && before.header.segment + 1 != number
            && header.resume == NO_RESUME
        {
            return Err(Error::MissingSegment { path: names.segment(before.header.segment + 1) });
        }
        found.push(Found { path, header });
    }
    Ok(found)
}

/// Memory for the records that are handed out: without the padding between groups, and not holding
/// what was read.
#[derive(Debug, Default)]
struct Records(BytesMut);

impl Records {
    /// So much is allocated at once.
    const BLOCK: usize = 256 << 10;

    /// A record from its last piece and those before, if there are any.
    fn whole(&mut self, pieces: &mut BytesMut, end: &[u8]) -> Bytes {
        if !pieces.is_empty() {
            pieces.extend_from_slice(end);
            return pieces.split().freeze();
        }
        if self.0.capacity() < end.len() {
            self.0 = BytesMut::with_capacity(end.len().max(Self::BLOCK));
        }
        self.0.extend_from_slice(end);
        self.0.split().freeze()
    }
}

impl Recovery {
    pub(crate) fn new(inner: Arc<Inner>, found: Vec<Found>) -> Self {
        let database_id = found.first().map(|found| found.header.database_id);
        Self {
            scanner: Scanner::new(&inner.env, found),
            inner,
            facts: Facts { database_id, ..Facts::default() },
            group: None,
            pieces: BytesMut::new(),
            records: Records::default(),
            begun: false,
            tail: VecDeque::new(),
            spans: Vec::new(),
            ended: false,
            failed: None,
        }
    }

    /// What is known so far.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// Whether there is no log at all.
    pub fn is_empty(&self) -> bool {
        self.facts.database_id.is_none()
    }

    /// Whether `finish` has to write records again, as far as is known.
    pub fn rewrites(&self) -> bool {
        self.tail.iter().any(|group| group.header.entries > 0)
    }

    /// The next record, in log order; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Corrupt`] and failures to read. After an error the log can't be finished.
    ///
    /// # Cancel safety
    /// Cancel-safe: no record is lost.
    pub async fn next(&mut self) -> Result<Option<Recovered>> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let read = self.read().await;
        self.failed = read.as_ref().err().cloned();
        read
    }

    async fn read(&mut self) -> Result<Option<Recovered>> {
        loop {
            if let Some(record) = self.next_in_group()? {
                return Ok(Some(record));
            }
            if self.ended {
                return Ok(None);
            }
            match self.scanner.next().await? {
                Some(group) => self.enter(group),
                None => self.ended = true,
            }
        }
    }

    fn enter(&mut self, group: Group) {
        let header = group.header;
        let facts = &mut self.facts;
        facts.last = Timestamp(header.last);
        facts.durable = facts.durable.max(header.durable);
        facts.end = header.lsn + header.padded();
        facts.groups += 1;
        facts.bytes += header.padded();
        match self.spans.last_mut() {
            Some((index, _, last)) if *index == group.segment => *last = header.last,
            _ => {
                // A record that began in the segment before reaches into this one.
                if let Some((_, _, last)) = self.spans.last_mut()
                    && !self.pieces.is_empty()
                {
                    *last = (*last).max(header.last);
                }
                self.spans.push((group.segment, header.lsn, header.last));
            }
        }
        // A segment that takes over repeats what it took over.
        while self.tail.back().is_some_and(|old| old.header.lsn >= header.lsn) {
            self.tail.pop_back();
        }
        self.tail.push_back(group.clone());
        let durable = facts.durable;
        while self.tail.front().is_some_and(|old| old.header.lsn + old.header.padded() <= durable) {
            self.tail.pop_front();
        }
        self.group = Some((group, GROUP_HEADER, 0));
    }

    /// The next record that ends in the group at hand.
    fn next_in_group(&mut self) -> Result<Option<Recovered>> {
        while let Some((group, at, number)) = &mut self.group {
            if *number == group.header.entries {
                let whole = *at == group.bytes.len();
                let group = self.group.take();
                if let Some((group, _, _)) = group.filter(|_| !whole) {
                    return Err(self.corrupt(&group, "bytes behind the last entry"));
                }
                return Ok(None);
            }
            let Some(entry) = entry_at(&group.bytes, *at) else {
                let group = group.clone();
                return Err(self.corrupt(&group, "an entry can't be read"));
            };
            let EntryHeader { kind, continued, delta } = entry.header;
            // Within the group: `entry_at` has seen to it.
            let payload = group.bytes.get(entry.payload.clone()).unwrap_or_default();
            let ticket = Timestamp(group.header.before + u64::from(delta));
            *at = entry.payload.end;
            *number += 1;
            let fault = match kind {
                // The log begins in the middle of a record: its head was recycled.
                _ if continued && !self.begun => continue,
                _ if continued == self.pieces.is_empty() => Some("pieces of a record are missing"),
                Kind::Commit if ticket.get() > group.header.last => {
                    Some("a ticket beyond the group's last")
                }
                Kind::Piece if self.pieces.len() + payload.len() > LONGEST => {
                    Some("a record without end")
                }
                _ => None,
            };
            if let Some(what) = fault {
                let group = group.clone();
                return Err(self.corrupt(&group, what));
            }
            self.begun = true;
            match kind {
                Kind::Commit => {
                    let bytes = self.records.whole(&mut self.pieces, payload);
                    return Ok(Some(Recovered::Commit { ticket, bytes }));
                }
                Kind::Control => {
                    let bytes = self.records.whole(&mut self.pieces, payload);
                    return Ok(Some(Recovered::Control(bytes)));
                }
                Kind::Piece => self.pieces.extend_from_slice(payload),
                Kind::Forget => self.pieces.clear(),
            }
        }
        Ok(None)
    }

    fn corrupt(&self, group: &Group, what: &'static str) -> Error {
        let path = self.scanner.segments.get(group.segment).map(|found| found.path.clone());
        Error::Corrupt { path: path.unwrap_or_default(), offset: group.header.lsn, what }
    }

    /// Reads what is left, writes again what may not be on disk, and lets the log accept commits;
    /// tickets go on behind the last one. With no log it does nothing but that.
    ///
    /// # Errors
    /// Those of [`Recovery::next`]; [`Error::DiskFull`]. Opening may then be tried again.
    ///
    /// # Cancel safety
    /// Once it has begun to write, it is done in the background.
    pub async fn finish(mut self) -> Result<()> {
        while self.next().await?.is_some() {}
        let inner = Arc::clone(&self.inner);
        if self.is_empty() {
            return Keeper::call(&inner, {
                let inner = Arc::clone(&inner);
                async move { keeper::remove_leftovers(&inner).await }
            })
            .await;
        }
        Keeper::call(&inner, self.take_over()).await
    }

    async fn take_over(self) -> Result<()> {
        let inner = &self.inner;
        let Some(names) = &inner.names else { return Ok(()) };
        keeper::remove_leftovers(inner).await?;
        let segments = &self.scanner.segments;
        let number = segments.last().map_or(1, |found| found.header.segment + 1);
        let (groups, tail, resume) = self.rewritten(number);
        let used = groups.len() as u64 + BLOCK as u64;
        let capacity = inner.options.first_segment_bytes.max(2 * used).next_multiple_of(4096);
        let plan = Plan {
            number,
            database_id: self.facts.database_id.unwrap_or(0),
            capacity,
            window: inner.options.window_bytes.max(self.window()),
            resume,
        };
        let made = segment::make(&inner.env, names, plan, None, groups).await;
        let segment = made.map_err(keeper::full_or)?;
        // Segments that lie beyond the takeover altogether hold nothing any more.
        let mut live: VecDeque<Live> = VecDeque::new();
        for (index, start, last) in self.spans.iter().copied().filter(|span| span.1 < resume) {
            let Some(found) = segments.get(index) else { continue };
            let (number, capacity) = (found.header.segment, found.header.capacity);
            live.push_back(Live { number, capacity, start, last: Some(last) });
        }
        // The newest first, each durably before the next: a hole may be before the segment that takes over and nowhere else,
        // whatever a crash keeps.
        for found in segments.iter().rev() {
            if live.iter().all(|live| live.number != found.header.segment) {
                inner.env.io.remove(&found.path).await?;
                inner.env.io.sync_dir(names.dir()).await?;
            }
        }
        live.push_back(Live { number, capacity, start: resume, last: None });
        inner.start.store(live.front().map_or(resume, |live| live.start), Ordering::Release);
        begin(inner, segment, tail, live, plan);
        Ok(())
    }

    fn window(&self) -> u64 {
        self.scanner.segments.last().map_or(0, |found| found.header.window)
    }

    /// The groups beyond the durable position as groups of segment `number`, and a seal; and the
    /// position of the first of them. A seal at the end gives way to ours.
    fn rewritten(&self, number: u64) -> (IoBuf, Tail, u64) {
        let durable = self.facts.durable;
        let total: u64 = self.tail.iter().map(|group| group.header.padded()).sum();
        let mut all = IoBuf::zeroed(total as usize + BLOCK);
        let mut at = 0;
        // What stands before: the group that ends at the durable position.
        let first = self.tail.front().map(|group| group.header);
        let (mut previous, mut sequence, mut lsn, mut last) = match (first, self.scanner.last()) {
            (Some(first), _) => (first.previous, first.sequence, first.lsn, first.before),
            (None, Some((header, crc))) => {
                (crc, header.sequence + 1, header.lsn + header.padded(), header.last)
            }
            (None, None) => (0, 1, durable, 0),
        };
        let resume = lsn;
        let mut put = |buf: IoBuf| {
            if let Some(place) = all.get_mut(at..at + buf.len()) {
                place.copy_from_slice(&buf);
            }
            at += buf.len();
        };
        let seal = |group: &&Group| group.header.seal && group.header.entries == 0;
        let skipped = usize::from(self.tail.back().as_ref().is_some_and(seal));
        for group in self.tail.iter().take(self.tail.len() - skipped) {
            let mut buf = IoBuf::copy_of(&group.bytes);
            let header = GroupHeader { previous, generation: number, durable, ..group.header };
            previous = header.finish(&mut buf);
            put(buf);
            sequence += 1;
            lsn += header.padded();
            last = header.last;
        }
        let mut packer = Packer::new(IoBuf::zeroed(BLOCK), BLOCK, last);
        if !self.pieces.is_empty() {
            packer.forget();
        }
        // True as soon as anybody can read it: the segment gets its name when it is synced.
        let header = GroupHeader {
            previous,
            generation: number,
            sequence,
            lsn,
            durable: lsn,
            last,
            seal: true,
            ..GroupHeader::default()
        };
        let (buf, crc) = packer.finish(header);
        put(buf);
        lsn += BLOCK as u64;
        let offset = at as u64 + BLOCK as u64;
        all.resize(at);
        (all, Tail { offset, lsn, sequence: sequence + 1, crc, last }, resume)
    }
}

/// Makes the first segment, with a control record in it.
pub(crate) async fn activate(
    inner: &Arc<Inner>,
    database_id: u64,
    first_control: Vec<u8>,
) -> Result<()> {
    match (inner.phase(), &inner.names) {
        (Phase::Idle, Some(names)) => {
            let last = inner.ring.drawn();
            let (groups, tail) = first_groups(inner, first_control, last);
            let used = groups.len() as u64 + BLOCK as u64;
            let plan = Plan {
                number: 1,
                database_id,
                capacity: inner.options.first_segment_bytes.max(2 * used),
                window: inner.options.window_bytes,
                resume: NO_RESUME,
            };
            let made = segment::make(&inner.env, names, plan, None, groups).await;
            let segment = made.map_err(keeper::full_or)?;
            let capacity = plan.capacity;
            let live = VecDeque::from([Live { number: 1, capacity, start: 0, last: None }]);
            begin(inner, segment, tail, live, plan);
            Ok(())
        }
        (Phase::Closed, _) => Err(inner.failure().unwrap_or(Error::Closed)),
        (Phase::Recovering, _) => Err(Error::Idle),
        (Phase::Active | Phase::Idle, _) => Err(Error::AlreadyActive),
    }
}

fn first_groups(inner: &Inner, control: Vec<u8>, last: u64) -> (IoBuf, Tail) {
    let limit = inner.options.group_bytes;
    let mut tail = Tail { offset: BLOCK as u64, lsn: 0, sequence: 1, crc: 0, last };
    let mut all = Vec::new();
    let (kind, bytes) = (Kind::Control, control.into());
    let mut rest = Some(Pending { ticket: last, kind, bytes, continued: false });
    while let Some(record) = rest {
        let mut packer = Packer::new(IoBuf::zeroed(BLOCK), limit, last);
        rest = packer.add(record);
        let header = GroupHeader {
            previous: tail.crc,
            generation: 1,
            sequence: tail.sequence,
            lsn: tail.lsn,
            durable: tail.lsn,
            last,
            ..GroupHeader::default()
        };
        let (buf, crc) = packer.finish(header);
        all.extend_from_slice(&buf);
        tail.crc = crc;
        tail.sequence += 1;
        tail.lsn += buf.len() as u64;
        tail.offset += buf.len() as u64;
    }
    (IoBuf::copy_of(&all), tail)
}

/// From here on the log accepts commits.
fn begin(
    inner: &Arc<Inner>,
    segment: segment::Segment,
    tail: Tail,
    live: VecDeque<Live>,
    plan: Plan,
) {
    {
        let mut table = inner.table.lock();
        table.live = live;
        table.next_number = plan.number + 1;
        table.database_id = plan.database_id;
    }
    inner.start_after(tail.last);
    let free = (segment.capacity - tail.offset) / BLOCK as u64;
    inner.counters.segments_made.add(1);
    Flusher::start(inner, segment, tail, true);
    inner.budget.give(0, free);
    inner.enter(Phase::Active);
    Keeper::poke(inner);
}

impl std::fmt::Debug for Recovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recovery({:?})", self.facts)
    }
}
