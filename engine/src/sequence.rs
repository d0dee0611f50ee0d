//! AUTOINCREMENT: `sqlite_sequence` remembers the largest rowid that each table ever had.
//!
//! # Invariants
//! - S1: the rowid given out is larger than the remembered one, than the largest in the table and than those
//!   reserved by others.
//! - S2: a table has one row there. Who adds it has looked at all rows as for a constraint, so that of two who add it at once one
//!   conflicts at every isolation level.

use heddle_base::RowId;
use heddle_btree::key;

use crate::catalog::TableInfo;
use crate::cells::{self, Entry};
use crate::transaction::Transaction;
use crate::{Error, Result, ValueRef};

/// The name of the table that remembers.
pub(crate) const TABLE: &str = "sqlite_sequence";

/// A row of `sqlite_sequence`.
struct Remembered {
    row: i64,
    largest: i64,
}

/// The next rowid of an AUTOINCREMENT table (S1).
pub(crate) async fn next(tx: &mut Transaction, table: &TableInfo) -> Result<RowId> {
    let remembered = find(tx, table, Purpose::Read).await?.map_or(0, |row| row.largest);
    if remembered == i64::MAX {
        return Err(Error::Full { table: table.def.name.to_string() });
    }
    let touched = tx.reservations.table(&tx.core, table.tree.id);
    touched.view = touched.view.max(Some(remembered));
    tx.next_rowid(table).await
}

/// After a row with this rowid was added.
pub(crate) async fn raise(tx: &mut Transaction, table: &TableInfo, rowid: i64) -> Result<()> {
    let catalog = std::sync::Arc::clone(&tx.catalog);
    let sequence = catalog.table(TABLE)?;
    let mut found = find(tx, table, Purpose::Read).await?;
    if found.is_none() {
        // S2.
        found = find(tx, table, Purpose::Constraint).await?;
    }
    let (row, largest) = match found {
        Some(found) if found.largest >= rowid => return Ok(()),
        Some(found) => (found.row, rowid),
        None => (tx.next_rowid(sequence).await?.0, rowid.max(0)),
    };
    let values = [ValueRef::Text((&*table.def.name).into()), ValueRef::Integer(largest)];
    let cells = cells::given(sequence, &values, catalog.encoding())?;
    let record = cells::row_record(sequence, &cells)?;
    let entry = Entry { key: key::encode_rowid(row).to_vec().into(), record };
    Ok(tx.inner.put(&sequence.tree, entry.key, entry.record)?)
}

/// The row that remembers for a table.
pub(crate) async fn row_of(tx: &mut Transaction, table: &TableInfo) -> Result<Option<i64>> {
    Ok(find(tx, table, Purpose::Read).await?.map(|row| row.row))
}

/// What a look at the remembered rows is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Validated as reads are.
    Read,
    /// Validated at every isolation level.
    Constraint,
}

async fn find(
    tx: &mut Transaction,
    table: &TableInfo,
    purpose: Purpose,
) -> Result<Option<Remembered>> {
    use std::ops::Bound::Unbounded;

    use heddle_txn::Direction::Forward;
    let catalog = std::sync::Arc::clone(&tx.catalog);
    let sequence = catalog.table(TABLE)?;
    let encoding = catalog.encoding();
    let tree = &sequence.tree;
    let mut cursor = match purpose {
        Purpose::Read => tx.inner.range(tree, Unbounded, Unbounded, Forward),
        Purpose::Constraint => tx.inner.range_for_constraint(tree, Unbounded, Unbounded, Forward),
    };
    while let Some((key, record)) = cursor.next(&mut tx.inner).await? {
        let Some(row) = key::decode_rowid(&key) else { continue };
        let row_view = crate::row::Row::new(sequence, encoding, Some(RowId(row)), record);
        if row_view.get::<String>(0).is_ok_and(|name| name.eq_ignore_ascii_case(&table.def.name)) {
            let largest = row_view.get::<i64>(1).unwrap_or(0);
            return Ok(Some(Remembered { row, largest }));
        }
    }
    Ok(None)
}
