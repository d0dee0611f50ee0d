//! The flusher: the one owner of the log's tail. It packs the filled prefix of the ring into
//! groups, writes them, and says how far they are on disk.
//!
//! Woken by committers through [`crate::bell`]; takes from [`crate::ring`]; raises
//! [`crate::watermark`]s; takes segments that [`crate::keeper`] has prepared.
//!
//! # Invariants
//! - P1: groups land in order: a watermark passes a group only when all before it have landed.
//! - P2: no group begins more than the window beyond the position known durable.
//! - P3: what was written without being durable is synced before anything after it is called
//!   durable.
//! - P4: after a failed write or sync nothing is written any more; slots are emptied all the same.
//!
//! # Routes
//! With nothing in flight a group goes by `write_durable_here` on the flusher's own thread: no
//! hop. With several, each goes by `write_durable_at`. A group without any FULL commit is copied
//! into the cache of the OS.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll};
use std::time::Duration;

use heddle_base::sync::Arc;
use heddle_base::sync::atomic::Ordering;
use heddle_base::sync::hint::spin_loop;
use heddle_io::{BoxFuture, File, IoBuf};

use crate::format::{BLOCK, GroupHeader};
use crate::keeper::Keeper;
use crate::log::{Filled, Inner};
use crate::pack::{Packer, Pending};
use crate::segment::{Live, Segment};
use crate::{Durability, Error};

/// Buffers kept for reuse.
const BUFFERS: usize = 16;

/// Where the next group goes, and what it follows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tail {
    /// Bytes of the segment in use, header included.
    pub(crate) offset: u64,
    pub(crate) lsn: u64,
    pub(crate) sequence: u64,
    pub(crate) crc: u32,
    /// Last ticket in a group.
    pub(crate) last: u64,
}

/// See the module.
pub(crate) struct Flusher {
    inner: Arc<Inner>,
    segment: Segment,
    tail: Tail,
    /// Last ticket taken out of the ring.
    taken: u64,
    /// A record of which a part has been packed.
    carry: Option<(Pending, Durability, u64)>,
    flights: VecDeque<Flight>,
    depth: usize,
    /// Commits in the group before.
    before: u64,
    /// Everything below is on disk.
    durable_lsn: u64,
    /// Files with writes that are not synced (P3).
    dirty: Vec<StdArc<dyn File>>,
    /// When the dirty files are to be synced.
    sync_due: Option<Duration>,
    /// Blocks reserved by packed records less blocks written.
    balance: i64,
    buffers: Vec<IoBuf>,
    sealed: bool,
    last_work: Duration,
    timer: Option<BoxFuture<'static, ()>>,
    ended: bool,
}

/// A group on its way.
struct Flight {
    last: u64,
    end: u64,
    durable: bool,
    /// It has a commit that is to be on disk, and waits for a sync.
    unsynced: bool,
    started: Duration,
    state: Progress,
}

enum Progress {
    Running(Pin<Box<dyn Future<Output = (heddle_io::Result<()>, IoBuf)> + Send>>),
    Landed,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Group,
    Sync,
    Seal,
    End,
}

impl Flusher {
    /// Starts the flusher behind `tail` in `segment`.
    pub(crate) fn start(inner: &Arc<Inner>, segment: Segment, tail: Tail, sealed: bool) {
        inner.end.store(tail.lsn, Ordering::Release);
        let flusher = Self {
            inner: Arc::clone(inner),
            segment,
            tail,
            taken: tail.last,
            carry: None,
            flights: VecDeque::new(),
            depth: 1,
            before: 0,
            durable_lsn: tail.lsn,
            dirty: Vec::new(),
            sync_due: None,
            balance: 0,
            buffers: Vec::new(),
            sealed,
            last_work: inner.env.runtime.now(),
            timer: None,
            ended: false,
        };
        let runtime = StdArc::clone(&inner.env.runtime);
        runtime.spawn_dedicated("heddle-flusher", Box::pin(flusher.run()));
    }

    async fn run(mut self) {
        self.inner.env.runtime.hasten();
        loop {
            match self.next().await {
                Next::Group => self.group().await,
                Next::Sync => self.sync().await,
                Next::Seal => self.seal().await,
                Next::End => break,
            }
        }
        if !self.sealed && !self.inner.is_failed() {
            self.seal().await;
        }
        self.ended = true;
        self.inner.fail(Error::Closed);
        self.inner.ended.raise(1);
        self.inner.ended.notify();
    }

    // ---- what to do next ----

    async fn next(&mut self) -> Next {
        self.settle();
        if let Some(next) = self.decide(None) {
            return next;
        }
        if self.flights.is_empty()
            && let Some(next) = self.spin()
        {
            return next;
        }
        self.rescue();
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Work that is there now. What is due by time is looked at only if the time is given.
    fn decide(&self, now: Option<Duration>) -> Option<Next> {
        let inner = &self.inner;
        let has_work = self.carry.is_some() || inner.ring.installed().get() > self.taken;
        if inner.is_failed() {
            let over = inner.closing.load(Ordering::Acquire) && self.flights.is_empty();
            return if has_work { Some(Next::Group) } else { over.then_some(Next::End) };
        }
        let room = self.allowance() >= BLOCK as u64;
        if has_work && room && self.flights.len() < self.depth {
            return Some(Next::Group);
        }
        if !self.flights.is_empty() {
            return None;
        }
        // Who drew before the end still fills, and is served.
        let filled = inner.ring.drawn() == inner.ring.installed().get();
        let closing = inner.closing.load(Ordering::Acquire) && filled;
        if !self.dirty.is_empty() {
            let wanted = inner.sync_wanted.load(Ordering::Acquire) > inner.durable.get();
            let due = now.zip(self.sync_due).is_some_and(|(now, due)| now >= due);
            return (wanted || due || closing || has_work).then_some(Next::Sync);
        }
        if closing {
            return Some(Next::End);
        }
        let idle = |now| now >= self.last_work + inner.options.seal_after;
        (!self.sealed && now.is_some_and(idle)).then_some(Next::Seal)
    }

    /// Looks for work for a while without sleeping: to be woken costs more.
    fn spin(&self) -> Option<Next> {
        let runtime = &self.inner.env.runtime;
        if !runtime.may_spin() {
            return None;
        }
        let mut spinning = self.inner.spin.begin(runtime.now(), self.inner.options.spin)?;
        loop {
            for _ in 0..32 {
                spin_loop();
            }
            match self.decide(None) {
                Some(next) => return Some(next),
                None if spinning.goes_on(runtime.now()) => {}
                None => return None,
            }
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if self.poll_flights(cx) {
            self.settle();
        }
        let mut now = None;
        loop {
            if let Some(next) = self.decide(now) {
                return Poll::Ready(next);
            }
            let inner = Arc::clone(&self.inner);
            inner.bell.arm(cx);
            if let Some(next) = self.decide(now) {
                inner.bell.disarm();
                return Poll::Ready(next);
            }
            if now.is_some() || !self.poll_timer(cx) {
                return Poll::Pending;
            }
            now = Some(inner.env.runtime.now());
        }
    }

    /// Whether the time has come to look what is due. One timer at most runs, and it is not
    /// stopped when work comes: a lone writer must not pay for starting one each time.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let idle = self.inner.options.seal_after;
        let seal = (!self.sealed && self.dirty.is_empty()).then_some(self.last_work + idle);
        let Some(due) = self.sync_due.or(seal).filter(|_| self.flights.is_empty()) else {
            return false;
        };
        let runtime = &self.inner.env.runtime;
        loop {
            if let Some(timer) = &mut self.timer
                && timer.as_mut().poll(cx).is_pending()
            {
                return false;
            }
            self.timer = None;
            let now = runtime.now();
            if now >= due {
                return true;
            }
            self.timer = Some(runtime.sleep(due - now));
        }
    }

    // ---- groups ----

    /// How much may be written before more is known durable (P2).
    fn allowance(&self) -> u64 {
        let limit = self.durable_lsn + self.inner.options.window_bytes;
        limit.saturating_sub(self.tail.lsn)
    }

    /// Packs and writes one group out of what is there.
    async fn group(&mut self) {
        if self.inner.is_failed() {
            return self.drain();
        }
        if self.segment.capacity == self.tail.offset && !self.next_segment() {
            return;
        }
        let room = self.segment.capacity - self.tail.offset;
        let limit = (self.inner.options.group_bytes as u64).min(room).min(self.allowance());
        let limit = limit as usize / BLOCK * BLOCK;
        let buf = self.buffers.pop().unwrap_or_else(|| IoBuf::zeroed(BLOCK));
        let mut packer = Packer::new(buf, limit, self.tail.last);
        let packed = self.fill(&mut packer);
        let waiting = self.inner.ring.installed().get() - self.taken;
        self.adapt(packed.commits, waiting);
        if packer.is_empty() {
            return self.pass(packed.last);
        }
        let (buf, end) = self.finish(packer, packed.last, false);
        self.inner.counters.commits.add(packed.commits);
        self.before = packed.commits;
        self.sealed = false;
        self.write(buf, end, packed).await;
        self.last_work = self.inner.env.runtime.now();
    }

    /// Empties slots into the packer until it is full or nothing is left.
    fn fill(&mut self, packer: &mut Packer) -> Packed {
        let mut packed = Packed { last: self.tail.last, level: Durability::Off, commits: 0 };
        let installed = self.inner.ring.installed().get();
        let mut slots = 0;
        loop {
            let (record, level, blocks) = match self.carry.take() {
                Some(carry) => carry,
                None if self.taken == installed => break,
                None => {
                    self.taken += 1;
                    slots += 1;
                    match self.inner.ring.take(self.taken) {
                        None => {
                            packed.last = self.taken;
                            continue;
                        }
                        Some(Filled { bytes, kind, level, blocks }) => {
                            let (ticket, continued) = (self.taken, false);
                            (Pending { ticket, kind, bytes, continued }, level, blocks)
                        }
                    }
                }
            };
            packed.level = packed.level.max(level);
            let ticket = record.ticket;
            if let Some(rest) = packer.add(record) {
                self.carry = Some((rest, level, blocks));
                break;
            }
            packed.commits += 1;
            packed.last = ticket;
            self.balance += blocks as i64;
        }
        self.inner.budget.give(slots, 0);
        packed
    }

    /// Completes a group at the tail; gives its bytes and the position behind it.
    fn finish(&mut self, packer: Packer, last: u64, seal: bool) -> (IoBuf, u64) {
        let tail = &mut self.tail;
        let header = GroupHeader {
            previous: tail.crc,
            generation: self.segment.number,
            sequence: tail.sequence,
            lsn: tail.lsn,
            durable: self.durable_lsn,
            last,
            seal,
            ..GroupHeader::default()
        };
        let (buf, crc) = packer.finish(header);
        let bytes = buf.len() as u64;
        tail.crc = crc;
        tail.sequence += 1;
        tail.lsn += bytes;
        tail.offset += bytes;
        tail.last = last;
        self.balance -= (bytes / BLOCK as u64) as i64;
        if self.balance > 0 {
            self.inner.budget.give(0, self.balance as u64);
            self.balance = 0;
        }
        self.inner.end.store(tail.lsn, Ordering::Release);
        self.inner.counters.groups.add(1);
        self.inner.counters.bytes.add(bytes);
        (buf, tail.lsn)
    }

    /// Voids alone: nothing to write.
    fn pass(&mut self, last: u64) {
        self.tail.last = last;
        let started = self.inner.env.runtime.now();
        let durable = self.dirty.is_empty();
        let (end, state) = (self.tail.lsn, Progress::Landed);
        self.flights.push_back(Flight { last, end, durable, unsynced: false, started, state });
    }

    /// Takes the next prepared segment. There is one: whoever reserved, reserved blocks in it.
    fn next_segment(&mut self) -> bool {
        let mut table = self.inner.table.lock();
        let Some(next) = table.prepared.pop_front() else {
            drop(table);
            let what = std::io::Error::other("no segment is prepared");
            let path = self.segment.file.path();
            self.inner.poison(heddle_io::Error::new(heddle_io::Operation::Write, path, what));
            return false;
        };
        if let Some(live) = table.live.back_mut() {
            live.last = Some(self.taken);
        }
        let (number, capacity) = (next.number, next.capacity);
        table.live.push_back(Live { number, capacity, start: self.tail.lsn, last: None });
        drop(table);
        self.segment = next;
        self.tail.offset = BLOCK as u64;
        Keeper::poke(&self.inner);
        true
    }

    /// Deeper while commits queue up behind groups, shallower when groups go out half empty.
    fn adapt(&mut self, commits: u64, waiting: u64) {
        let most = self.inner.options.max_in_flight;
        if waiting > commits.max(self.before) {
            self.depth = (self.depth + 1).min(most);
        } else if commits < self.before / 2 {
            self.depth = (self.depth - 1).max(1);
        }
    }

    async fn write(&mut self, buf: IoBuf, end: u64, packed: Packed) {
        let started = self.inner.env.runtime.now();
        let offset = self.tail.offset - buf.len() as u64;
        let file = StdArc::clone(&self.segment.file);
        let full = packed.level == Durability::Full;
        let flight = |durable: bool, state| {
            let unsynced = full && !durable;
            Flight { last: packed.last, end, durable, unsynced, started, state }
        };
        if !full || !self.dirty.is_empty() {
            let (done, buf) = file.write_here(buf, offset).await;
            self.keep(buf);
            if let Err(error) = done {
                return self.inner.poison(error);
            }
            self.soil(file, packed.level, started);
            self.flights.push_back(flight(false, Progress::Landed));
            if full {
                self.sync().await;
            }
            return;
        }
        heddle_base::when_planted!("early-watermark", {
            self.raise(Some(packed.last), Some(packed.last));
        });
        self.inner.counters.syncs.add(1);
        if self.flights.is_empty() && self.depth == 1 {
            let (done, buf) = if heddle_base::planted!("missing-sync") {
                file.write_here(buf, offset).await
            } else {
                file.write_durable_here(buf, offset).await
            };
            self.keep(buf);
            match done {
                Ok(()) => self.flights.push_back(flight(true, Progress::Landed)),
                Err(error) => self.inner.poison(error),
            }
            return;
        }
        let write = async move { file.write_durable_at(buf, offset).await };
        self.flights.push_back(flight(true, Progress::Running(Box::pin(write))));
        self.inner.counters.max_in_flight.max(self.flights.len() as u64);
        // Begun now, not when this task next sleeps.
        poll_fn(|cx| {
            self.poll_flights(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Notes that a file holds writes that are not synced.
    fn soil(&mut self, file: StdArc<dyn File>, level: Durability, now: Duration) {
        if !self.dirty.iter().any(|other| StdArc::ptr_eq(other, &file)) {
            self.dirty.push(file);
        }
        if level == Durability::Normal && self.sync_due.is_none() {
            self.sync_due = Some(now + self.inner.options.normal_sync_interval);
        }
    }

    fn keep(&mut self, buf: IoBuf) {
        if self.buffers.len() < BUFFERS && buf.capacity() > 0 {
            self.buffers.push(buf);
        }
    }

    // ---- landing ----

    /// Whether any group in flight has landed.
    fn poll_flights(&mut self, cx: &mut Context<'_>) -> bool {
        let mut landed = false;
        for at in 0..self.flights.len() {
            let Some(flight) = self.flights.get_mut(at) else { break };
            let Progress::Running(write) = &mut flight.state else { continue };
            let Poll::Ready((done, buf)) = write.as_mut().poll(cx) else { continue };
            flight.state = Progress::Landed;
            landed = true;
            if let Err(error) = done {
                self.inner.poison(error);
            }
            self.keep(buf);
        }
        landed
    }

    /// Raises the watermarks over the groups that have landed (P1).
    fn settle(&mut self) {
        let failed = self.inner.is_failed();
        let mut raised = (None, None);
        while let Some(Flight { state: Progress::Landed, .. }) = self.flights.front() {
            let Some(flight) = self.flights.pop_front() else { break };
            if failed {
                continue;
            }
            // Beyond it nothing counts as done as asked, until the sync that follows.
            if !flight.unsynced {
                raised.0 = Some(flight.last);
            }
            if flight.durable {
                raised.1 = Some(flight.last);
                self.durable_lsn = flight.end;
            }
            let took = (self.inner.env.runtime.now() - flight.started).as_nanos() as u64;
            let usual = self.inner.group_time.load(Ordering::Relaxed);
            self.inner.group_time.store((7 * usual + took) / 8, Ordering::Relaxed);
        }
        self.raise(raised.0, raised.1);
    }

    fn raise(&self, written: Option<u64>, durable: Option<u64>) {
        let inner = &self.inner;
        written.into_iter().for_each(|to| inner.written.raise(to));
        if let Some(to) = durable {
            inner.durable.raise(to);
            inner.durable.notify();
        }
        if written.is_some() {
            inner.written.notify();
        }
    }

    /// Wakes those whom a handoff has left lying.
    fn rescue(&self) {
        for mark in [&self.inner.durable, &self.inner.written] {
            if mark.is_handed() {
                self.inner.counters.rescues.add(u64::from(mark.rescue() > 0));
            }
        }
    }

    /// Waits for all that is in flight, then makes all that was written durable (P3).
    async fn sync(&mut self) {
        poll_fn(|cx| {
            self.poll_flights(cx);
            let running = |flight: &Flight| matches!(flight.state, Progress::Running(_));
            if self.flights.iter().any(running) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        self.settle();
        self.sync_due = None;
        for file in std::mem::take(&mut self.dirty) {
            if self.inner.is_failed() {
                return;
            }
            self.inner.counters.syncs.add(1);
            if let Err(error) = file.sync_data().await {
                return self.inner.poison(error);
            }
        }
        if !self.inner.is_failed() {
            self.durable_lsn = self.tail.lsn;
            let last = Some(self.tail.last);
            self.raise(last, last);
        }
    }

    /// Writes the group that says that all before it is on disk. Only with nothing in flight and
    /// nothing unsynced; where there is no room it is left out.
    async fn seal(&mut self) {
        self.sealed = true;
        if !self.inner.budget.try_take_blocks(1) {
            return;
        }
        self.balance += 1;
        if self.segment.capacity == self.tail.offset && !self.next_segment() {
            return;
        }
        let buf = self.buffers.pop().unwrap_or_else(|| IoBuf::zeroed(BLOCK));
        let packer = Packer::new(buf, BLOCK, self.tail.last);
        let (buf, end) = self.finish(packer, self.tail.last, true);
        let offset = self.tail.offset - buf.len() as u64;
        self.inner.counters.syncs.add(1);
        let (done, buf) = self.segment.file.write_durable_here(buf, offset).await;
        self.keep(buf);
        match done {
            Ok(()) => self.durable_lsn = end,
            Err(error) => self.inner.poison(error),
        }
    }

    /// P4: empties the ring so that nobody waits for a slot or for `installed`.
    fn drain(&mut self) {
        self.carry = None;
        let installed = self.inner.ring.installed().get();
        let mut slots = 0;
        while self.taken < installed {
            self.taken += 1;
            slots += 1;
            drop(self.inner.ring.take(self.taken));
        }
        self.inner.budget.give(slots, 0);
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        if !self.ended {
            let what = std::io::Error::other("the flusher ended before its time");
            let path = self.segment.file.path();
            self.inner.poison(heddle_io::Error::new(heddle_io::Operation::Write, path, what));
            self.inner.ended.raise(1);
            self.inner.ended.notify();
        }
    }
}

/// What went into a group.
struct Packed {
    last: u64,
    level: Durability,
    commits: u64,
}
