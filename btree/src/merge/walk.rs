//! The way of a merge over the old tree: which pages it opens, which it passes, and what it takes of them.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use heddle_base::PageNo;

use super::{Bound, Frame, Merge};
use crate::changes::{Changes, Source};
use crate::descent::{MAX_DEPTH, check_page};
use crate::error::Result;
use crate::key;
use crate::layout::{Corrupt, PageKind, PageView, Payload};
use crate::pages::PagesMut;
use crate::record::{Record, RecordError};
use crate::space::word;
use crate::tree::TreeKind;
use crate::varint;

impl<P: PagesMut> Merge<'_, P> {
    /// How many levels lie above the leaves on the way to the first change.
    pub(super) async fn measure<C: Changes>(&mut self, source: &Source<C>) -> Result<usize> {
        let Some((key, _)) = source.peek() else { return Ok(0) };
        let mut page = self.tree.root();
        for depth in 0..MAX_DEPTH {
            let image = self.space.image(page).await?;
            let view = PageView::parse(page, &image, self.space.usable())?;
            check_page(&view, self.tree.kind(), depth)?;
            if view.kind().is_leaf() {
                return Ok(depth);
            }
            let (child, _) = self.seek(&view, 0, key).await?;
            page = view.child(child)?;
        }
        Err(Corrupt { page, reason: "a tree deeper than any can be, or a loop" }.into())
    }

    /// The child of the innermost open page, which has this level, to be opened next; one above the last if none is.
    pub(super) async fn next_child<C: Changes>(
        &mut self,
        level: usize,
        source: &Source<C>,
    ) -> Result<usize> {
        let Some(frame) = self.frames.last() else { return Ok(0) };
        let (next, none) = (frame.next, frame.header.cell_count() + 1);
        // Invariant 1.
        if self.levels[..level].iter().any(|below| !below.is_empty()) {
            return Ok(next);
        }
        match source.peek() {
            Some((key, _)) if is_within(key, frame.upper.as_deref()) => {
                let (image, header, key) = (frame.image.clone(), frame.header, key.clone());
                Ok(self.seek(&header.view(&image), next, &key).await?.0)
            }
            _ => Ok(none),
        }
    }

    /// Passes the children of the innermost open page up to `child`: gives that, and its bound.
    pub(super) async fn pass_to(
        &mut self,
        level: usize,
        child: usize,
    ) -> Result<Option<(PageNo, Option<Arc<Bound>>)>> {
        let Some(frame) = self.frames.last_mut() else { return Ok(None) };
        let view = frame.header.view(&frame.image);
        let cells = view.cell_count();
        let target = &mut self.levels[level];
        for index in frame.next..child.min(cells) {
            target.push(view.cell_bytes(index)?);
        }
        frame.next = child + 1;
        let page = view.child(child.min(cells))?;
        if child > cells {
            let divider = frame.upper.as_ref().map_or(&[][..], |upper| &upper.divider);
            target.push_child(page, divider);
            return Ok(None);
        }
        if child == cells {
            return Ok(Some((page, frame.upper.clone())));
        }
        let (owner, divider) = (frame.page, view.cell_bytes(child)?[4..].to_vec());
        Ok(Some((page, Some(Arc::new(self.bound(owner, divider).await?)))))
    }

    /// What a divider on page `owner` says.
    async fn bound(&mut self, owner: PageNo, divider: Vec<u8>) -> Result<Bound> {
        let corrupt = |reason| Corrupt { page: owner, reason };
        let mut key = Vec::new();
        let kind = self.tree.clone();
        match kind.kind() {
            TreeKind::Table => {
                let (rowid, _) = varint::read(&divider).ok_or(corrupt("a cell without rowid"))?;
                key.extend_from_slice(&key::encode_rowid(rowid as i64));
            }
            TreeKind::Index(shape) => {
                let payload = divider_payload(owner, &divider, self.space.usable())?;
                let record = Record::parse_local(payload.local, payload.len);
                match record.and_then(|record| key::encode_record(shape, &record, &mut key)) {
                    Ok(()) => {}
                    Err(RecordError::NotLocal) => {
                        key.clear();
                        let whole = self.space.payload(owner, &payload).await?;
                        Record::parse(&whole)
                            .and_then(|record| key::encode_record(shape, &record, &mut key))
                            .map_err(|e| e.on_page(owner))?;
                    }
                    Err(e) => return Err(e.on_page(owner)),
                }
            }
        }
        Ok(Bound { key, divider })
    }

    /// Opens a page of the old tree. A leaf is merged at once.
    pub(super) async fn open<C: Changes>(
        &mut self,
        page: PageNo,
        upper: Option<Arc<Bound>>,
        source: &mut Source<C>,
    ) -> Result<()> {
        let level = self.height - self.frames.len();
        let (image, header) = self.load(page, level).await?;
        let fresh = self.levels[level].is_empty().then_some(self.levels[level].streamed);
        if page != self.tree.root() {
            self.levels[level].spare.push(page);
        }
        if level > 0 {
            self.frames.push(Frame { page, image, header, next: 0, upper, fresh });
            return Ok(());
        }
        let upper = upper.as_deref();
        let changed = self.merge_leaf(&header.view(&image), upper, source).await?;
        if !changed && fresh == Some(self.levels[0].streamed) {
            self.stay(page, 0, upper);
            return Ok(());
        }
        self.settle(0, upper).await
    }

    /// Copies a leaf's cells into level 0 with the changes up to `upper`; `false` if there was no change after all.
    async fn merge_leaf<C: Changes>(
        &mut self,
        view: &PageView<'_>,
        upper: Option<&Bound>,
        source: &mut Source<C>,
    ) -> Result<bool> {
        let cells = view.cell_count();
        // The entry that bounds an index's leaf lies above it, and is dealt with last.
        let last = upper.filter(|_| !self.is_table());
        let (mut changed, mut grew) = (false, false);
        let (mut at, mut room) = (0, self.space.usable());
        while let Some((key, value)) = source.peek() {
            if !is_within(key, upper) || last.is_some_and(|last| last.key == *key) {
                break;
            }
            let (index, found) = self.seek(view, at, key).await?;
            self.copy_cells(view, at..index, &mut room).await?;
            at = index;
            if found {
                self.space.free_chain(view.page(), &view.payload(index)?).await?;
                at += 1;
            }
            match value {
                Some(value) => self.put_cell(key, value, source).await?,
                None if found => self.applied.deleted += 1,
                None => self.applied.missed += 1,
            }
            if value.is_some() {
                let (replaced, inserted) = (u64::from(found), u64::from(!found));
                self.applied.replaced += replaced;
                self.applied.inserted += inserted;
            }
            changed |= found || value.is_some();
            grew = value.is_some() && !found && at == cells;
            source.advance().await?;
        }
        self.copy_cells(view, at..cells, &mut room).await?;
        if let Some(last) = last {
            changed |= self.merge_bound(view.page(), last, source).await?;
        }
        self.append = grew && upper.is_none();
        Ok(changed)
    }

    /// The entry of an index that bounds the leaf just merged, or what a change makes of it.
    async fn merge_bound<C: Changes>(
        &mut self,
        owner: PageNo,
        bound: &Bound,
        source: &mut Source<C>,
    ) -> Result<bool> {
        let Some((_, value)) = source.peek().filter(|(key, _)| *key == bound.key) else {
            self.levels[0].push(&bound.divider);
            return Ok(false);
        };
        let payload = divider_payload(owner, &bound.divider, self.space.usable())?;
        self.space.free_chain(owner, &payload).await?;
        if let Some(value) = value {
            self.put_cell(&bound.key, value, source).await?;
            self.applied.replaced += 1;
        } else {
            self.applied.deleted += 1;
        }
        source.advance().await?;
        Ok(true)
    }

    /// Copies cells of a leaf as they are. `room` is what its cells may still take.
    async fn copy_cells(
        &mut self,
        view: &PageView<'_>,
        cells: std::ops::Range<usize>,
        room: &mut usize,
    ) -> Result<()> {
        for index in cells {
            let bytes = view.cell_bytes(index)?;
            let Some(rest) = room.checked_sub(bytes.len()) else {
                return Err(Corrupt { page: view.page(), reason: "its cells overlap" }.into());
            };
            *room = rest;
            self.levels[0].push(bytes);
        }
        self.stream(0).await
    }

    /// Adds the cell of a new value to level 0.
    async fn put_cell<C: Changes>(
        &mut self,
        key: &[u8],
        value: &Bytes,
        source: &Source<C>,
    ) -> Result<()> {
        let kind = self.levels[0].kind();
        let rowid = match self.tree.kind() {
            TreeKind::Table => {
                let rowid = key::decode_rowid(key);
                Some(rowid.ok_or_else(|| source.bad("a row's key has not eight bytes"))?)
            }
            TreeKind::Index(_) => None,
        };
        let local = kind.local_len(self.space.usable(), value.len() as u64);
        let mut overflow = None;
        if local < value.len() {
            overflow = Some(self.space.write_chain(&value[local..]).await?);
        }
        let (at, bytes) = self.levels[0].open();
        varint::push(value.len() as u64, bytes);
        if let Some(rowid) = rowid {
            varint::push(rowid as u64, bytes);
        }
        bytes.extend_from_slice(&value[..local]);
        if let Some(first) = overflow {
            bytes.extend_from_slice(&first.get().to_be_bytes());
        }
        self.levels[0].seal(at);
        self.stream(0).await
    }

    // ---- comparing ----

    /// The first cell from `from` on whose key is not below `key`, and whether it is the key's own.
    ///
    /// Changes are often dense: it looks at the first cells first, then in steps that double.
    async fn seek(
        &mut self,
        view: &PageView<'_>,
        from: usize,
        key: &[u8],
    ) -> Result<(usize, bool)> {
        let (mut low, mut high) = (from, view.cell_count());
        let (mut probe, mut stride) = (low, 1);
        while low < high {
            match self.compare(view, probe, key).await? {
                Ordering::Equal => return Ok((probe, true)),
                Ordering::Less => low = probe + 1,
                Ordering::Greater => {
                    high = probe;
                    stride = 0;
                }
            }
            if stride > 0 && low + stride < high {
                probe = low + stride - 1;
                stride *= 2;
            } else {
                stride = 0;
                probe = low + (high - low) / 2;
            }
        }
        Ok((low, false))
    }

    /// The order of a cell's key relative to `key`.
    #[inline]
    async fn compare(&mut self, view: &PageView<'_>, index: usize, key: &[u8]) -> Result<Ordering> {
        match self.tree.kind() {
            TreeKind::Table => Ok(key::encode_rowid(view.rowid(index)?)[..].cmp(key)),
            TreeKind::Index(shape) => {
                let payload = view.payload(index)?;
                let order = Record::parse_local(payload.local, payload.len)
                    .and_then(|record| key::compare_record(shape, &record, key));
                match order {
                    Ok(order) => Ok(order),
                    Err(RecordError::NotLocal) => self.compare_whole(view, payload, key).await,
                    Err(e) => Err(e.on_page(view.page())),
                }
            }
        }
    }

    /// The same for an entry whose key continues on overflow pages.
    async fn compare_whole(
        &mut self,
        view: &PageView<'_>,
        payload: Payload<'_>,
        key: &[u8],
    ) -> Result<Ordering> {
        let whole = self.space.payload(view.page(), &payload).await?;
        let TreeKind::Index(shape) = self.tree.kind() else { return Ok(Ordering::Equal) };
        Record::parse(&whole)
            .and_then(|record| key::compare_record(shape, &record, key))
            .map_err(|e| e.on_page(view.page()))
    }
}

/// Whether a key lies below a page with this bound.
#[inline]
fn is_within(key: &[u8], upper: Option<&Bound>) -> bool {
    upper.is_none_or(|upper| *key <= *upper.key)
}

/// The payload of an index's divider.
fn divider_payload(
    owner: PageNo,
    divider: &[u8],
    usable: usize,
) -> std::result::Result<Payload<'_>, Corrupt> {
    let corrupt = Corrupt { page: owner, reason: "a divider is cut short" };
    let (len, n) = varint::read(divider).ok_or(corrupt)?;
    let local_len = PageKind::IndexInterior.local_len(usable, len);
    let local = divider.get(n..n + local_len).ok_or(corrupt)?;
    let overflows = len > local_len as u64;
    let overflow = overflows.then(|| PageNo(word(divider, n + local_len)));
    Ok(Payload { len, local, overflow })
}
