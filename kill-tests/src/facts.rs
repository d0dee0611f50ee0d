//! What is in a database, read by us or by stock SQLite.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use heddle_engine::{Database, Direction, Transaction};

/// See the module.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Names of tables and indexes, SQLite's own aside.
    pub(crate) names: BTreeSet<String>,
    /// The columns of the table `extra`.
    pub(crate) extra_columns: usize,
    /// The rows of the table `extra`.
    pub(crate) extra: Vec<i64>,
    pub(crate) ledger: BTreeMap<i64, i64>,
    pub(crate) balances: Vec<i64>,
    /// By writer and commit: part and body.
    pub(crate) entries: BTreeMap<(i64, i64), BTreeMap<i64, String>>,
    /// How many entries the index `by_body` has, if it is there.
    pub(crate) by_body: Option<usize>,
    /// How many rows of `bulk` each commit has.
    pub(crate) bulk: BTreeMap<i64, i64>,
}

impl Facts {
    fn entry(&mut self, (writer, n, part, body): (i64, i64, i64, String)) {
        self.entries.entry((writer, n)).or_default().insert(part, body);
    }
}

/// As this engine reads it, in one transaction.
pub(crate) async fn ours(db: &Database) -> Result<Facts> {
    let mut tx = db.begin().await?;
    let mut facts = Facts::default();
    for name in tx.table_names() {
        let table = tx.table(&name)?;
        facts.names.extend(table.indexes().map(str::to_owned));
        facts.names.insert(name);
    }
    facts.names.retain(|name| !name.starts_with("sqlite_"));
    if !facts.names.contains("ledger") {
        return Ok(facts);
    }
    facts.ledger = pairs(&mut tx, "ledger").await?.into_iter().collect();
    facts.balances = pairs(&mut tx, "account").await?.into_iter().map(|row| row.1).collect();
    for (_, n) in pairs(&mut tx, "bulk").await? {
        *facts.bulk.entry(n).or_default() += 1;
    }
    let mut table = tx.table("entry")?;
    let mut scan = table.scan(.., Direction::Ascending)?;
    while let Some(row) = scan.next().await? {
        facts.entry((row.get("writer")?, row.get("n")?, row.get("part")?, row.get("body")?));
    }
    if facts.names.contains("by_body") {
        let mut index = table.index("by_body")?;
        let mut scan = index.scan([0_i64; 0], Direction::Descending)?;
        let mut count = 0;
        while scan.next().await?.is_some() {
            count += 1;
        }
        facts.by_body = Some(count);
    }
    if facts.names.contains("extra") {
        let mut table = tx.table("extra")?;
        facts.extra_columns = table.columns().count();
        let mut scan = table.scan(.., Direction::Ascending)?;
        while let Some(row) = scan.next().await? {
            facts.extra.push(row.get(0)?);
        }
    }
    tx.commit().await?;
    Ok(facts)
}

/// The first two columns of a table.
async fn pairs(tx: &mut Transaction, table: &str) -> Result<Vec<(i64, i64)>> {
    let mut table = tx.table(table)?;
    let mut scan = table.scan(.., Direction::Ascending)?;
    let mut found = Vec::new();
    while let Some(row) = scan.next().await? {
        found.push((row.get(0)?, row.get(1)?));
    }
    Ok(found)
}

/// As stock SQLite reads it, after its integrity check.
pub(crate) fn stock(path: &Path) -> Result<Facts> {
    let stock = rusqlite::Connection::open(path)?;
    let verdict: String = stock.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(verdict == "ok", "integrity_check: {verdict}");
    let mut facts = Facts::default();
    let integers = |sql: &str| -> Result<Vec<(i64, i64)>> {
        let mut query = stock.prepare(sql).context(sql.to_owned())?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let mut query =
        stock.prepare("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")?;
    facts.names = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if !facts.names.contains("ledger") {
        return Ok(facts);
    }
    facts.ledger = integers("SELECT writer, n FROM ledger")?.into_iter().collect();
    facts.balances = integers("SELECT id, balance FROM account")?.iter().map(|row| row.1).collect();
    facts.bulk = integers("SELECT n, count(*) FROM bulk GROUP BY n")?.into_iter().collect();
    let mut query = stock.prepare("SELECT writer, n, part, body FROM entry")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        facts.entry((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    }
    if facts.names.contains("by_body") {
        let sql = "SELECT count(*) FROM entry INDEXED BY by_body WHERE body > ''";
        let count: i64 = stock.query_row(sql, [], |row| row.get(0))?;
        facts.by_body = Some(usize::try_from(count)?);
    }
    if facts.names.contains("extra") {
        facts.extra = integers("SELECT id, 0 FROM extra")?.iter().map(|row| row.0).collect();
        facts.extra_columns = stock.prepare("SELECT * FROM extra")?.column_count();
    }
    Ok(facts)
}
