//! Walking rows in order.

use std::task::Poll;

use crate::Result;
use crate::row::Row;
use crate::transaction::Transaction;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// From the smallest key to the largest.
    #[default]
    Ascending,
    /// From the largest key to the smallest.
    Descending,
}

/// What [`Scan::try_next`] found.
#[derive(Debug)]
pub enum Step<'s> {
    /// A row.
    Row(Row<'s>),
    /// The end.
    End,
    /// A page must be loaded: call [`Scan::next`].
    Pending,
}

/// A walk over rows in key order.
#[derive(Debug)]
pub struct Scan<'t> {
    #[allow(dead_code)]
    tx: &'t mut Transaction,
}

#[allow(missing_docs, clippy::unused_async)]
impl Scan<'_> {
    pub async fn next(&mut self) -> Result<Option<Row<'_>>> {
        Ok(None)
    }
    /// Without waiting.
    pub fn try_next(&mut self) -> Result<Step<'_>> {
        let _ = Poll::Ready(());
        Ok(Step::End)
    }
}
