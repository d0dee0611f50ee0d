//! A checkpoint in the hands of a test.

use crate::checkpoint::Checkpoint;
use crate::{CheckpointReport, Result};

/// See [`crate::Database::checkpoint_steps`].
#[doc(hidden)]
#[derive(Debug)]
pub struct CheckpointSteps(pub(crate) Checkpoint);

impl CheckpointSteps {
    /// Does the next step and gives its name; `None` after the last.
    ///
    /// # Errors
    /// What the layers below give; the checkpoint is to be dropped then.
    ///
    /// # Cancel safety
    /// As after an error.
    pub async fn step(&mut self) -> Result<Option<&'static str>> {
        let name = self.0.next_step();
        if name.is_some() {
            self.0.step().await?;
        }
        Ok(name)
    }

    /// What it did so far.
    pub fn report(&self) -> CheckpointReport {
        self.0.report()
    }
}
