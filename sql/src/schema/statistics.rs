//! What ANALYZE found, from the rows of `sqlite_stat1`.

use std::sync::Arc;

use super::catalog::folded;
use super::{Index, Named, Schema, Table};

/// A row of `sqlite_stat1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatisticsRow {
    /// The table.
    pub table: Box<str>,
    /// The index; `None` in the row of a table that has none. That of a WITHOUT ROWID table's own tree is the table's name.
    pub index: Option<Box<str>>,
    /// Numbers, and words after them.
    pub statistics: Box<str>,
}

impl StatisticsRow {
    /// How many rows there are, then for each number of first columns how many rows share them.
    fn numbers(&self) -> Vec<u64> {
        let words = self.statistics.split_ascii_whitespace();
        words.map_while(|word| word.parse().ok()).collect()
    }
}

/// The same schema, knowing these rows.
pub fn with_statistics(schema: &Schema, rows: &[StatisticsRow]) -> Arc<Schema> {
    let mut changed = Schema {
        tables: schema.tables.clone(),
        indexes: schema.indexes.clone(),
        triggers: schema.triggers.clone(),
        order: schema.order.clone(),
    };
    for name in &schema.order {
        let Some(Named::Table(table)) = schema.tables.get(name) else { continue };
        let of_table: Vec<_> =
            rows.iter().filter(|row| row.table.eq_ignore_ascii_case(&table.name)).collect();
        if of_table.is_empty() {
            continue;
        }
        let table = Arc::new(known(table, &of_table));
        for index in &table.indexes {
            let entry = (Arc::clone(&table), Arc::clone(index));
            changed.indexes.insert(folded(&index.name), entry);
        }
        changed.tables.insert(name.clone(), Named::Table(table));
    }
    Arc::new(changed)
}

fn known(table: &Table, rows: &[&StatisticsRow]) -> Table {
    let mut table = table.clone();
    for row in rows {
        let numbers = row.numbers();
        let Some(&count) = numbers.first() else { continue };
        let at = row.index.as_ref().and_then(|name| {
            table.indexes.iter().position(|index| index.name.eq_ignore_ascii_case(name))
        });
        // A partial index has fewer rows than its table.
        let is_partial =
            at.and_then(|at| table.indexes.get(at)).is_some_and(|i| i.filter.is_some());
        if !is_partial {
            table.rows = Some(count);
        }
        if let Some(index) = at.and_then(|at| table.indexes.get_mut(at)) {
            *index = Arc::new(Index { statistics: numbers, ..Index::clone(index) });
        }
    }
    table
}
