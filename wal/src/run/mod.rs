//! Run files: the changes of one transaction larger than memory, sorted, in a file of their own.
//!
//! Written by `heddle-txn` while such a transaction goes on ([`RunWriter`]), and synced before the
//! commit record that names it ([`RunName`]); read by point and by range without blocking
//! ([`RunFile`]), and in order by who merges ([`RunCursor`], [`merge_runs`]). What a change means is
//! not known here: keys and values are bytes, a key without a value is a deletion.
//!
//! - [`format`]: the bytes of header, block and footer; `index`: where the blocks are, which keys they
//!   have, and [`filter`], which tells most keys that a block lacks.
//! - `cache`: the blocks in memory.
//!
//! # Invariants
//! - N1: a run file is immutable once [`RunWriter::finish`] has returned, and then wholly on disk, with its
//!   name.
//! - N2: a file that was not finished, or was declared obsolete, is removed once nobody has it any more. What a
//!   crash leaves of it no record names; [`list_runs`] finds it.
//! - N3: no byte is trusted before its checksum was verified, and no allocation is larger than the file.
//!
//! # Format
//! `docs/format.md`, "Run files".
//!
//! # Not here
//! Which runs there are (the log's records name them), and when one may go.

mod cache;
mod cursor;
mod file;
mod filter;
mod format;
mod index;
mod merge;
mod writer;

use std::fmt;
use std::path::Path;

use heddle_io::Env;

pub use cache::RunPin;
pub use cursor::RunCursor;
pub use file::{RunEntry, RunFile, RunPlace, RunProbe, RunSeek, RunStep};
pub use index::{BlockNo, RunBounds};
pub use merge::merge_runs;
pub use writer::RunWriter;

use crate::Result;
use crate::segment::{Names, Role};

/// Which way a run is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunDirection {
    /// Keys ascend.
    Forward,
    /// Keys descend.
    Backward,
}

/// What tells one run of a database from the others. Its text, which the commit record holds, is
/// `run-` and sixteen hexadecimal digits; the file's name is that behind `x.db-log-`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunName(u64);

impl RunName {
    /// A name that nobody has.
    pub fn random(env: &Env) -> RunName {
        RunName(env.runtime.random())
    }

    /// The name of this number.
    pub const fn new(id: u64) -> RunName {
        RunName(id)
    }

    /// The number in it.
    pub const fn id(self) -> u64 {
        self.0
    }

    /// The name in a commit record; `None` if it is none.
    pub fn parse(text: &[u8]) -> Option<RunName> {
        let digits = text.strip_prefix(b"run-")?;
        let lower = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        if digits.len() != 16 || !digits.iter().all(lower) {
            return None;
        }
        u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().map(RunName)
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run-{:016x}", self.0)
    }
}

impl fmt::Debug for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The run files that lie beside a database, finished or not, in the order of their numbers.
///
/// # Errors
/// Those of reading the directory.
///
/// # Cancel safety
/// Cancel-safe: it only reads.
pub async fn list_runs(env: &Env, db_path: &Path) -> Result<Vec<RunName>> {
    let names = Names::of(db_path);
    let mut runs = Vec::new();
    for entry in env.io.list(names.dir()).await? {
        if let Some(Role::Run(name)) = names.classify(&entry) {
            runs.push(name);
        }
    }
    runs.sort_unstable();
    Ok(runs)
}

/// Removes a run file, if it is there. The directory is not synced: a run that nothing names may come
/// back after a crash, and is removed again.
///
/// # Errors
/// Those of removing.
///
/// # Cancel safety
/// Cancel-safe: the file is removed, or not.
pub async fn remove_run(env: &Env, db_path: &Path, name: RunName) -> Result<()> {
    match env.io.remove(&Names::of(db_path).run(name)).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(all(test, not(any(heddle_loom, heddle_shuttle))))]
mod tests;
