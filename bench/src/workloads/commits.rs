//! Small write transactions, many at once: durable commits per second, and what each costs.

use std::sync::Arc;

use anyhow::Result;

use super::Bed;
use crate::data::{Dice, Keys, Zipf};
use crate::drive::{Driven, Outcome, Step, drive};
use crate::peer::{Peer, Session, Upkeep};
use crate::report::Sample;

/// Commits per second, latencies, and what each commit cost.
pub fn sample(driven: &Driven) -> Sample {
    let tally = &driven.first;
    let commits = tally.operations.max(1) as f64;
    let mut figures = vec![
        ("p50 ms", tally.latencies.milliseconds_at(0.5)),
        ("p99 ms", tally.latencies.milliseconds_at(0.99)),
        ("p99.9 ms", tally.latencies.milliseconds_at(0.999)),
        ("cpu us/commit", driven.cpu.as_secs_f64() * 1e6 / commits),
        ("retries/commit", tally.retries as f64 / commits),
    ];
    let mut add = |name, count: Option<u64>| {
        if let Some(count) = count {
            figures.push((name, count as f64 / commits));
        }
    };
    add("disk flushes/commit", driven.flushes);
    add("syncs/commit", driven.counters.syncs);
    add("log bytes/commit", driven.counters.log_bytes);
    Sample { headline: tally.rate(driven.elapsed), figures }
}

/// Opens a peer with `rows` rows, runs `step` on it, and closes it.
fn run<P: Peer, T: Step<P::Session>>(bed: &Bed<'_>, rows: i64, step: T) -> Result<Sample> {
    let peer = bed.runtime.block_on(async {
        let peer = P::open(bed.at, Upkeep::Automatic).await?;
        if rows > 0 {
            peer.load(rows).await?;
            peer.checkpoint().await?;
        }
        anyhow::Ok(peer)
    })?;
    let driven = drive(bed.runtime, &peer, bed.at, bed.span, bed.workers, step)?;
    bed.runtime.block_on(peer.close())?;
    Ok(sample(&driven))
}

#[derive(Debug, Clone)]
struct Insert {
    keys: Arc<Keys>,
    dice: Dice,
    batch: usize,
}

impl<S: Session> Step<S> for Insert {
    async fn run(&mut self, session: &mut S) -> Result<Outcome> {
        let rows: Vec<_> = (0..self.batch).map(|_| self.keys.row(&mut self.dice.0)).collect();
        session.insert(&rows).await.map(Outcome::commit)
    }
}

pub fn insert<P: Peer>(bed: &Bed<'_>, batch: usize) -> Result<Sample> {
    let keys = Arc::new(Keys::after(0));
    run::<P, _>(bed, 0, Insert { keys, dice: Dice::new(), batch })
}

#[derive(Debug, Clone)]
struct InsertPerson {
    keys: Arc<Keys>,
    dice: Dice,
}

impl<S: Session> Step<S> for InsertPerson {
    async fn run(&mut self, session: &mut S) -> Result<Outcome> {
        let person = self.keys.person(&mut self.dice.0);
        session.insert_person(&person).await.map(Outcome::commit)
    }
}

pub fn indexed<P: Peer>(bed: &Bed<'_>) -> Result<Sample> {
    let keys = Arc::new(Keys::after(0));
    run::<P, _>(bed, 0, InsertPerson { keys, dice: Dice::new() })
}

/// Adds 1 to a random row.
#[derive(Debug, Clone)]
pub struct Update {
    pub rows: i64,
    pub dice: Dice,
}

impl<S: Session> Step<S> for Update {
    async fn run(&mut self, session: &mut S) -> Result<Outcome> {
        session.add(self.dice.0.i64(1..=self.rows), 1).await.map(Outcome::commit)
    }
}

pub fn update<P: Peer>(bed: &Bed<'_>) -> Result<Sample> {
    run::<P, _>(bed, bed.rows, Update { rows: bed.rows, dice: Dice::new() })
}

pub fn hot<P: Peer>(bed: &Bed<'_>) -> Result<Sample> {
    run::<P, _>(bed, 1, Update { rows: 1, dice: Dice::new() })
}

#[derive(Debug, Clone)]
struct Transfer {
    accounts: Arc<Zipf>,
    dice: Dice,
}

impl<S: Session> Step<S> for Transfer {
    async fn run(&mut self, session: &mut S) -> Result<Outcome> {
        let rng = &mut self.dice.0;
        let from = self.accounts.draw(rng);
        let to = loop {
            let to = self.accounts.draw(rng);
            if to != from {
                break to;
            }
        };
        session.transfer(from, to, rng.i64(1..100)).await.map(Outcome::commit)
    }
}

pub fn transfer<P: Peer>(bed: &Bed<'_>) -> Result<Sample> {
    let accounts = Arc::new(Zipf::new(bed.accounts, 0.99));
    run::<P, _>(bed, bed.accounts, Transfer { accounts, dice: Dice::new() })
}
