//! One search from a tree's root down to an entry, or to the gap where it would be.
//!
//! A [`Descent`] runs synchronously over pages borrowed from the cache. Where it can't go on (a page is not cached,
//! or a key has to be compared that continues on overflow pages) it stops, tells what it
//! lacks, and goes on from there when it is given that: nothing is searched twice, and no guard is held
//! while waiting.
//!
//! Neighbours: [`crate::tree`] for point reads, [`crate::cursor`] for seeks.
//!
//! Invariants:
//! 1. At most [`MAX_DEPTH`] pages are visited: a loop of child pointers ends with `Corrupt`.
//! 2. Every page is of the tree's kind, and has a cell unless it is the root.
//! 3. The frames name the interior pages passed, each with the index of the child taken.

use std::cmp::Ordering;

use crossbeam_epoch::Guard;
use heddle_base::PageNo;
use smallvec::SmallVec;

use crate::error::Result;
use crate::key::{self, KeyShape};
use crate::layout::{Corrupt, PageHeader, PageView};
use crate::overflow::ChainRead;
use crate::pages::Pages;
use crate::record::{Record, RecordError};
use crate::tree::TreeKind;

/// Most levels a tree may have: the limit of stock SQLite, which no file of its largest size reaches.
pub(crate) const MAX_DEPTH: usize = 20;

/// An interior page on the way, and the index of the child that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) page: PageNo,
    pub(crate) child: u32,
}

pub(crate) type Frames = SmallVec<[Frame; 6]>;

/// What is searched for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'k> {
    /// The first entry.
    First,
    /// The gap behind the last entry.
    End,
    /// In a table tree: the first row with at least this rowid.
    Rowid(i64),
    /// In an index tree: the first entry whose key is at least this, or above it.
    Key { key: &'k [u8], above: bool },
}

/// Why a descent stopped.
pub(crate) enum Stop<'a> {
    /// At the entry `index` of this page, or (if that is the number of cells) behind its last.
    Arrived {
        header: PageHeader,
        image: &'a [u8],
        index: usize,
        /// Whether the entry is exactly what was searched for.
        exact: bool,
    },
    /// This page is needed: call [`Descent::run`] again with it.
    Miss(PageNo),
    /// The whole payload of an entry is needed: give it to [`Descent::compare_with`].
    Payload(ChainRead),
}

/// A search on its way down.
pub(crate) struct Descent {
    pub(crate) frames: Frames,
    page: PageNo,
    /// In a table tree, what `page`'s rowids are above and at most.
    range: (i64, i64),
    /// In an index tree, where a bisection that stopped for a payload goes on.
    bisection: Option<(usize, usize)>,
    /// The payload it stopped for.
    payload: Option<Vec<u8>>,
}

/// What a page says.
enum Verdict {
    Here { index: usize, exact: bool },
    Down { child: usize },
    NeedsPayload(ChainRead),
}

impl Descent {
    /// A search that begins at the root.
    #[inline]
    pub(crate) fn new(root: PageNo) -> Self {
        Self {
            frames: Frames::new(),
            page: root,
            range: (i64::MIN, i64::MAX),
            bisection: None,
            payload: None,
        }
    }

    /// The payload that [`Stop::Payload`] asked for.
    pub(crate) fn compare_with(&mut self, payload: Vec<u8>) {
        self.payload = Some(payload);
    }

    /// Goes down as far as the cache reaches. `loaded` is the page that [`Stop::Miss`] asked for last.
    ///
    /// # Errors
    /// `Corrupt`, if a page on the way is.
    #[inline]
    pub(crate) fn run<'a, P: Pages>(
        &mut self,
        pages: &'a P,
        kind: &TreeKind,
        target: Target<'_>,
        loaded: Option<&'a (PageNo, P::Page)>,
        guard: &'a Guard,
    ) -> Result<Stop<'a>> {
        let usable = pages.usable_size();
        loop {
            let image: &[u8] = match loaded {
                Some((page, image)) if *page == self.page => image,
                _ => match pages.cached(self.page, guard)? {
                    Some(image) => image,
                    None => return Ok(Stop::Miss(self.page)),
                },
            };
            let view = PageView::parse(self.page, image, usable)?;
            check_page(&view, kind, self.frames.len())?;
            match self.look(&view, kind, target, pages)? {
                Verdict::Here { index, exact } => {
                    return Ok(Stop::Arrived { header: *view.header(), image, index, exact });
                }
                Verdict::Down { child } => self.go_down(&view, child)?,
                Verdict::NeedsPayload(read) => return Ok(Stop::Payload(read)),
            }
        }
    }

    #[inline]
    fn look(
        &mut self,
        view: &PageView<'_>,
        kind: &TreeKind,
        target: Target<'_>,
        pages: &impl Pages,
    ) -> Result<Verdict> {
        let (index, exact) = match (target, kind) {
            (Target::First, _) => (0, false),
            (Target::Rowid(rowid), _) => match view.search_rowid(rowid, self.range)? {
                Ok(index) => (index, true),
                Err(index) => (index, false),
            },
            (Target::Key { key, above }, TreeKind::Index(shape)) => {
                match self.bisect(view, shape, key, above, pages)? {
                    Ok(found) => found,
                    Err(read) => return Ok(Verdict::NeedsPayload(read)),
                }
            }
            // A key has no place in a table tree: the tree translates it into a rowid.
            (Target::Key { .. } | Target::End, _) => (view.cell_count(), false),
        };
        // An interior entry of an index tree is an entry like any other; a table's is only a bound.
        if view.kind().is_leaf() || (exact && !view.kind().is_table()) {
            Ok(Verdict::Here { index, exact })
        } else {
            Ok(Verdict::Down { child: index })
        }
    }

    #[inline]
    fn go_down(&mut self, view: &PageView<'_>, child: usize) -> Result<()> {
        if view.kind().is_table() {
            if child > 0 {
                self.range.0 = view.rowid(child - 1)?;
            }
            if child < view.cell_count() {
                self.range.1 = view.rowid(child)?;
            }
        }
        self.frames.push(Frame { page: self.page, child: child as u32 });
        self.page = view.child(child)?;
        Ok(())
    }

    /// The first entry not below the key (or, with `above`, above it), and whether it is the key's own.
    fn bisect(
        &mut self,
        view: &PageView<'_>,
        shape: &KeyShape,
        key: &[u8],
        above: bool,
        pages: &impl Pages,
    ) -> Result<std::result::Result<(usize, bool), ChainRead>> {
        let (mut low, mut high) = self.bisection.take().unwrap_or((0, view.cell_count()));
        while low < high {
            let middle = low + (high - low) / 2;
            let order = match self.payload.take() {
                Some(whole) => Record::parse(&whole)
                    .and_then(|record| key::compare_record(shape, &record, key)),
                None => {
                    let payload = view.payload(middle)?;
                    Record::parse_local(payload.local, payload.len)
                        .and_then(|record| key::compare_record(shape, &record, key))
                }
            };
            match order {
                Ok(Ordering::Equal) if !above => return Ok(Ok((middle, true))),
                Ok(Ordering::Less | Ordering::Equal) => low = middle + 1,
                Ok(Ordering::Greater) => high = middle,
                Err(RecordError::NotLocal) => {
                    self.bisection = Some((low, high));
                    let payload = view.payload(middle)?;
                    return Ok(Err(ChainRead::begin(view.page(), &payload, pages)?));
                }
                Err(e) => return Err(e.on_page(view.page())),
            }
        }
        Ok(Ok((low, false)))
    }
}

/// Invariants 1 and 2, for a page reached below `depth` others.
#[inline]
pub(crate) fn check_page(
    view: &PageView<'_>,
    kind: &TreeKind,
    depth: usize,
) -> std::result::Result<(), Corrupt> {
    let corrupt = |reason| Err(Corrupt { page: view.page(), reason });
    if view.kind().is_table() != matches!(kind, TreeKind::Table) {
        return corrupt("a page of another kind of tree");
    }
    // Stock SQLite leaves an interior page without cells only as page 1, whose header takes room.
    if view.cell_count() == 0 && (depth > 0 || !(view.kind().is_leaf() || view.page().get() == 1)) {
        return corrupt("a page without cells below the root");
    }
    if depth >= MAX_DEPTH {
        return corrupt("a tree deeper than any can be, or a loop");
    }
    Ok(())
}
