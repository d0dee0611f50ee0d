//! What a snapshot sees: the versions up to its timestamp over its base.
//!
//! # Invariants
//! - V1: a view is registered before anything is read through it, and until it is dropped: so no
//!   version that it sees goes (mvcc K1), and the pin keeps its pages (B2).
//! - V2: what a view sees never changes. In particular, a tree whose overlay once had nothing newer
//!   than the base has nothing for it but its base.

use std::ops::Bound;

use bytes::Bytes;
use crossbeam_epoch::Guard;
use heddle_base::sync::Arc;
use heddle_base::{Timestamp, TreeId};
use heddle_btree::tree::{Lookup as BaseLookup, Tree, TreeView};
use heddle_io::BoxFuture;
use heddle_mvcc::registry::SlotId;
use heddle_mvcc::{Direction, Lookup, Overlay, RunBlock, View as Span};

use crate::base::{Pin, PinnedPages};
use crate::error::Result;
use crate::manager::Shared;
use crate::trees::TreeRef;

/// See the module.
pub(crate) struct View {
    pin: Arc<Pin>,
    ts: Timestamp,
    slot: Option<SlotId>,
}

impl View {
    /// Takes over a registration of `(ts, pin.base.ts)`.
    pub(crate) fn new(pin: Arc<Pin>, ts: Timestamp, slot: SlotId) -> Self {
        Self { pin, ts, slot: Some(slot) }
    }

    #[inline]
    pub(crate) fn ts(&self) -> Timestamp {
        self.ts
    }

    #[inline]
    pub(crate) fn pin(&self) -> &Arc<Pin> {
        &self.pin
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.pin.shared
    }

    /// What of the overlays it sees.
    #[inline]
    pub(crate) fn span(&self) -> Span {
        Span { base: self.pin.base.ts, ts: self.ts }
    }

    /// A tree's versions, if it ever had any.
    #[inline]
    pub(crate) fn overlay(&self, tree: TreeId) -> Option<&Overlay> {
        self.pin.shared.trees.get(tree).map(|state| &*state.overlay)
    }

    /// A tree's versions, if any of them may be newer than the base: what a checkpoint has merged is collected
    /// later, and until then need not be looked through. `None` is for good (V2).
    #[inline]
    pub(crate) fn unmerged(&self, tree: TreeId) -> Option<&Overlay> {
        // A commit that the view sees was published before its timestamp was taken, and linked before that: it is
        // pending here, or the newest commit is at least as new.
        self.overlay(tree).filter(|overlay| !overlay.untouched(self.pin.base.ts))
    }

    /// A tree of the base; `None` if it is empty there.
    #[inline]
    pub(crate) fn tree(&self, tree: &TreeRef) -> Option<Tree> {
        Some(Tree::of(self.pin.base.roots.get(tree.id)?, &tree.kind))
    }

    /// As [`View::tree`], for reads by key.
    #[inline]
    fn borrowed<'k>(&self, tree: &'k TreeRef) -> Option<TreeView<'k>> {
        Some(TreeView::new(self.pin.base.roots.get(tree.id)?, &tree.kind))
    }

    pub(crate) fn pages(&self) -> PinnedPages {
        PinnedPages(Arc::clone(&self.pin))
    }

    /// The value of a key in the overlay: `None` if the base decides.
    #[inline]
    fn newer(
        &self,
        tree: TreeId,
        key: &[u8],
        guard: &Guard,
    ) -> std::result::Result<Option<Option<Bytes>>, RunBlock> {
        let Some(overlay) = self.unmerged(tree) else { return Ok(None) };
        match overlay.get(key, self.span(), guard) {
            Lookup::Missing => Ok(None),
            Lookup::Tombstone => Ok(Some(None)),
            Lookup::Put(value) => Ok(Some(Some(value.into_owned()))),
            Lookup::NeedsIo(block) => Err(block),
        }
    }

    /// As [`View::newer`], after loading the block of a run that it lacked.
    #[cold]
    fn newer_after<'a>(
        &'a self,
        tree: TreeId,
        key: &'a [u8],
        mut block: RunBlock,
    ) -> BoxFuture<'a, Result<Option<Option<Bytes>>>> {
        Box::pin(async move {
            // Several runs may each lack a block: all are kept until there is an answer.
            let mut pins = Vec::new();
            loop {
                pins.push(self.shared().runs.load(block).await?);
                match self.newer(tree, key, &heddle_mvcc::pin()) {
                    Ok(value) => return Ok(value),
                    Err(next) => block = next,
                }
            }
        })
    }

    /// The value of a key.
    ///
    /// # Cancel safety
    /// It only reads.
    pub(crate) async fn get(&self, tree: &TreeRef, key: &[u8]) -> Result<Option<Bytes>> {
        let newer = {
            // One for both: within it another costs nothing.
            let guard = heddle_mvcc::pin();
            match self.newer(tree.id, key, &guard) {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => match self.try_base(tree, key)? {
                    BaseLookup::Found(value) => return Ok(Some(value)),
                    BaseLookup::Absent => return Ok(None),
                    BaseLookup::NotCached => Ok(None),
                },
                Err(block) => Err(block),
            }
        };
        let newer = match newer {
            Ok(newer) => newer,
            Err(block) => self.newer_after(tree.id, key, block).await?,
        };
        if let Some(value) = newer {
            return Ok(value);
        }
        let Some(tree) = self.borrowed(tree) else { return Ok(None) };
        Ok(tree.get(&self.pin.base.snapshot, key).await?)
    }

    #[inline]
    fn try_base(&self, tree: &TreeRef, key: &[u8]) -> Result<BaseLookup<Bytes>> {
        let Some(tree) = self.borrowed(tree) else { return Ok(BaseLookup::Absent) };
        Ok(tree.try_get(&self.pin.base.snapshot, key, Bytes::copy_from_slice)?)
    }

    /// Hands the value of a key to `read`, in place; `None`, without a call, if that needs I/O.
    #[inline]
    pub(crate) fn try_get<R>(
        &self,
        tree: &TreeRef,
        key: &[u8],
        read: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Result<Option<R>> {
        let guard = heddle_mvcc::pin();
        if let Some(overlay) = self.unmerged(tree.id) {
            match overlay.get(key, self.span(), &guard) {
                Lookup::Missing => {}
                Lookup::Tombstone => return Ok(Some(read(None))),
                Lookup::Put(value) => return Ok(Some(read(Some(&value)))),
                Lookup::NeedsIo(_) => return Ok(None),
            }
        }
        let Some(tree) = self.borrowed(tree) else { return Ok(Some(read(None))) };
        let mut read = Some(read);
        let found = tree.try_get(&self.pin.base.snapshot, key, |value| {
            read.take().map(|read| read(Some(value)))
        })?;
        Ok(match found {
            BaseLookup::Found(result) => result,
            BaseLookup::Absent => read.map(|read| read(None)),
            BaseLookup::NotCached => None,
        })
    }
}

impl View {
    /// The keys of a tree that somebody wrote since the snapshot; `None` if some of them are not remembered. Nobody writes there
    /// meanwhile.
    ///
    /// # Cancel safety
    /// It only reads.
    pub(crate) async fn changed_since(&self, tree: TreeId) -> Result<Option<Vec<Bytes>>> {
        let mut keys: Vec<Bytes> = Vec::new();
        // Several runs may each lack a block: all are kept until the scan moved on.
        let (mut pins, mut before) = (Vec::new(), 0);
        while let Some(block) = self.scan_changed(tree, &mut keys) {
            if keys.len() > before {
                pins.clear();
                before = keys.len();
            }
            pins.push(self.shared().runs.load(block).await?);
        }
        let forgot = self
            .overlay(tree)
            .is_some_and(|overlay| overlay.forgot_since(self.ts, &heddle_mvcc::pin()));
        Ok((!forgot).then_some(keys))
    }

    /// Appends such keys beyond the last. Returns the block without which it could not go on.
    fn scan_changed(&self, tree: TreeId, keys: &mut Vec<Bytes>) -> Option<RunBlock> {
        let overlay = self.overlay(tree)?;
        let guard = heddle_mvcc::pin();
        let since = Span { base: self.ts, ts: Timestamp::MAX };
        let last = keys.last().cloned();
        let lower = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut scan = overlay.scan(lower, Bound::Unbounded, Direction::Forward, since, &guard);
        keys.extend(scan.by_ref().map(|entry| Bytes::copy_from_slice(&entry.key)));
        scan.needs_io()
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.pin.shared.registry.release(slot);
        }
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("ts", &self.ts).field("base", &self.pin.base).finish()
    }
}
