//! AUTOINCREMENT: `sqlite_sequence` remembers the largest rowid that each table ever had.
//!
//! # Invariants
//! - S1: the rowid given out is larger than the remembered one, than the largest in the table and than those
//!   reserved by others.

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
    let remembered = find(tx, table).await?.map_or(0, |row| row.largest);
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
    let (row, largest) = match find(tx, table).await? {
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
    Ok(find(tx, table).await?.map(|row| row.row))
}

async fn find(tx: &mut Transaction, table: &TableInfo) -> Result<Option<Remembered>> {
    use std::ops::Bound::Unbounded;
    let catalog = std::sync::Arc::clone(&tx.catalog);
    let sequence = catalog.table(TABLE)?;
    let encoding = catalog.encoding();
    let mut cursor =
        tx.inner.range(&sequence.tree, Unbounded, Unbounded, heddle_txn::Direction::Forward);
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
