//! Whether it is wise to spin now.
//!
//! On idle cores spinning saves the time that a sleeping core takes to wake, which is of the order
//! of a fast disk's write. Where others want the cores it does harm: the scheduler takes its time
//! back from whoever spun, when he has work. Who spins finds that out by himself: the clock jumps
//! while he is off the core. Then nobody spins for a while.
//!
//! # Invariants
//! - J1: after a jump nobody begins to spin for [`PAUSE`].

use std::time::Duration;

use heddle_base::sync::atomic::{AtomicU64, Ordering};

/// For how long a jump of the clock forbids spinning.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two looks at the clock no more than this passes, unless somebody else ran.
const JUMP: Duration = Duration::from_micros(200);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Spin {
    /// Nanoseconds of the runtime's clock.
    paused_until: AtomicU64,
}

impl Spin {
    /// Begins to spin for at most `limit`, if that is wise.
    pub(crate) fn begin(&self, now: Duration, limit: Duration) -> Option<Spinning<'_>> {
        let wise = now.as_nanos() as u64 >= self.paused_until.load(Ordering::Relaxed);
        (wise && !limit.is_zero()).then_some(Spinning { spin: self, last: now, end: now + limit })
    }
}

/// One who spins.
#[derive(Debug)]
pub(crate) struct Spinning<'a> {
    spin: &'a Spin,
    last: Duration,
    end: Duration,
}

impl Spinning<'_> {
    /// Whether to go on.
    pub(crate) fn goes_on(&mut self, now: Duration) -> bool {
        let jumped = now.saturating_sub(self.last) > JUMP;
        self.last = now;
        if jumped {
            let until = (now + PAUSE).as_nanos() as u64;
            self.spin.paused_until.store(until, Ordering::Relaxed);
        }
        !jumped && now < self.end
    }
}

#[cfg(all(test, not(any(heddle_loom, heddle_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn j1_a_jump_of_the_clock_ends_spinning_for_a_while() {
        let (spin, micros) = (Spin::default(), Duration::from_micros);
        let mut spinning = spin.begin(micros(0), micros(100)).unwrap();
        assert!(spinning.goes_on(micros(50)));
        assert!(!spinning.goes_on(micros(100)));
        let mut spinning = spin.begin(micros(200), micros(1000)).unwrap();
        assert!(!spinning.goes_on(micros(600)));
        assert!(spin.begin(micros(700), micros(100)).is_none());
        assert!(spin.begin(micros(1_000_700), micros(100)).is_some());
    }
}
