//! Tasks in random order on one thread, under a clock that jumps.
//!
//! # Invariants
//! - Each poll is of a task drawn at random among those woken (S1).
//! - A task that panics ends the run with its panic: in a simulation every panic is a finding.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};

use heddle_base::sync::Mutex;

use super::world::{Event, EventKey, World};
use crate::{BoxFuture, Runtime};

type ReadyList = Mutex<Vec<Arc<Ticket>>>;

/// See the module.
#[derive(Default)]
pub(super) struct Executor {
    ready: Arc<ReadyList>,
    tasks: Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    futures: BTreeMap<u64, BoxFuture<'static, ()>>,
    last_id: u64,
}

/// A task's place in the ready list, and its waker.
pub(super) struct Ticket {
    id: u64,
    queued: AtomicBool,
    ready: Weak<ReadyList>,
}

impl Ticket {
    /// 0 is the future that a run was called with.
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Wake for Ticket {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed)
            && let Some(ready) = self.ready.upgrade()
        {
            ready.lock().push(Arc::clone(self));
        }
    }
}

impl Executor {
    fn enter(&self, id: u64) -> Arc<Ticket> {
        let (queued, ready) = (AtomicBool::new(false), Arc::downgrade(&self.ready));
        let ticket = Arc::new(Ticket { id, queued, ready });
        ticket.wake_by_ref();
        ticket
    }

    /// Makes the future of a run ready for its first poll.
    pub(super) fn enter_main(&self) -> Arc<Ticket> {
        self.enter(0)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let mut tasks = self.tasks.lock();
        tasks.last_id += 1;
        let id = tasks.last_id;
        tasks.futures.insert(id, task);
        drop(tasks);
        self.enter(id);
    }

    /// One of those that were woken.
    pub(super) fn pick(&self, world: &World) -> Option<Arc<Ticket>> {
        let count = self.ready.lock().len();
        if count == 0 {
            return None;
        }
        let chosen = world.choose(count);
        let ticket = self.ready.lock().swap_remove(chosen);
        // Before the poll, so that a wake during it counts.
        ticket.queued.store(false, Ordering::Relaxed);
        Some(ticket)
    }

    /// Polls a task, if it has not ended.
    pub(super) fn poll(&self, ticket: &Arc<Ticket>) {
        let Some(mut future) = self.tasks.lock().futures.remove(&ticket.id) else {
            return;
        };
        let waker = Waker::from(Arc::clone(ticket));
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.tasks.lock().futures.insert(ticket.id, future);
        }
    }

    /// Drops every task.
    pub(super) fn end_all(&self) {
        let futures = std::mem::take(&mut self.tasks.lock().futures);
        let ready = std::mem::take(&mut *self.ready.lock());
        drop(futures);
        drop(ready);
    }
}

/// Clock, dice and spawner of a world.
pub(super) struct SimulatedRuntime {
    world: Weak<World>,
    boot: u64,
}

impl SimulatedRuntime {
    pub(super) fn new(world: &Arc<World>) -> Self {
        Self { world: Arc::downgrade(world), boot: world.boot() }
    }
}

/// Where the simulated wall clock starts: some time in 2023.
const WALL_CLOCK_START: Duration = Duration::from_secs(1_700_000_000);

impl Runtime for SimulatedRuntime {
    fn now(&self) -> Duration {
        self.world.upgrade().map_or(Duration::ZERO, |world| world.now())
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + WALL_CLOCK_START + self.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let deadline = self.now().saturating_add(duration);
        Box::pin(Sleep { world: self.world.clone(), deadline, event: None })
    }

    fn random(&self) -> u64 {
        self.world.upgrade().map_or(0, |world| world.state.lock().rng.u64(..))
    }

    fn spawn(&self, _name: &'static str, task: BoxFuture<'static, ()>) {
        let Some(world) = self.world.upgrade() else {
            return;
        };
        // Without power nothing starts.
        let alive = world.state.lock().is_alive(self.boot);
        if alive {
            world.executor.spawn(task);
        }
    }

    fn spawn_dedicated(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        self.spawn(name, task);
    }

    fn may_spin(&self) -> bool {
        false
    }

    fn compute(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        Box::pin(async move { work() })
    }
}

struct Sleep {
    world: Weak<World>,
    deadline: Duration,
    event: Option<EventKey>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(world) = self.world.upgrade() else {
            return Poll::Pending;
        };
        if world.now() >= self.deadline {
            return Poll::Ready(());
        }
        let mut state = world.state.lock();
        if !self.event.is_some_and(|key| state.rewake(key, cx.waker())) {
            let wake = Event::Wake(cx.waker().clone());
            self.event = Some(state.schedule(self.deadline, wake));
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let (Some(world), Some(key)) = (self.world.upgrade(), self.event) {
            let event = world.state.lock().cancel(key);
            drop(event);
        }
    }
}
