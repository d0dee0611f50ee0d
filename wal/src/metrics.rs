//! Counters of the log.

use heddle_base::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What a log has done since it was opened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Metrics {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The live counters behind [`Metrics`].
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> Metrics {
                Metrics { $($name: self.$name.get(),)* }
            }
        }
    };
}

counters! {
    /// Groups written, seals included.
    groups,
    /// Records written: commits and control records.
    commits,
    /// Bytes written, padding included.
    bytes,
    /// Writes that are durable by themselves, and syncs.
    syncs,
    /// Waits for durability that had to sleep.
    waits,
    /// Reservations that had to sleep.
    reserve_waits,
    /// Batches of waiters that the flusher woke itself because nobody took the handoff.
    rescues,
    /// Segments made.
    segments_made,
    /// Segments made from recycled ones.
    segments_recycled,
    /// Most groups in flight at once.
    max_in_flight,
}

/// A number that only statistics read, so that no ordering is needed.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn max(&self, n: u64) {
        self.0.fetch_max(n, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
