//! What can go wrong, in words for the user: the facts, and what to do next.
//!
//! [`Error`] has a variant for each situation; [`Error::kind`] folds them into the few answers a
//! program needs (retry, fix the call, look after the file, reopen).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The result of an operation on a database.
pub type Result<T> = std::result::Result<T, Error>;

/// What a failed operation calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Run the transaction again: another one came first.
    Conflict,
    /// Wait, or end what holds things up, then try again.
    Busy,
    /// The data would break a rule of the schema.
    Constraint,
    /// The call is wrong: no such table, wrong type, use after close.
    Usage,
    /// The file or its log is damaged, or not ours to read.
    Corrupt,
    /// Room is needed on the disk; nothing is damaged.
    DiskFull,
    /// The operating system failed an operation.
    Io,
    /// A failed sync ended writing: reopen the database.
    Poisoned,
    /// Asked for what this database can't do.
    Unsupported,
}

/// Two transactions that could not both be first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// The table in which they met; for an index entry, the index's name.
    pub table: String,
    /// The encoded key, where one key is to blame.
    pub key: Option<Vec<u8>>,
    /// How they met, e.g. "write-write".
    pub how: &'static str,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} conflict in {}", self.how, self.table)
    }
}

/// A rule of the schema that a write would break.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Constraint {
    /// Another row has this key already.
    Unique {
        /// The table.
        table: String,
        /// The index, or the primary key's columns' table itself for a rowid.
        index: String,
        /// The columns that must be unique together.
        columns: Vec<String>,
        /// The row that has the key, if rows of the table have rowids.
        existing: Option<i64>,
    },
    /// NULL in a column that forbids it.
    NotNull {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A value of a storage class that the column does not take (an INTEGER PRIMARY KEY that is no
    /// integer, or a column of a STRICT table).
    Datatype {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The storage class given.
        found: &'static str,
    },
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Constraint::Unique { table, columns, .. } => {
                write!(f, "UNIQUE constraint failed: ")?;
                for (i, column) in columns.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{table}.{column}")?;
                }
                Ok(())
            }
            Constraint::NotNull { table, column } => {
                write!(f, "NOT NULL constraint failed: {table}.{column}")
            }
            Constraint::Datatype { table, column, found } => {
                write!(f, "cannot store {found} value in column {table}.{column}")
            }
        }
    }
}

/// Why an operation did not succeed. Cheap enough to clone, since one failure may be told to many.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another transaction came first; nothing of this one happened. [`crate::Database::transaction`] retries.
    #[error("{0}: another transaction committed first; run the transaction again")]
    Conflict(Conflict),

    /// Somebody holds what is needed, for longer than the busy timeout.
    #[error("busy: {what} (waited {waited:?})")]
    Busy {
        /// Who holds what.
        what: String,
        /// How long this call waited.
        waited: Duration,
    },

    /// The write would break a rule of the schema. The transaction goes on without it.
    #[error("{0}")]
    Constraint(Constraint),

    /// No table of that name in the transaction's snapshot.
    #[error("no such table: {name}")]
    NoSuchTable {
        /// The name.
        name: String,
    },

    /// No view or trigger of that name in the transaction's snapshot.
    #[error("no such {kind}: {name}")]
    NoSuchObject {
        /// What it would be.
        kind: &'static str,
        /// The name.
        name: String,
    },

    /// No index of that name on the table.
    #[error("no such index: {name}")]
    NoSuchIndex {
        /// The name.
        name: String,
    },

    /// No column of that name in the table.
    #[error("table {table} has no column {column}")]
    NoSuchColumn {
        /// The table.
        table: String,
        /// The name, or the position.
        column: String,
    },

    /// A table or index of that name is there already.
    #[error("there is already a table or index named {name}")]
    AlreadyExists {
        /// The name.
        name: String,
    },

    /// A row with a different number of values than the table has columns.
    #[error("table {table} has {expected} columns but {found} values were supplied")]
    ColumnCount {
        /// The table.
        table: String,
        /// Columns.
        expected: usize,
        /// Values.
        found: usize,
    },

    /// A column was read as a type that it does not hold.
    #[error("column {column} holds {found}, not {expected}")]
    WrongType {
        /// The column.
        column: String,
        /// What was asked for.
        expected: &'static str,
        /// The storage class it holds.
        found: &'static str,
    },

    /// SQL text of a definition that can't be understood.
    #[error("in the definition {sql:?}: {reason}")]
    Definition {
        /// The text.
        sql: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A key, a record or a statement over the limit of the file format.
    #[error("{what} of {size} bytes is over the limit of {limit}")]
    TooBig {
        /// What is too big.
        what: &'static str,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },

    /// The largest rowid is in use and random tries found no free one (or AUTOINCREMENT forbids them).
    #[error("table {table} is full: the largest rowid is in use")]
    Full {
        /// The table.
        table: String,
    },

    /// What this database can't do, and why.
    #[error("{what} is not supported: {why}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Why not, or what to do instead.
        why: String,
    },

    /// The call makes no sense in this state.
    #[error("{what}")]
    Misuse {
        /// What is wrong with the call.
        what: String,
    },

    /// The file is not a SQLite database.
    #[error("{} is not a database: {reason}", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What gives it away.
        reason: String,
    },

    /// There is no such file, and it was not to be created.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },

    /// The database or its log contradicts itself.
    #[error("{} is damaged: {reason}", named(path))]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What contradicts what, and where.
        reason: String,
    },

    /// Another program changed the database while its log still held commits.
    #[error(
        "{} was changed by another program while {} still held commits that are not in it; \
         if that change is to stand, give up those commits with Database::discard_log",
        path.display(), log.display()
    )]
    ChangedUnderLog {
        /// The database.
        path: PathBuf,
        /// Its log.
        log: PathBuf,
    },

    /// The log beside the database belongs to another database.
    #[error(
        "{} is not the log of {}: move it away, or give it up with Database::discard_log ({reason})",
        log.display(), path.display()
    )]
    ForeignLog {
        /// The database.
        path: PathBuf,
        /// The log.
        log: PathBuf,
        /// What gives it away.
        reason: String,
    },

    /// A log with commits lies beside the database, and read-only use must not recover it.
    #[error("{} must be recovered first: open it once for writing", path.display())]
    NeedsRecovery {
        /// The database.
        path: PathBuf,
    },

    /// The database is open in this process, and this open did not agree to share it; or it is being closed, and that
    /// takes longer than the busy timeout.
    #[error("{} is already open in this process", path.display())]
    AlreadyOpen {
        /// The database.
        path: PathBuf,
    },

    /// Another process holds the database.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },

    /// A write through a read-only handle, or to a file or directory without permission.
    #[error("{} can't be written: {reason}", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
        /// Whose decision that is.
        reason: String,
    },

    /// No room on the disk. Nothing is damaged; make room and try again.
    #[error("the disk is full: {what}")]
    DiskFull {
        /// What found it full.
        what: String,
    },

    /// An earlier write or sync of the log failed, so that nobody knows what is on disk.
    #[error(
        "writing has stopped since a write to disk failed ({reason}); close and open the database again"
    )]
    Poisoned {
        /// The failure.
        reason: String,
    },

    /// The snapshot needed pages or versions that a budget no longer allowed to keep.
    #[error("the snapshot is too old: {reason}")]
    SnapshotTooOld {
        /// Which budget.
        reason: String,
    },

    /// The database was closed.
    #[error("the database is closed")]
    Closed,

    /// The operating system failed an operation.
    #[error(transparent)]
    Io(#[from] heddle_io::Error),
}

impl Error {
    /// What the error calls for.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Conflict(_) => ErrorKind::Conflict,
            Error::Busy { .. } | Error::Locked { .. } | Error::AlreadyOpen { .. } => {
                ErrorKind::Busy
            }
            Error::Constraint(_) | Error::Full { .. } => ErrorKind::Constraint,
            Error::NoSuchTable { .. }
            | Error::NoSuchIndex { .. }
            | Error::NoSuchObject { .. }
            | Error::NoSuchColumn { .. }
            | Error::AlreadyExists { .. }
            | Error::ColumnCount { .. }
            | Error::WrongType { .. }
            | Error::Definition { .. }
            | Error::TooBig { .. }
            | Error::Misuse { .. }
            | Error::NotFound { .. }
            | Error::ReadOnly { .. }
            | Error::NeedsRecovery { .. }
            | Error::Closed => ErrorKind::Usage,
            Error::Unsupported { .. } => ErrorKind::Unsupported,
            Error::NotADatabase { .. }
            | Error::Corrupt { .. }
            | Error::ChangedUnderLog { .. }
            | Error::ForeignLog { .. } => ErrorKind::Corrupt,
            Error::DiskFull { .. } => ErrorKind::DiskFull,
            Error::Poisoned { .. } => ErrorKind::Poisoned,
            Error::SnapshotTooOld { .. } => ErrorKind::Busy,
            Error::Io(error) if error.is_disk_full() => ErrorKind::DiskFull,
            Error::Io(_) => ErrorKind::Io,
        }
    }

    /// Whether the same transaction, run again from its beginning, may succeed by itself.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Error::Conflict(_))
    }

    pub(crate) fn misuse(what: impl Into<String>) -> Error {
        Error::Misuse { what: what.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>, why: impl Into<String>) -> Error {
        Error::Unsupported { what: what.into(), why: why.into() }
    }

    pub(crate) fn definition(sql: &str, reason: impl Into<String>) -> Error {
        let cut = sql.char_indices().nth(200).map_or(sql.len(), |(at, _)| at);
        Error::Definition { sql: sql[..cut].to_owned(), reason: reason.into() }
    }
}

/// A file, or the one that the caller has at hand.
fn named(path: &std::path::Path) -> String {
    if path.as_os_str().is_empty() { "the database".to_owned() } else { path.display().to_string() }
}

impl Error {
    /// The same, with the database's file where the layer below did not know it.
    pub(crate) fn at(mut self, file: &std::path::Path) -> Error {
        if let Error::Corrupt { path, .. }
        | Error::ReadOnly { path, .. }
        | Error::ForeignLog { path, .. } = &mut self
            && path.as_os_str().is_empty()
        {
            file.clone_into(path);
        }
        self
    }
}

impl From<heddle_txn::Error> for Error {
    fn from(error: heddle_txn::Error) -> Error {
        use heddle_txn::Error as Below;
        match error {
            Below::Conflict(conflict) => Error::Conflict(Conflict {
                table: conflict.name.to_string(),
                key: conflict.key.as_ref().map(|key| key.to_vec()),
                how: conflict.kind.as_str(),
            }),
            Below::Busy { what, waited } => {
                Error::Busy { what: format!("{what} is held by another transaction"), waited }
            }
            Below::TooManySnapshots => {
                Error::Busy { what: error.to_string(), waited: Duration::ZERO }
            }
            Below::ReadOnly => Error::ReadOnly {
                path: PathBuf::new(),
                reason: "the transaction is for reading only".to_owned(),
            },
            Below::NoSuchSavepoint => Error::misuse(error.to_string()),
            Below::Log(error) => error.into(),
            Below::Base(error) => error.into(),
            Below::Record(error) => error.into(),
            other => Error::Corrupt { path: PathBuf::new(), reason: other.to_string() },
        }
    }
}

impl From<heddle_txn::redo::DecodeError> for Error {
    fn from(error: heddle_txn::redo::DecodeError) -> Error {
        Error::Corrupt { path: PathBuf::new(), reason: format!("its log: {error}") }
    }
}

impl From<heddle_btree::Error> for Error {
    fn from(error: heddle_btree::Error) -> Error {
        use heddle_btree::Error as Below;
        let reason = error.to_string();
        match error {
            Below::Io(error) => error.into(),
            Below::NotADatabase { path, reason } => {
                Error::NotADatabase { path, reason: reason.to_owned() }
            }
            Below::Unsupported { path, what } => {
                Error::unsupported(path.display().to_string(), what)
            }
            Below::Locked { path } => Error::Locked { path },
            Below::ReadOnly { path } => {
                Error::ReadOnly { path, reason: "it was opened for reading only".to_owned() }
            }
            Below::WriterActive => Error::Busy { what: reason, waited: Duration::ZERO },
            Below::SnapshotTooOld => Error::SnapshotTooOld { reason },
            Below::Poisoned => Error::Poisoned { reason },
            Below::Changes(error) => match error.downcast_ref::<heddle_wal::Error>() {
                Some(error) => error.clone().into(),
                None => Error::Corrupt { path: PathBuf::new(), reason },
            },
            _ => Error::Corrupt { path: PathBuf::new(), reason },
        }
    }
}

impl From<heddle_wal::Error> for Error {
    fn from(error: heddle_wal::Error) -> Error {
        use heddle_wal::Error as Below;
        let reason = error.to_string();
        match error {
            Below::DiskFull(_) => Error::DiskFull { what: reason },
            Below::Io(error) => error.into(),
            Below::Poisoned(_) => Error::Poisoned { reason },
            Below::TooBig { bytes, limit } => {
                Error::TooBig { what: "a transaction", size: bytes as u64, limit: limit as u64 }
            }
            Below::Closed => Error::Closed,
            Below::Corrupt { path, offset, what } => {
                Error::Corrupt { path, reason: format!("at byte {offset}: {what}") }
            }
            Below::MissingSegment { path } => {
                Error::Corrupt { path, reason: "this segment of the log is missing".to_owned() }
            }
            Below::MissingRun { path } => {
                let reason =
                    "this file, which holds the changes of a commit, is missing".to_owned();
                Error::Corrupt { path, reason }
            }
            Below::Foreign { path, .. } => {
                Error::ForeignLog { path: PathBuf::new(), log: path, reason }
            }
            Below::NewerFormat { path, .. } => {
                Error::unsupported(format!("the log {}", path.display()), reason)
            }
            _ => Error::Misuse { what: reason },
        }
    }
}
