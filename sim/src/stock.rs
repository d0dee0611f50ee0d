//! Stock SQLite as judge and as visitor: on real copies of the simulated files.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use heddle_engine::Value;
use heddle_io::Simulation;
use rusqlite::{Connection, types::ValueRef};

use crate::run::{DIR, PATH};
use crate::state::{Relation, Row, State};
use crate::survey::{key_of, own_indexes};

/// A folder for the copies; in memory where the system has such.
fn folder() -> Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    dir.context("no place for copies")
}

/// What stock SQLite reads in the files as they lie; it finds them sound. `None` if there is no database yet.
///
/// # Errors
/// What it finds wrong.
pub fn read(sim: &Simulation) -> Result<Option<State>> {
    let dir = folder()?;
    sim.disk().export(DIR, dir.path())?;
    let image = dir.path().join("x.db");
    if !is_database(&image) {
        return Ok(None);
    }
    let stock = Connection::open(&image)?;
    examine(&stock).map(Some)
}

fn is_database(image: &Path) -> bool {
    std::fs::read(image).is_ok_and(|bytes| bytes.iter().any(|byte| *byte != 0))
}

fn examine(stock: &Connection) -> Result<State> {
    let mut verdict = stock.prepare("PRAGMA integrity_check")?;
    let verdict: Vec<String> =
        verdict.query_map([], |row| row.get(0))?.collect::<std::result::Result<_, _>>()?;
    ensure!(verdict == ["ok"], "stock SQLite says: {}", verdict.join("; "));
    let mut state = State::default();
    let mut tables = stock.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0))?.collect::<std::result::Result<_, _>>()?;
    for name in tables {
        let mut rows = stock.prepare(&format!("SELECT * FROM {name}"))?;
        let mut relation = Relation { width: rows.column_count(), ..Relation::default() };
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let row: Row = (0..relation.width)
                .map(|column| Ok(value(row.get_ref(column)?)))
                .collect::<std::result::Result<_, rusqlite::Error>>()?;
            relation.rows.insert(key_of(&row), Arc::new(row));
        }
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1";
        let mut indexes = stock.prepare(sql)?;
        let indexes: Vec<String> =
            indexes.query_map([&name], |row| row.get(0))?.collect::<std::result::Result<_, _>>()?;
        relation.indexes = own_indexes(indexes.into_iter());
        state.tables.insert(name, Arc::new(relation));
    }
    Ok(state)
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// What a visit found.
#[derive(Debug)]
pub struct Visit {
    /// What stock SQLite read.
    pub state: State,
    /// Whether it could write.
    pub wrote: bool,
}

/// Stock SQLite opens the files where they lie, reads, tries to write and closes; what it left is what is there next.
/// Its write is one row that says nothing to anybody, taken back at once.
///
/// # Errors
/// What it finds wrong.
pub fn visit(sim: &Simulation) -> Result<Option<Visit>> {
    let dir = folder()?;
    sim.disk().export(DIR, dir.path())?;
    let image = dir.path().join("x.db");
    if !is_database(&image) {
        return Ok(None);
    }
    let stock = Connection::open(&image)?;
    let state = examine(&stock)?;
    let wrote = state.table("marks").is_some()
        && stock
            .execute_batch("INSERT INTO marks VALUES (-1, -1); DELETE FROM marks WHERE id = -1;")
            .is_ok();
    drop(stock);
    let disk = sim.disk();
    for path in disk.files() {
        disk.remove(&path);
    }
    disk.import(dir.path(), DIR)?;
    ensure!(disk.read(PATH).is_some(), "stock SQLite left no database");
    Ok(Some(Visit { state, wrote }))
}
