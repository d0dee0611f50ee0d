//! The whole table at once: loading it in one transaction, and scanning it.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::Bed;
use crate::machine;
use crate::peer::{Peer, Session, Upkeep};
use crate::report::Sample;

pub fn load<P: Peer>(bed: &Bed<'_>) -> Result<Sample> {
    bed.runtime.block_on(async {
        let peer = P::open(bed.at, Upkeep::Automatic).await?;
        let (begin, cpu) = (Instant::now(), machine::cpu_time());
        peer.load(bed.rows).await?;
        let took = begin.elapsed().as_secs_f64();
        let cpu = machine::cpu_time().saturating_sub(cpu).as_secs_f64();
        peer.close().await?;
        let with_close = begin.elapsed().as_secs_f64();
        let figures =
            vec![("rows/s", bed.rows as f64 / took), ("cpu s", cpu), ("s with close", with_close)];
        Ok(Sample { headline: took, figures })
    })
}

/// The best of several scans: the first ones fill caches.
pub fn scan<P: Peer>(bed: &Bed<'_>) -> Result<Sample> {
    const SCANS: usize = 5;
    bed.runtime.block_on(async {
        let peer = P::open(bed.at, Upkeep::Automatic).await?;
        peer.load(bed.rows).await?;
        peer.checkpoint().await?;
        let mut session = peer.session().await?;
        let mut times = Vec::with_capacity(SCANS);
        let mut cpu = f64::MAX;
        for _ in 0..SCANS {
            let (begin, cpu_before) = (Instant::now(), machine::cpu_time());
            let (count, sum) = session.range(0, usize::MAX).await?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
            cpu = cpu.min(machine::cpu_time().saturating_sub(cpu_before).as_secs_f64() * 1e3);
            ensure!(count == bed.rows as u64 && sum == 0, "{count} rows with sum {sum}");
        }
        drop(session);
        peer.close().await?;
        let (first, best) = (times[0], times.iter().copied().fold(f64::MAX, f64::min));
        Ok(Sample { headline: best, figures: vec![("first ms", first), ("cpu ms", cpu)] })
    })
}
