//! Latencies of many operations, kept in a histogram.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

/// A histogram from a tenth of a microsecond to a thousand seconds, to about one in a hundred.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    const UNIT_NS: u64 = 100;
    const LONGEST: u64 = 1_000_000_000_000 / Self::UNIT_NS;

    pub fn new() -> Result<Self> {
        Ok(Latencies(Histogram::new_with_bounds(1, Self::LONGEST, 2)?))
    }

    pub fn record(&mut self, took: Duration) {
        let units = took.as_nanos() as u64 / Self::UNIT_NS;
        self.0.saturating_record(units.max(1));
    }

    pub fn merge(&mut self, other: &Latencies) -> Result<()> {
        Ok(self.0.add(&other.0)?)
    }

    /// The latency, in milliseconds, that this share of the operations did not exceed.
    pub fn milliseconds_at(&self, share: f64) -> f64 {
        let units = self.0.value_at_quantile(share);
        (units * Self::UNIT_NS) as f64 / 1e6
    }
}
