//! The JSON functions, judged by stock SQLite: every call here is made by both, and value, type and error must be the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod documents;
mod groups;
mod limits;
mod random;
mod rows;
mod scalars;

use heddle_functions::Surroundings;
use heddle_value::{Collation, Value};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

/// Surroundings that JSON has no use for, but for the largest length.
struct Around;

/// The same with a small one.
struct Narrow;

macro_rules! surroundings {
    ($name:ident, $max_length:expr) => {
        impl Surroundings for $name {
            fn now_millis(&self) -> i64 {
                0
            }

            fn local_offset(&self, _: i64) -> i64 {
                0
            }

            fn random(&mut self) -> u64 {
                0
            }

            fn max_length(&self) -> usize {
                $max_length
            }

            fn changes(&self) -> i64 {
                0
            }

            fn total_changes(&self) -> i64 {
                0
            }

            fn last_insert_rowid(&self) -> i64 {
                0
            }
        }
    };
}

surroundings!(Around, 1_000_000_000);
surroundings!(Narrow, 100);

/// A value as stock takes it, byte for byte.
struct Bound(Value);

impl ToSql for Bound {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match &self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(v) => ValueRef::Integer(*v),
            Value::Real(v) => ValueRef::Real(*v),
            Value::Text(v) => ValueRef::Text(v.as_bytes()),
            Value::Blob(v) => ValueRef::Blob(v.as_bytes()),
        }))
    }
}

fn value(from: ValueRef<'_>) -> Value {
    match from {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(v) => Value::Integer(v),
        ValueRef::Real(v) => Value::Real(v),
        ValueRef::Text(v) => Value::text(v),
        ValueRef::Blob(v) => Value::blob(v),
    }
}

/// A value or an error's text.
type Answer = Result<Value, String>;

/// What is calculated on both sides.
#[derive(Clone, Debug)]
enum Expr {
    Value(Value),
    Call(&'static str, Vec<Expr>),
}

fn t(text: &str) -> Expr {
    Expr::Value(Value::text(text))
}

fn i(integer: i64) -> Expr {
    Expr::Value(Value::Integer(integer))
}

fn call(name: &'static str, arguments: impl Into<Vec<Expr>>) -> Expr {
    Expr::Call(name, arguments.into())
}

impl Expr {
    fn ours(&self) -> Answer {
        let (name, arguments) = match self {
            Expr::Value(value) => return Ok(value.clone()),
            Expr::Call(name, arguments) => (name, arguments),
        };
        let values: Vec<Value> = arguments.iter().map(Expr::ours).collect::<Result<_, _>>()?;
        let function = heddle_functions::scalar(name, values.len())
            .ok_or_else(|| format!("wrong number of arguments to function {name}()"))?;
        (function.code)(&mut Around, &Collation::BINARY, &values).map_err(|e| e.to_string())
    }

    /// As SQL, with its values among the parameters.
    fn sql(&self, values: &mut Vec<Bound>) -> String {
        match self {
            Expr::Value(value) => {
                values.push(Bound(value.clone()));
                format!("?{}", values.len())
            }
            Expr::Call(name, arguments) => {
                let arguments: Vec<_> = arguments.iter().map(|a| a.sql(values)).collect();
                format!("\"{name}\"({})", arguments.join(","))
            }
        }
    }
}

/// An error as SQLite's message alone.
fn message(error: rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message,
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        other => other.to_string(),
    }
}

struct Stock(rusqlite::Connection);

impl Stock {
    fn new() -> Stock {
        Stock(rusqlite::Connection::open_in_memory().unwrap())
    }

    fn answer(&self, expr: &Expr) -> Answer {
        let mut values = Vec::new();
        let sql = format!("SELECT {}", expr.sql(&mut values));
        let mut statement = self.0.prepare_cached(&sql).map_err(message)?;
        statement
            .query_row(rusqlite::params_from_iter(values), |row| row.get_ref(0).map(value))
            .map_err(message)
    }
}

/// Collects differences so that one run shows all of them.
struct Judge {
    stock: Stock,
    calls: usize,
    differences: Vec<String>,
}

impl Judge {
    fn new() -> Judge {
        Judge { stock: Stock::new(), calls: 0, differences: Vec::new() }
    }

    fn check(&mut self, expr: &Expr) {
        self.calls += 1;
        let (ours, stock) = (expr.ours(), self.stock.answer(expr));
        if ours != stock {
            self.differences.push(format!("{expr:?}\n   ours {ours:?}\n  stock {stock:?}"));
        }
    }

    /// Checks a call with each document, as text and as stock's JSONB of it.
    fn check_document(&mut self, name: &'static str, json: &str, rest: &[Expr]) {
        let with = |first: Expr| {
            let mut arguments = vec![first];
            arguments.extend_from_slice(rest);
            Expr::Call(name, arguments)
        };
        self.check(&with(t(json)));
        if let Ok(blob) = self.stock.answer(&call("jsonb", [t(json)])) {
            self.check(&with(Expr::Value(blob)));
        }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let first: Vec<_> = self.differences.iter().take(30).cloned().collect();
            let count = self.differences.len();
            assert!(count == 0, "{count} of {} differ\n{}", self.calls, first.join("\n"));
            assert!(self.calls > 0);
        }
    }
}
