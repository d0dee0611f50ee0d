//! What needs no writes: values in and out, rows in their forms, transactions' states, who has a connection.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use heddledb::{
    Builder, Connection, Database, Error, Params, Result, TransactionBehavior, Value, block_on,
    named_params, params, params_from_iter,
};

async fn memory() -> Connection {
    Builder::new_local(":memory:").build().await.unwrap().connect().unwrap()
}

/// A file that stock SQLite made.
fn file(sql: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    (dir, path)
}

const COUNTED: &str = "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO t SELECT i, 'row ' || i FROM n";

fn is_send<T: Send>(value: T) -> T {
    value
}

#[test]
fn parameters_come_in_every_form() {
    block_on(async {
        let conn = memory().await;
        let answer = async |sql: &str, params: Result<Params>| {
            let mut rows = conn.query(sql, params?).await?;
            let row = rows.next().await?.expect("one row");
            Ok::<_, Error>(row.values())
        };
        use heddledb::IntoParams;
        let all = "SELECT ?1, ?2, ?3";
        let wanted = vec![Value::Integer(1), Value::Text("two".into()), Value::Real(3.5)];
        assert_eq!(answer(all, (1, "two", 3.5).into_params()).await.unwrap(), wanted);
        assert_eq!(answer(all, params![1, "two", 3.5].into_params()).await.unwrap(), wanted);
        assert_eq!(answer(all, wanted.clone().into_params()).await.unwrap(), wanted);
        let three = params_from_iter(wanted.clone()).into_params();
        assert_eq!(answer(all, three).await.unwrap(), wanted);
        let named = named_params! { ":a": 1, "b": "two", "$c": Some(3.5) };
        assert_eq!(answer("SELECT :a, @b, $c", named.into_params()).await.unwrap(), wanted);
        let blob = answer("SELECT ?", [vec![1u8, 2]].into_params()).await.unwrap();
        assert_eq!(blob, [Value::Blob(vec![1, 2])]);
        assert_eq!(answer("SELECT ?", ().into_params()).await.unwrap(), [Value::Null]);
        let too_many = answer("SELECT ?", (1, 2).into_params()).await.unwrap_err();
        assert_eq!(too_many.code(), 25);
        let unknown = answer("SELECT :a", [(":b", 1)].into_params()).await.unwrap_err();
        assert_eq!(unknown.code(), 25);
        let too_large = answer("SELECT ?", (u64::MAX,).into_params()).await.unwrap_err();
        assert!(matches!(too_large, Error::Conversion(_)));
    });
}

#[test]
fn rows_stream_from_one_moment_and_by_name() {
    let (_dir, path) = file(COUNTED);
    block_on(async {
        let db = Builder::new_local(&path).build().await.unwrap();
        let conn = db.connect().unwrap();
        let statement = conn.prepare("SELECT a AS number, b FROM t WHERE a > ?").await.unwrap();
        assert_eq!(statement.column_names(), ["number", "b"]);
        assert_eq!(statement.columns()[1].decl_type(), Some("TEXT"));
        assert_eq!(statement.columns()[0].origin_name(), Some("a"));
        for from in [0, 4000, 5000, 0] {
            let mut rows = statement.query([from]).await.unwrap();
            let mut next = from;
            while let Some(row) = is_send(rows.next()).await.unwrap() {
                next += 1;
                assert_eq!(row.get::<i64>("Number").unwrap(), next);
                assert_eq!(row.get::<String>(1).unwrap(), format!("row {next}"));
            }
            assert_eq!(next, 5000);
        }
        // Two at a time, one not taken to its end.
        let mut one = statement.query([0]).await.unwrap();
        let mut two = statement.query([10]).await.unwrap();
        assert_eq!(one.next().await.unwrap().unwrap().get::<i64>(0).unwrap(), 1);
        assert_eq!(two.next().await.unwrap().unwrap().get::<i64>(0).unwrap(), 11);
        drop((one, two));
        let row = statement.query_row([4999]).await.unwrap();
        assert_eq!(row.get::<u16>(0).unwrap(), 5000);
        assert!(matches!(row.get::<u8>(0), Err(Error::Conversion(_))));
        assert!(matches!(row.get::<i64>(1), Err(Error::Conversion(_))));
        assert_eq!(row.get::<i64>(2).unwrap_err().code(), 25);
        let none = statement.query_row([5000]).await.unwrap_err();
        assert!(matches!(none, Error::QueryReturnedNoRows));
        drop((statement, conn));
        db.close().await.unwrap();
    });
    // A clean close leaves a file that anybody reads.
    let stock = rusqlite::Connection::open(&path).unwrap();
    let ok: String = stock.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(ok, "ok");
}

#[test]
fn errors_have_sqlites_words_and_numbers() {
    let (_dir, path) = file("CREATE TABLE t(a)");
    block_on(async {
        let conn = Builder::new_local(&path).build().await.unwrap().connect().unwrap();
        let stock = rusqlite::Connection::open_in_memory().unwrap();
        stock.execute_batch("CREATE TABLE t(a)").unwrap();
        for sql in [
            "SELECT nothing FROM t",
            "SELECT * FROM missing",
            "SELEC 1",
            "SELECT 1 +",
            "SELECT f(1)",
            "SELECT abs()",
            "SELECT abs(-9223372036854775808)",
            "COMMIT",
            "ROLLBACK",
            "RELEASE nothing",
            "ROLLBACK TO nothing",
            "DETACH nothing",
            "DETACH main",
        ] {
            let ours = conn.execute(sql, ()).await.unwrap_err();
            let theirs = stock.execute_batch(sql).unwrap_err();
            let theirs = match theirs {
                rusqlite::Error::SqliteFailure(code, message) => {
                    (code.extended_code, message.unwrap())
                }
                rusqlite::Error::SqlInputError { error, msg, .. } => (error.extended_code, msg),
                other => panic!("{other}"),
            };
            assert_eq!((ours.extended_code(), ours.to_string()), theirs, "{sql}");
        }
    });
}

#[test]
fn a_transaction_is_open_as_long_as_its_handle() {
    block_on(async {
        let conn = memory().await;
        assert!(conn.is_autocommit());
        let tx = conn.transaction().await.unwrap();
        assert!(!conn.is_autocommit());
        let twice = conn.execute("BEGIN", ()).await.unwrap_err();
        assert_eq!(twice.to_string(), "cannot start a transaction within a transaction");
        drop(tx);
        assert!(conn.is_autocommit());
        for behavior in [
            TransactionBehavior::Deferred,
            TransactionBehavior::Immediate,
            TransactionBehavior::Exclusive,
            TransactionBehavior::Concurrent,
        ] {
            let tx = conn.transaction_with_behavior(behavior).await.unwrap();
            assert_eq!(tx.query("SELECT 1", ()).await.unwrap().column_count(), 1);
            tx.commit().await.unwrap();
            assert!(conn.is_autocommit());
        }
        // A handle has nothing to do with a later transaction.
        let tx = conn.transaction().await.unwrap();
        conn.execute_batch("ROLLBACK; BEGIN CONCURRENT").await.unwrap();
        drop(tx);
        assert!(!conn.is_autocommit());
        conn.execute_batch("COMMIT; SAVEPOINT a; SAVEPOINT b").await.unwrap();
        assert!(!conn.is_autocommit());
        conn.execute_batch("ROLLBACK TO b; RELEASE b").await.unwrap();
        assert!(conn.execute("RELEASE b", ()).await.is_err());
        conn.execute_batch("ROLLBACK TO A; RELEASE a").await.unwrap();
        assert!(conn.is_autocommit());
    });
}

#[test]
fn rows_in_a_transaction_end_with_it() {
    let (_dir, path) = file(COUNTED);
    block_on(async {
        let conn = Builder::new_local(&path).build().await.unwrap().connect().unwrap();
        let tx = conn.transaction().await.unwrap();
        let mut rows = tx.query("SELECT a FROM t", ()).await.unwrap();
        assert!(rows.next().await.unwrap().is_some());
        tx.rollback().await.unwrap();
        let mut error = None;
        for _ in 0..5000 {
            match rows.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("all rows, of a transaction that has ended"),
                Err(found) => {
                    error = Some(found);
                    break;
                }
            }
        }
        assert_eq!(error.unwrap().to_string(), "the transaction of these rows has ended");
        assert!(rows.next().await.unwrap().is_none());
    });
}

#[test]
fn an_immediate_transaction_keeps_others_waiting_for_their_timeout() {
    let (_dir, path) = file(COUNTED);
    block_on(async {
        let db: Database = Builder::new_local(&path).build().await.unwrap();
        let (one, two) = (db.connect().unwrap(), db.connect().unwrap());
        two.busy_timeout(Duration::from_millis(20)).unwrap();
        let first = one.transaction_with_behavior(TransactionBehavior::Immediate).await.unwrap();
        let second = two.transaction_with_behavior(TransactionBehavior::Immediate).await;
        let error = second.unwrap_err();
        assert!(matches!(error, Error::Busy(_)), "{error}");
        assert_eq!(error.code(), 5);
        assert!(error.is_retryable());
        drop(first);
        two.transaction_with_behavior(TransactionBehavior::Immediate).await.unwrap();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clones_share_a_connection_in_the_order_of_asking() {
    let conn = memory().await;
    let tasks: Vec<_> = (0..50i64)
        .map(|n| {
            let conn = conn.clone();
            tokio::spawn(async move {
                let mut rows = conn.query("SELECT ?1 * 2", [n]).await.unwrap();
                rows.next().await.unwrap().unwrap().get::<i64>(0).unwrap()
            })
        })
        .collect();
    for (n, task) in (0..50).zip(tasks) {
        assert_eq!(task.await.unwrap(), n * 2);
    }
    let sum = is_send(conn.query("SELECT 1", ())).await.unwrap().column_count();
    assert_eq!(sum, 1);
}

#[test]
fn interrupting_ends_a_query() {
    let (_dir, path) = file(COUNTED);
    block_on(async {
        let conn = Builder::new_local(&path).build().await.unwrap().connect().unwrap();
        let mut rows = conn.query("SELECT a FROM t", ()).await.unwrap();
        assert!(rows.next().await.unwrap().is_some());
        conn.interrupt();
        let mut outcome = Ok(());
        for _ in 0..5000 {
            if let Err(error) = rows.next().await {
                outcome = Err(error);
                break;
            }
        }
        assert!(matches!(outcome, Err(Error::Interrupted)));
        // It does not concern what begins later.
        assert!(conn.query("SELECT a FROM t", ()).await.unwrap().next().await.unwrap().is_some());
    });
}

#[test]
fn functions_and_collations_of_ones_own() {
    block_on(async {
        let conn = memory().await;
        conn.create_scalar_function("twice", Some(1), true, |arguments| match arguments.first() {
            Some(Value::Integer(v)) => Ok(Value::Integer(v * 2)),
            _ => Err(Error::Misuse("twice wants an integer".into())),
        })
        .unwrap();
        let mut rows = conn.query("SELECT twice(21)", ()).await.unwrap();
        assert_eq!(rows.next().await.unwrap().unwrap().get::<i64>(0).unwrap(), 42);
        let mut rows = conn.query("SELECT twice('x')", ()).await.unwrap();
        let error = rows.next().await.unwrap_err();
        assert_eq!(error.to_string(), "twice wants an integer");
        conn.create_collation("backwards", |a, b| b.cmp(a)).unwrap();
        let mut rows = conn.query("SELECT 'a' < 'b' COLLATE backwards", ()).await.unwrap();
        assert_eq!(rows.next().await.unwrap().unwrap().get::<i64>(0).unwrap(), 0);
    });
}
