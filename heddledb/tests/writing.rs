//! Statements that write, alone, inside transactions and beside each other; stock SQLite judges scripts and the file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use heddledb::{Builder, Connection, Database, Error, Value, block_on, params};
use rusqlite::types::ValueRef;

fn stock_value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(v) => Value::Integer(v),
        ValueRef::Real(v) => Value::Real(v),
        ValueRef::Text(v) => Value::Text(String::from_utf8_lossy(v).into_owned()),
        ValueRef::Blob(v) => Value::Blob(v.to_vec()),
    }
}

fn judge(stock: &rusqlite::Connection, sql: &str) -> Result<Vec<Vec<Value>>, String> {
    let text = |error: rusqlite::Error| match error {
        rusqlite::Error::SqliteFailure(code, message) => {
            format!("{} {}", code.extended_code, message.unwrap_or_default())
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => {
            format!("{} {msg}", error.extended_code)
        }
        other => panic!("{other}"),
    };
    let mut statement = stock.prepare(sql).map_err(text)?;
    let columns = statement.column_count();
    let mut rows = statement.query([]).map_err(text)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(text)? {
        all.push((0..columns).map(|at| stock_value(row.get_ref(at).unwrap())).collect());
    }
    Ok(all)
}

async fn ask(conn: &Connection, sql: &str) -> Result<Vec<Vec<Value>>, String> {
    let text = |error: Error| format!("{} {error}", error.extended_code());
    let mut rows = conn.query(sql, ()).await.map_err(text)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().await.map_err(text)? {
        all.push(row.values());
    }
    Ok(all)
}

/// Runs statements one after the other on both, and compares rows, errors, counters and the state of the transaction.
fn compare(script: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let stock = rusqlite::Connection::open_in_memory().unwrap();
    block_on(async {
        let db = Builder::new_local(&path).build().await.unwrap();
        let conn = db.connect().unwrap();
        for sql in script {
            let theirs = judge(&stock, sql);
            assert_eq!(ask(&conn, sql).await, theirs, "{sql}");
            let state = (conn.changes(), conn.last_insert_rowid(), conn.total_changes());
            let changes = stock.changes();
            let total: i64 = stock.query_row("SELECT total_changes()", [], |r| r.get(0)).unwrap();
            assert_eq!(state, (changes, stock.last_insert_rowid(), total as u64), "{sql}");
            assert_eq!(conn.is_autocommit(), stock.is_autocommit(), "{sql}");
        }
        drop(conn);
        db.close().await.unwrap();
    });
    let file = rusqlite::Connection::open(&path).unwrap();
    let ok: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(ok, "ok");
    let objects = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name";
    assert_eq!(judge(&file, objects), judge(&stock, objects));
    for table in judge(&stock, "SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap() {
        let sql = format!("SELECT * FROM {} ORDER BY 1", table[0].as_text().unwrap());
        assert_eq!(judge(&file, &sql), judge(&stock, &sql), "{sql}");
    }
}

#[test]
fn statements_that_define_and_write() {
    compare(&[
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT UNIQUE, c INT CHECK (c > 0))",
        "INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2)",
        "INSERT INTO t(b, c) VALUES ('three', 3) RETURNING a, b, c * 2 AS twice",
        "INSERT INTO t(b, c) VALUES ('four', 4), ('one', 5)",
        "INSERT INTO t(b, c) VALUES ('five', 0)",
        "INSERT OR IGNORE INTO t(b, c) VALUES ('one', 7), ('six', 6)",
        "INSERT OR REPLACE INTO t(b, c) VALUES ('one', 7)",
        "INSERT OR FAIL INTO t(b, c) VALUES ('eight', 8), ('six', 9), ('nine', 9)",
        "UPDATE t SET c = c + 1 WHERE a > 2",
        "UPDATE t SET c = -1",
        "DELETE FROM t WHERE b = 'two' RETURNING *",
        "SELECT * FROM t ORDER BY a",
        "CREATE INDEX i ON t(c)",
        "SELECT b FROM t WHERE c = 8",
        "CREATE VIEW v AS SELECT b FROM t WHERE c > 3",
        "SELECT * FROM v ORDER BY b",
        "CREATE TABLE copy AS SELECT b, c + 1 AS more FROM t WHERE c > 3",
        "SELECT * FROM copy ORDER BY b",
        "CREATE TABLE t(x)",
        "INSERT INTO missing VALUES (1)",
        "DROP VIEW v",
        "DROP TABLE copy",
        "DROP TABLE copy",
        "DELETE FROM t",
        "SELECT count(*) FROM t",
    ]);
}

#[test]
fn transactions_and_savepoints() {
    compare(&[
        "CREATE TABLE t(a UNIQUE)",
        "BEGIN",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t VALUES (2), (1)",
        "SELECT a FROM t ORDER BY a",
        "SAVEPOINT one",
        "INSERT INTO t VALUES (3)",
        "SAVEPOINT two",
        "INSERT INTO t VALUES (4)",
        "ROLLBACK TO two",
        "INSERT INTO t VALUES (5)",
        "RELEASE one",
        "SELECT a FROM t ORDER BY a",
        "RELEASE two",
        "COMMIT",
        "BEGIN IMMEDIATE",
        "DELETE FROM t",
        "CREATE TABLE u(b)",
        "INSERT INTO u VALUES (1)",
        "SELECT * FROM u",
        "ROLLBACK",
        "SELECT * FROM u",
        "SELECT a FROM t ORDER BY a",
        "BEGIN",
        "INSERT INTO t VALUES (6)",
        "INSERT OR ROLLBACK INTO t VALUES (7), (1)",
        "SELECT a FROM t ORDER BY a",
        "SAVEPOINT outermost",
        "INSERT INTO t VALUES (8)",
        "ROLLBACK TO outermost",
        "INSERT INTO t VALUES (9)",
        "RELEASE outermost",
        "SELECT a FROM t ORDER BY a",
        "INSERT OR FAIL INTO t VALUES (10), (1), (11)",
        "SELECT a FROM t ORDER BY a",
        "COMMIT",
    ]);
}

#[test]
fn temporary_and_attached_databases() {
    compare(&[
        "CREATE TABLE t(a)",
        "CREATE TEMP TABLE t(b)",
        "INSERT INTO t VALUES ('temp')",
        "INSERT INTO main.t VALUES ('main')",
        "SELECT * FROM t",
        "SELECT * FROM temp.t, main.t",
        "BEGIN",
        "INSERT INTO t VALUES ('gone')",
        "INSERT INTO main.t VALUES ('gone')",
        "ROLLBACK",
        "SELECT * FROM temp.t, main.t",
        "ATTACH ':memory:' AS other",
        "ATTACH ':memory:' AS other",
        "ATTACH ':memory:' AS MAIN",
        "CREATE TABLE other.o(x)",
        "BEGIN",
        "INSERT INTO o VALUES (1), (2)",
        "INSERT INTO main.t SELECT x FROM o",
        "COMMIT",
        "SELECT * FROM main.t ORDER BY a",
        "DROP TABLE temp.t",
        "SELECT * FROM t ORDER BY a",
        "DETACH other",
        "SELECT * FROM o",
        "DETACH other",
    ]);
}

#[test]
fn foreign_keys_and_altered_tables() {
    compare(&[
        "PRAGMA foreign_keys = ON",
        "CREATE TABLE p(id INTEGER PRIMARY KEY, n TEXT)",
        "CREATE TABLE c(a REFERENCES p ON DELETE CASCADE, b REFERENCES p DEFERRABLE INITIALLY DEFERRED)",
        "INSERT INTO p VALUES (1, 'one'), (2, 'two')",
        "INSERT INTO c VALUES (1, 2)",
        "INSERT INTO c VALUES (3, 2)",
        "INSERT INTO c VALUES (1, 3)",
        "BEGIN",
        "INSERT INTO c VALUES (1, 3)",
        "COMMIT",
        "INSERT INTO p VALUES (3, 'three')",
        "COMMIT",
        "BEGIN",
        "SAVEPOINT s",
        "INSERT INTO c VALUES (1, 9)",
        "ROLLBACK TO s",
        "COMMIT",
        "DELETE FROM p WHERE id = 2",
        "DELETE FROM p WHERE id = 1",
        "SELECT * FROM c",
        "PRAGMA foreign_key_check",
        "PRAGMA foreign_keys",
        "BEGIN",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA foreign_keys",
        "ROLLBACK",
        "ALTER TABLE p RENAME TO parent",
        "ALTER TABLE c ADD COLUMN d DEFAULT 5",
        "ALTER TABLE c RENAME COLUMN a TO first",
        "SELECT * FROM c",
        "INSERT INTO c(first) VALUES (7)",
        "INSERT INTO c(first, d) VALUES (3, 8)",
        "ALTER TABLE c DROP COLUMN b",
        "SELECT * FROM c",
        "DROP TABLE c",
        "DROP TABLE parent",
    ]);
}

#[test]
fn a_plan_is_explained() {
    block_on(async {
        let conn = Builder::new_local(":memory:").build().await.unwrap().connect().unwrap();
        conn.execute_batch("CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE INDEX i ON t(b)")
            .await
            .unwrap();
        let details = async |sql: &str| {
            let mut rows = conn.query(format!("EXPLAIN QUERY PLAN {sql}"), ()).await.unwrap();
            assert_eq!(rows.column_names(), ["id", "parent", "notused", "detail"]);
            let mut all = Vec::new();
            while let Some(row) = rows.next().await.unwrap() {
                all.push(row.get::<String>("detail").unwrap());
            }
            all
        };
        assert_eq!(details("SELECT * FROM t").await, ["SCAN t"]);
        let by_rowid = "SEARCH t USING INTEGER PRIMARY KEY (rowid=?)";
        assert_eq!(details("SELECT * FROM t WHERE a = 1").await, [by_rowid]);
        let by_index = "SEARCH t USING COVERING INDEX i (b=?)";
        assert_eq!(details("SELECT * FROM t WHERE b = 1").await, [by_index]);
        assert_eq!(details("DELETE FROM t WHERE a = 1").await, [by_rowid]);
        assert_eq!(details("INSERT INTO t VALUES (1, 2)").await, [] as [&str; 0]);
        // Nothing was done.
        assert_eq!(ask(&conn, "SELECT count(*) FROM t").await.unwrap(), [[Value::Integer(0)]]);
    });
}

/// The money in all accounts stays what it was, whoever moves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_beside_each_other_lose_nothing() {
    const ACCOUNTS: i64 = 8;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let db = Builder::new_local(&path).build().await.unwrap();
    let conn = db.connect().unwrap();
    conn.execute("CREATE TABLE account(id INTEGER PRIMARY KEY, balance INT)", ()).await.unwrap();
    for id in 0..ACCOUNTS {
        conn.execute("INSERT INTO account VALUES (?, 100)", [id]).await.unwrap();
    }
    let tasks: Vec<_> =
        (0..4i64).map(|n| tokio::spawn(move_money(db.clone(), n, ACCOUNTS))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let total = ask(&conn, "SELECT sum(balance), count(*) FROM account").await.unwrap();
    assert_eq!(total, [[Value::Integer(100 * ACCOUNTS), Value::Integer(ACCOUNTS)]]);
    let log = ask(&conn, "SELECT count(*) FROM account WHERE balance <> 100").await.unwrap();
    assert_ne!(log, [[Value::Integer(0)]]);
    drop(conn);
    db.close().await.unwrap();
}

async fn move_money(db: Database, seed: i64, accounts: i64) {
    let conn = db.connect().unwrap();
    let update =
        conn.prepare("UPDATE account SET balance = balance + ?2 WHERE id = ?1").await.unwrap();
    for step in 0..50i64 {
        let (from, to) = ((seed * 7 + step * 3) % accounts, (seed + step * 5 + 1) % accounts);
        db.transact(|tx| async move {
            let sql = "UPDATE account SET balance = balance + ?2 WHERE id = ?1";
            tx.execute(sql, params![from, -1]).await?;
            tx.execute(sql, params![to, 1]).await?;
            Ok(())
        })
        .await
        .unwrap();
        // Alone it is run again by itself.
        update.execute((from, 1)).await.unwrap();
        update.execute((from, -1)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_to_commit_conflicts_and_says_where() {
    let db = Builder::new_local(":memory:").build().await.unwrap();
    let (one, two) = (db.connect().unwrap(), db.connect().unwrap());
    one.execute_batch(
        "CREATE TABLE t(a INTEGER PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 0), (2, 0)",
    )
    .await
    .unwrap();
    let first = one.transaction().await.unwrap();
    let second = two.transaction().await.unwrap();
    first.execute("UPDATE t SET n = n + 1 WHERE a = 1", ()).await.unwrap();
    second.execute("UPDATE t SET n = n + 1 WHERE a = 1", ()).await.unwrap();
    first.commit().await.unwrap();
    let error = second.commit().await.unwrap_err();
    assert!(
        matches!(&error, Error::Conflict { table, key: Some(_), .. } if table == "t"),
        "{error}"
    );
    assert!(error.is_retryable());
    assert!(two.is_autocommit());
    // Different rows do not meet.
    let first = one.transaction().await.unwrap();
    let second = two.transaction().await.unwrap();
    first.execute("UPDATE t SET n = n + 1 WHERE a = 1", ()).await.unwrap();
    second.execute("UPDATE t SET n = n + 1 WHERE a = 2", ()).await.unwrap();
    first.commit().await.unwrap();
    second.commit().await.unwrap();
    let rows = ask(&one, "SELECT n FROM t ORDER BY a").await.unwrap();
    assert_eq!(rows, [[Value::Integer(2)], [Value::Integer(1)]]);
}

#[test]
fn a_statement_dropped_midway_has_not_happened() {
    use std::task::{Context, Poll, Waker};
    block_on(async {
        let db = Builder::new_local(":memory:").build().await.unwrap();
        let conn = db.connect().unwrap();
        conn.execute("CREATE TABLE t(a)", ()).await.unwrap();
        for within in [false, true] {
            if within {
                conn.execute_batch("BEGIN; INSERT INTO t VALUES (0)").await.unwrap();
            }
            let sql =
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
                INSERT INTO t SELECT i FROM n";
            let mut future = Box::pin(conn.execute(sql, ()));
            let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let done = matches!(poll, Poll::Ready(_));
            drop(future);
            let count = ask(&conn, "SELECT count(*) FROM t").await.unwrap();
            let mut wanted = i64::from(within);
            if done {
                wanted += 20000;
            }
            assert_eq!(count, [[Value::Integer(wanted)]]);
            if within {
                conn.execute("ROLLBACK", ()).await.unwrap();
            } else {
                conn.execute("DELETE FROM t", ()).await.unwrap();
            }
        }
    });
}

#[cfg(feature = "serde")]
#[test]
fn rows_as_values_of_types() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Person {
        id: u32,
        name: String,
        email: Option<String>,
        active: bool,
        picture: Vec<u8>,
    }
    block_on(async {
        let conn = Builder::new_local(":memory:").build().await.unwrap().connect().unwrap();
        let sql = "SELECT 1 AS id, 'Ada' AS name, NULL AS email, 1 AS active, x'0102' AS picture";
        let row = conn.query(sql, ()).await.unwrap().next().await.unwrap().unwrap();
        let person =
            Person { id: 1, name: "Ada".into(), email: None, active: true, picture: vec![1, 2] };
        assert_eq!(row.deserialize::<Person>().unwrap(), person);
        let pair: (i64, String) = {
            let row = conn.query("SELECT 7, 'x'", ()).await.unwrap().next().await.unwrap();
            row.unwrap().deserialize().unwrap()
        };
        assert_eq!(pair, (7, "x".to_owned()));
        let failed = row.deserialize::<i8>();
        assert_eq!(failed.unwrap(), 1);
        let row = conn.query("SELECT 'x'", ()).await.unwrap().next().await.unwrap().unwrap();
        assert!(matches!(row.deserialize::<i64>(), Err(Error::Conversion(_))));
    });
}

#[test]
fn a_dropped_table_takes_its_children_along_but_fires_no_trigger() {
    let script = "PRAGMA foreign_keys = ON;
        CREATE TABLE p(a PRIMARY KEY, b);
        CREATE TABLE c(a REFERENCES p ON DELETE SET NULL);
        CREATE TABLE log(x);
        CREATE TRIGGER t AFTER DELETE ON p BEGIN INSERT INTO log VALUES(OLD.a); END;
        INSERT INTO p VALUES(1, 1), (2, 2);
        INSERT INTO c VALUES(1), (2);
        DROP TABLE p;";
    let stock = rusqlite::Connection::open_in_memory().unwrap();
    stock.execute_batch(script).unwrap();
    block_on(async {
        let db = Builder::new_local(":memory:").build().await.unwrap();
        let conn = db.connect().unwrap();
        conn.execute_batch(script).await.unwrap();
        for sql in ["SELECT * FROM log", "SELECT * FROM c"] {
            assert_eq!(ask(&conn, sql).await, judge(&stock, sql), "{sql}");
        }
    });
}
