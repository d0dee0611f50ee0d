//! Updates beside one reader that never lets go of its snapshot: what grows, and what slows down.

use std::time::Duration;

use anyhow::Result;

use super::Bed;
use super::commits::Update;
use crate::data::Dice;
use crate::drive::drive;
use crate::machine;
use crate::peer::{Peer, Session, Upkeep};
use crate::report::Sample;

/// The span is cut into this many parts; the first and the last are compared.
const PARTS: u32 = 10;

pub fn run<P: Peer>(bed: &Bed<'_>) -> Result<Option<Sample>> {
    let peer = bed.runtime.block_on(P::open(bed.at, Upkeep::Automatic))?;
    bed.runtime.block_on(peer.load(bed.accounts))?;
    let mut reader = bed.runtime.block_on(peer.session())?;
    if !bed.runtime.block_on(reader.hold())? {
        drop(reader);
        bed.runtime.block_on(peer.close())?;
        return Ok(None);
    }
    let mut rates = Vec::new();
    let mut peaks = [0_u64; 3];
    for _ in 0..PARTS {
        let update = Update { rows: bed.accounts, dice: Dice::new() };
        let part: Duration = bed.span / PARTS;
        let driven = drive(bed.runtime, &peer, bed.at, part, bed.workers, update)?;
        rates.push(driven.first.rate(driven.elapsed));
        let now = [
            machine::resident_bytes(),
            machine::file_bytes(bed.at, |name| name.ends_with("-wal")),
            machine::file_bytes(bed.at, |name| name.contains("-log")),
        ];
        for (peak, now) in peaks.iter_mut().zip(now) {
            *peak = now.max(*peak);
        }
    }
    drop(reader);
    bed.runtime.block_on(peer.close())?;
    let (first, last) = (rates[0], rates[rates.len() - 1]);
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let figures = vec![
        ("first commits/s", first),
        ("last commits/s", last),
        ("memory MB", megabytes(peaks[0])),
        ("-wal MB", megabytes(peaks[1])),
        ("log MB", megabytes(peaks[2])),
    ];
    Ok(Some(Sample { headline: last / first, figures }))
}
