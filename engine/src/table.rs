//! Typed tables of one transaction: rows in and out, every index kept in step.
//!
//! # Invariants
//! - B1: each write checks first (reads of unique keys, which are validated at every isolation level),
//!   then writes without awaiting: a dropped future leaves no half of a row behind (T1).

use std::ops::{Bound, RangeBounds};

use bytes::Bytes;
use heddle_base::RowId;
use heddle_btree::key;
use heddle_btree::text::Encoding;
use heddle_btree::tree::TreeKind;
use smallvec::SmallVec;

use crate::catalog::column::Stored;
use crate::catalog::{IndexInfo, TableInfo};
use crate::cells::{self, Cells, Entry, RowName};
use crate::index::Index;
use crate::row::{ColumnName, Row, RowValues};
use crate::scan::{Direction, Scan, Source};
use crate::transaction::Transaction;
use crate::turns;
use crate::{Constraint, Error, Result, ToValue, ValueRef};

/// A table, as its transaction sees it. Get one from [`Transaction::table`]; it costs a look-up by name.
#[derive(Debug)]
pub struct Table<'tx> {
    tx: &'tx mut Transaction,
    /// Where it is in the transaction's catalog, which can't change while this borrows it.
    position: usize,
}

/// The writes of one row, checked and ready.
#[derive(Debug, Default)]
struct Plan {
    erase: SmallVec<[(Option<usize>, Bytes); 4]>,
    /// Which index (`None`: the table itself), and what to put.
    put: SmallVec<[(Option<usize>, Entry); 4]>,
}

impl<'tx> Table<'tx> {
    pub(crate) fn new(tx: &'tx mut Transaction, position: usize) -> Table<'tx> {
        Table { tx, position }
    }

    fn info(&self) -> &TableInfo {
        &self.tx.catalog.tables()[self.position]
    }

    pub(crate) fn shared(&self) -> std::sync::Arc<TableInfo> {
        std::sync::Arc::clone(&self.tx.catalog.tables()[self.position])
    }

    fn encoding(&self) -> Encoding {
        self.tx.catalog.encoding()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.info().def.name
    }

    /// The names of its columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.info().names.iter().map(|name| &**name)
    }

    /// The names of its indexes.
    pub fn indexes(&self) -> impl Iterator<Item = &str> {
        self.info().indexes.iter().map(|index| &*index.def.name)
    }

    /// Adds a row with a value for each column. A column that is another name for the rowid may be
    /// NULL, and then gets a fresh one. In a WITHOUT ROWID table the answer is [`RowId`] 0.
    ///
    /// # Errors
    /// [`Error::Constraint`], [`Error::ColumnCount`], [`Error::TooBig`], [`Error::Full`],
    /// [`Error::ReadOnly`], [`Error::Unsupported`]; the transaction goes on without the row.
    ///
    /// # Cancel safety
    /// Dropped before it ends, the row was not added.
    pub async fn insert(&mut self, values: impl RowValues) -> Result<RowId> {
        let given = values.to_values();
        self.add(None, &given).await
    }

    /// Adds a row with this rowid, whatever the column that is another name for it says.
    ///
    /// # Errors
    /// As [`Table::insert`]; [`Error::Misuse`] in a WITHOUT ROWID table.
    ///
    /// # Cancel safety
    /// As [`Table::insert`].
    pub async fn insert_with_rowid(&mut self, rowid: RowId, values: impl RowValues) -> Result<()> {
        self.check_rowids()?;
        let given = values.to_values();
        self.add(Some(rowid), &given).await.map(drop)
    }

    /// The row with this rowid.
    ///
    /// # Errors
    /// [`Error::Misuse`] in a WITHOUT ROWID table; what reading can meet.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn get(&mut self, rowid: RowId) -> Result<Option<Row<'_>>> {
        self.check_rowids()?;
        if self.tx.core.turn_is_over(turns::POINT) {
            turns::give_way().await;
        }
        let key = key::encode_rowid(rowid.0);
        let Transaction { catalog, inner, .. } = &mut *self.tx;
        let info = &catalog.tables()[self.position];
        let record = inner.get(&info.tree, &key).await?;
        Ok(record.map(|record| Row::new(info, catalog.encoding(), Some(rowid), record)))
    }

    /// Replaces all columns of a row; `false` if there is none. A new value in a column that is
    /// another name for the rowid moves the row.
    ///
    /// # Errors
    /// As [`Table::insert`].
    ///
    /// # Cancel safety
    /// Dropped before it ends, the row is as it was.
    pub async fn update(&mut self, rowid: RowId, values: impl RowValues) -> Result<bool> {
        self.check_rowids()?;
        let given = values.to_values();
        self.replace(RowName::Rowid(rowid.0), &given).await
    }

    /// Changes some columns of a row, by name; `false` if there is none.
    ///
    /// # Errors
    /// As [`Table::insert`], and [`Error::NoSuchColumn`].
    ///
    /// # Cancel safety
    /// Dropped before it ends, the row is as it was.
    pub async fn set(&mut self, rowid: RowId, columns: &[(&str, &dyn ToValue)]) -> Result<bool> {
        let Some(row) = self.get(rowid).await? else {
            return Ok(false);
        };
        let mut values = row.values()?;
        drop(row);
        for (name, value) in columns {
            let position = self.column(name)?;
            values[position] = value.to_value().to_owned();
        }
        self.update(rowid, values).await
    }

    /// Removes a row; `false` if there is none.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Unsupported`], what reading can meet.
    ///
    /// # Cancel safety
    /// Dropped before it ends, the row is still there.
    pub async fn delete(&mut self, rowid: RowId) -> Result<bool> {
        self.check_rowids()?;
        self.remove(RowName::Rowid(rowid.0)).await
    }

    /// The rows whose rowids lie in `range`, in order.
    ///
    /// # Errors
    /// [`Error::Misuse`] in a WITHOUT ROWID table.
    pub fn scan(
        &mut self,
        range: impl RangeBounds<RowId>,
        direction: Direction,
    ) -> Result<Scan<'_>> {
        self.check_rowids()?;
        let bound = |bound: Bound<&RowId>| {
            bound.map(|rowid| Bytes::copy_from_slice(&key::encode_rowid(rowid.0)))
        };
        let (from, to) = (bound(range.start_bound()), bound(range.end_bound()));
        Ok(Scan::new(self.tx, self.position, Source::Table, from, to, direction))
    }

    /// The row with this primary key.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the table has no primary key, or one of other length.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn get_key(&mut self, key: impl RowValues) -> Result<Option<Row<'_>>> {
        let values = key.to_values();
        let Some(name) = self.find_key(&values).await? else {
            return Ok(None);
        };
        let Transaction { catalog, inner, .. } = &mut *self.tx;
        let info = &catalog.tables()[self.position];
        let record = inner.get(&info.tree, &name.tree_key()).await?;
        let rowid = name.rowid().map(RowId);
        Ok(record.map(|record| Row::new(info, catalog.encoding(), rowid, record)))
    }

    /// Replaces all columns of the row with this primary key; `false` if there is none.
    ///
    /// # Errors
    /// As [`Table::insert`] and [`Table::get_key`].
    ///
    /// # Cancel safety
    /// Dropped before it ends, the row is as it was.
    pub async fn update_key(
        &mut self,
        key: impl RowValues,
        values: impl RowValues,
    ) -> Result<bool> {
        let (key, given) = (key.to_values(), values.to_values());
        match self.find_key(&key).await? {
            Some(name) => self.replace(name, &given).await,
            None => Ok(false),
        }
    }

    /// Removes the row with this primary key; `false` if there is none.
    ///
    /// # Errors
    /// As [`Table::delete`] and [`Table::get_key`].
    ///
    /// # Cancel safety
    /// Dropped before it ends, the row is still there.
    pub async fn delete_key(&mut self, key: impl RowValues) -> Result<bool> {
        let key = key.to_values();
        match self.find_key(&key).await? {
            Some(name) => self.remove(name).await,
            None => Ok(false),
        }
    }

    /// The rows of a WITHOUT ROWID table whose primary key begins with `prefix`, in its order.
    ///
    /// # Errors
    /// [`Error::Misuse`] in a table with rowids: scan by [`Table::scan`] or an index.
    pub fn scan_key(&mut self, prefix: impl RowValues, direction: Direction) -> Result<Scan<'_>> {
        let info = self.info();
        let (TreeKind::Index(shape), Some(parts)) = (&*info.tree.kind, &info.def.primary_key)
        else {
            return Err(Error::misuse(format!(
                "table {} is in the order of its rowids",
                info.def.name
            )));
        };
        let from = cells::search_key(info, shape, parts, &prefix.to_values(), self.encoding())?;
        let (from, to) = prefix_bounds(from);
        Ok(Scan::new(self.tx, self.position, Source::Table, from, to, direction))
    }

    /// One of its indexes.
    ///
    /// # Errors
    /// [`Error::NoSuchIndex`]; [`Error::Unsupported`] if its definition can't be understood here.
    pub fn index(&mut self, name: &str) -> Result<Index<'_>> {
        let info = self.info();
        let Some(index) = info.index(name) else {
            return Err(Error::NoSuchIndex { name: name.to_owned() });
        };
        if let Some(obstacle) = &info.indexes[index].def.obstacle {
            return Err(Error::unsupported(format!("using index {name}"), obstacle.clone()));
        }
        self.tx.check_tree(self.info().indexes[index].tree.id)?;
        Ok(Index::new(self.tx, self.position, index))
    }

    fn column(&self, name: &str) -> Result<usize> {
        let info = self.info();
        name.position(&info.names).ok_or_else(|| Error::NoSuchColumn {
            table: info.def.name.to_string(),
            column: name.to_owned(),
        })
    }

    fn check_rowids(&self) -> Result<()> {
        let def = &self.info().def;
        if def.without_rowid {
            return Err(Error::misuse(format!(
                "table {} has no rowids: use its primary key",
                def.name
            )));
        }
        Ok(())
    }

    fn check_writable(&self) -> Result<()> {
        self.tx.check_writable()?;
        self.info().check_writable()
    }

    /// The row with this primary key, by whatever tree keeps it.
    async fn find_key(&mut self, values: &[ValueRef<'_>]) -> Result<Option<RowName>> {
        let info = self.shared();
        let def = &info.def;
        let encoding = self.encoding();
        if def.rowid_alias.is_some() {
            return match values {
                [ValueRef::Integer(rowid)] => Ok(Some(RowName::Rowid(*rowid))),
                _ => Err(Error::misuse(format!("the key of table {} is one integer", def.name))),
            };
        }
        let Some(parts) = def.primary_key.as_ref().filter(|parts| parts.len() == values.len())
        else {
            return Err(Error::misuse(format!(
                "table {} has no primary key of that length",
                def.name
            )));
        };
        if let TreeKind::Index(shape) = &*info.tree.kind {
            let key = cells::search_key(&info, shape, parts, values, encoding)?;
            return Ok(Some(RowName::Key(key.into())));
        }
        let by_key = |index: &&IndexInfo| index.def.unique && index.def.parts == *parts;
        let Some(index) = info.indexes.iter().find(by_key) else {
            return Err(Error::misuse(format!("table {} has no index for its key", def.name)));
        };
        if values.iter().any(ValueRef::is_null) {
            return Ok(None);
        }
        let TreeKind::Index(shape) = &*index.tree.kind else { return Ok(None) };
        let key = cells::search_key(&info, shape, parts, values, encoding)?;
        match self.tx.inner.get(&index.tree, &key).await? {
            Some(record) => cells::named_row(&info, index, &record).map(Some),
            None => Ok(None),
        }
    }

    async fn add(&mut self, rowid: Option<RowId>, values: &[ValueRef<'_>]) -> Result<RowId> {
        self.check_writable()?;
        self.tx.make_room().await?;
        let info = self.shared();
        let mut cells = cells::given(&info, values, self.encoding())?;
        let name = self.name_row(&info, &mut cells, rowid).await?;
        let chosen = name.rowid.is_some_and(|_| !name.fresh);
        let row = match name.rowid {
            Some(rowid) => RowName::Rowid(rowid),
            None => RowName::Key(cells::row_key(&info, &cells)),
        };
        if !name.fresh
            && self.tx.inner.get_for_constraint(&info.tree, &row.tree_key()).await?.is_some()
        {
            return Err(duplicate_row(&info, row.rowid()));
        }
        let record = cells::row_record(&info, &cells)?;
        let entry = Entry { key: row.tree_key(), record };
        if info.indexes.is_empty() {
            self.tx.inner.put(&info.tree, entry.key, entry.record)?;
        } else {
            let mut plan = Plan::default();
            plan.put.push((None, entry));
            for (i, index) in info.indexes.iter().enumerate() {
                let entry = cells::index_entry(index, &cells, row.rowid())?;
                if cells::is_constrained(index, &cells) {
                    self.check_unique(&info, index, &entry, None).await?;
                }
                plan.put.push((Some(i), entry));
            }
            self.write(&info, plan)?;
        }
        if let (true, Some(rowid)) = (chosen, row.rowid()) {
            let touched = self.tx.reservations.table(&self.tx.core, info.tree.id);
            touched.ids.reserve(&mut touched.held, RowId(rowid));
        }
        if info.def.autoincrement {
            crate::sequence::raise(self.tx, &info, row.rowid().unwrap_or(0)).await?;
        }
        let rowid = RowId(row.rowid().unwrap_or(0));
        self.tx.last_rowid = Some(rowid);
        Ok(rowid)
    }

    /// Settles which rowid the new row has, and puts it into its cell.
    async fn name_row(
        &mut self,
        info: &TableInfo,
        cells: &mut Cells<'_>,
        rowid: Option<RowId>,
    ) -> Result<NewName> {
        if info.def.without_rowid {
            return Ok(NewName { rowid: None, fresh: false });
        }
        let said = match (rowid, info.def.rowid_alias.map(|alias| &cells[alias])) {
            (Some(rowid), _) => Some(rowid.0),
            (None, Some(Stored::Integer(rowid))) => Some(*rowid),
            _ => None,
        };
        let rowid = match said {
            Some(rowid) => rowid,
            None if info.def.autoincrement => crate::sequence::next(self.tx, info).await?.0,
            None => self.tx.next_rowid(info).await?.0,
        };
        if let Some(alias) = info.def.rowid_alias {
            cells[alias] = Stored::Integer(rowid);
        }
        Ok(NewName { rowid: Some(rowid), fresh: said.is_none() })
    }

    async fn replace(&mut self, old_name: RowName, values: &[ValueRef<'_>]) -> Result<bool> {
        self.check_writable()?;
        self.tx.make_room().await?;
        let info = self.shared();
        let encoding = self.encoding();
        let Some(old_record) = self.tx.inner.get(&info.tree, &old_name.tree_key()).await? else {
            return Ok(false);
        };
        let old = cells::read(&info, &old_record, old_name.rowid(), encoding)?;
        let mut new = cells::given(&info, values, encoding)?;
        let new_name = renamed(&info, &old_name, &mut new);
        let moves = new_name != old_name;
        if moves
            && self.tx.inner.get_for_constraint(&info.tree, &new_name.tree_key()).await?.is_some()
        {
            return Err(duplicate_row(&info, new_name.rowid()));
        }
        let mut plan = Plan::default();
        if moves {
            plan.erase.push((None, old_name.tree_key()));
        }
        let record = cells::row_record(&info, &new)?;
        plan.put.push((None, Entry { key: new_name.tree_key(), record }));
        for (i, index) in info.indexes.iter().enumerate() {
            let before = cells::index_entry(index, &old, old_name.rowid())?;
            let after = cells::index_entry(index, &new, new_name.rowid())?;
            if before == after {
                continue;
            }
            if before.key != after.key {
                if cells::is_constrained(index, &new) {
                    self.check_unique(&info, index, &after, Some(&old_name)).await?;
                }
                plan.erase.push((Some(i), before.key));
            }
            plan.put.push((Some(i), after));
        }
        self.write(&info, plan)?;
        if moves {
            self.note_deleted(&info, &old_name);
            if let Some(rowid) = new_name.rowid() {
                let touched = self.tx.reservations.table(&self.tx.core, info.tree.id);
                touched.ids.reserve(&mut touched.held, RowId(rowid));
            }
        }
        Ok(true)
    }

    async fn remove(&mut self, name: RowName) -> Result<bool> {
        self.check_writable()?;
        self.tx.make_room().await?;
        let info = self.shared();
        let Some(record) = self.tx.inner.get(&info.tree, &name.tree_key()).await? else {
            return Ok(false);
        };
        let cells = cells::read(&info, &record, name.rowid(), self.encoding())?;
        let mut plan = Plan::default();
        plan.erase.push((None, name.tree_key()));
        for (i, index) in info.indexes.iter().enumerate() {
            let entry = cells::index_entry(index, &cells, name.rowid())?;
            if !heddle_base::planted!("index-entry-left") {
                plan.erase.push((Some(i), entry.key));
            }
        }
        self.write(&info, plan)?;
        self.note_deleted(&info, &name);
        Ok(true)
    }

    fn note_deleted(&mut self, info: &TableInfo, name: &RowName) {
        if let Some(rowid) = name.rowid() {
            let touched = self.tx.reservations.table(&self.tx.core, info.tree.id);
            // AUTOINCREMENT never gives a number again.
            touched.note_deleted(rowid, !info.def.autoincrement);
        }
    }

    /// Refuses a key that another row has.
    async fn check_unique(
        &mut self,
        info: &TableInfo,
        index: &IndexInfo,
        entry: &Entry,
        own: Option<&RowName>,
    ) -> Result<()> {
        self.tx.check_tree(index.tree.id)?;
        let found = self.tx.inner.get_for_constraint(&index.tree, &entry.key).await?;
        let Some(record) = found else {
            return Ok(());
        };
        let existing = cells::named_row(info, index, &record)?;
        if own == Some(&existing) {
            return Ok(());
        }
        let name = |part: &crate::catalog::definition::KeyPart| info.names[part.column].to_string();
        Err(Error::Constraint(Constraint::Unique {
            table: info.def.name.to_string(),
            index: index.def.name.to_string(),
            columns: index.def.parts.iter().map(name).collect(),
            existing: existing.rowid(),
        }))
    }

    /// Writes what was planned, without waiting (B1).
    fn write(&mut self, info: &TableInfo, plan: Plan) -> Result<()> {
        let tree = |index: Option<usize>| match index {
            Some(index) => &info.indexes[index].tree,
            None => &info.tree,
        };
        for (index, key) in plan.erase {
            self.tx.inner.delete(tree(index), key)?;
        }
        for (index, entry) in plan.put {
            self.tx.inner.put(tree(index), entry.key, entry.record)?;
        }
        Ok(())
    }
}

/// The rowid of a new row.
struct NewName {
    rowid: Option<i64>,
    /// Picked by the database, so that nobody has it.
    fresh: bool,
}

/// How a row is found after an update with these cells.
fn renamed(info: &TableInfo, old: &RowName, cells: &mut Cells<'_>) -> RowName {
    match (old, info.def.rowid_alias) {
        (RowName::Key(_), _) => RowName::Key(cells::row_key(info, cells)),
        (RowName::Rowid(rowid), None) => RowName::Rowid(*rowid),
        (RowName::Rowid(rowid), Some(alias)) => match cells[alias] {
            Stored::Integer(new) => RowName::Rowid(new),
            _ => {
                cells[alias] = Stored::Integer(*rowid);
                RowName::Rowid(*rowid)
            }
        },
    }
}

fn duplicate_row(info: &TableInfo, existing: Option<i64>) -> Error {
    let columns = match (&info.def.primary_key, info.def.rowid_alias) {
        (_, Some(alias)) => vec![info.names[alias].to_string()],
        (Some(parts), None) if info.def.without_rowid => {
            parts.iter().map(|part| info.names[part.column].to_string()).collect()
        }
        _ => vec!["rowid".to_owned()],
    };
    let table = info.def.name.to_string();
    Error::Constraint(Constraint::Unique { index: table.clone(), table, columns, existing })
}

/// The bounds of all keys that begin with `prefix`.
pub(crate) fn prefix_bounds(prefix: Vec<u8>) -> (Bound<Bytes>, Bound<Bytes>) {
    let mut end = prefix.clone();
    let to = if key::prefix_successor(&mut end) {
        Bound::Excluded(Bytes::from(end))
    } else {
        Bound::Unbounded
    };
    (Bound::Included(Bytes::from(prefix)), to)
}
