//! A database of stock SQLite's, the same one opened by the engine, and short words for plans.

use std::sync::Arc;

use heddle_engine::{Database, Options, Transaction};
use heddle_sql::ast::IndexHint;
use heddle_sql::ast::Statement;
use heddle_sql::bind::Environment;
use heddle_sql::exec::{Resources, Running};
use heddle_sql::parse::parse_one;
use heddle_sql::plan::*;
use heddle_sql::schema::{
    Database as NamedDatabase, DatabaseIndex, Databases, Index, Schema, Table, build,
};
use heddle_sql::session::Extensions;
use heddle_value::{Collation, Value};
use rusqlite::types::ValueRef;

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    heddle_io::ThreadRuntime::new().block_on(future)
}

/// Both databases.
pub(crate) struct Fixture {
    pub(crate) stock: rusqlite::Connection,
    database: Database,
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
    pub(crate) fn judge(&self, sql: &str) -> Result<Vec<Vec<Value>>, String> {
        let mut statement = self.stock.prepare(sql).map_err(|e| message(&e))?;
        let columns = statement.column_count();
        let mut rows = statement.query([]).map_err(|e| message(&e))?;
        let mut out = Vec::new();
        while let Some(row) = rows.next().map_err(|e| message(&e))? {
            out.push((0..columns).map(|i| value(row.get_ref(i).unwrap())).collect());
        }
        Ok(out)
    }

    /// What a plan gives.
    pub(crate) fn try_run(
        &self,
        relation: Relation,
        columns: &[ColumnId],
        shared: Vec<Shared>,
        parameters: &[Value],
    ) -> Result<Vec<Vec<Value>>, String> {
        let query = Query {
            relation,
            columns: columns.to_vec(),
            names: Vec::new(),
            infos: Vec::new(),
            shared,
            parameters: parameters.len() as u32,
        };
        block_on(async {
            let mut resources = self.resources().await;
            let mut running =
                Running::start(Arc::new(query), parameters.into()).map_err(|e| e.to_string())?;
            let first = running.all_rows(&mut resources).await.map_err(|e| e.to_string())?;
            // A second run gives the same.
            running.restart(parameters.into());
            let again = running.all_rows(&mut resources).await.map_err(|e| e.to_string())?;
            assert_eq!(first, again);
            Ok(first)
        })
    }

    /// What a query of SQL gives, by way of the binder.
    pub(crate) fn try_sql(&self, sql: &str) -> Result<Vec<Vec<Value>>, String> {
        block_on(async { self.try_sql_with(sql, self.resources().await, false).await })
    }

    pub(crate) async fn try_sql_with(
        &self,
        sql: &str,
        mut resources: Resources,
        optimized: bool,
    ) -> Result<Vec<Vec<Value>>, String> {
        let parsed = parse_one(sql).map_err(|e| e.to_string())?;
        let Statement::Select(select) = parsed.statement else { panic!("{sql} is no query") };
        let schema = self.schema(resources.transaction(DatabaseIndex::MAIN).unwrap());
        let main = Some(NamedDatabase { name: "main".into(), schema });
        let databases = Databases { list: vec![main] };
        let extensions = self.extensions();
        let environment = Environment { databases: &databases, extensions: &extensions };
        let mut query =
            heddle_sql::bind::query(environment, &select, 0).map_err(|e| e.to_string())?;
        if optimized {
            heddle_sql::optimize::optimize(&mut query);
        }
        let mut running =
            Running::start(Arc::new(query), Arc::default()).map_err(|e| e.to_string())?;
        let first = running.all_rows(&mut resources).await.map_err(|e| e.to_string())?;
        running.restart(Arc::default());
        let again = running.all_rows(&mut resources).await.map_err(|e| e.to_string())?;
        assert_eq!(first, again, "{sql}");
        Ok(first)
    }

    fn extensions(&self) -> Extensions {
        Extensions::default()
    }

    /// The query gives what stock SQLite gives, in the same order; optimized, it gives the same rows in any order.
    #[track_caller]
    pub(crate) fn check_sql(&self, sql: &str) {
        let ours = self.try_sql(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        let theirs = self.judge(sql).unwrap_or_else(|e| panic!("stock: {sql}: {e}"));
        same(sql, &ours, &theirs);
        let optimized =
            block_on(async { self.try_sql_with(sql, self.resources().await, true).await });
        let optimized = optimized.unwrap_or_else(|e| panic!("optimized: {sql}: {e}"));
        same(&format!("optimized: {sql}"), &sorted(optimized), &sorted(theirs));
    }

    pub(crate) async fn resources(&self) -> Resources {
        let transaction = self.database.begin().await.unwrap();
        Resources { transactions: vec![Some(transaction)], ..Resources::default() }
    }

    pub(crate) fn run(&self, relation: Relation, columns: &[ColumnId]) -> Vec<Vec<Value>> {
        self.try_run(relation, columns, Vec::new(), &[]).unwrap()
    }

    /// The plan gives what stock SQLite gives, in the same order.
    #[track_caller]
    pub(crate) fn check(&self, sql: &str, relation: Relation, columns: &[ColumnId]) {
        same(sql, &self.run(relation, columns), &self.judge(sql).unwrap());
    }

    /// The same, in any order.
    #[track_caller]
    pub(crate) fn check_set(&self, sql: &str, relation: Relation, columns: &[ColumnId]) {
        let judged = sorted(self.judge(sql).unwrap());
        same(sql, &sorted(self.run(relation, columns)), &judged);
    }

    fn schema(&self, transaction: &Transaction) -> Arc<Schema> {
        let (objects, tree) = (transaction.schema(), transaction.schema_tree());
        build::build(objects, tree, DatabaseIndex::MAIN, &Collation::built_in)
    }

    /// A table as the executor needs it.
    pub(crate) fn table(&self, name: &str) -> Arc<Table> {
        let transaction = block_on(self.database.begin()).unwrap();
        Arc::clone(self.schema(&transaction).table(name).unwrap())
    }
}

fn sorted(mut rows: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    rows.sort_by_key(|row| format!("{row:?}"));
    rows
}

/// Fails with the first difference.
#[track_caller]
fn same(sql: &str, ours: &[Vec<Value>], theirs: &[Vec<Value>]) {
    for (row, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(ours, theirs, "row {row} of {sql}");
    }
    assert_eq!(ours.len(), theirs.len(), "rows of {sql}");
}

fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

/// The column with this number.
pub(crate) fn id(number: u32) -> ColumnId {
    ColumnId(number)
}

pub(crate) fn ids(numbers: &[u32]) -> Vec<ColumnId> {
    numbers.iter().map(|number| ColumnId(*number)).collect()
}

pub(crate) fn col(number: u32) -> Expr {
    Expr::Column(ColumnId(number))
}

pub(crate) fn int(value: i64) -> Expr {
    Expr::Constant(Value::Integer(value))
}

pub(crate) fn text(value: &str) -> Expr {
    Expr::Constant(Value::text(value))
}

pub(crate) fn null() -> Expr {
    Expr::Constant(Value::Null)
}

pub(crate) fn comparison(op: CompareOp, left: Expr, right: Expr) -> Comparison {
    Comparison {
        op,
        left,
        right,
        left_affinity: None,
        right_affinity: None,
        collation: Collation::BINARY,
    }
}

pub(crate) fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::Compare(Box::new(comparison(op, left, right)))
}

pub(crate) fn equal(left: Expr, right: Expr) -> Expr {
    compare(CompareOp::Equal, left, right)
}

pub(crate) fn arithmetic(op: Arithmetic, left: Expr, right: Expr) -> Expr {
    Expr::Arithmetic(op, Box::new(left), Box::new(right))
}

/// All columns of a table, numbered from `first`, and the rowid as `first + 50`.
pub(crate) fn scan_with(table: &Arc<Table>, first: u32, access: Access) -> Scan {
    Scan {
        database: DatabaseIndex::MAIN,
        table: Arc::clone(table),
        columns: (0..table.columns.len() as u16)
            .map(|column| (column, ColumnId(first + u32::from(column))))
            .collect(),
        rowid: table.has_rowid().then_some(ColumnId(first + 50)),
        access,
        backward: false,
        hint: IndexHint::None,
        label: table.name.clone(),
    }
}

pub(crate) fn scan(table: &Arc<Table>, first: u32) -> Relation {
    Relation::Scan(Box::new(scan_with(table, first, Access::Full)))
}

pub(crate) fn filter(input: Relation, predicates: Vec<Expr>) -> Relation {
    Relation::Filter { input: Box::new(input), predicates }
}

pub(crate) fn project(input: Relation, columns: Vec<(u32, Expr)>) -> Relation {
    let columns = columns.into_iter().map(|(id, expr)| (ColumnId(id), expr)).collect();
    Relation::Project { input: Box::new(input), columns }
}

pub(crate) fn limit(input: Relation, count: Expr, offset: Option<Expr>) -> Relation {
    Relation::Limit { input: Box::new(input), count, offset }
}

pub(crate) fn subquery(
    number: u32,
    relation: Relation,
    columns: &[u32],
    outer: &[u32],
) -> Box<Subquery> {
    Box::new(Subquery {
        id: SubqueryId(number),
        relation,
        columns: ids(columns),
        outer: ids(outer),
        stable: true,
    })
}

/// The index of a table whose name ends so.
pub(crate) fn index(table: &Table, name: &str) -> Arc<Index> {
    table.indexes.iter().find(|index| index.name.ends_with(name)).unwrap().clone()
}
