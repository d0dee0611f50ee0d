//! Reads a whole database back into a [`State`], by way of every tree: tables, and each index against its table.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Result, ensure};
use heddle_engine::{Database, Direction, Transaction, Value};

use crate::client::take;
use crate::state::{Key, Relation, Row, State};
use crate::workload::{INDEXES, LATE_INDEX, ordered};

/// What a database holds.
///
/// # Errors
/// Those of reading; an index that disagrees with its table.
pub async fn survey(db: &Database) -> Result<State> {
    let mut tx = db.begin().await?;
    let mut state = State::default();
    for name in tx.table_names() {
        let relation = relation(&mut tx, &name).await?;
        state.tables.insert(name, Arc::new(relation));
    }
    Ok(state)
}

async fn relation(tx: &mut Transaction, name: &str) -> Result<Relation> {
    let mut table = tx.table(name)?;
    let mut relation = Relation { width: table.columns().count(), ..Relation::default() };
    let own = |index: &&str| index.starts_with("t_");
    let indexes: Vec<String> = table.indexes().filter(own).map(str::to_owned).collect();
    let mut rows = Vec::new();
    if name == "u" {
        take(&mut table.scan_key([0_i64; 0], Direction::Ascending)?, usize::MAX, &mut rows).await?;
    } else {
        take(&mut table.scan(.., Direction::Ascending)?, usize::MAX, &mut rows).await?;
    }
    let count = rows.len();
    for row in rows {
        relation.rows.insert(key_of(&row), Arc::new(row));
    }
    ensure!(count == relation.rows.len(), "{name} has two rows with one key");
    for index in indexes {
        let mut rows: Vec<Row> = Vec::new();
        let mut by_index = table.index(&index)?;
        take(&mut by_index.scan([0_i64; 0], Direction::Ascending)?, usize::MAX, &mut rows).await?;
        let column = column_of(&index);
        // Damage in the schema's text can take a column away.
        ensure!(column < relation.width, "index {index} is on a column that {name} does not have");
        let expected = ordered(&relation, column, |_| true);
        ensure!(
            rows == expected,
            "index {index} has {} rows in its order, its table {}:\n  {rows:?}\n  {expected:?}",
            rows.len(),
            expected.len()
        );
        relation.indexes.insert(index);
    }
    Ok(relation)
}

/// The key of a row, which is its first column in every table.
pub fn key_of(row: &Row) -> Key {
    match row.first() {
        Some(Value::Integer(id)) => Key::Id(*id),
        Some(Value::Text(text)) => Key::Text(text.clone()),
        _ => Key::Id(0),
    }
}

fn column_of(index: &str) -> usize {
    if index == LATE_INDEX.0 {
        4
    } else if index == INDEXES[0].0 {
        1
    } else {
        2
    }
}

/// The indexes that statements of their own made.
pub fn own_indexes(names: impl Iterator<Item = String>) -> BTreeSet<String> {
    names.filter(|name| name.starts_with("t_")).collect()
}
