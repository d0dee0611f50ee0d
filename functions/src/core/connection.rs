//! Functions about what is around a call: the connection, the build, chance.

use heddle_value::utf8::until_nul;
use heddle_value::{Blob, Collation, Value};

use crate::arguments::{argument, check_length, text_argument};
use crate::{FunctionError, Result, Surroundings};

/// The version of SQLite whose behaviour this is.
const VERSION: &str = "3.50.4";

/// What SQLite would have been built with to be like this, sorted.
const OPTIONS: &[&str] = &[
    "DEFAULT_AUTOVACUUM=0",
    "ENABLE_COLUMN_METADATA",
    "ENABLE_MATH_FUNCTIONS",
    "ENABLE_PERCENTILE",
    "MAX_LENGTH=1000000000",
    "MAX_LIKE_PATTERN_LENGTH=50000",
    "SOUNDEX",
    "SYSTEM_MALLOC",
    "THREADSAFE=1",
];

/// The options that `sqlite_compileoption_get` numbers and `PRAGMA compile_options` lists.
pub fn compile_options() -> &'static [&'static str] {
    OPTIONS
}

/// `changes()`.
pub(super) fn changes(around: &mut dyn Surroundings, _: &Collation, _: &[Value]) -> Result<Value> {
    Ok(Value::Integer(around.changes()))
}

/// `total_changes()`.
pub(super) fn total_changes(
    around: &mut dyn Surroundings,
    _: &Collation,
    _: &[Value],
) -> Result<Value> {
    Ok(Value::Integer(around.total_changes()))
}

/// `last_insert_rowid()`.
pub(super) fn last_insert_rowid(
    around: &mut dyn Surroundings,
    _: &Collation,
    _: &[Value],
) -> Result<Value> {
    Ok(Value::Integer(around.last_insert_rowid()))
}

/// `random()`: an integer, but never the smallest, which has no absolute value.
pub(super) fn random(around: &mut dyn Surroundings, _: &Collation, _: &[Value]) -> Result<Value> {
    let random = around.random() as i64;
    Ok(Value::Integer(if random == i64::MIN { 0 } else { random }))
}

/// `randomblob(N)`: N bytes, at least one.
pub(super) fn randomblob(
    around: &mut dyn Surroundings,
    _: &Collation,
    args: &[Value],
) -> Result<Value> {
    let wanted = usize::try_from(argument(args, 0).as_integer_lossy().max(1));
    let wanted = wanted.map_err(|_| FunctionError::TooBig)?;
    check_length(around, wanted)?;
    let mut bytes = Vec::with_capacity(wanted);
    while bytes.len() < wanted {
        let word = around.random().to_le_bytes();
        bytes.extend(word.iter().take(wanted - bytes.len()));
    }
    Ok(Value::Blob(Blob::from(bytes)))
}

/// `sqlite_version()`.
pub(super) fn version(_: &mut dyn Surroundings, _: &Collation, _: &[Value]) -> Result<Value> {
    Ok(Value::text(VERSION))
}

/// `sqlite_source_id()`: no source of SQLite's, so the name and version of this one.
pub(super) fn source_id(_: &mut dyn Surroundings, _: &Collation, _: &[Value]) -> Result<Value> {
    Ok(Value::text(concat!("HeddleDB ", env!("CARGO_PKG_VERSION"))))
}

/// `sqlite_compileoption_get(N)`.
pub(super) fn compileoption_get(
    _: &mut dyn Surroundings,
    _: &Collation,
    args: &[Value],
) -> Result<Value> {
    let index = usize::try_from(argument(args, 0).as_integer_lossy()).unwrap_or(usize::MAX);
    Ok(OPTIONS.get(index).map(Value::text).unwrap_or_default())
}

/// `sqlite_compileoption_used(X)`: with or without `SQLITE_` before and a value behind the name.
pub(super) fn compileoption_used(
    _: &mut dyn Surroundings,
    _: &Collation,
    args: &[Value],
) -> Result<Value> {
    let Some(text) = text_argument(args, 0) else { return Ok(Value::Null) };
    let name = until_nul(text.as_bytes()).to_ascii_uppercase();
    let name = name.strip_prefix(b"SQLITE_").unwrap_or(&name);
    let used = OPTIONS.iter().filter_map(|o| o.as_bytes().strip_prefix(name)).any(|rest| {
        rest.first().is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_' && *b != b'$')
    });
    Ok(Value::from(used))
}

/// `load_extension(X)`: there are none.
pub(super) fn load_extension(
    _: &mut dyn Surroundings,
    _: &Collation,
    _: &[Value],
) -> Result<Value> {
    Err(FunctionError::Failed("not authorized".into()))
}

/// `sqlite_log(CODE, MESSAGE)`: there is no such log; NULL.
pub(super) fn log(_: &mut dyn Surroundings, _: &Collation, _: &[Value]) -> Result<Value> {
    Ok(Value::Null)
}
