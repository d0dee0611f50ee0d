//! A service under the simulator: its own code, a simulated disk, a simulated clock, and one seed that decides everything.
//!
//! `cargo run --release --example booking -- [--seeds N] [--first S] [--seed S]`
//!
//! Each seed: clients book and cancel side by side while the power goes at some operation of the disk; after the restart the hall
//! must keep its promises (`service.rs`). Each seed runs twice, and both runs must be the same, event by event. A
//! failure names its seed; `--seed S` runs it again. `docs/testing.md` says how to do this with a service of yours.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use fastrand::Rng;
use heddle_engine::Env;
use heddle_io::Simulation;

mod service;
use service::Hall;

const PATH: &str = "/hall/seats.db";
const SEATS: i64 = 12;
const CLIENTS: i64 = 4;
const BOOKINGS: i64 = 6;

#[derive(Debug, Clone, Parser)]
#[command(about = "Runs a booking service in a simulated world, seed by seed")]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// This one only.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let seeds = match arguments.seed {
        Some(seed) => seed..seed + 1,
        None => arguments.first..arguments.first + arguments.seeds,
    };
    let (mut crashes, mut booked) = (0, 0);
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let run = simulate(seed).with_context(|| format!("seed {seed}"))?;
        let again = simulate(seed).with_context(|| format!("seed {seed}, second run"))?;
        ensure!(run == again, "seed {seed}: two runs differ: {run:?} {again:?}");
        crashes += u64::from(run.crashed);
        booked += run.guests;
    }
    println!(
        "{count} seeds, {crashes} with a loss of power, {booked} bookings found afterwards: all promises kept"
    );
    Ok(())
}

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    crashed: bool,
    guests: usize,
    fingerprint: u64,
}

/// What the clients were told. Shared by tasks of one thread; the lock is never waited for.
#[derive(Debug, Default)]
struct Told {
    /// Booked, and since then nothing was asked.
    booked: BTreeMap<i64, [i64; 2]>,
    /// Asked for something and not told how it ended.
    asking: BTreeMap<i64, ()>,
    clients: i64,
}

fn simulate(seed: u64) -> Result<Run> {
    let world = Simulation::new(seed);
    let mut rng = Rng::with_seed(seed);
    let told = Arc::new(Mutex::new(Told::default()));
    world.power_off_at(rng.u64(20..600));
    let (env, notes, mut dice) = (world.env(), Arc::clone(&told), rng.fork());
    let ended = world.run(async move {
        let hall = Hall::open(env.clone(), PATH).await?;
        for client in 0..CLIENTS {
            let work = work(hall.clone(), client, dice.fork(), Arc::clone(&notes));
            env.runtime.spawn("client", Box::pin(work));
        }
        for _ in 0..3 {
            env.runtime.sleep(Duration::from_millis(20)).await;
            hall.checkpoint().await?;
        }
        while lock(&notes).clients < CLIENTS {
            env.runtime.sleep(Duration::from_millis(1)).await;
        }
        hall.close().await
    });
    // None: the power went, which is not an error.
    let crashed = ended.is_none();
    ended.transpose()?;
    let env = world.restart();
    let guests = world.block_on(check(env, &lock(&told)))?;
    Ok(Run { crashed, guests, fingerprint: world.fingerprint() })
}

fn lock(told: &Mutex<Told>) -> std::sync::MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One client. It ends where it is when the power goes.
async fn work(hall: Hall, client: i64, mut rng: Rng, told: Arc<Mutex<Told>>) {
    for n in 0..BOOKINGS {
        let guest = client * BOOKINGS + n;
        let first = rng.i64(1..SEATS);
        let seats = [first, first + 1];
        lock(&told).asking.insert(guest, ());
        let Ok(booked) = hall.book(guest, seats).await else { break };
        {
            let mut told = lock(&told);
            told.asking.remove(&guest);
            if booked {
                told.booked.insert(guest, seats);
            }
        }
        if booked && rng.bool() {
            {
                let mut told = lock(&told);
                told.booked.remove(&guest);
                told.asking.insert(guest, ());
            }
            if hall.cancel(guest).await.is_err() {
                break;
            }
            lock(&told).asking.remove(&guest);
        }
    }
    lock(&told).clients += 1;
}

/// The promises, after the restart. How many guests there are.
async fn check(env: Env, told: &Told) -> Result<usize> {
    let hall = Hall::open(env, PATH).await?;
    let guests = hall.guests().await?;
    for (guest, seats) in &guests {
        ensure!(seats.len() == 2, "guest {guest} has seats {seats:?}");
        let known = told.booked.contains_key(guest) || told.asking.contains_key(guest);
        ensure!(known, "guest {guest} has seats {seats:?} and was told otherwise");
    }
    for (guest, seats) in &told.booked {
        ensure!(
            guests.get(guest).is_some_and(|found| found == seats),
            "guest {guest} lost {seats:?}"
        );
    }
    hall.close().await?;
    Ok(guests.len())
}
