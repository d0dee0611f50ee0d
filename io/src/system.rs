//! The choice of backend: io_uring where the system has it, a pool of threads elsewhere.

use std::sync::Arc;

use crate::{BlockingIo, Io};

/// The best backend that this system offers.
///
/// Where io_uring is refused (an old kernel, the rules of a container) that is the blocking one,
/// and a warning says so once in the life of the process.
pub fn default_io() -> Arc<dyn Io> {
    #[cfg(target_os = "linux")]
    match crate::UringIo::new() {
        Ok(io) => return io,
        Err(error) => warn_once(&error),
    }
    BlockingIo::new()
}

#[cfg(target_os = "linux")]
fn warn_once(error: &std::io::Error) {
    static WARNED: std::sync::Once = std::sync::Once::new();
    WARNED.call_once(|| {
        tracing::warn!(%error, "io_uring is refused: files go through a pool of threads");
    });
}
