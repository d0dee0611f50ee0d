//! Trees, rows as bytes and the schema's objects, as who makes SQL of the engine uses them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

use std::ops::Bound;
use std::sync::Arc;

use heddle_engine::raw::{ObjectKind, Step};
use heddle_engine::{Database, Direction, Options, RowId};

mod common;
use common::block_on;

const SQL: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, name TEXT COLLATE NOCASE, twice AS (n * 2), CHECK (n <> 13));
    CREATE TABLE w (a TEXT, b INT, PRIMARY KEY (b DESC, a COLLATE RTRIM)) WITHOUT ROWID;
    CREATE INDEX by_expr ON t (n + 1, (name), lower(name) COLLATE NOCASE DESC);
    CREATE UNIQUE INDEX part ON t (name) WHERE n > 10;
    CREATE VIEW v AS SELECT * FROM t;
    CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END;
    INSERT INTO t (id, n, name) VALUES (1, 5, 'A'), (2, 11, 'b'), (3, 12, 'C');
    INSERT INTO w VALUES ('x', 1), ('y', 2);
";

#[test]
fn every_object_of_a_stock_file_is_there_with_its_tree() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(SQL).unwrap();
    block_on(async {
        let db = Database::open(&path, Options::default()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        let schema = Arc::clone(tx.schema());
        let found: Vec<_> = schema
            .objects()
            .iter()
            .map(|o| (o.kind.as_str(), &*o.name, &*o.table, o.row.0, o.tree.is_some()))
            .collect();
        assert_eq!(
            found,
            [
                ("table", "t", "t", 1, true),
                ("table", "w", "w", 2, true),
                ("index", "by_expr", "t", 3, true),
                ("index", "part", "t", 4, true),
                ("view", "v", "v", 5, false),
                ("trigger", "g", "t", 6, false),
            ]
        );
        assert!(Arc::ptr_eq(&schema, db.begin().await.unwrap().schema()));
        let tree = |kind, name| schema.find(kind, name).unwrap().tree.clone().unwrap();
        let t = tree(ObjectKind::Table, "T");
        assert!(t.is_table() && t.is_ordered());
        let by_expr = tree(ObjectKind::Index, "by_expr");
        let order: Vec<_> = by_expr.shape().unwrap().columns.iter().collect();
        let told: Vec<_> =
            order.iter().map(|c| format!("{:?} {}", c.collation, c.descending)).collect();
        assert_eq!(told, ["Binary false", "NoCase false", "NoCase true", "Binary false"]);
        // Walked, and found by key and in place.
        let mut rows = tx.cursor(&t, Bound::Unbounded, Bound::Unbounded, Direction::Descending);
        let mut ids = Vec::new();
        while rows.step(&mut tx).await.unwrap() {
            ids.push(rows.rowid().unwrap());
            let key = rows.key().unwrap().to_vec();
            let record = tx.read(&t, &key).await.unwrap().unwrap();
            assert_eq!(rows.record(), Some(&*record));
            assert_eq!(rows.row(), Some((ids[ids.len() - 1], &*record)));
            let same = tx.try_read_with(&t, &key, |found| found == &*record).unwrap();
            assert!(matches!(same, Step::Row(Some(true)) | Step::NeedsIo));
        }
        assert_eq!(ids, [3, 2, 1]);
        for (kind, name, entries) in [
            (ObjectKind::Index, "by_expr", 3),
            (ObjectKind::Index, "part", 2),
            (ObjectKind::Table, "w", 2),
        ] {
            let tree = tree(kind, name);
            let mut walk =
                tx.cursor(&tree, Bound::Unbounded, Bound::Unbounded, Direction::Ascending);
            let mut count = 0;
            while walk.step(&mut tx).await.unwrap() {
                // The key that the shape makes is the one by which the entry is found.
                let (key, record) = (walk.key().unwrap().to_vec(), walk.record().unwrap().to_vec());
                assert_eq!(
                    tx.read(&tree, &key).await.unwrap().as_deref(),
                    Some(&*record),
                    "{name}"
                );
                count += 1;
            }
            assert_eq!(count, entries, "{name}");
        }
        assert_eq!(tx.new_rowid(&t, false).await.unwrap(), RowId(4));
        drop(tx);
        assert_eq!(db.check().await.unwrap(), [""; 0]);
        db.close().await.unwrap();
    });
}

// ---- changes of the schema, filled by callbacks ----

use heddle_btree::collation::Collation;
use heddle_btree::key::{KeyColumn, KeyShape, encode_record, encode_rowid};
use heddle_btree::record::{self, Record};
use heddle_btree::value::ValueRef;
use heddle_engine::raw::{Entries, NewObject, NewTree, Tree};
use heddle_engine::{Encoding, Env, Error, Result, Transaction};
use heddle_io::Simulation;

const PATH: &str = "/db/x.db";

fn object(
    kind: ObjectKind,
    name: &str,
    table: &str,
    sql: Option<&str>,
    tree: NewTree,
) -> NewObject {
    let (name, table) = (name.to_owned(), table.to_owned());
    NewObject { kind, name, table, sql: sql.map(str::to_owned), tree }
}

fn shape(columns: &[(Collation, bool)], unique: Option<usize>) -> KeyShape {
    let columns: Vec<_> = columns
        .iter()
        .map(|&(collation, descending)| KeyColumn { collation, descending })
        .collect();
    let shape = KeyShape::new(columns, Encoding::Utf8);
    match unique {
        Some(declared) => shape.unique(declared),
        None => shape,
    }
}

fn encoded(values: &[ValueRef<'_>]) -> bytes::Bytes {
    let mut out = Vec::new();
    record::encode(values.iter().copied(), &mut out).unwrap();
    out.into()
}

fn key_of(tree: &Tree, record: &[u8]) -> bytes::Bytes {
    let mut out = Vec::new();
    encode_record(tree.shape().unwrap(), &Record::parse(record).unwrap(), &mut out).unwrap();
    out.into()
}

/// The entries of `(n + 1, name COLLATE NOCASE)`, or of `(name) WHERE n > 10`.
struct ByHand<'a> {
    index: &'a Tree,
    partial: bool,
}

impl Entries for ByHand<'_> {
    fn entry(&mut self, key: &[u8], row: &[u8]) -> Result<Option<(bytes::Bytes, bytes::Bytes)>> {
        let rowid = ValueRef::Integer(heddle_btree::key::decode_rowid(key).unwrap());
        let row = Record::parse(row).unwrap();
        let n = row.column(1).unwrap().unwrap().integer().unwrap();
        let name = row.column(2).unwrap().unwrap();
        let record = match self.partial {
            true if n <= 10 => return Ok(None),
            true => encoded(&[name, rowid]),
            false => encoded(&[ValueRef::Integer(n + 1), name, rowid]),
        };
        Ok(Some((key_of(self.index, &record), record)))
    }

    fn duplicate(&mut self, _key: &[u8], _record: &[u8]) -> Error {
        Error::AlreadyExists { name: "the key".to_owned() }
    }
}

fn find(tx: &Transaction, kind: ObjectKind, name: &str) -> Option<Tree> {
    tx.schema().find(kind, name).and_then(|object| object.tree.clone())
}

/// A row of `t`, with its entries in whatever indexes there are.
async fn add(tx: &mut Transaction, n: i64, name: &str) -> Result<i64> {
    tx.make_room().await?;
    let t = find(tx, ObjectKind::Table, "t").unwrap();
    let rowid = tx.new_rowid(&t, false).await?.0;
    let row = encoded(&[ValueRef::Null, ValueRef::Integer(n), ValueRef::Text(name.as_bytes())]);
    let key = encode_rowid(rowid).to_vec();
    for (index, partial) in [("by_expr", false), ("part", true)] {
        let Some(index) = find(tx, ObjectKind::Index, index) else { continue };
        if let Some((key, record)) = (ByHand { index: &index, partial }).entry(&key, &row)? {
            tx.write(&index, key, record)?;
        }
    }
    tx.write(&t, key.into(), row)?;
    Ok(rowid)
}

const T: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, name TEXT, twice AS (n * 2), CHECK (n < 1000000))";
const W: &str = "CREATE TABLE w (a TEXT COLLATE NOCASE, b, PRIMARY KEY (a DESC)) WITHOUT ROWID";
const U: &str = "CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT, k TEXT UNIQUE)";
const BY_EXPR: &str = "CREATE INDEX by_expr ON t (n + 1, (name) COLLATE nocase)";
const PART: &str = "CREATE INDEX part ON t (name DESC) WHERE n > 10";

async fn make_tables(tx: &mut Transaction) -> Result<()> {
    use ObjectKind::{Index, Table, Trigger, View};
    let binary = (Collation::Binary, false);
    let w = NewTree::Index(shape(&[(Collation::NoCase, true)], None));
    let of_u = NewTree::Index(shape(&[binary, binary], Some(1)));
    for new in [
        object(Table, "t", "t", Some(T), NewTree::Table),
        object(Table, "w", "w", Some(W), w),
        object(Table, "u", "u", Some(U), NewTree::Table),
        object(Index, "sqlite_autoindex_u_1", "u", None, of_u),
        object(
            Table,
            "sqlite_sequence",
            "sqlite_sequence",
            Some("CREATE TABLE sqlite_sequence(name,seq)"),
            NewTree::Table,
        ),
        object(View, "v", "v", Some("CREATE VIEW v AS SELECT n FROM t"), NewTree::None),
        object(
            Trigger,
            "g",
            "t",
            Some("CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END"),
            NewTree::None,
        ),
    ] {
        tx.create(new).await?;
    }
    Ok(())
}

async fn make_indexes(tx: &mut Transaction) -> Result<()> {
    let binary = (Collation::Binary, false);
    for (name, sql, partial, order) in [
        ("by_expr", BY_EXPR, false, shape(&[binary, (Collation::NoCase, false), binary], None)),
        ("part", PART, true, shape(&[(Collation::Binary, true), binary], None)),
    ] {
        let new = object(ObjectKind::Index, name, "t", Some(sql), NewTree::Index(order));
        let index = tx.create(new).await?.unwrap();
        let t = find(tx, ObjectKind::Table, "t").unwrap();
        tx.fill_index(&t, &index, &mut ByHand { index: &index, partial }).await?;
    }
    Ok(())
}

async fn add_to_others(tx: &mut Transaction, i: i64) -> Result<()> {
    let w = find(tx, ObjectKind::Table, "w").unwrap();
    let text = format!("key {i}");
    let row = encoded(&[ValueRef::Text(text.as_bytes()), ValueRef::Integer(i)]);
    tx.write(&w, key_of(&w, &row), row)?;
    let u = find(tx, ObjectKind::Table, "u").unwrap();
    let index = find(tx, ObjectKind::Index, "sqlite_autoindex_u_1").unwrap();
    let rowid = tx.new_rowid(&u, true).await?;
    let entry = encoded(&[ValueRef::Text(text.as_bytes()), ValueRef::Integer(rowid.0)]);
    let key = key_of(&index, &entry);
    assert_eq!(tx.read_for_constraint(&index, &key).await?, None);
    tx.write(&index, key, entry)?;
    let row = encoded(&[ValueRef::Null, ValueRef::Text(text.as_bytes())]);
    tx.write(&u, encode_rowid(rowid.0).to_vec().into(), row)?;
    tx.remember_rowid(&u, rowid).await
}

fn options(env: Env) -> Options {
    Options { env: Some(env), auto_checkpoint: false, page_size: 1024, ..Options::default() }
}

/// A life of which each step may be the last.
async fn life(env: Env, steps: usize) -> Result<Database> {
    let db = Database::open(PATH, options(env)).await?;
    for step in 0..steps {
        let mut tx = db.begin().await?;
        match step {
            0 => make_tables(&mut tx).await?,
            1 | 4 => {
                for i in 0..30 {
                    add(&mut tx, i + step as i64, &format!("Name {}", i % 7)).await?;
                    add_to_others(&mut tx, step as i64 * 100 + i).await?;
                }
            }
            2 | 6 | 8 => {
                drop(tx);
                db.checkpoint().await?;
                continue;
            }
            3 => make_indexes(&mut tx).await?,
            5 => {
                tx.drop_object(ObjectKind::Trigger, "g").await?;
                rename(&mut tx).await?;
            }
            _ => {
                tx.drop_object(ObjectKind::Index, "part").await?;
                tx.drop_object(ObjectKind::Table, "u").await?;
                tx.drop_object(ObjectKind::View, "v").await?;
            }
        }
        tx.commit().await?;
    }
    Ok(db)
}

/// Of the table `w` and its column, row by row.
async fn rename(tx: &mut Transaction) -> Result<()> {
    let sql = "CREATE TABLE \"x\" (aa TEXT COLLATE NOCASE, b, PRIMARY KEY (aa DESC)) WITHOUT ROWID";
    tx.rewrite(ObjectKind::Table, "w", "x", "x", Some(sql.to_owned())).await?;
    // An automatic index is named after its table.
    let sql = "CREATE TABLE \"uu\" (id INTEGER PRIMARY KEY AUTOINCREMENT, kk TEXT UNIQUE)";
    tx.rewrite(ObjectKind::Table, "u", "u", "u", Some(sql.replace("uu", "u"))).await
}

#[test]
fn objects_made_from_outside_are_sound_wherever_the_power_goes() {
    for steps in 1..=9 {
        for end in ["close", "power"] {
            let sim = Simulation::new(steps as u64);
            let env = sim.env();
            let db = sim.block_on(async { life(env, steps).await.unwrap() });
            if end == "close" {
                sim.block_on(async { db.close().await.unwrap() });
            } else {
                drop(db);
                let env = sim.restart();
                sim.block_on(async {
                    let db = Database::open(PATH, options(env)).await.unwrap();
                    assert_eq!(db.check().await.unwrap(), [""; 0], "{steps}, {end}");
                    db.close().await.unwrap();
                });
            }
            let dir = tempfile::tempdir().unwrap();
            sim.disk().export("/db", dir.path()).unwrap();
            let path = dir.path().join("x.db");
            common::stock_check(&path);
            let count = |sql: &str| common::stock_rows(&path, sql)[0].clone();
            let rows = ["0", "30", "60"][(usize::from(steps > 1)) + usize::from(steps > 4)];
            assert_eq!(count("SELECT count(*) FROM t NOT INDEXED"), rows, "{steps}, {end}");
            if steps > 3 {
                let sql = "SELECT count(*) FROM t INDEXED BY by_expr WHERE n + 1 > -5";
                assert_eq!(count(sql), rows, "{steps}, {end}");
            }
            if (4..8).contains(&steps) {
                let with =
                    count("SELECT count(*) FROM t INDEXED BY part WHERE n > 10 AND name > ''");
                assert_eq!(with, count("SELECT count(*) FROM t NOT INDEXED WHERE n > 10"));
            }
            let w = if steps > 5 { "x" } else { "w" };
            assert_eq!(count(&format!("SELECT count(*) FROM {w}")), rows);
            let sequence =
                count("SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'u'), 0)");
            assert_eq!(sequence, if steps > 7 { "0" } else { rows }, "{steps}, {end}");
        }
    }
}

#[test]
fn an_index_filled_by_hand_misses_no_row_that_others_add_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    block_on(async {
        let db = Database::open(&path, Options::default()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        make_tables(&mut tx).await.unwrap();
        for i in 0..2000 {
            add(&mut tx, i % 50, &format!("name {i}")).await.unwrap();
        }
        tx.commit().await.unwrap();
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mut writers = Vec::new();
        for writer in 0..3 {
            let (db, stop) = (db.clone(), Arc::clone(&stop));
            writers.push(tokio::spawn(async move {
                let mut added = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let mut tx = db.begin().await.unwrap();
                    add(&mut tx, added % 30, &format!("w{writer} {added}")).await.unwrap();
                    match tx.commit().await {
                        Ok(_) => added += 1,
                        Err(error) => assert!(error.is_conflict(), "{error}"),
                    }
                }
                added
            }));
        }
        let mut tries = 0;
        loop {
            let mut tx = db.begin().await.unwrap();
            make_indexes(&mut tx).await.unwrap();
            match tx.commit().await {
                Ok(_) => break,
                Err(error) => assert!(error.is_conflict() && tries < 20, "{error}"),
            }
            tries += 1;
        }
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        db.close().await.unwrap();
    });
    common::stock_check(&path);
}

#[test]
fn what_would_not_survive_a_restart_is_refused() {
    block_on(async {
        let db = Database::open_in_memory(Options::default()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        make_tables(&mut tx).await.unwrap();
        let binary = (Collation::Binary, false);
        let foreign = object(
            ObjectKind::Index,
            "i",
            "t",
            Some("CREATE INDEX i ON t (name COLLATE icu)"),
            NewTree::Index(shape(&[binary, binary], None)),
        );
        assert!(matches!(tx.create(foreign).await, Err(Error::Unsupported { .. })));
        let other_order = object(
            ObjectKind::Index,
            "i",
            "t",
            Some("CREATE INDEX i ON t (name DESC)"),
            NewTree::Index(shape(&[binary, binary], None)),
        );
        assert!(matches!(tx.create(other_order).await, Err(Error::Definition { .. })));
        let no_rowid = object(
            ObjectKind::Table,
            "z",
            "z",
            Some("CREATE TABLE z (a PRIMARY KEY) WITHOUT ROWID"),
            NewTree::Table,
        );
        assert!(matches!(tx.create(no_rowid).await, Err(Error::Definition { .. })));
        let taken =
            object(ObjectKind::View, "T", "T", Some("CREATE VIEW T AS SELECT 1"), NewTree::None);
        assert!(matches!(tx.create(taken).await, Err(Error::AlreadyExists { .. })));
        make_indexes(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        // A table that lost a column on which an index is.
        let mut tx = db.begin().await.unwrap();
        let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)";
        tx.rewrite(ObjectKind::Table, "t", "t", "t", Some(sql.to_owned())).await.unwrap();
        assert!(matches!(tx.commit().await, Err(Error::Definition { .. })));
        db.close().await.unwrap();
    });
}

#[test]
fn a_trigger_or_a_view_that_changes_conflicts_with_who_relied_on_it() {
    block_on(async {
        let db = Database::open_in_memory(Options::default()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        make_tables(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        let mut uses_trigger = db.begin().await.unwrap();
        add(&mut uses_trigger, 1, "a").await.unwrap();
        let mut uses_view = db.begin().await.unwrap();
        let view = Arc::clone(uses_view.schema().find(ObjectKind::View, "v").unwrap());
        uses_view.use_object(&view);
        let u = find(&uses_view, ObjectKind::Table, "w").unwrap();
        let row = encoded(&[ValueRef::Text(b"a"), ValueRef::Integer(1)]);
        uses_view.write(&u, key_of(&u, &row), row.clone()).unwrap();
        let mut unconcerned = db.begin().await.unwrap();
        let row = encoded(&[ValueRef::Text(b"b"), ValueRef::Integer(1)]);
        unconcerned.write(&u, key_of(&u, &row), row).unwrap();
        let mut change = db.begin().await.unwrap();
        change.drop_object(ObjectKind::Trigger, "g").await.unwrap();
        let sql = Some("CREATE VIEW v AS SELECT 2".to_owned());
        change.rewrite(ObjectKind::View, "v", "v", "v", sql).await.unwrap();
        change.commit().await.unwrap();
        assert!(uses_trigger.commit().await.unwrap_err().is_conflict());
        assert!(uses_view.commit().await.unwrap_err().is_conflict());
        unconcerned.commit().await.unwrap();
        db.close().await.unwrap();
    });
}

// ---- the header, and databases in memory ----

#[test]
fn numbers_of_the_header_are_transactional_and_reach_the_file() {
    use heddle_engine::raw::HeaderField::{ApplicationId, SchemaCookie, UserVersion};
    let sim = Simulation::new(1);
    let env = sim.env();
    sim.block_on(async {
        let db = Database::open(PATH, options(env)).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        assert_eq!(tx.header_field(UserVersion).await.unwrap(), 0);
        tx.set_header_field(UserVersion, 7).unwrap();
        let mark = tx.savepoint();
        tx.set_header_field(ApplicationId, 8).unwrap();
        assert_eq!(tx.header_field(ApplicationId).await.unwrap(), 8);
        tx.rollback_to(mark).unwrap();
        let mut other = db.begin().await.unwrap();
        assert_eq!(other.header_field(UserVersion).await.unwrap(), 0);
        other.set_header_field(ApplicationId, 9).unwrap();
        tx.commit().await.unwrap();
        assert!(other.commit().await.unwrap_err().is_conflict(), "it had read what changed");
        let mut tx = db.begin().await.unwrap();
        make_tables(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        db.checkpoint().await.unwrap();
        let mut tx = db.begin().await.unwrap();
        assert_eq!(tx.header_field(UserVersion).await.unwrap(), 7, "from the base");
        assert_eq!(tx.header_field(SchemaCookie).await.unwrap(), 1);
        assert!(tx.file_facts().page_count > 3);
        tx.set_header_field(ApplicationId, 0xffff_fffe).unwrap();
        tx.commit().await.unwrap();
    });
    let env = sim.restart();
    sim.block_on(async {
        let db = Database::open(PATH, options(env)).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        assert_eq!(tx.header_field(ApplicationId).await.unwrap(), 0xffff_fffe, "from the log");
        drop(tx);
        db.close().await.unwrap();
    });
    let dir = tempfile::tempdir().unwrap();
    sim.disk().export("/db", dir.path()).unwrap();
    let path = dir.path().join("x.db");
    common::stock_check(&path);
    assert_eq!(common::stock_rows(&path, "PRAGMA user_version"), ["7"]);
    assert_eq!(common::stock_rows(&path, "PRAGMA application_id"), ["-2"]);
    assert_eq!(common::stock_rows(&path, "PRAGMA schema_version"), ["1"]);
}

#[test]
fn a_database_in_memory_starts_no_thread_of_its_own() {
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, |tasks| tasks.count());
    block_on(async {
        let first = Database::open_in_memory(Options::default()).await.unwrap();
        let before = threads();
        let mut kept = Vec::new();
        for _ in 0..200 {
            let db = Database::open_in_memory(Options::default()).await.unwrap();
            let mut tx = db.begin().await.unwrap();
            tx.set_header_field(heddle_engine::raw::HeaderField::UserVersion, 1).unwrap();
            tx.commit().await.unwrap();
            kept.push(db);
        }
        assert!(threads() <= before, "{} threads, then {}", before, threads());
        for db in kept {
            db.close().await.unwrap();
        }
        first.close().await.unwrap();
    });
}
