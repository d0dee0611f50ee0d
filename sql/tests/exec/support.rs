//! A database of stock SQLite's, the same one opened by the engine, and short words for plans.

use std::sync::Arc;

use heddle_engine::raw::ObjectKind;
use heddle_engine::{Database, Options};
use heddle_sql::ast::{self, IndexHint};
use heddle_sql::exec::{Resources, Running};
use heddle_sql::plan::*;
use heddle_sql::schema::{
    Column, DatabaseIndex, Default as ColumnDefault, Index, IndexKey, IndexOrigin, Table, TableKind,
};
use heddle_value::{Affinity, Collation, Value};
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
        let sorted = |mut rows: Vec<Vec<Value>>| {
            rows.sort_by_key(|row| format!("{row:?}"));
            rows
        };
        let judged = sorted(self.judge(sql).unwrap());
        same(sql, &sorted(self.run(relation, columns)), &judged);
    }

    /// A table as the executor needs it, by what stock SQLite says of it.
    pub(crate) fn table(&self, name: &str) -> Arc<Table> {
        let transaction = block_on(self.database.begin()).unwrap();
        let schema = Arc::clone(transaction.schema());
        let tree = |kind, name: &str| schema.find(kind, name).unwrap().tree.clone().unwrap();
        let columns = self.columns(name);
        let text = |v: &Value| v.to_text().to_string_lossy().into_owned();
        let listed = self.judge(&format!("SELECT wr FROM pragma_table_list('{name}')")).unwrap();
        let without_rowid = listed[0][0] == Value::Integer(1);
        let indexes: Vec<(Arc<Index>, bool)> = self
            .judge(&format!("SELECT name, \"unique\", origin FROM pragma_index_list('{name}')"))
            .unwrap()
            .iter()
            .map(|row| (text(&row[0]), row[1] == Value::Integer(1), text(&row[2]) == "pk"))
            .map(|(index, unique, primary)| {
                // The tree of a WITHOUT ROWID table is its primary key.
                let object = match without_rowid && primary {
                    true => tree(ObjectKind::Table, name),
                    false => tree(ObjectKind::Index, &index),
                };
                (Arc::new(self.index(&index, unique, object)), primary)
            })
            .collect();
        let keyed = columns.iter().filter(|c| c.primary_key_place > 0).count();
        let alias = columns.iter().position(|c| {
            c.primary_key_place > 0
                && keyed == 1
                && !without_rowid
                && c.declared_type.as_deref() == Some("INTEGER")
        });
        let primary_key: Vec<IndexKey> = match indexes.iter().find(|(_, primary)| *primary) {
            Some((index, _)) => index.keys.clone(),
            None => Vec::new(),
        };
        let mut record_order: Vec<u16> = Vec::new();
        if without_rowid {
            record_order.extend(primary_key.iter().filter_map(|key| key.column));
        }
        for column in 0..columns.len() as u16 {
            if !record_order.contains(&column) {
                record_order.push(column);
            }
        }
        Arc::new(Table {
            name: name.into(),
            kind: TableKind::Ordinary,
            tree: tree(ObjectKind::Table, name),
            columns,
            rowid_alias: alias,
            autoincrement: false,
            primary_key,
            primary_key_conflict: None,
            without_rowid,
            strict: false,
            record_order,
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            indexes: indexes
                .into_iter()
                .filter(|(_, primary)| !(without_rowid && *primary))
                .map(|(index, _)| index)
                .collect(),
            triggers: Vec::new(),
            sql: "".into(),
        })
    }

    fn columns(&self, table: &str) -> Vec<Column> {
        let sql = format!("SELECT name, type, dflt_value, pk FROM pragma_table_xinfo('{table}')");
        let rows = self.judge(&sql).unwrap();
        let text = |v: &Value| v.to_text().to_string_lossy().into_owned();
        rows.iter()
            .map(|row| Column {
                name: text(&row[0]).into(),
                declared_type: Some(text(&row[1]).into()),
                affinity: Affinity::of_type(&text(&row[1])),
                strict: None,
                collation: Collation::BINARY,
                unknown_collation: None,
                not_null: None,
                default: (!row[2].is_null()).then(|| {
                    let value = self.judge(&format!("SELECT {}", text(&row[2]))).unwrap();
                    ColumnDefault {
                        expr: ast::Expr::Literal(ast::Literal::Value(value[0][0].clone())),
                        text: text(&row[2]).into(),
                    }
                }),
                generated: None,
                primary_key_place: match row[3] {
                    Value::Integer(place) => place as u16,
                    _ => 0,
                },
            })
            .collect()
    }

    fn index(&self, name: &str, unique: bool, tree: heddle_engine::raw::Tree) -> Index {
        let sql = format!("SELECT cid, coll, \"desc\", key FROM pragma_index_xinfo('{name}')");
        let key = |row: &Vec<Value>| IndexKey {
            column: match row[0] {
                Value::Integer(column) => u16::try_from(column).ok(),
                _ => None,
            },
            expr: None,
            collation: Collation::built_in(&row[1].to_text().to_string_lossy()).unwrap(),
            descending: row[2] == Value::Integer(1),
        };
        let (keys, rest): (Vec<_>, Vec<_>) =
            self.judge(&sql).unwrap().into_iter().partition(|row| row[3] == Value::Integer(1));
        Index {
            name: name.into(),
            tree,
            keys: keys.iter().map(key).collect(),
            row_keys: rest.iter().map(key).filter(|key| key.column.is_some()).collect(),
            unique,
            conflict: None,
            filter: None,
            origin: IndexOrigin::CreateIndex,
            sql: None,
            statistics: Vec::new(),
        }
    }
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
