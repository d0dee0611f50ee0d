//! Histories of small executors whose isolation is known: one after the other, under snapshot isolation, under snapshot
//! isolation with a defect.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on fails")]

use std::collections::BTreeMap;

use fastrand::Rng;
use heddle_histories::{Class, History, Key, Level, Recorder, Recording, Scope, Value, check};

type State = BTreeMap<Key, Value>;

#[derive(Clone, Copy, PartialEq)]
enum Rules {
    Serial,
    Snapshot,
    /// Nobody looks who committed first.
    LostUpdates,
    /// Every other read sees the newest state instead of the snapshot.
    ReadCommitted,
}

struct Running {
    notes: Recording,
    snapshot: State,
    since: u64,
    writes: BTreeMap<Key, Option<Value>>,
    left: usize,
}

struct Executor {
    rules: Rules,
    rng: Rng,
    state: State,
    last_write: BTreeMap<Key, u64>,
    commits: u64,
    next_value: Value,
}

impl Executor {
    fn read(&mut self, txn: &Running, key: Key) -> Option<Value> {
        let newest = self.rules == Rules::ReadCommitted && self.rng.bool();
        let state = if newest { &self.state } else { &txn.snapshot };
        txn.writes.get(&key).copied().unwrap_or_else(|| state.get(&key).copied())
    }

    fn step(&mut self, txn: &mut Running, keys: Key) {
        let key = self.rng.u64(..keys);
        match self.rng.u32(..10) {
            0..4 => {
                let value = self.read(txn, key);
                txn.notes.read(key, value);
            }
            4..6 => {
                let to = key + self.rng.u64(..4);
                let found: Vec<(Key, Value)> =
                    (key..=to).filter_map(|key| Some((key, self.read(txn, key)?))).collect();
                txn.notes.read_where(Scope::Keys(key, to), found);
            }
            kind => {
                self.next_value += 1;
                let value = (kind < 9).then_some(self.next_value);
                if self.rng.bool() {
                    let before = self.read(txn, key);
                    txn.notes.read(key, before);
                }
                txn.writes.insert(key, value);
                txn.notes.write(key, value);
            }
        }
    }

    fn end(&mut self, txn: Running) {
        let newer = |key: &Key| self.last_write.get(key).is_some_and(|at| *at > txn.since);
        if self.rules != Rules::LostUpdates && txn.writes.keys().any(newer)
            || self.rng.u32(..20) == 0
        {
            return txn.notes.aborted();
        }
        self.commits += 1;
        for (key, value) in txn.writes {
            self.last_write.insert(key, self.commits);
            match value {
                Some(value) => self.state.insert(key, value),
                None => self.state.remove(&key),
            };
        }
        txn.notes.committed(Some(self.commits));
    }
}

fn run(rules: Rules, seed: u64, txns: usize, at_once: usize, keys: Key) -> History {
    let recorder = Recorder::new();
    let mut executor = Executor {
        rules,
        rng: Rng::with_seed(seed),
        state: State::new(),
        last_write: BTreeMap::new(),
        commits: 0,
        next_value: 0,
    };
    let mut running: Vec<Running> = Vec::new();
    let mut begun = 0;
    while begun < txns || !running.is_empty() {
        if begun < txns && running.len() < at_once {
            begun += 1;
            let (notes, snapshot) = (recorder.begin(), executor.state.clone());
            let left = executor.rng.usize(1..6);
            let since = executor.commits;
            running.push(Running { notes, snapshot, since, writes: BTreeMap::new(), left });
        }
        let at = executor.rng.usize(..running.len());
        executor.step(&mut running[at], keys);
        running[at].left -= 1;
        if running[at].left == 0 {
            let txn = running.swap_remove(at);
            executor.end(txn);
        }
    }
    History { real_time: true, ..recorder.history() }
}

#[test]
fn a_serial_execution_is_always_clean() {
    for seed in 0..100 {
        let history = run(Rules::Serial, seed, 200, 1, 12);
        let report = check(&history);
        assert_eq!(
            report.classes(),
            [],
            "seed {seed}:\n{:?}",
            report.counterexample(Level::Serializable, &history)
        );
        assert!(report.edges > 100, "there was something to check");
    }
}

#[test]
fn snapshot_isolation_keeps_its_rules_and_shows_write_skew() {
    let mut skews = 0;
    for seed in 0..200 {
        let history = run(Rules::Snapshot, seed, 60, 4, 12);
        let report = check(&history);
        let bad = report.counterexample(Level::Snapshot, &history);
        assert!(bad.is_none(), "seed {seed}:\n{}", bad.unwrap());
        skews += usize::from(report.violations(Level::Serializable).next().is_some());
    }
    assert!(skews > 20, "write skew in {skews} of 200 histories");
}

#[test]
fn defects_are_found() {
    for (rules, expected) in
        [(Rules::LostUpdates, Class::LostUpdate), (Rules::ReadCommitted, Class::GSingle)]
    {
        let found = (0..100)
            .filter(|seed| check(&run(rules, *seed, 150, 4, 8)).classes().contains(&expected))
            .count();
        assert!(found > 90, "{expected:?} in {found} of 100 histories");
    }
}

#[test]
fn the_same_history_gives_the_same_report() {
    for seed in 0..10 {
        let history = run(Rules::ReadCommitted, seed, 100, 5, 10);
        assert_eq!(check(&history), check(&history));
    }
}

#[test]
fn a_long_history_is_checked_whole() {
    let history = run(Rules::Snapshot, 7, 20_000, 16, 1_000);
    let report = check(&history);
    assert!(report.committed > 10_000, "{}", report.committed);
    let bad = report.counterexample(Level::Snapshot, &history);
    assert!(bad.is_none(), "{}", bad.unwrap());
}
