//! What is made of a schema's texts, against what stock SQLite says of the same file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod built;
mod definitions;
mod refused;
mod stock;

use std::path::Path;

use heddle_engine::{Database, Options};
use heddle_sql::schema::{Cache, DatabaseIndex, Named, build};
use heddle_value::Collation;

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(future)
}

/// Both descriptions of a file, ours first; `None` if the engine does not open it.
fn both(path: &Path) -> Option<(Vec<String>, Vec<String>)> {
    let said = stock::describe(path);
    let ours = block_on(async {
        let db = Database::open(path, Options::default()).await.ok()?;
        let tx = db.begin().await.unwrap();
        let schema =
            build(tx.schema(), tx.schema_tree(), DatabaseIndex::MAIN, &Collation::built_in);
        let lines = built::describe(&schema);
        drop(tx);
        db.close().await.unwrap();
        Some(lines)
    })?;
    Some((ours, said))
}

#[test]
fn tables_and_indexes_are_what_stock_makes_of_them() {
    let dir = tempfile::tempdir().unwrap();
    for (at, script) in definitions::ALL.iter().enumerate() {
        let path = dir.path().join(format!("{at}.db"));
        let stock = rusqlite::Connection::open(&path).unwrap();
        stock.execute_batch(script).unwrap_or_else(|error| panic!("{script}: {error}"));
        drop(stock);
        let (ours, said) = both(&path).unwrap();
        assert_eq!(ours, said, "{script}");
        assert!(!said.is_empty(), "{script}");
    }
}

#[test]
fn schemas_of_programs_are_what_stock_makes_of_them() {
    // Beside the repository, or beside the folder of its worktrees.
    let beside = ["../../shared/realdb", "../../../shared/realdb"];
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(entries) = beside.iter().find_map(|dir| std::fs::read_dir(here.join(dir)).ok()) else {
        eprintln!("skipped: there are no databases of programs here");
        return;
    };
    let copies = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for entry in entries {
        let from = entry.unwrap().path();
        let is_database = std::fs::read(&from).unwrap().starts_with(b"SQLite format 3\0");
        if !is_database {
            continue;
        }
        let path = copies.path().join(from.file_name().unwrap());
        std::fs::copy(&from, &path).unwrap();
        if !stock::can_read(&path) {
            continue;
        }
        let Some((ours, said)) = both(&path) else { continue };
        assert_eq!(ours, said, "{}", from.display());
        compared += 1;
    }
    println!("{compared} databases compared");
    assert!(compared > 5, "only {compared} compared");
}

#[test]
fn a_cache_builds_again_only_what_changed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let stock = rusqlite::Connection::open(&path).unwrap();
    stock
        .execute_batch(
            "CREATE TABLE a (x UNIQUE); CREATE TABLE b (y); CREATE INDEX bi ON b (y);
             CREATE VIEW v AS SELECT * FROM a;
             CREATE TRIGGER g AFTER INSERT ON a BEGIN SELECT 1; END;",
        )
        .unwrap();
    drop(stock);
    block_on(async {
        use heddle_engine::raw::ObjectKind;
        let db = Database::open(&path, Options::default()).await.unwrap();
        let mut cache = Cache::default();
        let mut tx = db.begin().await.unwrap();
        let get = |cache: &mut Cache, tx: &heddle_engine::Transaction| {
            cache.get(tx, DatabaseIndex::MAIN, &Collation::built_in)
        };
        let first = get(&mut cache, &tx);
        assert!(std::sync::Arc::ptr_eq(&first, &get(&mut cache, &tx)));
        assert_eq!(first.table("a").unwrap().triggers.len(), 1);
        assert!(first.view("V").is_some() && first.trigger("G").is_some());
        tx.drop_object(ObjectKind::Index, "bi").await.unwrap();
        let second = get(&mut cache, &tx);
        let same = |name: &str| match (first.named(name), second.named(name)) {
            (Some(Named::Table(a)), Some(Named::Table(b))) => std::sync::Arc::ptr_eq(a, b),
            (Some(Named::View(a)), Some(Named::View(b))) => std::sync::Arc::ptr_eq(a, b),
            _ => panic!("{name}"),
        };
        assert!(same("a") && same("v") && !same("b"));
        assert!(second.index("bi").is_none() && first.index("bi").is_some());
    });
}

#[test]
fn what_analyze_found_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let stock = rusqlite::Connection::open(&path).unwrap();
    stock.execute_batch("CREATE TABLE a (x UNIQUE, y); CREATE INDEX i ON a (y)").unwrap();
    drop(stock);
    block_on(async {
        let db = Database::open(&path, Options::default()).await.unwrap();
        let tx = db.begin().await.unwrap();
        let mut cache = Cache::default();
        let row = |index: &str, text: &str| heddle_sql::schema::StatisticsRow {
            table: "A".into(),
            index: Some(index.into()),
            statistics: text.into(),
        };
        cache.set_statistics(vec![row("i", "100 7 sz=3"), row("other", "5 5")]);
        let schema = cache.get(&tx, DatabaseIndex::MAIN, &Collation::built_in);
        let (table, index) = schema.index("I").unwrap();
        assert_eq!((&*index.statistics, table.rows), (&[100, 7][..], Some(5)));
        assert_eq!(schema.table("a").unwrap().indexes[0].statistics, [100, 7]);
    });
}

#[test]
fn what_is_not_understood_does_not_hide_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let stock = rusqlite::Connection::open(&path).unwrap();
    stock
        .execute_batch(
            "CREATE TABLE a (x); CREATE TABLE b (x); CREATE INDEX i ON b (x); CREATE VIEW v AS SELECT 1;
             PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON b (missing)' WHERE name = 'i';
             UPDATE sqlite_schema SET sql = 'CREATE VIEW v AS SELECT' WHERE name = 'v';",
        )
        .unwrap();
    drop(stock);
    block_on(async {
        let db = Database::open(&path, Options::default()).await.unwrap();
        let tx = db.begin().await.unwrap();
        let schema =
            build(tx.schema(), tx.schema_tree(), DatabaseIndex::MAIN, &Collation::built_in);
        assert!(schema.table("a").is_some());
        let broken = |name: &str| match schema.named(name) {
            Some(Named::Broken(why)) => why.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(broken("b"), "malformed database schema (i) - no such column: missing");
        assert_eq!(broken("v"), "malformed database schema (v) - incomplete input");
    });
}
