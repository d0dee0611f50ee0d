//! What the merge takes: changes to one tree, in ascending order of their keys.
//!
//! The checkpointer's own merge of version chains and runs is one source; a sorted list is another ([`Sorted`]).
//!
//! Invariants:
//! 1. A [`Source`] hands out strictly ascending keys, whatever it is fed: else `BadChange`.

use bytes::Bytes;
use heddle_base::PageNo;

use crate::error::{Error, Result};
use crate::record::MAX_PAYLOAD;

/// One change: the key, and its new value or `None` where the entry goes.
pub type Change = (Bytes, Option<Bytes>);

/// Changes to one tree by strictly ascending key.
///
/// A value is the exact record; in an index tree it must be a record with this very key.
pub trait Changes: Send {
    /// The next change.
    ///
    /// # Errors
    /// What reading the source gives.
    ///
    /// # Cancel safety
    /// The merge that waits for it is given up as a whole.
    fn next(&mut self) -> impl Future<Output = Result<Option<Change>>> + Send;
}

/// Changes that are in memory in their order.
#[derive(Clone, Debug)]
pub struct Sorted<I>(pub I);

impl<I: Iterator<Item = Change> + Send> Changes for Sorted<I> {
    #[inline]
    async fn next(&mut self) -> Result<Option<Change>> {
        Ok(self.0.next())
    }
}

/// Changes with a look at the next.
pub(crate) struct Source<C> {
    changes: C,
    /// Of the tree, for errors.
    root: PageNo,
    next: Option<Change>,
    done: bool,
}

impl<C: Changes> Source<C> {
    pub(crate) fn new(changes: C, root: PageNo) -> Self {
        Self { changes, root, next: None, done: false }
    }

    /// Has the next change at hand, if there is one, for [`Source::peek`].
    #[inline]
    pub(crate) async fn fill(&mut self) -> Result<()> {
        if self.next.is_none() && !self.done {
            self.next = self.changes.next().await?;
            self.done = self.next.is_none();
        }
        Ok(())
    }

    /// The next change, after [`Source::fill`].
    #[inline]
    pub(crate) fn peek(&self) -> Option<&Change> {
        self.next.as_ref()
    }

    /// Goes to the next change.
    #[inline]
    pub(crate) async fn advance(&mut self) -> Result<()> {
        let Some((passed, _)) = self.next.take() else {
            return Ok(());
        };
        self.fill().await?;
        match &self.next {
            Some((key, _)) if *key <= passed => Err(self.bad("keys do not ascend")),
            Some((_, Some(value))) if value.len() as u64 > MAX_PAYLOAD => {
                Err(self.bad("a record is over SQLite's limit"))
            }
            _ => Ok(()),
        }
    }

    /// The error for a change that no tree of this kind can take.
    pub(crate) fn bad(&self, reason: &'static str) -> Error {
        Error::BadChange { root: self.root, reason }
    }
}
