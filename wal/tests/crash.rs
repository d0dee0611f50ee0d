//! Loss of power at every operation of the log, also while it recovers; rot at rest.
//!
//! The model is the list of what was drawn, by ticket, and what of it was acknowledged.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{DB, read_all, small};
use heddle_base::Timestamp;
use heddle_io::{Env, Simulation};
use heddle_wal::{Durability, Error, Log, LogOptions, Recovered, Result};

/// What the world outside knows about the log.
#[derive(Default)]
struct Model {
    /// Every record drawn and filled.
    drawn: BTreeMap<u64, Vec<u8>>,
    /// Acknowledged as durable.
    acknowledged: BTreeSet<u64>,
    activated: bool,
    controls: u64,
    /// Commits up to here may be gone.
    cut: u64,
}

type Shared = Arc<Mutex<Model>>;

fn record(seed: u64, n: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed.wrapping_mul(1000) + n);
    let len = match rng.u32(..20) {
        0 => rng.usize(..30_000),
        1..4 => rng.usize(..5_000),
        _ => rng.usize(..200),
    };
    (0..len).map(|_| rng.u8(..)).collect()
}

/// Commits in several tasks until the power goes or all is done.
async fn work(env: Env, model: Shared, seed: u64, options: LogOptions) -> Result<()> {
    let opened = Log::open(&env, DB.as_ref(), options).await?;
    let fresh = opened.recovery.is_empty();
    opened.recovery.finish().await?;
    let log = opened.log;
    if fresh {
        log.activate(common::ID, b"0".to_vec()).await?;
    }
    model.lock().unwrap().activated = true;
    let done = Arc::new(Mutex::new(0));
    const TASKS: u64 = 6;
    for task in 0..TASKS {
        let (log, model, done) = (log.clone(), Arc::clone(&model), Arc::clone(&done));
        let runtime = Arc::clone(&env.runtime);
        let committer = async move {
            for n in 0..12 {
                let level = match runtime.random() % 10 {
                    0 => Durability::Off,
                    1 => Durability::Normal,
                    _ => Durability::Full,
                };
                let bytes = record(seed, task * 100 + n);
                let Ok(permit) = log.reserve(bytes.len(), level).await else { break };
                let draw = permit.draw();
                let ticket = draw.ticket();
                if runtime.random().is_multiple_of(8) {
                    draw.void();
                    continue;
                }
                model.lock().unwrap().drawn.insert(ticket.get(), bytes.clone());
                draw.fill(bytes);
                if log.wait(ticket, level).await.is_ok() && level == Durability::Full {
                    assert!(log.acked() >= ticket && log.durable() >= ticket);
                    model.lock().unwrap().acknowledged.insert(ticket.get());
                }
                if runtime.random().is_multiple_of(4) {
                    let nap = runtime.random() % 2000;
                    runtime.sleep(Duration::from_micros(nap)).await;
                }
            }
            *done.lock().unwrap() += 1;
        };
        env.runtime.spawn("committer", Box::pin(committer));
    }
    let mut round = 0_u32;
    while *done.lock().unwrap() < TASKS {
        env.runtime.sleep(Duration::from_millis(3)).await;
        round += 1;
        if round.is_multiple_of(3) {
            log.sync().await?;
            let cut = log.durable();
            let next = model.lock().unwrap().controls + 1;
            log.append_control(next.to_string().into_bytes()).await?;
            model.lock().unwrap().controls = next;
            model.lock().unwrap().cut = cut.get();
            log.recycle(cut).await?;
        }
    }
    if seed.is_multiple_of(2) {
        env.runtime.sleep(Duration::from_millis(100)).await;
    }
    if seed.is_multiple_of(3) {
        log.close(false).await?;
    }
    Ok(())
}

/// Checks what a recovery found against the model.
fn check(records: &[Recovered], last: Timestamp, model: &Model, context: &str) {
    let mut before = 0;
    let mut seen = BTreeSet::new();
    let mut controls = Vec::new();
    for record in records {
        match record {
            Recovered::Commit { ticket, bytes } => {
                let ticket = ticket.get();
                assert!(ticket > before, "{context}: {ticket} after {before}");
                before = ticket;
                let drawn = model.drawn.get(&ticket);
                let lens = (drawn.map(Vec::len), bytes.len());
                let same = drawn.is_some_and(|drawn| drawn == bytes);
                assert!(same, "{context}: ticket {ticket}, lengths {lens:?}");
                seen.insert(ticket);
            }
            Recovered::Control(bytes) => {
                controls.push(String::from_utf8(bytes.to_vec()).unwrap().parse::<u64>().unwrap());
            }
        }
    }
    for ticket in model.acknowledged.iter().filter(|ticket| **ticket > model.cut) {
        assert!(seen.contains(ticket), "{context}: acknowledged ticket {ticket} is lost");
    }
    // What comes back is a prefix: nothing is missing below the last.
    for ticket in model.drawn.keys().filter(|t| **t > model.cut && **t <= last.get()) {
        assert!(seen.contains(ticket), "{context}: ticket {ticket} is missing below {last}");
    }
    if model.activated {
        assert!(controls.last().is_some_and(|last| *last >= model.controls), "{context}");
    }
    assert!(controls.windows(2).all(|pair| pair[0] < pair[1]), "{context}: {controls:?}");
}

/// One life: work until the power goes, recover (with the power going again), check.
fn life(seed: u64, power_off_at: u64, again: Option<u64>, options: &LogOptions) -> bool {
    let simulation = Simulation::new(seed);
    let model = Shared::default();
    simulation.power_off_at(power_off_at);
    let running = work(simulation.env(), Arc::clone(&model), seed, options.clone());
    let ended = simulation.run(running);
    if let Some(Err(error)) = &ended {
        panic!("seed {seed}: {error}");
    }
    let context = format!("seed {seed}, power off at {power_off_at}, again {again:?}");
    if let Some(again) = again {
        let env = simulation.restart();
        simulation.power_off_at(again);
        if let Some(read) = simulation.run(read_all(&env)) {
            let (records, facts) = read.unwrap_or_else(|error| panic!("{context}: {error}"));
            check(&records, facts.last, &model.lock().unwrap(), &context);
            // Now it is on disk, whoever acknowledged it.
            let tickets = common::tickets(&records);
            model.lock().unwrap().acknowledged.extend(tickets);
        }
    }
    let env = simulation.restart();
    let (records, facts) =
        simulation.block_on(read_all(&env)).unwrap_or_else(|error| panic!("{context}: {error}"));
    check(&records, facts.last, &model.lock().unwrap(), &context);
    ended.is_none()
}

fn options(seed: u64) -> LogOptions {
    LogOptions { max_in_flight: 1 + seed as usize % 4, ..small() }
}

#[test]
fn acknowledged_commits_survive_a_loss_of_power_at_any_operation() {
    let (mut seed, mut at) = (0, 1);
    while life(seed, at, None, &options(seed)) {
        (seed, at) = (seed + 1, at + 1);
    }
    assert!(at > 40, "the scene is too short: {at}");
    for seed in seed..seed + 150 {
        life(seed, 1 + seed % at, None, &options(seed));
    }
}

#[test]
fn acknowledged_commits_survive_a_loss_of_power_while_recovering() {
    for seed in 1000..1200 {
        life(seed, 5 + seed % 97, Some(1 + seed % 23), &options(seed));
    }
}

/// A log that was closed in order, with its model.
fn closed_log(seed: u64) -> (Simulation, Shared) {
    let simulation = Simulation::new(seed * 6);
    let model = Shared::default();
    let running = work(simulation.env(), Arc::clone(&model), seed * 6, options(seed));
    simulation.block_on(running).unwrap();
    simulation.crash();
    (simulation, model)
}

#[test]
fn rot_is_reported_or_does_not_matter() {
    let mut corrupt = 0;
    for seed in 0..150 {
        let (simulation, model) = closed_log(seed);
        let segments: Vec<_> = simulation.disk().files();
        let victim = &segments[seed as usize % segments.len()];
        let at = simulation.disk().flip_any_bit(victim);
        let env = simulation.env();
        match simulation.block_on(read_all(&env)) {
            Ok((records, facts)) => {
                let context = format!("seed {seed}, {} at {at:?}", victim.display());
                check(&records, facts.last, &model.lock().unwrap(), &context);
            }
            Err(Error::Corrupt { .. } | Error::NewerFormat { .. } | Error::Foreign { .. }) => {
                corrupt += 1;
            }
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }
    assert!(corrupt > 10, "{corrupt}");
}

#[test]
fn a_missing_and_a_foreign_segment_are_named() {
    let (mut missing, mut foreign) = (0, 0);
    for seed in 0..25 {
        let (simulation, _) = closed_log(seed);
        let segments = simulation.disk().files();
        if segments.len() < 3 {
            continue;
        }
        let lost = simulation.disk().read(&segments[1]).unwrap();
        simulation.disk().remove(&segments[1]);
        let env = simulation.env();
        match simulation.block_on(read_all(&env)) {
            Err(Error::MissingSegment { path }) if path == segments[1] => missing += 1,
            // The last one was not in use yet, or is a spare.
            Ok(_) => continue,
            Err(other) => panic!("seed {seed}: {other}"),
        }
        let mut other = lost;
        other[16] ^= 1;
        let crc = crc32c::crc32c(&other[12..60]);
        other[8..12].copy_from_slice(&crc.to_le_bytes());
        simulation.disk().write(&segments[1], &other);
        match simulation.block_on(read_all(&env)) {
            Err(Error::Foreign { path, .. }) if path == segments[1] => foreign += 1,
            Err(other) => panic!("seed {seed}: {other}"),
            Ok(_) => panic!("seed {seed}: it opens"),
        }
        other[16] ^= 1;
        other[12] = 9;
        let crc = crc32c::crc32c(&other[12..60]);
        other[8..12].copy_from_slice(&crc.to_le_bytes());
        simulation.disk().write(&segments[1], &other);
        match simulation.block_on(read_all(&env)) {
            Err(Error::NewerFormat { path, found: 9, .. }) => assert_eq!(path, segments[1]),
            Err(other) => panic!("seed {seed}: {other}"),
            Ok(_) => panic!("seed {seed}: it opens"),
        }
    }
    assert!(missing > 0 && foreign == missing);
}

#[test]
fn garbage_is_refused_without_panic_or_end() {
    let mut rng = fastrand::Rng::with_seed(7);
    for seed in 0..100 {
        let (simulation, _) = closed_log(seed % 10);
        let segments = simulation.disk().files();
        let victim = &segments[rng.usize(..segments.len())];
        let mut bytes = simulation.disk().read(victim).unwrap();
        let start = rng.usize(..bytes.len());
        let len = rng.usize(1..9000).min(bytes.len() - start);
        match rng.u32(..3) {
            0 => rng.fill(&mut bytes[start..start + len]),
            1 => bytes[start..start + len].fill(0),
            _ => bytes.truncate(start),
        }
        simulation.disk().write(victim, &bytes);
        let env = simulation.env();
        let _ = simulation.block_on(read_all(&env));
    }
}

/// A log of several segments of which little is known to be on disk, as a kill leaves it.
fn killed_log(seed: u64) -> Simulation {
    let sim = Simulation::new(seed);
    sim.block_on(async {
        let opened = Log::open(&sim.env(), DB.as_ref(), small()).await.unwrap();
        opened.recovery.finish().await.unwrap();
        let log = opened.log;
        log.activate(common::ID, b"0".to_vec()).await.unwrap();
        for _ in 0..40 {
            let permit = log.reserve(4000, Durability::Off).await.unwrap();
            let draw = permit.draw();
            let ticket = draw.ticket();
            draw.fill(vec![1; 4000]);
            log.wait(ticket, Durability::Off).await.unwrap();
        }
    });
    sim.kill();
    sim
}

/// Opens the log; whether that ended before the power went.
fn taken_over(sim: &Simulation) -> bool {
    let env = sim.env();
    let opening = sim.run(async {
        let opened = Log::open(&env, DB.as_ref(), small()).await?;
        opened.recovery.finish().await
    });
    let ended = opening.is_some();
    opening.unwrap_or(Ok(())).unwrap();
    ended
}

#[test]
fn a_takeover_that_is_cut_off_leaves_no_hole_among_the_segments_it_replaces() {
    let sim = killed_log(0);
    let files = sim.disk().files();
    let is_segment = |file: &&std::path::PathBuf| file.to_string_lossy().contains("-log-0");
    assert!(files.iter().filter(is_segment).count() > 3, "{files:?}");
    let before = sim.operations();
    assert!(taken_over(&sim));
    let all = sim.operations() - before;
    for seed in 0..25 {
        // The segments go last.
        for at in all - 12..=all {
            let sim = killed_log(seed);
            sim.power_off_at(at);
            taken_over(&sim);
            sim.crash();
            assert!(taken_over(&sim), "seed {seed}, operation {at}");
        }
    }
}
