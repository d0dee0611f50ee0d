//! What ANALYZE left of tables and indexes that are dropped or renamed.

use std::ops::Bound;

use bytes::Bytes;
use heddle_btree::record::Record;
use heddle_btree::text::to_str;
use heddle_btree::value::ValueRef;
use heddle_engine::Direction;

use super::Change;
use crate::{Error, Result};

/// The tables that ANALYZE of any version writes; the first two columns of each are the table's and the index's name.
pub(super) const TABLES: [&str; 3] = ["sqlite_stat1", "sqlite_stat3", "sqlite_stat4"];

/// Of what the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// A table.
    Table,
    /// An index.
    Index,
}

/// Deletes the rows of a table or an index.
pub(super) async fn forget(change: &mut Change<'_>, of: Of, name: &str) -> Result<()> {
    let place = match of {
        Of::Table => 0,
        Of::Index => 1,
    };
    for table in TABLES {
        let Some(table) = change.schema()?.table(table).cloned() else { continue };
        if !table.has_rowid() {
            continue;
        }
        let tx = change.tx()?;
        let encoding = tx.encoding();
        let mut cursor =
            tx.cursor(&table.tree, Bound::Unbounded, Bound::Unbounded, Direction::Ascending);
        let mut gone = Vec::new();
        while cursor.step(tx).await? {
            let (Some(key), Some(record)) = (cursor.key(), cursor.record()) else { continue };
            let value = Record::parse(record).and_then(|record| record.column(place));
            let value = value.map_err(|_| Error::sql("database disk image is malformed"))?;
            if let Some(ValueRef::Text(text)) = value
                && to_str(text, encoding) == name
            {
                gone.push(Bytes::copy_from_slice(key));
            }
        }
        for key in gone {
            tx.erase(&table.tree, key)?;
        }
    }
    Ok(())
}
