//! The schedules of `../shared/isolation-anomalies.md` over tables, at both levels: rows, a secondary index for
//! conditions on the value, unique columns, savepoints and a change of schema.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails panics"
)]

use std::collections::{BTreeMap, BTreeSet};

use heddle_engine::{
    Database, Direction, Error, Isolation, Options, Result, RowId, Savepoint, Transaction,
    TxOptions,
};

mod common;
#[path = "../../txn/tests/common/schedules.rs"]
mod schedules;
use common::block_on;
use schedules::{Rows, Schedule, holds, ids_of, shown};

struct Client {
    tx: Transaction,
    savepoint: Option<Savepoint>,
}

impl Client {
    /// By rowid where the condition names rows, by the index where it names a value, else by a scan.
    async fn select(&mut self, condition: Option<&str>) -> Result<Rows> {
        let mut table = self.tx.table("test")?;
        let mut rows = Vec::new();
        if let Some(ids) = condition.and_then(ids_of) {
            for id in ids {
                if let Some(row) = table.get(RowId(id)).await? {
                    rows.push((id, row.get("value")?));
                }
            }
            return Ok(rows);
        }
        if let Some(value) = condition.and_then(|condition| condition.strip_prefix("value=")) {
            let name = table.indexes().next().expect("an index on the value").to_owned();
            let mut index = table.index(&name)?;
            let value: i64 = value.parse().unwrap();
            let mut scan = index.scan([value], Direction::Ascending)?;
            while let Some(row) = scan.next().await? {
                rows.push((row.get("id")?, row.get("value")?));
            }
            return Ok(rows);
        }
        let mut scan = table.scan(.., Direction::Ascending)?;
        while let Some(row) = scan.next().await? {
            rows.push((row.get("id")?, row.get("value")?));
        }
        rows.retain(|row| condition.is_none_or(|condition| holds(condition, row.1)));
        Ok(rows)
    }

    async fn run(&mut self, sql: &str) -> Result<Option<Rows>> {
        let (sql, condition) = match sql.split_once(" WHERE ") {
            Some((sql, condition)) => (sql, Some(condition)),
            None => (sql, None),
        };
        if sql == "SELECT count(*),sum(value) FROM test" {
            let rows = self.select(None).await?;
            return Ok(Some(vec![(rows.len() as i64, rows.iter().map(|row| row.1).sum())]));
        }
        if sql.starts_with("SELECT") {
            return self.select(condition).await.map(Some);
        }
        if let Some(change) = sql.strip_prefix("UPDATE test SET value=") {
            for (id, old) in self.select(condition).await? {
                let new = match change.strip_prefix("value+") {
                    Some(more) => old + more.parse::<i64>().unwrap(),
                    None => change.parse().unwrap(),
                };
                assert!(self.tx.table("test")?.set(RowId(id), &[("value", &new)]).await?);
            }
        } else if let Some(values) = sql.strip_prefix("INSERT INTO test VALUES ") {
            let mut sum = 0;
            if values.contains("SELECT") {
                sum = self.select(None).await?.iter().map(|row| row.1).sum();
            }
            let values = values.replace("(SELECT sum(value) FROM test)", &sum.to_string());
            for row in values.trim_matches(['(', ')']).split("),(") {
                let (id, new) = row.split_once(',').unwrap();
                let (id, new): (i64, i64) = (id.parse().unwrap(), new.parse().unwrap());
                self.tx.table("test")?.insert((id, new)).await?;
            }
        } else if sql == "DELETE FROM test" {
            for (id, _) in self.select(condition).await? {
                assert!(self.tx.table("test")?.delete(RowId(id)).await?);
            }
        } else if sql == "SAVEPOINT s" {
            self.savepoint = Some(self.tx.savepoint());
        } else if sql == "ROLLBACK TO s" {
            self.tx.rollback_to(self.savepoint.unwrap())?;
        } else if sql == "CREATE TABLE other(x)" {
            self.tx.create_table(sql).await?;
        } else {
            panic!("not understood: {sql}");
        }
        Ok(None)
    }
}

/// The database that a schedule begins with.
async fn prepared(schedule: &Schedule) -> Database {
    let db = Database::open_in_memory(Options::default()).await.unwrap();
    let (create, rows) = match schedule.setup.split_once("INSERT INTO test VALUES ") {
        Some((create, rows)) => (create, rows.trim_end_matches("foreign_keys=ON")),
        None => ("CREATE TABLE test(id INTEGER PRIMARY KEY, value INTEGER)", "(1,10),(2,20)"),
    };
    let mut tx = db.begin().await.unwrap();
    tx.create_table(create).await.unwrap();
    if !create.contains("UNIQUE") {
        tx.create_index("CREATE INDEX by_value ON test(value)").await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut setup = Client { tx: db.begin().await.unwrap(), savepoint: None };
    setup.run(&format!("INSERT INTO test VALUES {rows}")).await.unwrap();
    setup.tx.commit().await.unwrap();
    db
}

/// Runs a schedule; returns who committed and what is there then.
async fn run(schedule: &Schedule, db: &Database, options: TxOptions) -> (BTreeSet<String>, String) {
    let mut clients: BTreeMap<&str, Client> = BTreeMap::new();
    let mut committed = BTreeSet::new();
    for (who, what) in &schedule.lines {
        if what == "begin" {
            let tx = db.begin_with(options).await.unwrap();
            clients.insert(who, Client { tx, savepoint: None });
            continue;
        }
        let Some(mut client) = clients.remove(&**who) else { continue };
        match &**what {
            "rollback" => client.tx.rollback(),
            "commit" => match client.tx.commit().await {
                Ok(_) => drop(committed.insert(who.clone())),
                Err(Error::Conflict(_)) => {}
                Err(other) => panic!("{}: {other}", schedule.name),
            },
            statement => {
                let (sql, expected) = match statement.split_once(" -> ") {
                    Some((sql, rows)) => (sql, Some(rows)),
                    None => (statement, None),
                };
                let found = match client.run(sql).await {
                    Ok(found) => found,
                    Err(Error::Conflict(_)) => continue,
                    Err(other) => panic!("{}, {who}: {sql}: {other}", schedule.name),
                };
                if let (Some(expected), Some(found)) = (expected, &found) {
                    assert_eq!(shown(found), expected, "{}, {who}: {sql}", schedule.name);
                }
                clients.insert(who, client);
            }
        }
    }
    drop(clients);
    let mut fresh = Client { tx: db.begin().await.unwrap(), savepoint: None };
    let rows = fresh.select(None).await.unwrap();
    (committed, shown(&rows))
}

#[test]
fn every_schedule_ends_as_its_level_allows() {
    let Some(schedules) = schedules::all() else { return };
    let (mut failed, mut ran) = (Vec::new(), 0);
    block_on(async {
        for schedule in &schedules {
            for (isolation, level) in
                [(Isolation::Snapshot, "SI"), (Isolation::Serializable, "SER")]
            {
                let db = prepared(schedule).await;
                let options = TxOptions { isolation, ..TxOptions::default() };
                let (who, there) = run(schedule, &db, options).await;
                ran += 1;
                if schedule.setup.contains("REFERENCES") {
                    // Foreign keys are not enforced, as in SQLite until it is told to: an orphan stays.
                    assert_eq!((who.len(), &*there), (2, "1:1 3:2"), "{}", schedule.name);
                } else if !schedule.allows(level, &who, &there) {
                    failed.push(format!("{} at {level}: {who:?} => {there}", schedule.name));
                }
                db.close().await.unwrap();
            }
        }
    });
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(ran, schedules.len() * 2);
}
