//! Files in SQLite's older schema formats, where `DESC` is parsed and ignored.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails panics, and a test may start threads"
)]

use std::path::Path;

use heddle_engine::{Database, Direction, Options, RowId};
use rusqlite::config::DbConfig;

mod common;
use common::{block_on, stock_check, stock_rows};

/// The schema format in the header.
fn schema_format(path: &Path) -> u32 {
    let file = std::fs::read(path).unwrap();
    u32::from_be_bytes(file[44..48].try_into().unwrap())
}

/// A connection that makes new files in format 1.
fn legacy(path: &Path) -> rusqlite::Connection {
    let stock = rusqlite::Connection::open(path).unwrap();
    stock.set_db_config(DbConfig::SQLITE_DBCONFIG_LEGACY_FILE_FORMAT, true).unwrap();
    stock
}

/// The `n` of all rows in the order of the index.
async fn by_index(db: &Database, table: &str, index: &str) -> Vec<i64> {
    let mut tx = db.begin().await.unwrap();
    let mut table = tx.table(table).unwrap();
    let mut index = table.index(index).unwrap();
    let mut scan = index.scan([0_i64; 0], Direction::Ascending).unwrap();
    let mut found = Vec::new();
    while let Some(row) = scan.next().await.unwrap() {
        found.push(row.get("n").unwrap());
    }
    found
}

#[test]
fn desc_is_ignored_in_a_file_of_format_1_and_the_file_stays_sound() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let stock = legacy(&path);
    stock
        .execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, UNIQUE (n DESC));
             CREATE INDEX old ON t (n DESC);
             CREATE TABLE w (n INT, m INT, PRIMARY KEY (n DESC)) WITHOUT ROWID;
             INSERT INTO t (n) VALUES (0), (5), (1), (300), (7);
             INSERT INTO w SELECT n, n FROM t;",
        )
        .unwrap();
    drop(stock);
    assert_eq!(schema_format(&path), 1);
    block_on(async {
        let db = Database::open(&path, Options::default()).await.unwrap();
        assert_eq!(by_index(&db, "t", "old").await, [0, 1, 5, 7, 300]);
        let mut tx = db.begin().await.unwrap();
        tx.create_index("CREATE INDEX new ON t (n DESC)").await.unwrap();
        let mut table = tx.table("t").unwrap();
        for n in [2, -4, 6] {
            table.insert((None::<i64>, n)).await.unwrap();
        }
        table.delete(RowId(4)).await.unwrap();
        let mut table = tx.table("w").unwrap();
        for n in [2, -4, 6] {
            table.insert((n, n)).await.unwrap();
        }
        assert!(table.delete_key((300,)).await.unwrap());
        tx.commit().await.unwrap();
        drop(db);
        // The log is replayed, as after a crash: what DESC means must not depend on where a definition comes from.
        let db = Database::open(&path, Options::default()).await.unwrap();
        for index in ["old", "new", "sqlite_autoindex_t_1"] {
            assert_eq!(by_index(&db, "t", index).await, [-4, 0, 1, 2, 5, 6, 7], "{index}");
        }
        db.checkpoint().await.unwrap();
        assert_eq!(db.check().await.unwrap(), [""; 0]);
        db.close().await.unwrap();
    });
    stock_check(&path);
    assert_eq!(schema_format(&path), 3, "a change of the schema never makes it 4");
    for index in ["old", "new", "sqlite_autoindex_t_1"] {
        let sql = format!("SELECT n FROM t INDEXED BY {index} WHERE n > -99 ORDER BY n DESC");
        assert_eq!(stock_rows(&path, &sql), ["7", "6", "5", "2", "1", "0", "-4"], "{index}");
    }
    assert_eq!(stock_rows(&path, "SELECT n FROM w WHERE n < 3"), ["-4", "0", "1", "2"]);
    // And stock goes on.
    let stock = rusqlite::Connection::open(&path).unwrap();
    stock
        .execute_batch("INSERT INTO t (n) VALUES (9), (-9); CREATE INDEX s ON t (n DESC)")
        .unwrap();
    drop(stock);
    stock_check(&path);
    block_on(async {
        let db = Database::open(&path, Options::default()).await.unwrap();
        assert_eq!(by_index(&db, "t", "s").await, [-9, -4, 0, 1, 2, 5, 6, 7, 9]);
        db.close().await.unwrap();
    });
}

#[test]
fn desc_counts_in_the_first_table_of_a_file_that_never_had_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let stock = rusqlite::Connection::open(&path).unwrap();
    stock.execute_batch("PRAGMA user_version = 7").unwrap();
    drop(stock);
    assert_eq!(schema_format(&path), 0);
    let create = async |sql| {
        let db = Database::open(&path, Options::default()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table(&format!("CREATE TABLE {sql} (id INTEGER PRIMARY KEY, n INT)"))
            .await
            .unwrap();
        tx.create_index(&format!("CREATE INDEX {sql}_n ON {sql} (n DESC)")).await.unwrap();
        let mut table = tx.table(sql).unwrap();
        for n in [1, 3, 2] {
            table.insert((None::<i64>, n)).await.unwrap();
        }
        tx.commit().await.unwrap();
        db
    };
    block_on(async {
        // Dropped, and so replayed from the log over a file of format 0.
        drop(create("a").await);
        let db = create("b").await;
        for name in ["a", "b"] {
            assert_eq!(by_index(&db, name, &format!("{name}_n")).await, [3, 2, 1]);
        }
        db.close().await.unwrap();
    });
    assert_eq!(schema_format(&path), 4);
    stock_check(&path);
    let sql = "SELECT n FROM a INDEXED BY a_n WHERE n > 0 ORDER BY n DESC";
    assert_eq!(stock_rows(&path, sql), ["3", "2", "1"]);
}

#[test]
fn records_of_an_old_format_have_no_constants() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old.db"), dir.path().join("new.db"));
    for path in [&old, &new] {
        let stock =
            if *path == old { legacy(path) } else { rusqlite::Connection::open(path).unwrap() };
        stock.execute_batch("CREATE TABLE t (a, b, c)").unwrap();
        drop(stock);
        block_on(async {
            let db = Database::open(path, Options::default()).await.unwrap();
            db.insert("t", (0, 1, 2)).await.unwrap();
            db.close().await.unwrap();
        });
        stock_check(path);
        assert_eq!(stock_rows(path, "SELECT a + b + c FROM t"), ["3"]);
        let file = std::fs::read(path).unwrap();
        let has = |record: &[u8]| file.windows(record.len()).any(|bytes| bytes == record);
        // The header's length, three serial types, the bodies.
        assert_eq!(has(&[4, 1, 1, 1, 0, 1, 2]), *path == old);
        assert_eq!(has(&[4, 8, 9, 1, 2]), *path == new);
    }
}

#[test]
fn an_automatic_index_forgets_the_direction_of_the_primary_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let stock = rusqlite::Connection::open(&path).unwrap();
    stock
        .execute_batch(
            "CREATE TABLE w (n INT, m INT UNIQUE, PRIMARY KEY (n DESC)) WITHOUT ROWID;
             CREATE INDEX told ON w (m);
             INSERT INTO w VALUES (1, NULL), (2, NULL), (5, NULL), (4, 7);",
        )
        .unwrap();
    drop(stock);
    block_on(async {
        let db = Database::open(&path, Options::default()).await.unwrap();
        assert_eq!(by_index(&db, "w", "sqlite_autoindex_w_1").await, [1, 2, 5, 4]);
        assert_eq!(by_index(&db, "w", "told").await, [5, 2, 1, 4]);
        db.insert("w", (3, None::<i64>)).await.unwrap();
        assert_eq!(by_index(&db, "w", "sqlite_autoindex_w_1").await, [1, 2, 3, 5, 4]);
        db.close().await.unwrap();
    });
    stock_check(&path);
}
