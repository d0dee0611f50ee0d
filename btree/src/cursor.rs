//! A position in a tree, moved by seeks and steps in both directions.
//!
//! A cursor is before the first entry, on an entry, or behind the last. It owns the image of the page it is on, so
//! the entry stays readable whatever the cache does; of the pages above it keeps numbers only. A step
//! within a leaf is synchronous and touches nothing but the index; leaving the leaf is synchronous too if the pages
//! are cached. So a scan pays no future per row: call [`Cursor::try_next`] until it says
//! [`Step::NeedsIo`], and then await [`Cursor::load`].
//!
//! In an index tree the entries between two children lie on the interior page: the walk visits them in turn.
//!
//! Invariants:
//! 1. A step either arrives or changes nothing: a future dropped while it waits leaves the cursor where it was.
//! 2. A walk in one direction enters at most as many pages as the file has: child pointers that share
//!    a subtree end with `Corrupt`, not with an endless scan. ([`crate::descent`] bounds the depth.)
//! 3. `cells` is 0 unless the cursor is on a leaf, so that the fast path of a step needs one comparison.
//! 4. No epoch guard is held across an await.

mod walk;

use heddle_base::PageNo;
use smallvec::SmallVec;

use self::walk::{Direction, Moved, Spot, Wanted};
use crate::descent::{Descent, Frames, Stop, Target};
use crate::error::Result;
use crate::key;
use crate::layout::{Corrupt, PageHeader, PageView, Payload};
use crate::overflow::{self, ChainRead};
use crate::pages::Pages;
use crate::record::{Record, RecordError};
use crate::tree::{Tree, TreeKind};

/// Where a seek goes. Keys are as [`crate::key`] makes them; a shorter or longer key than any in the tree, such as a
/// prefix or its successor, is as good as one that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek<'k> {
    /// The first entry.
    First,
    /// The last entry.
    Last,
    /// The first entry with at least this key.
    AtOrAfter(&'k [u8]),
    /// The first entry above this key.
    After(&'k [u8]),
    /// The last entry with at most this key.
    AtOrBefore(&'k [u8]),
    /// The last entry below this key.
    Before(&'k [u8]),
}

/// What a synchronous step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The cursor is on an entry.
    Row,
    /// A page is not cached: await [`Cursor::load`] and step again. The cursor has not moved.
    NeedsIo,
    /// There is no further entry in this direction.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    BeforeFirst,
    Entry,
    BehindLast,
}

/// A row that a cursor is on: its cell is read once, and its record is then there for the asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowPlace {
    /// Its rowid.
    pub rowid: i64,
    /// Where its record lies on the page.
    start: u32,
    len: u32,
}

impl RowPlace {
    /// In place of `start`: the record was put together from a chain.
    const WHOLE: u32 = u32::MAX;
}

/// A position in one tree, as one set of pages has it.
pub struct Cursor<P: Pages> {
    /// On the leaf that the cursor is on: index of the entry, and number of cells (invariant 3).
    index: u32,
    cells: u32,
    place: Place,
    /// The page that has the entry, if there is one.
    on: Option<(P::Page, PageHeader)>,
    /// The pages above it.
    frames: Frames,
    tree: Tree,
    pages: P,
    /// Pages entered since the direction last changed (invariant 2).
    direction: Direction,
    entered: u32,
    /// Pages that a step lacked and that were loaded for it, kept until it arrives, so that it gets on even
    /// if the cache drops them at once.
    loaded: SmallVec<[(PageNo, P::Page); 1]>,
    wanted: Wanted,
    /// The payload of the current entry, if it was put together from a chain.
    whole: Option<Vec<u8>>,
    key: Vec<u8>,
}

impl<P: Pages> Cursor<P> {
    pub(crate) fn new(tree: Tree, pages: P) -> Self {
        Self {
            index: 0,
            cells: 0,
            place: Place::BeforeFirst,
            on: None,
            frames: Frames::new(),
            tree,
            pages,
            direction: Direction::Forward,
            entered: 0,
            loaded: SmallVec::new(),
            wanted: Wanted::default(),
            whole: None,
            key: Vec::new(),
        }
    }

    /// The pages that are read.
    pub fn pages(&self) -> &P {
        &self.pages
    }

    /// The tree that is read.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Whether the cursor is on an entry.
    #[inline]
    pub fn is_on_entry(&self) -> bool {
        self.place == Place::Entry
    }

    // ---- steps ----

    /// Goes to the next entry if that needs no I/O. From before the first it goes to the first.
    ///
    /// # Errors
    /// `Corrupt`; the cursor has not moved.
    #[inline]
    pub fn try_next(&mut self) -> Result<Step> {
        if self.index + 1 < self.cells {
            self.index += 1;
            self.whole = None;
            return Ok(Step::Row);
        }
        self.leave_page(Direction::Forward)
    }

    /// Goes to the entry before if that needs no I/O. From behind the last it goes to the last.
    ///
    /// # Errors
    /// `Corrupt`; the cursor has not moved.
    #[inline]
    pub fn try_prev(&mut self) -> Result<Step> {
        if self.index > 0 && self.cells > 0 {
            self.index -= 1;
            self.whole = None;
            return Ok(Step::Row);
        }
        self.leave_page(Direction::Backward)
    }

    /// Loads what the last step lacked, and reads ahead of a scan. Does nothing if it lacked nothing.
    ///
    /// # Errors
    /// What reading a page gives.
    ///
    /// # Cancel safety
    /// The cursor stays where it was; the step can be tried again.
    pub async fn load(&mut self) -> Result<()> {
        if let Some(page) = self.wanted.page {
            if !self.wanted.ahead.is_empty() {
                self.pages.prefetch(&self.wanted.ahead).await;
            }
            let image = self.pages.page(page).await?;
            self.wanted = Wanted::default();
            self.loaded.push((page, image));
        }
        Ok(())
    }

    /// Goes to the next entry; `false` if there is none, and the cursor is then behind the last.
    ///
    /// # Errors
    /// `Corrupt`, or what reading a page gives; the cursor has not moved.
    ///
    /// # Cancel safety
    /// If dropped while it waits, the cursor has not moved.
    #[inline]
    pub async fn next(&mut self) -> Result<bool> {
        loop {
            match self.try_next()? {
                Step::Row => return Ok(true),
                Step::End => return Ok(false),
                Step::NeedsIo => self.load().await?,
            }
        }
    }

    /// Goes to the entry before; `false` if there is none, and the cursor is then before the first.
    ///
    /// # Errors
    /// As [`Cursor::next`].
    ///
    /// # Cancel safety
    /// If dropped while it waits, the cursor has not moved.
    #[inline]
    pub async fn prev(&mut self) -> Result<bool> {
        loop {
            match self.try_prev()? {
                Step::Row => return Ok(true),
                Step::End => return Ok(false),
                Step::NeedsIo => self.load().await?,
            }
        }
    }

    /// Goes to the last entry on the current leaf, and says how many were passed over. A forward step from there
    /// leaves the leaf.
    pub fn skip_to_end_of_page(&mut self) -> usize {
        let skipped = self.cells.saturating_sub(self.index + 1);
        if skipped > 0 {
            self.index += skipped;
            self.whole = None;
        }
        skipped as usize
    }

    // ---- seeks ----

    /// Goes where `to` says; `false` if there is no such entry. The cursor is then behind the last entry (after a seek
    /// forward: `First`, `AtOrAfter`, `After`) or before the first.
    ///
    /// # Errors
    /// `Corrupt`, or what reading a page gives; the cursor has not moved.
    ///
    /// # Cancel safety
    /// If dropped while it waits, the cursor has not moved.
    pub async fn seek(&mut self, to: Seek<'_>) -> Result<bool> {
        let (target, direction) = self.target(to);
        let mut descent = Descent::new(self.tree.root());
        let mut loaded = None;
        loop {
            match self.try_seek(&mut descent, target, loaded.as_ref())? {
                Sought::At(spot) => return self.settle(spot, descent.frames, direction).await,
                Sought::Miss(page) => loaded = Some((page, self.pages.page(page).await?)),
                Sought::Payload(read) => {
                    descent.compare_with(overflow::complete(read, &self.pages).await?);
                }
            }
        }
    }

    /// A backward seek looks for the gap before the entry behind it.
    fn target<'k>(&self, to: Seek<'k>) -> (Target<'k>, Direction) {
        let (key, above, direction) = match to {
            Seek::First => return (Target::First, Direction::Forward),
            Seek::Last => return (Target::End, Direction::Backward),
            Seek::AtOrAfter(key) => (key, false, Direction::Forward),
            Seek::After(key) => (key, true, Direction::Forward),
            Seek::AtOrBefore(key) => (key, true, Direction::Backward),
            Seek::Before(key) => (key, false, Direction::Backward),
        };
        let target = match self.tree.kind() {
            TreeKind::Index(_) => Target::Key { key, above },
            TreeKind::Table => match first_rowid(key, above) {
                Some(rowid) => Target::Rowid(rowid),
                None => Target::End,
            },
        };
        (target, direction)
    }

    fn try_seek(
        &self,
        descent: &mut Descent,
        target: Target<'_>,
        loaded: Option<&(PageNo, P::Page)>,
    ) -> Result<Sought<P::Page>> {
        let guard = crossbeam_epoch::pin();
        match descent.run(&self.pages, self.tree.kind(), target, loaded, &guard)? {
            Stop::Arrived { header, index, .. } => {
                let page = match loaded {
                    Some((page, image)) if *page == header.page() => image.clone(),
                    _ => match self.pages.cached_page(header.page(), &guard)? {
                        Some(page) => page,
                        None => return Ok(Sought::Miss(header.page())),
                    },
                };
                let index = index as u32;
                Ok(Sought::At(Spot { page, header, index }))
            }
            Stop::Miss(page) => Ok(Sought::Miss(page)),
            Stop::Payload(read) => Ok(Sought::Payload(read)),
        }
    }

    /// Moves to the entry at a gap: the one behind it, or (backward) the one before it.
    async fn settle(
        &mut self,
        gap: Spot<P::Page>,
        frames: Frames,
        direction: Direction,
    ) -> Result<bool> {
        self.entered = 0;
        self.direction = direction;
        let cells = gap.header.cell_count() as u32;
        let step = match direction {
            Direction::Forward if gap.index < cells => None,
            Direction::Backward if gap.index > 0 && gap.header.kind().is_leaf() => {
                Some(gap.index - 1)
            }
            _ => {
                return self.settle_beyond(gap, frames, direction).await;
            }
        };
        let index = step.unwrap_or(gap.index);
        self.arrive(Spot { index, ..gap }, frames);
        Ok(true)
    }

    /// As [`Cursor::settle`], where the entry lies on another page than the gap.
    async fn settle_beyond(
        &mut self,
        gap: Spot<P::Page>,
        frames: Frames,
        direction: Direction,
    ) -> Result<bool> {
        loop {
            let moved = {
                let guard = crossbeam_epoch::pin();
                self.walk(Some((&gap.header, &gap.page, gap.index)), &frames, direction, &guard)?
            };
            match moved {
                Moved::To(spot, frames) => {
                    self.arrive(spot, frames);
                    return Ok(true);
                }
                Moved::End => {
                    self.finish(direction);
                    return Ok(false);
                }
                Moved::Miss(wanted) => {
                    self.wanted = wanted;
                    self.load().await?;
                }
            }
        }
    }

    // ---- the current entry ----

    /// The rowid of the current row in a table tree.
    ///
    /// # Errors
    /// `Corrupt` if the cell is, or if there is no current row of a table tree.
    #[inline]
    pub fn rowid(&self) -> Result<i64> {
        let (view, index) = self.entry_view()?;
        Ok(view.rowid(index)?)
    }

    /// The rowid and payload of the current row in a table tree, in one reading of the cell.
    ///
    /// # Errors
    /// As [`Cursor::rowid`].
    #[inline]
    pub fn row(&self) -> Result<(i64, Payload<'_>)> {
        let (view, index) = self.entry_view()?;
        Ok(view.row(index)?)
    }

    /// The rowid of the current row in a table tree, and where its record lies, if no chain has to be read for it
    /// (or [`Cursor::entry`] has read it).
    ///
    /// # Errors
    /// As [`Cursor::rowid`].
    #[inline]
    pub fn try_row(&self) -> Result<Option<RowPlace>> {
        if let Some((page, header)) = &self.on
            && let Some((rowid, start, len)) = header.usual_row(page, self.index as usize)
        {
            return Ok(Some(RowPlace { rowid, start, len }));
        }
        self.unusual_row()
    }

    #[cold]
    fn unusual_row(&self) -> Result<Option<RowPlace>> {
        let (view, index) = self.entry_view()?;
        let (rowid, payload) = view.row(index)?;
        let len = payload.local.len() as u32;
        let start = match (payload.overflow, &self.whole) {
            (None, _) => view.offset_of(payload.local) as u32,
            (Some(_), Some(_)) => RowPlace::WHOLE,
            (Some(_), None) => return Ok(None),
        };
        Ok(Some(RowPlace { rowid, start, len }))
    }

    /// The record that [`Cursor::try_row`] found, as long as the cursor has not moved since.
    #[inline]
    pub fn record_at(&self, place: RowPlace) -> &[u8] {
        let (start, len) = (place.start as usize, place.len as usize);
        match (&self.on, &self.whole) {
            (_, Some(whole)) if place.start == RowPlace::WHOLE => whole,
            (Some((page, _)), _) => page.get(start..start + len).unwrap_or_default(),
            (None, _) => &[],
        }
    }

    /// The payload of the current entry as far as it lies on the page, which is often all of it.
    ///
    /// # Errors
    /// As [`Cursor::rowid`].
    #[inline]
    pub fn payload(&self) -> Result<Payload<'_>> {
        let (view, index) = self.entry_view()?;
        Ok(view.payload(index)?)
    }

    /// The record of the current entry.
    ///
    /// # Errors
    /// `Corrupt`, or what reading a page gives.
    ///
    /// # Cancel safety
    /// The cursor does not move.
    pub async fn value(&mut self) -> Result<&[u8]> {
        self.complete().await?;
        self.whole_record()
    }

    /// The key of the current entry.
    ///
    /// # Errors
    /// `Corrupt`, or what reading a page gives.
    ///
    /// # Cancel safety
    /// The cursor does not move.
    pub async fn key(&mut self) -> Result<&[u8]> {
        if !self.try_key()? {
            self.complete().await?;
            self.build_key()?;
        }
        Ok(&self.key)
    }

    /// Key and record of the current entry.
    ///
    /// # Errors
    /// `Corrupt`, or what reading a page gives.
    ///
    /// # Cancel safety
    /// The cursor does not move.
    pub async fn entry(&mut self) -> Result<(&[u8], &[u8])> {
        self.complete().await?;
        self.build_key()?;
        Ok((&self.key, self.whole_record()?))
    }

    /// Key and record of the current entry, if no chain has to be read for it.
    ///
    /// # Errors
    /// `Corrupt`.
    #[inline]
    pub fn try_entry(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        if self.payload()?.overflow.is_some() && self.whole.is_none() {
            return Ok(None);
        }
        self.build_key()?;
        Ok(Some((&self.key, self.whole_record()?)))
    }

    /// Builds the key from the local part; `false` if that does not hold all of it.
    fn try_key(&mut self) -> Result<bool> {
        match self.build_key_of_local() {
            Ok(()) => Ok(true),
            Err(KeyError::Record(RecordError::NotLocal)) if self.whole.is_none() => Ok(false),
            Err(KeyError::Record(_)) => self.build_key().map(|()| true),
            Err(KeyError::Other(e)) => Err(e),
        }
    }

    fn build_key_of_local(&mut self) -> std::result::Result<(), KeyError> {
        let mut out = std::mem::take(&mut self.key);
        out.clear();
        let built = self.append_key(&mut out);
        self.key = out;
        built
    }

    fn append_key(&self, out: &mut Vec<u8>) -> std::result::Result<(), KeyError> {
        let shape = match self.tree.kind() {
            TreeKind::Table => {
                out.extend_from_slice(&key::encode_rowid(self.rowid()?));
                return Ok(());
            }
            TreeKind::Index(shape) => shape,
        };
        let record = match &self.whole {
            Some(whole) => Record::parse(whole)?,
            None => {
                let payload = self.payload()?;
                Record::parse_local(payload.local, payload.len)?
            }
        };
        Ok(key::encode_record(shape, &record, out)?)
    }

    /// Builds the key where the whole record is at hand.
    fn build_key(&mut self) -> Result<()> {
        let page = self.page_no();
        self.build_key_of_local().map_err(|e| match e {
            KeyError::Record(e) => e.on_page(page),
            KeyError::Other(e) => e,
        })
    }

    /// Puts the payload together if it overflows.
    async fn complete(&mut self) -> Result<()> {
        if self.whole.is_none() {
            let page = self.page_no();
            let payload = self.payload()?;
            if payload.overflow.is_some() {
                let read = ChainRead::begin(page, &payload, &self.pages)?;
                self.whole = Some(overflow::complete(read, &self.pages).await?);
            }
        }
        Ok(())
    }

    /// The record, where `complete` was called or it does not overflow.
    #[inline]
    fn whole_record(&self) -> Result<&[u8]> {
        match &self.whole {
            Some(whole) => Ok(whole),
            None => Ok(self.payload()?.local),
        }
    }

    fn page_no(&self) -> PageNo {
        match &self.on {
            Some((_, header)) => header.page(),
            None => self.tree.root(),
        }
    }

    #[inline]
    fn entry_view(&self) -> std::result::Result<(PageView<'_>, usize), Corrupt> {
        match &self.on {
            Some((page, header)) => Ok((header.view(page), self.index as usize)),
            None => Err(Corrupt { page: self.tree.root(), reason: "the cursor is on no entry" }),
        }
    }

    // ---- leaving a page ----

    #[inline(never)]
    fn leave_page(&mut self, direction: Direction) -> Result<Step> {
        if self.direction != direction {
            self.direction = direction;
            self.entered = 0;
        }
        let over = match direction {
            Direction::Forward => Place::BehindLast,
            Direction::Backward => Place::BeforeFirst,
        };
        if self.place == over {
            return Ok(Step::End);
        }
        let moved = {
            let guard = crossbeam_epoch::pin();
            let from = self.on.as_ref().map(|(page, header)| (header, page, self.index));
            let from = from.map(|(header, page, index)| match direction {
                Direction::Forward => (header, page, index + 1),
                Direction::Backward => (header, page, index),
            });
            self.walk(from, &self.frames, direction, &guard)?
        };
        match moved {
            Moved::To(spot, frames) => {
                self.arrive(spot, frames);
                Ok(Step::Row)
            }
            Moved::End => {
                self.finish(direction);
                Ok(Step::End)
            }
            Moved::Miss(wanted) => {
                self.wanted = wanted;
                Ok(Step::NeedsIo)
            }
        }
    }

    fn arrive(&mut self, spot: Spot<P::Page>, frames: Frames) {
        self.place = Place::Entry;
        self.index = spot.index;
        self.cells = match spot.header.kind().is_leaf() {
            true => spot.header.cell_count() as u32,
            false => 0,
        };
        self.entered += u32::from(spot.header.kind().is_leaf());
        self.on = Some((spot.page, spot.header));
        self.frames = frames;
        self.loaded.clear();
        self.wanted = Wanted::default();
        self.whole = None;
    }

    fn finish(&mut self, direction: Direction) {
        self.place = match direction {
            Direction::Forward => Place::BehindLast,
            Direction::Backward => Place::BeforeFirst,
        };
        self.index = 0;
        self.cells = 0;
        self.on = None;
        self.frames.clear();
        self.loaded.clear();
        self.wanted = Wanted::default();
        self.whole = None;
    }
}

/// How a seek's synchronous part ended.
enum Sought<T> {
    At(Spot<T>),
    Miss(PageNo),
    Payload(ChainRead),
}

/// Why a key could not be built.
enum KeyError {
    Record(RecordError),
    Other(crate::error::Error),
}

impl From<RecordError> for KeyError {
    fn from(e: RecordError) -> Self {
        Self::Record(e)
    }
}

impl From<crate::error::Error> for KeyError {
    fn from(e: crate::error::Error) -> Self {
        Self::Other(e)
    }
}

/// The first rowid whose key is at least `key` (or `above` it); `None` if there is none.
fn first_rowid(bytes: &[u8], above: bool) -> Option<i64> {
    let mut padded = [0; 8];
    let len = bytes.len().min(8);
    padded[..len].copy_from_slice(&bytes[..len]);
    let rowid = key::decode_rowid(&padded)?;
    // A shorter key is below the padded one, a longer one above it.
    let beyond = bytes.len() > 8 || (bytes.len() == 8 && above);
    if beyond { rowid.checked_add(1) } else { Some(rowid) }
}
