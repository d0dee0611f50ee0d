//! Point lookups by the hash directory and by the ordered index, side by side, and inserts.
//!
//! `cargo run --release -p heddle-mvcc --example lookup_rate`

use bytes::Bytes;
use heddle_base::{Timestamp, TreeId};
use heddle_mvcc::{Direction, Overlay, Store, StoreOptions, TxnStatus, View, pin};
use std::ops::Bound;
use std::thread;
use std::time::{Duration, Instant};

const LOOKUPS: usize = 1_000_000;

fn main() {
    println!("ns per operation per thread; keys of 8 bytes");
    println!("chains   order       insert  threads  directory  index  absent");
    for chains in [1_000, 100_000, 1_000_000] {
        for ascending in [true, false] {
            let store = Store::new(StoreOptions::default());
            let overlay = store.tree(TreeId(2));
            let insert = fill(&overlay, chains, ascending);
            for threads in [1, 2] {
                let directory = time(threads, |at| {
                    overlay.get(&key(at % chains, ascending), View::ALL, &pin())
                        != heddle_mvcc::Lookup::Missing
                });
                let index = time(threads, |at| {
                    let key = key(at % chains, ascending);
                    let bounds = (Bound::Included(&key[..]), Bound::Included(&key[..]));
                    let guard = pin();
                    let mut scan =
                        overlay.scan(bounds.0, bounds.1, Direction::Forward, View::ALL, &guard);
                    scan.next().is_some()
                });
                let absent = time(threads, |at| {
                    overlay.get(&key(at % chains + chains, ascending), View::ALL, &pin())
                        == heddle_mvcc::Lookup::Missing
                });
                let order = if ascending { "ascending" } else { "scattered" };
                println!(
                    "{chains:<8} {order:<10} {:>7} {threads:>8} {:>10} {:>6} {:>7}",
                    insert.as_nanos() / chains as u128,
                    directory.as_nanos() / LOOKUPS as u128,
                    index.as_nanos() / LOOKUPS as u128,
                    absent.as_nanos() / LOOKUPS as u128,
                );
            }
        }
    }
}

fn key(at: usize, ascending: bool) -> [u8; 8] {
    let at = at as u64;
    if ascending { at.to_be_bytes() } else { at.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes() }
}

/// One commit per key, as a committer does it.
fn fill(overlay: &Overlay, chains: usize, ascending: bool) -> Duration {
    let value = Bytes::from_static(&[7; 100]);
    let start = now();
    for at in 0..chains {
        let status = TxnStatus::new();
        let Ok(mut chain) = overlay.try_lock(&key(at, ascending)) else { continue };
        chain.link(Some(value.clone()), &status);
        status.set_drawing();
        status.set_drawn(Timestamp(at as u64 + 1));
        status.set_committed(Timestamp(at as u64 + 1));
    }
    now() - start
}

/// Runs `look` on pseudo-random numbers in each thread; the time until the last is done.
fn time(threads: usize, look: impl Fn(usize) -> bool + Sync) -> Duration {
    let start = now();
    thread::scope(|scope| {
        for thread in 0..threads {
            let look = &look;
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(thread as u64);
                let hits = (0..LOOKUPS).filter(|_| look(rng.usize(..))).count();
                assert_eq!(hits, LOOKUPS);
            });
        }
    });
    now() - start
}

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
