//! Notes what transactions do, from many tasks or threads.
//!
//! # Invariants
//! - R1: `began` is taken before a transaction takes its snapshot and `ended` after its end was heard, if the
//!   caller begins the recording first and ends it last: so an order in real time is never made up.
//! - R2: a recording that is dropped is of unknown outcome.

use std::sync::{Arc, Mutex, PoisonError};

use crate::history::{History, Key, Op, Outcome, Scope, Txn, TxnId, Value};

#[derive(Debug, Default)]
struct Notes {
    clock: u64,
    txns: Vec<Txn>,
}

impl Notes {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

/// A history on its way. Clones note into the same one.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    notes: Arc<Mutex<Notes>>,
}

impl Recorder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<R>(&self, act: impl FnOnce(&mut Notes) -> R) -> R {
        // Notes are whole after each change: a panic elsewhere does not spoil them.
        act(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A transaction is about to begin.
    pub fn begin(&self) -> Recording {
        let id = self.with(|notes| {
            let began = notes.tick();
            let ended = u64::MAX;
            notes.txns.push(Txn { ops: Vec::new(), outcome: Outcome::Unknown, began, ended });
            TxnId(notes.txns.len() - 1)
        });
        Recording { recorder: self.clone(), id, ops: Vec::new() }
    }

    /// What was noted so far; what is still running is of unknown outcome and without its operations.
    pub fn history(&self) -> History {
        self.with(|notes| History { txns: notes.txns.clone(), real_time: false })
    }
}

/// The notes of one transaction.
#[derive(Debug)]
#[must_use = "a recording that is dropped is of unknown outcome"]
pub struct Recording {
    recorder: Recorder,
    id: TxnId,
    ops: Vec<Op>,
}

impl Recording {
    /// Which transaction of the history it is.
    pub fn id(&self) -> TxnId {
        self.id
    }

    /// Notes an operation that has returned.
    pub fn op(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Appended to a list.
    pub fn append(&mut self, key: Key, value: Value) {
        self.op(Op::Append(key, value));
    }

    /// Read a list.
    pub fn read_list(&mut self, key: Key, values: impl IntoIterator<Item = Value>) {
        self.op(Op::ReadList(key, values.into_iter().collect()));
    }

    /// Set a register, or removed it.
    pub fn write(&mut self, key: Key, value: Option<Value>) {
        self.op(Op::Write(key, value));
    }

    /// Read a register.
    pub fn read(&mut self, key: Key, value: Option<Value>) {
        self.op(Op::Read(key, value));
    }

    /// Read all registers of a scope.
    pub fn read_where(&mut self, scope: Scope, found: impl IntoIterator<Item = (Key, Value)>) {
        self.op(Op::ReadWhere(scope, found.into_iter().collect()));
    }

    /// Forgets operations from the `len`-th on: they were rolled back to a savepoint. Reads among them count for
    /// as much as the caller keeps of them.
    pub fn rolled_back_to(&mut self, len: usize) {
        let undone = self.ops.split_off(len.min(self.ops.len()));
        let written = |op: &Op| matches!(op, Op::Append(..) | Op::Write(..));
        // What was read after a write that is now undone may have been that write: it proves nothing.
        let first = undone.iter().position(written).unwrap_or(undone.len());
        self.ops.extend(undone.into_iter().take(first));
    }

    /// How many operations were noted: a savepoint.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether none was noted.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Its commit was acknowledged, with its place in the order of commits if that is known.
    pub fn committed(mut self, ticket: Option<u64>) {
        self.end(Outcome::Committed(ticket));
    }

    /// It surely changed nothing.
    pub fn aborted(mut self) {
        self.end(Outcome::Aborted);
    }

    fn end(&mut self, outcome: Outcome) {
        let ops = std::mem::take(&mut self.ops);
        let id = self.id;
        self.recorder.with(|notes| {
            let now = notes.tick();
            if let Some(txn) = notes.txns.get_mut(id.0)
                && txn.ended == u64::MAX
            {
                let ended = if outcome == Outcome::Unknown { u64::MAX - 1 } else { now };
                *txn = Txn { ops, outcome, began: txn.began, ended };
            }
        });
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // R2; without effect after `committed` or `aborted`.
        self.end(Outcome::Unknown);
    }
}
