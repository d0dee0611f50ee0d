//! A finished run file: what reads ask without blocking, and the load of what they lack.
//!
//! Made by [`super::RunWriter::finish`] or by [`RunFile::open`]; shared by all who read the run.
//!
//! # Invariants
//! - L1: only `open` and `load` read the disk. All else answers from the index and the cache, or names the block
//!   it lacks.
//! - L2: an obsolete file is removed when the last handle goes, in the background (N2).

use std::fmt;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use heddle_base::TreeId;
use heddle_base::sync::atomic::{AtomicBool, Ordering};
use heddle_io::{Env, File, IoBuf, OpenOptions};

use super::cache::{Cache, RunPin};
use super::format::{self, Block, Expected, FOOTER, Footer, HEADER, VERSION};
use super::index::{BlockNo, Index, RunBounds};
use super::{RunDirection, RunName};
use crate::segment::Names;
use crate::{Error, Result};

/// What a run says about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunProbe {
    /// It has no change of the key.
    Absent,
    /// This change; `None` is a deletion.
    Found(Option<Bytes>),
    /// This block must be loaded first.
    NeedsIo(BlockNo),
}

/// What a run says about a bound.
#[derive(Debug, Clone)]
pub enum RunSeek {
    /// Nothing lies beyond it.
    End,
    /// The first change beyond it.
    At(RunPlace),
    /// This block must be loaded first.
    NeedsIo(BlockNo),
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStep {
    /// The place is the next change.
    Moved,
    /// There is none; the place stayed.
    End,
    /// This block must be loaded first; the place stayed.
    NeedsIo(BlockNo),
}

/// A change, which may share its block's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEntry {
    /// The key.
    pub key: Bytes,
    /// The new value; `None` is a deletion.
    pub value: Option<Bytes>,
}

/// A change in a block in memory, which it pins.
#[derive(Debug, Clone)]
pub struct RunPlace {
    block: Arc<Block>,
    at: u32,
}

impl RunPlace {
    /// The key.
    pub fn key(&self) -> &[u8] {
        self.block.key(self.at)
    }

    /// The new value; `None` is a deletion.
    pub fn value(&self) -> Option<&[u8]> {
        self.block.value(self.at)
    }

    /// Key and value, sharing the block's memory.
    pub fn entry(&self) -> RunEntry {
        let (key, value) = self.block.entry(self.at);
        RunEntry { key, value }
    }
}

/// See the module.
pub struct RunFile {
    env: Env,
    path: PathBuf,
    name: RunName,
    file: Arc<dyn File>,
    index: Index,
    bytes: u64,
    cache: Cache,
    obsolete: AtomicBool,
}

impl RunFile {
    /// Opens a finished file: reads and verifies all but its blocks.
    ///
    /// # Errors
    /// [`Error::MissingRun`] if it is not there, [`Error::Corrupt`], [`Error::NewerFormat`], and failures to read.
    ///
    /// # Cancel safety
    /// Cancel-safe: it only reads.
    pub async fn open(env: &Env, db_path: &Path, name: RunName) -> Result<Arc<RunFile>> {
        let path = Names::of(db_path).run(name);
        let file = match env.io.open(&path, OpenOptions::READ).await {
            Err(error) if error.is_not_found() => return Err(Error::MissingRun { path }),
            opened => opened?,
        };
        let corrupt = |offset, what| Error::Corrupt { path: path.clone(), offset, what };
        let bytes = file.len().await?;
        let Some(footer_at) = bytes.checked_sub(FOOTER as u64) else {
            return Err(corrupt(0, "the file of a run is too short"));
        };
        let header = read(&*file, 0, HEADER).await?;
        if !format::is_header(&header, name) {
            return Err(corrupt(0, "no header of this run"));
        }
        let footer = Footer::decode(&read(&*file, footer_at, FOOTER).await?);
        let footer = footer.ok_or_else(|| corrupt(footer_at, "no footer of a run"))?;
        if footer.version > VERSION {
            return Err(Error::NewerFormat { path, found: footer.version, known: VERSION });
        }
        let length = footer_at.checked_sub(footer.index).and_then(|len| usize::try_from(len).ok());
        let Some(length) = length.filter(|_| footer.file == bytes && footer.id == name.id()) else {
            return Err(corrupt(footer_at, "the footer is not that of this file"));
        };
        let index = read(&*file, footer.index, length).await?;
        if crc32c::crc32c(&index) != footer.index_crc {
            return Err(corrupt(footer.index, "the checksum of the index is wrong"));
        }
        let index = Index::decode(index, footer.blocks, footer.trees, footer.index);
        let index = index.ok_or_else(|| corrupt(footer.index, "the index can't be read"))?;
        Ok(Arc::new(RunFile::new(env.clone(), path, name, file, index, bytes)))
    }

    pub(super) fn new(
        env: Env,
        path: PathBuf,
        name: RunName,
        file: Arc<dyn File>,
        index: Index,
        bytes: u64,
    ) -> RunFile {
        let (cache, obsolete) = (Cache::default(), AtomicBool::new(false));
        RunFile { env, path, name, file, index, bytes, cache, obsolete }
    }

    /// The name by which a commit record knows it.
    pub fn name(&self) -> RunName {
        self.name
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The trees that it changes, ascending.
    pub fn trees(&self) -> &[TreeId] {
        self.index.trees()
    }

    /// How many changes it has.
    pub fn len(&self) -> u64 {
        self.index.entries()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The most memory it takes, in bytes: the index with the filters, and a full cache. Blocks that are
    /// pinned beyond that are not counted.
    pub fn memory(&self) -> usize {
        self.index.size() + Cache::budget().min(usize::try_from(self.bytes).unwrap_or(usize::MAX))
    }

    /// Whether it may change the key: by the fences and the filter.
    pub fn may_contain(&self, tree: TreeId, key: &[u8]) -> bool {
        self.index.holder(tree, key).is_some()
    }

    /// Whether it may change a key of the range: by the fences.
    pub fn may_intersect(&self, tree: TreeId, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> bool {
        self.index.may_intersect(tree, lower, upper)
    }

    /// Between which bounds its changes of a tree lie; `None`: it has none.
    pub fn bounds(&self, tree: TreeId) -> Option<RunBounds<'_>> {
        self.index.bounds(tree)
    }

    /// The change of a key.
    pub fn try_get(&self, tree: TreeId, key: &[u8]) -> RunProbe {
        let Some(number) = self.index.holder(tree, key) else { return RunProbe::Absent };
        let Some(block) = self.cache.get(number) else { return RunProbe::NeedsIo(BlockNo(number)) };
        let at = block.partition(|found| found < key);
        if at == block.entries() || block.key(at) != key {
            return RunProbe::Absent;
        }
        RunProbe::Found(block.shared_value(at))
    }

    /// The first change at or above a lower bound going forward; the last at or below an upper bound
    /// going backward.
    pub fn try_seek(&self, tree: TreeId, bound: Bound<&[u8]>, direction: RunDirection) -> RunSeek {
        let forward = direction == RunDirection::Forward;
        let Some((first, last)) = self.index.ends(tree) else { return RunSeek::End };
        let start = match bound {
            Bound::Unbounded => Some(if forward { first } else { last }),
            Bound::Included(key) | Bound::Excluded(key) => {
                self.index.find(tree, key).or(forward.then_some(first))
            }
        };
        let mut number = start;
        while let Some(at) = number {
            let Some(block) = self.cache.get(at) else { return RunSeek::NeedsIo(BlockNo(at)) };
            if let Some(at) = position(&block, bound, forward) {
                return RunSeek::At(RunPlace { block, at });
            }
            number = self.index.neighbour(at, forward);
        }
        RunSeek::End
    }

    /// Moves a place of this run to the next change of the same tree.
    pub fn try_step(&self, place: &mut RunPlace, direction: RunDirection) -> RunStep {
        let forward = direction == RunDirection::Forward;
        let next = if forward { place.at.checked_add(1) } else { place.at.checked_sub(1) };
        if let Some(next) = next.filter(|next| *next < place.block.entries()) {
            place.at = next;
            return RunStep::Moved;
        }
        let Some(number) = self.index.neighbour(place.block.number(), forward) else {
            return RunStep::End;
        };
        let Some(block) = self.cache.get(number) else { return RunStep::NeedsIo(BlockNo(number)) };
        let at = if forward { 0 } else { block.entries() - 1 };
        *place = RunPlace { block, at };
        RunStep::Moved
    }

    /// Reads a block into the cache. Keep the pin until the question that needed it was asked again.
    ///
    /// # Errors
    /// [`Error::Corrupt`] and failures to read.
    ///
    /// # Cancel safety
    /// Cancel-safe: it only reads.
    pub async fn load(&self, block: BlockNo) -> Result<RunPin> {
        if let Some(block) = self.cache.get(block.0) {
            return Ok(RunPin::of(block));
        }
        let Some(meta) = self.index.block(block.0) else {
            return Err(self.corrupt(self.bytes, "the run has no such block"));
        };
        let bytes = read(&*self.file, meta.offset, meta.length as usize).await?;
        Ok(self.cache.put(Arc::new(self.decode(block.0, bytes)?)))
    }

    /// Blocks from `first` on, or up to it, in the order of the direction: as many as one read of about `bytes`
    /// has. Past the cache: who walks a whole run would only push others out.
    pub(super) async fn read_ahead(
        &self,
        first: u32,
        direction: RunDirection,
        bytes: usize,
    ) -> Result<Vec<Block>> {
        let forward = direction == RunDirection::Forward;
        let (mut low, mut high, mut size) = (first, first, 0);
        let mut number = Some(first);
        while let Some((at, meta)) =
            number.and_then(|at| self.index.block(at).map(|meta| (at, meta)))
        {
            if size > 0 && size + meta.length as usize > bytes {
                break;
            }
            size += meta.length as usize;
            (low, high) = (low.min(at), high.max(at));
            number = self.index.neighbour(at, forward);
        }
        let Some(start) = self.index.block(low).map(|meta| meta.offset) else {
            return Err(self.corrupt(self.bytes, "the run has no such block"));
        };
        let mut rest = read(&*self.file, start, size).await?;
        let mut blocks = Vec::new();
        for number in low..=high {
            let length = self.index.block(number).map_or(0, |meta| meta.length as usize);
            let bytes = rest.split_to(length.min(rest.len()));
            blocks.push(self.decode(number, bytes)?);
        }
        if !forward {
            blocks.reverse();
        }
        Ok(blocks)
    }

    fn decode(&self, number: u32, bytes: Bytes) -> Result<Block> {
        let Some(meta) = self.index.block(number) else {
            return Err(self.corrupt(self.bytes, "the run has no such block"));
        };
        let expected = Expected {
            name: self.name,
            number,
            entries: meta.entries,
            fence: self.index.fence(meta),
            end: self.index.end(number),
        };
        Block::decode(bytes, expected).map_err(|what| self.corrupt(meta.offset, what))
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    fn corrupt(&self, offset: u64, what: &'static str) -> Error {
        Error::Corrupt { path: self.path.clone(), offset, what }
    }

    /// Nobody will ask for this run after a restart: its file goes with the last handle.
    pub fn set_obsolete(&self) {
        self.obsolete.store(true, Ordering::Release);
    }
}

/// The entry of a block where a walk from a bound begins.
pub(super) fn position(block: &Block, bound: Bound<&[u8]>, forward: bool) -> Option<u32> {
    let at = match (bound, forward) {
        (Bound::Unbounded, true) => 0,
        (Bound::Unbounded, false) => block.entries(),
        (Bound::Included(key), true) | (Bound::Excluded(key), false) => {
            block.partition(|found| found < key)
        }
        (Bound::Excluded(key), true) | (Bound::Included(key), false) => {
            block.partition(|found| found <= key)
        }
    };
    let at = if forward { Some(at) } else { at.checked_sub(1) };
    at.filter(|at| *at < block.entries())
}

/// `len` bytes of a file; fewer only at its end.
async fn read(file: &dyn File, offset: u64, len: usize) -> Result<Bytes> {
    let (done, buf) = file.read_at(IoBuf::zeroed(len), offset).await;
    let got = done?;
    Ok(Bytes::from_owner(Chunk(buf)).slice(..got.min(len)))
}

/// Lends a buffer's memory to [`Bytes`].
struct Chunk(IoBuf);

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Removes a file in the background: a drop can't wait.
pub(super) fn remove_later(env: &Env, path: &Path) {
    let (io, path) = (Arc::clone(&env.io), path.to_owned());
    let remove = async move {
        if let Err(error) = io.remove(&path).await
            && !error.is_not_found()
        {
            tracing::warn!(%error, "a run file that nobody needs could not be removed");
        }
    };
    env.runtime.spawn("heddle-run-removal", Box::pin(remove));
}

impl Drop for RunFile {
    fn drop(&mut self) {
        if self.obsolete.load(Ordering::Acquire) {
            remove_later(&self.env, &self.path);
        }
    }
}

impl fmt::Debug for RunFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunFile({}, {} changes, {} bytes)", self.name, self.len(), self.bytes)
    }
}
