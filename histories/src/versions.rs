//! Which versions each object had, and what is known of their order.
//!
//! Of a list, the longest read tells. Of a register, the tickets of its writers tell, if the database gave them; else
//! only that who read a version and then wrote comes after it (Elle's "writes follow reads").
//!
//! # Invariants
//! - V1: version 0 is the state before the first write, and comes before all others.
//! - V2: `after` holds only what every explanation of the history has: a version that is there comes later.
//! - V3: only what is in the database in the end has a version: the last write of each transaction that committed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use crate::history::{History, Key, Op, Outcome, Scope, TxnId, Value};

/// What is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Object {
    Register(Key),
    List(Key),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Register(key) => write!(f, "{key}"),
            Object::List(key) => write!(f, "list {key}"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Version {
    /// `None`: nobody wrote it (V1).
    pub(crate) writer: Option<TxnId>,
    pub(crate) value: Option<Value>,
}

/// The versions of one object.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) versions: Vec<Version>,
    /// By version: versions that come later, the next one among them where it is known (V2).
    pub(crate) after: Vec<Vec<usize>>,
    /// The versions are in their order, and it is the only one.
    pub(crate) total: bool,
    /// One of unknown outcome, whose write nobody is known to have seen, may have changed it.
    pub(crate) doubtful: bool,
}

impl Default for Chain {
    /// Nothing but the initial version.
    fn default() -> Self {
        let initial = Version { writer: None, value: None };
        Self { versions: vec![initial], after: vec![Vec::new()], total: true, doubtful: false }
    }
}

impl Chain {
    fn push(&mut self, writer: TxnId, value: Option<Value>) -> usize {
        self.versions.push(Version { writer: Some(writer), value });
        self.after.push(Vec::new());
        self.versions.len() - 1
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The version of this number.
    Version(usize),
    /// A transaction that overwrote it itself.
    Intermediate(TxnId),
    /// A transaction that did not commit.
    Aborted(TxnId),
}

/// All objects of a history.
#[derive(Debug)]
pub(crate) struct Versions {
    chains: BTreeMap<Object, Chain>,
    origins: HashMap<(Object, Value), Origin>,
    committed: Vec<bool>,
}

impl Versions {
    pub(crate) fn of(history: &History) -> Self {
        let committed = committed(history);
        let chains = BTreeMap::new();
        let mut versions = Self { chains, origins: HashMap::new(), committed };
        versions.note_writes(history);
        versions.order_lists(history);
        versions.order_registers(history);
        versions
    }

    /// Whether a transaction is part of the history's outcome.
    pub(crate) fn committed(&self, id: TxnId) -> bool {
        self.committed[id.0]
    }

    pub(crate) fn chain(&self, object: Object) -> Option<&Chain> {
        self.chains.get(&object)
    }

    pub(crate) fn chains(&self) -> impl Iterator<Item = (Object, &Chain)> {
        self.chains.iter().map(|(object, chain)| (*object, chain))
    }

    /// The registers that were ever written, of those that may belong to a scope.
    pub(crate) fn registers(&self, scope: Scope) -> impl Iterator<Item = Key> {
        let (from, to) = match scope {
            Scope::Keys(from, to) => (from, to.max(from)),
            Scope::Values(..) => (Key::MIN, Key::MAX),
        };
        self.chains.range(Object::Register(from)..=Object::Register(to)).filter_map(
            move |(object, _)| match object {
                Object::Register(key) if scope.may_hold(*key) => Some(*key),
                _ => None,
            },
        )
    }

    pub(crate) fn origin(&self, object: Object, value: Value) -> Option<Origin> {
        self.origins.get(&(object, value)).copied()
    }

    fn note_writes(&mut self, history: &History) {
        for (at, txn) in history.txns.iter().enumerate() {
            let (id, mut last) = (TxnId(at), BTreeMap::new());
            for op in &txn.ops {
                let (object, value) = match *op {
                    Op::Append(key, value) => (Object::List(key), Some(value)),
                    Op::Write(key, value) => (Object::Register(key), value),
                    _ => continue,
                };
                if let Some(Some(value)) = last.insert(object, value) {
                    self.origins.insert((object, value), Origin::Intermediate(id));
                }
            }
            for (object, value) in last {
                if !self.committed[at] {
                    if txn.outcome == Outcome::Unknown {
                        self.chains.entry(object).or_default().doubtful = true;
                    }
                    continue;
                }
                let chain = self.chains.entry(object).or_default();
                let version = chain.push(id, value);
                if let Some(value) = value {
                    self.origins.insert((object, value), Origin::Version(version));
                }
            }
            if !self.committed[at] {
                for op in &txn.ops {
                    let (object, value) = match *op {
                        Op::Append(key, value) => (Object::List(key), value),
                        Op::Write(key, Some(value)) => (Object::Register(key), value),
                        _ => continue,
                    };
                    self.origins.insert((object, value), Origin::Aborted(id));
                }
            }
        }
    }

    /// The longest read of each list, element by element; what it lacks comes after it.
    fn order_lists(&mut self, history: &History) {
        let mut longest: HashMap<Key, &[Value]> = HashMap::new();
        for (at, txn) in history.txns.iter().enumerate() {
            if !self.committed[at] {
                continue;
            }
            for op in &txn.ops {
                if let Op::ReadList(key, values) = op {
                    let known = longest.entry(*key).or_default();
                    if values.len() > known.len() {
                        *known = values;
                    }
                }
            }
        }
        for (object, chain) in &mut self.chains {
            let Object::List(key) = *object else { continue };
            let seen = longest.get(&key).copied().unwrap_or_default();
            let writers: HashMap<Value, TxnId> = seen
                .iter()
                .filter_map(|value| {
                    let writer = match self.origins.get(&(*object, *value))? {
                        Origin::Version(version) => chain.versions[*version].writer?,
                        Origin::Intermediate(writer) | Origin::Aborted(writer) => *writer,
                    };
                    Some((*value, writer))
                })
                .collect();
            let mut ordered = Chain::default();
            for value in seen {
                let Some(writer) = writers.get(value) else { continue };
                let version = ordered.push(*writer, Some(*value));
                ordered.after[version - 1].push(version);
                if let Some(Origin::Version(known)) = self.origins.get_mut(&(*object, *value)) {
                    *known = version;
                }
            }
            let last = ordered.versions.len() - 1;
            let in_order: BTreeSet<Value> = seen.iter().copied().collect();
            let unseen = |version: &&Version| version.value.is_some_and(|v| !in_order.contains(&v));
            for version in chain.versions.iter().filter(unseen) {
                let (Some(writer), Some(value)) = (version.writer, version.value) else { continue };
                let at = ordered.push(writer, Some(value));
                ordered.after[last].push(at);
                self.origins.insert((*object, value), Origin::Version(at));
            }
            ordered.total = ordered.versions.len() - 1 <= last + 1;
            *chain = ordered;
        }
    }

    /// By ticket; beside that, who read a version and then wrote comes after it.
    fn order_registers(&mut self, history: &History) {
        let ticket = |writer: Option<TxnId>| match history.get(writer?)?.outcome {
            Outcome::Committed(ticket) => ticket,
            _ => None,
        };
        for (object, chain) in &mut self.chains {
            if !matches!(object, Object::Register(_)) {
                continue;
            }
            chain.total = chain.versions.iter().skip(1).all(|v| ticket(v.writer).is_some());
            if chain.total {
                chain.versions[1..].sort_by_key(|version| ticket(version.writer));
                for (at, version) in chain.versions.iter().enumerate() {
                    if let Some(value) = version.value {
                        self.origins.insert((*object, value), Origin::Version(at));
                    }
                }
                for at in 1..chain.versions.len() {
                    chain.after[at - 1].push(at);
                }
                continue;
            }
            let mut with_ticket: Vec<usize> = (1..chain.versions.len())
                .filter(|v| ticket(chain.versions[*v].writer).is_some())
                .collect();
            with_ticket.sort_by_key(|version| ticket(chain.versions[*version].writer));
            for pair in with_ticket.windows(2) {
                chain.after[pair[0]].push(pair[1]);
            }
            for version in 1..chain.versions.len() {
                let read = chain.versions[version].writer.and_then(|id| history.get(id));
                let read = read.and_then(|txn| read_before_write(&txn.ops, *object));
                if let Some(Some(value)) = read
                    && let Some(Origin::Version(before)) = self.origins.get(&(*object, value))
                    && *before != version
                {
                    chain.after[*before].push(version);
                }
            }
            let later: BTreeSet<usize> = chain.after.iter().flatten().copied().collect();
            // V1.
            chain.after[0] = (1..chain.versions.len()).filter(|v| !later.contains(v)).collect();
        }
    }
}

/// What a transaction read of a register before it wrote it.
fn read_before_write(ops: &[Op], object: Object) -> Option<Option<Value>> {
    for op in ops {
        match op {
            Op::Write(key, _) if Object::Register(*key) == object => return None,
            Op::Read(key, value) if Object::Register(*key) == object => return Some(*value),
            Op::ReadWhere(_, found) => {
                let found = found.iter().find(|(key, _)| Object::Register(*key) == object);
                if let Some((_, value)) = found {
                    return Some(Some(*value));
                }
            }
            _ => {}
        }
    }
    None
}

/// Who committed: those that say so, and those whose writes such a one has read.
fn committed(history: &History) -> Vec<bool> {
    let mut writers: HashMap<(Object, Value), usize> = HashMap::new();
    for (at, txn) in history.txns.iter().enumerate() {
        if txn.outcome != Outcome::Unknown {
            continue;
        }
        for op in &txn.ops {
            match *op {
                Op::Append(key, value) => writers.insert((Object::List(key), value), at),
                Op::Write(key, Some(value)) => writers.insert((Object::Register(key), value), at),
                _ => None,
            };
        }
    }
    let is_committed = |txn: &crate::Txn| matches!(txn.outcome, Outcome::Committed(_));
    let mut committed: Vec<bool> = history.txns.iter().map(is_committed).collect();
    let mut to_look: Vec<usize> = (0..committed.len()).filter(|at| committed[*at]).collect();
    while let Some(at) = to_look.pop() {
        let mut saw = |object, value| {
            if let Some(writer) = writers.get(&(object, value))
                && !std::mem::replace(&mut committed[*writer], true)
            {
                to_look.push(*writer);
            }
        };
        for op in &history.txns[at].ops {
            match op {
                Op::ReadList(key, values) => {
                    values.iter().for_each(|v| saw(Object::List(*key), *v))
                }
                Op::Read(key, Some(value)) => saw(Object::Register(*key), *value),
                Op::ReadWhere(_, found) => {
                    found.iter().for_each(|(key, value)| saw(Object::Register(*key), *value));
                }
                _ => {}
            }
        }
    }
    committed
}
