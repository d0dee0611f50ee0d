//! What went wrong, with SQLite's numbers.

pub use heddle_sql::ConstraintKind;

/// What a call gives.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed. The text is SQLite's where SQLite has that error.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another transaction came first, and nothing of this one happened: run it again, or let [`crate::Database::transact`] do that.
    #[error(
        "{how} conflict in {table}: another transaction committed first; run the transaction again"
    )]
    Conflict {
        /// The table or index where they met.
        table: String,
        /// The encoded key, where one key is to blame.
        key: Option<Vec<u8>>,
        /// How they met.
        how: &'static str,
    },
    /// A constraint of the schema refused a row.
    #[error("{message}")]
    Constraint {
        /// Which kind; `None` for RAISE in a trigger.
        kind: Option<ConstraintKind>,
        /// Its name, columns or expression.
        name: String,
        /// The whole text.
        message: String,
    },
    /// The statement is wrong: its text, a name in it, or what it asks for.
    #[error("{message}")]
    Sql {
        /// What is wrong.
        message: String,
        /// Where in the text, in bytes, if known.
        offset: Option<usize>,
    },
    /// Somebody holds what is needed for longer than the busy timeout.
    #[error("database is locked: {0}")]
    Busy(String),
    /// It was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// The file or its log is damaged.
    #[error("database disk image is malformed: {0}")]
    Corrupt(String),
    /// The file is no database.
    #[error("file is not a database: {0}")]
    NotADatabase(String),
    /// The file can't be opened.
    #[error("unable to open database file: {0}")]
    CannotOpen(String),
    /// No room on the disk, or in a table.
    #[error("database or disk is full: {0}")]
    Full(String),
    /// The operating system failed an operation; or one did before, so that nothing is written any more until the database is
    /// opened again.
    #[error("disk I/O error: {0}")]
    Io(String),
    /// A write where none is allowed.
    #[error("attempt to write a readonly database{}", after(.0))]
    ReadOnly(String),
    /// A value over the limit.
    #[error("string or blob too big")]
    TooBig,
    /// A value of a type that fits nowhere.
    #[error("datatype mismatch")]
    Mismatch,
    /// A parameter or column that does not exist.
    #[error("{0}")]
    Range(String),
    /// The schema changed too often under a statement.
    #[error("database schema has changed")]
    Schema,
    /// Not offered here.
    #[error("{0} not supported")]
    Unsupported(String),
    /// The call makes no sense in this state.
    #[error("{0}")]
    Misuse(String),
    /// A value that is no value of the type asked for.
    #[error("{0}")]
    Conversion(String),
    /// A query that was to give a row gave none.
    #[error("query returned no rows")]
    QueryReturnedNoRows,
}

fn after(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

impl Error {
    /// Whether the same transaction, run again from its beginning, may succeed by itself.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Conflict { .. } | Error::Busy(_) | Error::Schema)
    }

    /// SQLite's primary result code.
    pub fn code(&self) -> i32 {
        self.extended_code() & 0xff
    }

    /// SQLite's extended result code.
    pub fn extended_code(&self) -> i32 {
        match self {
            // SQLITE_BUSY_SNAPSHOT.
            Error::Conflict { .. } => 5 | (2 << 8),
            Error::Constraint { kind, .. } => 19 | (constraint_number(*kind) << 8),
            Error::Sql { .. } | Error::Unsupported(_) | Error::QueryReturnedNoRows => 1,
            Error::Busy(_) => 5,
            Error::Interrupted => 9,
            Error::Corrupt(_) => 11,
            Error::NotADatabase(_) => 26,
            Error::CannotOpen(_) => 14,
            Error::Full(_) => 13,
            Error::Io(_) => 10,
            Error::ReadOnly(_) => 8,
            Error::TooBig => 18,
            Error::Mismatch | Error::Conversion(_) => 20,
            Error::Range(_) => 25,
            Error::Schema => 17,
            Error::Misuse(_) => 21,
        }
    }

    /// The database's part of a conflict: its table.
    pub(crate) fn misuse(what: impl Into<String>) -> Error {
        Error::Misuse(what.into())
    }
}

/// What stands in the second byte of a constraint's code.
fn constraint_number(kind: Option<ConstraintKind>) -> i32 {
    match kind {
        Some(ConstraintKind::Check) => 1,
        Some(ConstraintKind::ForeignKey) => 3,
        Some(ConstraintKind::NotNull) => 5,
        Some(ConstraintKind::PrimaryKey) => 6,
        None => 7,
        Some(ConstraintKind::Unique) => 8,
        Some(ConstraintKind::Rowid) => 10,
        Some(ConstraintKind::Datatype) => 12,
    }
}

impl From<heddle_sql::Error> for Error {
    fn from(error: heddle_sql::Error) -> Error {
        use heddle_sql::Error as Below;
        let message = error.to_string();
        match error {
            Below::Sql { message, offset } => Error::Sql { message, offset },
            Below::Constraint { kind, what, .. } => {
                Error::Constraint { kind: Some(kind), name: what, message }
            }
            Below::Raised { .. } => Error::Constraint { kind: None, name: String::new(), message },
            Below::Engine(error) => error.into(),
            Below::TooBig => Error::TooBig,
            Below::Mismatch => Error::Mismatch,
            Below::ReadOnly => Error::ReadOnly(String::new()),
            Below::Interrupted => Error::Interrupted,
            Below::Range => Error::Range(message),
            Below::Busy => Error::Busy(message),
            Below::Schema => Error::Schema,
            Below::Unsupported(what) => Error::Unsupported(what),
            _ => Error::Sql { message, offset: None },
        }
    }
}

impl From<heddle_engine::Error> for Error {
    fn from(error: heddle_engine::Error) -> Error {
        use heddle_engine::{Error as Below, ErrorKind};
        let message = error.to_string();
        match (&error, error.kind()) {
            (Below::Conflict(conflict), _) => Error::Conflict {
                table: conflict.table.clone(),
                key: conflict.key.clone(),
                how: conflict.how,
            },
            (Below::NotADatabase { .. }, _) => Error::NotADatabase(message),
            (Below::NotFound { .. }, _) => Error::CannotOpen(message),
            (Below::ReadOnly { .. } | Below::NeedsRecovery { .. }, _) => Error::ReadOnly(message),
            (Below::TooBig { .. }, _) => Error::TooBig,
            (Below::Full { .. }, _) | (_, ErrorKind::DiskFull) => Error::Full(message),
            (_, ErrorKind::Busy) => Error::Busy(message),
            (_, ErrorKind::Constraint) => {
                Error::Constraint { kind: None, name: String::new(), message }
            }
            (_, ErrorKind::Corrupt) => Error::Corrupt(message),
            (_, ErrorKind::Io | ErrorKind::Poisoned) => Error::Io(message),
            (Below::Closed | Below::Misuse { .. }, _) => Error::Misuse(message),
            (Below::Unsupported { what, why }, _) => {
                Error::Unsupported(format!("{what} ({why}) is"))
            }
            _ => Error::Sql { message, offset: None },
        }
    }
}
