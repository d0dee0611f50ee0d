//! The rows of a query.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use heddle_sql::exec::{Batch, Builder};
use heddle_sql::session::{Finished, Outcome, OutputColumn, QueryRun};

use crate::slot::Slot;
use crate::{Error, Result, Row};

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    inner: OutputColumn,
}

impl Column {
    pub(crate) fn new(inner: &OutputColumn) -> Column {
        Column { inner: inner.clone() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The declared type of the table's column that it is.
    pub fn decl_type(&self) -> Option<&str> {
        self.inner.declared_type.as_deref()
    }

    /// The name of the table's column that it is.
    pub fn origin_name(&self) -> Option<&str> {
        self.inner.origin.as_ref().map(|origin| &*origin.column)
    }

    /// The table that it is a column of.
    pub fn table_name(&self) -> Option<&str> {
        self.inner.origin.as_ref().map(|origin| &*origin.table)
    }

    /// The database that its table is in.
    pub fn database_name(&self) -> Option<&str> {
        self.inner.origin.as_ref().map(|origin| &*origin.database)
    }
}

/// A step that runs: it comes back with the query.
type Step = Pin<Box<dyn Future<Output = (QueryRun, Result<Option<Batch>>)> + Send>>;

enum Source {
    /// A query that waits to be asked.
    Query(Box<QueryRun>),
    /// One that works. Outside a transaction it may be left and asked again.
    Working(Step, bool),
    End,
}

/// The rows of a query, computed as they are asked for; also a stream of them.
///
/// Outside a transaction they are those of the moment at which the query began, whatever is written meanwhile. Inside one they
/// end with it.
pub struct Rows {
    columns: Arc<[OutputColumn]>,
    slot: Option<Arc<Slot>>,
    source: Source,
    batch: Arc<Batch>,
    /// The next row of the batch.
    at: usize,
}

impl Rows {
    pub(crate) fn empty() -> Rows {
        Rows {
            columns: Arc::default(),
            slot: None,
            source: Source::End,
            batch: Arc::default(),
            at: 0,
        }
    }

    pub(crate) fn new(slot: &Arc<Slot>, outcome: Outcome) -> Rows {
        match outcome {
            Outcome::Rows(run) => Rows {
                columns: Arc::clone(run.columns()),
                slot: Some(Arc::clone(slot)),
                source: Source::Query(run),
                ..Rows::empty()
            },
            Outcome::Finished(finished) => Rows::finished(finished),
        }
    }

    fn finished(finished: Finished) -> Rows {
        let Finished { columns, rows, .. } = finished;
        let count = rows.len();
        let mut builders: Vec<Builder> = columns.iter().map(|_| Builder::default()).collect();
        for row in rows {
            let mut row = row.into_iter();
            builders.iter_mut().for_each(|builder| builder.push(row.next().unwrap_or_default()));
        }
        let vectors = builders.into_iter().map(Builder::finish).collect();
        Rows { columns, batch: Arc::new(Batch::new(vectors, count)), ..Rows::empty() }
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// What computing it meets. There are no rows after an error.
    ///
    /// # Cancel safety
    /// Outside a transaction: dropped and called again, it goes on, and no row is lost. Inside one the connection has to be free for
    /// others, so that a call that was dropped while it waited for the disk ends the rows: the next one gives
    /// [`Error::Interrupted`].
    pub async fn next(&mut self) -> Result<Option<Row>> {
        if let Some(row) = self.ready() {
            return Ok(Some(row));
        }
        let attempt = Attempt { rows: self };
        std::future::poll_fn(|cx| attempt.rows.poll_row(cx)).await
    }

    fn ready(&mut self) -> Option<Row> {
        if self.at >= self.batch.rows() {
            return None;
        }
        self.at += 1;
        Some(Row::new(Arc::clone(&self.columns), Arc::clone(&self.batch), self.at - 1))
    }

    fn poll_row(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Row>>> {
        loop {
            if let Some(row) = self.ready() {
                return Poll::Ready(Ok(Some(row)));
            }
            match std::mem::replace(&mut self.source, Source::End) {
                Source::End => return Poll::Ready(Ok(None)),
                Source::Query(run) => {
                    let alone = run.is_independent();
                    let slot = self.slot.clone();
                    self.source = Source::Working(Box::pin(step(*run, slot)), alone);
                }
                Source::Working(mut working, alone) => match working.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.source = Source::Working(working, alone);
                        return Poll::Pending;
                    }
                    Poll::Ready((run, Ok(Some(batch)))) => {
                        (self.batch, self.at) = (Arc::new(batch), 0);
                        self.source = Source::Query(Box::new(run));
                    }
                    Poll::Ready((_, Ok(None))) => return Poll::Ready(Ok(None)),
                    Poll::Ready((_, Err(error))) => return Poll::Ready(Err(error)),
                },
            }
        }
    }

    /// How many columns they have.
    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// The name of a column.
    ///
    /// # Errors
    /// [`Error::Range`] if there is none.
    pub fn column_name(&self, index: usize) -> Result<String> {
        let column = self.columns.get(index);
        column
            .map(|column| column.name.to_string())
            .ok_or_else(|| Error::Range(format!("there is no column {index}")))
    }

    /// The names of their columns.
    pub fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.to_string()).collect()
    }

    /// Where the column of a name is.
    ///
    /// # Errors
    /// [`Error::Range`] if there is none.
    pub fn column_index(&self, name: &str) -> Result<usize> {
        crate::row::position(&self.columns, name)
    }

    /// Their columns.
    pub fn columns(&self) -> Vec<Column> {
        self.columns.iter().map(Column::new).collect()
    }
}

async fn step(mut run: QueryRun, slot: Option<Arc<Slot>>) -> (QueryRun, Result<Option<Batch>>) {
    let batch = match (run.is_independent(), slot) {
        (false, Some(slot)) => {
            let mut session = slot.take().await;
            run.next_within(&mut session).await
        }
        _ => run.next_alone().await,
    };
    (run, batch.map_err(Error::from))
}

/// One call of [`Rows::next`]: a step inside a transaction ends with it, for it has the session.
struct Attempt<'a> {
    rows: &'a mut Rows,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if matches!(self.rows.source, Source::Working(_, false)) {
            let over =
                std::future::ready((QueryRun::over(&self.rows.columns), Err(Error::Interrupted)));
            self.rows.source = Source::Working(Box::pin(over), true);
        }
    }
}

/// A stream that is not polled inside a transaction keeps its connection: take what it gives, or drop it.
impl Stream for Rows {
    type Item = Result<Row>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Row>>> {
        self.poll_row(cx).map(Result::transpose)
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("columns", &self.columns.len()).finish_non_exhaustive()
    }
}
