//! Rows, keys and how they are drawn: the same for every peer.

use std::sync::atomic::{AtomicI64, Ordering};

use fastrand::Rng;

use crate::peer::{Person, Row};

/// With the key and the counter, a row of about 100 bytes.
const BODY_BYTES: usize = 88;

fn text(rng: &mut Rng, bytes: usize) -> String {
    (0..bytes).map(|_| rng.alphanumeric()).collect()
}

/// A row's text.
pub fn body(rng: &mut Rng) -> String {
    text(rng, BODY_BYTES)
}

/// The rows that a load makes.
pub fn loaded(rows: i64) -> impl Iterator<Item = Row> + Send {
    let mut rng = Rng::with_seed(7);
    (1..=rows).map(move |id| Row { id, n: 0, body: body(&mut rng) })
}

/// Fresh keys, for peers that don't pick them.
#[derive(Debug)]
pub struct Keys(AtomicI64);

impl Keys {
    pub fn after(last: i64) -> Self {
        Keys(AtomicI64::new(last + 1))
    }

    fn next(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    pub fn row(&self, rng: &mut Rng) -> Row {
        Row { id: self.next(), n: 0, body: body(rng) }
    }

    pub fn person(&self, rng: &mut Rng) -> Person {
        let id = self.next();
        Person { id, name: text(rng, 16), team: rng.i64(0..1000), body: text(rng, BODY_BYTES - 16) }
    }
}

/// Numbers from 1 to `n`, the most popular far more often than the others (Gray's method, as in YCSB),
/// scattered over the keys.
#[derive(Debug, Clone)]
pub struct Zipf {
    n: u64,
    theta: f64,
    zeta: f64,
    alpha: f64,
    eta: f64,
}

impl Zipf {
    pub fn new(n: i64, theta: f64) -> Self {
        let n = n.max(2) as u64;
        let zeta_of = |n: u64| (1..=n).map(|i| (i as f64).powf(-theta)).sum::<f64>();
        let (zeta, zeta2) = (zeta_of(n), zeta_of(2));
        let eta = (1.0 - (2.0 / n as f64).powf(1.0 - theta)) / (1.0 - zeta2 / zeta);
        Zipf { n, theta, zeta, alpha: 1.0 / (1.0 - theta), eta }
    }

    pub fn draw(&self, rng: &mut Rng) -> i64 {
        let u = rng.f64();
        let uz = u * self.zeta;
        let rank = if uz < 1.0 {
            0
        } else if uz < 1.0 + 0.5_f64.powf(self.theta) {
            1
        } else {
            (self.n as f64 * (self.eta * u - self.eta + 1.0).powf(self.alpha)) as u64
        };
        // An odd factor without common divisor with round numbers of accounts scatters the ranks.
        let scattered = (rank.min(self.n - 1) as u128 * 2_654_435_761 % self.n as u128) as i64;
        scattered + 1
    }
}

/// Randomness of one's own: a copy is seeded afresh, so that no two sessions draw the same keys.
#[derive(Debug)]
pub struct Dice(pub Rng);

impl Dice {
    pub fn new() -> Self {
        Dice(Rng::new())
    }
}

impl Clone for Dice {
    fn clone(&self) -> Self {
        Dice::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_draws_stay_in_range_and_crowd_on_few_keys() {
        const KEYS: i64 = 100_000;
        const DRAWS: usize = 100_000;
        let (zipf, mut rng) = (Zipf::new(KEYS, 0.99), Rng::with_seed(1));
        let mut drawn = std::collections::HashMap::new();
        for _ in 0..DRAWS {
            let key = zipf.draw(&mut rng);
            assert!((1..=KEYS).contains(&key), "{key}");
            *drawn.entry(key).or_insert(0) += 1;
        }
        // The most popular of n keys has a share of 1 / zeta(n), here about 1 in 12.8.
        let most = drawn.values().copied().max().unwrap_or(0);
        assert!((6_500..9_500).contains(&most), "{most}");
    }

    #[test]
    fn fresh_keys_follow_the_loaded_ones() {
        let mut rng = Rng::with_seed(1);
        let last = loaded(3).last().map(|row| row.id);
        assert_eq!(last, Some(3));
        assert_eq!(Keys::after(3).row(&mut rng).id, 4);
    }
}
