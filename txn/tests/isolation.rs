//! The schedules of `../shared/isolation-anomalies.md`, run at both levels through a few words of SQL.
//!
//! A row is `key(id) -> value`; a UNIQUE column is a second tree, a foreign key a read of the parent.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "common/schedules.rs"]
mod schedules;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::Unbounded;

use common::*;
use heddle_txn::{Direction, Error, Isolation, Manager, Result, Savepoint, Transaction, TxOptions};
use schedules::{Rows, Schedule, holds, ids_of, shown};

const TABLE: u32 = 2;
const UNIQUE: u32 = 3;
const OTHER: u32 = 4;

/// One transaction, and what its schema asks of it.
struct Client<'s> {
    tx: Transaction,
    schedule: &'s Schedule,
    savepoint: Option<Savepoint>,
}

impl Client<'_> {
    fn unique(&self) -> bool {
        self.schedule.setup.contains("UNIQUE")
    }

    /// The rows that a condition holds for: by key where it names keys, else by a scan.
    fn select(&mut self, condition: Option<&str>) -> Result<Rows> {
        let t = table(TABLE);
        if let Some(ids) = condition.and_then(ids_of) {
            let mut rows = Vec::new();
            for id in ids {
                if let Some(found) = block_on(self.tx.get(&t, &key(id)))? {
                    rows.push((id, number(&found)));
                }
            }
            return Ok(rows);
        }
        let mut cursor = self.tx.range(&t, Unbounded, Unbounded, Direction::Forward);
        let mut rows = Vec::new();
        while let Some((k, v)) = block_on(cursor.next(&mut self.tx))? {
            rows.push((rowid(&k), number(&v)));
        }
        rows.retain(|row| condition.is_none_or(|condition| holds(condition, row.1)));
        Ok(rows)
    }

    fn put(&mut self, id: i64, new: i64, old: Option<i64>) -> Result<()> {
        if self.unique() {
            let claimed = block_on(self.tx.get_for_constraint(&table(UNIQUE), &key(new)))?;
            assert!(claimed.is_none_or(|by| number(&by) == id), "a unique violation");
            if let Some(old) = old {
                self.tx.delete(&table(UNIQUE), key(old))?;
            }
            self.tx.put(&table(UNIQUE), key(new), value(id))?;
        }
        if self.schedule.setup.contains("REFERENCES") && new != id {
            let parent = block_on(self.tx.get_for_constraint(&table(TABLE), &key(new)))?;
            assert!(parent.is_some(), "a foreign key violation");
        }
        self.tx.put(&table(TABLE), key(id), value(new))
    }

    fn run(&mut self, sql: &str) -> Result<Option<Rows>> {
        let (sql, condition) = match sql.split_once(" WHERE ") {
            Some((sql, condition)) => (sql, Some(condition)),
            None => (sql, None),
        };
        if sql == "SELECT count(*),sum(value) FROM test" {
            let rows = self.select(None)?;
            return Ok(Some(vec![(rows.len() as i64, rows.iter().map(|row| row.1).sum())]));
        }
        if sql.starts_with("SELECT") {
            return self.select(condition).map(Some);
        }
        if let Some(change) = sql.strip_prefix("UPDATE test SET value=") {
            for (id, old) in self.select(condition)? {
                let new = match change.strip_prefix("value+") {
                    Some(more) => old + more.parse::<i64>().unwrap(),
                    None => change.parse().unwrap(),
                };
                self.put(id, new, Some(old))?;
            }
        } else if let Some(values) = sql.strip_prefix("INSERT INTO test VALUES ") {
            let sum: i64 = self.select_sum(values)?;
            let values = values.replace("(SELECT sum(value) FROM test)", &sum.to_string());
            for row in values.trim_matches(['(', ')']).split("),(") {
                let (id, new) = row.split_once(',').unwrap();
                let (id, new) = (id.parse().unwrap(), new.parse().unwrap());
                let taken = block_on(self.tx.get_for_constraint(&table(TABLE), &key(id)))?;
                assert!(taken.is_none(), "a primary key violation");
                self.put(id, new, None)?;
            }
        } else if sql == "DELETE FROM test" {
            for (id, old) in self.select(condition)? {
                if self.unique() {
                    self.tx.delete(&table(UNIQUE), key(old))?;
                }
                self.tx.delete(&table(TABLE), key(id))?;
            }
        } else if sql == "SAVEPOINT s" {
            self.savepoint = Some(self.tx.savepoint());
        } else if sql == "ROLLBACK TO s" {
            self.tx.rollback_to(self.savepoint.unwrap())?;
        } else if sql == "CREATE TABLE other(x)" {
            self.tx.put(&table(1), key(2), value(0))?;
            self.tx.change_schema(&table(OTHER), heddle_base::SchemaVersion(1));
        } else {
            panic!("not understood: {sql}");
        }
        Ok(None)
    }

    fn select_sum(&mut self, values: &str) -> Result<i64> {
        if !values.contains("SELECT") {
            return Ok(0);
        }
        Ok(self.select(None)?.iter().map(|row| row.1).sum())
    }
}

/// Runs a schedule; returns who committed and what is there then.
fn run(schedule: &Schedule, manager: &Manager, options: TxOptions) -> (BTreeSet<String>, String) {
    let fresh = || Client { tx: manager.try_begin(options).unwrap(), schedule, savepoint: None };
    let mut setup = fresh();
    let rows = schedule.setup.split_once("INSERT INTO test VALUES ").map(|(_, rows)| rows);
    let rows = rows.unwrap_or("(1,10),(2,20)").trim_end_matches("foreign_keys=ON");
    setup.run(&format!("INSERT INTO test VALUES {rows}")).unwrap();
    block_on(setup.tx.commit()).unwrap();

    let mut clients: BTreeMap<&str, Client<'_>> = BTreeMap::new();
    let mut committed = BTreeSet::new();
    for (who, what) in &schedule.lines {
        if what == "begin" {
            clients.insert(who, fresh());
            continue;
        }
        let Some(mut client) = clients.remove(&**who) else { continue };
        match &**what {
            "rollback" => continue,
            "commit" => match block_on(client.tx.commit()) {
                Ok(_) => drop(committed.insert(who.clone())),
                Err(Error::Conflict(_)) => {}
                Err(other) => panic!("{}: {other}", schedule.name),
            },
            statement => {
                let (sql, expected) = match statement.split_once(" -> ") {
                    Some((sql, rows)) => (sql, Some(rows)),
                    None => (statement, None),
                };
                let found = client.run(sql).unwrap();
                if let (Some(expected), Some(found)) = (expected, &found) {
                    assert_eq!(shown(found), expected, "{}, {who}: {sql}", schedule.name);
                }
                clients.insert(who, client);
            }
        }
    }
    (committed, shown(&rows_of(manager)))
}

fn rows_of(manager: &Manager) -> Rows {
    rows(&mut begin(manager), &table(TABLE))
}

#[test]
fn every_schedule_ends_as_its_level_allows() {
    let Some(schedules) = schedules::all() else { return };
    let mut failed = Vec::new();
    for schedule in &schedules {
        for (isolation, level) in [(Isolation::Snapshot, "SI"), (Isolation::Serializable, "SER")] {
            let options = TxOptions { isolation, ..TxOptions::default() };
            let (who, there) = run(schedule, &manager(), options);
            if !schedule.allows(level, &who, &there) {
                failed.push(format!("{} at {level}: {who:?} => {there}", schedule.name));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
