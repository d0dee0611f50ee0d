//! The one door to atomics, locks, cells and threads.
//!
//! Three worlds, chosen by `--cfg`: std (and parking_lot) for users, loom with
//! `--cfg heddle_loom`, shuttle with `--cfg heddle_shuttle`. The cfgs are ours rather than `loom`,
//! since `--cfg loom` would also switch tokio into its own internal test mode.
//!
//! A type that loom must see goes through here: plain fields behind a shared pointer are invisible
//! to it, so data that one thread writes and another reads sits in [`cell::UnsafeCell`].
//!
//! `Arc` is the world's own. Where an `Arc<dyn Trait>` is wanted, use `std::sync::Arc`: loom's
//! can't be unsized.

#[cfg(heddle_loom)]
pub use loom::sync::{Arc, atomic};
#[cfg(heddle_shuttle)]
pub use shuttle::sync::{Arc, atomic};
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
pub use std::sync::{Arc, atomic};

#[cfg(heddle_loom)]
pub use loom::{hint, thread};
#[cfg(heddle_shuttle)]
pub use shuttle::{hint, thread};
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
pub use std::{hint, thread};

/// A mutual-exclusion lock whose `lock` can't fail: a panic while it is held does not poison it,
/// because every structure of ours restores its invariants by drop guards.
#[derive(Debug, Default)]
pub struct Mutex<T>(imp::Mutex<T>);

/// Holds a [`Mutex`] until dropped.
pub type MutexGuard<'a, T> = imp::MutexGuard<'a, T>;

impl<T> Mutex<T> {
    /// A lock around `value`, free.
    pub fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    /// Takes the lock, blocking the thread. Never hold it across an await.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        imp::lock(&self.0)
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        imp::try_lock(&self.0)
    }
}

/// A condition variable for threads of our own; asynchronous code waits on [`crate::wait`].
#[derive(Debug, Default)]
pub struct Condvar(imp::Condvar);

impl Condvar {
    /// A condition variable without waiters.
    pub fn new() -> Self {
        Self(imp::Condvar::new())
    }

    /// Releases the lock, sleeps until notified (or spuriously), takes the lock again.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        imp::wait(&self.0, guard)
    }

    /// Wakes one sleeping thread.
    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Wakes all sleeping threads.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// A number that this thread keeps, to choose what it need not share with others: small, and mostly its own.
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
#[inline]
pub fn thread_number() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Relaxed);
    }
    NUMBER.with(|number| *number)
}

/// A number that this thread keeps: the same for all, so that the models stay small.
#[cfg(any(heddle_loom, heddle_shuttle))]
pub fn thread_number() -> usize {
    0
}

/// Cells whose accesses loom can check.
pub mod cell {
    #[cfg(heddle_loom)]
    pub use loom::cell::UnsafeCell;

    /// `std::cell::UnsafeCell` with loom's interface.
    #[cfg(not(heddle_loom))]
    #[derive(Debug, Default)]
    pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    #[cfg(not(heddle_loom))]
    impl<T> UnsafeCell<T> {
        /// A cell around `value`.
        pub const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// Reads through a shared pointer. The caller upholds that nobody writes meanwhile.
        #[inline]
        pub fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
            read(self.0.get())
        }

        /// Writes through an exclusive pointer. The caller upholds that nobody else reads or writes.
        #[inline]
        pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            write(self.0.get())
        }

        /// The value itself.
        pub fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }
}

#[cfg(not(any(heddle_loom, heddle_shuttle)))]
mod imp {
    pub(super) use parking_lot::{Condvar, Mutex, MutexGuard};

    #[inline]
    pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock()
    }

    #[inline]
    pub(super) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
        mutex.try_lock()
    }

    pub(super) fn wait<'a, T>(
        condvar: &Condvar,
        mut guard: MutexGuard<'a, T>,
    ) -> MutexGuard<'a, T> {
        condvar.wait(&mut guard);
        guard
    }
}

#[cfg(any(heddle_loom, heddle_shuttle))]
mod imp {
    #[cfg(heddle_loom)]
    pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
    #[cfg(heddle_shuttle)]
    pub(super) use shuttle::sync::{Condvar, Mutex, MutexGuard};
    use std::sync::{PoisonError, TryLockError};

    pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
        match mutex.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(super) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(any(heddle_loom, heddle_shuttle))))]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a thread that panics is what is tested")]
    fn a_panic_does_not_poison() {
        let mutex = Arc::new(Mutex::new(1));
        let other = Arc::clone(&mutex);
        let _ = thread::spawn(move || {
            let _guard = other.lock();
            panic!("on purpose");
        })
        .join();
        assert_eq!(*mutex.lock(), 1);
    }
}
