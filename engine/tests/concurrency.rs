//! Many writers at once: rowids, unique keys, lost updates, snapshots across checkpoints, schema changes beside writes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails panics, and a test may start threads"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use heddle_engine::{
    Constraint, Database, Direction, Error, Isolation, Mode, Options, RowId, TxOptions,
};

mod common;
use common::{block_on, create, stock_check, stock_rows};

async fn with_table(options: Options, sql: &str) -> Database {
    let db = Database::open_in_memory(options).await.unwrap();
    create(&db, sql).await;
    db
}

#[test]
fn inserters_never_conflict_and_get_distinct_rowids() {
    block_on(async {
        let db =
            with_table(Options::default(), "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await;
        let tasks: Vec<_> = (0..16)
            .map(|writer| {
                let db = db.clone();
                tokio::spawn(async move {
                    let mut ids = Vec::new();
                    for n in 0..100 {
                        let mut tx = db.begin().await.unwrap();
                        ids.push(
                            tx.table("t")
                                .unwrap()
                                .insert((None::<i64>, writer * 1000 + n))
                                .await
                                .unwrap(),
                        );
                        tx.commit().await.unwrap();
                    }
                    ids
                })
            })
            .collect();
        let mut ids = BTreeSet::new();
        for task in tasks {
            ids.extend(task.await.unwrap());
        }
        assert_eq!(ids.len(), 1600);
        assert_eq!(db.metrics().conflicts, 0);
        // Nothing was rolled back: the numbers have no holes.
        assert_eq!(ids.last(), Some(&RowId(1600)));
    });
}

#[test]
fn of_two_that_want_a_unique_key_one_gets_it_and_the_other_an_error() {
    block_on(async {
        let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE)";
        let db = with_table(Options::default(), sql).await;
        let mut tasks = Vec::new();
        for _ in 0..8 {
            let db = db.clone();
            tasks.push(tokio::spawn(async move {
                let mut won = 0;
                for n in 0..50 {
                    let key = format!("key {n}");
                    let options =
                        TxOptions { isolation: Isolation::Snapshot, ..TxOptions::default() };
                    let outcome = db
                        .transaction_with(options, |tx| {
                            let key = &key;
                            Box::pin(async move {
                                tx.table("t")?.insert((None::<i64>, key.as_str())).await
                            })
                        })
                        .await;
                    match outcome {
                        Ok(_) => won += 1,
                        Err(Error::Constraint(Constraint::Unique { .. })) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                won
            }));
        }
        let mut won = 0;
        for task in tasks {
            won += task.await.unwrap();
        }
        assert_eq!(won, 50);
    });
}

#[test]
fn increments_of_one_hot_row_are_not_lost_while_checkpoints_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        let db = Database::open(&path, Options::default()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await.unwrap();
        tx.table("t").unwrap().insert((1, 0)).await.unwrap();
        tx.commit().await.unwrap();
        let mut tasks = Vec::new();
        for _ in 0..8 {
            let db = db.clone();
            tasks.push(tokio::spawn(async move {
                for _ in 0..50 {
                    db.transaction(|tx| {
                        Box::pin(async move {
                            let mut t = tx.table("t")?;
                            let row = t.get(RowId(1)).await?;
                            let n: i64 = row.unwrap().get("n")?;
                            t.set(RowId(1), &[("n", &(n + 1))]).await
                        })
                    })
                    .await
                    .unwrap();
                }
            }));
        }
        let checkpoints = tokio::spawn({
            let db = db.clone();
            async move {
                for _ in 0..10 {
                    db.checkpoint().await.unwrap();
                }
            }
        });
        for task in tasks {
            task.await.unwrap();
        }
        checkpoints.await.unwrap();
        db.close().await.unwrap();
    });
    stock_check(&path);
    assert_eq!(stock_rows(&path, "SELECT n FROM t"), ["400"]);
}

#[test]
fn a_snapshot_stays_as_it_was_across_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        let options = Options { cache_bytes: 64 << 10, page_size: 512, ..Options::default() };
        let db = Database::open(&path, options).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await.unwrap();
        for n in 0..1000 {
            tx.table("t").unwrap().insert((None::<i64>, n)).await.unwrap();
        }
        tx.commit().await.unwrap();
        let mut old = db.snapshot().await.unwrap();
        for round in 1..5 {
            let mut tx = db.begin().await.unwrap();
            let mut t = tx.table("t").unwrap();
            for id in 1..=1000 {
                if id % 7 == round {
                    t.delete(RowId(id)).await.unwrap();
                } else {
                    let _ = t.update(RowId(id), (id, -round)).await.unwrap();
                }
            }
            tx.commit().await.unwrap();
            db.checkpoint().await.unwrap();
            let mut t = old.table("t").unwrap();
            let mut scan = t.scan(.., Direction::Ascending).unwrap();
            let mut sum = 0;
            while let Some(row) = scan.next().await.unwrap() {
                sum += row.get::<i64>("n").unwrap();
            }
            assert_eq!(sum, 999 * 1000 / 2, "round {round}");
        }
        drop(old);
        db.close().await.unwrap();
    });
    stock_check(&path);
}

#[test]
fn write_skew_is_refused_when_serializable_and_let_through_by_snapshots() {
    block_on(async {
        let db =
            with_table(Options::default(), "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await;
        for (isolation, expected) in [(Isolation::Serializable, 1), (Isolation::Snapshot, 2)] {
            db.transaction(|tx| {
                Box::pin(async move {
                    let mut t = tx.table("t")?;
                    for id in 1..=2 {
                        t.delete(RowId(id)).await?;
                        t.insert((id, 1)).await?;
                    }
                    Ok(())
                })
            })
            .await
            .unwrap();
            let options = TxOptions { isolation, ..TxOptions::default() };
            let mut one = db.begin_with(options).await.unwrap();
            let mut two = db.begin_with(options).await.unwrap();
            for (tx, read, write) in [(&mut one, 1, 2), (&mut two, 2, 1)] {
                let mut t = tx.table("t").unwrap();
                assert!(t.get(RowId(read)).await.unwrap().is_some());
                t.update(RowId(write), (write, 0)).await.unwrap();
            }
            let outcomes = [one.commit().await, two.commit().await];
            let committed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            assert_eq!(committed, expected, "{outcomes:?}");
        }
        assert_eq!(db.metrics().conflicts_by_table, [("t".to_owned(), 1)]);
    });
}

#[test]
fn an_index_is_made_while_others_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        let db = Database::open(&path, Options::default()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await.unwrap();
        for n in 0..500 {
            tx.table("t").unwrap().insert((None::<i64>, n)).await.unwrap();
        }
        tx.commit().await.unwrap();
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mut writers = Vec::new();
        for writer in 0..4 {
            let (db, stop) = (db.clone(), Arc::clone(&stop));
            writers.push(tokio::spawn(async move {
                let mut n = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    n += 1;
                    db.transaction(|tx| {
                        Box::pin(async move {
                            let mut t = tx.table("t")?;
                            t.insert((None::<i64>, writer * 100_000 + n)).await?;
                            t.delete(RowId(1 + writer * 100 + n % 100)).await
                        })
                    })
                    .await
                    .unwrap();
                }
            }));
        }
        for name in ["i1", "i2", "i3"] {
            db.transaction(|tx| {
                Box::pin(
                    async move { tx.create_index(&format!("CREATE INDEX {name} ON t (n)")).await },
                )
            })
            .await
            .unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        db.close().await.unwrap();
    });
    stock_check(&path);
}

#[test]
fn writers_get_through_while_the_schema_changes_under_them_and_every_index_is_whole() {
    const WRITERS: i64 = 6;
    const ROWS: i64 = 60;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        let db = Database::open(&path, Options::default()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await.unwrap();
        tx.create_table("CREATE TABLE other (id INTEGER PRIMARY KEY, n INT)").await.unwrap();
        tx.commit().await.unwrap();
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mut tasks = Vec::new();
        for writer in 0..WRITERS {
            let db = db.clone();
            tasks.push(tokio::spawn(async move {
                let mut last = None;
                for n in 0..ROWS {
                    let inserted = db.transaction(move |tx| {
                        Box::pin(async move {
                            tx.table("other")?.insert((None::<i64>, n)).await?;
                            let mut table = tx.table("t")?;
                            if let Some(last) = last {
                                table.set(last, &[("n", &(-n))]).await?;
                            }
                            let columns = table.columns().count();
                            let mut row = vec![heddle_engine::Value::Null; columns];
                            row[1] = heddle_engine::Value::from(writer * 1000 + n);
                            table.insert(row).await
                        })
                    });
                    last = Some(inserted.await.unwrap());
                }
            }));
        }
        let changes = tokio::spawn({
            let (db, done) = (db.clone(), Arc::clone(&done));
            async move {
                let mut round = 0;
                while !done.load(std::sync::atomic::Ordering::SeqCst) && round < 200 {
                    round += 1;
                    let change = db.transaction(move |tx| {
                        Box::pin(async move {
                            match round % 4 {
                                0 => tx.add_column("t", &format!("c{round} INT DEFAULT 5")).await,
                                1 => tx.create_index("CREATE INDEX by_n ON t (n)").await,
                                2 => tx.create_index("CREATE INDEX two ON t (n DESC, id)").await,
                                _ => {
                                    tx.drop_index("by_n").await?;
                                    tx.drop_index("two").await
                                }
                            }
                        })
                    });
                    change.await.unwrap();
                    if round % 7 == 0 {
                        db.checkpoint().await.unwrap();
                    }
                    tokio::task::yield_now().await;
                }
                round
            }
        });
        for task in tasks {
            task.await.unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(changes.await.unwrap() > 4, "the schema hardly changed");
        db.checkpoint().await.unwrap();
        assert_eq!(db.check().await.unwrap(), [""; 0]);
        db.close().await.unwrap();
    });
    stock_check(&path);
    let rows = (WRITERS * ROWS).to_string();
    for table in ["t", "other"] {
        assert_eq!(stock_rows(&path, &format!("SELECT count(*) FROM {table}")), [rows.as_str()]);
    }
    let changed = (WRITERS * (ROWS - 1)).to_string();
    assert_eq!(stock_rows(&path, "SELECT count(*) FROM t WHERE n < 0"), [changed.as_str()]);
}

#[test]
fn an_index_has_also_the_rows_that_a_checkpoint_took_from_memory_while_it_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        let db = Database::open(&path, Options::default()).await.unwrap();
        create(&db, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await;
        for n in 0..10 {
            db.insert("t", (None::<i64>, n)).await.unwrap();
        }
        // What the index is made from is the state of here.
        let mut tx = db.begin().await.unwrap();
        db.insert("t", (None::<i64>, 10)).await.unwrap();
        db.set("t", RowId(1), &[("n", &100)]).await.unwrap();
        db.delete("t", RowId(2)).await.unwrap();
        db.checkpoint().await.unwrap();
        db.insert("t", (None::<i64>, 11)).await.unwrap();
        tx.create_index("CREATE INDEX by_n ON t (n)").await.unwrap();
        tx.commit().await.unwrap();
        db.close().await.unwrap();
    });
    stock_check(&path);
    let rows = stock_rows(&path, "SELECT n FROM t INDEXED BY by_n WHERE n >= 0 ORDER BY n");
    assert_eq!(rows, ["2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "100"]);
}

#[test]
fn an_immediate_transaction_never_conflicts() {
    block_on(async {
        let db =
            with_table(Options::default(), "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await;
        db.transaction(|tx| Box::pin(async move { tx.table("t")?.insert((1, 0)).await }))
            .await
            .unwrap();
        let options = TxOptions { mode: Mode::Immediate, ..TxOptions::default() };
        let mut tasks = Vec::new();
        for _ in 0..4 {
            let db = db.clone();
            tasks.push(tokio::spawn(async move {
                for _ in 0..50 {
                    let mut tx = db.begin_with(options).await.unwrap();
                    let mut t = tx.table("t").unwrap();
                    let n: i64 = t.get(RowId(1)).await.unwrap().unwrap().get("n").unwrap();
                    t.update(RowId(1), (1, n + 1)).await.unwrap();
                    tx.commit().await.unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let mut tx = db.snapshot().await.unwrap();
        let n: i64 = tx.table("t").unwrap().get(RowId(1)).await.unwrap().unwrap().get("n").unwrap();
        assert_eq!((n, db.metrics().conflicts), (200, 0));
    });
}

#[test]
fn savepoints_bring_back_rows_and_numbers() {
    block_on(async {
        let db =
            with_table(Options::default(), "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await;
        let mut tx = db.begin().await.unwrap();
        tx.table("t").unwrap().insert((None::<i64>, 1)).await.unwrap();
        let mark = tx.savepoint();
        tx.table("t").unwrap().insert((None::<i64>, 2)).await.unwrap();
        tx.create_table("CREATE TABLE u (a)").await.unwrap();
        tx.rollback_to(mark).unwrap();
        assert!(matches!(tx.table("u"), Err(Error::NoSuchTable { .. })));
        assert_eq!(tx.table("t").unwrap().insert((None::<i64>, 3)).await.unwrap(), RowId(2));
        tx.release(mark).unwrap();
        assert!(matches!(tx.rollback_to(mark), Err(Error::Misuse { .. })));
        tx.commit().await.unwrap();
        assert_eq!(db.metrics().open_transactions, 0);
    });
}

#[test]
fn who_was_told_that_a_name_is_free_or_taken_conflicts_when_that_changes() {
    block_on(async {
        let db = Database::open_in_memory(Options::default()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await.unwrap();
        tx.commit().await.unwrap();
        let create = "CREATE TABLE u (id INTEGER PRIMARY KEY)";
        let mut no_table = db.begin().await.unwrap();
        assert!(no_table.table("u").is_err());
        let mut no_index = db.begin().await.unwrap();
        assert!(no_index.table("t").unwrap().index("i").is_err());
        let mut nothing_dropped = db.begin().await.unwrap();
        assert!(nothing_dropped.drop_table("u").await.is_err());
        let mut ddl = db.begin().await.unwrap();
        ddl.create_table(create).await.unwrap();
        ddl.create_index("CREATE INDEX i ON t (n)").await.unwrap();
        ddl.commit().await.unwrap();
        let mut taken = db.begin().await.unwrap();
        assert!(taken.create_table(create).await.is_err());
        for mut tx in [no_table, no_index, nothing_dropped] {
            tx.table("t").unwrap().insert((None::<i64>, 1)).await.unwrap();
            assert!(tx.commit().await.unwrap_err().is_conflict());
        }
        let mut ddl = db.begin().await.unwrap();
        ddl.drop_table("u").await.unwrap();
        ddl.commit().await.unwrap();
        taken.table("t").unwrap().insert((None::<i64>, 1)).await.unwrap();
        assert!(taken.commit().await.unwrap_err().is_conflict());
        db.close().await.unwrap();
    });
}

#[test]
fn an_autoincrement_table_has_one_row_in_sqlite_sequence_at_every_level() {
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        block_on(async {
            let db = Database::open(&path, Options::default()).await.unwrap();
            create(&db, "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v)").await;
            let options = TxOptions { isolation, ..TxOptions::default() };
            let mut a = db.begin_with(options).await.unwrap();
            let mut b = db.begin_with(options).await.unwrap();
            for tx in [&mut a, &mut b] {
                tx.table("t").unwrap().insert((None::<i64>, "x")).await.unwrap();
            }
            a.commit().await.unwrap();
            let second = b.commit().await.unwrap_err();
            assert!(second.is_conflict(), "{second}");
            db.close().await.unwrap();
        });
        assert_eq!(stock_rows(&path, "SELECT count(*) FROM sqlite_sequence"), ["1"]);
    }
}
