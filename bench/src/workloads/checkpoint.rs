//! Commit latency while a checkpoint runs beside it, and how fast the checkpoint is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Bed;
use super::commits::Update;
use crate::data::{Dice, Keys};
use crate::drive::{Outcome, Step, drive};
use crate::peer::{Peer, Session, Upkeep};
use crate::report::Sample;

/// Rows changed by one transaction on the way to a full log.
const BATCH: i64 = 1000;

/// Updates until told to stop, so that latencies are those beside the checkpoint and none after it.
#[derive(Debug, Clone)]
struct UntilStopped {
    update: Update,
    stop: Arc<AtomicBool>,
}

impl<S: Session> Step<S> for UntilStopped {
    async fn run(&mut self, session: &mut S) -> Result<Outcome> {
        if self.stop.load(Ordering::Relaxed) {
            // What is left of the drive's time is waited out, and counts for nothing.
            tokio::time::sleep(Duration::from_millis(1)).await;
            return Ok(Outcome { operations: 0, retries: 0 });
        }
        self.update.run(session).await
    }
}

pub fn run<P: Peer>(bed: &Bed<'_>) -> Result<Option<Sample>> {
    let peer = bed.runtime.block_on(P::open(bed.at, Upkeep::Manual))?;
    if bed.runtime.block_on(peer.checkpoint())?.is_none() {
        bed.runtime.block_on(peer.close())?;
        return Ok(None);
    }
    bed.runtime.block_on(fill(&peer, bed.rows))?;
    let alone = timed_checkpoint(bed, &peer)?;

    let update = Update { rows: bed.rows, dice: Dice::new() };
    let without = drive(bed.runtime, &peer, bed.at, bed.span, bed.workers, update.clone())?;
    bed.runtime.block_on(peer.checkpoint())?;

    bed.runtime.block_on(fill(&peer, bed.rows))?;
    let stop = Arc::new(AtomicBool::new(false));
    let step = UntilStopped { update, stop: Arc::clone(&stop) };
    let (driven, beside) = std::thread::scope(|scope| {
        let checkpoint = scope.spawn(|| {
            let took = timed_checkpoint(bed, &peer);
            stop.store(true, Ordering::Relaxed);
            took
        });
        let span = bed.span.max(Duration::from_secs_f64(alone * 4.0));
        let driven = drive(bed.runtime, &peer, bed.at, span, bed.workers, step)?;
        anyhow::Ok((driven, checkpoint.join().ok().context("the checkpoint panicked")??))
    })?;
    bed.runtime.block_on(peer.close())?;

    let (with, quiet) = (
        driven.first.latencies.milliseconds_at(0.999),
        without.first.latencies.milliseconds_at(0.999),
    );
    let figures = vec![
        ("p99.9 ms beside", with),
        ("p99.9 ms without", quiet),
        ("checkpoint s", alone),
        ("beside commits, s", beside),
        ("changed rows/s", bed.rows as f64 / alone),
    ];
    Ok(Some(Sample { headline: with / quiet, figures }))
}

fn timed_checkpoint<P: Peer>(bed: &Bed<'_>, peer: &P) -> Result<f64> {
    let begin = Instant::now();
    bed.runtime.handle().block_on(peer.checkpoint())?;
    Ok(begin.elapsed().as_secs_f64())
}

/// Adds rows in transactions that stay in memory and log until a checkpoint.
async fn fill<P: Peer>(peer: &P, rows: i64) -> Result<()> {
    let mut session = peer.session().await?;
    let (keys, mut dice) = (Keys::after(0), Dice::new());
    for _ in 0..rows / BATCH {
        let batch: Vec<_> = (0..BATCH).map(|_| keys.row(&mut dice.0)).collect();
        session.insert(&batch).await?;
    }
    Ok(())
}
