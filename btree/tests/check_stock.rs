//! The check agrees with stock SQLite's: sound files have no problem, and where stock finds a fault in the structure, so does it.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

mod common;

use std::path::Path;

use common::image::FileImage;
use common::{block_on, problems, scratch, shared, stock, subject, trees};
use fastrand::Rng;
use heddle_base::PageNo;
use heddle_btree::check::{Order, Subject, check};
use heddle_btree::header::Header;
use heddle_btree::pages::Pages;
use heddle_btree::record::Record;
use heddle_btree::tree::Tree;
use heddle_btree::value::ValueRef;
use rusqlite::Connection;

/// The trees that the schema names, by what their roots look like.
fn subjects(image: &FileImage) -> Option<Vec<Subject>> {
    block_on(async {
        let mut cursor = Tree::table(PageNo(1)).cursor(image.clone());
        let mut out = Vec::new();
        while cursor.next().await.ok()? {
            let (_, record) = cursor.entry().await.ok()?;
            let root = Record::parse(record).ok()?.column(3).ok()??;
            let ValueRef::Integer(root @ 1..) = root else { continue };
            let root = PageNo(u32::try_from(root).ok()?);
            let order = match image.page(root).await.ok()?[0] {
                0x05 | 0x0d => Order::Table,
                _ => Order::Unknown,
            };
            out.push(Subject { root, order });
        }
        Some(out)
    })
}

/// Stock's verdict; `None` if it can't even give one.
fn verdict(path: &Path) -> Option<Vec<String>> {
    let connection = Connection::open(path).ok()?;
    let mut statement = connection.prepare("PRAGMA integrity_check").ok()?;
    let rows = statement.query_map([], |r| r.get(0)).ok()?;
    rows.collect::<Result<_, _>>().ok()
}

fn is_structural(verdict: &[String]) -> bool {
    verdict.iter().any(|line| line.starts_with("***"))
}

const SCHEMA: &str = "
    CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b BLOB);
    CREATE INDEX t_a ON t(a COLLATE NOCASE DESC);
    CREATE INDEX t_b ON t(b);
    CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
    WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n LIMIT 300)
    INSERT INTO t SELECT i, 'text ' || (i * 7919 % 307), zeroblob(CASE i % 40 WHEN 0 THEN i * 20 ELSE i % 30 END) FROM n;
    INSERT INTO w SELECT a, id FROM t;
    CREATE TABLE gone AS SELECT * FROM t;
    DROP TABLE gone;
    DELETE FROM t WHERE id BETWEEN 50 AND 90;
    INSERT INTO t VALUES(60, 'again', zeroblob(9));
";

fn database(page_size: u32, auto_vacuum: u32) -> Vec<u8> {
    let file = scratch();
    let script =
        format!("PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = {auto_vacuum}; {SCHEMA}");
    drop(stock(&file.path, &script));
    std::fs::read(&file.path).expect("the file")
}

#[test]
fn sound_files_have_no_problem() {
    for page_size in [512, 1024, 4096, 65_536] {
        for auto_vacuum in 0..3 {
            for encoding in ["UTF-8", "UTF-16le"] {
                let file = scratch();
                let connection = stock(
                    &file.path,
                    &format!(
                        "PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = {auto_vacuum};
                         PRAGMA encoding = '{encoding}'; {SCHEMA}"
                    ),
                );
                let subjects: Vec<_> =
                    trees(&connection).into_iter().map(|known| subject(&known.tree)).collect();
                assert_eq!(subjects.len(), 4);
                let bytes = std::fs::read(&file.path).expect("the file");
                assert_eq!(problems(&bytes, &subjects), [], "{page_size} {auto_vacuum} {encoding}");
            }
        }
    }
}

/// Bytes of a sound file are changed at random.
fn damage(page_size: u32, auto_vacuum: u32, rounds: usize) {
    let sound = database(page_size, auto_vacuum);
    let size = page_size as usize;
    let mut random = Rng::with_seed(u64::from(page_size + auto_vacuum));
    let file = scratch();
    let (mut agreed, mut stricter) = (0, 0);
    for round in 0..rounds {
        let mut bytes = sound.clone();
        let mut places = Vec::new();
        for _ in 0..random.usize(1..3) {
            let at = match random.u32(0..10) {
                // The freelist, the largest root, and incremental vacuum.
                0 => [32, 36, 52, 64][random.usize(0..4)] + random.usize(0..4),
                // The start of a page: its header, cell pointers, a chain's next.
                1..6 => size * random.usize(1..bytes.len() / size) + random.usize(0..24),
                _ => random.usize(size..bytes.len()),
            };
            bytes[at] = match random.u32(0..4) {
                0 => random.u8(..),
                1 => bytes[at] ^ 1 << random.u8(0..8),
                2 => bytes[at].wrapping_add(1),
                _ => 0,
            };
            places.push(at);
        }
        std::fs::write(&file.path, &bytes).expect("writes");
        let image = FileImage::new(&bytes, true).expect("a database");
        let Some(verdict) = verdict(&file.path) else { continue };
        let subjects = subjects(&image).expect("the schema was left alone");
        let found = problems(&bytes, &subjects);
        let what = format!("{page_size} {auto_vacuum}, round {round}, bytes {places:?}");
        if is_structural(&verdict) {
            assert!(!found.is_empty(), "{what}: {verdict:?}");
            agreed += 1;
        } else {
            stricter += usize::from(!found.is_empty());
        }
    }
    assert!(
        agreed > rounds / 10,
        "damage is mostly found: {agreed} of {rounds}, {stricter} by us alone"
    );
}

#[test]
fn damage_that_stock_finds_is_found() {
    for page_size in [512, 1024, 4096] {
        for auto_vacuum in 0..3 {
            damage(page_size, auto_vacuum, 120);
        }
    }
}

#[test]
fn malformed_files_of_others_are_found_so() {
    for path in shared("corruptdb") {
        let bytes = std::fs::read(&path).expect("the file");
        let file = scratch();
        std::fs::write(&file.path, &bytes).expect("writes");
        let stock = verdict(&file.path);
        let Some(image) = FileImage::new(&bytes, false) else { continue };
        let Ok(header) = Header::parse(&bytes) else { continue };
        let subjects = subjects(&image);
        let named = subjects.clone().unwrap_or_default();
        let found = block_on(check(&image, &header, &named, 100)).expect("can be read");
        if let Some(verdict) = stock {
            let name = path.display();
            if is_structural(&verdict) {
                assert!(!found.is_empty() || subjects.is_none(), "{name}: {verdict:?}");
            }
        }
    }
}

#[test]
fn files_of_others_have_the_verdict_of_stock() {
    for path in shared("realdb") {
        let bytes = std::fs::read(&path).expect("the file");
        let Some(image) = FileImage::new(&bytes, false) else { continue };
        let Some(subjects) = subjects(&image) else { continue };
        let file = scratch();
        std::fs::write(&file.path, &bytes).expect("writes");
        let Some(verdict) = verdict(&file.path) else { continue };
        let found = problems(&bytes, &subjects);
        assert_eq!(
            is_structural(&verdict),
            !found.is_empty(),
            "{}: {verdict:?} {found:?}",
            path.display()
        );
    }
}
