//! The index of a run file: where its blocks are, between which keys, and their filters. In memory as it
//! is on disk.
//!
//! Built by [`super::writer`] as the blocks close; asked by [`super::file`].
//!
//! # Invariants
//! - X1: a block holds keys of one tree, and a tree's blocks follow each other: block `n` has the tree's keys
//!   from its fence up to the fence of the next, or up to the tree's end.
//! - X2: fences are no keys but separators, as short as can be: a smaller key is not in the block, and all keys
//!   of the block before are smaller.

use std::ops::Bound;

use bytes::Bytes;
use heddle_base::TreeId;

use super::filter;
use super::format::{BLOCK_HEADER, ENTRY_HEADER, HEADER, u32_at, u64_at};

/// A block of a run, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockNo(pub u32);

/// Longest fence at the ends of a tree. Those between two blocks are as long as is needed.
const LONGEST_FENCE: usize = 1024;
/// Bytes of a block's record before its fence and filter.
const BLOCK_RECORD: usize = 16;
/// Bytes of a tree's record before its end.
const TREE_RECORD: usize = 24;

/// The index as it is written: the blocks' records, then the trees'.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    blocks: Vec<u8>,
    trees: Vec<u8>,
    block_count: u32,
    tree_count: u32,
}

impl IndexBuilder {
    /// Blocks so far.
    pub(super) fn blocks(&self) -> u32 {
        self.block_count
    }

    /// Bytes so far.
    pub(super) fn size(&self) -> usize {
        self.blocks.len() + self.trees.len()
    }

    pub(super) fn add_block(&mut self, length: u32, fence: &[u8], digests: &[u32]) {
        let at = self.blocks.len();
        self.blocks.extend_from_slice(&length.to_le_bytes());
        self.blocks.extend_from_slice(&(digests.len() as u32).to_le_bytes());
        self.blocks.extend_from_slice(&(fence.len() as u32).to_le_bytes());
        self.blocks.extend_from_slice(&[0; 4]);
        self.blocks.extend_from_slice(fence);
        let before = self.blocks.len();
        filter::build(digests, &mut self.blocks);
        let size = (self.blocks.len() - before) as u32;
        if let Some(field) = self.blocks.get_mut(at + 12..at + 16) {
            field.copy_from_slice(&size.to_le_bytes());
        }
        self.block_count += 1;
    }

    /// A tree whose blocks are those from `first` on.
    pub(super) fn add_tree(&mut self, tree: TreeId, first: u32, entries: u64, last_key: &[u8]) {
        let end = end_of(last_key);
        self.trees.extend_from_slice(&tree.get().to_le_bytes());
        self.trees.extend_from_slice(&first.to_le_bytes());
        self.trees.extend_from_slice(&(self.block_count - first).to_le_bytes());
        self.trees.extend_from_slice(&(end.len() as u32).to_le_bytes());
        self.trees.extend_from_slice(&entries.to_le_bytes());
        self.trees.extend_from_slice(&end);
        self.tree_count += 1;
    }

    /// The whole, and how many blocks and trees it has.
    pub(super) fn finish(mut self) -> (Vec<u8>, u32, u32) {
        self.blocks.append(&mut self.trees);
        (self.blocks, self.block_count, self.tree_count)
    }
}

/// The fence of a tree's first block.
pub(super) fn first_fence(key: &[u8]) -> &[u8] {
    key.get(..LONGEST_FENCE).unwrap_or(key)
}

/// The shortest beginning of `key` that is above `before`, which is a smaller key.
pub(super) fn separator<'a>(before: &[u8], key: &'a [u8]) -> &'a [u8] {
    let same = before.iter().zip(key).take_while(|(a, b)| a == b).count();
    key.get(..=same).unwrap_or(key)
}

/// Something short above `last` and all that begins as it does up to the longest fence; empty if nothing is.
fn end_of(last: &[u8]) -> Vec<u8> {
    if last.len() < LONGEST_FENCE {
        return [last, &[0]].concat();
    }
    let mut end = first_fence(last).to_vec();
    while end.last() == Some(&u8::MAX) {
        end.pop();
    }
    if let Some(byte) = end.last_mut() {
        *byte += 1;
    }
    end
}

/// Between which keys the changes of a tree lie.
pub type RunBounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// A block, by the index.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockMeta {
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) entries: u32,
    /// Where in the index's bytes the fence begins; the filter follows.
    fence: u32,
    fence_len: u32,
    filter_len: u32,
}

#[derive(Debug, Clone, Copy)]
struct TreeMeta {
    first: u32,
    blocks: u32,
    end: u32,
    end_len: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Index {
    bytes: Bytes,
    blocks: Vec<BlockMeta>,
    trees: Vec<TreeId>,
    /// Beside `trees`.
    metas: Vec<TreeMeta>,
    entries: u64,
}

impl Index {
    /// Reads an index whose checksum is right, of a file whose blocks end at `blocks_end`.
    pub(super) fn decode(bytes: Bytes, blocks: u32, trees: u32, blocks_end: u64) -> Option<Index> {
        // N3: what is allocated is bounded by the bytes that are there.
        let least = blocks as usize * BLOCK_RECORD + trees as usize * TREE_RECORD;
        if least > bytes.len() || u32::try_from(bytes.len()).is_err() {
            return None;
        }
        let mut index = Index {
            bytes,
            blocks: Vec::with_capacity(blocks as usize),
            trees: Vec::with_capacity(trees as usize),
            metas: Vec::with_capacity(trees as usize),
            entries: 0,
        };
        let mut at = 0;
        let mut offset = HEADER as u64;
        for _ in 0..blocks {
            (at, offset) = index.read_block(at, offset)?;
        }
        if offset != blocks_end {
            return None;
        }
        for _ in 0..trees {
            at = index.read_tree(at)?;
        }
        let next = index.metas.last().map_or(0, |tree| tree.first + tree.blocks);
        (at == index.bytes.len() && next == blocks).then_some(index)
    }

    fn read_block(&mut self, at: usize, offset: u64) -> Option<(usize, u64)> {
        let meta = BlockMeta {
            offset,
            length: u32_at(&self.bytes, at)?,
            entries: u32_at(&self.bytes, at + 4)?,
            fence: u32::try_from(at + BLOCK_RECORD).ok()?,
            fence_len: u32_at(&self.bytes, at + 8)?,
            filter_len: u32_at(&self.bytes, at + 12)?,
        };
        let end = at + BLOCK_RECORD + meta.fence_len as usize + meta.filter_len as usize;
        let least = BLOCK_HEADER as u64 + u64::from(meta.entries) * (ENTRY_HEADER as u64 + 4);
        if end > self.bytes.len() || meta.entries == 0 || u64::from(meta.length) < least {
            return None;
        }
        self.blocks.push(meta);
        Some((end, offset + u64::from(meta.length)))
    }

    fn read_tree(&mut self, at: usize) -> Option<usize> {
        let tree = TreeId(u32_at(&self.bytes, at)?);
        let meta = TreeMeta {
            first: u32_at(&self.bytes, at + 4)?,
            blocks: u32_at(&self.bytes, at + 8)?,
            end: u32::try_from(at + TREE_RECORD).ok()?,
            end_len: u32_at(&self.bytes, at + 12)?,
        };
        let entries = u64_at(&self.bytes, at + 16)?;
        let end = at + TREE_RECORD + meta.end_len as usize;
        let next = self.metas.last().map_or(0, |tree| tree.first + tree.blocks);
        let follows = self.trees.last().is_none_or(|last| *last < tree) && meta.first == next;
        let last = meta.first.checked_add(meta.blocks)?;
        let blocks = self.blocks.get(meta.first as usize..last as usize)?;
        let ascend = blocks.is_sorted_by(|a, b| self.fence(a) < self.fence(b));
        let bound = self.bytes.get(meta.end as usize..end)?;
        let below =
            bound.is_empty() || blocks.last().is_some_and(|block| self.fence(block) < bound);
        let sum: u64 = blocks.iter().map(|block| u64::from(block.entries)).sum();
        if !follows || meta.blocks == 0 || !ascend || !below || sum != entries {
            return None;
        }
        self.trees.push(tree);
        self.metas.push(meta);
        self.entries += entries;
        Some(end)
    }

    pub(super) fn trees(&self) -> &[TreeId] {
        &self.trees
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// Bytes in memory.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + self.blocks.len() * size_of::<BlockMeta>()
    }

    pub(super) fn block(&self, number: u32) -> Option<&BlockMeta> {
        self.blocks.get(number as usize)
    }

    /// No key of the block is smaller.
    pub(super) fn fence(&self, block: &BlockMeta) -> &[u8] {
        let start = block.fence as usize;
        self.bytes.get(start..start + block.fence_len as usize).unwrap_or_default()
    }

    /// All keys of the block are smaller; empty if there is no bound.
    pub(super) fn end(&self, number: u32) -> &[u8] {
        let Some(tree) = self.tree_of(number) else { return &[] };
        if number + 1 < tree.first + tree.blocks {
            return self.block(number + 1).map_or(&[], |next| self.fence(next));
        }
        self.tree_end(tree)
    }

    fn tree_end(&self, tree: &TreeMeta) -> &[u8] {
        let start = tree.end as usize;
        self.bytes.get(start..start + tree.end_len as usize).unwrap_or_default()
    }

    fn tree_of(&self, number: u32) -> Option<&TreeMeta> {
        let after = self.metas.partition_point(|tree| tree.first <= number);
        self.metas.get(after.checked_sub(1)?)
    }

    fn tree(&self, tree: TreeId) -> Option<&TreeMeta> {
        self.metas.get(self.trees.binary_search(&tree).ok()?)
    }

    /// The first and the last block of a tree.
    pub(super) fn ends(&self, tree: TreeId) -> Option<(u32, u32)> {
        self.tree(tree).map(|tree| (tree.first, tree.first + tree.blocks - 1))
    }

    /// The neighbour of a block in the same tree.
    pub(super) fn neighbour(&self, number: u32, forward: bool) -> Option<u32> {
        let tree = self.tree_of(number)?;
        let next = if forward { number.checked_add(1)? } else { number.checked_sub(1)? };
        (tree.first..tree.first + tree.blocks).contains(&next).then_some(next)
    }

    /// The block that would have a key: the last whose fence is not above it.
    pub(super) fn find(&self, tree: TreeId, key: &[u8]) -> Option<u32> {
        let tree = self.tree(tree)?;
        let blocks = self.blocks.get(tree.first as usize..(tree.first + tree.blocks) as usize)?;
        let after = blocks.partition_point(|block| self.fence(block) <= key) as u32;
        Some(tree.first + after.checked_sub(1)?)
    }

    /// The block that has the key, unless fences or filter say that none has.
    pub(super) fn holder(&self, tree: TreeId, key: &[u8]) -> Option<u32> {
        let number = self.find(tree, key)?;
        let end = self.end(number);
        if !end.is_empty() && key >= end {
            return None;
        }
        let block = self.block(number)?;
        let start = (block.fence + block.fence_len) as usize;
        let bits = self.bytes.get(start..start + block.filter_len as usize).unwrap_or_default();
        filter::may_contain(bits, filter::digest(key)).then_some(number)
    }

    /// The fences of a tree.
    pub(super) fn bounds(&self, tree: TreeId) -> Option<RunBounds<'_>> {
        let tree = self.tree(tree)?;
        let first = self.block(tree.first).map_or(&[][..], |block| self.fence(block));
        let end = self.tree_end(tree);
        let upper = if end.is_empty() { Bound::Unbounded } else { Bound::Excluded(end) };
        Some((Bound::Included(first), upper))
    }

    /// Whether a range reaches into the fences of a tree.
    pub(super) fn may_intersect(
        &self,
        tree: TreeId,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
    ) -> bool {
        let Some(tree) = self.tree(tree) else { return false };
        let first = self.block(tree.first).map_or(&[][..], |block| self.fence(block));
        let end = self.tree_end(tree);
        let above_end = match lower {
            Bound::Unbounded => false,
            Bound::Included(key) | Bound::Excluded(key) => !end.is_empty() && key >= end,
        };
        let below_first = match upper {
            Bound::Unbounded => false,
            Bound::Included(key) => key < first,
            Bound::Excluded(key) => key <= first,
        };
        !above_end && !below_first
    }
}
