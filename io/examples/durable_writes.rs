//! How fast durable writes are, by path and by how many are in flight.
//!
//! `cargo run --release -p heddle-io --example durable_writes -- [DIR] [SECONDS]`
//!
//! Every line is one run of durable writes, each of one block, over a preallocated file. The
//! paths are the calling thread itself (`write_durable_here`), the pool of the blocking backend
//! and the ring of the io_uring backend; `direct` is a file opened as a log (O_DIRECT and O_DSYNC
//! where the file system has them), `buffered` one opened for pages (write, then fdatasync). From
//! these figures the log chooses its path for each depth.

#![allow(clippy::print_stdout, reason = "a program that prints its figures")]

use std::collections::VecDeque;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use heddle_io::{Access, Env, File, IoBuf, OpenOptions, Result, ThreadRuntime};

const FILE: u64 = 64 << 20;

/// One path to the disk.
struct Route {
    name: &'static str,
    env: Env,
    access: Access,
    here: bool,
}

struct Figures {
    per_second: f64,
    cpu_micros: f64,
    /// Latencies in ascending order.
    latencies: Vec<Duration>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments.next().and_then(|word| word.parse().ok()).unwrap_or(2.0);
    let time = Duration::from_secs_f64(seconds);

    println!("path              block  depth   writes/s   p50 us   p99 us   max us  cpu us");
    for route in routes() {
        let depths: &[usize] = if route.here { &[1] } else { &[1, 4, 16] };
        for &block in &[4 << 10, 16 << 10, 64 << 10] {
            for &depth in depths {
                let figures =
                    ThreadRuntime::new().block_on(measure(&route, &dir, block, depth, time))?;
                report(&route, block, depth, &figures);
            }
        }
    }
    Ok(())
}

fn routes() -> Vec<Route> {
    let mut routes = Vec::new();
    let mut add = |env: &dyn Fn() -> Env, here, direct, buffered| {
        for (name, access) in [(direct, Access::Log), (buffered, Access::Pages)] {
            routes.push(Route { name, env: env(), access, here });
        }
    };
    add(&Env::blocking, true, "here, direct", "here, buffered");
    add(&Env::blocking, false, "pool, direct", "pool, buffered");
    #[cfg(target_os = "linux")]
    match heddle_io::UringIo::with(heddle_io::DurableWrites::Ring) {
        Ok(io) => {
            let runtime = ThreadRuntime::new();
            let ring = || Env { io: io.clone(), runtime: runtime.clone() };
            add(&ring, false, "ring, direct", "ring, buffered");
        }
        Err(error) => println!("no ring here: {error}"),
    }
    routes
}

/// Keeps `depth` writes in flight for a time, one block each, around the file.
async fn measure(
    route: &Route,
    dir: &Path,
    block: usize,
    depth: usize,
    time: Duration,
) -> Result<Figures> {
    let path = dir.join("heddle-durable-writes");
    let options = OpenOptions::CREATE.with_access(route.access);
    let file = route.env.io.open(&path, options).await?;
    file.preallocate(0..FILE).await?;
    file.sync_data().await?;

    let clock = Arc::clone(&route.env.runtime);
    let (start, cpu) = (clock.now(), cpu_time());
    let mut latencies = Vec::new();
    let mut flying = VecDeque::new();
    let mut offset = 0;
    while clock.now() - start < time || !flying.is_empty() {
        while flying.len() < depth && clock.now() - start < time {
            flying.push_back(write(route, Arc::clone(&file), block, offset));
            offset = (offset + block as u64) % FILE;
        }
        latencies.extend(finished(&mut flying).await?);
    }
    let (elapsed, cpu) = (clock.now() - start, cpu_time() - cpu);
    route.env.io.remove(&path).await?;

    latencies.sort();
    let count = latencies.len() as f64;
    let per_second = count / elapsed.as_secs_f64();
    Ok(Figures { per_second, cpu_micros: cpu.as_secs_f64() * 1e6 / count, latencies })
}

type Flying = Pin<Box<dyn Future<Output = Result<Duration>> + Send>>;

/// One write, timed.
fn write(route: &Route, file: Arc<dyn File>, block: usize, offset: u64) -> Flying {
    let (clock, here) = (Arc::clone(&route.env.runtime), route.here);
    Box::pin(async move {
        let buf = IoBuf::zeroed(block);
        let start = clock.now();
        let (done, _) = if here {
            file.write_durable_here(buf, offset).await
        } else {
            file.write_durable_at(buf, offset).await
        };
        done.map(|()| clock.now() - start)
    })
}

/// Waits until any have finished, and takes them out.
async fn finished(flying: &mut VecDeque<Flying>) -> Result<Vec<Duration>> {
    poll_fn(|cx| {
        let mut done = Vec::new();
        flying.retain_mut(|write| match write.as_mut().poll(cx) {
            Poll::Ready(latency) => {
                done.push(latency);
                false
            }
            Poll::Pending => true,
        });
        if done.is_empty() { Poll::Pending } else { Poll::Ready(done.into_iter().collect()) }
    })
    .await
}

/// Processor time of this process so far; zero where the system doesn't tell.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    // User and system time, in ticks of 10 ms.
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse().ok()).unwrap_or(0);
    Duration::from_millis((ticks(12) + ticks(13)) * 10)
}

fn report(route: &Route, block: usize, depth: usize, figures: &Figures) {
    let micros = |per_mille: usize| {
        let at = (figures.latencies.len() * per_mille / 1000).min(figures.latencies.len() - 1);
        figures.latencies[at].as_secs_f64() * 1e6
    };
    println!(
        "{:<16} {:>4} Ki {depth:>6} {:>10.0} {:>8.0} {:>8.0} {:>8.0} {:>7.1}",
        route.name,
        block >> 10,
        figures.per_second,
        micros(500),
        micros(990),
        micros(1000),
        figures.cpu_micros,
    );
}
