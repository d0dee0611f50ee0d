//! A column's rules: its affinity, and what that makes of a value on its way in and out.
//!
//! # Invariant
//! - C1: what [`Column::store`] gives is what stock SQLite would store for the same value, so that
//!   indexes built by either agree with the table.

use std::borrow::Cow;

use heddle_btree::collation::Collation;
use heddle_btree::text::Encoding;
use heddle_btree::{record, text, value};
use heddle_value::number::{parse_number, real_as_integer, real_to_text};
use heddle_value::{Affinity, StrictType};

use crate::{Error, Value, ValueRef};

/// What a row written before the column was added has in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DefaultValue {
    Constant(Value),
    /// An expression that only SQL can evaluate, as its text.
    Expression(Box<str>),
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: Box<str>,
    pub(crate) affinity: Affinity,
    /// Whether the declared type is INTEGER and nothing else, as a name for the rowid must be.
    pub(crate) exact_integer: bool,
    pub(crate) strict: Option<StrictType>,
    pub(crate) collation: Collation,
    /// The collation that it is declared with, if that is not built in.
    pub(crate) foreign_collation: Option<Box<str>>,
    pub(crate) not_null: bool,
    pub(crate) default: DefaultValue,
}

/// A value as it goes into a record: text in the encoding of the database.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stored<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, [u8]>),
    Blob(Cow<'a, [u8]>),
}

impl Stored<'_> {
    /// As the record codec takes it.
    pub(crate) fn as_record(&self) -> value::ValueRef<'_> {
        match self {
            Stored::Null => value::ValueRef::Null,
            Stored::Integer(v) => value::ValueRef::Integer(*v),
            Stored::Real(v) => value::ValueRef::Real(*v),
            Stored::Text(v) => value::ValueRef::Text(v),
            Stored::Blob(v) => value::ValueRef::Blob(v),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Stored::Null)
    }
}

impl Column {
    /// The value as this column stores it (C1).
    ///
    /// # Errors
    /// The storage class given, if a STRICT column does not take it.
    pub(crate) fn store<'a>(
        &self,
        value: &'a ValueRef<'_>,
        encoding: Encoding,
    ) -> Result<Stored<'a>, &'static str> {
        let stored = apply(self.affinity, value, encoding);
        let fits = matches!(
            (self.strict, &stored),
            (None | Some(StrictType::Any), _)
                | (_, Stored::Null)
                | (Some(StrictType::Int | StrictType::Integer), Stored::Integer(_))
                | (Some(StrictType::Real), Stored::Real(_) | Stored::Integer(_))
                | (Some(StrictType::Text), Stored::Text(_))
                | (Some(StrictType::Blob), Stored::Blob(_))
        );
        if fits { Ok(stored) } else { Err(value.type_name()) }
    }

    /// Whether rows that lack this column can be read with it.
    pub(crate) fn can_be_added(&self) -> bool {
        match &self.default {
            DefaultValue::Expression(_) => false,
            DefaultValue::Constant(value) => !self.not_null || *value != Value::Null,
        }
    }

    /// A stored value as a reader sees it: REAL columns keep small whole numbers as integers.
    #[inline]
    pub(crate) fn load<'a>(&self, value: value::ValueRef<'a>, encoding: Encoding) -> ValueRef<'a> {
        match value {
            value::ValueRef::Integer(v) if self.affinity == Affinity::Real => {
                ValueRef::Real(v as f64)
            }
            other => plain(other, encoding),
        }
    }

    /// What a record too short for this column means.
    pub(crate) fn default_value(&self, table: &str) -> Result<ValueRef<'_>, Error> {
        match &self.default {
            DefaultValue::Constant(value) => Ok(value.as_ref()),
            DefaultValue::Expression(sql) => Err(Error::unsupported(
                format!("the default of column {table}.{}", self.name),
                format!("it is the expression {sql}"),
            )),
        }
    }
}

/// A record's value without any column's rules.
#[inline]
pub(crate) fn plain(value: value::ValueRef<'_>, encoding: Encoding) -> ValueRef<'_> {
    match value {
        value::ValueRef::Null => ValueRef::Null,
        value::ValueRef::Integer(v) => ValueRef::Integer(v),
        value::ValueRef::Real(v) => ValueRef::Real(v),
        value::ValueRef::Text(v) => ValueRef::Text(text::to_str(v, encoding)),
        value::ValueRef::Blob(v) => ValueRef::Blob(v),
    }
}

/// Applies an affinity as SQLite does before it stores or compares.
pub(crate) fn apply<'a>(
    affinity: Affinity,
    value: &'a ValueRef<'_>,
    encoding: Encoding,
) -> Stored<'a> {
    match (affinity, value) {
        (_, ValueRef::Null) => Stored::Null,
        (_, ValueRef::Blob(bytes)) => Stored::Blob(Cow::Borrowed(bytes)),
        (Affinity::Text, ValueRef::Integer(v)) => owned_text(&v.to_string(), encoding),
        (Affinity::Text, ValueRef::Real(v)) => {
            owned_text(&real_to_text(*v).to_string_lossy(), encoding)
        }
        (Affinity::Blob | Affinity::Text, ValueRef::Text(v)) => {
            Stored::Text(text::from_str(v, encoding))
        }
        (Affinity::Numeric | Affinity::Integer | Affinity::Real, ValueRef::Text(v)) => {
            match parse_number(v.as_bytes()) {
                Some(heddle_value::Value::Integer(v)) => Stored::Integer(v),
                Some(heddle_value::Value::Real(v)) => numeric(affinity, v),
                _ => Stored::Text(text::from_str(v, encoding)),
            }
        }
        (_, ValueRef::Integer(v)) => Stored::Integer(*v),
        (Affinity::Blob, ValueRef::Real(v)) => real(*v),
        (_, ValueRef::Real(v)) => numeric(affinity, *v),
    }
}

fn owned_text(text: &str, encoding: Encoding) -> Stored<'static> {
    Stored::Text(Cow::Owned(text::from_str(text, encoding).into_owned()))
}

fn real(v: f64) -> Stored<'static> {
    if v.is_nan() { Stored::Null } else { Stored::Real(v) }
}

fn numeric(affinity: Affinity, v: f64) -> Stored<'static> {
    if affinity == Affinity::Real {
        return match record::compact_real(v) {
            value::ValueRef::Integer(v) => Stored::Integer(v),
            _ => real(v),
        };
    }
    real_as_integer(v).map_or_else(|| real(v), Stored::Integer)
}
