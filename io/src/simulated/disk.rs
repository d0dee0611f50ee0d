//! The simulated disk: files by number, names by path, and what of both survives a crash.
//!
//! Directories need not be made: a path is a name, its parent the directory that lists it.
//!
//! # What a crash does
//! - To bytes: see [`super::inode`]. Nothing unsynced survives, or all of it, or all up to a
//!   moment, or each sector on its own; writes in flight land sector by sector or not.
//! - To names: creations, renames and removals since the directory was synced survive up to a
//!   moment, as with a journal, or each on its own. A rename is never torn. Syncing a file does
//!   not sync its name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use fastrand::Rng;

use super::inode::{Inode, SECTOR};
use crate::locks::RangeLocks;
use crate::{Metadata, OpenOptions};

/// Names an [`Inode`].
pub(super) type InodeId = u64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Disk {
    inodes: BTreeMap<InodeId, Inode>,
    names: BTreeMap<PathBuf, InodeId>,
    durable_names: BTreeMap<PathBuf, InodeId>,
    /// Changes of names that no sync of their directory has covered, in order.
    journal: Vec<Change>,
    next_inode: InodeId,
    /// Grows with every change of any file.
    moment: u64,
    capacity: Option<u64>,
}

#[derive(Debug, Clone)]
enum Change {
    Link(PathBuf, InodeId),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, InodeId),
}

impl Change {
    fn touches(&self, dir: &Path) -> bool {
        match self {
            Change::Link(path, _) | Change::Unlink(path) => path.parent() == Some(dir),
            Change::Rename(from, to, _) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, InodeId>) {
        match self {
            Change::Link(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Change::Unlink(path) => {
                names.remove(path);
            }
            Change::Rename(from, to, inode) => {
                // Only if that name is still (or, after a loss, again) this file's.
                if names.get(from).is_none_or(|found| found == inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
        }
    }
}

impl Disk {
    pub(super) fn set_capacity(&mut self, bytes: Option<u64>) {
        self.capacity = bytes;
    }

    /// The file behind a handle.
    ///
    /// A handle's inode stays until the handle is dropped, and handles from before a crash are
    /// turned away before they come here (S4), so a missing one is empty at worst.
    pub(super) fn inode(&mut self, id: InodeId) -> &mut Inode {
        self.inodes.entry(id).or_default()
    }

    /// A number for the next change.
    pub(super) fn next_moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    /// Opens or creates, and counts the handle.
    pub(super) fn open(&mut self, path: &Path, options: OpenOptions) -> io::Result<InodeId> {
        let id = match self.names.get(path) {
            Some(_) if options.create_new => return Err(ErrorKind::AlreadyExists.into()),
            Some(id) => *id,
            None if self.is_dir(path) => return Err(ErrorKind::IsADirectory.into()),
            None if options.create && options.write => {
                let id = self.new_inode();
                self.change(Change::Link(path.to_owned(), id));
                id
            }
            None => return Err(ErrorKind::NotFound.into()),
        };
        self.inode(id).opens += 1;
        Ok(id)
    }

    /// Opens a file without a name.
    pub(super) fn open_unlinked(&mut self) -> InodeId {
        let id = self.new_inode();
        self.inode(id).opens += 1;
        id
    }

    /// Gives up a handle and its locks.
    pub(super) fn close(&mut self, id: InodeId, owner: u64) {
        let inode = self.inode(id);
        inode.opens = inode.opens.saturating_sub(1);
        inode.locks.release(owner);
        if inode.opens == 0 && !self.is_named(id) {
            self.inodes.remove(&id);
        }
    }

    fn new_inode(&mut self) -> InodeId {
        self.next_inode += 1;
        self.inodes.insert(self.next_inode, Inode::default());
        self.next_inode
    }

    /// Whether any name leads to it now, or may after a crash.
    fn is_named(&self, id: InodeId) -> bool {
        let in_journal = |change: &Change| match change {
            Change::Link(_, inode) | Change::Rename(_, _, inode) => *inode == id,
            Change::Unlink(_) => false,
        };
        self.names.values().chain(self.durable_names.values()).any(|named| *named == id)
            || self.journal.iter().any(in_journal)
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.journal.push(change);
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if self.is_dir(to) {
            return Err(ErrorKind::IsADirectory.into());
        }
        let id = *self.names.get(from).ok_or(ErrorKind::NotFound)?;
        self.change(Change::Rename(from.to_owned(), to.to_owned(), id));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        if !self.names.contains_key(path) {
            return Err(ErrorKind::NotFound.into());
        }
        self.change(Change::Unlink(path.to_owned()));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) {
        for change in std::mem::take(&mut self.journal) {
            if change.touches(dir) {
                change.apply(&mut self.durable_names);
            } else {
                self.journal.push(change);
            }
        }
    }

    fn is_dir(&self, path: &Path) -> bool {
        let below = (std::ops::Bound::Excluded(path), std::ops::Bound::Unbounded);
        self.names.range::<Path, _>(below).next().is_some_and(|(name, _)| name.starts_with(path))
    }

    pub(super) fn metadata(&self, path: &Path) -> Option<Metadata> {
        if let Some((id, inode)) =
            self.names.get(path).and_then(|id| Some((*id, self.inodes.get(id)?)))
        {
            let (len, identity) = (inode.seen().len() as u64, (0, id));
            return Some(Metadata { len, writable: true, is_dir: false, identity });
        }
        let directory = Metadata { len: 0, writable: true, is_dir: true, identity: (0, 0) };
        self.is_dir(path).then_some(directory)
    }

    pub(super) fn list(&self, dir: &Path) -> Vec<PathBuf> {
        let mut entries: Vec<PathBuf> = self
            .names
            .keys()
            .filter_map(|name| name.strip_prefix(dir).ok()?.components().next())
            .map(|first| PathBuf::from(first.as_os_str()))
            .collect();
        entries.dedup();
        entries
    }

    /// Bytes in files that have a name or are open.
    fn used(&self) -> u64 {
        let named: BTreeSet<InodeId> = self.names.values().copied().collect();
        let counts = |(id, inode): &(&InodeId, &Inode)| inode.opens > 0 || named.contains(id);
        self.inodes.iter().filter(counts).map(|(_, inode)| inode.seen().len() as u64).sum()
    }

    pub(super) fn free_space(&self) -> u64 {
        self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used()))
    }

    /// Whether a file may grow to `end`.
    pub(super) fn check_room(&mut self, id: InodeId, end: u64) -> io::Result<usize> {
        let growth = end.saturating_sub(self.inode(id).seen().len() as u64);
        if growth > 0 && self.capacity.is_some() && growth > self.free_space() {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        // A file lives in memory whole; beyond this only a mistake would go.
        if end > 1 << 36 {
            return Err(ErrorKind::FileTooLarge.into());
        }
        usize::try_from(end).map_err(|_| ErrorKind::FileTooLarge.into())
    }

    /// A write that the crash met in flight: each of its sectors landed, or not.
    pub(super) fn tear(&mut self, id: InodeId, bytes: &[u8], offset: u64, rng: &mut Rng) {
        let moment = self.next_moment();
        let head = (SECTOR - (offset % SECTOR as u64) as usize).min(bytes.len());
        let (head, rest) = bytes.split_at(head);
        let mut at = offset;
        for part in std::iter::once(head).chain(rest.chunks(SECTOR)) {
            if rng.bool()
                && let Ok(end) = self.check_room(id, at + part.len() as u64)
            {
                self.inode(id).write(moment, part, end - part.len());
            }
            at += part.len() as u64;
        }
    }

    /// Every program ended: nobody has a file open, and locks are free.
    pub(super) fn forget_handles(&mut self) {
        let all: Vec<InodeId> = self.inodes.keys().copied().collect();
        for id in all {
            if self.is_named(id) {
                let inode = self.inode(id);
                inode.opens = 0;
                inode.locks = RangeLocks::default();
            } else {
                self.inodes.remove(&id);
            }
        }
    }

    /// The power goes.
    pub(super) fn crash(&mut self, rng: &mut Rng) {
        let journal = std::mem::take(&mut self.journal);
        let (in_order, until) = (rng.bool(), rng.usize(..=journal.len()));
        for (at, change) in journal.iter().enumerate() {
            if if in_order { at < until } else { rng.bool() } {
                change.apply(&mut self.durable_names);
            }
        }
        self.names = self.durable_names.clone();
        let named: BTreeSet<InodeId> = self.names.values().copied().collect();
        self.inodes = std::mem::take(&mut self.inodes)
            .into_iter()
            .filter(|(id, _)| named.contains(id))
            .map(|(id, inode)| (id, inode.crash(rng)))
            .collect();
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.names.keys().cloned().collect()
    }

    pub(super) fn content(&self, path: &Path) -> Option<&[u8]> {
        self.inodes.get(self.names.get(path)?).map(Inode::seen)
    }

    /// Makes a durable file, keeping open handles on the old one of that name.
    pub(super) fn place(&mut self, path: &Path, bytes: &[u8]) {
        self.next_inode += 1;
        self.inodes.insert(self.next_inode, Inode::durable(bytes.to_vec()));
        self.discard(path);
        self.names.insert(path.to_owned(), self.next_inode);
        self.durable_names.insert(path.to_owned(), self.next_inode);
    }

    /// Removes a name durably, and what the journal says of it.
    pub(super) fn discard(&mut self, path: &Path) {
        self.names.remove(path);
        self.durable_names.remove(path);
        self.journal.retain(|change| match change {
            Change::Link(name, _) | Change::Unlink(name) => name != path,
            Change::Rename(_, to, _) => to != path,
        });
    }

    pub(super) fn flip_bit(&mut self, path: &Path, offset: u64, bit: u8) -> bool {
        let Some(id) = self.names.get(path).copied() else {
            return false;
        };
        usize::try_from(offset).is_ok_and(|offset| self.inode(id).flip_bit(offset, bit))
    }
}
