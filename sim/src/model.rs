//! The model: judges what clients saw, and what a crash may leave.
//!
//! Tickets are the order in which commits happened; so the model carries out the transactions one after another in that
//! order, and compares.
//!
//! # What must hold
//! - J1: what a transaction saw is what the state at its moment and its own writes say, down to order, limits and
//!   refusals; whatever became of it later.
//! - J2: a serializable transaction that committed would have seen the same just before its ticket. Its ticket is its
//!   place in a serial order.
//! - J3: at every level nobody else changed a key that it wrote, nor the definition of a table that it used, between its
//!   moment and its ticket.
//! - J4: unique keys are unique.
//! - J5: a restart finds the state after some commit, nothing more and nothing less; never one before what was promised
//!   ([`Model::promised`]).
//! - J6: where a bit of the log turned, what follows may be taken for a torn tail, and be lost in silence, only as far as
//!   nothing else says that it was there: not what a checkpoint holds, and not what was durable before a commit was asked
//!   for that must be there itself ([`Promise::beside_rot`]).
//!
//! # Not here
//! Conflicts that nothing justifies: who says "conflict" too often is slow, not wrong.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail, ensure};
use heddle_engine::{Durability, Isolation, Mode, Value};

use crate::client::writer;
use crate::record::{Attempt, End, Records};
use crate::state::{Change, Key, State};
use crate::workload::{Op, Outcome, View};

/// All that is known to have survived, and how it came about.
#[derive(Debug, Default)]
pub struct Model {
    /// The states after each commit that survived, from the empty one on.
    survived: Vec<State>,
}

/// How a life ended, as far as promises go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The power went: what was synced is there.
    Power,
    /// The process ended: what was written is there.
    Process,
    /// A clean close that succeeded: everything is there.
    Nothing,
}

/// What must survive the end of a life.
#[derive(Debug, Clone)]
pub struct Promise {
    /// Everything up to this ticket.
    pub ticket: u64,
    /// Who was promised that.
    pub to: String,
    /// Everything up to this ticket even if a bit of the log turned and that was not noticed (J6).
    pub beside_rot: u64,
}

impl Promise {
    /// What is left of it once a bit of the log turned.
    #[must_use]
    pub fn weakened(&self) -> Promise {
        let to = format!("what the log itself shows to be missing: less than {}", self.ticket);
        Promise { ticket: self.beside_rot, to, beside_rot: self.beside_rot }
    }
}

/// What a life did, in the order of commits.
#[derive(Debug)]
pub struct Judged {
    /// For each commit: its ticket, and the state after it; the first is what the life began with, at 0.
    states: Vec<(u64, State)>,
}

impl Judged {
    /// The state that a snapshot sees.
    fn at(&self, moment: u64) -> &State {
        let after = self.states.partition_point(|(ticket, _)| *ticket <= moment);
        &self.states[after.saturating_sub(1)].1
    }

    /// The ticket after which this was the state.
    pub fn ticket_of(&self, found: &State) -> Option<u64> {
        self.states.iter().rev().find(|(_, state)| state == found).map(|(ticket, _)| *ticket)
    }

    /// The first commit up to `promised` that a state lacks which stands at a ticket. The promised ticket itself need not be
    /// a commit's: a VACUUM has one too.
    pub fn lost(&self, stands: u64, promised: u64) -> Option<u64> {
        let mut tickets = self.states.iter().map(|(ticket, _)| *ticket);
        tickets.find(|ticket| *ticket > stands && *ticket <= promised)
    }

    /// The commits.
    pub fn len(&self) -> usize {
        self.states.len() - 1
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// When which key, and which definition, changed last.
#[derive(Default)]
struct Stamps {
    keys: BTreeMap<(String, Key), u64>,
    tables: BTreeMap<String, u64>,
}

impl Model {
    /// A model of a disk without a database.
    pub fn new() -> Model {
        Model { survived: vec![State::default()] }
    }

    /// What the database holds between two lives.
    pub fn current(&self) -> &State {
        &self.survived[self.survived.len() - 1]
    }

    /// Judges all that clients saw and did (J1 to J4).
    pub fn judge(&self, records: &Records) -> Result<Judged> {
        let mut commits: Vec<(u64, &Attempt)> = records
            .attempts
            .iter()
            .filter_map(|attempt| Some((attempt.ticket()?, attempt)))
            .collect();
        commits.sort_by_key(|(ticket, _)| *ticket);
        for pair in commits.windows(2) {
            let twice = pair[0].0 == pair[1].0;
            ensure!(!twice, "ticket {} was given twice", pair[0].0);
        }
        let mut judged = Judged { states: vec![(0, self.current().clone())] };
        let mut stamps = Stamps::default();
        for (ticket, attempt) in &commits {
            let state = commit(&judged, &mut stamps, *ticket, attempt)
                .map_err(|error| error.context(describe(attempt, Some(*ticket))))?;
            judged.states.push((*ticket, state));
        }
        for attempt in &records.attempts {
            replay(attempt, judged.at(attempt.reads_at), "at its moment")
                .map_err(|error| error.context(describe(attempt, attempt.ticket())))?;
            if attempt.end == End::Acknowledged {
                let wrote = attempt.steps.iter().any(|(op, outcome)| {
                    matches!(op, Op::Mark { .. }) && *outcome != Outcome::Refused
                });
                ensure!(
                    !wrote || attempt.ticket().is_some(),
                    "{} was acknowledged without a ticket",
                    describe(attempt, None)
                );
            }
        }
        Ok(judged)
    }

    /// What must survive (J5).
    pub fn promised(&self, records: &Records, judged: &Judged, loss: Loss) -> Promise {
        if loss == Loss::Nothing {
            let all = judged.states[judged.states.len() - 1].0;
            return Promise { ticket: all, to: "the clean close".to_owned(), beside_rot: all };
        }
        let full = |moment: u64| {
            let tickets = records.attempts.iter().filter(|a| a.durability == Durability::Full);
            tickets.filter_map(Attempt::ticket).filter(|ticket| *ticket <= moment).max()
        };
        let cut = records.cuts.iter().copied().max().unwrap_or(0);
        let covers = |attempt: &Attempt| match (&attempt.plan, attempt.ticket()) {
            // What is acknowledged to plain reads: the firm commits below it.
            (None, _) if !attempt.steps.is_empty() => full(attempt.reads_at).unwrap_or(0),
            (None, _) => 0,
            (Some(_), Some(ticket)) => ticket,
            // It only read, and its commit confirms what it read.
            (Some(_), None) => attempt.reads_at,
        };
        let acknowledged = || records.attempts.iter().filter(|a| a.end == End::Acknowledged);
        let mut promise =
            Promise { ticket: cut, to: format!("the checkpoint at {cut}"), beside_rot: cut };
        for attempt in acknowledged() {
            let firm = loss == Loss::Process || attempt.durability == Durability::Full;
            if (firm || attempt.plan.is_none()) && covers(attempt) > promise.ticket {
                promise.ticket = covers(attempt);
                promise.to = describe(attempt, attempt.ticket());
            }
        }
        // Whatever a commit finds durable when it is asked for, its group says so.
        let kept = |attempt: &&Attempt| attempt.ticket().is_some_and(|it| it <= promise.ticket);
        let last_asked = records.attempts.iter().filter(kept).filter_map(|a| a.asked).max();
        let durable = acknowledged()
            .filter(|attempt| attempt.plan.is_some() && attempt.durability == Durability::Full)
            .filter(|attempt| attempt.answered < last_asked);
        promise.beside_rot = durable.map(covers).fold(cut, u64::max);
        promise
    }

    /// Compares what a restart found with what may be there (J5), and takes it over. Says the ticket it stands at.
    pub fn survive(&mut self, judged: &Judged, promise: &Promise, found: &State) -> Result<u64> {
        let Promise { ticket: promised, to, .. } = promise;
        let marks = marks(found);
        let last = judged
            .states
            .iter()
            .rposition(|(ticket, state)| *ticket == 0 || newest_mark(state, &marks));
        let at = last.unwrap_or(0);
        let (ticket, expected) = &judged.states[at];
        if found != expected {
            bail!(
                "what is there is no state that ever was; after ticket {ticket} there should be\n  {}",
                found.difference(expected)
            );
        }
        if let Some(missing) = judged.lost(*ticket, *promised) {
            bail!(
                "the database stands at ticket {ticket}, and the commit with ticket {missing} is lost; \
                 all up to {promised} was promised by {to}"
            );
        }
        for (_, state) in judged.states.iter().take(at + 1).skip(1) {
            self.survived.push(state.clone());
        }
        Ok(*ticket)
    }

    /// Whether this was the state at some time (or will be: `judged` is a life of which it is not known what is left).
    pub fn knows(&self, judged: &Judged, found: &State) -> bool {
        let later = judged.states.iter().map(|(_, state)| state);
        self.survived.iter().chain(later).any(|state| state == found)
    }
}

fn marks(state: &State) -> BTreeSet<i64> {
    let rows = state.table("marks").map(|table| &table.rows);
    let id = |key: &Key| match key {
        Key::Id(id) => Some(*id),
        Key::Text(_) => None,
    };
    rows.into_iter().flatten().filter_map(|(key, _)| id(key)).collect()
}

/// Whether all marks of a state are among these.
fn newest_mark(state: &State, found: &BTreeSet<i64>) -> bool {
    marks(state).is_subset(found)
}

/// Carries out one commit in its turn.
fn commit(judged: &Judged, stamps: &mut Stamps, ticket: u64, attempt: &Attempt) -> Result<State> {
    let moment = attempt.reads_at;
    ensure!(moment < ticket, "it read at {moment}, after its own ticket");
    let view = replay(attempt, judged.at(moment), "at its moment")?;
    let before = &judged.states[judged.states.len() - 1].1;
    let plan = attempt.plan.as_ref();
    let serial = plan.is_none_or(|plan| {
        plan.isolation == Isolation::Serializable || plan.mode == Mode::Immediate
    });
    if serial {
        replay(attempt, before, "just before its ticket: no serial order")?;
    }
    for table in used(attempt) {
        if let Some(changed) = stamps.tables.get(&table).filter(|changed| **changed > moment) {
            bail!(
                "the definition of {table} was changed by ticket {changed}, after its moment {moment}"
            );
        }
    }
    let mut after = before.clone();
    for change in &view.changes {
        match change {
            Change::Put { table, key, .. } => {
                let stamp = stamps.keys.insert((table.clone(), key.clone()), ticket);
                if let Some(stamp) = stamp.filter(|stamp| *stamp > moment && *stamp < ticket) {
                    bail!(
                        "{table} {key:?} was written by ticket {stamp} as well, after its moment {moment}"
                    );
                }
            }
            other => {
                stamps.tables.insert(other.table().to_owned(), ticket);
            }
        }
        after.apply(change);
    }
    unique(&after)?;
    Ok(after)
}

/// J4.
fn unique(state: &State) -> Result<()> {
    let mut seen = BTreeSet::new();
    for row in state.table("t").into_iter().flat_map(|table| table.rows.values()) {
        if let Value::Integer(k) = row[1] {
            ensure!(seen.insert(k), "two rows have k = {k}");
        }
    }
    Ok(())
}

/// The tables whose definition an attempt relied on.
fn used(attempt: &Attempt) -> BTreeSet<String> {
    let steps = attempt.steps.iter().filter(|(_, outcome)| *outcome != Outcome::Refused);
    steps.filter_map(|(op, _)| op.table()).collect()
}

/// Carries an attempt out on a state, and compares what comes of it.
fn replay(attempt: &Attempt, state: &State, when: &str) -> Result<View> {
    let mut view = View::new(state.clone());
    for (step, (op, outcome)) in attempt.steps.iter().enumerate() {
        let chosen = match outcome {
            Outcome::Inserted(id) => Some(*id),
            _ => unused(&view, op),
        };
        let expected = view.execute(op, writer(attempt.number, step), chosen);
        if expected != *outcome {
            bail!(
                "step {step}, {op:?}: it saw\n    {outcome:?}\n  but {when} the state says\n    {expected:?}"
            );
        }
    }
    Ok(view)
}

/// A rowid that is free, for an insert that was refused.
fn unused(view: &View, op: &Op) -> Option<i64> {
    let table = match op {
        Op::InsertAuto { .. } => {
            let (remembered, largest) = view.remembered();
            return Some(largest.max(remembered.unwrap_or(0)) + 1);
        }
        Op::Insert { .. } => "t".to_owned(),
        Op::InsertSide { side, .. } => crate::workload::side_name(*side),
        _ => return None,
    };
    let last = view.state.table(&table).and_then(|table| table.rows.keys().next_back());
    Some(match last {
        Some(Key::Id(id)) => id + 1,
        _ => 1,
    })
}

/// An attempt in words.
pub fn describe(attempt: &Attempt, ticket: Option<u64>) -> String {
    let how = attempt.plan.as_ref().map_or_else(
        || "snapshot".to_owned(),
        |plan| format!("{:?} {:?} {:?}", plan.mode, plan.isolation, attempt.durability),
    );
    let ticket = ticket.map_or_else(|| "no ticket".to_owned(), |ticket| format!("ticket {ticket}"));
    format!(
        "attempt {} of client {} ({how}, moment {}, {ticket}, {:?})",
        attempt.number, attempt.client, attempt.reads_at, attempt.end
    )
}
