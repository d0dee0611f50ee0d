//! How many commits a second the log makes durable, by how many commit at the same time.
//!
//! `cargo run --release -p heddle-wal --example group_commit -- [DIR] [SECONDS] [BACKEND] [N...]`
//!
//! Each of N tasks of a tokio runtime commits records of 120 bytes, one after the other. The first
//! line is what to compare a lone committer with: a thread that writes a block and syncs it.
//! `switches` are context switches of the whole process, `cpu` its processor time, per commit.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a program that prints")]

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use heddle_io::Env;
use heddle_wal::{Durability, Log, LogOptions, Result};

const RECORD: usize = 120;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments.next().and_then(|word| word.parse().ok()).unwrap_or(2.0);
    let time = Duration::from_secs_f64(seconds);
    let backend = arguments.next();
    let mut tasks: Vec<usize> = arguments.filter_map(|word| word.parse().ok()).collect();
    if tasks.is_empty() {
        tasks = vec![1, 4, 16, 64, 256, 1024];
    }

    println!(
        "backend   tasks  commits/s  groups/s  in grp  p50 us  p99 us  cpu us  switches  rescues"
    );
    plain(&dir, time);
    for (name, env) in [("system", Env::system as fn() -> Env), ("blocking", Env::blocking)] {
        if backend.as_deref().is_some_and(|wanted| wanted != name && wanted != "all") {
            continue;
        }
        for &tasks in &tasks {
            run(name, &env(), &dir, tasks, time)?;
        }
    }
    Ok(())
}

/// A thread that writes a block into written blocks and syncs, again and again.
fn plain(dir: &Path, time: Duration) {
    let path = dir.join("heddle-group-commit-plain");
    let Ok(file) = OpenOptions::new().create(true).truncate(true).write(true).open(&path) else {
        return println!("no file in {}", dir.display());
    };
    let zeros = vec![0; 16 << 20];
    let _ = file.write_all_at(&zeros, 0).and_then(|()| file.sync_all());
    let usage = Usage::now();
    let start = Instant::now();
    let mut latencies = Vec::new();
    while start.elapsed() < time {
        let before = Instant::now();
        let offset = (latencies.len() as u64 * 4096) % (16 << 20);
        let done = file.write_all_at(&zeros[..4096], offset).and_then(|()| file.sync_data());
        latencies.push(before.elapsed());
        if let Err(error) = done {
            return println!("{error}");
        }
    }
    let count = latencies.len() as u64;
    report("plain", 1, start.elapsed(), latencies, count, 0, usage);
    let _ = std::fs::remove_file(path);
}

fn run(name: &str, env: &Env, dir: &Path, tasks: usize, time: Duration) -> Result<()> {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            println!("no runtime: {error}");
            return Ok(());
        }
    };
    let path = dir.join("heddle-group-commit");
    runtime.block_on(async {
        Log::discard(env, &path).await?;
        let opened = Log::open(env, &path, options()).await?;
        opened.recovery.finish().await?;
        let log = opened.log;
        log.activate(1, b"start".to_vec()).await?;
        // Room is being prepared in the background; that is not what is measured.
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(300))).await.ok();

        let stop = Arc::new(AtomicBool::new(false));
        let (usage, before, start) = (Usage::now(), log.metrics(), Instant::now());
        let committers: Vec<_> =
            (0..tasks).map(|_| tokio::spawn(committer(log.clone(), Arc::clone(&stop)))).collect();
        let recycler = tokio::spawn(recycler(log.clone(), Arc::clone(&stop)));
        let timer = Arc::clone(&stop);
        tokio::task::spawn_blocking(move || {
            std::thread::sleep(time);
            timer.store(true, Ordering::Relaxed);
        });
        let mut latencies = Vec::new();
        for committer in committers {
            if let Ok(theirs) = committer.await {
                latencies.extend(theirs?);
            }
        }
        let elapsed = start.elapsed();
        recycler.await.ok();
        let after = log.metrics();
        let groups = after.groups - before.groups;
        report(name, tasks, elapsed, latencies, groups, after.rescues - before.rescues, usage);
        if std::env::var_os("VERBOSE").is_some() {
            println!("{after:?}");
        }
        log.close(true).await
    })?;
    runtime.block_on(env.io.shutdown());
    Ok(())
}

/// The defaults, but for what the environment says: how many groups may be in flight, and for how
/// many microseconds the flusher and a lone committer spin.
fn options() -> LogOptions {
    let number = |name| std::env::var(name).ok().and_then(|word| word.parse().ok());
    let micros = |name| number(name).map(Duration::from_micros);
    let defaults = LogOptions::default();
    LogOptions {
        max_in_flight: number("IN_FLIGHT").map_or(defaults.max_in_flight, |n| n as usize),
        spin: micros("SPIN").unwrap_or(defaults.spin),
        wait_spin: micros("WAIT_SPIN").unwrap_or(defaults.wait_spin),
        ..defaults
    }
}

async fn committer(log: Log, stop: Arc<AtomicBool>) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let before = Instant::now();
        let permit = match log.try_reserve(RECORD, Durability::Full) {
            Some(permit) => permit,
            None => log.reserve(RECORD, Durability::Full).await?,
        };
        let draw = permit.draw();
        let ticket = draw.ticket();
        draw.fill(vec![7; RECORD]);
        log.wait(ticket, Durability::Full).await?;
        latencies.push(before.elapsed());
    }
    Ok(latencies)
}

/// What a checkpointer does to the log.
async fn recycler(log: Log, stop: Arc<AtomicBool>) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(50))).await.ok();
        log.recycle(log.durable()).await?;
    }
    Ok(())
}

/// What the process has used so far.
struct Usage {
    cpu: Duration,
    switches: u64,
}

impl Usage {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
        // User and system time, in ticks of 10 ms.
        let ticks =
            |at: usize| -> u64 { fields.get(at).and_then(|field| field.parse().ok()).unwrap_or(0) };
        let cpu = Duration::from_millis((ticks(12) + ticks(13)) * 10);
        let mut switches = 0;
        for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let count = |line: &str| -> Option<u64> { line.rsplit('\t').next()?.parse().ok() };
            let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
            switches += lines.filter_map(count).sum::<u64>();
        }
        Self { cpu, switches }
    }
}

fn report(
    name: &str,
    tasks: usize,
    elapsed: Duration,
    mut latencies: Vec<Duration>,
    groups: u64,
    rescues: u64,
    before: Usage,
) {
    let usage = Usage::now();
    latencies.sort();
    let count = latencies.len().max(1) as f64;
    let micros = |per_mille: usize| {
        let at = (latencies.len() * per_mille / 1000).min(latencies.len().saturating_sub(1));
        latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    };
    println!(
        "{name:<9} {tasks:>5} {:>10.0} {:>9.0} {:>7.1} {:>7.0} {:>7.0} {:>7.2} {:>9.2} {rescues:>8}",
        count / elapsed.as_secs_f64(),
        groups as f64 / elapsed.as_secs_f64(),
        count / groups.max(1) as f64,
        micros(500),
        micros(990),
        (usage.cpu - before.cpu).as_secs_f64() * 1e6 / count,
        usage.switches.saturating_sub(before.switches) as f64 / count,
    );
}
