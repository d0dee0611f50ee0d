//! A database that stock SQLite made, and queries on it.

use std::sync::Arc;

use heddle_engine::{Database, Options};
use heddle_sql::ast::Statement;
use heddle_sql::bind::{self, Environment};
use heddle_sql::exec::{Resources, Running};
use heddle_sql::optimize::optimize;
use heddle_sql::parse::parse_one;
use heddle_sql::plan::Query;
use heddle_sql::schema::{self, DatabaseIndex, Databases};
use heddle_sql::session::Extensions;
use heddle_value::Value;
use rusqlite::types::ValueRef;

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    heddle_io::ThreadRuntime::new().block_on(future)
}

/// The same database twice.
pub(crate) struct Fixture {
    stock: rusqlite::Connection,
    database: Database,
    _dir: tempfile::TempDir,
}

/// Names and rows.
pub(crate) type Answer = (Vec<String>, Vec<Vec<Value>>);

fn value(from: ValueRef<'_>) -> Value {
    match from {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(v) => Value::Integer(v),
        ValueRef::Real(v) => Value::Real(v),
        ValueRef::Text(v) => Value::text(v),
        ValueRef::Blob(v) => Value::blob(v),
    }
}

fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

impl Fixture {
    pub(crate) fn new(sql: &str) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let file = rusqlite::Connection::open(&path).unwrap();
        file.execute_batch(&format!("BEGIN; {sql}; COMMIT;")).unwrap();
        drop(file);
        let stock = rusqlite::Connection::open_in_memory().unwrap();
        stock.execute_batch(&format!("BEGIN; {sql}; COMMIT;")).unwrap();
        let database = block_on(Database::open(&path, Options::default())).unwrap();
        Fixture { stock, database, _dir: dir }
    }

    /// What stock SQLite says.
    pub(crate) fn judge(&self, sql: &str) -> Result<Answer, String> {
        let mut statement = self.stock.prepare(sql).map_err(|e| message(&e))?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([]).map_err(|e| message(&e))?;
        let mut out = Vec::new();
        while let Some(row) = rows.next().map_err(|e| message(&e))? {
            out.push((0..names.len()).map(|i| value(row.get_ref(i).unwrap())).collect());
        }
        Ok((names, out))
    }

    /// What we say, by the plan as it is bound, or by the planner's.
    pub(crate) fn ask(&self, sql: &str, planned: bool) -> Result<Answer, String> {
        block_on(async {
            let transaction = self.database.begin().await.unwrap();
            let query = self.plan(&transaction, sql, planned)?;
            let names = query.names.iter().map(|name| name.to_string()).collect();
            let mut resources =
                Resources { transactions: vec![Some(transaction)], ..Resources::default() };
            let mut running =
                Running::start(Arc::new(query), [].into()).map_err(|e| e.to_string())?;
            let rows = running.all_rows(&mut resources).await.map_err(|e| e.to_string())?;
            Ok((names, rows))
        })
    }

    fn plan(
        &self,
        transaction: &heddle_engine::Transaction,
        sql: &str,
        planned: bool,
    ) -> Result<Query, String> {
        let extensions = Extensions::default();
        let mut cache = schema::Cache::default();
        let collation = |name: &str| extensions.collation(name);
        let schema = cache.get(transaction, DatabaseIndex::MAIN, &collation);
        let main = schema::Database { name: "main".into(), schema };
        let databases = Databases { list: vec![Some(main)] };
        let parsed = parse_one(sql).map_err(|e| e.to_string())?;
        let Statement::Select(select) = parsed.statement else { panic!("{sql}") };
        let environment = Environment { databases: &databases, extensions: &extensions };
        let mut query = bind::query(environment, &select, 0).map_err(|e| e.to_string())?;
        if planned {
            optimize(&mut query);
        }
        Ok(query)
    }

    /// The plan as it is shown to who debugs it.
    pub(crate) fn planned(&self, sql: &str) -> String {
        block_on(async {
            let transaction = self.database.begin().await.unwrap();
            format!("{:?}", self.plan(&transaction, sql, true).unwrap().relation)
        })
    }

    /// Both answers are stock SQLite's: in its order if the query has an ORDER BY at its end, else in any.
    #[track_caller]
    pub(crate) fn check(&self, sql: &str) {
        for planned in [false, true] {
            let (judged, ours) = (self.judge(sql), self.ask(sql, planned));
            let (judged, ours) = match (judged, ours) {
                (Ok(judged), Ok(ours)) => (judged, ours),
                (Err(judged), Err(ours)) => {
                    assert_eq!(judged, ours, "{sql}");
                    continue;
                }
                (judged, ours) => panic!("{sql}\n stock: {judged:?}\n  ours: {ours:?}"),
            };
            assert_eq!(judged.0, ours.0, "names of {sql}");
            let ordered = sql.rfind("ORDER BY").is_some_and(|at| !sql[at..].contains(')'));
            let shown = |mut rows: Vec<Vec<Value>>| {
                if !ordered {
                    rows.sort_by_key(|row| format!("{row:?}"));
                }
                rows.iter().map(|row| format!("{row:?}")).collect::<Vec<_>>()
            };
            assert_eq!(shown(judged.1), shown(ours.1), "planned: {planned}: {sql}");
        }
    }

    #[track_caller]
    pub(crate) fn check_all(&self, queries: &[&str]) {
        let mut failed = Vec::new();
        for sql in queries {
            let checked =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.check(sql)));
            if let Err(panic) = checked {
                let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                failed.push(format!("{sql}\n    {text}"));
            }
        }
        assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), queries.len(), failed.join("\n"));
    }
}

/// Two tables of numbers and words with NULLs, an index or two, and a view.
pub(crate) fn words() -> Fixture {
    Fixture::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, b TEXT, c REAL, d);
         INSERT INTO t VALUES (1,10,'one',1.5,NULL),(2,20,'two',2.5,'x'),(3,30,'three',NULL,3),
           (4,NULL,'four',4.0,x'01'),(5,10,NULL,5.25,'10'),(6,20,'TWO',-1.0,2.0),(7,30,'one',0.0,'');
         CREATE TABLE u (x INT, y TEXT COLLATE NOCASE, z, UNIQUE (x, y));
         INSERT INTO u VALUES (10,'One',1),(20,'two',2),(20,'Three',NULL),(NULL,'four',4),(40,NULL,'5'),(30,'five',10);
         CREATE INDEX ta ON t (a);
         CREATE INDEX tb ON t (b COLLATE NOCASE, a DESC);
         CREATE TABLE w (k TEXT, n INT, v, PRIMARY KEY (k, n)) WITHOUT ROWID;
         INSERT INTO w VALUES ('a',1,'p'),('a',2,'q'),('b',1,'r'),('c',3,NULL);
         CREATE VIEW v AS SELECT a AS p, b AS q FROM t WHERE a > 5;
         CREATE VIEW v2 (m, n) AS SELECT p, count(*) FROM v GROUP BY p;
         CREATE TABLE g (i INT, j INT AS (i * 2) VIRTUAL, k TEXT AS ('k' || j) STORED);
         INSERT INTO g (i) VALUES (1),(2),(NULL);
         CREATE TABLE empty (e INT)",
    )
}
