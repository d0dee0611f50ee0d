//! The same statements run by stock SQLite and here, and what they leave compared.

use std::path::PathBuf;
use std::sync::Arc;

use heddle_engine::{Database, Options, Transaction};
use heddle_sql::ast::{ConflictClause, Statement};
use heddle_sql::bind::{self, Environment};
use heddle_sql::exec::{self, Resources};
use heddle_sql::schema::{self, Databases};
use heddle_sql::session::Extensions;
use heddle_sql::{Error, modify, parse};
use heddle_value::{Collation, Value};
use rusqlite::types::ValueRef;

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    heddle_io::ThreadRuntime::new().block_on(future)
}

const COUNTERS: &str = "SELECT changes(), total_changes(), last_insert_rowid()";

type Rows = Vec<Vec<Value>>;

/// Two databases that are to stay the same.
pub(crate) struct Pair {
    stock: rusqlite::Connection,
    database: Database,
    resources: Resources,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

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

fn judged(stock: &rusqlite::Connection, sql: &str, parameters: &[Value]) -> Result<Rows, String> {
    let mut statement = stock.prepare(sql).map_err(|e| message(&e))?;
    let columns = statement.column_count();
    let given = parameters.iter().map(|value| -> Box<dyn rusqlite::ToSql> {
        match value {
            Value::Null => Box::new(rusqlite::types::Null),
            Value::Integer(v) => Box::new(*v),
            Value::Real(v) => Box::new(*v),
            Value::Text(v) => Box::new(v.to_str().unwrap().to_owned()),
            Value::Blob(v) => Box::new(v.as_bytes().to_vec()),
        }
    });
    let given: Vec<_> = given.collect();
    let mut rows = statement.query(rusqlite::params_from_iter(given)).map_err(|e| message(&e))?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(|e| message(&e))? {
        out.push((0..columns).map(|i| value(row.get_ref(i).unwrap())).collect());
    }
    Ok(out)
}

impl Pair {
    /// Both with this schema and content, made by stock SQLite.
    pub(crate) fn new(sql: &str) -> Pair {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let file = rusqlite::Connection::open(&path).unwrap();
        file.execute_batch(sql).unwrap();
        drop(file);
        let stock = rusqlite::Connection::open_in_memory().unwrap();
        stock.execute_batch(sql).unwrap();
        stock.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        let database = block_on(Database::open(&path, Options::default())).unwrap();
        let counters = judged(&stock, COUNTERS, &[]).unwrap();
        let counter = |at: usize| match counters[0][at] {
            Value::Integer(value) => value,
            _ => 0,
        };
        let resources = Resources {
            changes: counter(0),
            total_changes: counter(1),
            last_insert_rowid: counter(2),
            ..Resources::default()
        };
        Pair { stock, database, resources, path, _dir: dir }
    }

    /// A setting of both.
    pub(crate) fn pragma(&mut self, name: &str, set: fn(&mut Resources)) {
        self.stock.execute_batch(&format!("PRAGMA {name} = ON")).unwrap();
        set(&mut self.resources);
    }

    /// Runs statements in both, each in a transaction of its own, and compares what each gives.
    #[track_caller]
    pub(crate) fn run(&mut self, script: &str) {
        let mut rest = script;
        while let Some(parsed) = parse::parse(rest).unwrap() {
            let text = &rest[parsed.text.clone()];
            self.check(text, &[]);
            rest = &rest[parsed.end..];
        }
    }

    /// Runs a statement in both and compares rows, errors and counters.
    #[track_caller]
    pub(crate) fn check(&mut self, sql: &str, parameters: &[Value]) {
        let theirs = judged(&self.stock, sql, parameters);
        let ours = block_on(self.ours(sql, parameters));
        assert_eq!(ours, theirs, "{sql}");
        let theirs = judged(&self.stock, COUNTERS, &[]).unwrap();
        let r = &self.resources;
        let ours = [r.changes, r.total_changes, r.last_insert_rowid].map(Value::Integer);
        assert_eq!(ours.to_vec(), theirs[0], "counters after {sql}");
    }

    async fn ours(&mut self, sql: &str, parameters: &[Value]) -> Result<Rows, String> {
        let resources = &mut self.resources;
        let mut transaction = self.database.begin().await.unwrap();
        let savepoint = transaction.savepoint();
        resources.deferred_violations = 0;
        resources.transactions = vec![Some(transaction)];
        let done = statement(sql, parameters, resources).await;
        let mut transaction = resources.transactions.remove(0).unwrap();
        let keep = match &done {
            Ok(_) => true,
            Err(Error::Constraint { action, .. } | Error::Raised { action, .. }) => {
                *action == ConflictClause::Fail
            }
            Err(_) => false,
        };
        if !keep {
            transaction.rollback_to(savepoint).unwrap();
        }
        if keep && resources.deferred_violations > 0 {
            // What the session says at a commit of a transaction of one statement.
            transaction.rollback();
            resources.total_changes -= std::mem::take(&mut resources.changes);
            return Err("FOREIGN KEY constraint failed".to_owned());
        }
        transaction.commit().await.unwrap();
        done.map_err(|error| error.to_string())
    }

    /// Compares all rows of all tables, and lets stock SQLite look at the file.
    #[track_caller]
    pub(crate) fn finish(mut self) {
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        for table in judged(&self.stock, tables, &[]).unwrap() {
            let Value::Text(name) = &table[0] else { panic!("{table:?}") };
            let sql = format!("SELECT * FROM \"{}\"", name.to_str().unwrap());
            let mut theirs = judged(&self.stock, &sql, &[]).unwrap();
            let mut ours = block_on(self.ours(&sql, &[])).unwrap();
            // Which index is walked is not fixed.
            theirs.sort_by_key(|row| format!("{row:?}"));
            ours.sort_by_key(|row| format!("{row:?}"));
            assert_eq!(ours, theirs, "{sql}");
        }
        block_on(self.database.close()).unwrap();
        let file = rusqlite::Connection::open(&self.path).unwrap();
        let found = judged(&file, "PRAGMA integrity_check", &[]).unwrap();
        assert_eq!(found, [[Value::text("ok")]]);
        for table in judged(&self.stock, tables, &[]).unwrap() {
            let Value::Text(name) = &table[0] else { panic!("{table:?}") };
            if name.to_str() == Some("sqlite_sequence") {
                continue;
            }
            let sql = format!("SELECT * FROM \"{}\"", name.to_str().unwrap());
            let theirs = judged(&self.stock, &sql, &[]).unwrap();
            assert_eq!(judged(&file, &sql, &[]).unwrap(), theirs, "{sql} in the file");
        }
    }
}

fn databases(transaction: &Transaction) -> Databases {
    let built = schema::build(
        transaction.schema(),
        transaction.schema_tree(),
        schema::DatabaseIndex::MAIN,
        &|name| Collation::built_in(name),
    );
    Databases { list: vec![Some(schema::Database { name: "main".into(), schema: built })] }
}

async fn statement(
    sql: &str,
    parameters: &[Value],
    resources: &mut Resources,
) -> heddle_sql::Result<Rows> {
    let parsed = parse::parse_one(sql)?;
    let databases = match &resources.transactions[0] {
        Some(transaction) => databases(transaction),
        None => Databases::default(),
    };
    let extensions = Extensions::default();
    let environment = Environment { databases: &databases, extensions: &extensions };
    let count = parsed.parameters.len() as u32;
    let parameters: Arc<[Value]> = parameters.into();
    match &parsed.statement {
        Statement::Select(select) => {
            let query = bind::query(environment, select, count)?;
            let mut running = exec::Running::start(Arc::new(query), parameters)?;
            running.all_rows(resources).await
        }
        other => {
            let plan = bind::modification(environment, other, count)?;
            let mut running = modify::Running::start(Arc::new(plan), parameters)?;
            let changed = running.run(resources).await?;
            assert_eq!(changed, u64::try_from(resources.changes).unwrap());
            Ok(running.returning())
        }
    }
}
