//! The choice of backend: io_uring where the system has it, a pool of threads elsewhere.

use std::sync::Arc;

use crate::{BlockingIo, Io};

/// The best backend that this system offers.
///
/// Where io_uring is refused (an old kernel, the rules of a container) that is the blocking one,
/// and a warning says so once in the life of the process.
pub fn default_io() -> Arc<dyn Io> {
    #[cfg(target_os = "linux")]
    return ring_or_threads(crate::UringIo::new());
    #[cfg(not(target_os = "linux"))]
    BlockingIo::new()
}

#[cfg(target_os = "linux")]
fn ring_or_threads(ring: std::io::Result<Arc<crate::UringIo>>) -> Arc<dyn Io> {
    static WARNED: std::sync::Once = std::sync::Once::new();
    match ring {
        Ok(ring) => ring,
        Err(error) => {
            WARNED.call_once(|| {
                tracing::warn!(%error, "io_uring is refused: files go through a pool of threads");
            });
            BlockingIo::new()
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::ErrorKind;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::*;

    /// Counts warnings.
    struct Warnings(Arc<AtomicUsize>);

    impl Subscriber for Warnings {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() == Level::WARN
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_refused_ring_is_replaced_with_one_warning() {
        let warnings = Arc::new(AtomicUsize::new(0));
        tracing::subscriber::with_default(Warnings(Arc::clone(&warnings)), || {
            for _ in 0..3 {
                let io = ring_or_threads(Err(ErrorKind::PermissionDenied.into()));
                assert_eq!(io.name(), "blocking");
            }
        });
        assert_eq!(warnings.load(Ordering::Relaxed), 1);
    }
}
