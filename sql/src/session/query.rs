//! The rows of a running query.

use std::sync::Arc;

use super::prepared::{Body, OutputColumn, Planned};
use super::state::Session;
use crate::exec::{Batch, Resources, Running};
use crate::{Error, Result};

/// A query that runs, batch by batch.
///
/// # Invariant
/// - U1: outside a transaction it has a snapshot of its own, and goes on whatever its connection does. Inside one it reads through
///   the connection's, and ends with that transaction.
#[derive(Debug)]
pub struct QueryRun {
    planned: Arc<Planned>,
    /// `None` after the end, or after a step that did not come back.
    running: Option<Running>,
    own: Option<Box<Resources>>,
    /// The transaction it belongs to.
    epoch: u64,
    over: bool,
}

impl QueryRun {
    pub(crate) fn new(
        planned: Arc<Planned>,
        running: Running,
        own: Option<Box<Resources>>,
        epoch: u64,
    ) -> QueryRun {
        QueryRun { planned, running: Some(running), own, epoch, over: false }
    }

    /// One that is over, with these columns.
    pub fn over(columns: &Arc<[OutputColumn]>) -> QueryRun {
        let planned = Planned::new(&Arc::default(), Body::Other, Arc::clone(columns));
        QueryRun { planned: Arc::new(planned), running: None, own: None, epoch: 0, over: true }
    }

    /// Its columns.
    pub fn columns(&self) -> &Arc<[OutputColumn]> {
        &self.planned.columns
    }

    /// Whether it needs no session (U1).
    pub fn is_independent(&self) -> bool {
        self.own.is_some() || self.over
    }

    /// The next rows of a query that needs no session; `None` at the end.
    ///
    /// # Errors
    /// What reading or evaluating meets; [`Error::Interrupted`].
    ///
    /// # Cancel safety
    /// Dropped before it ends, the query is over: the next call gives [`Error::Interrupted`].
    pub async fn next_alone(&mut self) -> Result<Option<Batch>> {
        if self.over {
            return Ok(None);
        }
        let Some(mut own) = self.own.take() else { return Err(Error::Interrupted) };
        let batch = self.step(&mut own).await;
        if !self.over {
            self.own = Some(own);
        }
        batch
    }

    /// The next rows of a query inside a transaction; `None` at the end.
    ///
    /// # Errors
    /// As [`QueryRun::next_alone`], and if the transaction that it belongs to has ended.
    ///
    /// # Cancel safety
    /// As [`QueryRun::next_alone`].
    pub async fn next_within(&mut self, session: &mut Session) -> Result<Option<Batch>> {
        if self.is_independent() {
            return self.next_alone().await;
        }
        session.check_usable()?;
        if session.epoch() != self.epoch {
            self.end();
            return Err(Error::sql("the transaction of these rows has ended"));
        }
        let batch = self.step(session.resources_mut()).await;
        batch.map_err(|error| session.noted(error))
    }

    async fn step(&mut self, resources: &mut Resources) -> Result<Option<Batch>> {
        let Some(mut running) = self.running.take() else { return Err(Error::Interrupted) };
        match running.next_batch(resources).await {
            Ok(Some(batch)) => {
                self.running = Some(running);
                Ok(Some(batch))
            }
            Ok(None) => {
                self.planned.keep(running);
                self.over = true;
                Ok(None)
            }
            Err(error) => {
                self.end();
                Err(error)
            }
        }
    }

    fn end(&mut self) {
        (self.running, self.own, self.over) = (None, None, true);
    }
}
