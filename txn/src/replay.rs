//! From the log into memory again: what recovery does with each commit record.
//!
//! Called before the database is open to anybody, in log order, for the commits above the base.
//!
//! # Invariants
//! - Y1: values are slices of the record that was read, not copies.
//! - Y2: replaying a commit that the base holds changes nothing.

use bytes::Bytes;
use heddle_base::sync::hint;
use heddle_base::{Timestamp, TreeId};
use heddle_mvcc::{LockedChain, Overlay, TxnStatus};
use heddle_wal::run::RunName;

use crate::error::{Error, Result};
use crate::manager::Manager;
use crate::redo::{self, DecodeError, Item, Record};

/// What replaying one record did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Keys changed.
    pub changes: u64,
    /// The run file that holds the commit's changes: to be opened, and linked by
    /// [`Manager::replay_run`] before the database is open to anybody.
    pub run: Option<RunName>,
}

impl Manager {
    /// Links the versions of a commit as they were before the restart. Trees from `next_tree` on
    /// can't be in a sound record.
    ///
    /// # Errors
    /// [`Error::Record`]; changes before the damaged one may have been linked.
    pub fn replay(&self, ticket: Timestamp, record: &Bytes, next_tree: TreeId) -> Result<Replayed> {
        let mut replayed = Replayed::default();
        if ticket <= self.base_ts() {
            return Ok(replayed);
        }
        let Record::Commit(items) = redo::decode(record)? else {
            return Err(damaged("a control record among commits"));
        };
        let status = TxnStatus::committed_at(ticket);
        for item in items {
            let change = match item? {
                Item::Change(change) => change,
                Item::Run(name) if replayed.run.is_none() => {
                    let name = RunName::parse(name).ok_or_else(|| damaged("no name of a run"))?;
                    replayed.run = Some(name);
                    continue;
                }
                Item::Run(_) => return Err(damaged("more than one run")),
            };
            if change.tree >= next_tree {
                return Err(damaged("a tree that was never made"));
            }
            let state = self.shared().trees.make(change.tree, || "".into());
            let value = change.value.map(|value| slice_of(record, value));
            lock(&state.overlay, change.key).link(value, &status);
            replayed.changes += 1;
        }
        Ok(replayed)
    }
}

/// Nobody commits yet; only the collector may hold a chain, for a moment.
fn lock<'a>(overlay: &'a Overlay, key: &[u8]) -> LockedChain<'a> {
    loop {
        match overlay.try_lock(key) {
            Ok(chain) => return chain,
            Err(_) => hint::spin_loop(),
        }
    }
}

/// The part of a record that `bytes` is (Y1).
fn slice_of(record: &Bytes, bytes: &[u8]) -> Bytes {
    let from = bytes.as_ptr().addr().wrapping_sub(record.as_ptr().addr());
    match record.get(from..from.saturating_add(bytes.len())) {
        Some(found) if found == bytes => record.slice(from..from + bytes.len()),
        _ => Bytes::copy_from_slice(bytes),
    }
}

fn damaged(reason: &'static str) -> Error {
    Error::Record(DecodeError { at: 0, reason })
}
