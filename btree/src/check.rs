//! Whether a file is sound: what `PRAGMA integrity_check` finds wrong with its structure, found here.
//!
//! Every page must have exactly one use: in one tree, one overflow chain, or the freelist; pointer maps must say
//! what is so; cells must lie apart, keys ascend, leaves be equally deep. What the rows mean is not looked at.
//!
//! Neighbours: `page` looks at the bytes of one page, `lists` follows chains and the freelist; the engine names the trees
//! and compares tables with their indexes.
//!
//! Invariants:
//! 1. It never fails for what the file holds, only for what reading gives.
//! 2. Each page is entered once, and no way down is longer than a tree can be: so it ends.
//! 3. It needs a bit per page, and the largest key.

mod lists;
mod page;

use std::borrow::Cow;
use std::fmt;

use heddle_base::PageNo;

use crate::descent::MAX_DEPTH;
use crate::error::{Error, Result};
use crate::header::Header;
use crate::key::{self, KeyShape};
use crate::layout::{PageHeader, PageKind, PageView};
use crate::overflow::{self, ChainRead};
use crate::pages::Pages;
use crate::ptrmap::{ENTRY, Geometry, Pointer};
use crate::record::{Record, RecordError};
use crate::space::word;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Root page of the tree it was found in, if it is one's.
    pub tree: Option<PageNo>,
    /// The page at fault.
    pub page: PageNo,
    /// What is wrong with it.
    pub what: Cow<'static, str>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tree {
            Some(tree) => write!(f, "tree {tree} page {}: {}", self.page, self.what),
            None => write!(f, "page {}: {}", self.page, self.what),
        }
    }
}

/// A tree that should be in the file.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its root page.
    pub root: PageNo,
    /// How its keys are ordered.
    pub order: Order,
}

/// How the keys of a tree are ordered.
#[derive(Clone, Debug)]
pub enum Order {
    /// By rowid.
    Table,
    /// By a key of the entries.
    Index(KeyShape),
    /// Nobody knows: the root page says whether it is a table's, and an index's order is not looked at.
    Unknown,
}

/// Checks all of a file: the schema's own tree, `trees`, the freelist, and that nothing else is there.
///
/// It stops after `limit` problems.
///
/// # Errors
/// What reading a page gives, but `Corrupt`.
///
/// # Cancel safety
/// It only reads.
pub async fn check<P: Pages>(
    pages: &P,
    header: &Header,
    trees: &[Subject],
    limit: usize,
) -> Result<Vec<Problem>> {
    let mut check = Check::new(pages, header, limit);
    check.freelist().await?;
    check.tree(PageNo(1), &Order::Table).await?;
    let mut largest = 1;
    for tree in trees {
        largest = largest.max(tree.root.get());
        if tree.root.get() != 1 {
            check.point(tree.root, Pointer::Root, PageNo::NONE).await?;
        }
        check.tree(tree.root, &tree.order).await?;
    }
    check.largest_root(PageNo(largest));
    check.unused();
    Ok(check.problems)
}

/// A check on its way.
struct Check<'a, P: Pages> {
    pages: &'a P,
    header: &'a Header,
    geometry: Geometry,
    count: u32,
    /// A bit for every page: whether something uses it.
    used: Vec<u64>,
    /// The pointer map read last.
    map: Option<(PageNo, P::Page)>,
    /// The tree that is walked.
    tree: Option<PageNo>,
    problems: Vec<Problem>,
    limit: usize,
}

/// A page on the way down.
struct Open<P> {
    image: P,
    header: PageHeader,
    next: usize,
    /// The rowids that may be on it: above the first, up to the second.
    low: Option<i64>,
    high: Option<i64>,
}

/// What a walk over one tree has seen.
struct Walk<'o> {
    order: &'o Order,
    /// Whether it is a table's, as the order or the root page says.
    is_table: Option<bool>,
    /// How deep the leaves are.
    depth: Option<usize>,
    /// The key of the last entry of an index.
    key: Option<Vec<u8>>,
}

impl<'a, P: Pages> Check<'a, P> {
    fn new(pages: &'a P, header: &'a Header, limit: usize) -> Self {
        let count = pages.page_count();
        let page_size = header.page_size as usize;
        let has_maps = header.largest_root.is_some();
        Self {
            pages,
            header,
            geometry: Geometry::new(page_size, pages.usable_size(), has_maps),
            count,
            used: vec![0; count as usize / 64 + 1],
            map: None,
            tree: None,
            problems: Vec::new(),
            limit,
        }
    }

    fn is_full(&self) -> bool {
        self.problems.len() >= self.limit
    }

    fn report(&mut self, page: PageNo, what: impl Into<Cow<'static, str>>) {
        if !self.is_full() {
            self.problems.push(Problem { tree: self.tree, page, what: what.into() });
        }
    }

    /// Takes what makes a page unreadable as a problem of its own; gives the rest back.
    fn excuse(&mut self, error: Error) -> Result<()> {
        match error {
            Error::Corrupt { page, reason } => {
                self.report(page, reason);
                Ok(())
            }
            other => Err(other),
        }
    }

    async fn image(&mut self, page: PageNo) -> Result<Option<P::Page>> {
        match self.pages.page(page).await {
            Ok(image) => Ok(Some(image)),
            Err(error) => self.excuse(error).map(|()| None),
        }
    }

    fn is_used(&self, page: PageNo) -> bool {
        let at = page.get() as usize;
        self.used.get(at / 64).is_some_and(|bits| bits >> (at % 64) & 1 == 1)
    }

    /// Notes that `by` uses `page`; `false` if it can't.
    fn take(&mut self, page: PageNo, by: PageNo) -> bool {
        if !page.is_some() || page.get() > self.count {
            self.report(by, format!("it points to page {page}, which the file does not have"));
            return false;
        }
        if self.geometry.is_special(page) {
            self.report(by, format!("it points to page {page}, which is no place for content"));
            return false;
        }
        if self.is_used(page) {
            self.report(by, format!("it points to page {page}, which is in use elsewhere"));
            return false;
        }
        let at = page.get() as usize;
        if let Some(bits) = self.used.get_mut(at / 64) {
            *bits |= 1 << (at % 64);
        }
        true
    }

    /// Compares the pointer map's entry with what was found.
    async fn point(&mut self, page: PageNo, kind: Pointer, parent: PageNo) -> Result<()> {
        let Some(map) = self.geometry.map_of(page).filter(|&map| map != page) else {
            return Ok(());
        };
        if page.get() > self.count {
            return Ok(());
        }
        if self.map.as_ref().is_none_or(|(known, _)| *known != map) {
            let Some(image) = self.image(map).await? else { return Ok(()) };
            self.map = Some((map, image));
        }
        let at = self.geometry.offset(map, page);
        if let Some((_, image)) = &self.map
            && let Some(entry) = image.get(at..at + ENTRY)
        {
            let (found, named) = (entry[0], PageNo(word(entry, 1)));
            if found != kind as u8 || named != parent {
                let is = Pointer::from_byte(found);
                let what = format!(
                    "its pointer map says {is:?} of page {named}, but it is {kind:?} of page {parent}"
                );
                self.report(page, what);
            }
        }
        Ok(())
    }

    // ---- trees ----

    async fn tree(&mut self, root: PageNo, order: &Order) -> Result<()> {
        self.tree = Some(root);
        let is_table = match order {
            Order::Table => Some(true),
            Order::Index(_) => Some(false),
            Order::Unknown => None,
        };
        let mut walk = Walk { order, is_table, depth: None, key: None };
        let mut stack = Vec::new();
        if self.take(root, root) {
            stack.extend(self.open(root, None, None, 0, &mut walk).await?);
        }
        while let Some(top) = stack.last_mut() {
            if self.is_full() {
                break;
            }
            let (header, index) = (top.header, top.next);
            let cells = header.cell_count();
            if header.kind().is_leaf() || index > cells {
                stack.pop();
                continue;
            }
            top.next += 1;
            let (image, low, high) = (top.image.clone(), top.low, top.high);
            let view = header.view(&image);
            if header.kind() == PageKind::IndexInterior && index > 0 {
                self.entry(&view, index - 1, &mut walk).await?;
            }
            let Ok(child) = view.child(index) else {
                self.report(header.page(), "a child pointer names no other page");
                continue;
            };
            let low = if index > 0 { view.rowid(index - 1).ok() } else { low };
            let high = if index < cells { view.rowid(index).ok() } else { high };
            self.point(child, Pointer::Child, header.page()).await?;
            if self.take(child, header.page()) {
                let depth = stack.len();
                stack.extend(self.open(child, low, high, depth, &mut walk).await?);
            }
        }
        self.tree = None;
        Ok(())
    }

    /// Looks at a page of a tree; `None` if there is no point in going on below it.
    async fn open(
        &mut self,
        page: PageNo,
        low: Option<i64>,
        high: Option<i64>,
        depth: usize,
        walk: &mut Walk<'_>,
    ) -> Result<Option<Open<P::Page>>> {
        if depth >= MAX_DEPTH {
            self.report(page, "the tree is deeper than any can be");
            return Ok(None);
        }
        let Some(image) = self.image(page).await? else { return Ok(None) };
        let header = match PageHeader::parse(page, &image, self.pages.usable_size()) {
            Ok(header) => header,
            Err(corrupt) => {
                self.report(page, corrupt.reason);
                return Ok(None);
            }
        };
        let is_table = header.kind().is_table();
        if is_table != *walk.is_table.get_or_insert(is_table) {
            self.report(page, "a page of another kind of tree");
            return Ok(None);
        }
        let view = header.view(&image);
        if header.cell_count() == 0 && depth > 0 {
            self.report(page, "a page without cells below the root");
        }
        if header.kind().is_leaf() && *walk.depth.get_or_insert(depth) != depth {
            self.report(page, "a leaf is not as deep as the others");
        }
        for what in page::faults(&view) {
            self.report(page, what);
        }
        if view.kind().is_table() {
            self.rowids(&view, low, high);
        }
        if view.kind() != PageKind::TableInterior {
            self.chains(&view).await?;
        }
        if view.kind() == PageKind::IndexLeaf {
            for index in 0..view.cell_count() {
                self.entry(&view, index, walk).await?;
            }
        }
        Ok(Some(Open { image, header, next: 0, low, high }))
    }

    /// Whether rowids ascend, and keep to what the page above says.
    fn rowids(&mut self, view: &PageView<'_>, low: Option<i64>, high: Option<i64>) {
        let mut last = low;
        for index in 0..view.cell_count() {
            // Cells that can't be read are reported with the page.
            let Ok(rowid) = view.rowid(index) else { continue };
            if last.is_some_and(|last| rowid <= last) || high.is_some_and(|high| rowid > high) {
                self.report(view.page(), format!("rowid {rowid} is out of order"));
            }
            last = Some(rowid);
        }
    }

    /// Whether an entry of an index comes behind the one before.
    async fn entry(
        &mut self,
        view: &PageView<'_>,
        index: usize,
        walk: &mut Walk<'_>,
    ) -> Result<()> {
        let (Order::Index(shape), Ok(payload)) = (walk.order, view.payload(index)) else {
            return Ok(());
        };
        let mut key = Vec::new();
        let local = Record::parse_local(payload.local, payload.len);
        let mut made = local.and_then(|record| key::encode_record(shape, &record, &mut key));
        if made == Err(RecordError::NotLocal) {
            // In a broken file many entries may share one long chain.
            if !self.problems.is_empty() {
                return Ok(());
            }
            key.clear();
            let read = ChainRead::begin(view.page(), &payload, self.pages);
            let whole = match read {
                Ok(read) => overflow::complete(read, self.pages).await,
                Err(error) => Err(error),
            };
            match whole {
                Ok(whole) => {
                    made = Record::parse(&whole)
                        .and_then(|record| key::encode_record(shape, &record, &mut key));
                }
                // The chain is reported by whoever follows it.
                Err(Error::Corrupt { .. }) => return Ok(()),
                Err(other) => return Err(other),
            }
        }
        match made {
            Err(error) => self.report(view.page(), format!("entry {index}: {error}")),
            Ok(()) => {
                if walk.key.as_ref().is_some_and(|last| *last >= key) {
                    self.report(view.page(), format!("entry {index} is out of order"));
                }
                walk.key = Some(key);
            }
        }
        Ok(())
    }

    // ---- the whole file ----

    fn largest_root(&mut self, largest: PageNo) {
        if self.geometry.has_maps() {
            if largest != self.header.largest_root {
                let named = self.header.largest_root;
                self.report(
                    PageNo(1),
                    format!("the header says that the largest root is page {named}, but it is page {largest}"),
                );
            }
        } else if self.header.incremental_vacuum != 0 {
            self.report(PageNo(1), "incremental vacuum without pointer maps");
        }
    }

    fn unused(&mut self) {
        for number in 1..=self.count {
            let page = PageNo(number);
            if self.is_full() {
                break;
            }
            if !self.is_used(page) && !self.geometry.is_special(page) {
                self.report(page, "nothing uses it");
            }
        }
    }
}
