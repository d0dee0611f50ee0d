//! What a snapshot sees: the versions up to its timestamp over its base.
//!
//! # Invariants
//! - V1: a view is registered before anything is read through it, and until it is dropped: so no
//!   version that it sees goes (mvcc K1), and the pin keeps its pages (B2).
//! - V2: what a view sees never changes. In particular, a tree whose overlay was once seen empty
//!   has nothing for it but its base.

use bytes::Bytes;
use heddle_base::sync::Arc;
use heddle_base::{Timestamp, TreeId};
use heddle_btree::tree::{Lookup as BaseLookup, Tree};
use heddle_mvcc::registry::SlotId;
use heddle_mvcc::{Lookup, Overlay, View as Span};

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

    /// A tree of the base; `None` if it is empty there.
    #[inline]
    pub(crate) fn tree(&self, tree: &TreeRef) -> Option<Tree> {
        let root = self.pin.base.roots.get(tree.id)?;
        Some(Tree::new(root, std::sync::Arc::clone(&tree.kind)))
    }

    pub(crate) fn pages(&self) -> PinnedPages {
        PinnedPages(Arc::clone(&self.pin))
    }

    /// The value of a key in the overlay: `None` if the base decides.
    #[inline]
    fn newer(&self, tree: TreeId, key: &[u8]) -> Option<Option<Bytes>> {
        let overlay = self.overlay(tree)?;
        let guard = heddle_mvcc::pin();
        match overlay.get(key, self.span(), &guard) {
            Lookup::Missing => None,
            Lookup::Tombstone => Some(None),
            Lookup::Put(value) => Some(Some(value.into_owned())),
        }
    }

    /// The value of a key.
    ///
    /// # Cancel safety
    /// It only reads.
    pub(crate) async fn get(&self, tree: &TreeRef, key: &[u8]) -> Result<Option<Bytes>> {
        if let Some(value) = self.newer(tree.id, key) {
            return Ok(value);
        }
        let Some(tree) = self.tree(tree) else { return Ok(None) };
        let snapshot = &self.pin.base.snapshot;
        match tree.try_get(snapshot, key, Bytes::copy_from_slice)? {
            BaseLookup::Found(value) => Ok(Some(value)),
            BaseLookup::Absent => Ok(None),
            BaseLookup::NotCached => Ok(tree.get(snapshot, key).await?),
        }
    }

    /// Hands the value of a key to `read`, in place; `None`, without a call, if that needs I/O.
    #[inline]
    pub(crate) fn try_get<R>(
        &self,
        tree: &TreeRef,
        key: &[u8],
        read: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Result<Option<R>> {
        if let Some(overlay) = self.overlay(tree.id) {
            let guard = heddle_mvcc::pin();
            match overlay.get(key, self.span(), &guard) {
                Lookup::Missing => {}
                Lookup::Tombstone => return Ok(Some(read(None))),
                Lookup::Put(value) => return Ok(Some(read(Some(&value)))),
            }
        }
        let Some(tree) = self.tree(tree) else { return Ok(Some(read(None))) };
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
