//! The merged cursor against a model, both ways: a base that stock SQLite wrote, newer versions, own writes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use common::*;
use heddle_base::{PageNo, TreeId};
use heddle_btree::tree::Tree;
use heddle_txn::{Direction, Manager, Transaction, TxOptions};
use proptest::prelude::*;

const T: u32 = 2;
const ROWS: i64 = 400;

type Model = BTreeMap<i64, Vec<u8>>;

/// Even rowids in a base of many small pages; every tenth row has an overflow chain.
fn base(dir: &tempfile::TempDir) -> (Manager, Model) {
    let path = dir.path().join("x.db");
    let stock = rusqlite::Connection::open(&path).unwrap();
    stock
        .execute_batch(&format!(
            "PRAGMA page_size=512; CREATE TABLE t(a INTEGER PRIMARY KEY, b);
             WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+2 FROM n WHERE i<{ROWS}-2)
             INSERT INTO t SELECT i, zeroblob(CASE WHEN i%20=0 THEN 900 ELSE 9 END) FROM n;"
        ))
        .unwrap();
    let root: u32 =
        stock.query_row("SELECT rootpage FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    drop(stock);
    let manager = manager_over(&path, &[(TreeId(T), PageNo(root))]);
    let mut cursor = Tree::table(PageNo(root)).cursor(manager.base().snapshot);
    let mut model = Model::new();
    while block_on(cursor.next()).unwrap() {
        let (k, v) = block_on(cursor.entry()).unwrap();
        model.insert(rowid(k), v.to_vec());
    }
    assert_eq!(model.len() as i64, ROWS / 2);
    (manager, model)
}

fn change(model: &mut Model, tx: &mut Transaction, row: i64, new: Option<u8>) {
    let t = table(T);
    match new {
        Some(new) => {
            tx.put(&t, key(row), Bytes::from(vec![new; 3])).unwrap();
            model.insert(row, vec![new; 3]);
        }
        None => {
            tx.delete(&t, key(row)).unwrap();
            model.remove(&row);
        }
    }
}

fn walk(
    tx: &mut Transaction,
    bounds: (Bound<i64>, Bound<i64>),
    way: Direction,
) -> Vec<(i64, Vec<u8>)> {
    let mut cursor = tx.range(&table(T), bounds.0.map(key), bounds.1.map(key), way);
    let mut found = Vec::new();
    let row = |k: &[u8], v: &[u8]| (rowid(k), v.to_vec());
    while let Some(next) = block_on(cursor.next_with(tx, row)).unwrap() {
        found.push(next);
    }
    assert!(block_on(cursor.next(tx)).unwrap().is_none(), "an ended walk stays ended");
    found
}

fn bound() -> impl Strategy<Value = Bound<i64>> {
    prop_oneof![
        Just(Bound::Unbounded),
        (-2..ROWS + 2).prop_map(Bound::Included),
        (-2..ROWS + 2).prop_map(Bound::Excluded),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn c1_walks_meet_what_a_model_holds(
        newer in proptest::collection::vec((0..ROWS, any::<Option<u8>>()), 0..200),
        own in proptest::collection::vec((0..ROWS, any::<Option<u8>>()), 0..60),
        later in proptest::collection::vec((0..ROWS, any::<Option<u8>>()), 0..60),
        ranges in proptest::collection::vec((bound(), bound()), 1..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (manager, mut model) = base(&dir);
        let mut writer = begin(&manager);
        for (row, new) in newer {
            change(&mut model, &mut writer, row, new);
        }
        block_on(writer.commit()).unwrap();
        let mut tx = manager.try_begin(TxOptions::default()).unwrap();
        for (row, new) in own {
            change(&mut model, &mut tx, row, new);
        }
        // What is committed after the snapshot is not seen.
        let mut writer = begin(&manager);
        for (row, new) in later {
            change(&mut Model::new(), &mut writer, row, new);
        }
        block_on(writer.commit()).unwrap();
        for (lower, upper) in ranges {
            let inside = |row: i64| {
                let above = match lower {
                    Bound::Unbounded => true,
                    Bound::Included(lower) => row >= lower,
                    Bound::Excluded(lower) => row > lower,
                };
                let below = match upper {
                    Bound::Unbounded => true,
                    Bound::Included(upper) => row <= upper,
                    Bound::Excluded(upper) => row < upper,
                };
                above && below
            };
            let mut expected: Vec<_> =
                model.iter().filter(|(row, _)| inside(**row)).map(|(r, v)| (*r, v.clone())).collect();
            prop_assert_eq!(&walk(&mut tx, (lower, upper), Direction::Forward), &expected);
            expected.reverse();
            prop_assert_eq!(&walk(&mut tx, (lower, upper), Direction::Backward), &expected);
        }
        for row in 0..ROWS {
            let found = block_on(tx.get(&table(T), &key(row))).unwrap();
            prop_assert_eq!(found.as_deref(), model.get(&row).map(|v| &v[..]));
        }
    }
}
