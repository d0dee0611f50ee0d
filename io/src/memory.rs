//! Files in memory: for `:memory:` databases and for tests.
//!
//! Each [`MemoryIo`] is a file system of its own. Directories need not be made: a path is a name,
//! and its parent is the directory that lists it. Nothing survives the process, so what is
//! written counts as durable at once. Every operation is done in the first poll of its future.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use heddle_base::sync::Mutex;
use heddle_base::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::locks::RangeLocks;
use crate::{Error, File, Io, IoBuf, LockKind, Metadata, OpenOptions, Operation, Result, TryRead};

/// See the module.
pub struct MemoryIo {
    world: Arc<World>,
    closed: Arc<AtomicBool>,
}

/// What outlives a shutdown.
struct World {
    names: Mutex<BTreeMap<PathBuf, Arc<Node>>>,
    /// Numbers nodes and opens.
    next_id: AtomicU64,
}

/// A file's content, whatever its name.
struct Node {
    id: u64,
    content: Mutex<Content>,
    locks: Mutex<RangeLocks>,
}

/// Bytes in pieces, so that growing copies nothing; a missing piece reads as zeros.
#[derive(Default)]
struct Content {
    len: u64,
    pieces: Vec<Option<Box<[u8]>>>,
}

const PIECE: usize = 64 * 1024;

impl MemoryIo {
    /// An empty file system.
    pub fn new() -> Arc<Self> {
        let world = World { names: Mutex::new(BTreeMap::new()), next_id: AtomicU64::new(1) };
        Self::on(Arc::new(world))
    }

    /// Another handle to the same files, which a shutdown of this one does not close. So a test
    /// can close a database and open it again.
    pub fn reopen(&self) -> Arc<Self> {
        Self::on(Arc::clone(&self.world))
    }

    fn on(world: Arc<World>) -> Arc<Self> {
        Arc::new(Self { world, closed: Arc::new(AtomicBool::new(false)) })
    }

    fn file(&self, node: Arc<Node>, path: PathBuf, write: bool) -> Arc<dyn File> {
        let owner = self.world.fresh_id();
        Arc::new(MemoryFile { closed: Arc::clone(&self.closed), node, path, write, owner })
    }

    fn check(&self, operation: Operation, path: &Path) -> Result<()> {
        check_open(&self.closed).map_err(|source| Error::new(operation, path, source))
    }
}

fn check_open(closed: &AtomicBool) -> io::Result<()> {
    if closed.load(Ordering::Acquire) { Err(crate::error::closed()) } else { Ok(()) }
}

impl World {
    fn fresh_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn new_node(&self) -> Arc<Node> {
        let (content, locks) = (Mutex::new(Content::default()), Mutex::new(RangeLocks::default()));
        Arc::new(Node { id: self.fresh_id(), content, locks })
    }

    fn find_or_create(&self, path: &Path, options: OpenOptions) -> io::Result<Arc<Node>> {
        let mut names = self.names.lock();
        match names.get(path) {
            Some(_) if options.create_new => Err(ErrorKind::AlreadyExists.into()),
            Some(node) => Ok(Arc::clone(node)),
            None if is_dir(&names, path) => Err(ErrorKind::IsADirectory.into()),
            None if options.create || options.create_new => {
                let node = self.new_node();
                names.insert(path.to_owned(), Arc::clone(&node));
                Ok(node)
            }
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.names.lock();
        if is_dir(&names, to) {
            return Err(ErrorKind::IsADirectory.into());
        }
        let node = names.remove(from).ok_or(ErrorKind::NotFound)?;
        names.insert(to.to_owned(), node);
        Ok(())
    }
}

fn is_dir(names: &BTreeMap<PathBuf, Arc<Node>>, path: &Path) -> bool {
    let below = (std::ops::Bound::Excluded(path), std::ops::Bound::Unbounded);
    names.range::<Path, _>(below).next().is_some_and(|(name, _)| name.starts_with(path))
}

impl Content {
    fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let available = self.len.saturating_sub(offset);
        let wanted = usize::try_from(available).unwrap_or(usize::MAX).min(buf.len());
        let mut at = offset;
        for part in parts(&mut buf[..wanted], offset) {
            let (piece, within) = locate(at);
            at += part.len() as u64;
            match self.pieces.get(piece) {
                Some(Some(bytes)) => part.copy_from_slice(&bytes[within..within + part.len()]),
                _ => part.fill(0),
            }
        }
        wanted
    }

    fn write(&mut self, mut bytes: &[u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64).ok_or(ErrorKind::FileTooLarge)?;
        let mut at = offset;
        while !bytes.is_empty() {
            let (piece, within) = locate(at);
            let (part, rest) = bytes.split_at(bytes.len().min(PIECE - within));
            self.piece(piece)[within..within + part.len()].copy_from_slice(part);
            at += part.len() as u64;
            bytes = rest;
        }
        self.len = self.len.max(end);
        Ok(())
    }

    fn piece(&mut self, index: usize) -> &mut [u8] {
        if self.pieces.len() <= index {
            self.pieces.resize_with(index + 1, || None);
        }
        self.pieces[index].get_or_insert_with(|| vec![0; PIECE].into_boxed_slice())
    }

    fn set_len(&mut self, len: u64) {
        let (piece, within) = locate(len);
        if len < self.len {
            // What is cut off must read as zeros if the file grows again.
            self.pieces.truncate(piece + 1);
            if let Some(Some(last)) = self.pieces.get_mut(piece) {
                last[within..].fill(0);
            }
        }
        self.len = len;
    }
}

/// Which piece holds a byte, and where in it.
fn locate(offset: u64) -> (usize, usize) {
    let piece = usize::try_from(offset / PIECE as u64).unwrap_or(usize::MAX);
    (piece, (offset % PIECE as u64) as usize)
}

/// Cuts a buffer for `offset` at the borders of pieces.
fn parts(buf: &mut [u8], offset: u64) -> impl Iterator<Item = &mut [u8]> {
    let (_, within) = locate(offset);
    let first = (PIECE - within).min(buf.len());
    let (head, tail) = buf.split_at_mut(first);
    std::iter::once(head).chain(tail.chunks_mut(PIECE))
}

struct MemoryFile {
    closed: Arc<AtomicBool>,
    node: Arc<Node>,
    path: PathBuf,
    write: bool,
    /// Owner of this open file's locks.
    owner: u64,
}

impl MemoryFile {
    fn check(&self, writing: bool) -> io::Result<()> {
        check_open(&self.closed)?;
        if writing && !self.write { Err(ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }

    fn error(&self, operation: Operation) -> impl Fn(io::Error) -> Error + '_ {
        move |source| Error::new(operation, &self.path, source)
    }

    fn error_at(&self, operation: Operation, offset: u64) -> impl Fn(io::Error) -> Error + '_ {
        move |source| Error::at(operation, &self.path, offset, source)
    }

    fn read(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.check(false).map_err(self.error_at(Operation::Read, offset))?;
        Ok(self.node.content.lock().read(buf, offset))
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.check(true)
            .and_then(|()| self.node.content.lock().write(bytes, offset))
            .map_err(self.error_at(Operation::Write, offset))
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        self.node.locks.lock().release(self.owner);
    }
}

#[async_trait]
impl File for MemoryFile {
    fn path(&self) -> &Path {
        &self.path
    }

    async fn read_at(&self, mut buf: IoBuf, offset: u64) -> (Result<usize>, IoBuf) {
        (self.read(&mut buf, offset), buf)
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> Result<TryRead> {
        self.read(buf, offset).map(TryRead::Done)
    }

    async fn write_at(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        (self.write(&buf, offset), buf)
    }

    async fn write_durable_at(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        (self.write(&buf, offset), buf)
    }

    async fn sync_data(&self) -> Result<()> {
        self.check(false).map_err(self.error(Operation::Sync))
    }

    async fn set_len(&self, len: u64) -> Result<()> {
        self.check(true).map_err(self.error_at(Operation::SetLen, len))?;
        self.node.content.lock().set_len(len);
        Ok(())
    }

    async fn len(&self) -> Result<u64> {
        self.check(false).map_err(self.error(Operation::Metadata))?;
        Ok(self.node.content.lock().len)
    }

    async fn preallocate(&self, range: Range<u64>) -> Result<()> {
        let error = self.error_at(Operation::Preallocate, range.start);
        self.check(true).map_err(&error)?;
        let zeros = vec![0; PIECE];
        let mut content = self.node.content.lock();
        let mut at = range.start;
        while at < range.end {
            let count = usize::try_from(range.end - at).unwrap_or(PIECE).min(PIECE);
            content.write(&zeros[..count], at).map_err(&error)?;
            at += count as u64;
        }
        Ok(())
    }

    fn try_lock(&self, range: Range<u64>, kind: LockKind) -> Result<bool> {
        self.check(kind == LockKind::Exclusive).map_err(self.error(Operation::Lock))?;
        Ok(self.node.locks.lock().try_lock(self.owner, range, kind))
    }

    fn unlock(&self, range: Range<u64>) -> Result<()> {
        self.node.locks.lock().unlock(self.owner, range);
        Ok(())
    }
}

#[async_trait]
impl Io for MemoryIo {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn open(&self, path: &Path, options: OpenOptions) -> Result<Arc<dyn File>> {
        self.check(Operation::Open, path)?;
        let node = self
            .world
            .find_or_create(path, options)
            .map_err(|source| Error::new(Operation::Open, path, source))?;
        Ok(self.file(node, path.to_owned(), options.write))
    }

    async fn open_unlinked(&self, dir: &Path) -> Result<Arc<dyn File>> {
        self.check(Operation::Open, dir)?;
        let node = self.world.new_node();
        Ok(self.file(node, dir.join("(unlinked)"), true))
    }

    async fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        self.check(Operation::Metadata, path)?;
        let names = self.world.names.lock();
        if let Some(node) = names.get(path) {
            let len = node.content.lock().len;
            let identity = (0, node.id);
            return Ok(Some(Metadata { len, writable: true, is_dir: false, identity }));
        }
        let directory = Metadata { len: 0, writable: true, is_dir: true, identity: (0, 0) };
        Ok(is_dir(&names, path).then_some(directory))
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.check(Operation::Rename, from)?;
        self.world.rename(from, to).map_err(|source| Error::new(Operation::Rename, from, source))
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        self.check(Operation::Remove, path)?;
        match self.world.names.lock().remove(path) {
            Some(_) => Ok(()),
            None => Err(Error::new(Operation::Remove, path, ErrorKind::NotFound.into())),
        }
    }

    async fn list(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        self.check(Operation::List, dir)?;
        let names = self.world.names.lock();
        let mut entries: Vec<PathBuf> = names
            .keys()
            .filter_map(|name| name.strip_prefix(dir).ok()?.components().next())
            .map(|first| PathBuf::from(first.as_os_str()))
            .collect();
        entries.dedup();
        Ok(entries)
    }

    async fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.check(Operation::SyncDir, dir)
    }

    async fn free_space(&self, path: &Path) -> Result<u64> {
        self.check(Operation::Metadata, path)?;
        Ok(u64::MAX)
    }

    async fn shutdown(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

impl std::fmt::Debug for MemoryIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryIo({} files)", self.world.names.lock().len())
    }
}

#[cfg(all(test, not(any(heddle_loom, heddle_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn files_outlive_a_shutdown() {
        let io = MemoryIo::new();
        let path = Path::new("/x");
        let again = io.reopen();
        crate::executor::block_on(async {
            let file = io.open(path, OpenOptions::CREATE).await.unwrap();
            file.write_at(IoBuf::copy_of(b"kept"), 0).await.0.unwrap();
            io.shutdown().await;
            assert!(io.open(path, OpenOptions::READ).await.is_err());
            let file = again.open(path, OpenOptions::READ).await.unwrap();
            assert_eq!(file.len().await.unwrap(), 4);
        });
    }

    #[test]
    fn content_crosses_pieces_and_forgets_what_is_cut_off() {
        let mut content = Content::default();
        let bytes: Vec<u8> = (0..3 * PIECE).map(|n| (n % 251) as u8).collect();
        content.write(&bytes, 100).unwrap();
        let mut back = vec![0; 3 * PIECE + 200];
        assert_eq!(content.read(&mut back, 0), 3 * PIECE + 100);
        assert_eq!((&back[..100], &back[100..3 * PIECE + 100]), (&[0; 100][..], &bytes[..]));
        content.set_len(150);
        content.set_len(PIECE as u64);
        assert_eq!(content.read(&mut back, 0), PIECE);
        assert!(back[150..PIECE].iter().all(|byte| *byte == 0));
    }
}
