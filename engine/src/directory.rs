//! Which database files are open in this process, by device and inode.
//!
//! Locks of files are between processes; this is what keeps one process from opening a file twice under two
//! instances that know nothing of each other.
//!
//! # Invariants
//! - O1: a file has at most one entry, from before it is opened until everything that had it open is gone.
//! - O2: who finds an entry that is being made, or is ending, waits for that, holding nothing.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Weak;
use std::task::Poll;
use std::time::Duration;

use heddle_base::sync::Arc;
use heddle_base::wait::WaitList;
use heddle_io::{Env, Metadata};

use crate::core::Core;

#[cfg(not(heddle_shuttle))]
fn entries() -> heddle_base::sync::MutexGuard<'static, HashMap<Key, Entry>> {
    static OPEN: std::sync::LazyLock<heddle_base::sync::Mutex<HashMap<Key, Entry>>> =
        std::sync::LazyLock::new(Default::default);
    OPEN.lock()
}

/// Under shuttle a lock must not outlive a schedule, and schedules run side by side on several threads: so each thread
/// has a directory of its own, behind a lock that shuttle does not know.
#[cfg(heddle_shuttle)]
fn entries() -> std::sync::MutexGuard<'static, HashMap<Key, Entry>> {
    thread_local! {
        static OPEN: &'static std::sync::Mutex<HashMap<Key, Entry>> = Box::leak(Box::default());
    }
    OPEN.with(|open| open.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Names a file whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Which file system, where it is one of the process's own.
    io: usize,
    identity: (u64, u64),
}

impl Key {
    pub(crate) fn new(env: &Env, found: &Metadata) -> Key {
        let io = match env.io.name() {
            "memory" | "simulated" => std::sync::Arc::as_ptr(&env.io).cast::<()>().addr(),
            _ => 0,
        };
        Key { io, identity: found.identity }
    }
}

#[derive(Debug)]
struct Entry {
    /// No other entry has it, before or after: a file's entries come and go while somebody waits.
    number: u64,
    /// Dangling until the open succeeds.
    core: Weak<Core>,
    waiters: WaitList<()>,
}

impl Entry {
    fn new() -> Entry {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Entry { number, core: Weak::new(), waiters: WaitList::default() }
    }
}

/// What an open finds.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing; the entry is the caller's now.
    Free(Registration),
    /// The file is open.
    Open(Arc<Core>),
    /// It is being closed, for longer than the caller would wait.
    Ending,
}

/// An entry, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Registration(Key);

impl Registration {
    /// From now on others find the open database.
    pub(crate) fn publish(&self, core: &Arc<Core>) {
        let mut open = entries();
        let Some(entry) = open.get_mut(&self.0) else { return };
        entry.core = Arc::downgrade(core);
        let woken = all(&mut entry.waiters);
        drop(open);
        woken.into_iter().for_each(std::task::Waker::wake);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let entry = entries().remove(&self.0);
        if let Some(mut entry) = entry {
            all(&mut entry.waiters).into_iter().for_each(std::task::Waker::wake);
        }
    }
}

fn all(waiters: &mut WaitList<()>) -> Vec<std::task::Waker> {
    std::iter::from_fn(|| waiters.pop()).map(|(_, waker)| waker).collect()
}

/// Finds or makes the entry of a file.
///
/// # Cancel safety
/// Dropping it forgets it.
pub(crate) async fn enter(key: Key, env: &Env, patience: Duration) -> Found {
    let mut sleep = env.runtime.sleep(patience);
    let mut waiting = None;
    let found = poll_fn(|cx| {
        let seen = entries().get(&key).map(|entry| (entry.number, entry.core.upgrade()));
        let (number, known) = seen.unzip();
        // Dropped outside the lock: it may be the last reference, whose drop takes the lock.
        let known = known.flatten();
        let ending = known.is_some();
        if let Some(core) = known.filter(|core| !core.is_closed()) {
            return Poll::Ready(Found::Open(core));
        }
        let mut open = entries();
        let Some(entry) = open.get_mut(&key) else {
            open.insert(key, Entry::new());
            return Poll::Ready(Found::Free(Registration(key)));
        };
        // Of another entry's list the id would be another waiter's.
        match waiting {
            Some((of, id)) if of == entry.number && entry.waiters.update(id, cx.waker()) => {}
            _ => waiting = Some((entry.number, entry.waiters.push((), cx.waker().clone()))),
        }
        let changed = number != Some(entry.number) || !ending;
        if changed && entry.core.strong_count() > 0 {
            // Published between the two looks.
            cx.waker().wake_by_ref();
        }
        drop(open);
        sleep.as_mut().poll(cx).map(|()| Found::Ending)
    });
    found.await
}

#[cfg(all(test, not(any(heddle_loom, heddle_shuttle))))]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    type Entering<'a> = Pin<Box<dyn Future<Output = Found> + 'a>>;

    fn poll(entering: &mut Entering<'_>, woken: &std::sync::Arc<Woken>) -> Option<Registration> {
        woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(std::sync::Arc::clone(woken));
        match entering.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(Found::Free(registration)) => Some(registration),
            _ => None,
        }
    }

    #[test]
    fn who_waits_for_an_entry_is_woken_though_others_waited_for_one_before_it() {
        let env =
            Env { io: heddle_io::MemoryIo::new(), runtime: heddle_io::ThreadRuntime::shared() };
        let key = Key { io: usize::MAX, identity: (0, 0) };
        let enter = || -> Entering<'_> { Box::pin(enter(key, &env, Duration::from_secs(3600))) };
        let wakers: Vec<_> = (0..4).map(|_| std::sync::Arc::<Woken>::default()).collect();
        let first = poll(&mut enter(), &wakers[0]).expect("it is free");
        let mut early = enter();
        assert!(poll(&mut early, &wakers[1]).is_none());
        drop(first);
        assert!(wakers[1].0.load(Ordering::SeqCst));
        // Before the one who was woken gets to look, the next has entered and another waits.
        let second = poll(&mut enter(), &wakers[2]).expect("it is free");
        let mut late = enter();
        assert!(poll(&mut late, &wakers[3]).is_none());
        assert!(poll(&mut early, &wakers[1]).is_none());
        drop(second);
        assert!(wakers[1].0.load(Ordering::SeqCst), "the one from before sleeps");
        assert!(wakers[3].0.load(Ordering::SeqCst), "the other sleeps");
        let _third = poll(&mut late, &wakers[3]).expect("it is free");
    }
}
