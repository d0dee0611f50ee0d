//! Tables and indexes made, altered and dropped here, as stock SQLite sees them, and the other way round.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails panics, and a test may start threads"
)]

use heddle_engine::{
    AutoVacuum, Constraint, Database, Direction, Encoding, Error, Options, RowId, Transaction,
    Value,
};

mod common;
use common::{block_on, create, stock_check, stock_rows};

/// Runs `make` in one transaction of a new database, with or without a checkpoint before the end, and closes it.
fn made(
    options: Options,
    make: impl AsyncFn(&mut Transaction) -> heddle_engine::Result<()>,
) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        let db = Database::open(&path, options).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        make(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        db.checkpoint().await.unwrap();
        assert_eq!(db.check().await.unwrap(), [""; 0]);
        db.close().await.unwrap();
    });
    stock_check(&path);
    (dir, path)
}

#[test]
fn stock_reads_every_kind_of_table_and_index() {
    for encoding in [Encoding::Utf8, Encoding::Utf16Le] {
        for auto_vacuum in [AutoVacuum::None, AutoVacuum::Full, AutoVacuum::Incremental] {
            let options = Options { encoding, auto_vacuum, page_size: 512, ..Options::default() };
            let (_dir, path) = made(options, async |tx| {
                tx.create_table("CREATE TABLE plain (a, b TEXT DEFAULT 'x', c REAL NOT NULL)")
                    .await?;
                tx.create_table(
                    "CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT UNIQUE)",
                )
                .await?;
                tx.create_table(
                    "CREATE TABLE bare (k TEXT COLLATE NOCASE, n INT, v, PRIMARY KEY (k, n DESC)) WITHOUT ROWID",
                )
                .await?;
                tx.create_index("CREATE UNIQUE INDEX two ON plain (a, b DESC)").await?;
                tx.create_index("CREATE INDEX nocase ON plain (b COLLATE NOCASE)").await?;
                for i in 0..200_i64 {
                    let mut plain = tx.table("plain")?;
                    let text = format!("Text {} \u{e9}", i % 17);
                    plain.insert((i / 2, format!("{text} {i}"), i as f64 / 4.0)).await?;
                    tx.table("auto")?.insert((None::<i64>, format!("v{i}"))).await?;
                    tx.table("bare")?
                        .insert((format!("Key{}", i % 20), i, vec![1_u8; 100]))
                        .await?;
                }
                tx.create_index("CREATE INDEX late ON bare (v, n)").await?;
                Ok(())
            });
            assert_eq!(stock_rows(&path, "SELECT count(*) FROM plain WHERE a >= 50"), ["100"]);
            assert_eq!(stock_rows(&path, "SELECT count(*) FROM bare WHERE k = 'key3'"), ["10"]);
            assert_eq!(stock_rows(&path, "SELECT seq FROM sqlite_sequence"), ["200"]);
            assert_eq!(stock_rows(&path, "SELECT v FROM auto WHERE v = 'v77'"), ["v77"]);
            let sql = "SELECT count(*) FROM plain INDEXED BY nocase WHERE b LIKE 'text 3 %'";
            assert_eq!(stock_rows(&path, sql).len(), 1);
        }
    }
}

#[test]
fn altered_and_dropped_tables_are_so_for_stock_too() {
    for auto_vacuum in [AutoVacuum::None, AutoVacuum::Full] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        block_on(async {
            let options = Options { auto_vacuum, page_size: 1024, ..Options::default() };
            let db = Database::open(&path, options).await.unwrap();
            let mut tx = db.begin().await.unwrap();
            for name in ["one", "two", "three", "four"] {
                tx.create_table(&format!(
                    "CREATE TABLE {name} (a INTEGER PRIMARY KEY, b TEXT UNIQUE)"
                ))
                .await
                .unwrap();
                let mut table = tx.table(name).unwrap();
                for i in 0..100 {
                    table.insert((None::<i64>, format!("{name} {i}"))).await.unwrap();
                }
            }
            tx.commit().await.unwrap();
            db.checkpoint().await.unwrap();
            let mut tx = db.begin().await.unwrap();
            tx.drop_table("one").await.unwrap();
            tx.rename_table("two", "deux").await.unwrap();
            tx.add_column("three", "c INT DEFAULT 7").await.unwrap();
            tx.table("three").unwrap().insert((None::<i64>, "new", 8)).await.unwrap();
            tx.create_index("CREATE INDEX three_c ON three (c)").await.unwrap();
            tx.create_index("CREATE INDEX four_b ON four (b DESC)").await.unwrap();
            tx.commit().await.unwrap();
            // Without a checkpoint between: the log brings it back.
            drop(db);
            let db = Database::open(&path, Options::default()).await.unwrap();
            let mut tx = db.begin().await.unwrap();
            assert!(matches!(tx.table("one"), Err(Error::NoSuchTable { .. })));
            let mut deux = tx.table("deux").unwrap();
            assert_eq!(
                deux.get(RowId(5)).await.unwrap().unwrap().get::<String>("b").unwrap(),
                "two 4"
            );
            let mut three = tx.table("three").unwrap();
            assert_eq!(three.get(RowId(5)).await.unwrap().unwrap().get::<i64>("c").unwrap(), 7);
            tx.drop_index("four_b").await.unwrap();
            tx.commit().await.unwrap();
            db.close().await.unwrap();
        });
        stock_check(&path);
        let names = "SELECT name FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
        assert_eq!(stock_rows(&path, names), ["deux", "four", "three", "three_c"]);
        assert_eq!(stock_rows(&path, "SELECT count(*) FROM three WHERE c = 7"), ["100"]);
        assert_eq!(stock_rows(&path, "SELECT b FROM deux WHERE b = 'two 99'"), ["two 99"]);
    }
}

#[test]
fn what_stock_made_is_changed_here_and_read_by_stock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let stock = rusqlite::Connection::open(&path).unwrap();
    stock
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INT);
             CREATE INDEX by_n ON t (n DESC, name COLLATE NOCASE);
             CREATE VIEW v AS SELECT name FROM t;
             WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2000)
             INSERT INTO t SELECT x, 'name ' || x, x % 10 FROM c;",
        )
        .unwrap();
    // Left in WAL mode, with its -wal.
    let copy = dir.path().join("y.db");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(dir.path().join("x.db-wal"), dir.path().join("y.db-wal")).unwrap();
    drop(stock);
    for path in [&path, &copy] {
        block_on(async {
            let db = Database::open(path, Options::default()).await.unwrap();
            db.transaction(|tx| {
                Box::pin(async move {
                    let mut t = tx.table("t")?;
                    for id in (1..=2000).step_by(3) {
                        t.set(RowId(id), &[("n", &99)]).await?;
                    }
                    for id in (2..=2000).step_by(30) {
                        t.delete(RowId(id)).await?;
                    }
                    t.insert((None::<i64>, "fresh", 1)).await
                })
            })
            .await
            .unwrap();
            let mut tx = db.begin().await.unwrap();
            let mut t = tx.table("t").unwrap();
            let mut index = t.index("by_n").unwrap();
            let mut scan = index.scan((99,), Direction::Ascending).unwrap();
            let mut count = 0;
            while let Some(row) = scan.next().await.unwrap() {
                assert_eq!(row.get::<i64>("n").unwrap(), 99);
                count += 1;
            }
            assert_eq!(count, 667);
            drop(tx);
            db.close().await.unwrap();
        });
        stock_check(path);
        let sql = "SELECT count(*) FROM t INDEXED BY by_n WHERE n = 99";
        assert_eq!(stock_rows(path, sql), ["667"]);
        assert_eq!(stock_rows(path, "SELECT max(id) FROM t"), ["2001"]);
        assert_eq!(stock_rows(path, "PRAGMA journal_mode"), ["wal"], "the mode is as it was found");
    }
}

#[test]
fn constraints_are_errors_that_leave_the_transaction_going() {
    block_on(async {
        let db = Database::open_in_memory(Options::default()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT NOT NULL)")
            .await
            .unwrap();
        let mut t = tx.table("t").unwrap();
        t.insert((None::<i64>, "a", 1)).await.unwrap();
        let twice = t.insert((None::<i64>, "a", 2)).await;
        assert!(matches!(
            twice,
            Err(Error::Constraint(Constraint::Unique { existing: Some(1), .. }))
        ));
        let null = t.insert((None::<i64>, "b", None::<i64>)).await;
        assert!(matches!(null, Err(Error::Constraint(Constraint::NotNull { .. }))));
        let rowid = t.insert((1, "c", 3)).await;
        assert!(matches!(rowid, Err(Error::Constraint(Constraint::Unique { .. }))));
        assert!(matches!(t.insert((1, 2)).await, Err(Error::ColumnCount { .. })));
        let text = t.insert(("no integer", "d", 1)).await;
        assert!(matches!(text, Err(Error::Constraint(Constraint::Datatype { .. }))));
        for _ in 0..2 {
            t.insert((Value::Null, Value::Null, Value::Integer(1))).await.unwrap();
        }
        tx.commit().await.unwrap();
        let mut tx = db.begin().await.unwrap();
        assert!(matches!(
            tx.create_table("CREATE TABLE T (x)").await,
            Err(Error::AlreadyExists { .. })
        ));
        assert!(matches!(tx.create_table("CREATE TABLE").await, Err(Error::Definition { .. })));
        assert!(matches!(tx.table("nope"), Err(Error::NoSuchTable { .. })));
        let unique = tx.create_index("CREATE UNIQUE INDEX i ON t (n)").await;
        assert!(matches!(unique, Err(Error::Constraint(Constraint::Unique { .. }))), "{unique:?}");
    });
}

#[test]
fn autoincrement_gives_no_number_again_after_the_database_was_opened_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        for expected in [1, 3, 5] {
            let db = Database::open(&path, Options::default()).await.unwrap();
            let mut tx = db.begin().await.unwrap();
            let sql = "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY AUTOINCREMENT, v)";
            tx.create_table(sql).await.unwrap();
            let mut table = tx.table("t").unwrap();
            assert_eq!(table.insert((None::<i64>, 1)).await.unwrap(), RowId(expected));
            let last = table.insert((None::<i64>, 2)).await.unwrap();
            table.delete(last).await.unwrap();
            tx.commit().await.unwrap();
            db.close().await.unwrap();
        }
    });
    stock_check(&path);
}

#[test]
fn a_table_whose_end_only_the_log_knows_is_no_finding() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let options = || Options { auto_checkpoint: false, ..Options::default() };
    block_on(async {
        let db = Database::open(&path, options()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE t (a TEXT UNIQUE)").await.unwrap();
        tx.table("t").unwrap().insert(("x",)).await.unwrap();
        tx.commit().await.unwrap();
        db.checkpoint().await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.drop_table("t").await.unwrap();
        tx.commit().await.unwrap();
        drop(db);
        let db = Database::open(&path, options()).await.unwrap();
        assert_eq!(db.check().await.unwrap(), [""; 0]);
        db.close().await.unwrap();
    });
    stock_check(&path);
}

#[test]
fn after_a_recovery_a_new_table_does_not_take_the_place_of_one_that_is_still_empty() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        for name in ["a", "b", "c"] {
            let db = Database::open(&path, Options::default()).await.unwrap();
            create(&db, &format!("CREATE TABLE {name} (x TEXT UNIQUE, y INT)")).await;
            // Dropped and not closed: the next open recovers.
            drop(db);
        }
        let db = Database::open(&path, Options::default()).await.unwrap();
        for name in ["a", "b", "c"] {
            db.insert(name, (name, 1)).await.unwrap();
        }
        db.close().await.unwrap();
    });
    stock_check(&path);
    for name in ["a", "b", "c"] {
        assert_eq!(stock_rows(&path, &format!("SELECT x FROM {name}")), [name]);
    }
}

#[test]
fn autoincrement_and_rowids_go_as_in_stock() {
    let (_dir, path) = made(Options::default(), async |tx| {
        tx.create_table("CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, v)").await?;
        tx.create_table("CREATE TABLE b (id INTEGER PRIMARY KEY, v)").await?;
        for name in ["a", "b"] {
            let mut t = tx.table(name)?;
            assert_eq!(t.insert((None::<i64>, 1)).await?, RowId(1));
            assert_eq!(t.insert((10, 1)).await?, RowId(10));
            assert_eq!(t.insert((None::<i64>, 1)).await?, RowId(11));
            t.delete(RowId(11)).await?;
            let next = t.insert((None::<i64>, 1)).await?;
            assert_eq!(next, RowId(if name == "a" { 12 } else { 11 }));
        }
        Ok(())
    });
    assert_eq!(stock_rows(&path, "SELECT seq FROM sqlite_sequence WHERE name = 'a'"), ["12"]);
}

#[test]
fn who_relies_on_the_list_of_tables_conflicts_with_one_that_makes_another() {
    block_on(async {
        let db = Database::open_in_memory(Options::default()).await.unwrap();
        create(&db, "CREATE TABLE t (n INT)").await;
        for looks in [true, false] {
            let mut counting = db.begin().await.unwrap();
            if looks {
                let tables = counting.table_names().len() as i64;
                counting.table("t").unwrap().insert((tables,)).await.unwrap();
            } else {
                counting.table("t").unwrap().insert((0,)).await.unwrap();
            }
            create(&db, &format!("CREATE TABLE other_{looks} (n INT)")).await;
            assert_eq!(counting.commit().await.is_err(), looks);
        }
    });
}

#[test]
fn an_index_made_over_a_checkpoint_holds_what_its_transaction_wrote_before() {
    block_on(async {
        let options = Options { auto_checkpoint: false, ..Options::default() };
        let db = Database::open_in_memory(options).await.unwrap();
        create(&db, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await;
        db.insert("t", (1, 10)).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.table("t").unwrap().insert((2, 20)).await.unwrap();
        tx.table("t").unwrap().delete(RowId(1)).await.unwrap();
        // What others commit goes into the file, so that nobody knows what changed since the snapshot.
        db.insert("t", (3, 30)).await.unwrap();
        db.checkpoint().await.unwrap();
        tx.create_index("CREATE INDEX i ON t (n)").await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = db.snapshot().await.unwrap();
        let mut table = tx.table("t").unwrap();
        let mut index = table.index("i").unwrap();
        let mut scan = index.scan([0_i64; 0], heddle_engine::Direction::Ascending).unwrap();
        let mut rows = Vec::new();
        while let Some(row) = scan.next().await.unwrap() {
            rows.push(row.get::<i64>("id").unwrap());
        }
        assert_eq!(rows, [2, 3]);
    });
}

#[test]
fn a_number_in_a_text_column_is_the_text_that_stock_makes_of_it() {
    let numbers = [
        0.1,
        1.0 / 3.0,
        1e15,
        1e16,
        123_456_789.123_456_78,
        -0.0,
        2.5e-7,
        9.99e22,
        1e100,
        5e-324,
        f64::INFINITY,
        9_007_199_254_740_993.0,
        100.0,
        -1.5,
    ];
    let (_dir, path) = made(Options::default(), async |tx| {
        tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)").await?;
        for number in numbers {
            tx.table("t")?.insert((None::<i64>, number)).await?;
        }
        Ok(())
    });
    let ours = stock_rows(&path, "SELECT v FROM t ORDER BY id");
    let stock = rusqlite::Connection::open_in_memory().unwrap();
    let judged: Vec<String> = numbers
        .iter()
        .map(|v| stock.query_row("SELECT CAST(? AS TEXT)", [v], |row| row.get(0)).unwrap())
        .collect();
    assert_eq!(ours, judged);
}
