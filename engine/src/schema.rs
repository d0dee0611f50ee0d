//! Changes of the schema: tables and indexes created, altered and dropped, in transactions.
//!
//! A change is rows of `sqlite_schema` in the write set and a new catalog of the transaction's own, which
//! becomes everybody's at the commit.
//!
//! # Invariants
//! - G1: two transactions that change the schema at once do not both commit: the second finds another
//!   catalog than the one it began with, and conflicts.
//! - G2: between the draw of the ticket and the new catalog's publication no transaction learns its
//!   catalog ([`crate::catalog::history`], H2).

use bytes::Bytes;
use heddle_base::{SchemaVersion, Timestamp};
use heddle_btree::key;
use heddle_btree::text::Encoding;

use crate::catalog::definition::{KeyPart, TableDef};
use crate::catalog::history::History;
use crate::catalog::parse::Definition;
use crate::catalog::schema_row::{Place, SchemaRow};
use crate::catalog::{Catalog, IndexInfo, TableInfo, text};
use crate::commits::Committing;
use crate::core::Core;
use crate::promise::promise;
use crate::raw::change::check_texts;
use crate::raw::{Entries, ObjectKind};
use crate::sequence;
use crate::transaction::{Committed, Failed, Transaction};
use crate::witness::Witness;
use crate::{Conflict, Constraint, Error, Result, cells};

impl Transaction {
    /// Makes a table, with the indexes its constraints ask for, from a `CREATE TABLE` statement.
    ///
    /// # Errors
    /// [`Error::Definition`], [`Error::AlreadyExists`], [`Error::Unsupported`].
    ///
    /// # Cancel safety
    /// Dropped before it ends, there is no table.
    pub async fn create_table(&mut self, sql: &str) -> Result<()> {
        self.check_writable()?;
        let (def, if_not_exists) = match self.catalog.parse(sql)? {
            Definition::Table { def, if_not_exists } => (def, if_not_exists),
            _ => return Err(Error::definition(sql, "it is no CREATE TABLE statement")),
        };
        check_name(&def.name)?;
        let free = self.catalog.check_free(&def.name);
        if let Err(error) = self.noting(free) {
            return if if_not_exists { Ok(()) } else { Err(error) };
        }
        let text = text::stored(sql)?;
        let autoincrement = def.autoincrement && self.catalog.find(sequence::TABLE).is_none();
        self.add_table(def, &text).await?;
        if autoincrement {
            let sql = "CREATE TABLE sqlite_sequence(name,seq)";
            if let Definition::Table { def, .. } = self.catalog.parse(sql)? {
                self.add_table(def, sql).await?;
            }
        }
        Ok(())
    }

    async fn add_table(&mut self, def: TableDef, sql: &str) -> Result<()> {
        let format = self.catalog.format();
        let row = self.next_schema_row().await?;
        let mut table = TableInfo::new(def.clone(), row, self.core.next_tree(), sql, format);
        let mut rows = vec![(row, table_row(&table))];
        for index in def.automatic {
            let row = self.next_schema_row().await?;
            let tree = self.core.next_tree();
            let info = IndexInfo::new(index, &table.def, table.tree.id, row, tree, format);
            rows.push((row, index_row(&info, None)));
            table.indexes.push(info);
        }
        for (rowid, row) in rows {
            self.put_schema_row(rowid, &row)?;
        }
        self.change_catalog(self.catalog.with_table(table));
        Ok(())
    }

    /// Makes an index from a `CREATE INDEX` statement, and fills it.
    ///
    /// # Errors
    /// [`Error::Definition`], [`Error::AlreadyExists`], [`Error::NoSuchTable`]; [`Error::Constraint`] if
    /// it is to be unique and rows are not; [`Error::Unsupported`] for expressions, conditions and
    /// collations that are not built in.
    ///
    /// # Cancel safety
    /// Dropped before it ends, there may be entries in the write set of an index that nobody
    /// knows: roll back to a savepoint, or roll back.
    pub async fn create_index(&mut self, sql: &str) -> Result<()> {
        self.check_writable()?;
        let catalog = std::sync::Arc::clone(&self.catalog);
        let (def, if_not_exists) = match catalog.parse(sql)? {
            Definition::Index { def, if_not_exists } => (def, if_not_exists),
            _ => return Err(Error::definition(sql, "it is no CREATE INDEX statement")),
        };
        check_name(&def.name)?;
        if let Err(error) = self.noting(catalog.check_free(&def.name)) {
            return if if_not_exists { Ok(()) } else { Err(error) };
        }
        if let Some(obstacle) = &def.obstacle {
            return Err(Error::unsupported(format!("the index {}", def.name), obstacle.clone()));
        }
        let table = catalog.table(&def.table)?;
        table.check_readable()?;
        let mut table = TableInfo::clone(table);
        let row = self.next_schema_row().await?;
        let (tree, format) = (self.core.next_tree(), catalog.format());
        let mut index = IndexInfo::new(def, &table.def, table.tree.id, row, tree, format);
        let mut entries = Typed { table: &table, index: &index, encoding: catalog.encoding() };
        self.fill(&table.tree, &index.tree, &mut entries).await?;
        let sql = text::stored(sql)?;
        index.sql = Some(sql.as_str().into());
        self.put_schema_row(row, &index_row(&index, Some(sql)))?;
        table.indexes.push(index);
        self.change_catalog(self.catalog.with_table(table));
        Ok(())
    }

    /// Drops a table with its indexes.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`]; [`Error::Unsupported`] for SQLite's own tables.
    ///
    /// # Cancel safety
    /// Dropped before it ends, the table is there.
    pub async fn drop_table(&mut self, name: &str) -> Result<()> {
        self.check_writable()?;
        let table = self.known(name)?;
        check_name(&table.def.name)?;
        self.drop_object(ObjectKind::Table, name).await
    }

    /// Drops an index.
    ///
    /// # Errors
    /// [`Error::NoSuchIndex`]; [`Error::Unsupported`] if a constraint of the table needs it.
    ///
    /// # Cancel safety
    /// It does not wait.
    pub async fn drop_index(&mut self, name: &str) -> Result<()> {
        self.check_writable()?;
        if self.catalog.table_of_index(name).is_some() {
            check_name(name)?;
        }
        self.drop_object(ObjectKind::Index, name).await
    }

    /// Adds a column at the end of a table, given as in `ALTER TABLE .. ADD COLUMN`. Rows keep their bytes:
    /// where the column is missing, its default counts.
    ///
    /// # Errors
    /// [`Error::Definition`]; [`Error::Unsupported`] for what SQLite can't add: a key, or NOT NULL without a
    /// default, or a default that is no constant.
    ///
    /// # Cancel safety
    /// It does not wait.
    pub async fn add_column(&mut self, table: &str, definition: &str) -> Result<()> {
        self.check_writable()?;
        let old = self.known(table)?;
        check_name(&old.def.name)?;
        old.check_readable()?;
        let sql = text::with_column(&old.sql, definition)?;
        let Definition::Table { def, .. } = self.catalog.parse(&sql)? else {
            return Err(Error::definition(&sql, "it is no table any more"));
        };
        let added = def.columns.len() == old.def.columns.len() + 1;
        let same_keys = def.automatic == old.def.automatic
            && def.primary_key == old.def.primary_key
            && def.rowid_alias == old.def.rowid_alias
            && def.unreadable.is_none();
        let Some(column) = def.columns.last().filter(|_| added) else {
            return Err(Error::definition(&sql, "one column can be added at a time"));
        };
        if !same_keys || !column.can_be_added() {
            return Err(Error::unsupported(
                format!("adding the column {}", column.name),
                "it must be no key, and have a constant default if it is NOT NULL",
            ));
        }
        let table = self.redefined(&old, def, &sql);
        self.put_schema_row(old.schema_row, &table_row(&table))?;
        self.change_catalog(self.catalog.with_table(table));
        Ok(())
    }

    /// Gives a table another name.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::AlreadyExists`]; [`Error::Unsupported`] if there are views or
    /// triggers, whose text might name it.
    ///
    /// # Cancel safety
    /// It does not wait.
    pub async fn rename_table(&mut self, table: &str, to: &str) -> Result<()> {
        self.check_writable()?;
        let old = self.known(table)?;
        check_name(&old.def.name)?;
        check_name(to)?;
        if !to.eq_ignore_ascii_case(table) {
            let free = self.catalog.check_free(to);
            self.noting(free)?;
        }
        if self.catalog.has_others() || old.def.autoincrement {
            return Err(Error::unsupported(
                format!("renaming table {table}"),
                "views, triggers or AUTOINCREMENT may refer to its name",
            ));
        }
        let sql = text::with_table_name(&old.sql, to)?;
        let Definition::Table { def, .. } = self.catalog.parse(&sql)? else {
            return Err(Error::definition(&sql, "it is no table any more"));
        };
        let mut table = self.redefined(&old, def, &sql);
        let mut rows = vec![(old.schema_row, table_row(&table))];
        for index in &mut table.indexes {
            let sql = match &index.sql {
                Some(sql) => Some(text::with_table_name(sql, to)?),
                None => None,
            };
            index.rename(&old.def, &table.def);
            index.sql = sql.as_deref().map(Into::into);
            rows.push((index.schema_row, index_row(index, sql)));
        }
        for (rowid, row) in rows {
            self.put_schema_row(rowid, &row)?;
        }
        self.change_catalog(self.catalog.with_table(table));
        Ok(())
    }

    /// A table under a new definition, its trees as they were.
    fn redefined(&self, old: &TableInfo, def: TableDef, sql: &str) -> TableInfo {
        let format = self.catalog.format();
        let mut table = TableInfo::new(def, old.schema_row, old.tree.id, sql, format);
        table.indexes.clone_from(&old.indexes);
        table.trigger.clone_from(&old.trigger);
        table.settle_obstacle();
        table
    }

    /// A table by name, or that there is none.
    fn known(&mut self, name: &str) -> Result<std::sync::Arc<TableInfo>> {
        let table = self.catalog.table(name).map(std::sync::Arc::clone);
        self.noting(table)
    }
}

/// The entries of an index whose columns are all understood here.
struct Typed<'a> {
    table: &'a TableInfo,
    index: &'a IndexInfo,
    encoding: Encoding,
}

impl Entries for Typed<'_> {
    fn entry(&mut self, key: &[u8], record: &[u8]) -> Result<Option<(Bytes, Bytes)>> {
        let rowid = key::decode_rowid(key).filter(|_| !self.table.def.without_rowid);
        let cells = cells::read(self.table, record, rowid, self.encoding)?;
        let entry = cells::index_entry(self.index, &cells, rowid)?;
        Ok(Some((entry.key, entry.record)))
    }

    fn duplicate(&mut self, key: &[u8], _record: &[u8]) -> Error {
        let name = |part: &KeyPart| self.table.names[part.column].to_string();
        Error::Constraint(Constraint::Unique {
            table: self.table.def.name.to_string(),
            index: self.index.def.name.to_string(),
            columns: self.index.def.parts.iter().map(name).collect(),
            existing: key::decode_rowid(key).filter(|_| !self.table.def.without_rowid),
        })
    }
}

/// SQLite keeps names that begin so to itself.
fn check_name(name: &str) -> Result<()> {
    if name.get(..7).is_some_and(|head| head.eq_ignore_ascii_case("sqlite_")) {
        return Err(Error::unsupported(
            format!("changing {name}"),
            "names that begin with sqlite_ are SQLite's own",
        ));
    }
    Ok(())
}

fn table_row(table: &TableInfo) -> SchemaRow {
    SchemaRow {
        kind: "table".to_owned(),
        name: table.def.name.to_string(),
        table: table.def.name.to_string(),
        place: Place::Tree(table.tree.id),
        sql: Some(table.sql.to_string()),
    }
}

fn index_row(index: &IndexInfo, sql: Option<String>) -> SchemaRow {
    SchemaRow {
        kind: "index".to_owned(),
        name: index.def.name.to_string(),
        table: index.def.table.to_string(),
        place: Place::Tree(index.tree.id),
        sql,
    }
}

/// Commits a transaction that changed the schema (G1, G2).
///
/// # Cancel safety
/// The commit runs in a task of its own: dropped, it ends in the background.
pub(crate) async fn commit(
    tx: Transaction,
    committing: Committing,
) -> std::result::Result<Committed, Failed> {
    let (kept, outcome) = promise();
    let runtime = std::sync::Arc::clone(&tx.core.env.runtime);
    let task = async move {
        let outcome = commit_here(tx).await;
        drop(committing);
        kept.keep(outcome);
    };
    runtime.spawn("schema-change", Box::pin(task));
    outcome.wait().await.unwrap_or(Err(Failed::Here(Error::Closed)))
}

async fn commit_here(mut tx: Transaction) -> std::result::Result<Committed, Failed> {
    // Before others are made to wait for the catalog: from here on no immediate transaction begins, which would hold
    // the gate that this commit needs, and wait for the catalog that this commit makes.
    let schema = tx.core.schema_tree();
    tx.inner.close_table(&schema).await?;
    let base = tx.base_catalog.clone().unwrap_or_else(|| std::sync::Arc::clone(&tx.catalog));
    for table in tx.catalog.tables() {
        if base.table_of_tree(table.tree.id).is_none_or(|old| !std::sync::Arc::ptr_eq(old, table)) {
            check_texts(table)?;
            tx.inner.change_schema(&table.tree, table.tree.schema_version);
        }
    }
    for table in base.tables() {
        if tx.catalog.table_of_tree(table.tree.id).is_none() {
            let version = SchemaVersion(table.tree.schema_version.get() + 1);
            tx.inner.change_schema(&table.tree, version);
        }
    }
    tx.raise_schema_cookie().await?;
    let Transaction { mut core, inner, catalog, reservations, witness, .. } = tx;
    let changing = Changing::begin(&core).await;
    let stale = !core.history.newest().catalog.is(&base);
    if stale {
        return Err(Failed::Here(Error::Conflict(Conflict {
            table: "sqlite_schema".to_owned(),
            key: None,
            how: "schema",
        })));
    }
    let spilled = inner.spilled_bytes() > 0;
    let published = inner.publish().await?;
    let ticket = published.ticket();
    changing.end(ticket.map(|ticket| (ticket, catalog)));
    core.committed();
    if let Some(ticket) = ticket {
        Witness::tell(witness, ticket);
        core.published(ticket);
        reservations.committed(ticket);
    }
    published.durable().await?;
    core.after_commit();
    if spilled {
        core.pulse.poke();
    }
    Ok(Committed { ticket })
}

/// While it lives no transaction learns its catalog (G2).
struct Changing<'a> {
    history: &'a History,
    ended: bool,
}

impl<'a> Changing<'a> {
    async fn begin(core: &'a Core) -> Changing<'a> {
        while !core.history.begin_change() {
            core.history.settled().await;
        }
        Changing { history: &core.history, ended: false }
    }

    fn end(mut self, published: Option<(Timestamp, std::sync::Arc<Catalog>)>) {
        self.ended = true;
        self.history.end_change(published);
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.history.end_change(None);
        }
    }
}
