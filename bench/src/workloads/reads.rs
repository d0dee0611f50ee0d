//! Reads by key, alone and beside writers.

use anyhow::{Result, ensure};

use super::Bed;
use super::commits::Update;
use crate::data::Dice;
use crate::drive::{Outcome, Step, drive, drive_two};
use crate::peer::{Peer, Session, Upkeep};
use crate::report::Sample;

/// Rows in one range.
const RANGE_ROWS: usize = 100;

/// Reads between two looks at the clock.
const POINTS_PER_STEP: u64 = 32;

#[derive(Debug, Clone)]
struct Point {
    rows: i64,
    dice: Dice,
}

impl<S: Session> Step<S> for Point {
    async fn run(&mut self, session: &mut S) -> Result<Outcome> {
        for _ in 0..POINTS_PER_STEP {
            let found = session.get(self.dice.0.i64(1..=self.rows)).await?;
            ensure!(found.is_some(), "a row is missing");
        }
        Ok(Outcome { operations: POINTS_PER_STEP, retries: 0 })
    }
}

#[derive(Debug, Clone)]
struct PointOrRange {
    rows: i64,
    dice: Dice,
}

impl<S: Session> Step<S> for PointOrRange {
    async fn run(&mut self, session: &mut S) -> Result<Outcome> {
        let id = self.dice.0.i64(1..=self.rows);
        if self.dice.0.bool() {
            ensure!(session.get(id).await?.is_some(), "a row is missing");
        } else {
            session.range(id, RANGE_ROWS).await?;
        }
        Ok(Outcome { operations: 1, retries: 0 })
    }
}

fn loaded<P: Peer>(bed: &Bed<'_>) -> Result<P> {
    bed.runtime.block_on(async {
        let peer = P::open(bed.at, Upkeep::Automatic).await?;
        peer.load(bed.rows).await?;
        peer.checkpoint().await?;
        // Everything that fits is in the peer's cache before the clock starts.
        peer.session().await?.range(1, usize::MAX).await?;
        Ok(peer)
    })
}

pub fn points<P: Peer>(bed: &Bed<'_>) -> Result<Sample> {
    let peer = loaded::<P>(bed)?;
    let step = Point { rows: bed.rows, dice: Dice::new() };
    // Each session warms what it keeps for itself.
    drive(bed.runtime, &peer, bed.at, bed.span / 4, bed.workers, step.clone())?;
    let driven = drive(bed.runtime, &peer, bed.at, bed.span, bed.workers, step)?;
    bed.runtime.block_on(peer.close())?;
    let reads = driven.first.operations.max(1) as f64;
    let cpu = driven.cpu.as_secs_f64() * 1e6 / reads;
    Ok(Sample { headline: driven.first.rate(driven.elapsed), figures: vec![("cpu us/read", cpu)] })
}

pub fn mixed<P: Peer>(bed: &Bed<'_>) -> Result<Sample> {
    let peer = loaded::<P>(bed)?;
    let half = (bed.workers / 2).max(1);
    let readers = PointOrRange { rows: bed.rows, dice: Dice::new() };
    let updaters = Update { rows: bed.rows, dice: Dice::new() };
    let driven =
        drive_two(bed.runtime, &peer, bed.at, bed.span, (half, readers), (half, updaters))?;
    bed.runtime.block_on(peer.close())?;
    let (reads, writes) = (&driven.first, &driven.second);
    let figures = vec![
        ("writes/s", writes.rate(driven.elapsed)),
        ("read p99 ms", reads.latencies.milliseconds_at(0.99)),
        ("write p99 ms", writes.latencies.milliseconds_at(0.99)),
        ("retries/write", writes.retries as f64 / writes.operations.max(1) as f64),
    ];
    Ok(Sample { headline: reads.rate(driven.elapsed), figures })
}
