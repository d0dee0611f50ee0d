//! How long queries take here and with stock SQLite, over the same file. For those who work on the executor.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a tool"
)]

use std::sync::Arc;
use std::time::Instant;

use heddle_engine::{Database, Options};
use heddle_sql::ast::Statement;
use heddle_sql::bind::Environment;
use heddle_sql::exec::{Resources, Running};
use heddle_sql::parse::parse_one;
use heddle_sql::schema::{Database as NamedDatabase, DatabaseIndex, Databases, build};
use heddle_sql::session::Extensions;
use heddle_value::{Collation, Value};

const QUERIES: &[&str] = &[
    "SELECT count(*) FROM t",
    "SELECT sum(n) FROM t",
    "SELECT sum(n), avg(r), min(n), max(r), count(s) FROM t",
    "SELECT count(*) FROM t WHERE n < 5000",
    "SELECT sum(n * 2 + k) FROM t WHERE r > 0.5 AND k <> 7",
    "SELECT count(*) FROM t WHERE s LIKE '%77%'",
    "SELECT k, count(*), sum(n), avg(r) FROM t GROUP BY k",
    "SELECT s, count(*) FROM t GROUP BY s",
    "SELECT * FROM t ORDER BY r LIMIT 10",
    "SELECT id, r FROM t ORDER BY r",
    "SELECT s FROM t ORDER BY s, n DESC",
    "SELECT DISTINCT n FROM t",
    "SELECT count(*), sum(u.v) FROM t JOIN u ON u.id = t.k",
    "SELECT count(*), sum(u.v) FROM t JOIN u ON u.id = t.n",
    "SELECT count(*) FROM t a JOIN t b ON a.n = b.n WHERE a.k = 3",
    "SELECT count(*) FROM t WHERE n IN (SELECT id FROM u WHERE v > 50)",
    "SELECT sum(c) FROM (SELECT (SELECT v FROM u WHERE u.id = t.n) AS c FROM t)",
    "SELECT sum(x) FROM (SELECT sum(n) OVER (PARTITION BY k ORDER BY id ROWS 10 PRECEDING) AS x FROM t)",
    "SELECT max(x) FROM (SELECT row_number() OVER (ORDER BY r) AS x FROM t)",
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 300000) SELECT sum(x) FROM c",
    "SELECT sum(length(s) + abs(n)) FROM t",
    "SELECT sum(CASE WHEN k < 10 THEN n ELSE -n END) FROM t",
    "SELECT id, n, r, s FROM t",
];

fn main() {
    let rows: u32 = std::env::args().nth(1).map_or(300_000, |n| n.parse().unwrap());
    let only = std::env::args().nth(2);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let stock = rusqlite::Connection::open(&path).unwrap();
    stock
        .execute_batch(&format!(
            "PRAGMA journal_mode = OFF; BEGIN;
             CREATE TABLE t (id INTEGER PRIMARY KEY, k INT, n INT, r REAL, s TEXT);
             CREATE TABLE u (id INTEGER PRIMARY KEY, v INT);
             WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {rows})
             INSERT INTO t SELECT i, i * 7919 % 100, i * 104729 % 10007, (i * 7717 % 100003) / 100003.0, 'text ' || (i * 31 % 5003) FROM c;
             WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 10000)
             INSERT INTO u SELECT i, i % 100 FROM c; COMMIT;"
        ))
        .unwrap();
    drop(stock);
    let stock = rusqlite::Connection::open(dir.path().join("y.db")).unwrap();
    std::fs::copy(&path, dir.path().join("y.db")).unwrap();
    stock.execute_batch("PRAGMA cache_size = -500000; PRAGMA mmap_size = 1000000000;").unwrap();
    heddle_io::ThreadRuntime::new().block_on(async {
        let database = Database::open(&path, Options::default()).await.unwrap();
        println!("{:>9} {:>9} {:>6}  query", "ours ms", "stock ms", "ratio");
        for sql in QUERIES {
            if only.as_ref().is_some_and(|only| !sql.contains(only.as_str())) {
                continue;
            }
            let ours = ours(&database, sql).await;
            let theirs = theirs(&stock, sql);
            println!("{ours:>9.2} {theirs:>9.2} {:>6.2}  {sql}", ours / theirs);
        }
    });
}

async fn ours(database: &Database, sql: &str) -> f64 {
    let transaction = database.begin().await.unwrap();
    let objects = Arc::clone(transaction.schema());
    let schema = build::build(
        &objects,
        transaction.schema_tree(),
        DatabaseIndex::MAIN,
        &Collation::built_in,
    );
    let mut resources = Resources { transactions: vec![Some(transaction)], ..Resources::default() };
    let databases = Databases { list: vec![Some(NamedDatabase { name: "main".into(), schema })] };
    let extensions = Extensions::default();
    let environment = Environment { databases: &databases, extensions: &extensions };
    let Statement::Select(select) = parse_one(sql).unwrap().statement else { panic!() };
    let mut query = heddle_sql::bind::query(environment, &select, 0).unwrap();
    heddle_sql::optimize::optimize(&mut query);
    let query = Arc::new(query);
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        let mut running = Running::start(Arc::clone(&query), Arc::default()).unwrap();
        let mut sum = 0_usize;
        while let Some(batch) = running.next_batch(&mut resources).await.unwrap() {
            for column in batch.columns() {
                for row in 0..batch.rows() {
                    sum += usize::from(matches!(column.get(row), Value::Integer(_)));
                }
            }
        }
        std::hint::black_box(sum);
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    best
}

fn theirs(stock: &rusqlite::Connection, sql: &str) -> f64 {
    let mut best = f64::INFINITY;
    let mut statement = stock.prepare(sql).unwrap();
    let columns = statement.column_count();
    for _ in 0..3 {
        let start = Instant::now();
        let mut rows = statement.query([]).unwrap();
        let mut sum = 0_usize;
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                let value = row.get_ref(column).unwrap();
                sum += usize::from(matches!(value, rusqlite::types::ValueRef::Integer(_)));
            }
        }
        std::hint::black_box(sum);
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    best
}
