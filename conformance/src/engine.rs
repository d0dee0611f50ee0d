//! What is judged: a connection that runs scripts of SQL. [`crate::stock`] is SQLite, [`crate::heddle`] HeddleDB.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use heddle_value::Value;

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// SQLite.
    Stock,
    /// HeddleDB.
    Heddle,
    /// HeddleDB for queries, SQLite for all else.
    Reads,
}

/// Where a database is.
#[derive(Debug, Clone)]
pub enum Place {
    /// In memory, its own.
    Memory,
    /// In a file, made if it is not there.
    File(PathBuf),
    /// In a file that is only read.
    ReadOnly(PathBuf),
}

impl Place {
    /// A file in `folder`.
    pub fn in_folder(folder: &Path, name: &str) -> Place {
        Place::File(folder.join(name))
    }
}

/// What one statement gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The names of the columns; none for a statement without rows.
    pub columns: Vec<String>,
    /// The rows, those before an error too.
    pub rows: Vec<Vec<Value>>,
    /// `changes()` after it.
    pub changes: u64,
}

/// Why a statement failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// SQLite's extended result code.
    pub code: i32,
    /// In the engine's words.
    pub message: String,
    /// Whether the statement was prepared and failed while it ran.
    pub while_running: bool,
}

/// What a script gave: the answers of its statements up to the first that failed.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// One for each statement that ran; the last is the failed one's, with the rows before its error.
    pub answers: Vec<Answer>,
    /// Why the script ended early.
    pub fault: Option<Fault>,
}

/// One connection.
pub trait Engine: Send {
    /// Runs the statements of `script` in order, until one fails or `limit` has passed since the beginning.
    fn run(&mut self, script: &str, limit: Option<Duration>) -> Outcome;
}

/// A connection to the database at `place`.
///
/// # Errors
/// Whatever opening gives.
pub fn open(kind: Kind, place: &Place) -> Result<Box<dyn Engine>> {
    Ok(match kind {
        Kind::Stock => Box::new(crate::stock::Stock::open(place)?),
        Kind::Reads => Box::new(crate::reads::Reads::open(place)?),
        Kind::Heddle => Box::new(crate::heddle::Heddle::open(place)?),
    })
}
