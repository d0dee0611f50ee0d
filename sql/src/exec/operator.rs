//! What an operator is: something that gives batches of rows when it is asked.

use async_trait::async_trait;

use super::Batch;
use super::context::Context;
use crate::Result;

/// A running relation.
///
/// # Invariants
/// - O1: after [`Operator::open`] it begins from the start, with the registers that are set when [`Operator::next`] is first called.
///   Whoever asks a second time keeps the registers that it uses the same until it opens it again.
/// - O2: no batch is empty, and after the end the end is given again.
#[async_trait]
pub(crate) trait Operator: Send {
    /// Back to the start. Reads and evaluates nothing.
    fn open(&mut self);

    /// The next rows; `None` at the end.
    ///
    /// # Errors
    /// What reading or evaluating meets; the statement has failed then.
    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>>;
}
