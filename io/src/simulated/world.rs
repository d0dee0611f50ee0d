//! The state of a simulated world: clock, dice, events to come, disk.
//!
//! # Locks
//! `state` is never held while a waker is woken, a future polled or a result handed over: all of
//! these may come back for it. An event therefore does its work under the lock and leaves the
//! rest to a closure that runs after.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use fastrand::Rng;
use heddle_base::sync::Mutex;

use super::disk::Disk;
use super::executor::Executor;
use super::fault::Faults;
use super::file::Transfer;
use crate::Operation;

/// See the module.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) executor: Executor,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) rng: Rng,
    pub(super) disk: Disk,
    pub(super) faults: Faults,
    /// Operations asked for so far.
    pub(super) operations: u64,
    /// The operation at which the power goes, counted from now.
    pub(super) power_off_in: Option<u64>,
    /// The shortest and the longest delay of an operation.
    pub(super) delays: (Duration, Duration),
    /// How likely an operation takes long, and how long.
    pub(super) stalls: (f64, Duration),
    /// How probably a transfer is cut short, and how many were.
    pub(super) short: (f64, u64),
    pub(super) fingerprint: Fingerprint,
    pub(super) next_owner: u64,
    clock: Duration,
    events: BTreeMap<EventKey, Event>,
    next_event: u64,
    powered: bool,
    /// Counts losses of power: handles carry the one they belong to (S4).
    boot: u64,
}

/// When, and a number that tells apart what happens at the same moment.
pub(super) type EventKey = (Duration, u64);

/// What is left to do once the lock is released.
pub(super) type After = Box<dyn FnOnce() + Send>;

/// Something that happens at its time.
pub(super) enum Event {
    Wake(Waker),
    Transfer(Transfer),
    Call(Box<dyn FnOnce(&mut State) -> After + Send>),
}

/// An operation that the disk has been asked for.
pub(super) struct Begun {
    /// When it will be done.
    pub(super) done_at: Duration,
    /// How it is to fail, if it is.
    pub(super) fault: Option<io::Error>,
}

/// A running hash (FNV-1a) over all that happens.
#[derive(Debug)]
pub(super) struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Fingerprint(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    pub(super) fn get(&self) -> u64 {
        self.0
    }

    pub(super) fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn number(&mut self, number: u64) {
        self.mix(&number.to_le_bytes());
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Arc<World> {
        let state = State {
            rng: Rng::with_seed(seed),
            disk: Disk::default(),
            faults: Faults::default(),
            operations: 0,
            power_off_in: None,
            delays: (Duration::from_micros(10), Duration::from_millis(1)),
            stalls: (0.0, Duration::ZERO),
            short: (0.0, 0),
            fingerprint: Fingerprint::default(),
            next_owner: 0,
            clock: Duration::ZERO,
            events: BTreeMap::new(),
            next_event: 0,
            powered: true,
            boot: 0,
        };
        Arc::new(World { seed, executor: Executor::default(), state: Mutex::new(state) })
    }

    pub(super) fn now(&self) -> Duration {
        self.state.lock().clock
    }

    pub(super) fn boot(&self) -> u64 {
        self.state.lock().boot
    }

    pub(super) fn is_powered(&self) -> bool {
        self.state.lock().powered
    }

    /// Time passes while a task is polled, so that one that only yields does not stop the world.
    pub(super) fn tick(&self, task: u64) {
        let state = &mut *self.state.lock();
        state.clock += Duration::from_micros(1);
        state.fingerprint.number(task);
    }

    /// A number below `bound`.
    pub(super) fn choose(&self, bound: usize) -> usize {
        self.state.lock().rng.usize(..bound)
    }

    /// Does what is due.
    pub(super) fn run_due(&self) {
        while let Some(after) = self.next_due() {
            after();
        }
    }

    fn next_due(&self) -> Option<After> {
        let state = &mut *self.state.lock();
        let due = state.events.first_entry().filter(|entry| entry.key().0 <= state.clock)?;
        Some(match due.remove() {
            Event::Wake(waker) => Box::new(|| waker.wake()),
            Event::Transfer(transfer) => transfer.perform(state),
            Event::Call(call) => call(state),
        })
    }

    /// Moves the clock on to the next event; false if there is none.
    pub(super) fn skip_to_next_event(&self) -> bool {
        let state = &mut *self.state.lock();
        let Some((&(at, _), _)) = state.events.first_key_value() else {
            return false;
        };
        state.clock = state.clock.max(at);
        true
    }

    /// The power goes, and comes back over what is left.
    pub(super) fn crash(&self) {
        let events = self.state.lock().crash();
        self.executor.end_all();
        drop(events);
    }

    /// The process ends; the disk goes on.
    pub(super) fn kill(&self) {
        let events = self.state.lock().kill();
        self.executor.end_all();
        drop(events);
    }

    /// Ends tasks and events, for good.
    pub(super) fn end(&self) {
        let events = self.state.lock().end();
        self.executor.end_all();
        drop(events);
    }
}

impl State {
    /// Whether handles of this boot may still act.
    pub(super) fn is_alive(&self, boot: u64) -> bool {
        self.powered && self.boot == boot
    }

    /// Notes an operation, draws its delay and its fate.
    pub(super) fn begin(
        &mut self,
        boot: u64,
        operation: Operation,
        path: &Path,
        offset: u64,
    ) -> io::Result<Begun> {
        if !self.is_alive(boot) {
            return Err(crate::error::closed());
        }
        self.operations += 1;
        self.power_off_in = self.power_off_in.map(|count| count.saturating_sub(1));
        if self.power_off_in == Some(0) {
            self.powered = false;
        }
        let fault = self.draw_fault(operation, path);
        self.fingerprint.mix(path.as_os_str().as_encoded_bytes());
        self.fingerprint.number(operation as u64);
        self.fingerprint.number(offset);
        self.fingerprint.number(u64::from(fault.is_some()));
        let (shortest, longest) = self.delays;
        let spread = longest.saturating_sub(shortest).as_nanos().min(u128::from(u64::MAX)) as u64;
        let mut delay = shortest + Duration::from_nanos(self.rng.u64(..=spread));
        if self.stalls.0 > 0.0 && self.rng.f64() < self.stalls.0 {
            delay = self.stalls.1;
        }
        Ok(Begun { done_at: self.clock + delay, fault })
    }

    /// How much of a transfer of so many bytes the system does before it asks to be called again; `None`: all.
    pub(super) fn draw_short(&mut self, bytes: usize) -> Option<(usize, Duration)> {
        if self.short.0 == 0.0 || bytes < 2 || self.rng.f64() >= self.short.0 {
            return None;
        }
        self.short.1 += 1;
        let pause = self.delays.0 + (self.delays.1.saturating_sub(self.delays.0)) / 4;
        Some((self.rng.usize(1..bytes), self.clock + pause))
    }

    /// Whether an operation is to fail.
    pub(super) fn draw_fault(&mut self, operation: Operation, path: &Path) -> Option<io::Error> {
        self.faults.draw(operation, &path.to_string_lossy(), &mut self.rng)
    }

    /// Adds an event.
    pub(super) fn schedule(&mut self, at: Duration, event: Event) -> EventKey {
        let key = (at, self.next_event);
        self.next_event += 1;
        self.events.insert(key, event);
        key
    }

    /// Takes an event back; it is the caller's to drop, after the lock.
    pub(super) fn cancel(&mut self, key: EventKey) -> Option<Event> {
        self.events.remove(&key)
    }

    /// Replaces the waker of an event that is still to come.
    pub(super) fn rewake(&mut self, key: EventKey, waker: &Waker) -> bool {
        match self.events.get_mut(&key) {
            Some(Event::Wake(old)) => {
                old.clone_from(waker);
                true
            }
            _ => false,
        }
    }

    fn end(&mut self) -> BTreeMap<EventKey, Event> {
        self.powered = false;
        std::mem::take(&mut self.events)
    }

    fn crash(&mut self) -> BTreeMap<EventKey, Event> {
        let events = self.cut_off();
        self.disk.crash(&mut self.rng);
        events
    }

    fn kill(&mut self) -> BTreeMap<EventKey, Event> {
        let events = self.cut_off();
        self.disk.forget_handles();
        events
    }

    /// Ends what is in flight, and begins anew.
    fn cut_off(&mut self) -> BTreeMap<EventKey, Event> {
        let events = std::mem::take(&mut self.events);
        for event in events.values() {
            if let Event::Transfer(transfer) = event {
                transfer.tear(&mut self.disk, &mut self.rng);
            }
        }
        self.boot += 1;
        self.powered = true;
        self.power_off_in = None;
        events
    }
}
