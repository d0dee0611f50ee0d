//! A walk through one tree of a run, for who needs all of it: merges and the checkpointer.
//!
//! # Invariants
//! - W1: memory is one read of `READ_AHEAD` bytes, or one block that is larger.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use heddle_base::TreeId;

use super::RunDirection;
use super::file::{RunEntry, RunFile, position};
use super::format::Block;
use crate::Result;

/// Bytes read at once.
const READ_AHEAD: usize = 512 << 10;

/// Gives a tree's changes in order. Past the run's cache.
pub struct RunCursor {
    run: Arc<RunFile>,
    direction: RunDirection,
    /// Blocks read, the current one first.
    blocks: VecDeque<Block>,
    /// The next entry of the current block, once its place is known.
    at: Option<u32>,
    /// Where to begin, until the first entry was found.
    bound: Bound<Bytes>,
    /// The block to be read next.
    next: Option<u32>,
}

impl RunCursor {
    /// Begins at a lower bound going forward, at an upper bound going backward.
    pub fn new(
        run: Arc<RunFile>,
        tree: TreeId,
        bound: Bound<&[u8]>,
        direction: RunDirection,
    ) -> RunCursor {
        let forward = direction == RunDirection::Forward;
        let next = run.index().ends(tree).and_then(|(first, last)| match bound {
            Bound::Unbounded => Some(if forward { first } else { last }),
            Bound::Included(key) | Bound::Excluded(key) => {
                run.index().find(tree, key).or(forward.then_some(first))
            }
        });
        let bound = bound.map(Bytes::copy_from_slice);
        RunCursor { run, direction, blocks: VecDeque::new(), at: None, bound, next }
    }

    /// The next change, if it is in memory already.
    pub fn try_next(&mut self) -> Option<RunEntry> {
        let forward = self.direction == RunDirection::Forward;
        while let Some(block) = self.blocks.front() {
            let bound = self.bound.as_ref().map(|key| &key[..]);
            let at = self.at.or_else(|| position(block, bound, forward));
            let Some(at) = at.filter(|at| *at < block.entries()) else {
                self.blocks.pop_front();
                self.at = None;
                continue;
            };
            let (key, value) = block.entry(at);
            self.bound = Bound::Unbounded;
            // Below the first entry lies no other: beyond the last is where no entry is.
            self.at = Some(if forward { at + 1 } else { at.checked_sub(1).unwrap_or(u32::MAX) });
            return Some(RunEntry { key, value });
        }
        None
    }

    /// The next change; `None` at the end.
    ///
    /// # Errors
    /// Those of [`RunFile::load`].
    ///
    /// # Cancel safety
    /// Cancel-safe: no change is skipped.
    pub async fn next(&mut self) -> Result<Option<RunEntry>> {
        loop {
            if let Some(entry) = self.try_next() {
                return Ok(Some(entry));
            }
            let Some(first) = self.next else { return Ok(None) };
            let blocks = self.run.read_ahead(first, self.direction, READ_AHEAD).await?;
            let forward = self.direction == RunDirection::Forward;
            let last = blocks.last().map_or(first, Block::number);
            self.next = self.run.index().neighbour(last, forward);
            self.blocks.extend(blocks);
        }
    }
}

impl fmt::Debug for RunCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunCursor({}, {:?})", self.run.name(), self.direction)
    }
}
