//! What a column of a STRICT table takes.

use crate::{Affinity, Value};

/// A type of a STRICT table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StrictType {
    /// INT.
    Int,
    /// INTEGER.
    Integer,
    /// REAL.
    Real,
    /// TEXT.
    Text,
    /// BLOB.
    Blob,
    /// ANY: all, as they are.
    Any,
}

impl StrictType {
    /// The type of this name, in any case; `None` if a STRICT table cannot have it.
    pub fn of_type(declared: &str) -> Option<StrictType> {
        use StrictType::*;
        [Int, Integer, Real, Text, Blob, Any]
            .into_iter()
            .find(|t| t.name().eq_ignore_ascii_case(declared))
    }

    /// Its name, as SQLite writes it in messages.
    pub fn name(self) -> &'static str {
        match self {
            StrictType::Int => "INT",
            StrictType::Integer => "INTEGER",
            StrictType::Real => "REAL",
            StrictType::Text => "TEXT",
            StrictType::Blob => "BLOB",
            StrictType::Any => "ANY",
        }
    }

    /// The affinity of its columns.
    pub fn affinity(self) -> Affinity {
        match self {
            StrictType::Int | StrictType::Integer => Affinity::Integer,
            StrictType::Real => Affinity::Real,
            StrictType::Text => Affinity::Text,
            StrictType::Blob | StrictType::Any => Affinity::Blob,
        }
    }

    /// The value as the column stores it.
    ///
    /// # Errors
    /// The value, if the column does not take its class even after its affinity was applied: SQLite says
    /// `cannot store <class> value in <type> column <table>.<column>`, where the class of an integer is INT.
    pub fn accept(self, value: Value) -> Result<Value, Value> {
        let value = self.affinity().apply(value);
        let fits = matches!(
            (self, &value),
            (StrictType::Any, _)
                | (_, Value::Null)
                | (StrictType::Int | StrictType::Integer, Value::Integer(_))
                | (StrictType::Real, Value::Real(_))
                | (StrictType::Text, Value::Text(_))
                | (StrictType::Blob, Value::Blob(_))
        );
        if fits { Ok(value) } else { Err(value) }
    }
}
