//! The commit pipeline: DESIGN section 4, steps 1 to 6.
//!
//! All that can wait or fail comes first and holds nothing that others need for long: gates, the
//! record, a place in the log, the chains. Then, in one go, [`Commit::decide`]: link, draw, validate,
//! publish, fill. Waiting for durability is [`Published::durable`]'s.
//!
//! # Invariants
//! - P1: versions are linked only once all chains are locked, and nothing is awaited from then to the
//!   unlock. So a pending version never outlives a poll (X2).
//! - P2: the status says `Drawing` before the draw and `Drawn` before validation (mvcc S2).
//! - P3: the ticket is filled after the status was published, whatever the outcome: by [`Undecided`]
//!   and the draw's own drop if a panic intervenes.
//! - P4: what is dropped is dropped in the order unlock, tables' gates, database's gate, turn.

use bytes::Bytes;
use heddle_base::sync::Arc;
use heddle_base::sync::atomic::Ordering;
use heddle_base::{Timestamp, TreeId};
use heddle_io::BoxFuture;
use heddle_mvcc::{LockedChain, Status, TxnStatus};
use heddle_wal::{Durability, Permit};
use smallvec::SmallVec;

use crate::base::Pin;
use crate::error::{Conflict, ConflictKind, Error, Result};
use crate::gate::{self, Gate, Pass};
use crate::manager::Shared;
use crate::options::{Mode, TxOptions};
use crate::read_set::ReadSet;
use crate::redo::{self, Encoder, Old};
use crate::transaction::{SchemaChange, Transaction, Used};
use crate::trees::TreeRef;
use crate::validate::{Broken, Validation};
use crate::view::View;
use crate::write_set::{TreeWrites, WriteSet};

/// Proof of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Its place in the order of commits.
    pub ticket: Timestamp,
}

/// A transaction that has ended and is still to be confirmed.
#[must_use = "nothing is confirmed before `durable` returns"]
pub struct Published {
    pin: Arc<Pin>,
    ticket: Option<Timestamp>,
    /// Everything up to here has to be durable: its own commit, or what it read.
    covers: Timestamp,
    durability: Durability,
}

impl Published {
    /// Everything up to its own ticket has to be durable.
    pub(crate) fn at(pin: Arc<Pin>, ticket: Timestamp, durability: Durability) -> Self {
        Self { pin, ticket: Some(ticket), covers: ticket, durability }
    }

    /// Its place in the order of commits; `None` if it wrote nothing.
    pub fn ticket(&self) -> Option<Timestamp> {
        self.ticket
    }

    /// Waits until the commit, and everything that the transaction read, is as durable as it was
    /// to be.
    ///
    /// # Errors
    /// The log failed: whether the commit will be found on reopening is not known.
    ///
    /// # Cancel safety
    /// The commit stands and becomes durable in the background.
    pub async fn durable(self) -> Result<Option<Committed>> {
        if self.covers > Timestamp::ZERO {
            self.pin.shared.log.wait(self.covers, self.durability).await?;
        }
        Ok(self.ticket.map(|ticket| Committed { ticket }))
    }
}

impl std::fmt::Debug for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Published")
            .field("ticket", &self.ticket)
            .field("covers", &self.covers)
            .finish_non_exhaustive()
    }
}

impl Transaction {
    /// Makes the writes everybody's, and returns once they and everything that the transaction read
    /// are as durable as they were to be. `None`: there was nothing to commit.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Busy`], or [`Error::Log`] before the commit was drawn: nothing
    /// happened. [`Error::Log`] after it: whether the commit will be found on reopening is not known.
    ///
    /// # Cancel safety
    /// Dropped before the commit drew its ticket, nothing happened; after it, the commit stands and
    /// becomes durable in the background.
    pub async fn commit(self) -> Result<Option<Committed>> {
        self.publish().await?.durable().await
    }

    /// The first part of [`Transaction::commit`]: others see the writes, but nothing is confirmed.
    ///
    /// # Errors
    /// As [`Transaction::commit`]; nothing happened.
    ///
    /// # Cancel safety
    /// Dropped before it ends, nothing happened.
    pub async fn publish(self) -> Result<Published> {
        if self.writes.has_runs() {
            // Boxed: the others pay for no large future.
            let publish: BoxFuture<'static, Result<Published>> = Box::pin(self.publish_run());
            return publish.await;
        }
        let Transaction { view, options, mut writes, reads, used, schema, written, .. } = self;
        let (gate, closed, turn) = (self.gate, self.closed, self.turn);
        let pin = Arc::clone(view.pin());
        let durability = options.durability;
        if writes.is_empty() && schema.is_empty() {
            let covers = match options.mode {
                Mode::Acknowledged => Timestamp::ZERO,
                _ => view.ts(),
            };
            return Ok(Published { pin, ticket: None, covers, durability });
        }
        let commit = Commit { shared: &pin.shared, view: &view, options: &options };
        let database = match &gate {
            Some(_) => None,
            None => Some(commit.pass(&pin.shared.gate, gate::Mode::Shared, "the database").await?),
        };
        let held = |table| closed.iter().any(|(closed, _)| *closed == table);
        let tables = commit.pass_tables(&used, &schema, held).await?;
        commit.check_versions(&used, &schema)?;
        let record = commit.record(&writes, &written).await?;
        let permit = commit.reserve(record.len()).await?;
        let validation = commit.look_ahead(&reads)?;
        heddle_base::when_planted!("ticket-after-validation", {
            if let Some(broken) = validation.as_ref().and_then(Validation::alone) {
                return Err(commit.conflict(broken, Timestamp::ZERO));
            }
            pin.shared.env.runtime.sleep(std::time::Duration::from_micros(200)).await;
        });
        let validation = validation.filter(|_| !heddle_base::planted!("ticket-after-validation"));
        let locks = commit.lock(&writes).await?;
        let ticket = commit.decide(permit, record, &mut writes, locks, validation, &schema)?;
        // P4.
        drop(tables);
        drop(closed);
        drop(database);
        drop(gate);
        drop(turn);
        drop(view);
        Ok(Published::at(pin, ticket, durability))
    }
}

type Locks<'a> = SmallVec<[LockedChain<'a>; 4]>;
pub(crate) type Passes<'a> = SmallVec<[Pass<&'a Gate>; 2]>;

/// What the steps of one commit work with.
pub(crate) struct Commit<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) view: &'a View,
    pub(crate) options: &'a TxOptions,
}

impl<'a> Commit<'a> {
    pub(crate) async fn pass(
        &self,
        gate: &'a Gate,
        mode: gate::Mode,
        what: &'static str,
    ) -> Result<Pass<&'a Gate>> {
        if let Some(pass) = Gate::try_pass(gate, mode) {
            return Ok(pass);
        }
        let wait = self.options.busy_timeout;
        Gate::pass_within(gate, mode, wait, &*self.shared.env.runtime)
            .await
            .map_err(|e| Error::Busy { what, waited: e.waited })
    }

    /// The gates of all tables that were used, by id (X4): exclusively where the definition changes.
    pub(crate) async fn pass_tables(
        &self,
        used: &[Used],
        schema: &[SchemaChange],
        held: impl Fn(TreeId) -> bool,
    ) -> Result<Passes<'a>> {
        let mut wanted: SmallVec<[TreeId; 4]> = used.iter().map(|used| used.table).collect();
        wanted.extend(schema.iter().map(|change| change.table));
        wanted.sort_unstable();
        wanted.dedup();
        let mut passes = Passes::new();
        for table in wanted {
            if held(table) {
                continue;
            }
            let changes = schema.iter().any(|change| change.table == table);
            let mode = if changes { gate::Mode::Exclusive } else { gate::Mode::Shared };
            let state = self.shared.trees.make(table, || "".into());
            passes.push(self.pass(&state.gate, mode, "a table").await?);
        }
        Ok(passes)
    }

    /// Whoever planned with another definition than the one in force conflicts, at every level.
    pub(crate) fn check_versions(&self, used: &[Used], schema: &[SchemaChange]) -> Result<()> {
        for used in used {
            let Some(state) = self.shared.trees.get(used.table) else { continue };
            let own = schema.iter().any(|change| change.table == used.table);
            let unchecked = heddle_base::planted!("schema-unchecked");
            if !own && !unchecked && state.version() != used.version {
                let broken = Broken { tree: used.table, key: None, kind: ConflictKind::Schema };
                return Err(self.conflict(broken, Timestamp::ZERO));
            }
        }
        Ok(())
    }

    /// The redo record.
    async fn record(&self, writes: &WriteSet, written: &[TreeRef]) -> Result<Vec<u8>> {
        let olds = if self.shared.options.record_old_values {
            Some(self.old_values(writes, written).await?)
        } else {
            None
        };
        let mut olds = olds.as_deref().map(<[_]>::iter);
        let mut record = Vec::with_capacity(record_bytes(writes));
        let mut encoder = Encoder::new(&mut record);
        for tree in writes.trees() {
            for write in tree.iter() {
                let old = match olds.as_mut().map(Iterator::next) {
                    None => Old::Unrecorded,
                    Some(Some(Some(old))) => Old::Value(old),
                    Some(_) => Old::Absent,
                };
                let (key, value) = (&*write.key, write.value.as_deref());
                encoder.change(redo::Change { tree: tree.tree, key, value, old });
            }
        }
        Ok(record)
    }

    /// What stood there before: as of the snapshot, and first-committer-wins keeps it true.
    async fn old_values(
        &self,
        writes: &WriteSet,
        written: &[TreeRef],
    ) -> Result<Vec<Option<Bytes>>> {
        let mut olds = Vec::with_capacity(writes.len());
        for tree in writes.trees() {
            let Some(known) = written.iter().find(|known| known.id == tree.tree) else { continue };
            for write in tree.iter() {
                olds.push(self.view.get(known, &write.key).await?);
            }
        }
        Ok(olds)
    }

    pub(crate) async fn reserve(&self, bytes: usize) -> Result<Permit> {
        match self.shared.log.try_reserve(bytes, self.options.durability) {
            Some(permit) => Ok(permit),
            None => Ok(self.shared.log.reserve(bytes, self.options.durability).await?),
        }
    }

    /// What was read, compared with what was committed so far; `None` if nothing is to be compared.
    fn look_ahead<'r>(&self, reads: &'r ReadSet) -> Result<Option<Validation<'r>>>
    where
        'a: 'r,
    {
        if self.options.mode != Mode::Optimistic {
            return Ok(None);
        }
        let installed = self.shared.log.installed();
        let mut validation = Validation::new(self.shared, reads, self.view.ts());
        match validation.ahead() {
            Some(broken) => Err(self.conflict(broken, installed)),
            None => Ok(Some(validation)),
        }
    }

    /// Step 1: the chains of all keys in order, and whether somebody committed there first.
    ///
    /// The only lock that is ever held across an await: dropped while it waits, all are released.
    async fn lock(&self, writes: &WriteSet) -> Result<Locks<'a>> {
        let mut locks = Locks::with_capacity(writes.len());
        for tree in writes.trees() {
            let state = self.shared.trees.make(tree.tree, || "".into());
            for write in tree.iter() {
                let lock = match state.overlay.try_lock(&write.key) {
                    Ok(lock) => lock,
                    Err(_) => state.overlay.lock(&write.key).await,
                };
                let newest = lock.newest();
                if newest > self.view.ts() && self.options.mode == Mode::Optimistic {
                    return Err(self.lost(tree, &lock, newest));
                }
                locks.push(lock);
            }
        }
        Ok(locks)
    }

    #[cold]
    fn lost(&self, tree: &TreeWrites, lock: &LockedChain<'_>, newest: Timestamp) -> Error {
        let guard = heddle_mvcc::pin();
        let kind = match lock.newest_version(&guard) {
            Some((ts, _)) if ts > self.view.ts() => ConflictKind::WriteWrite,
            _ => ConflictKind::Evicted,
        };
        let key = Some(Bytes::copy_from_slice(lock.key()));
        self.conflict(Broken { tree: tree.tree, key, kind }, newest)
    }

    /// Steps 1 (its end) to 5, in one go: link, draw, validate, publish, fill, unlock (P1).
    fn decide(
        &self,
        permit: Permit,
        record: Vec<u8>,
        writes: &mut WriteSet,
        mut locks: Locks<'a>,
        validation: Option<Validation<'_>>,
        schema: &[SchemaChange],
    ) -> Result<Timestamp> {
        let status = TxnStatus::new();
        let undecided = Undecided(&status);
        let values = writes.trees_mut().iter_mut().flat_map(TreeWrites::iter_mut);
        for (lock, write) in locks.iter_mut().zip(values) {
            lock.link(write.value.take(), &status);
        }
        status.set_drawing();
        let draw = permit.draw();
        let ticket = draw.ticket();
        status.set_drawn(ticket);
        self.shared.recent.note(ticket, writes);
        if let Some(broken) = validation.and_then(|validation| validation.finish(ticket)) {
            status.set_void();
            self.shared.recent.void(ticket);
            draw.void();
            return Err(self.conflict(broken, ticket));
        }
        status.set_committed(ticket);
        draw.fill(record);
        drop(undecided);
        self.set_schema(schema);
        Ok(ticket)
    }

    /// Puts new definitions in force. The tables' gates are held exclusively.
    pub(crate) fn set_schema(&self, schema: &[SchemaChange]) {
        for change in schema {
            let state =
                self.shared.trees.make(change.table, || std::sync::Arc::clone(&change.name));
            state.set_version(change.version);
            state.rename(&change.name);
        }
    }

    #[cold]
    pub(crate) fn conflict(&self, broken: Broken, until: Timestamp) -> Error {
        self.shared.conflicts.fetch_add(1, Ordering::Relaxed);
        let state = self.shared.trees.make(broken.tree, || "".into());
        state.conflicts.fetch_add(1, Ordering::Relaxed);
        Error::Conflict(Box::new(Conflict {
            tree: broken.tree,
            name: state.name(),
            key: broken.key,
            kind: broken.kind,
            isolation: self.options.isolation,
            until,
        }))
    }
}

/// An upper bound for the record's length.
fn record_bytes(writes: &WriteSet) -> usize {
    writes.bytes() + redo::HEADER_BYTES + 16
}

/// Turns the status void if nothing was decided (P3).
struct Undecided<'s>(&'s TxnStatus);

impl Drop for Undecided<'_> {
    fn drop(&mut self) {
        if !matches!(self.0.get(), Status::Committed(_) | Status::Void) {
            self.0.set_void();
        }
    }
}
