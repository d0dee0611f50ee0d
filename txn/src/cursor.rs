//! A walk over a transaction's view of a tree, both ways: its own writes over newer versions over
//! the base.
//!
//! A row that needs no I/O is handed over without a future and without a copy:
//! [`Cursor::try_next_with`], or [`Cursor::try_step`] and [`Cursor::row`]. Where there is nothing but
//! the base, and that is seen once for all (view V2), a step is the B-tree cursor's own.
//!
//! # Invariants
//! - C1: of equal keys the transaction's own write counts ([`crate::own`]), then the newer version, then
//!   the base.
//! - C2: the walk sees every write that its transaction makes ahead of it, and none behind it.
//! - C3: a step either hands over a row or changes nothing that can be seen: a future that is
//!   dropped while it waits leaves the walk where it was.
//! - C4: what was walked is noted in the read set up to the last key handed over, and to the bound
//!   once the walk has ended.

use std::cmp::Ordering;
use std::ops::Bound;

use bytes::Bytes;
use heddle_base::TreeId;
use heddle_btree::cursor::{Cursor as BaseCursor, RowPlace, Seek, Step as BaseStep};
use heddle_btree::key::{decode_rowid, encode_rowid};
use heddle_btree::tree::TreeKind;
use heddle_mvcc::{Direction, RunBlock};
use heddle_wal::run::RunPin;

use crate::base::PinnedPages;
use crate::error::Result;
use crate::own::OwnSide;
use crate::read_set::{OpenRange, Purpose, ReadSet};
use crate::runs::Lacking;
use crate::transaction::Transaction;
use crate::trees::TreeRef;
use crate::view::View;

/// What a step that does not wait came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<R> {
    /// What was made of the next row.
    Row(R),
    /// Await [`Cursor::load`], then step again.
    NeedsIo,
    /// There is no further row.
    End,
}

/// A walk over a range of keys. It belongs to the transaction that made it and is moved with it.
pub struct Cursor {
    bounds: Bounds,
    base: BaseSide,
    newer: NewerSide,
    own: OwnSide,
    /// The block of a run that the last step lacked.
    lacking: Option<Lacking>,
    /// Blocks of runs that were loaded since a step moved the walk.
    pins: Vec<RunPin>,
    note: Option<Note>,
    /// In a tree of rows: the last rowid within the bounds, in the walk's direction.
    last_row: Option<i64>,
    /// The last key passed, handed over or not.
    last: Vec<u8>,
    moved: bool,
    ended: bool,
    lent: Lent,
    /// The value lent, if it is a copy.
    held: Vec<u8>,
}

/// Where the row lies that the last step arrived at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lent {
    Nothing,
    /// Under the base's cursor.
    Base(RowPlace),
    /// In `last` and `held`.
    Held,
}

/// From where to where.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) tree: TreeId,
    pub(crate) direction: Direction,
    near: Bound<Bytes>,
    far: Bound<Bytes>,
}

impl Bounds {
    pub(crate) fn near(&self) -> Bound<&[u8]> {
        self.near.as_ref().map(|key| &**key)
    }

    pub(crate) fn far(&self) -> Bound<&[u8]> {
        self.far.as_ref().map(|key| &**key)
    }

    /// The last rowid within, if the keys are rowids and the far bound is one.
    fn last_row(&self) -> Option<i64> {
        let (step, end) = match self.direction {
            Direction::Forward => (-1, i64::MAX),
            Direction::Backward => (1, i64::MIN),
        };
        match &self.far {
            Bound::Unbounded => Some(end),
            Bound::Included(key) => decode_rowid(key),
            Bound::Excluded(key) => decode_rowid(key)?.checked_add(step),
        }
    }

    #[inline]
    pub(crate) fn holds(&self, key: &[u8]) -> bool {
        match (&self.far, self.direction) {
            (Bound::Unbounded, _) => true,
            (Bound::Included(far), Direction::Forward) => key <= &**far,
            (Bound::Excluded(far), Direction::Forward) => key < &**far,
            (Bound::Included(far), Direction::Backward) => key >= &**far,
            (Bound::Excluded(far), Direction::Backward) => key > &**far,
        }
    }

    /// Which key the walk meets first.
    #[inline]
    pub(crate) fn order(&self, a: &[u8], b: &[u8]) -> Ordering {
        match self.direction {
            Direction::Forward => a.cmp(b),
            Direction::Backward => b.cmp(a),
        }
    }
}

// ---- the base ----

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// Nothing was sought yet.
    Unsought,
    /// On an entry that is still to be handed over.
    Ready,
    /// On an entry that was.
    Passed,
    End,
}

struct BaseSide {
    /// `None`: the tree is empty in the base.
    cursor: Option<BaseCursor<PinnedPages>>,
    head: Head,
}

impl BaseSide {
    fn new(view: &View, tree: &TreeRef) -> Self {
        let cursor = view.tree(tree).map(|tree| tree.cursor(view.pages()));
        let head = if cursor.is_some() { Head::Unsought } else { Head::End };
        Self { cursor, head }
    }

    /// The next entry, `Step::Row` with key and value, to be passed by [`BaseSide::pass`].
    #[inline]
    fn peek(&mut self, bounds: &Bounds) -> Result<Step<(&[u8], &[u8])>> {
        let Some(cursor) = &mut self.cursor else { return Ok(Step::End) };
        match self.head {
            Head::Ready => {}
            Head::End => return Ok(Step::End),
            Head::Unsought => return Ok(Step::NeedsIo),
            Head::Passed => {
                let step = match bounds.direction {
                    Direction::Forward => cursor.try_next()?,
                    Direction::Backward => cursor.try_prev()?,
                };
                match step {
                    BaseStep::Row => self.head = Head::Ready,
                    BaseStep::NeedsIo => return Ok(Step::NeedsIo),
                    BaseStep::End => {
                        self.head = Head::End;
                        return Ok(Step::End);
                    }
                }
            }
        }
        match cursor.try_entry()? {
            None => Ok(Step::NeedsIo),
            Some((key, _)) if !bounds.holds(key) => {
                self.head = Head::End;
                Ok(Step::End)
            }
            Some(entry) => Ok(Step::Row(entry)),
        }
    }

    #[inline]
    fn pass(&mut self) {
        self.head = Head::Passed;
    }

    /// Goes on to the next row and passes it: its rowid, or `End` beyond `last`.
    #[inline]
    fn step_row(&mut self, direction: Direction, last: i64) -> Result<Step<RowPlace>> {
        let Some(cursor) = &mut self.cursor else { return Ok(Step::End) };
        match self.head {
            Head::Passed => {
                let step = match direction {
                    Direction::Forward => cursor.try_next()?,
                    Direction::Backward => cursor.try_prev()?,
                };
                match step {
                    BaseStep::Row => self.head = Head::Ready,
                    BaseStep::NeedsIo => return Ok(Step::NeedsIo),
                    BaseStep::End => self.head = Head::End,
                }
            }
            Head::Ready | Head::End => {}
            Head::Unsought => return Ok(Step::NeedsIo),
        }
        if self.head == Head::End {
            return Ok(Step::End);
        }
        let Some(row) = cursor.try_row()? else { return Ok(Step::NeedsIo) };
        let within = match direction {
            Direction::Forward => row.rowid <= last,
            Direction::Backward => row.rowid >= last,
        };
        self.head = if within { Head::Passed } else { Head::End };
        Ok(if within { Step::Row(row) } else { Step::End })
    }

    async fn load(&mut self, bounds: &Bounds) -> Result<()> {
        let Some(cursor) = &mut self.cursor else { return Ok(()) };
        match self.head {
            Head::Unsought => {
                let seek = match (bounds.direction, bounds.near()) {
                    (Direction::Forward, Bound::Unbounded) => Seek::First,
                    (Direction::Forward, Bound::Included(key)) => Seek::AtOrAfter(key),
                    (Direction::Forward, Bound::Excluded(key)) => Seek::After(key),
                    (Direction::Backward, Bound::Unbounded) => Seek::Last,
                    (Direction::Backward, Bound::Included(key)) => Seek::AtOrBefore(key),
                    (Direction::Backward, Bound::Excluded(key)) => Seek::Before(key),
                };
                self.head = if cursor.seek(seek).await? { Head::Ready } else { Head::End };
            }
            // The payload overflows.
            Head::Ready => drop(cursor.entry().await?),
            Head::Passed => cursor.load().await?,
            Head::End => {}
        }
        Ok(())
    }
}

// ---- newer versions ----

/// Smallest and largest batch of versions taken under one epoch guard.
const BATCH: (usize, usize) = (8, 256);

/// Versions over the base, copied batch by batch: what a view sees never changes, so a batch stays
/// true however long it is kept.
struct NewerSide {
    /// The keys of the batch, one behind the other.
    keys: Vec<u8>,
    /// Where each key begins and ends, and its value (`None`: deleted).
    entries: Vec<(usize, usize, Option<Bytes>)>,
    at: usize,
    batch: usize,
    /// There is nothing beyond this batch.
    complete: bool,
}

impl NewerSide {
    fn new(view: &View, tree: TreeId) -> Self {
        let complete = match view.unmerged(tree) {
            Some(overlay) => overlay.is_empty(&heddle_mvcc::pin()),
            None => true,
        };
        Self { keys: Vec::new(), entries: Vec::new(), at: 0, batch: BATCH.0, complete }
    }

    #[inline]
    fn is_done(&self) -> bool {
        self.complete && self.at >= self.entries.len()
    }

    fn key(&self, at: usize) -> Option<&[u8]> {
        let (from, to, _) = self.entries.get(at)?;
        self.keys.get(*from..*to)
    }

    /// Takes the next batch if this one is used up: beyond `last` if the walk has moved. If nothing could
    /// be taken because a block of a run is lacking, says which.
    #[inline]
    fn refill(&mut self, view: &View, bounds: &Bounds, last: Option<&[u8]>) -> Option<RunBlock> {
        if self.at < self.entries.len() || self.complete {
            return None;
        }
        self.take(view, bounds, last)
    }

    fn take(&mut self, view: &View, bounds: &Bounds, last: Option<&[u8]>) -> Option<RunBlock> {
        let overlay = view.overlay(bounds.tree)?;
        let near = last.map_or(bounds.near(), Bound::Excluded);
        let (lower, upper) = match bounds.direction {
            Direction::Forward => (near, bounds.far()),
            Direction::Backward => (bounds.far(), near),
        };
        self.keys.clear();
        self.entries.clear();
        self.at = 0;
        let guard = heddle_mvcc::pin();
        let mut scan = overlay.scan(lower, upper, bounds.direction, view.span(), &guard);
        for entry in scan.by_ref().take(self.batch) {
            let from = self.keys.len();
            self.keys.extend_from_slice(&entry.key);
            self.entries.push((from, self.keys.len(), entry.value.map(|v| v.into_owned())));
        }
        if let Some(block) = scan.needs_io() {
            return self.entries.is_empty().then_some(block);
        }
        self.complete = self.entries.len() < self.batch;
        self.batch = (self.batch * 2).min(BATCH.1);
        None
    }

    #[inline]
    fn peek(&self) -> Option<(&[u8], Option<&[u8]>)> {
        let (_, _, value) = self.entries.get(self.at)?;
        Some((self.key(self.at)?, value.as_deref()))
    }
}

// ---- the read set ----

/// How the walk is noted (C4).
#[derive(Debug)]
struct Note {
    purpose: Purpose,
    open: Option<OpenRange>,
}

impl Note {
    fn begin(&mut self, reads: &mut ReadSet, bounds: &Bounds) {
        if self.open.is_none() {
            let open = reads.open(bounds.tree, bounds.near(), bounds.direction, self.purpose);
            self.open = Some(open);
        }
    }

    /// `last`: the key up to which the walk was noted before.
    #[inline]
    fn extend(&mut self, reads: &mut ReadSet, bounds: &Bounds, to: Bound<&[u8]>, last: &[u8]) {
        let direction = bounds.direction;
        if self.open.is_some_and(|open| reads.extend(open, to, direction)) {
            return;
        }
        // The set became coarser, and covers what was walked: go on with a range of its own.
        let open = reads.open(bounds.tree, Bound::Included(last), direction, self.purpose);
        reads.extend(open, to, direction);
        self.open = Some(open);
    }
}

impl Cursor {
    pub(crate) fn new(
        tx: &Transaction,
        tree: &TreeRef,
        lower: Bound<Bytes>,
        upper: Bound<Bytes>,
        direction: Direction,
        purpose: Option<Purpose>,
    ) -> Self {
        let (near, far) = match direction {
            Direction::Forward => (lower, upper),
            Direction::Backward => (upper, lower),
        };
        let bounds = Bounds { tree: tree.id, direction, near, far };
        let of_rows = matches!(*tree.kind, TreeKind::Table);
        Self {
            last_row: if of_rows { bounds.last_row() } else { None },
            bounds,
            base: BaseSide::new(&tx.view, tree),
            newer: NewerSide::new(&tx.view, tree.id),
            own: OwnSide::default(),
            lacking: None,
            pins: Vec::new(),
            note: purpose.map(|purpose| Note { purpose, open: None }),
            last: Vec::new(),
            moved: false,
            ended: false,
            lent: Lent::Nothing,
            held: Vec::new(),
        }
    }

    /// The next key and value.
    ///
    /// # Errors
    /// What reading the base gives; the walk has not moved.
    ///
    /// # Cancel safety
    /// Dropped while it waits, the walk has not moved.
    pub async fn next(&mut self, tx: &mut Transaction) -> Result<Option<(Bytes, Bytes)>> {
        let copy =
            |key: &[u8], value: &[u8]| (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        self.next_with(tx, copy).await
    }

    /// Hands the next key and value to `read`, in place.
    ///
    /// # Errors
    /// As [`Cursor::next`].
    ///
    /// # Cancel safety
    /// As [`Cursor::next`].
    #[inline]
    pub async fn next_with<R>(
        &mut self,
        tx: &mut Transaction,
        read: impl FnOnce(&[u8], &[u8]) -> R,
    ) -> Result<Option<R>> {
        let mut read = Some(read);
        loop {
            let step =
                self.try_next_with(tx, |key, value| read.take().map(|read| read(key, value)));
            match step? {
                Step::Row(row) => return Ok(row),
                Step::End => return Ok(None),
                Step::NeedsIo => self.load().await?,
            }
        }
    }

    /// Hands the next key and value to `read`, in place, unless that needs I/O.
    ///
    /// # Errors
    /// As [`Cursor::next`].
    #[inline]
    pub fn try_next_with<R>(
        &mut self,
        tx: &mut Transaction,
        read: impl FnOnce(&[u8], &[u8]) -> R,
    ) -> Result<Step<R>> {
        if self.ended {
            return Ok(Step::End);
        }
        if self.newer.is_done() && tx.writes.is_empty() {
            return self.step_base(tx, read);
        }
        self.step_merged(tx, read)
    }

    /// Goes to the next row, unless that needs I/O. [`Cursor::row`] and [`Cursor::value`] then lend it
    /// until the next step.
    ///
    /// # Errors
    /// As [`Cursor::next`].
    #[inline]
    pub fn try_step(&mut self, tx: &mut Transaction) -> Result<Step<()>> {
        match self.last_row {
            Some(last) if !self.ended && self.newer.is_done() && tx.writes.is_empty() => {
                self.step_row(tx, last)
            }
            _ => self.step_held(tx),
        }
    }

    /// The row of a table tree that the last step arrived at: its rowid, and its record where that
    /// lies. `None` if there is none, or the tree is an index.
    #[inline]
    pub fn row(&self) -> Option<(i64, &[u8])> {
        match (self.lent, &self.base.cursor) {
            (Lent::Base(row), Some(cursor)) => Some((row.rowid, cursor.record_at(row))),
            (Lent::Held, _) => decode_rowid(&self.last).map(|rowid| (rowid, &*self.held)),
            _ => None,
        }
    }

    /// The value that the last step arrived at.
    #[inline]
    pub fn value(&self) -> Option<&[u8]> {
        match self.lent {
            Lent::Held => Some(&self.held),
            _ => self.row().map(|(_, record)| record),
        }
    }

    /// The key that the last step arrived at.
    #[inline]
    pub fn key(&self) -> Option<&[u8]> {
        (self.lent != Lent::Nothing).then_some(&*self.last)
    }

    /// Reads what the last step lacked.
    ///
    /// # Errors
    /// What reading the base gives.
    ///
    /// # Cancel safety
    /// The walk does not move.
    pub async fn load(&mut self) -> Result<()> {
        if let Some(lacking) = &self.lacking {
            let lacking = lacking.clone();
            // Boxed: who meets no run pays for no larger future.
            self.pins.push(Box::pin(async move { lacking.load().await }).await?);
            self.lacking = None;
            return Ok(());
        }
        self.base.load(&self.bounds).await
    }

    /// A step to a row where there is nothing but the base: the row stays where it is.
    #[inline]
    fn step_row(&mut self, tx: &mut Transaction, last: i64) -> Result<Step<()>> {
        if let Some(note) = &mut self.note {
            note.begin(&mut tx.reads, &self.bounds);
        }
        match self.base.step_row(self.bounds.direction, last)? {
            Step::Row(row) => {
                let key = encode_rowid(row.rowid);
                if let Some(note) = &mut self.note {
                    note.extend(&mut tx.reads, &self.bounds, Bound::Included(&key), &self.last);
                }
                self.last.clear();
                self.last.extend_from_slice(&key);
                self.moved = true;
                self.lent = Lent::Base(row);
                Ok(Step::Row(()))
            }
            Step::NeedsIo => Ok(Step::NeedsIo),
            Step::End => Ok(self.end(tx)),
        }
    }

    /// A step to a row whose value is copied.
    fn step_held(&mut self, tx: &mut Transaction) -> Result<Step<()>> {
        self.lent = Lent::Nothing;
        let mut held = std::mem::take(&mut self.held);
        let step = self.try_next_with(tx, |_, value| {
            held.clear();
            held.extend_from_slice(value);
        });
        self.held = held;
        if matches!(step, Ok(Step::Row(()))) {
            self.lent = Lent::Held;
        }
        step
    }

    /// A step where there is nothing but the base.
    #[inline]
    fn step_base<R>(
        &mut self,
        tx: &mut Transaction,
        read: impl FnOnce(&[u8], &[u8]) -> R,
    ) -> Result<Step<R>> {
        if let Some(note) = &mut self.note {
            note.begin(&mut tx.reads, &self.bounds);
        }
        let row = match self.base.peek(&self.bounds)? {
            Step::Row((key, value)) => {
                if let Some(note) = &mut self.note {
                    note.extend(&mut tx.reads, &self.bounds, Bound::Included(key), &self.last);
                }
                self.last.clear();
                self.last.extend_from_slice(key);
                self.moved = true;
                read(key, value)
            }
            Step::NeedsIo => return Ok(Step::NeedsIo),
            Step::End => return Ok(self.end(tx)),
        };
        self.base.pass();
        Ok(Step::Row(row))
    }

    /// A step with all sources (C1).
    fn step_merged<R>(
        &mut self,
        tx: &mut Transaction,
        read: impl FnOnce(&[u8], &[u8]) -> R,
    ) -> Result<Step<R>> {
        let mut read = Some(read);
        if let Some(note) = &mut self.note {
            note.begin(&mut tx.reads, &self.bounds);
        }
        loop {
            let behind = self.moved.then_some(&*self.last);
            if let Some(block) = self.newer.refill(&tx.view, &self.bounds, behind) {
                self.lacking = tx.view.shared().runs.find(block);
                match self.lacking {
                    Some(_) => return Ok(Step::NeedsIo),
                    // The run is just being let go: the base has what it had.
                    None => continue,
                }
            }
            if let Some(lacking) = self.own.prepare(&tx.writes, &self.bounds, behind) {
                self.lacking = Some(lacking);
                return Ok(Step::NeedsIo);
            }
            let base = match self.base.peek(&self.bounds)? {
                Step::Row(entry) => Some(entry),
                Step::NeedsIo => return Ok(Step::NeedsIo),
                Step::End => None,
            };
            let newer = self.newer.peek();
            let own = self.own.peek(&tx.writes, &self.bounds);
            let keys = [base.map(|e| e.0), newer.map(|e| e.0), own.map(|e| e.0)];
            let first = keys.into_iter().flatten().min_by(|a, b| self.bounds.order(a, b));
            let Some(key) = first else { return Ok(self.end(tx)) };
            let [in_base, in_newer, in_own] = keys.map(|other| other == Some(key));
            let value = match (own.filter(|_| in_own), newer.filter(|_| in_newer)) {
                (Some((_, value)), _) | (None, Some((_, value))) => value,
                (None, None) => base.map(|(_, value)| value),
            };
            if let (Some(note), Some(_)) = (&mut self.note, value) {
                note.extend(&mut tx.reads, &self.bounds, Bound::Included(key), &self.last);
            }
            self.last.clear();
            self.last.extend_from_slice(key);
            self.moved = true;
            let row = value.and_then(|value| read.take().map(|read| read(key, value)));
            if in_base {
                self.base.pass();
            }
            self.newer.at += usize::from(in_newer);
            if in_own {
                self.own.pass(&tx.writes, &self.bounds, &self.last);
            }
            self.pins.clear();
            if let Some(row) = row {
                return Ok(Step::Row(row));
            }
        }
    }

    #[cold]
    fn end<R>(&mut self, tx: &mut Transaction) -> Step<R> {
        if let Some(note) = &mut self.note {
            let far = self.bounds.far();
            note.extend(&mut tx.reads, &self.bounds, far, &self.last);
        }
        self.ended = true;
        self.lent = Lent::Nothing;
        Step::End
    }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor")
            .field("bounds", &self.bounds)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
