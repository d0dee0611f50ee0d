//! SQLite's rules for values, as stock SQLite itself applies them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod numbers;
mod operators;
mod patterns;
mod storage;

use heddle_value::Value;
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

struct Stock(rusqlite::Connection);

impl Stock {
    fn new() -> Stock {
        Stock(rusqlite::Connection::open_in_memory().unwrap())
    }

    /// What one row of `sql` gives for these arguments.
    fn row(&self, sql: &str, arguments: &[&Value]) -> Vec<Value> {
        let mut statement = self.0.prepare_cached(sql).unwrap();
        let columns = statement.column_count();
        let bound = rusqlite::params_from_iter(arguments.iter().map(|v| Bound(v)));
        statement
            .query_row(bound, |row| (0..columns).map(|i| row.get_ref(i).map(value)).collect())
            .unwrap_or_else(|e| panic!("{sql} {arguments:?}: {e}"))
    }

    fn one(&self, sql: &str, arguments: &[&Value]) -> Value {
        self.row(sql, arguments).remove(0)
    }
}

/// Values that have once been a trouble to somebody.
fn corners() -> Vec<Value> {
    let mut values = vec![Value::Null];
    values.extend(
        [
            0,
            1,
            -1,
            2,
            3,
            7,
            -8,
            63,
            64,
            65,
            -64,
            255,
            1 << 51,
            (1 << 53) + 1,
            i64::MAX,
            i64::MIN,
            i64::MIN + 1,
        ]
        .map(Value::Integer),
    );
    values.extend(
        [
            0.0,
            -0.0,
            0.5,
            -0.5,
            1.0,
            -1.0,
            1.5,
            2.5,
            0.1,
            0.3,
            1e15,
            1e16,
            1e17,
            1e18,
            123456789.125,
            -7.9,
            1e-5,
            1e100,
            1e300,
            -1e308,
            5e-324,
            9007199254740993.0,
            9223372036854775807.0,
            -9223372036854775808.0,
            2251799813685248.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN_POSITIVE,
        ]
        .map(Value::Real),
    );
    let texts: &[&[u8]] = &[
        b"",
        b" ",
        b"a",
        b"A",
        b"abc",
        b"0",
        b"1",
        b"-1",
        b"+1",
        b" 12 ",
        b"12x",
        b"12 x",
        b"1.5",
        b"-1.5x",
        b".5",
        b"5.",
        b".",
        b"-",
        b"+",
        b"e",
        b"1e",
        b"1e+",
        b"1e5",
        b"1E5",
        b"1e-5x",
        b".e5",
        b"1e400",
        b"-1e400",
        b"1e-400",
        b"0x10",
        b"0x",
        b"1_0",
        b"inf",
        b"nan",
        b"9223372036854775807",
        b"9223372036854775808",
        b"-9223372036854775808",
        b"-9223372036854775809",
        b"18446744073709551615",
        b"18446744073709551616",
        b"99999999999999999999999",
        b"00000000000000000000000012",
        b"9007199254740993.0",
        b"9223372036854775807.0",
        b"2251799813685247.0",
        b"2251799813685248.0",
        b"-2251799813685249.0",
        b"12.0",
        b"12.5",
        b"1e18",
        b"1e19",
        b"-0",
        b"-0.0",
        b"\t\n\x0b\x0c\r7\r",
        b"\xc2\xa07",
        b"12\x00",
        b"12\x003",
        b"\x0012",
        b"--1",
        b"+-1",
        b"1 2",
        b"0.1e1",
        b"100e-2",
        b"abc  ",
        b"ABC",
        b"\xff\xfe",
        b"\xc3\xa9",
        b"z",
        b"true",
    ];
    values.extend(texts.iter().map(Value::text));
    let blobs: &[&[u8]] = &[b"", b"12", b"1.5x", b"abc", b"\x00\x01", b"\xff"];
    values.extend(blobs.iter().map(Value::blob));
    values
}

/// Whether two answers are the same: a real's sign of zero aside, which SQLite does not show.
fn same(ours: &Value, stock: &Value) -> bool {
    match (ours, stock) {
        (Value::Real(a), Value::Real(b)) => a == b,
        _ => ours == stock,
    }
}

/// Collects differences so that one run shows all of them.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn check(&mut self, ours: &Value, stock: &Value, what: impl FnOnce() -> String) {
        if !same(ours, stock) {
            self.0.push(format!("{}: ours {ours:?}, stock {stock:?}", what()));
        }
    }
}

impl Drop for Differences {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let first: Vec<_> = self.0.iter().take(40).cloned().collect();
            assert!(self.0.is_empty(), "{} differences\n{}", self.0.len(), first.join("\n"));
        }
    }
}
