//! Trees, rows as bytes and the schema's objects, as who makes SQL of the engine uses them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::ops::Bound;
use std::sync::Arc;

use heddle_engine::raw::{ObjectKind, Step};
use heddle_engine::{Database, Direction, Options, RowId};

mod common;
use common::block_on;

const SQL: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, name TEXT COLLATE NOCASE, twice AS (n * 2), CHECK (n <> 13));
    CREATE TABLE w (a TEXT, b INT, PRIMARY KEY (b DESC, a COLLATE RTRIM)) WITHOUT ROWID;
    CREATE INDEX by_expr ON t (n + 1, (name), lower(name) COLLATE NOCASE DESC);
    CREATE UNIQUE INDEX part ON t (name) WHERE n > 10;
    CREATE VIEW v AS SELECT * FROM t;
    CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END;
    INSERT INTO t (id, n, name) VALUES (1, 5, 'A'), (2, 11, 'b'), (3, 12, 'C');
    INSERT INTO w VALUES ('x', 1), ('y', 2);
";

#[test]
fn every_object_of_a_stock_file_is_there_with_its_tree() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(SQL).unwrap();
    block_on(async {
        let db = Database::open(&path, Options::default()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        let schema = Arc::clone(tx.schema());
        let found: Vec<_> = schema
            .objects()
            .iter()
            .map(|o| (o.kind.as_str(), &*o.name, &*o.table, o.row.0, o.tree.is_some()))
            .collect();
        assert_eq!(
            found,
            [
                ("table", "t", "t", 1, true),
                ("table", "w", "w", 2, true),
                ("index", "by_expr", "t", 3, true),
                ("index", "part", "t", 4, true),
                ("view", "v", "v", 5, false),
                ("trigger", "g", "t", 6, false),
            ]
        );
        assert!(Arc::ptr_eq(&schema, db.begin().await.unwrap().schema()));
        let tree = |kind, name| schema.find(kind, name).unwrap().tree.clone().unwrap();
        let t = tree(ObjectKind::Table, "T");
        assert!(t.is_table() && t.is_ordered());
        let by_expr = tree(ObjectKind::Index, "by_expr");
        let order: Vec<_> = by_expr.shape().unwrap().columns.iter().collect();
        let told: Vec<_> =
            order.iter().map(|c| format!("{:?} {}", c.collation, c.descending)).collect();
        assert_eq!(told, ["Binary false", "NoCase false", "NoCase true", "Binary false"]);
        // Walked, and found by key and in place.
        let mut rows = tx.cursor(&t, Bound::Unbounded, Bound::Unbounded, Direction::Descending);
        let mut ids = Vec::new();
        while rows.step(&mut tx).await.unwrap() {
            ids.push(rows.rowid().unwrap());
            let key = rows.key().unwrap().to_vec();
            let record = tx.read(&t, &key).await.unwrap().unwrap();
            assert_eq!(rows.record(), Some(&*record));
            assert_eq!(rows.row(), Some((ids[ids.len() - 1], &*record)));
            let same = tx.try_read_with(&t, &key, |found| found == &*record).unwrap();
            assert!(matches!(same, Step::Row(Some(true)) | Step::NeedsIo));
        }
        assert_eq!(ids, [3, 2, 1]);
        for (kind, name, entries) in [
            (ObjectKind::Index, "by_expr", 3),
            (ObjectKind::Index, "part", 2),
            (ObjectKind::Table, "w", 2),
        ] {
            let tree = tree(kind, name);
            let mut walk =
                tx.cursor(&tree, Bound::Unbounded, Bound::Unbounded, Direction::Ascending);
            let mut count = 0;
            while walk.step(&mut tx).await.unwrap() {
                // The key that the shape makes is the one by which the entry is found.
                let (key, record) = (walk.key().unwrap().to_vec(), walk.record().unwrap().to_vec());
                assert_eq!(
                    tx.read(&tree, &key).await.unwrap().as_deref(),
                    Some(&*record),
                    "{name}"
                );
                count += 1;
            }
            assert_eq!(count, entries, "{name}");
        }
        assert_eq!(tx.new_rowid(&t, false).await.unwrap(), RowId(4));
        drop(tx);
        assert_eq!(db.check().await.unwrap(), [""; 0]);
        db.close().await.unwrap();
    });
}
