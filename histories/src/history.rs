//! What transactions did, as their clients saw it.
//!
//! There are two kinds of objects, with keys of their own. A *list* is appended to and read as a whole: its
//! contents tell the order in which it was written. A *register* is overwritten; each value is written to a key
//! once, so that a read tells whose write it saw.

use std::fmt;

/// A key; registers and lists do not share theirs.
pub type Key = u64;

/// What is written; unique among the writes of its key.
pub type Value = u64;

/// A transaction of a history, by its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxnId(pub usize);

impl fmt::Display for TxnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{}", self.0)
    }
}

/// What a predicate read asks for. Both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The registers with keys in a range.
    Keys(Key, Key),
    /// The registers with values in a range, whatever their keys: what a scan of an index asks.
    Values(Value, Value),
}

impl Scope {
    /// Whether a state of a register belongs to it.
    pub fn matches(self, key: Key, value: Option<Value>) -> bool {
        match (self, value) {
            (_, None) => false,
            (Scope::Keys(from, to), Some(_)) => (from..=to).contains(&key),
            (Scope::Values(from, to), Some(value)) => (from..=to).contains(&value),
        }
    }

    /// Whether any state of the register could.
    pub fn may_hold(self, key: Key) -> bool {
        match self {
            Scope::Keys(from, to) => (from..=to).contains(&key),
            Scope::Values(..) => true,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Keys(from, to) => write!(f, "keys {from}..={to}"),
            Scope::Values(from, to) => write!(f, "values {from}..={to}"),
        }
    }
}

/// One operation and what it returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Appended a value to a list.
    Append(Key, Value),
    /// Read a list.
    ReadList(Key, Vec<Value>),
    /// Set a register; `None` removed it.
    Write(Key, Option<Value>),
    /// Read a register; `None`: it was not there.
    Read(Key, Option<Value>),
    /// Read all registers of a scope: those that were there.
    ReadWhere(Scope, Vec<(Key, Value)>),
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Append(key, value) => write!(f, "append {value} to list {key}"),
            Op::ReadList(key, values) => write!(f, "read list {key}: {values:?}"),
            Op::Write(key, Some(value)) => write!(f, "write {key} = {value}"),
            Op::Write(key, None) => write!(f, "delete {key}"),
            Op::Read(key, Some(value)) => write!(f, "read {key}: {value}"),
            Op::Read(key, None) => write!(f, "read {key}: absent"),
            Op::ReadWhere(scope, found) => {
                write!(f, "read {scope}:")?;
                found.iter().try_for_each(|(key, value)| write!(f, " {key} = {value}"))
            }
        }
    }
}

/// How a transaction ended, as far as its client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It committed; with its place in the order of commits if the database told.
    Committed(Option<u64>),
    /// It surely changed nothing.
    Aborted,
    /// Nobody knows: the client went away, or the database.
    Unknown,
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Txn {
    /// What it did, in order.
    pub ops: Vec<Op>,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began, on the recorder's clock.
    pub began: u64,
    /// When its client heard that it had ended.
    pub ended: u64,
}

impl fmt::Display for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, op) in self.ops.iter().enumerate() {
            write!(f, "{}{op}", if at == 0 { "" } else { "; " })?;
        }
        match self.outcome {
            Outcome::Committed(Some(ticket)) => write!(f, "; committed as {ticket}"),
            Outcome::Committed(None) => write!(f, "; committed"),
            Outcome::Aborted => write!(f, "; aborted"),
            Outcome::Unknown => write!(f, "; outcome unknown"),
        }
    }
}

/// Transactions, in the order in which they were begun.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// All of them; a [`TxnId`] is a place in here.
    pub txns: Vec<Txn>,
    /// Whether the database promises that who begins after another's end was heard comes after it.
    pub real_time: bool,
}

impl History {
    /// A transaction.
    pub fn get(&self, id: TxnId) -> Option<&Txn> {
        self.txns.get(id.0)
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.txns.iter().enumerate().try_for_each(|(at, txn)| writeln!(f, "T{at}: {txn}"))
    }
}
