//! What can go wrong with a statement.

use crate::ast::ConflictClause;

/// What a call gives.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a statement failed, in SQLite's words and classes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The statement is wrong (`SQLITE_ERROR`): its text, a name in it, or what it asks for.
    #[error("{message}")]
    Sql {
        /// In SQLite's words.
        message: String,
        /// Where in the statement's text, in bytes, if known.
        offset: Option<usize>,
    },
    /// A constraint of the schema refused a row (`SQLITE_CONSTRAINT_*`).
    #[error("{}", refusal(*kind, what))]
    Constraint {
        /// Which kind.
        kind: ConstraintKind,
        /// `table.column, table.column`, the constraint's name or its expression; of a STRICT column the whole message.
        what: String,
        /// What became of the statement.
        action: ConflictClause,
    },
    /// `RAISE` in a trigger (`SQLITE_CONSTRAINT_TRIGGER`).
    #[error("{message}")]
    Raised {
        /// The trigger's words.
        message: String,
        /// What it asked for.
        action: ConflictClause,
    },
    /// The storage engine refused: conflicts, I/O, corruption, a full disk, a closed database.
    #[error(transparent)]
    Engine(#[from] heddle_engine::Error),
    /// A value over the limit (`SQLITE_TOOBIG`).
    #[error("string or blob too big")]
    TooBig,
    /// A value of the wrong type where no conversion is made (`SQLITE_MISMATCH`).
    #[error("datatype mismatch")]
    Mismatch,
    /// A write where none is allowed (`SQLITE_READONLY`).
    #[error("attempt to write a readonly database")]
    ReadOnly,
    /// The statement was interrupted (`SQLITE_INTERRUPT`).
    #[error("interrupted")]
    Interrupted,
    /// A parameter that does not exist, or one too many (`SQLITE_RANGE`).
    #[error("column index out of range")]
    Range,
    /// The database is locked by another's immediate transaction (`SQLITE_BUSY`).
    #[error("database is locked")]
    Busy,
    /// The schema changed under a running statement more often than it could be prepared again (`SQLITE_SCHEMA`).
    #[error("database schema has changed")]
    Schema,
    /// Not offered here, with what to use instead.
    #[error("{0} not supported")]
    Unsupported(String),
}

/// The kinds of constraints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "their names say it")]
pub enum ConstraintKind {
    Check,
    NotNull,
    Unique,
    PrimaryKey,
    Rowid,
    ForeignKey,
    /// A STRICT column's type.
    Datatype,
}

impl std::fmt::Display for ConstraintKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ConstraintKind::Check => "CHECK",
            ConstraintKind::NotNull => "NOT NULL",
            ConstraintKind::Unique | ConstraintKind::PrimaryKey | ConstraintKind::Rowid => "UNIQUE",
            ConstraintKind::ForeignKey => "FOREIGN KEY",
            ConstraintKind::Datatype => "DATATYPE",
        })
    }
}

/// What is said of a row that was refused.
fn refusal(kind: ConstraintKind, what: &str) -> String {
    match kind {
        ConstraintKind::Datatype => what.to_owned(),
        ConstraintKind::ForeignKey => "FOREIGN KEY constraint failed".to_owned(),
        _ => format!("{kind} constraint failed: {what}"),
    }
}

impl Error {
    /// The statement is wrong, in SQLite's words.
    pub fn sql(message: impl Into<String>) -> Error {
        Error::Sql { message: message.into(), offset: None }
    }
}

impl From<heddle_functions::FunctionError> for Error {
    fn from(error: heddle_functions::FunctionError) -> Error {
        match error {
            heddle_functions::FunctionError::TooBig => Error::TooBig,
            other => Error::sql(other.to_string()),
        }
    }
}
