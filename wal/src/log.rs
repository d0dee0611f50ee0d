//! The log as its users hold it: reserve, draw, fill, wait.
//!
//! # Invariants
//! W1 to W4 of the crate. Besides:
//! - W5: a permit or a ticket that is dropped gives back what it holds; a dropped ticket is void.
//! - W6: every wait on the log's own tasks ends, with an error at the latest when they have ended.

use std::fmt;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_utils::CachePadded;
use heddle_base::Timestamp;
use heddle_base::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use heddle_base::sync::{Arc, Mutex};
use heddle_io::Env;

use crate::bell::Bell;
use crate::budget::{Budget, blocks_for};
use crate::format::Kind;
use crate::keeper::Keeper;
use crate::metrics::Counters;
use crate::recovery::{self, Opened, Recovery};
use crate::ring::Ring;
use crate::segment::{Names, Role, Table};
use crate::spin::Spin;
use crate::watermark::Watermark;
use crate::{Durability, Error, LogOptions, Metrics, Result};

/// A record in its slot.
#[derive(Debug)]
pub(crate) struct Filled {
    pub(crate) bytes: Bytes,
    pub(crate) kind: Kind,
    pub(crate) level: Durability,
    /// Blocks reserved for it.
    pub(crate) blocks: u64,
}

/// Where a log is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Recovery has not been finished.
    Recovering,
    /// There is no segment.
    Idle,
    /// Commits are accepted.
    Active,
    /// No more.
    Closed,
}

/// What the handles, the flusher and the keeper share.
pub(crate) struct Inner {
    pub(crate) env: Env,
    pub(crate) options: LogOptions,
    /// `None`: nothing is written, installed is durable.
    pub(crate) names: Option<Names>,
    pub(crate) ring: Ring<Filled>,
    pub(crate) budget: Budget,
    pub(crate) written: Watermark,
    pub(crate) durable: Watermark,
    /// Raised to 1 when the flusher has ended.
    pub(crate) ended: Watermark,
    /// The largest ticket acknowledged at a weaker level.
    weak: CachePadded<AtomicU64>,
    phase: AtomicU8,
    pub(crate) closing: AtomicBool,
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
    /// The flusher's.
    pub(crate) bell: Bell,
    /// Everything up to here is to become durable, whatever its level.
    pub(crate) sync_wanted: AtomicU64,
    /// Whether anything was ever reserved below FULL.
    any_weak: AtomicBool,
    pub(crate) keeper: Keeper,
    pub(crate) table: Mutex<Table>,
    /// Position of the end, and of the first segment's start.
    pub(crate) end: AtomicU64,
    pub(crate) start: AtomicU64,
    /// Nanoseconds that a group took of late, from packing to landing.
    pub(crate) group_time: AtomicU64,
    pub(crate) spin: Spin,
    spinning: AtomicBool,
    pub(crate) counters: Counters,
}

/// A handle on the log. Clones are the same log; when the last one goes, the log's tasks write
/// what was drawn and end.
#[derive(Clone)]
pub struct Log(Arc<Handle>);

struct Handle(Arc<Inner>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close_down();
    }
}

impl Inner {
    fn new(env: &Env, names: Option<Names>, options: LogOptions, phase: Phase) -> Arc<Self> {
        let options = options.checked();
        Arc::new(Self {
            env: env.clone(),
            names,
            ring: Ring::new(options.ring_slots),
            budget: Budget::new(options.ring_slots),
            written: Watermark::new(0),
            durable: Watermark::new(0),
            ended: Watermark::new(0),
            weak: CachePadded::new(AtomicU64::new(0)),
            phase: AtomicU8::new(phase as u8),
            closing: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            failure: Mutex::new(None),
            bell: Bell::default(),
            sync_wanted: AtomicU64::new(0),
            any_weak: AtomicBool::new(false),
            keeper: Keeper::default(),
            table: Mutex::new(Table::default()),
            end: AtomicU64::new(0),
            start: AtomicU64::new(0),
            group_time: AtomicU64::new(0),
            spin: Spin::default(),
            spinning: AtomicBool::new(false),
            counters: Counters::default(),
            options,
        })
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Recovering,
            1 => Phase::Idle,
            2 => Phase::Active,
            _ => Phase::Closed,
        }
    }

    /// Moves on to a later phase; never back.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// Lets tickets go on after `last`, all up to there being durable.
    pub(crate) fn start_after(&self, last: u64) {
        self.ring.start_after(last);
        self.written.raise(last);
        self.durable.raise(last);
    }

    /// W3: nothing new becomes durable, everybody who waits is told.
    pub(crate) fn poison(&self, error: heddle_io::Error) {
        tracing::error!(%error, "the log is poisoned");
        self.fail(Error::Poisoned(error));
    }

    /// Ends all waits with `error`, unless an earlier failure stands.
    pub(crate) fn fail(&self, error: Error) {
        let error = self.failure.lock().get_or_insert(error).clone();
        self.failed.store(true, Ordering::Release);
        self.written.fail();
        self.durable.fail();
        self.budget.fail_all(&error);
        self.bell.ring();
    }

    pub(crate) fn failure(&self) -> Option<Error> {
        if self.failed.load(Ordering::Acquire) { self.failure.lock().clone() } else { None }
    }

    #[inline]
    pub(crate) fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Why no reservation is possible, if so.
    fn refusal(&self) -> Option<Error> {
        match self.phase() {
            Phase::Active => self.failure(),
            Phase::Recovering | Phase::Idle => Some(Error::Idle),
            Phase::Closed => Some(self.failure().unwrap_or(Error::Closed)),
        }
    }

    fn close_down(&self) {
        self.enter(Phase::Closed);
        self.closing.store(true, Ordering::Release);
        self.budget.fail_all(&Error::Closed);
        self.bell.ring();
    }

    fn blocks(&self, bytes: usize) -> u64 {
        if self.names.is_some() { blocks_for(bytes) } else { 0 }
    }

    fn too_big(&self, bytes: usize) -> Option<Error> {
        let limit = self.options.max_record_bytes;
        (bytes > limit).then_some(Error::TooBig { bytes, limit })
    }

    fn fill(&self, ticket: u64, record: Option<Filled>) {
        let record = record.filter(|_| self.names.is_some());
        let steps = self.ring.fill(ticket, record);
        if steps == 0 {
            return;
        }
        self.ring.installed().notify();
        if self.names.is_some() {
            self.bell.ring();
        } else {
            self.budget.give(steps, 0);
        }
    }
}

impl Log {
    /// Opens the log of the database at `db_path`. Reads which segments there are, and writes
    /// nothing before [`Recovery::finish`]. Without any segment the log is idle.
    ///
    /// # Errors
    /// What [`Error`] says of segments that can't be ours; failures of the file system.
    ///
    /// # Cancel safety
    /// Dropping it leaves nothing behind.
    pub async fn open(env: &Env, db_path: &Path, options: LogOptions) -> Result<Opened> {
        let names = Names::of(db_path);
        let found = recovery::survey(env, &names).await?;
        let phase = if found.is_empty() { Phase::Idle } else { Phase::Recovering };
        let inner = Inner::new(env, Some(names), options, phase);
        let recovery = Recovery::new(Arc::clone(&inner), found);
        Ok(Opened { log: Log(Arc::new(Handle(inner))), recovery })
    }

    /// A log without files: what is installed counts as durable.
    pub fn in_memory(env: &Env, options: LogOptions) -> Log {
        Log(Arc::new(Handle(Inner::new(env, None, options, Phase::Active))))
    }

    fn inner(&self) -> &Inner {
        &self.0.0
    }

    /// The database it belongs to, beside which its files are; `None` if it is in memory.
    pub fn db_path(&self) -> Option<PathBuf> {
        self.inner().names.as_ref().map(Names::db_path)
    }

    /// Makes the first segment of an idle log, with a control record in it. After this the log
    /// accepts commits. Of a log in memory and of one that is active already see the errors.
    ///
    /// # Errors
    /// [`Error::AlreadyActive`]; [`Error::DiskFull`], after which it may be tried again.
    ///
    /// # Cancel safety
    /// Once begun it is done in the background.
    pub async fn activate(&self, database_id: u64, first_control: Vec<u8>) -> Result<()> {
        if self.inner().names.is_none() {
            return Ok(());
        }
        let inner = Arc::clone(&self.0.0);
        let work = async move { recovery::activate(&inner, database_id, first_control).await };
        self.kept(work).await
    }

    /// Lets the keeper do something, and waits for it.
    async fn kept<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        Keeper::call(&self.0.0, work).await
    }

    /// Whether commits are accepted, as far as activation goes.
    pub fn is_active(&self) -> bool {
        self.inner().phase() == Phase::Active
    }

    /// Remembers that weaker commits exist, so that who waits for FULL knows to ask for a sync.
    fn note_level(&self, level: Durability) {
        let any_weak = &self.inner().any_weak;
        if level < Durability::Full && !any_weak.load(Ordering::Relaxed) {
            any_weak.store(true, Ordering::SeqCst);
        }
    }

    /// A permit for one record of at most `bytes` bytes, if nothing has to be waited for. What
    /// stands in the way, [`Log::reserve`] waits for or tells.
    #[inline]
    pub fn try_reserve(&self, bytes: usize, level: Durability) -> Option<Permit> {
        self.note_level(level);
        let inner = self.inner();
        let blocks = inner.blocks(bytes);
        let open = inner.phase() == Phase::Active && !inner.is_failed();
        let granted = open && inner.too_big(bytes).is_none() && inner.budget.try_take(blocks);
        granted.then(|| self.permit(bytes, blocks, level))
    }

    /// A permit for one record of at most `bytes` bytes: all that can wait or fail of a commit.
    ///
    /// # Errors
    /// [`Error::TooBig`], [`Error::DiskFull`], [`Error::Idle`], [`Error::Poisoned`],
    /// [`Error::Closed`].
    ///
    /// # Cancel safety
    /// Dropping it leaves the line and gives back what it had.
    pub async fn reserve(&self, bytes: usize, level: Durability) -> Result<Permit> {
        self.note_level(level);
        if let Some(permit) = self.try_reserve(bytes, level) {
            return Ok(permit);
        }
        let inner = self.inner();
        if let Some(error) = inner.too_big(bytes).or_else(|| inner.refusal()) {
            return Err(error);
        }
        inner.counters.reserve_waits.add(1);
        let blocks = inner.blocks(bytes);
        let mut poked = false;
        let shared = &self.0.0;
        let mut taken = std::pin::pin!(inner.budget.taken(blocks, || inner.refusal()));
        poll_fn(|cx| {
            let polled = taken.as_mut().poll(cx);
            if polled.is_pending() && !poked {
                // In line first, so that the keeper sees what is wanted.
                poked = true;
                Keeper::poke(shared);
            }
            polled
        })
        .await?;
        Ok(self.permit(bytes, blocks, level))
    }

    fn permit(&self, bytes: usize, blocks: u64, level: Durability) -> Permit {
        let inner = Arc::clone(&self.0.0);
        Permit(Held { inner, bytes, blocks, level, stage: Stage::Reserved })
    }

    /// The last ticket drawn.
    #[inline]
    pub fn drawn(&self) -> Timestamp {
        Timestamp(self.inner().ring.drawn())
    }

    /// Every ticket up to here is published: committed or void.
    #[inline]
    pub fn installed(&self) -> Timestamp {
        Timestamp(self.inner().ring.installed().get())
    }

    /// Every commit up to here has been done as its level asks: the weaker ones are written, the
    /// [`Durability::Full`] ones on disk.
    #[inline]
    pub fn written(&self) -> Timestamp {
        let inner = self.inner();
        Timestamp(self.level_mark(inner, Durability::Off).get())
    }

    /// Every commit up to here is on disk.
    #[inline]
    pub fn durable(&self) -> Timestamp {
        let inner = self.inner();
        Timestamp(self.level_mark(inner, Durability::Full).get())
    }

    /// Plain reads may see up to here: nothing that could be taken back by a crash, but for what
    /// was acknowledged at a weaker level.
    #[inline]
    pub fn acked(&self) -> Timestamp {
        self.durable().max(Timestamp(self.inner().weak.load(Ordering::Acquire)))
    }

    fn level_mark<'a>(&self, inner: &'a Inner, level: Durability) -> &'a Watermark {
        match level {
            _ if inner.names.is_none() => inner.ring.installed(),
            Durability::Full => &inner.durable,
            Durability::Normal | Durability::Off => &inner.written,
        }
    }

    /// Ends when every ticket up to this one is published.
    ///
    /// # Errors
    /// [`Error::NeverDrawn`].
    ///
    /// # Cancel safety
    /// Dropping it changes nothing.
    pub async fn wait_installed(&self, ticket: Timestamp) -> Result<()> {
        if ticket > self.drawn() {
            return Err(Error::NeverDrawn(ticket));
        }
        // Never fails: whoever drew fills.
        let _ = self.inner().ring.installed().reached(ticket.get()).await;
        Ok(())
    }

    /// Acknowledges: ends when every commit up to this ticket has been done as its level asks,
    /// and for [`Durability::Full`] is on disk.
    ///
    /// # Errors
    /// [`Error::Poisoned`] and [`Error::Closed`] if that will not come; [`Error::NeverDrawn`].
    ///
    /// # Cancel safety
    /// Dropping it changes nothing: the commit stands.
    pub async fn wait(&self, ticket: Timestamp, level: Durability) -> Result<()> {
        let inner = self.inner();
        let mark = self.level_mark(inner, level);
        let target = ticket.get();
        if mark.get() < target {
            if ticket > self.drawn() {
                return Err(Error::NeverDrawn(ticket));
            }
            // The ticket may be another's, and weaker: then nobody else asks for its sync.
            if level == Durability::Full && inner.any_weak.load(Ordering::SeqCst) {
                inner.sync_wanted.fetch_max(target, Ordering::AcqRel);
                inner.bell.ring();
            }
            self.spin(mark, target).await;
            if mark.get() < target {
                inner.counters.waits.add(1);
            }
            let reached = mark.reached(target).await;
            reached.map_err(|_| inner.failure().unwrap_or(Error::Closed))?;
        }
        if level < Durability::Full {
            inner.weak.fetch_max(target, Ordering::AcqRel);
        }
        Ok(())
    }

    /// A lone committer keeps its core awake for as long as a group takes: to sleep and be woken
    /// costs as much as a fast disk does. Its executor polls others in between. One at a time.
    async fn spin(&self, mark: &Watermark, target: u64) {
        let inner = self.inner();
        let limit = inner.options.wait_spin;
        let usual = Duration::from_nanos(inner.group_time.load(Ordering::Relaxed));
        let alone = inner.ring.drawn() == target && mark.get() + 1 == target;
        let runtime = &inner.env.runtime;
        if !alone || usual > limit || !runtime.may_spin() {
            return;
        }
        let Some(mut spinning) = inner.spin.begin(runtime.now(), limit) else { return };
        let Some(_turn) = SpinTurn::take(&inner.spinning) else { return };
        poll_fn(|cx| {
            let over = mark.get() >= target || inner.is_failed() || inner.ring.drawn() != target;
            if over || !spinning.goes_on(runtime.now()) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Makes everything installed so far durable, whatever its level.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`].
    ///
    /// # Cancel safety
    /// Once begun it is done in the background.
    pub async fn sync(&self) -> Result<()> {
        let inner = self.inner();
        let target = self.installed().get();
        let mark = self.level_mark(inner, Durability::Full);
        if mark.get() >= target {
            return Ok(());
        }
        inner.sync_wanted.fetch_max(target, Ordering::AcqRel);
        inner.bell.ring();
        mark.reached(target).await.map_err(|_| inner.failure().unwrap_or(Error::Closed))
    }

    /// Adds a control record; on disk when this returns, with everything before it.
    ///
    /// # Errors
    /// Those of [`Log::reserve`] and [`Log::wait`].
    ///
    /// # Cancel safety
    /// Once it has been reserved it is done in the background.
    pub async fn append_control(&self, bytes: impl Into<Bytes> + Send) -> Result<()> {
        let bytes = bytes.into();
        let mut draw = self.reserve(bytes.len(), Durability::Full).await?.draw();
        let ticket = draw.ticket();
        draw.put(Kind::Control, bytes);
        drop(draw);
        self.wait(ticket, Durability::Full).await
    }

    /// Frees the segments whose commits are all at or below `cut`: they are kept for reuse or
    /// removed.
    ///
    /// # Errors
    /// Failures of the file system; what could not be freed is tried again next time.
    ///
    /// # Cancel safety
    /// Once begun it is done in the background.
    pub async fn recycle(&self, cut: Timestamp) -> Result<()> {
        if self.inner().names.is_none() {
            return Ok(());
        }
        let inner = Arc::clone(&self.0.0);
        self.kept(async move { crate::keeper::recycle(&inner, cut.get()).await }).await
    }

    /// Bytes that a recovery would read.
    pub fn log_bytes(&self) -> u64 {
        let inner = self.inner();
        let start = inner.start.load(Ordering::Acquire);
        inner.end.load(Ordering::Acquire).saturating_sub(start)
    }

    /// The failure that poisoned the log, if one did.
    pub fn poisoned(&self) -> Option<Error> {
        self.inner().failure().filter(|error| matches!(error, Error::Poisoned(_)))
    }

    /// Whether a failure poisoned the log. Costs one load while none did.
    #[inline]
    pub fn is_poisoned(&self) -> bool {
        self.inner().is_failed() && self.poisoned().is_some()
    }

    /// What the log has done so far.
    pub fn metrics(&self) -> Metrics {
        self.inner().counters.read()
    }

    /// Accepts nothing more, writes and syncs what was drawn, and ends the log's tasks. With
    /// `remove` its files go too, the oldest first.
    ///
    /// # Errors
    /// [`Error::Poisoned`] if not everything could be written; failures to remove.
    ///
    /// # Cancel safety
    /// Once begun the log ends in the background, but its files may stay.
    pub async fn close(&self, remove: bool) -> Result<()> {
        let inner = self.inner();
        let was_active = inner.phase() == Phase::Active || inner.table.lock().next_number > 0;
        inner.close_down();
        if inner.names.is_none() {
            return Ok(());
        }
        if was_active {
            let _ = inner.ended.reached(1).await;
        }
        let poisoned = self.poisoned();
        let remove = remove && poisoned.is_none();
        let inner = Arc::clone(&self.0.0);
        // Also where nothing is to be removed: a segment that is being prepared must not meet the next open.
        self.kept(
            async move { if remove { crate::keeper::remove_all(&inner).await } else { Ok(()) } },
        )
        .await?;
        poisoned.map_or(Ok(()), Err)
    }

    /// Removes all files of the log of the database at `db_path`, and so the commits since its
    /// last checkpoint. For a log that is not open.
    ///
    /// # Errors
    /// Failures of the file system.
    ///
    /// # Cancel safety
    /// Dropped in between, some files may be gone; calling it again removes the others.
    pub async fn discard(env: &Env, db_path: &Path) -> Result<()> {
        let names = Names::of(db_path);
        let entries = env.io.list(names.dir()).await?;
        let mut files: Vec<_> =
            entries.iter().filter_map(|entry| Some((names.classify(entry)?, entry))).collect();
        // Segments by their numbers, each durably before the next: no hole appears in the log, whatever a crash keeps.
        files.sort_by_key(|(role, _)| match role {
            Role::Segment(number) => *number,
            _ => u64::MAX,
        });
        for (_, entry) in files {
            env.io.remove(&names.dir().join(entry)).await?;
            env.io.sync_dir(names.dir()).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (phase, installed) = (self.inner().phase(), self.installed());
        write!(f, "Log({phase:?}, installed {installed}, durable {})", self.durable())
    }
}

/// One committer's turn to spin.
struct SpinTurn<'a>(&'a AtomicBool);

impl<'a> SpinTurn<'a> {
    fn take(flag: &'a AtomicBool) -> Option<Self> {
        (!flag.swap(true, Ordering::Acquire)).then_some(Self(flag))
    }
}

impl Drop for SpinTurn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// What a permit or a ticket holds, and gives back when it goes (W5).
struct Held {
    inner: Arc<Inner>,
    bytes: usize,
    blocks: u64,
    level: Durability,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    Reserved,
    Drawn,
    Filled,
}

impl Drop for Held {
    fn drop(&mut self) {
        match self.stage {
            Stage::Reserved => self.inner.budget.give(1, self.blocks),
            // The slot goes back when the flusher has emptied it.
            Stage::Drawn => self.inner.budget.give(0, self.blocks),
            Stage::Filled => {}
        }
    }
}

/// The right to draw one ticket and to fill it without waiting and without failing. Dropped, it
/// gives its reservation back.
#[must_use]
pub struct Permit(Held);

impl Permit {
    /// Draws the ticket.
    #[inline]
    pub fn draw(self) -> Draw {
        let mut held = self.0;
        let ticket = held.inner.ring.draw();
        held.stage = Stage::Drawn;
        Draw { held, ticket }
    }

    /// Bytes that may be filled.
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({} bytes)", self.0.bytes)
    }
}

/// A drawn ticket. Dropped unfilled, also by a panic, it is void.
#[must_use]
pub struct Draw {
    held: Held,
    ticket: u64,
}

impl Draw {
    /// The ticket.
    #[inline]
    pub fn ticket(&self) -> Timestamp {
        Timestamp(self.ticket)
    }

    /// Fills the slot with the commit's record. A record longer than was reserved for would break
    /// the promise to others that there is room for theirs: it poisons the log.
    #[inline]
    pub fn fill(mut self, record: impl Into<Bytes>) {
        self.put(Kind::Commit, record.into());
    }

    /// Leaves the slot void: the ticket never happened.
    pub fn void(self) {
        drop(self);
    }

    fn put(&mut self, kind: Kind, bytes: Bytes) {
        let Held { inner, blocks, level, bytes: reserved, stage } = &mut self.held;
        if bytes.len() > *reserved {
            let what = std::io::Error::other("a record is longer than its reservation");
            let path = inner.names.as_ref().map(|names| names.segment(0)).unwrap_or_default();
            inner.poison(heddle_io::Error::new(heddle_io::Operation::Write, &path, what));
            return;
        }
        *stage = Stage::Filled;
        let (level, blocks) = (*level, *blocks);
        inner.fill(self.ticket, Some(Filled { bytes, kind, level, blocks }));
    }
}

impl Drop for Draw {
    fn drop(&mut self) {
        if let Stage::Drawn = self.held.stage {
            self.held.inner.fill(self.ticket, None);
        }
    }
}

impl fmt::Debug for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Draw({:?})", self.ticket())
    }
}
