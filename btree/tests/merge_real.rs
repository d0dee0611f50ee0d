//! Files that others made: changes are applied and undone, and the file must hold what it held; damaged files give
//! errors and never a panic or an endless walk.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use common::draft::Draft;
use common::image::FileImage;
use common::{Known, block_on, integrity, problems, scratch, shared, stock, subject, trees};
use fastrand::Rng;
use heddle_base::PageNo;
use heddle_btree::changes::Sorted;
use heddle_btree::compact::compact;
use heddle_btree::error::{Error, Result};
use heddle_btree::header::Header;
use heddle_btree::merge::apply;
use heddle_btree::pages::PagesMut;
use heddle_btree::roots::{clear_tree, create_tree, drop_tree};
use heddle_btree::tree::{Tree, TreeKind};
use rusqlite::Connection;

type Model = BTreeMap<Bytes, Bytes>;

async fn read(image: FileImage, tree: &Tree) -> Result<Model> {
    let mut cursor = tree.cursor(image);
    let mut out = Model::new();
    while cursor.next().await? {
        let (key, value) = cursor.entry().await?;
        out.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
    }
    Ok(out)
}

fn entries(draft: &Draft, tree: &Tree) -> Model {
    let image = FileImage::new(&draft.bytes(), false).expect("a database");
    block_on(read(image, tree)).expect("a sound tree")
}

fn merge(draft: &mut Draft, tree: &Tree, changes: BTreeMap<Bytes, Option<Bytes>>) {
    block_on(apply(draft, tree, Sorted(changes.into_iter()))).expect("merges");
}

/// Everything stock says of a file's rows.
fn dump(path: &Path, known: &[Known]) -> Vec<String> {
    let connection = Connection::open(path).expect("stock opens");
    let mut out = Vec::new();
    for known in known {
        let sql = format!("SELECT * FROM \"{}\"", known.table.replace('"', "\"\""));
        let mut statement = connection.prepare(&sql).expect("prepares");
        let columns = statement.column_count();
        let mut rows = statement.query([]).expect("runs");
        let mut digest = 0u64;
        let mut count = 0;
        while let Some(row) = rows.next().expect("a row") {
            for column in 0..columns {
                for byte in format!("{:?}", row.get_ref(column).expect("a column")).bytes() {
                    digest = digest.wrapping_mul(0x100_0000_01b3) ^ u64::from(byte);
                }
            }
            count += 1;
        }
        out.push(format!("{}: {count} rows, {digest:x}", known.table));
    }
    out
}

#[test]
fn what_is_undone_leaves_the_file_as_it_was() {
    let mut random = Rng::with_seed(5);
    let mut seen = 0;
    for path in shared("realdb") {
        let file = scratch();
        std::fs::copy(&path, &file.path).expect("copies");
        let Ok(connection) = Connection::open(&file.path) else { continue };
        // Some say they are in WAL mode, and one is no sound database.
        if connection.execute_batch("PRAGMA journal_mode = DELETE").is_err()
            || integrity(&file.path) != ["ok"]
        {
            continue;
        }
        let known = trees(&connection);
        drop(connection);
        seen += 1;
        let before = dump(&file.path, &known);
        let mut draft = Draft::new(&std::fs::read(&file.path).expect("the file"));
        let subjects: Vec<_> = known.iter().map(|known| subject(&known.tree)).collect();
        for known in &known {
            let model = entries(&draft, &known.tree);
            let part = |random: &mut Rng, share: u32| -> Model {
                let all = model.iter().filter(|_| random.u32(0..100) < share);
                all.map(|(key, value)| (key.clone(), value.clone())).collect()
            };
            for share in [5, 50, 100] {
                let gone = part(&mut random, share);
                let away = gone.keys().map(|key| (key.clone(), None)).collect();
                merge(&mut draft, &known.tree, away);
                assert_eq!(entries(&draft, &known.tree).len(), model.len() - gone.len());
                merge(
                    &mut draft,
                    &known.tree,
                    gone.into_iter().map(|(k, v)| (k, Some(v))).collect(),
                );
            }
            let same = part(&mut random, 30);
            merge(&mut draft, &known.tree, same.into_iter().map(|(k, v)| (k, Some(v))).collect());
            assert!(entries(&draft, &known.tree) == model, "{}: {}", path.display(), known.name);
        }
        // A table of a kind we can't name is in no list: its pages seem unused.
        let found = problems(&draft.bytes(), &subjects);
        assert!(found.iter().all(|p| p.tree.is_none()), "{}: {found:?}", path.display());
        std::fs::write(&file.path, draft.bytes()).expect("writes");
        assert_eq!(integrity(&file.path), ["ok"], "{}", path.display());
        assert_eq!(dump(&file.path, &known), before, "{}", path.display());
    }
    println!("{seen} files");
}

/// Changes all over the trees that a sound file had.
fn scramble(draft: &mut Draft, trees: &[(Tree, Model)], random: &mut Rng) -> Result<()> {
    block_on(async {
        for (tree, model) in trees {
            let mut changes = BTreeMap::new();
            for (key, value) in model {
                match random.u8(0..4) {
                    0 => drop(changes.insert(key.clone(), None)),
                    1 => drop(changes.insert(key.clone(), Some(value.clone()))),
                    _ => {}
                }
            }
            apply(draft, tree, Sorted(changes.into_iter())).await?;
        }
        create_tree(draft, &TreeKind::Table).await?;
        if random.bool() {
            compact(draft).await?;
        }
        for (tree, _) in trees {
            match random.u8(0..3) {
                0 => drop(clear_tree(draft, tree).await?),
                1 => drop(drop_tree(draft, tree).await?),
                _ => {}
            }
        }
        Ok(())
    })
}

#[test]
fn damaged_files_give_errors_and_no_panic() {
    for auto_vacuum in 0..2 {
        let file = scratch();
        let connection = stock(
            &file.path,
            &format!(
                "PRAGMA page_size = 512; PRAGMA auto_vacuum = {auto_vacuum};
                 CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b BLOB);
                 CREATE INDEX t_a ON t(a);
                 WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n LIMIT 400)
                 INSERT INTO t SELECT i, 'text ' || (i * 7919 % 409),
                     zeroblob(CASE i % 30 WHEN 0 THEN i * 9 ELSE i % 30 END) FROM n;
                 CREATE TABLE gone AS SELECT * FROM t; DROP TABLE gone;"
            ),
        );
        let known = trees(&connection);
        drop(connection);
        let sound = std::fs::read(&file.path).expect("the file");
        let draft = Draft::new(&sound);
        let trees: Vec<_> =
            known.iter().map(|k| (k.tree.clone(), entries(&draft, &k.tree))).collect();
        let mut random = Rng::with_seed(u64::from(auto_vacuum as u8));
        let mut errors = 0;
        for round in 0..600 {
            let mut bytes = sound.clone();
            for _ in 0..random.usize(1..4) {
                let at = match random.u32(0..8) {
                    0 => [32, 36, 52][random.usize(0..3)] + random.usize(0..4),
                    1..5 => 512 * random.usize(1..bytes.len() / 512) + random.usize(0..24),
                    _ => random.usize(512..bytes.len()),
                };
                bytes[at] = match random.bool() {
                    true => random.u8(..),
                    false => bytes[at] ^ 1 << random.u8(0..8),
                };
            }
            if Header::parse(&bytes).is_err() {
                continue;
            }
            let mut draft = Draft::new(&bytes);
            match scramble(&mut draft, &trees, &mut random) {
                Ok(()) => {}
                Err(Error::Corrupt { .. }) => errors += 1,
                Err(other) => panic!("round {round}: {other}"),
            }
            // However wrong the file, it grows by little more than what was put in.
            assert!((draft.page_count() as usize) < 4 * sound.len() / 512, "round {round}");
            assert!(draft.page_size() == 512);
            let _ = block_on(draft.page(PageNo(1))).expect("page 1 stays");
        }
        assert!(errors > 100, "{errors}");
    }
}
