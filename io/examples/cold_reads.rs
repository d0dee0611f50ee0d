//! How fast pages come from the disk, by path and by how many are asked for at once.
//!
//! `cargo run --release -p heddle-io --example cold_reads -- [DIR] [SECONDS]`
//!
//! Every line is one run of random 4 KiB reads over a file that was thrown out of the cache of
//! the OS. The paths are the pool of the blocking backend and the ring of the io_uring backend.

#![allow(clippy::print_stdout, reason = "a program that prints its figures")]

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use heddle_io::{Env, File, IoBuf, OpenOptions, Result, ThreadRuntime};

const PAGE: u64 = 4096;
const FILE: u64 = 1 << 30;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments.next().and_then(|word| word.parse().ok()).unwrap_or(2.0);
    let path = dir.join("heddle-cold-reads");

    println!("path        depth    reads/s   p50 us   p99 us   max us");
    for env in [Env::blocking(), Env::system()] {
        for depth in [1, 8, 32] {
            let time = Duration::from_secs_f64(seconds);
            let mut latencies = ThreadRuntime::new().block_on(measure(&env, &path, depth, time))?;
            latencies.sort();
            let micros = |per_mille: usize| {
                let at = (latencies.len() * per_mille / 1000).min(latencies.len() - 1);
                latencies[at].as_secs_f64() * 1e6
            };
            println!(
                "{:<10} {depth:>6} {:>10.0} {:>8.0} {:>8.0} {:>8.0}",
                env.io.name(),
                latencies.len() as f64 / seconds,
                micros(500),
                micros(990),
                micros(1000),
            );
        }
    }
    ThreadRuntime::new().block_on(Env::blocking().io.remove(&path))
}

/// Keeps `depth` reads in flight for a time; their latencies.
async fn measure(env: &Env, path: &Path, depth: usize, time: Duration) -> Result<Vec<Duration>> {
    let file = env.io.open(path, OpenOptions::CREATE).await?;
    if file.len().await? < FILE {
        file.preallocate(0..FILE).await?;
    }
    file.sync_data().await?;
    evict(path);

    let start = env.runtime.now();
    let running = || env.runtime.now() - start < time;
    let mut latencies = Vec::new();
    let mut flying: Vec<_> = (0..depth).map(|_| read(env, &file)).collect();
    poll_fn(|cx| {
        let mut at = 0;
        while let Some(flight) = flying.get_mut(at) {
            match flight.as_mut().poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(latency) => {
                    latencies.push(latency?);
                    if running() {
                        *flight = read(env, &file);
                    } else {
                        drop(flying.swap_remove(at));
                    }
                }
            }
        }
        if flying.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await?;
    Ok(latencies)
}

type Flight = Pin<Box<dyn Future<Output = Result<Duration>> + Send>>;

/// One read of a random page, timed.
fn read(env: &Env, file: &Arc<dyn File>) -> Flight {
    let (clock, file) = (Arc::clone(&env.runtime), Arc::clone(file));
    Box::pin(async move {
        let offset = clock.random() % (FILE / PAGE) * PAGE;
        let start = clock.now();
        file.read_at(IoBuf::zeroed(PAGE as usize), offset).await.0?;
        Ok(clock.now() - start)
    })
}

/// Throws the file's pages out of the cache of the OS, as far as the OS obeys.
fn evict(path: &Path) {
    #[cfg(target_os = "linux")]
    if let Ok(file) = std::fs::File::open(path) {
        let dropped = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        if let Err(error) = dropped {
            println!("the cache stays: {error}");
        }
    }
}
