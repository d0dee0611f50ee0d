//! Databases that stock SQLite wrote are read back row by row, in both directions, and by key.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

mod common;

use common::image::FileImage;
use common::{Known, block_on, scratch, stock, trees};
use heddle_btree::cursor::Seek;
use heddle_btree::key::{encode_rowid, prefix_successor};
use heddle_btree::record::Record;
use heddle_btree::text::Encoding;
use heddle_btree::tree::TreeKind;
use heddle_btree::value::ValueRef;
use rusqlite::Connection;
use rusqlite::types::Value;

/// All entries, as key and record.
type Entries = Vec<(Vec<u8>, Vec<u8>)>;

async fn forward(known: &Known, snapshot: &FileImage) -> Entries {
    let mut cursor = known.tree.cursor(snapshot.clone());
    let mut out = Vec::new();
    while cursor.next().await.expect("a sound tree") {
        let (key, record) = cursor.entry().await.expect("a sound entry");
        out.push((key.to_vec(), record.to_vec()));
    }
    assert!(!cursor.next().await.expect("still behind the last"));
    out
}

async fn backward(known: &Known, snapshot: &FileImage) -> Entries {
    let mut cursor = known.tree.cursor(snapshot.clone());
    let mut out = Vec::new();
    let mut more = cursor.seek(Seek::Last).await.expect("a sound tree");
    while more {
        let key = cursor.key().await.expect("a sound entry").to_vec();
        out.push((key, cursor.value().await.expect("a sound entry").to_vec()));
        more = cursor.prev().await.expect("a sound tree");
    }
    out
}

/// Every way to the same entries.
async fn check_ways(known: &Known, snapshot: &FileImage, entries: &Entries) {
    let name = &known.name;
    let mut reversed = backward(known, snapshot).await;
    reversed.reverse();
    assert!(*entries == reversed, "{name}: backward differs from forward");
    let count = known.tree.count(snapshot).await.expect("counts");
    assert_eq!(count, entries.len() as u64, "{name}");
    let estimate = known.tree.estimate(snapshot).await.expect("estimates");
    assert_eq!(estimate == 0, entries.is_empty(), "{name}");
    for pair in entries.windows(2) {
        assert!(pair[0].0 < pair[1].0, "{name}: keys do not ascend");
    }
    let mut cursor = known.tree.cursor(snapshot.clone());
    // Every entry of a small tree, some of a large one, and always those at the ends.
    let stride = (entries.len() / 400).max(1);
    for i in (0..entries.len()).filter(|i| i % stride == 0 || i + 2 > entries.len()) {
        let (key, record) = &entries[i];
        let got = known.tree.get(snapshot, key).await.expect("reads");
        assert_eq!(got.as_deref(), Some(&record[..]), "{name}: entry {i}");
        let mut longer = key.clone();
        longer.push(0);
        assert_eq!(known.tree.get(snapshot, &longer).await.expect("reads"), None, "{name}");
        let after = (i + 1 < entries.len()).then(|| i + 1);
        let before = i.checked_sub(1);
        for (seek, expected) in [
            (Seek::AtOrAfter(key), Some(i)),
            (Seek::AtOrBefore(key), Some(i)),
            (Seek::After(key), after),
            (Seek::Before(key), before),
            (Seek::AtOrAfter(&longer), after),
            (Seek::After(&longer), after),
            (Seek::AtOrBefore(&longer), Some(i)),
            (Seek::Before(&longer), Some(i)),
            (Seek::AtOrAfter(&key[..key.len() - 1]), first_from(entries, &key[..key.len() - 1])),
        ] {
            let found = cursor.seek(seek).await.expect("seeks");
            assert_eq!(found, expected.is_some(), "{name}: entry {i}, {seek:?}");
            if let Some(expected) = expected {
                let at = cursor.key().await.expect("a key");
                assert_eq!(at, entries[expected].0, "{name}: entry {i}, {seek:?}");
                let more = cursor.next().await.expect("steps");
                assert_eq!(more, expected + 1 < entries.len(), "{name}: next after {seek:?}");
                assert!(cursor.prev().await.expect("steps"));
                let more = cursor.prev().await.expect("steps");
                assert_eq!(more, expected > 0, "{name}: prev after {seek:?}");
            }
        }
    }
}

fn first_from(entries: &Entries, bound: &[u8]) -> Option<usize> {
    let i = entries.partition_point(|(key, _)| key.as_slice() < bound);
    (i < entries.len()).then_some(i)
}

fn stored(record: &[u8]) -> Vec<ValueRef<'_>> {
    let mut columns = Record::parse(record).expect("a record").columns();
    std::iter::from_fn(|| columns.next_value().expect("a column")).collect()
}

/// What stock says the tree has, in the tree's order: for a table the rowid comes first.
fn expected(known: &Known, stock: &Connection) -> Option<Vec<Vec<Value>>> {
    let table = format!("\"{}\"", known.table.replace('"', "\"\""));
    let sql = match (&known.columns, known.tree.kind()) {
        (None, TreeKind::Table) => format!("SELECT rowid, * FROM {table} ORDER BY rowid"),
        (Some(columns), TreeKind::Index(shape)) if known.complete => {
            let order: Vec<_> = columns
                .iter()
                .zip(&shape.columns)
                .map(|(column, key)| {
                    let direction = if key.descending { "DESC" } else { "ASC" };
                    format!("{column} COLLATE {} {direction}", key.collation.name())
                })
                .collect();
            // Sorted by stock's sorter rather than by walking the same index.
            format!(
                "SELECT {} FROM {table} NOT INDEXED ORDER BY {}",
                columns.join(", "),
                order.join(", ")
            )
        }
        _ => return None,
    };
    let mut statement = stock.prepare(&sql).expect("prepares");
    let width = statement.column_count();
    let rows = statement
        .query_map([], |row| (0..width).map(|i| row.get_ref(i).map(common::lossy)).collect())
        .expect("runs");
    Some(rows.collect::<Result<_, _>>().expect("rows"))
}

fn check_rows(known: &Known, entries: &Entries, rows: &[Vec<Value>], encoding: Encoding) {
    let name = &known.name;
    assert_eq!(entries.len(), rows.len(), "{name}");
    for ((key, record), row) in entries.iter().zip(rows) {
        let values = stored(record);
        let mut row = &row[..];
        if matches!(known.tree.kind(), TreeKind::Table) {
            let Value::Integer(rowid) = row[0] else { panic!("{name}: no rowid") };
            assert_eq!(key[..], encode_rowid(rowid), "{name}");
            row = &row[1..];
        }
        // A record may be shorter than the row: columns added later.
        assert!(values.len() <= row.len(), "{name}: {values:?} against {row:?}");
        for (i, (value, expected)) in values.iter().zip(row).enumerate() {
            let is_alias = known.alias == Some(i) && value.is_null();
            assert!(
                is_alias || common::same(value, expected, encoding),
                "{name}: column {i} is {value:?}, stock says {expected:?}"
            );
        }
    }
}

fn check_database(stock: &Connection, snapshot: &FileImage) -> usize {
    let encoding = common::encoding_of(stock);
    let known = trees(stock);
    block_on(async {
        for known in &known {
            let entries = forward(known, snapshot).await;
            if let Some(rows) = expected(known, stock) {
                check_rows(known, &entries, &rows, encoding);
            }
            check_ways(known, snapshot, &entries).await;
            if matches!(known.tree.kind(), TreeKind::Table) {
                let last = known.tree.last_rowid(snapshot).await.expect("reads");
                assert_eq!(
                    last.map(encode_rowid).map(Vec::from),
                    entries.last().map(|e| e.0.clone())
                );
            }
        }
    });
    known.len()
}

/// Tables and indexes of every shape, with rows that overflow, rows that are empty and trees that are deep.
const SHAPES: &str = "
    CREATE TABLE plain(a INTEGER PRIMARY KEY, b, c TEXT, d REAL);
    CREATE TABLE empty(a, b UNIQUE);
    CREATE TABLE wide(k TEXT PRIMARY KEY, v BLOB);
    CREATE TABLE bare(x TEXT COLLATE NOCASE, y INT, z, PRIMARY KEY(y DESC, x)) WITHOUT ROWID;
    CREATE INDEX plain_c ON plain(c COLLATE NOCASE DESC, d);
    CREATE INDEX plain_b ON plain(b DESC);
    CREATE UNIQUE INDEX plain_cb ON plain(c COLLATE RTRIM, b, a);
    CREATE INDEX plain_part ON plain(d) WHERE d > 0;
    CREATE INDEX bare_z ON bare(z);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
    INSERT INTO plain SELECT i * 3 - 700,
        CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN i WHEN 2 THEN i / 4.0 WHEN 3 THEN 'text' || i
                   WHEN 4 THEN zeroblob(i % 50) WHEN 5 THEN -i * 1000000007 ELSE i - 0.0 END,
        CASE WHEN i % 11 = 0 THEN NULL ELSE substr('aBcDeFgHiJ', 1 + i % 9, 1 + i % 3) || i || substr('   ', 1, i % 4) END,
        CASE i % 3 WHEN 0 THEN i WHEN 1 THEN i / 8.0 ELSE NULL END
        FROM n;
    INSERT INTO plain VALUES (9223372036854775807, 'max', 'max', 1e300),
        (-9223372036854775808, 'min', 'min', -0.0);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
    INSERT INTO wide SELECT printf('%.*c%05d', i * 7 % 1900, 'k', i), randomblob(i * 37 % 9000) FROM n;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO bare SELECT 'Key' || (i * 7919 % 2003), i % 13, printf('%.*c', i % 200, 'z') FROM n;
    ALTER TABLE plain ADD COLUMN later DEFAULT 'then';
    INSERT INTO plain(b, c) VALUES ('\u{fc}ber', '\u{1F600}'), ('a' || char(0) || 'b', 'A' || char(0) || 'x');
";

#[test]
fn every_page_size_is_read() {
    for page_size in [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536] {
        let file = scratch();
        let stock = stock(&file.path, &format!("PRAGMA page_size = {page_size}; {SHAPES}"));
        assert_eq!(check_database(&stock, &common::snapshot(&file.path)), 11, "{page_size}");
    }
}

#[test]
fn every_encoding_is_read() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let file = scratch();
        let stock = stock(&file.path, &format!("PRAGMA encoding = '{encoding}'; {SHAPES}"));
        check_database(&stock, &common::snapshot(&file.path));
    }
}

#[test]
fn auto_vacuum_and_freed_pages_do_not_matter() {
    for mode in ["FULL", "INCREMENTAL", "NONE"] {
        let file = scratch();
        let stock = stock(
            &file.path,
            &format!(
                "PRAGMA auto_vacuum = {mode}; PRAGMA page_size = 1024; {SHAPES}
                 DELETE FROM plain WHERE a % 5 < 3; DELETE FROM wide WHERE length(v) > 4000;
                 DELETE FROM bare WHERE y IN (3, 4, 5);"
            ),
        );
        check_database(&stock, &common::snapshot(&file.path));
    }
}

#[test]
fn reserved_bytes_are_left_alone() {
    for reserved in [1, 12, 32, 255] {
        let file = scratch();
        let page_size = if reserved > 32 { 1024 } else { 512 };
        let connection = Connection::open(&file.path).expect("stock opens");
        set_reserved(&connection, reserved);
        connection
            .execute_batch(&format!("PRAGMA page_size = {page_size}; VACUUM; {SHAPES}"))
            .expect("stock runs the script");
        let header = std::fs::read(&file.path).expect("the file");
        assert_eq!(i32::from(header[20]), reserved);
        check_database(&connection, &common::snapshot(&file.path));
    }
}

#[expect(unsafe_code, reason = "rusqlite has no safe call for this file control")]
fn set_reserved(connection: &Connection, mut bytes: i32) {
    // SAFETY: the handle is open, and the argument is the int that this operation asks for.
    let code = unsafe {
        rusqlite::ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            rusqlite::ffi::SQLITE_FCNTL_RESERVE_BYTES,
            (&raw mut bytes).cast(),
        )
    };
    assert_eq!(code, rusqlite::ffi::SQLITE_OK);
}

/// Six levels and more: each interior page of the index holds only four keys.
#[test]
fn deep_trees_are_walked() {
    let file = scratch();
    let stock = stock(
        &file.path,
        "PRAGMA page_size = 512;
         CREATE TABLE t(k TEXT, v);
         CREATE INDEX t_k ON t(k);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
         INSERT INTO t SELECT printf('%.*c%06d', 80, 'p', i * 7919 % 6007), i FROM n;",
    );
    check_database(&stock, &common::snapshot(&file.path));
}

#[test]
fn a_prefix_scan_meets_exactly_its_rows() {
    let file = scratch();
    let stock = stock(&file.path, SHAPES);
    let snapshot = common::snapshot(&file.path);
    let known = trees(&stock);
    let index = known.iter().find(|k| k.name == "bare_z").expect("the index");
    let TreeKind::Index(shape) = index.tree.kind() else { panic!("an index") };
    let z = "z".repeat(117);
    let mut low = Vec::new();
    heddle_btree::key::encode_values(shape, [ValueRef::Text(z.as_bytes())], &mut low);
    let mut high = low.clone();
    assert!(prefix_successor(&mut high));
    let met = block_on(async {
        let mut cursor = index.tree.cursor(snapshot);
        let mut more = cursor.seek(Seek::AtOrAfter(&low)).await.expect("seeks");
        let mut met = 0;
        while more && cursor.key().await.expect("a key") < &high[..] {
            met += 1;
            more = cursor.next().await.expect("steps");
        }
        met
    });
    let expected: i64 = stock
        .query_row("SELECT count(*) FROM bare WHERE z = ?1", [z], |r| r.get(0))
        .expect("a count");
    assert_eq!(met, expected);
    assert!(met > 5);
}

#[test]
fn real_files_are_read() {
    let files = common::shared("realdb");
    for path in files.iter().filter(|path| !path.ends_with("corrupt.mbtiles")) {
        println!("{}", path.display());
        let copy = scratch();
        std::fs::copy(path, &copy.path).expect("copies");
        let stock = Connection::open(&copy.path).expect("stock opens");
        assert!(check_database(&stock, &common::snapshot(path)) > 0);
    }
}
