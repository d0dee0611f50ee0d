//! The simulated file system, and what its handles share.

use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Poll, Waker};

use async_trait::async_trait;
use heddle_base::sync::Mutex;

use super::file::SimulatedFile;
use super::world::{After, Event, State, World};
use crate::completion::completion;
use crate::{Error, File, Io, Metadata, OpenOptions, Operation, Result};

/// See the module.
pub(super) struct SimulatedIo {
    access: Access,
}

/// What every handle carries: the world, since when it is valid, and whether it is shut down.
#[derive(Clone)]
pub(super) struct Access {
    world: Arc<World>,
    boot: u64,
    gate: Arc<Mutex<Gate>>,
}

#[derive(Default)]
struct Gate {
    closed: bool,
    in_flight: usize,
    drained: Vec<Waker>,
}

/// Counts one operation while it lives.
pub(super) struct InFlight(Arc<Mutex<Gate>>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut gate = self.0.lock();
        gate.in_flight -= 1;
        if gate.in_flight == 0 {
            let wakers = std::mem::take(&mut gate.drained);
            drop(gate);
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

impl Access {
    pub(super) fn world(&self) -> &World {
        &self.world
    }

    pub(super) fn boot(&self) -> u64 {
        self.boot
    }

    /// Fails after a shutdown or a loss of power.
    pub(super) fn check_open(&self) -> io::Result<()> {
        let open = !self.gate.lock().closed && self.world.state.lock().is_alive(self.boot);
        if open { Ok(()) } else { Err(crate::error::closed()) }
    }

    /// Counts an operation in.
    pub(super) fn enter(&self) -> io::Result<InFlight> {
        let mut gate = self.gate.lock();
        if gate.closed {
            return Err(crate::error::closed());
        }
        gate.in_flight += 1;
        Ok(InFlight(Arc::clone(&self.gate)))
    }

    /// Sends an operation on its way. `work` does it at its time, or learns how it is to fail.
    pub(super) async fn call<R: Send + 'static>(
        &self,
        operation: Operation,
        path: &Path,
        work: impl FnOnce(&mut State, Option<io::Error>) -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        let (promise, done) = completion();
        self.send(operation, path, move |state, fault| {
            let result = work(state, fault);
            Box::new(move || promise.keep(result))
        })?;
        done.await.unwrap_or_else(|| Err(crate::error::closed()))
    }

    fn send(
        &self,
        operation: Operation,
        path: &Path,
        work: impl FnOnce(&mut State, Option<io::Error>) -> After + Send + 'static,
    ) -> io::Result<()> {
        let in_flight = self.enter()?;
        let mut state = self.world.state.lock();
        match state.begin(self.boot, operation, path, 0) {
            Ok(begun) => {
                let call = move |state: &mut State| -> After {
                    let after = work(state, begun.fault);
                    Box::new(move || {
                        after();
                        drop(in_flight);
                    })
                };
                state.schedule(begun.done_at, Event::Call(Box::new(call)));
                Ok(())
            }
            Err(error) => {
                drop(state);
                Err(error)
            }
        }
    }
}

impl SimulatedIo {
    pub(super) fn new(world: &Arc<World>) -> Arc<Self> {
        let gate = Arc::default();
        let access = Access { world: Arc::clone(world), boot: world.boot(), gate };
        Arc::new(Self { access })
    }

    async fn call<R: Send + 'static>(
        &self,
        operation: Operation,
        path: &Path,
        work: impl FnOnce(&mut State, &Path) -> io::Result<R> + Send + 'static,
    ) -> Result<R> {
        let name = path.to_owned();
        let done = self.access.call(operation, path, move |state, fault| {
            fault.map_or(Ok(()), Err)?;
            work(state, &name)
        });
        done.await.map_err(|source| Error::new(operation, path, source))
    }

    /// A handle is made under the world's lock and handed over after it, as its drop takes that
    /// lock.
    async fn open_by(
        &self,
        path: &Path,
        write: bool,
        open: impl FnOnce(&mut State) -> io::Result<u64> + Send + 'static,
    ) -> Result<Arc<dyn File>> {
        let (promise, opened) = completion();
        let (access, path_of_file) = (self.access.clone(), path.to_owned());
        let sent = self.access.send(Operation::Open, path, move |state, fault| {
            let inode = fault.map_or(Ok(()), Err).and_then(|()| open(state));
            state.next_owner += 1;
            let owner = state.next_owner;
            Box::new(move || {
                let path = path_of_file;
                promise.keep(inode.map(|inode| -> Arc<dyn File> {
                    Arc::new(SimulatedFile { access, inode, path, write, owner })
                }));
            })
        });
        let opened = match sent {
            Ok(()) => opened.await.unwrap_or_else(|| Err(crate::error::closed())),
            Err(error) => Err(error),
        };
        opened.map_err(|source| Error::new(Operation::Open, path, source))
    }
}

#[async_trait]
impl Io for SimulatedIo {
    fn name(&self) -> &'static str {
        "simulated"
    }

    async fn open(&self, path: &Path, options: OpenOptions) -> Result<Arc<dyn File>> {
        let name = path.to_owned();
        let open = move |state: &mut State| state.disk.open(&name, options);
        self.open_by(path, options.write, open).await
    }

    async fn open_unlinked(&self, dir: &Path) -> Result<Arc<dyn File>> {
        let open = |state: &mut State| Ok(state.disk.open_unlinked());
        self.open_by(&dir.join("(unlinked)"), true, open).await
    }

    async fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        self.call(Operation::Metadata, path, |state, path| Ok(state.disk.metadata(path))).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let to = to.to_owned();
        let rename = move |state: &mut State, from: &Path| state.disk.rename(from, &to);
        self.call(Operation::Rename, from, rename).await
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        self.call(Operation::Remove, path, |state, path| state.disk.remove(path)).await
    }

    async fn list(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        self.call(Operation::List, dir, |state, dir| Ok(state.disk.list(dir))).await
    }

    async fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.call(Operation::SyncDir, dir, |state, dir| {
            state.disk.sync_dir(dir);
            Ok(())
        })
        .await
    }

    async fn free_space(&self, path: &Path) -> Result<u64> {
        self.call(Operation::Metadata, path, |state, _| Ok(state.disk.free_space())).await
    }

    async fn shutdown(&self) {
        self.access.gate.lock().closed = true;
        poll_fn(|cx| {
            let mut gate = self.access.gate.lock();
            if gate.in_flight == 0 {
                return Poll::Ready(());
            }
            gate.drained.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
