//! The whole table at once: loading it in one transaction, and scanning it.

use std::time::{Duration, Instant};

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
#[derive(Debug, Default)]
pub struct Scans {
    /// Milliseconds by the clock, and of CPU.
    times: Vec<(f64, f64)>,
    begun: Option<(Instant, Duration)>,
}

impl Scans {
    const COUNT: usize = 5;

    /// Whether there is another to be made.
    pub fn go_on(&self) -> bool {
        self.times.len() < Self::COUNT
    }

    pub fn begin(&mut self) {
        self.begun = Some((Instant::now(), machine::cpu_time()));
    }

    pub fn end(&mut self) {
        if let Some((begin, cpu)) = self.begun.take() {
            let cpu = machine::cpu_time().saturating_sub(cpu);
            self.times.push((begin.elapsed().as_secs_f64() * 1e3, cpu.as_secs_f64() * 1e3));
        }
    }

    pub fn sample(&self) -> Sample {
        let first = self.times.first().map_or(0.0, |time| time.0);
        let best = self.times.iter().map(|time| time.0).fold(f64::MAX, f64::min);
        let cpu = self.times.iter().map(|time| time.1).fold(f64::MAX, f64::min);
        Sample { headline: best, figures: vec![("first ms", first), ("cpu ms", cpu)] }
    }
}

pub fn scan<P: Peer>(bed: &Bed<'_>) -> Result<Sample> {
    bed.runtime.block_on(async {
        let peer = P::open(bed.at, Upkeep::Automatic).await?;
        peer.load(bed.rows).await?;
        peer.checkpoint().await?;
        let mut session = peer.session().await?;
        let mut scans = Scans::default();
        while scans.go_on() {
            scans.begin();
            let (count, sum) = session.range(0, usize::MAX).await?;
            scans.end();
            ensure!(count == bed.rows as u64 && sum == 0, "{count} rows with sum {sum}");
        }
        drop(session);
        peer.close().await?;
        Ok(scans.sample())
    })
}
