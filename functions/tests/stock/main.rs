//! The built-in functions, as stock SQLite itself computes them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod aggregates;
mod dates;
mod formats;
mod math;
mod scalars;
mod series;
mod values;

use heddle_functions::Surroundings;
use heddle_value::{Collation, Value};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

/// A value as stock takes it, byte for byte.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
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

/// A value, or the message of an error.
type Outcome = Result<Value, String>;

fn message(error: rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message,
        other => other.to_string(),
    }
}

struct Stock(rusqlite::Connection);

impl Stock {
    fn new() -> Stock {
        Stock(rusqlite::Connection::open_in_memory().unwrap())
    }

    fn one(&self, sql: &str, arguments: &[Value]) -> Outcome {
        let mut statement = self.0.prepare_cached(sql).map_err(message)?;
        let bound = rusqlite::params_from_iter(arguments.iter().map(Bound));
        statement.query_row(bound, |row| Ok(value(row.get_ref(0)?))).map_err(message)
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Outcome {
        let marks = vec!["?"; arguments.len()].join(",");
        self.one(&format!("SELECT \"{name}\"({marks})"), arguments)
    }
}

/// Surroundings with settings.
struct Around {
    now: i64,
    max_length: usize,
    random: u64,
}

impl Around {
    fn new() -> Around {
        Around { now: 1_700_000_000_123, max_length: 1_000_000_000, random: 1 }
    }
}

impl Surroundings for Around {
    fn now_millis(&self) -> i64 {
        self.now
    }

    fn local_offset(&self, _: i64) -> i64 {
        0
    }

    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.random
    }

    fn max_length(&self) -> usize {
        self.max_length
    }

    fn changes(&self) -> i64 {
        11
    }

    fn total_changes(&self) -> i64 {
        22
    }

    fn last_insert_rowid(&self) -> i64 {
        33
    }
}

fn call_in(around: &mut Around, name: &str, arguments: &[Value]) -> Outcome {
    let function = heddle_functions::scalar(name, arguments.len())
        .unwrap_or_else(|| panic!("no {name} of {} arguments", arguments.len()));
    (function.code)(around, &Collation::BINARY, arguments).map_err(|e| e.to_string())
}

fn call(name: &str, arguments: &[Value]) -> Outcome {
    call_in(&mut Around::new(), name, arguments)
}

/// Whether two answers are the same: a real's sign of zero aside, which SQLite does not show.
fn same(ours: &Outcome, stock: &Outcome) -> bool {
    match (ours, stock) {
        (Ok(Value::Real(a)), Ok(Value::Real(b))) => a == b,
        _ => ours == stock,
    }
}

/// Collects differences so that one run shows all of them.
#[derive(Default)]
struct Differences {
    found: Vec<String>,
    /// How many comparisons had a result other than NULL.
    compared: usize,
}

impl Differences {
    fn check(&mut self, ours: &Outcome, stock: &Outcome, what: impl FnOnce() -> String) {
        self.compared += usize::from(!matches!(stock, Ok(Value::Null)));
        if !same(ours, stock) {
            self.found.push(format!("{}: ours {ours:?}, stock {stock:?}", what()));
        }
    }

    fn call(&mut self, stock: &Stock, name: &str, arguments: &[Value]) {
        self.check(&call(name, arguments), &stock.call(name, arguments), || {
            format!("{name}{arguments:?}")
        });
    }
}

impl Drop for Differences {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let first: Vec<_> = self.found.iter().take(60).cloned().collect();
            assert!(
                self.found.is_empty(),
                "{} differences\n{}",
                self.found.len(),
                first.join("\n")
            );
            assert!(self.compared > 0, "nothing was compared");
        }
    }
}
