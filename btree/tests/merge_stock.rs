//! Databases of stock SQLite are changed by random sorted batches: stock must then call them sound and find the rows
//! that a model has.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use common::draft::Draft;
use common::{Known, block_on, encoding_of, integrity, problems, scratch, subject, trees};
use fastrand::Rng;
use heddle_btree::changes::{Change, Sorted};
use heddle_btree::compact::{compact, incremental_vacuum};
use heddle_btree::key::{encode_record, encode_rowid};
use heddle_btree::merge::{Applied, apply};
use heddle_btree::pages::PagesMut;
use heddle_btree::record::{self, Record};
use heddle_btree::text::Encoding;
use heddle_btree::tree::{Tree, TreeKind};
use heddle_btree::value::ValueRef;
use rusqlite::Connection;
use rusqlite::types::Value;

/// A row of either table: for `t` the text, a value and a blob; for `w` the rest of the row.
type Row = [Value; 3];

const SCHEMA: &str = "
    CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b, c BLOB);
    CREATE INDEX t_ab ON t(a COLLATE NOCASE, b DESC);
    CREATE INDEX t_c ON t(c DESC);
    CREATE UNIQUE INDEX t_b ON t(b, id);
    CREATE TABLE w(k TEXT COLLATE RTRIM, n INTEGER, v BLOB, PRIMARY KEY(k DESC, n)) WITHOUT ROWID;
";

fn text_bytes(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Encoding::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    }
}

fn encode(values: &[Value], encoding: Encoding) -> Vec<u8> {
    let texts: Vec<_> = values
        .iter()
        .map(|value| match value {
            Value::Text(text) => text_bytes(text, encoding),
            _ => Vec::new(),
        })
        .collect();
    let values = values.iter().zip(&texts).map(|(value, text)| match value {
        Value::Null => ValueRef::Null,
        Value::Integer(v) => ValueRef::Integer(*v),
        Value::Real(v) => ValueRef::Real(*v),
        Value::Text(_) => ValueRef::Text(text),
        Value::Blob(v) => ValueRef::Blob(v),
    });
    let mut out = Vec::new();
    record::encode(values.collect::<Vec<_>>(), &mut out).expect("within limits");
    out
}

/// One database under test.
struct Bench {
    draft: Draft,
    trees: BTreeMap<String, Tree>,
    encoding: Encoding,
    rows: BTreeMap<i64, Row>,
    others: BTreeMap<(String, i64), Value>,
    random: Rng,
    largest: usize,
}

impl Bench {
    fn new(path: &Path, connection: Connection, seed: u64) -> Self {
        let encoding = encoding_of(&connection);
        let trees = trees(&connection).into_iter().map(|Known { name, tree, .. }| (name, tree));
        let trees = trees
            .map(|(name, tree)| match name.starts_with("sqlite_autoindex_w") {
                true => ("w".to_owned(), tree),
                false => (name, tree),
            })
            .collect();
        let mut bench = Self {
            draft: Draft::new(&std::fs::read(path).expect("the file")),
            trees,
            encoding,
            rows: BTreeMap::new(),
            others: BTreeMap::new(),
            random: Rng::with_seed(seed),
            largest: 0,
        };
        bench.largest = 3 * bench.draft.page_size();
        bench.load(&connection);
        bench
    }

    fn load(&mut self, connection: &Connection) {
        let mut select = connection.prepare("SELECT id, a, b, c FROM t").expect("prepares");
        let mut rows = select.query([]).expect("runs");
        while let Some(r) = rows.next().expect("a row") {
            let row = [1, 2, 3].map(|i| r.get(i).expect("a value"));
            self.rows.insert(r.get(0).expect("a rowid"), row);
        }
        let mut select = connection.prepare("SELECT k, n, v FROM w").expect("prepares");
        let mut rows = select.query([]).expect("runs");
        while let Some(r) = rows.next().expect("a row") {
            let key = (r.get(0).expect("a text"), r.get(1).expect("an integer"));
            self.others.insert(key, r.get(2).expect("a value"));
        }
    }

    fn text(&mut self, len: usize) -> String {
        (0..len).map(|_| self.random.alphanumeric()).collect()
    }

    fn len(&mut self) -> usize {
        match self.random.u32(0..100) {
            0..3 if self.largest < 16_384 || self.random.u32(0..20) == 0 => {
                self.random.usize(0..self.largest)
            }
            0..10 => self.random.usize(0..(self.largest / 6).min(3000)),
            _ => self.random.usize(0..60),
        }
    }

    fn row(&mut self) -> Row {
        let len = self.len();
        let a = match self.random.u32(0..20) {
            0 => Value::Null,
            _ => Value::Text(self.text(len)),
        };
        let len = self.len();
        let b = match self.random.u32(0..5) {
            0 => Value::Null,
            1 => Value::Integer(self.random.i64(-300..300)),
            2 => Value::Real(self.random.f64() * 1e6 + 0.25),
            3 => Value::Text(self.text(len.min(50))),
            _ => Value::Integer(self.random.i64(..)),
        };
        let len = self.len();
        let c = Value::Blob((0..len).map(|_| self.random.u8(..)).collect());
        [a, b, c]
    }

    /// Applies changes to a tree, in the order of their keys.
    fn merge(&mut self, tree: &str, changes: BTreeMap<Bytes, Option<Bytes>>) -> Applied {
        let tree = self.trees[tree].clone();
        let changes: Vec<Change> = changes.into_iter().collect();
        block_on(apply(&mut self.draft, &tree, Sorted(changes.into_iter()))).expect("merges")
    }

    fn index_entry(&self, tree: &str, values: &[Value]) -> (Bytes, Bytes) {
        let record = encode(values, self.encoding);
        let mut key = Vec::new();
        let TreeKind::Index(shape) = self.trees[tree].kind() else { panic!("{tree} is no index") };
        encode_record(shape, &Record::parse(&record).expect("a record"), &mut key).expect("a key");
        (key.into(), record.into())
    }

    fn entries(&self, id: i64, row: &Row) -> [(&'static str, (Bytes, Bytes)); 3] {
        let [a, b, c] = row.clone();
        let id = Value::Integer(id);
        [
            ("t_ab", self.index_entry("t_ab", &[a, b.clone(), id.clone()])),
            ("t_c", self.index_entry("t_c", &[c, id.clone()])),
            ("t_b", self.index_entry("t_b", &[b, id.clone(), id])),
        ]
    }

    /// Changes rows of `t`, and its indexes with them.
    fn change_rows(&mut self, changes: BTreeMap<i64, Option<Row>>) {
        let mut table = BTreeMap::new();
        let mut indexes: BTreeMap<&str, BTreeMap<Bytes, Option<Bytes>>> = BTreeMap::new();
        let mut expected = Applied::default();
        for (id, row) in changes {
            if let Some(old) = self.rows.get(&id) {
                for (tree, (key, _)) in self.entries(id, old) {
                    indexes.entry(tree).or_default().entry(key).or_insert(None);
                }
            }
            let record = row.as_ref().map(|row| {
                let [a, b, c] = row.clone();
                Bytes::from(encode(&[Value::Null, a, b, c], self.encoding))
            });
            table.insert(Bytes::copy_from_slice(&encode_rowid(id)), record);
            let old = match row {
                Some(row) => {
                    for (tree, (key, record)) in self.entries(id, &row) {
                        indexes.entry(tree).or_default().insert(key, Some(record));
                    }
                    let old = self.rows.insert(id, row);
                    *(if old.is_some() {
                        &mut expected.replaced
                    } else {
                        &mut expected.inserted
                    }) += 1;
                    continue;
                }
                None => self.rows.remove(&id),
            };
            *(if old.is_some() { &mut expected.deleted } else { &mut expected.missed }) += 1;
        }
        let applied = self.merge("t", table);
        expected.pages = applied.pages;
        assert_eq!(applied, expected);
        for (tree, changes) in indexes {
            self.merge(tree, changes);
        }
    }

    fn change_others(&mut self, changes: Vec<((String, i64), Option<Value>)>) {
        let mut table = BTreeMap::new();
        for (key, value) in changes {
            let columns = [
                Value::Text(key.0.clone()),
                Value::Integer(key.1),
                value.clone().unwrap_or(Value::Null),
            ];
            let (encoded, record) = self.index_entry("w", &columns);
            table.insert(encoded, value.is_some().then_some(record));
            match value {
                Some(value) => self.others.insert(key, value),
                None => self.others.remove(&key),
            };
        }
        self.merge("w", table);
    }

    /// A batch of one of several patterns.
    fn batch(&mut self) {
        let mut changes = BTreeMap::new();
        let size = [1, 1, 4, 4, 20, 20, 20, 150][self.random.usize(0..8)];
        let last = self.rows.keys().next_back().copied().unwrap_or(0);
        match self.random.u32(0..6) {
            // In order behind the last.
            0 => {
                for id in last + 1..last + 1 + size {
                    changes.insert(id, Some(self.row()));
                }
            }
            // Anywhere, new or there already.
            1 | 2 => {
                for _ in 0..size {
                    let id = self.random.i64(-20..2 * last.clamp(100, 1500));
                    changes.insert(id, Some(self.row()));
                }
            }
            // A range goes.
            3 => {
                let from = self.random.i64(-20..last.max(10));
                let many = 1 + 3 * size * i64::from(self.random.bool());
                for (&id, _) in self.rows.range(from..).take(many as usize) {
                    changes.insert(id, None);
                }
            }
            // Some of those there go, some that are not there too, some change.
            _ => {
                let ids: Vec<_> = self.rows.keys().copied().collect();
                for id in ids {
                    match self.random.i64(0..1 + ids_share(last, size)) {
                        0 => changes.insert(id, None),
                        1 => changes.insert(id + 1, None),
                        2 => changes.insert(id, Some(self.row())),
                        _ => None,
                    };
                }
            }
        }
        self.change_rows(changes);
        let mut changes = Vec::new();
        let keys: Vec<_> = self.others.keys().cloned().collect();
        let go = self.random.u32(0..4) == 0;
        for _ in 0..size {
            if go && !keys.is_empty() {
                changes.push((keys[self.random.usize(0..keys.len())].clone(), None));
            } else {
                let len = self.random.usize(1..8);
                let key = (self.text(len), self.random.i64(0..3));
                let len = self.len();
                let value = Value::Blob(vec![self.random.u8(..); len]);
                changes.push((key, Some(value)));
            }
        }
        self.change_others(changes);
        match self.random.u32(0..6) {
            0 => drop(block_on(incremental_vacuum(&mut self.draft, size as u32)).expect("vacuums")),
            1 => drop(block_on(compact(&mut self.draft)).expect("compacts")),
            _ => {}
        }
    }

    /// Our own verdict on the file.
    fn check(&self, what: &str) {
        let subjects: Vec<_> = self.trees.values().map(subject).collect();
        assert_eq!(problems(&self.draft.bytes(), &subjects), [], "{what}");
    }

    /// Stock's verdict on the file and its rows.
    fn verify(&self, path: &Path, what: &str) {
        std::fs::write(path, self.draft.bytes()).expect("writes");
        let connection = Connection::open(path).expect("stock opens");
        assert_eq!(integrity(path), ["ok"], "{what}");
        let mut select =
            connection.prepare("SELECT id, a, b, c FROM t ORDER BY id").expect("prepares");
        let mut rows = select.query([]).expect("runs");
        for (id, row) in &self.rows {
            let r = rows.next().expect("a row").expect("as many rows");
            assert_eq!(r.get::<_, i64>(0).as_ref(), Ok(id), "{what}");
            for (i, value) in row.iter().enumerate() {
                assert_eq!(r.get::<_, Value>(i + 1).as_ref(), Ok(value), "{what}: row {id}");
            }
        }
        assert!(rows.next().expect("the end").is_none(), "{what}");
        let count: isize =
            connection.query_row("SELECT count(*) FROM w", [], |r| r.get(0)).expect("counts");
        assert_eq!(count as usize, self.others.len(), "{what}");
        let mut select = connection.prepare("SELECT v FROM w WHERE k = ?1 AND n = ?2").expect("w");
        for (key, value) in self.others.iter().take(50) {
            let stored: Value = select.query_row((&key.0, key.1), |r| r.get(0)).expect("is there");
            assert_eq!(stored, *value, "{what}: {key:?}");
        }
    }
}

fn ids_share(last: i64, size: i64) -> i64 {
    (last / size).clamp(3, 400)
}

fn run(page_size: u32, auto_vacuum: u32, encoding: &str, reserved: u8, seed: u64, batches: usize) {
    let file = scratch();
    let what = format!(
        "page size {page_size}, auto_vacuum {auto_vacuum}, {encoding}, reserved {reserved}, seed {seed}"
    );
    {
        let connection = Connection::open(&file.path).expect("stock opens");
        if reserved > 0 {
            reserve(&connection, reserved);
        }
        connection
            .execute_batch(&format!(
                "PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = {auto_vacuum};
                 PRAGMA encoding = '{encoding}'; {SCHEMA}
                 WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n LIMIT 200)
                 INSERT INTO t SELECT i * 3, 'text ' || i, i * i, randomblob(i % 90) FROM n;
                 DELETE FROM t WHERE id % 7 = 0;
                 INSERT INTO w SELECT a, id, c FROM t;"
            ))
            .expect("stock runs the script");
    }
    let connection = Connection::open(&file.path).expect("stock opens");
    let stored: u8 = std::fs::read(&file.path).expect("the file")[20];
    assert_eq!(stored, reserved);
    let mut bench = Bench::new(&file.path, connection, seed);
    for batch in 0..batches {
        bench.batch();
        if batch % 2 == 0 {
            bench.check(&format!("{what}, batch {batch}"));
        }
        if batch % 8 == 7 || batch + 1 == batches {
            bench.verify(&file.path, &format!("{what}, batch {batch}"));
        }
    }
    let all = bench.rows.keys().map(|&id| (id, None)).collect();
    bench.change_rows(all);
    let all = bench.others.keys().map(|key| (key.clone(), None)).collect();
    bench.change_others(all);
    bench.verify(&file.path, &format!("{what}, emptied"));
    bench.batch();
    bench.verify(&file.path, &format!("{what}, filled again"));
}

/// Stock reserves bytes of each page only through its file control.
fn reserve(connection: &Connection, bytes: u8) {
    use rusqlite::ffi;
    let mut n = std::ffi::c_int::from(bytes);
    #[allow(unsafe_code, reason = "rusqlite has no safe call for it")]
    // SAFETY: the handle is open, and the argument is what the control asks for.
    let code = unsafe {
        ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_RESERVE_BYTES,
            (&raw mut n).cast(),
        )
    };
    assert_eq!(code, ffi::SQLITE_OK);
}

#[test]
fn batches_leave_sound_files_with_small_pages() {
    for seed in 0..6 {
        run(512, 0, "UTF-8", 0, seed, 80);
    }
}

#[test]
fn batches_leave_sound_files_with_pointer_maps() {
    for seed in 0..4 {
        run(512, 1, "UTF-8", 0, seed, 60);
        run(1024, 2, "UTF-16be", 0, seed, 60);
    }
}

#[test]
fn batches_leave_sound_files_with_reserved_bytes() {
    for seed in 0..3 {
        run(512, seed as u32 % 3, "UTF-8", 32, seed, 60);
        run(1024, 1 + seed as u32 % 2, "UTF-16le", 200, seed, 60);
    }
}

#[test]
fn batches_leave_sound_files_with_large_pages() {
    for (i, page_size) in [2048, 4096, 8192, 16_384, 32_768, 65_536].into_iter().enumerate() {
        let encoding = ["UTF-8", "UTF-16le", "UTF-16be"][i % 3];
        run(page_size, i as u32 % 3, encoding, 0, i as u64, if i < 3 { 60 } else { 30 });
    }
}
