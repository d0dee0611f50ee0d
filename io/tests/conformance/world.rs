//! The environments under test, and what drives them.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::Poll;

use heddle_io::{Env, File, IoBuf, Simulation, ThreadRuntime};

pub(crate) type Case = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An environment, and an empty directory in it.
pub(crate) enum World {
    Threads { env: Env, dir: PathBuf, _temp: Option<tempfile::TempDir> },
    Simulated(Simulation),
}

impl World {
    /// Drives a case to its end.
    pub(crate) fn run(self, case: impl FnOnce(Env, PathBuf) -> Case) {
        match &self {
            World::Threads { env, dir, .. } => {
                ThreadRuntime::new().block_on(case(env.clone(), dir.clone()));
            }
            World::Simulated(simulation) => {
                simulation.block_on(case(simulation.env(), PathBuf::from("/simulated")));
            }
        }
    }

    fn on_disk(env: Env) -> World {
        let temp = tempfile::tempdir().expect("a directory for temporary files");
        World::Threads { env, dir: temp.path().to_owned(), _temp: Some(temp) }
    }
}

pub(crate) fn memory() -> World {
    World::Threads { env: Env::memory(), dir: PathBuf::from("/memory"), _temp: None }
}

pub(crate) fn uring() -> World {
    // Where io_uring is refused this runs the fallback, which is then what users get.
    World::on_disk(Env::system())
}

pub(crate) fn uring_durable_by_ring() -> World {
    let mut env = Env::system();
    #[cfg(target_os = "linux")]
    if let Ok(io) = heddle_io::UringIo::with(heddle_io::DurableWrites::Ring) {
        env.io = io;
    }
    World::on_disk(env)
}

pub(crate) fn simulated() -> World {
    World::Simulated(Simulation::new(1))
}

pub(crate) fn blocking() -> World {
    World::on_disk(Env::blocking())
}

/// Bytes that tell where they belong.
pub(crate) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Writes all of `bytes`.
pub(crate) async fn write(file: &dyn File, bytes: &[u8], offset: u64) {
    let (done, buf) = file.write_at(IoBuf::copy_of(bytes), offset).await;
    done.unwrap();
    assert_eq!(&*buf, bytes, "the buffer comes back as it was");
}

/// Reads up to `len` bytes.
pub(crate) async fn read(file: &dyn File, offset: u64, len: usize) -> Vec<u8> {
    let (done, buf) = file.read_at(IoBuf::zeroed(len), offset).await;
    buf[..done.unwrap()].to_vec()
}

/// Drives all futures at once, to the end of the last.
pub(crate) async fn together<F: Future<Output = ()> + Send>(futures: impl IntoIterator<Item = F>) {
    let mut running: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        running.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
