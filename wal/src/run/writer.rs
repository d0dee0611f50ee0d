//! Writes a run file, block by block, in the order of its keys.
//!
//! # Invariants
//! - V1: trees ascend, and keys ascend strictly within a tree.
//! - V2: memory is what was pushed since the last flush, and the index. Who flushes when asked to
//!   ([`RunWriter::wants_flush`]) has a megabyte of the former, or one entry that is larger.
//! - V3: the file is removed unless it was finished (N2).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use heddle_base::TreeId;
use heddle_io::{Env, File, IoBuf, OpenOptions};

use super::file::{RunFile, remove_later};
use super::format::{self, BLOCK_HEADER, ENTRY_HEADER, FOOTER, Footer, LONGEST, TARGET, VERSION};
use super::index::{Index, IndexBuilder, first_fence, separator};
use super::{RunName, filter};
use crate::keeper::full_or;
use crate::segment::Names;
use crate::{Error, Result};

/// Bytes of one write, and how many make it worth one.
const WRITE: usize = 1 << 20;

/// See the module.
pub struct RunWriter {
    unfinished: Unfinished,
    name: RunName,
    dir: PathBuf,
    file: Arc<dyn File>,
    /// What is to be written at `written`: closed blocks, then the one being filled.
    pending: Vec<u8>,
    written: u64,
    /// Where in `pending` the block being filled begins.
    block: usize,
    /// Where its entries begin, counted from its beginning.
    places: Vec<u32>,
    /// The digests of its keys.
    digests: Vec<u32>,
    fence: Vec<u8>,
    last_key: Vec<u8>,
    tree: Option<Tree>,
    entries: u64,
    index: IndexBuilder,
    /// A write began and was not seen to end.
    torn: bool,
}

/// The tree being written.
struct Tree {
    id: TreeId,
    first_block: u32,
    entries: u64,
}

impl RunWriter {
    /// Makes the file.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and other failures to create it, among them that it is there already.
    ///
    /// # Cancel safety
    /// Dropped midway, the file is removed.
    pub async fn create(env: &Env, db_path: &Path, name: RunName) -> Result<RunWriter> {
        let names = Names::of(db_path);
        let path = names.run(name);
        let unfinished = Unfinished { env: env.clone(), path: path.clone(), armed: true };
        let file = env.io.open(&path, OpenOptions::CREATE_NEW).await;
        let file = file.map_err(|error| full_or(error.into()))?;
        Ok(RunWriter {
            unfinished,
            name,
            dir: names.dir().to_owned(),
            file,
            pending: format::header(name).to_vec(),
            written: 0,
            block: format::HEADER,
            places: Vec::new(),
            digests: Vec::new(),
            fence: Vec::new(),
            last_key: Vec::new(),
            tree: None,
            entries: 0,
            index: IndexBuilder::default(),
            torn: false,
        })
    }

    /// The name by which a commit record knows it.
    pub fn name(&self) -> RunName {
        self.name
    }

    /// Changes so far.
    pub fn len(&self) -> u64 {
        self.entries
    }

    /// Whether there is none so far.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Bytes so far, index included.
    pub fn bytes(&self) -> u64 {
        self.written + self.pending.len() as u64 + self.index.size() as u64
    }

    /// Adds a change; `None` deletes the key.
    ///
    /// # Errors
    /// [`Error::RunOrder`] if it does not come after the change before (V1), [`Error::TooBig`] if key or value is
    /// over a gigabyte.
    pub fn push(&mut self, tree: TreeId, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let longest = key.len().max(value.map_or(0, <[u8]>::len));
        if longest > LONGEST {
            return Err(Error::TooBig { bytes: longest, limit: LONGEST });
        }
        let same = match &self.tree {
            Some(last) if last.id == tree && self.last_key.as_slice() < key => true,
            Some(last) if last.id >= tree => {
                return Err(Error::RunOrder { path: self.unfinished.path.clone() });
            }
            _ => false,
        };
        let size = ENTRY_HEADER + key.len() + value.map_or(0, <[u8]>::len);
        let filled = self.pending.len() - self.block + 4 * self.places.len();
        if !same {
            self.end_tree();
            self.tree = Some(Tree { id: tree, first_block: self.index.blocks(), entries: 0 });
        } else if filled + size > TARGET {
            self.close_block();
        }
        if self.places.is_empty() {
            let fence = if same { separator(&self.last_key, key) } else { first_fence(key) };
            self.fence.clear();
            self.fence.extend_from_slice(fence);
            self.pending.extend_from_slice(&[0; BLOCK_HEADER]);
        }
        self.places.push((self.pending.len() - self.block) as u32);
        self.digests.push(filter::digest(key));
        format::put_entry(&mut self.pending, key, value);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        self.entries += 1;
        if let Some(tree) = &mut self.tree {
            tree.entries += 1;
        }
        Ok(())
    }

    fn close_block(&mut self) {
        if self.places.is_empty() {
            return;
        }
        let number = self.index.blocks();
        format::finish_block(&mut self.pending, self.block, self.name, number, &self.places);
        let length = (self.pending.len() - self.block) as u32;
        self.index.add_block(length, &self.fence, &self.digests);
        self.block = self.pending.len();
        self.places.clear();
        self.digests.clear();
    }

    fn end_tree(&mut self) {
        self.close_block();
        if let Some(tree) = self.tree.take() {
            self.index.add_tree(tree.id, tree.first_block, tree.entries, &self.last_key);
        }
    }

    /// Whether enough was pushed to make a write worth it.
    pub fn wants_flush(&self) -> bool {
        self.block >= WRITE || self.pending.len() >= 2 * WRITE
    }

    /// Writes the blocks that are full.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and other failures to write; the run is then of no use.
    ///
    /// # Cancel safety
    /// Dropped midway, the run is of no use: what is done with it later fails.
    pub async fn flush(&mut self) -> Result<()> {
        if self.pending.len() - self.block > TARGET {
            // One large entry: nothing joins it.
            self.close_block();
        }
        self.write(self.block).await
    }

    /// Writes so many of the pending bytes.
    async fn write(&mut self, bytes: usize) -> Result<()> {
        if self.torn {
            return Err(Error::Closed);
        }
        self.torn = true;
        for piece in self.pending.get(..bytes).unwrap_or_default().chunks(WRITE) {
            let done = self.file.write_at(IoBuf::copy_of(piece), self.written).await.0;
            done.map_err(|error| full_or(error.into()))?;
            self.written += piece.len() as u64;
        }
        self.torn = false;
        self.pending.drain(..bytes);
        self.block -= bytes.min(self.block);
        if self.pending.capacity() > 4 * WRITE {
            self.pending.shrink_to(2 * WRITE);
        }
        Ok(())
    }

    /// Writes the rest, and syncs the file and its name (N1).
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::TooBig`] if the index is over four gigabytes, and other failures to write.
    ///
    /// # Cancel safety
    /// Dropped midway, the file is removed.
    pub async fn finish(mut self) -> Result<Arc<RunFile>> {
        self.end_tree();
        self.write(self.pending.len()).await?;
        let at = self.written;
        let (index, blocks, trees) = std::mem::take(&mut self.index).finish();
        let footer = Footer {
            version: VERSION,
            id: self.name.id(),
            file: at + (index.len() + FOOTER) as u64,
            index: at,
            index_crc: crc32c::crc32c(&index),
            blocks,
            trees,
        };
        self.pending.extend_from_slice(&index);
        self.pending.extend_from_slice(&footer.encode());
        self.write(self.pending.len()).await?;
        let index = Index::decode(Bytes::from(index), blocks, trees, at);
        let too_big = Error::TooBig { bytes: usize::MAX, limit: u32::MAX as usize };
        let index = index.ok_or(too_big)?;
        self.file.sync_data().await.map_err(|error| full_or(error.into()))?;
        let RunWriter { mut unfinished, name, dir, file, .. } = self;
        unfinished.env.io.sync_dir(&dir).await?;
        unfinished.armed = false;
        let (env, path) = (unfinished.env.clone(), unfinished.path.clone());
        Ok(Arc::new(RunFile::new(env, path, name, file, index, footer.file)))
    }
}

impl fmt::Debug for RunWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunWriter({}, {} changes)", self.name, self.entries)
    }
}

/// Removes the file if it goes while armed (V3).
struct Unfinished {
    env: Env,
    path: PathBuf,
    armed: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.armed {
            remove_later(&self.env, &self.path);
        }
    }
}
