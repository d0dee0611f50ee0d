//! Databases that others made: read as stock reads them, changed, closed, and sound for stock.
//!
//! The files lie in `../shared/realdb` beside the repository; without them this says so and ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails panics, and a test may start threads"
)]

use std::path::{Path, PathBuf};

use heddle_engine::{Database, Direction, Error, Options, Table, Value};
use rusqlite::types::Value as Stock;

mod common;
use common::{block_on, stock_check};

fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/realdb");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        println!("skipped: there is no {}", dir.display());
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        !["md", "tsv"].contains(&extension) && !path.ends_with("corrupt.mbtiles")
    });
    files.sort();
    files
}

fn ours(value: Stock) -> Value {
    match value {
        Stock::Null => Value::Null,
        Stock::Integer(v) => Value::Integer(v),
        Stock::Real(v) => Value::Real(v),
        Stock::Text(v) => Value::Text(v),
        Stock::Blob(v) => Value::Blob(v),
    }
}

/// All rows as stock has them, in the order of the table's tree.
fn stock_table(stock: &rusqlite::Connection, name: &str) -> rusqlite::Result<Vec<Vec<Value>>> {
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    let mut query = stock.prepare(&format!("SELECT * FROM {quoted} NOT INDEXED"))?;
    let columns = query.column_count();
    let rows = query.query_map([], |row| {
        (0..columns)
            .map(|i| {
                Ok(match row.get_ref(i)? {
                    rusqlite::types::ValueRef::Text(text) => {
                        Value::Text(String::from_utf8_lossy(text).into_owned())
                    }
                    _ => ours(row.get(i)?),
                })
            })
            .collect()
    })?;
    rows.collect()
}

async fn our_table(mut table: Table<'_>) -> heddle_engine::Result<Vec<Vec<Value>>> {
    let mut scan = match table.scan(.., Direction::Ascending) {
        Ok(scan) => scan,
        Err(_) => table.scan_key([0_i64; 0], Direction::Ascending)?,
    };
    let mut rows = Vec::new();
    while let Some(row) = scan.next().await? {
        rows.push(row.values()?);
    }
    Ok(rows)
}

#[test]
fn every_real_database_is_read_as_stock_reads_it_and_survives_changes() {
    for file in files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        std::fs::copy(&file, &path).unwrap();
        let reference = dir.path().join("stock.db");
        std::fs::copy(&file, &reference).unwrap();
        let stock = rusqlite::Connection::open(&reference).unwrap();
        // One has an index of a kind that stock does not know: then stock has no verdict.
        let sound: Option<String> =
            stock.query_row("PRAGMA integrity_check", [], |row| row.get(0)).ok();
        let label = file.file_name().unwrap().to_string_lossy().into_owned();
        let (mut compared, mut changed) = (0, 0);
        block_on(async {
            let db = match Database::open(&path, Options::default()).await {
                Ok(db) => db,
                Err(error) => panic!("{label}: {error}"),
            };
            let mut tx = db.begin().await.unwrap();
            for name in tx.table_names() {
                let table = match tx.table(&name) {
                    Ok(table) => table,
                    Err(Error::Unsupported { .. }) => continue,
                    Err(error) => panic!("{label}: {name}: {error}"),
                };
                let expected = match stock_table(&stock, &name) {
                    Ok(rows) => rows,
                    Err(error) => {
                        println!("{label}: stock can't read {name}: {error}");
                        continue;
                    }
                };
                let found =
                    our_table(table).await.unwrap_or_else(|e| panic!("{label}: {name}: {e}"));
                assert_eq!(found.len(), expected.len(), "{label}: {name}");
                for (found, expected) in found.iter().zip(&expected) {
                    assert_eq!(found, expected, "{label}: {name}");
                }
                compared += 1;
                changed += usize::from(change(&mut tx, &name).await);
            }
            tx.commit().await.unwrap_or_else(|e| panic!("{label}: {e}"));
            db.close().await.unwrap_or_else(|e| panic!("{label}: {e}"));
        });
        println!("{label}: {compared} tables compared, {changed} changed");
        if sound.as_deref() == Some("ok") {
            stock_check(&path);
        }
        assert!(compared > 0, "{label}");
    }
}

/// Deletes every third row of a table that can be written, and adds one again.
async fn change(tx: &mut heddle_engine::Transaction, name: &str) -> bool {
    let Ok(mut table) = tx.table(name) else { return false };
    let mut ids = Vec::new();
    {
        let Ok(mut scan) = table.scan(.., Direction::Ascending) else { return false };
        while let Some(row) = scan.next().await.unwrap() {
            ids.push((row.rowid().unwrap(), row.values().unwrap()));
        }
    }
    let mut changed = false;
    for (i, (id, values)) in ids.iter().enumerate() {
        if i % 3 != 0 {
            continue;
        }
        match table.delete(*id).await {
            Ok(true) => changed = true,
            Err(Error::Unsupported { .. }) => return false,
            other => panic!("{name}: {other:?}"),
        }
        if i % 2 == 0 {
            match table.insert_with_rowid(*id, values.clone()).await {
                Ok(()) | Err(Error::Constraint(_)) => {}
                Err(error) => panic!("{name}: {error}"),
            }
        }
    }
    changed
}

#[test]
fn a_malformed_database_gives_errors() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/realdb/corrupt.mbtiles");
    if !dir.exists() {
        println!("skipped: there is no {}", dir.display());
        return;
    }
    let copy = tempfile::tempdir().unwrap();
    let path = copy.path().join("x.db");
    std::fs::copy(&dir, &path).unwrap();
    block_on(async {
        let db = match Database::open(&path, Options::default()).await {
            Err(Error::Corrupt { .. } | Error::NotADatabase { .. }) => return,
            other => other.unwrap(),
        };
        let mut tx = db.begin().await.unwrap();
        let mut failed = 0;
        for name in tx.table_names() {
            let Ok(table) = tx.table(&name) else { continue };
            match our_table(table).await {
                Ok(_) => {}
                Err(Error::Corrupt { .. }) => failed += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(failed > 0);
    });
}
