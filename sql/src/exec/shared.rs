//! Relations that are computed once and read perhaps often, and the queue of a recursion.
//!
//! # Invariants
//! - H1: a shared relation is computed as far as somebody has read it, and each of its rows once.
//! - H2: it uses no registers.

use async_trait::async_trait;
use heddle_value::Value;

use super::compile::{Compiled, Compiler};
use super::context::Context;
use super::operator::Operator;
use super::{Batch, Vector};
use crate::plan::{ColumnId, SharedId};
use crate::{Error, Result};

/// What is known of a shared relation.
#[derive(Default)]
pub(crate) struct SharedRun {
    /// What computes it; `None` while it does, and of a queue.
    producer: Option<Box<dyn Operator>>,
    /// Where its columns are.
    slots: Vec<usize>,
    /// Rows computed; of a queue the rows that the step reads now.
    batches: Vec<Batch>,
    done: bool,
}

impl SharedRun {
    /// A relation that nothing is known of yet.
    pub(crate) fn new(producer: Box<dyn Operator>, slots: Vec<usize>) -> SharedRun {
        SharedRun { producer: Some(producer), slots, batches: Vec::new(), done: false }
    }

    /// Back to the start.
    pub(crate) fn forget(&mut self) {
        self.batches.clear();
        self.done = false;
        if let Some(producer) = &mut self.producer {
            producer.open();
        }
    }

    /// What the step of a recursion reads from now on.
    pub(crate) fn set_rows(&mut self, rows: Batch) {
        self.batches = vec![rows];
        self.done = true;
    }
}

/// A reader of a shared relation.
struct Reader {
    id: SharedId,
    width: usize,
    /// The next of its batches.
    at: usize,
}

#[async_trait]
impl Operator for Reader {
    fn open(&mut self) {
        self.at = 0;
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        cx.check_interrupt()?;
        let batch = loop {
            let Some(run) = cx.state.shared.get_mut(self.id.0 as usize) else {
                return Err(Error::sql(format!("no shared relation {}", self.id.0)));
            };
            if let Some(batch) = run.batches.get(self.at) {
                break batch.clone();
            }
            if run.done {
                return Ok(None);
            }
            let Some(mut producer) = run.producer.take() else {
                return Err(Error::sql("a shared relation reads itself"));
            };
            let next = producer.next(cx).await;
            if let Some(run) = cx.state.shared.get_mut(self.id.0 as usize) {
                run.producer = Some(producer);
                match next? {
                    Some(batch) => run.batches.push(batch.project(&run.slots)),
                    None => run.done = true,
                }
            }
        };
        self.at += 1;
        let rows = batch.rows();
        let mut columns = batch.into_columns();
        columns.resize_with(self.width, || Vector::constant(Value::Null, rows));
        Ok(Some(Batch::new(columns, rows)))
    }
}

/// A reader of a shared relation or of a queue.
///
/// # Errors
/// What can't be compiled.
pub(crate) fn reader(
    compiler: &mut Compiler<'_>,
    id: SharedId,
    columns: &[ColumnId],
) -> Result<Compiled> {
    compiler.produce(id)?;
    let operator = Reader { id, width: columns.len(), at: 0 };
    Ok(Compiled { operator: Box::new(operator), columns: columns.to_vec() })
}
