//! What an open may find in a database and its log, and what is done about it.
//!
//! Called by [`crate::opening`], which makes the observations and carries the decision out.
//!
//! | commits past the cut | counter in page 1 | fence | decision |
//! | --- | --- | --- | --- |
//! | no log | any | any | open |
//! | none | of a state the log leads to | yes | go on with the log |
//! | none | of a state before those | yes | refuse: `-wal` is damaged or gone |
//! | none | any other, or no fence | any | discard the log |
//! | some | of a state the log leads to | yes | replay; refused when only reading |
//! | some | of a state the log leads to | no | refuse: another program changed the file |
//! | some | of a state before those | any | refuse: `-wal` is damaged or gone |
//! | some | torn (offsets 24 and 92 differ) | any | refuse: another program changed the file |
//! | some | unknown | yes | refuse: another program changed the file |
//! | some | unknown | no | refuse: the log is another database's |
//! | some | there was no file | - | refuse: the log is another database's |
//!
//! # Invariants
//! - Y1: a log with commits that are not in the file is never discarded by itself.
//! - Y2: nothing is replayed unless page 1 names a state that the log leads to: the state that was settled last, or
//!   one that was intended after it.
//! - Y3: when only reading, nothing is replayed or discarded.

use heddle_base::Timestamp;
use heddle_txn::redo::{Control, Stage};

/// What page 1 says, in terms of the log's control records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counter {
    /// The state that was settled last.
    Settled,
    /// One that was intended after it.
    Intended,
    /// One before it: of what came since, the file has nothing.
    Older,
    /// No state the log knows.
    Unknown,
    /// Two counters that differ.
    Torn,
}

/// What the log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commits {
    /// There is no log.
    NoLog,
    /// None that the file lacks.
    None,
    /// Some that the file lacks.
    Some,
}

/// The file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileFound {
    /// It was made by this open.
    Made,
    /// Its write version keeps others from writing.
    Fenced,
    /// It does not.
    Open,
}

/// All that the decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) commits: Commits,
    pub(crate) counter: Counter,
    pub(crate) file: FileFound,
    pub(crate) read_only: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Use the file as it is.
    Open,
    /// Remove the log, then use the file as it is.
    Discard,
    /// What was replayed counts, and the log goes on.
    Replay,
    Refuse(Refusal),
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NeedsRecovery,
    ChangedUnderLog,
    ForeignLog,
    DamagedWal,
}

/// The table of the module's header.
pub(crate) fn decide(observed: Observed) -> Decision {
    use Decision::{Discard, Open, Refuse, Replay};
    let Observed { commits, counter, file, read_only } = observed;
    let fenced = file == FileFound::Fenced;
    let leads = matches!(counter, Counter::Settled | Counter::Intended);
    match (commits, counter, file) {
        (Commits::NoLog, ..) => Open,
        // What the log let go of was in `-wal`, and is not in the file.
        (Commits::None, Counter::Older, FileFound::Fenced) => Refuse(Refusal::DamagedWal),
        // Y3.
        (Commits::None, ..) if read_only => Open,
        (Commits::None, ..) if leads && fenced => Replay,
        (Commits::None, ..) => Discard,
        (Commits::Some, _, FileFound::Made) => Refuse(Refusal::ForeignLog),
        (Commits::Some, Counter::Torn, _) => Refuse(Refusal::ChangedUnderLog),
        (Commits::Some, Counter::Older, _) => Refuse(Refusal::DamagedWal),
        (Commits::Some, Counter::Unknown, FileFound::Open) => Refuse(Refusal::ForeignLog),
        (Commits::Some, Counter::Unknown, FileFound::Fenced) => Refuse(Refusal::ChangedUnderLog),
        (Commits::Some, Counter::Settled | Counter::Intended, FileFound::Open) => {
            Refuse(Refusal::ChangedUnderLog)
        }
        (Commits::Some, Counter::Settled | Counter::Intended, FileFound::Fenced) => {
            if read_only {
                Refuse(Refusal::NeedsRecovery)
            } else {
                Replay
            }
        }
    }
}

/// The control records of a log, as they come by.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    /// The last record that says a state is there.
    settled: Option<Control>,
    /// Those that were intended after it.
    intended: Vec<Control>,
    /// Counters of states before it.
    older: Vec<u32>,
}

impl Lineage {
    /// Takes in the next record of the log.
    pub(crate) fn note(&mut self, control: Control) {
        self.older.push(control.previous);
        if control.stage == Stage::Intent {
            self.intended.push(control);
            return;
        }
        let passed = self.intended.drain(..).chain(self.settled.take());
        self.older.extend(passed.map(|control| control.counter));
        self.settled = Some(control);
    }

    /// Whether the log has said anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.settled.is_none() && self.intended.is_empty()
    }

    /// The record of the state with this counter, if the log leads to it (Y2).
    pub(crate) fn find(&self, counter: u32) -> Option<&Control> {
        self.intended.iter().rev().chain(&self.settled).find(|control| control.counter == counter)
    }

    /// The newest cut of a state that is surely in the file, if the file is the log's.
    pub(crate) fn settled_cut(&self) -> Timestamp {
        self.settled.as_ref().map_or(Timestamp::ZERO, |control| control.cut)
    }

    /// What a page 1 with these numbers at 24 and 92 is.
    pub(crate) fn classify(&self, counter: u32, valid_for: u32) -> Counter {
        if counter != valid_for {
            return Counter::Torn;
        }
        match self.find(counter).map(|control| control.stage) {
            Some(Stage::Intent) => Counter::Intended,
            Some(_) => Counter::Settled,
            None if self.older.contains(&counter) => Counter::Older,
            None => Counter::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use heddle_base::TreeId;

    use super::*;

    const COUNTERS: [Counter; 5] =
        [Counter::Settled, Counter::Intended, Counter::Older, Counter::Unknown, Counter::Torn];

    fn all() -> Vec<Observed> {
        let mut all = Vec::new();
        for commits in [Commits::NoLog, Commits::None, Commits::Some] {
            for counter in COUNTERS {
                for file in [FileFound::Made, FileFound::Fenced, FileFound::Open] {
                    for read_only in [false, true] {
                        all.push(Observed { commits, counter, file, read_only });
                    }
                }
            }
        }
        all
    }

    #[test]
    fn every_combination_keeps_the_invariants() {
        assert_eq!(all().len(), 90);
        for observed in all() {
            let decision = decide(observed);
            let leads = matches!(observed.counter, Counter::Settled | Counter::Intended);
            let fenced = observed.file == FileFound::Fenced;
            if observed.commits == Commits::Some {
                assert!(
                    !matches!(decision, Decision::Discard | Decision::Open),
                    "Y1: {observed:?}"
                );
            }
            if decision == Decision::Replay {
                assert!(leads && fenced && !observed.read_only, "Y2, Y3: {observed:?}");
            }
            if observed.read_only {
                assert!(!matches!(decision, Decision::Discard), "Y3: {observed:?}");
            }
            if observed.commits == Commits::NoLog {
                assert_eq!(decision, Decision::Open, "{observed:?}");
            }
        }
    }

    #[test]
    fn each_refusal_has_its_cases() {
        use Refusal::{ChangedUnderLog, DamagedWal, ForeignLog, NeedsRecovery};
        let count = |refusal| {
            let refuses = |observed: &Observed| decide(*observed) == Decision::Refuse(refusal);
            all().into_iter().filter(refuses).count()
        };
        assert_eq!(count(NeedsRecovery), 2);
        assert_eq!(count(ForeignLog), 10 + 2);
        assert_eq!(count(DamagedWal), 4 + 2);
        assert_eq!(count(ChangedUnderLog), 4 + 2 + 4);
    }

    fn control(stage: Stage, counter: u32, previous: u32) -> Control {
        Control {
            stage,
            cut: Timestamp(u64::from(counter) * 10),
            counter,
            previous,
            write_version: 1,
            next_tree: TreeId(2),
            trees: Vec::new(),
        }
    }

    #[test]
    fn y2_only_the_settled_state_and_what_was_intended_after_it_are_led_to() {
        let mut lineage = Lineage::default();
        assert!(lineage.is_empty());
        lineage.note(control(Stage::Begin, 1, 0));
        lineage.note(control(Stage::Intent, 2, 1));
        assert_eq!(lineage.classify(1, 1), Counter::Settled);
        assert_eq!(lineage.classify(2, 2), Counter::Intended);
        lineage.note(control(Stage::Intent, 3, 1));
        lineage.note(control(Stage::Done, 3, 1));
        assert_eq!(lineage.classify(3, 3), Counter::Settled);
        assert_eq!(lineage.settled_cut(), Timestamp(30));
        for older in [0, 1, 2] {
            assert_eq!(lineage.classify(older, older), Counter::Older);
        }
        lineage.note(control(Stage::Intent, 4, 3));
        assert_eq!(lineage.classify(4, 4), Counter::Intended);
        assert_eq!(lineage.find(4).map(|control| control.cut), Some(Timestamp(40)));
        assert_eq!(lineage.classify(9, 9), Counter::Unknown);
        assert_eq!(lineage.classify(4, 3), Counter::Torn);
    }
}
