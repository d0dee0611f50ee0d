//! What a function is to its callers, and how one is found by name.

use heddle_value::{Collation, Value};

use crate::Surroundings;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// In SQLite's words (`SQLITE_ERROR`).
    #[error("{0}")]
    Failed(String),
    /// A result over the limit (`SQLITE_TOOBIG`).
    #[error("string or blob too big")]
    TooBig,
    /// `sum` left the integers (`SQLITE_ERROR`).
    #[error("integer overflow")]
    IntegerOverflow,
}

/// What a call gives.
pub type Result<T> = std::result::Result<T, FunctionError>;

/// The code of a scalar function. `collation` is the one by which its arguments compare (`min`, `max`, `nullif`).
pub type ScalarCode = fn(&mut dyn Surroundings, &Collation, &[Value]) -> Result<Value>;

/// A function of one row's values.
#[derive(Debug, Clone, Copy)]
pub struct ScalarFunction {
    /// In lower case.
    pub name: &'static str,
    /// Smallest and largest number of arguments; `None`: no largest.
    pub arity: (usize, Option<usize>),
    /// Same arguments, same result within a statement, so that a call of constants is one.
    pub deterministic: bool,
    /// What it does.
    pub code: ScalarCode,
}

impl ScalarFunction {
    /// A deterministic one. `name` is in lower case, `most` `None` for any number of arguments.
    pub const fn new(
        name: &'static str,
        least: usize,
        most: Option<usize>,
        code: ScalarCode,
    ) -> Self {
        let arity = (least, most);
        Self { name, arity, deterministic: true, code }
    }

    /// The same, but a new result for each call.
    #[must_use]
    pub const fn nondeterministic(self) -> Self {
        Self { deterministic: false, ..self }
    }
}

/// A running aggregate.
pub trait Aggregate: Send {
    /// Takes one row's arguments.
    ///
    /// # Errors
    /// What the function refuses.
    fn step(&mut self, around: &mut dyn Surroundings, arguments: &[Value]) -> Result<()>;

    /// Takes the arguments of the row that was stepped first out again, for window frames that move.
    ///
    /// # Errors
    /// What the function refuses.
    fn inverse(&mut self, around: &mut dyn Surroundings, arguments: &[Value]) -> Result<()>;

    /// The result so far; it can go on.
    ///
    /// # Errors
    /// What the function refuses.
    fn value(&mut self, around: &mut dyn Surroundings) -> Result<Value>;
}

/// A function of many rows.
#[derive(Debug, Clone, Copy)]
pub struct AggregateFunction {
    /// In lower case.
    pub name: &'static str,
    /// Smallest and largest number of arguments; `None`: no largest.
    pub arity: (usize, Option<usize>),
    /// A new, empty one. The collation is that of its first argument (`min`, `max`).
    pub start: fn(&Collation) -> Box<dyn Aggregate>,
    /// Whether [`Aggregate::inverse`] works; else a moving frame is computed anew.
    pub invertible: bool,
}

impl AggregateFunction {
    /// One without [`Aggregate::inverse`].
    pub const fn new(
        name: &'static str,
        least: usize,
        most: Option<usize>,
        start: fn(&Collation) -> Box<dyn Aggregate>,
    ) -> Self {
        let arity = (least, most);
        Self { name, arity, start, invertible: false }
    }

    /// The same, but with an [`Aggregate::inverse`] that works.
    #[must_use]
    pub const fn invertible(self) -> Self {
        Self { invertible: true, ..self }
    }
}

/// The rows of one call of a table-valued function.
pub trait TableRows: Send {
    /// The next row, with a value for each column, hidden ones last; `None` at the end.
    ///
    /// # Errors
    /// What the function refuses.
    fn next(&mut self, around: &mut dyn Surroundings) -> Result<Option<Vec<Value>>>;
}

/// Starts a call of a [`TableFunction`].
pub type OpenRows = fn(&mut dyn Surroundings, &[Value]) -> Result<Box<dyn TableRows>>;

/// A function that gives rows, as `json_each` or `generate_series`.
#[derive(Debug, Clone, Copy)]
pub struct TableFunction {
    /// In lower case.
    pub name: &'static str,
    /// Names and declared types of its columns.
    pub columns: &'static [(&'static str, &'static str)],
    /// Names of the hidden columns that its arguments fill, in their order.
    pub parameters: &'static [&'static str],
    /// How many of them must be there.
    pub required: usize,
    /// Starts a call. Arguments left out at the end are not there, which NULL is not the same as.
    pub open: OpenRows,
}
