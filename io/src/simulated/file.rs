//! Open files of the simulated disk.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use fastrand::Rng;

use super::disk::{Disk, InodeId};
use super::io::{Access, InFlight};
use super::world::{After, Event, State};
use crate::completion::{Promise, completion};
use crate::{Error, File, IoBuf, LockKind, Operation, Result, TryRead};

/// A read or write on its way. Known to the world, so that a crash can tear it.
pub(super) struct Transfer {
    kind: Kind,
    inode: InodeId,
    buf: IoBuf,
    offset: u64,
    /// What earlier calls of the system have done of it.
    done: usize,
    fault: Option<io::Error>,
    promise: Promise<(io::Result<usize>, IoBuf)>,
    in_flight: InFlight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    WriteDurable,
}

impl Transfer {
    /// Does it, at its time.
    pub(super) fn perform(mut self, state: &mut State) -> After {
        let fault = self.fault.take();
        if fault.is_none()
            && let Some((part, again_at)) = state.draw_short(self.buf.len() - self.done)
            && let Ok(count) = self.step(&mut state.disk, part)
            && count == part
        {
            self.done += part;
            state.schedule(again_at, Event::Transfer(self));
            return Box::new(|| {});
        }
        let rest = self.buf.len() - self.done;
        let done = match (self.kind, fault) {
            (Kind::Read, Some(error)) => Err(error),
            (_, Some(error)) => {
                self.fail(state);
                Err(error)
            }
            (_, None) => self.step(&mut state.disk, rest).map(|count| self.done + count),
        };
        Box::new(move || {
            self.promise.keep((done, self.buf));
            drop(self.in_flight);
        })
    }

    /// The power goes while it is in flight.
    pub(super) fn tear(&self, disk: &mut Disk, rng: &mut Rng) {
        if self.kind != Kind::Read {
            disk.tear(self.inode, &self.buf, self.offset, rng);
        }
    }

    /// One call of the system for the next so many bytes.
    fn step(&mut self, disk: &mut Disk, len: usize) -> io::Result<usize> {
        let part = self.done..self.done + len;
        if self.kind == Kind::Read {
            let offset = usize::try_from(self.offset).unwrap_or(usize::MAX);
            return Ok(disk
                .inode(self.inode)
                .read(&mut self.buf[part], offset.saturating_add(self.done)));
        }
        let whole = self.buf.len() as u64;
        let end = self.offset.checked_add(whole).ok_or(io::ErrorKind::FileTooLarge)?;
        let start = disk.check_room(self.inode, end)? - self.buf.len() + self.done;
        let moment = disk.next_moment();
        let inode = disk.inode(self.inode);
        inode.write(moment, &self.buf[part], start);
        if self.kind == Kind::WriteDurable {
            inode.sync_range(start..start + len);
        }
        Ok(len)
    }

    /// A write that fails leaves any part of itself, seen and perhaps durable.
    fn fail(&self, state: &mut State) {
        state.disk.tear(self.inode, &self.buf, self.offset, &mut state.rng);
        let inode = state.disk.inode(self.inode);
        let start = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(self.buf.len()).min(inode.seen().len());
        if self.kind == Kind::WriteDurable && start < end && state.rng.bool() {
            inode.sync_range(start..end);
        }
    }
}

/// See the module.
pub(super) struct SimulatedFile {
    pub(super) access: Access,
    pub(super) inode: InodeId,
    pub(super) path: PathBuf,
    pub(super) write: bool,
    /// Owner of this open file's locks.
    pub(super) owner: u64,
}

impl SimulatedFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.write { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    fn error(&self, operation: Operation, offset: Option<u64>, source: io::Error) -> Error {
        match offset {
            Some(offset) => Error::at(operation, &self.path, offset, source),
            None => Error::new(operation, &self.path, source),
        }
    }

    /// Sends a transfer on its way.
    async fn transfer(&self, kind: Kind, buf: IoBuf, offset: u64) -> (Result<usize>, IoBuf) {
        let operation = if kind == Kind::Read { Operation::Read } else { Operation::Write };
        let (promise, done) = completion();
        if let Err((error, buf)) = self.send(kind, operation, buf, offset, promise) {
            return (Err(self.error(operation, Some(offset), error)), buf);
        }
        match done.await {
            Some((done, buf)) => {
                (done.map_err(|error| self.error(operation, Some(offset), error)), buf)
            }
            None => {
                let error = self.error(operation, Some(offset), crate::error::closed());
                (Err(error), IoBuf::empty())
            }
        }
    }

    fn send(
        &self,
        kind: Kind,
        operation: Operation,
        buf: IoBuf,
        offset: u64,
        promise: Promise<(io::Result<usize>, IoBuf)>,
    ) -> std::result::Result<(), (io::Error, IoBuf)> {
        if kind != Kind::Read
            && let Err(error) = self.check_writable()
        {
            return Err((error, buf));
        }
        let in_flight = match self.access.enter() {
            Ok(in_flight) => in_flight,
            Err(error) => return Err((error, buf)),
        };
        let mut state = self.access.world().state.lock();
        match state.begin(self.access.boot(), operation, &self.path, offset) {
            Ok(begun) => {
                let (inode, fault) = (self.inode, begun.fault);
                let transfer =
                    Transfer { kind, inode, buf, offset, done: 0, fault, promise, in_flight };
                state.schedule(begun.done_at, Event::Transfer(transfer));
                Ok(())
            }
            Err(error) => {
                drop(state);
                Err((error, buf))
            }
        }
    }

    /// Sends any other operation on its way; `work` does it at its time, or learns its fault.
    async fn call<R: Send + 'static>(
        &self,
        operation: Operation,
        offset: Option<u64>,
        work: impl FnOnce(&mut State, InodeId, Option<io::Error>) -> io::Result<R> + Send + 'static,
    ) -> Result<R> {
        let inode = self.inode;
        let work = move |state: &mut State, fault| work(state, inode, fault);
        let done = self.access.call(operation, &self.path, work).await;
        done.map_err(|error| self.error(operation, offset, error))
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        let mut state = self.access.world().state.lock();
        if state.is_alive(self.access.boot()) {
            state.disk.close(self.inode, self.owner);
        }
    }
}

#[async_trait]
impl File for SimulatedFile {
    fn path(&self) -> &Path {
        &self.path
    }

    async fn read_at(&self, buf: IoBuf, offset: u64) -> (Result<usize>, IoBuf) {
        self.transfer(Kind::Read, buf, offset).await
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> Result<TryRead> {
        let fail = |error| self.error(Operation::Read, Some(offset), error);
        self.access.check_open().map_err(fail)?;
        let state = &mut *self.access.world().state.lock();
        if let Some(error) = state.draw_fault(Operation::Read, &self.path) {
            return Err(fail(error));
        }
        // Whether the cache has it is the seed's to say.
        if state.rng.bool() {
            return Ok(TryRead::WouldBlock);
        }
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(TryRead::Done(state.disk.inode(self.inode).read(buf, at)))
    }

    async fn write_at(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        let (done, buf) = self.transfer(Kind::Write, buf, offset).await;
        (done.map(drop), buf)
    }

    async fn write_durable_at(&self, buf: IoBuf, offset: u64) -> (Result<()>, IoBuf) {
        let (done, buf) = self.transfer(Kind::WriteDurable, buf, offset).await;
        (done.map(drop), buf)
    }

    async fn sync_data(&self) -> Result<()> {
        self.call(Operation::Sync, None, |state, inode, fault| match fault {
            None => {
                state.disk.inode(inode).sync();
                Ok(())
            }
            Some(error) => {
                state.disk.inode(inode).fail_sync(&mut state.rng);
                Err(error)
            }
        })
        .await
    }

    async fn set_len(&self, len: u64) -> Result<()> {
        let writable = self.check_writable();
        writable.map_err(|error| self.error(Operation::SetLen, Some(len), error))?;
        self.call(Operation::SetLen, Some(len), move |state, inode, fault| {
            fault.map_or(Ok(()), Err)?;
            let len = state.disk.check_room(inode, len)?;
            let moment = state.disk.next_moment();
            state.disk.inode(inode).set_len(moment, len);
            Ok(())
        })
        .await
    }

    async fn len(&self) -> Result<u64> {
        self.call(Operation::Metadata, None, |state, inode, fault| {
            fault.map_or(Ok(()), Err)?;
            Ok(state.disk.inode(inode).seen().len() as u64)
        })
        .await
    }

    async fn preallocate(&self, range: Range<u64>) -> Result<()> {
        let start = range.start;
        let writable = self.check_writable();
        writable.map_err(|error| self.error(Operation::Preallocate, Some(start), error))?;
        self.call(Operation::Preallocate, Some(start), move |state, inode, fault| {
            fault.map_or(Ok(()), Err)?;
            if range.is_empty() {
                return Ok(());
            }
            let end = state.disk.check_room(inode, range.end)?;
            let start = end - (range.end - range.start) as usize;
            let moment = state.disk.next_moment();
            state.disk.inode(inode).write(moment, &vec![0; end - start], start);
            Ok(())
        })
        .await
    }

    fn try_lock(&self, range: Range<u64>, kind: LockKind) -> Result<bool> {
        let fail = |error| self.error(Operation::Lock, Some(range.start), error);
        self.access.check_open().map_err(fail)?;
        if kind == LockKind::Exclusive {
            self.check_writable().map_err(fail)?;
        }
        let mut state = self.access.world().state.lock();
        if let Some(error) = state.draw_fault(Operation::Lock, &self.path) {
            return Err(fail(error));
        }
        let locks = &mut state.disk.inode(self.inode).locks;
        Ok(locks.try_lock(self.owner, range.clone(), kind))
    }

    fn unlock(&self, range: Range<u64>) -> Result<()> {
        let mut state = self.access.world().state.lock();
        if state.is_alive(self.access.boot()) {
            state.disk.inode(self.inode).locks.unlock(self.owner, range);
        }
        Ok(())
    }
}
