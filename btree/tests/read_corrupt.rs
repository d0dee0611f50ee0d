//! Files that are damaged give errors or rows, in bounded time: never a panic, never a hang.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

mod common;

use common::image::FileImage;
use common::{Known, block_on, scratch, shared, stock, trees};
use heddle_base::PageNo;
use heddle_btree::collation::Collation;
use heddle_btree::cursor::Seek;
use heddle_btree::error::Result;
use heddle_btree::key::{KeyColumn, KeyShape};
use heddle_btree::layout::PageView;
use heddle_btree::pages::Pages;
use heddle_btree::record::Record;
use heddle_btree::text::Encoding;
use heddle_btree::tree::Tree;
use proptest::prelude::*;

/// Reads every entry of a tree both ways and looks up what it finds: how many entries there were until an error.
async fn exhaust(tree: &Tree, snapshot: &FileImage) -> (usize, Result<()>) {
    let mut met = 0;
    let outcome = walk(tree, snapshot, &mut met).await;
    (met, outcome)
}

async fn walk(tree: &Tree, snapshot: &FileImage, met: &mut usize) -> Result<()> {
    let mut cursor = tree.cursor(snapshot.clone());
    let mut sample = Vec::new();
    while cursor.next().await? {
        *met += 1;
        let (key, record) = cursor.entry().await?;
        if met.is_power_of_two() {
            sample.push(key.to_vec());
        }
        if let Ok(record) = Record::parse(record) {
            let mut columns = record.columns();
            while let Ok(Some(_)) = columns.next_value() {}
        }
    }
    for key in &sample {
        tree.get(snapshot, key).await?;
        cursor.seek(Seek::AtOrBefore(key)).await?;
    }
    tree.count(snapshot).await?;
    let mut more = cursor.seek(Seek::Last).await?;
    while more {
        cursor.value().await?;
        more = cursor.prev().await?;
    }
    Ok(())
}

/// Any page as the root of any kind of tree.
fn exhaust_all_roots(snapshot: &FileImage) -> usize {
    let column = KeyColumn { collation: Collation::NoCase, descending: true };
    let shape = KeyShape::new([column], Encoding::Utf8);
    let mut met = 0;
    block_on(async {
        for root in (1..=snapshot.page_count()).map(PageNo) {
            met += exhaust(&Tree::table(root), snapshot).await.0;
            met += exhaust(&Tree::index(root, shape.clone()), snapshot).await.0;
        }
    });
    met
}

#[test]
fn files_that_fuzzers_made_are_survived() {
    let malformed = shared("realdb").into_iter().filter(|path| path.ends_with("corrupt.mbtiles"));
    for path in shared("corruptdb").into_iter().chain(malformed) {
        if let Some(snapshot) = common::try_snapshot(&path) {
            let met = exhaust_all_roots(&snapshot);
            println!("{}: {met} entries", path.display());
        }
    }
}

/// A sound database with trees of both kinds, deep enough for interior pages, and overflow chains.
fn sound() -> (Vec<u8>, Vec<Known>) {
    let file = scratch();
    let stock = stock(
        &file.path,
        "PRAGMA page_size = 512;
         CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c BLOB);
         CREATE INDEX t_b ON t(b);
         CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
         INSERT INTO t SELECT i, printf('%.*c%d', i % 60, 'b', i), zeroblob(i * 31 % 1500) FROM n;
         INSERT INTO w SELECT b || a, a FROM t;",
    );
    let known = trees(&stock);
    drop(stock);
    (std::fs::read(&file.path).expect("the file"), known)
}

#[test]
fn a_child_pointer_to_an_ancestor_is_corrupt() {
    let (bytes, known) = sound();
    for known in &known {
        let root = known.tree.root();
        let start = (root.get() as usize - 1) * 512;
        let view = PageView::parse(root, &bytes[start..start + 512], 512).expect("a root");
        assert!(!view.kind().is_leaf(), "{}", known.name);
        let last = view.cell_count() - 1;
        for cell in [0, last] {
            let offset = start + view.cell_offset(cell).expect("a cell");
            let child = view.child(cell).expect("a child").get() as usize;
            // The child's right child, and the root's own: both back to the root.
            for at in [offset, (child - 1) * 512 + 8, start + 8] {
                let mut damaged = bytes.clone();
                damaged[at..at + 4].copy_from_slice(&root.get().to_be_bytes());
                let snapshot = common::snapshot_of(&damaged);
                let (_, outcome) = block_on(exhaust(&known.tree, &snapshot));
                let leaf = PageView::parse(PageNo(9), &bytes[(child - 1) * 512..child * 512], 512);
                let is_leaf = leaf.expect("a child page").kind().is_leaf();
                assert!(
                    outcome.is_err() || (is_leaf && at == (child - 1) * 512 + 8),
                    "{} at {at}",
                    known.name
                );
            }
        }
    }
}

/// Twenty levels whose pages name each other twice would be a million leaves: the scan gives up early.
#[test]
fn pages_that_share_children_do_not_multiply() {
    let mut bytes = sound().0[..512].to_vec();
    let pages = 19u32;
    for page in 2..=pages {
        let mut image = vec![0; 512];
        if page == pages {
            image[..8].copy_from_slice(&[0x0d, 0, 0, 0, 1, 1, 0xfc, 0]);
            image[8..10].copy_from_slice(&508u16.to_be_bytes());
            image[508..].copy_from_slice(&[2, 1, 2, 0]);
        } else {
            image[..8].copy_from_slice(&[0x05, 0, 0, 0, 1, 1, 0xf8, 0]);
            image[8..12].copy_from_slice(&(page + 1).to_be_bytes());
            image[12..14].copy_from_slice(&504u16.to_be_bytes());
            image[504..508].copy_from_slice(&(page + 1).to_be_bytes());
            image[508] = 1;
        }
        bytes.extend(image);
    }
    bytes[28..32].copy_from_slice(&pages.to_be_bytes());
    let snapshot = common::snapshot_of(&bytes);
    let (met, outcome) = block_on(exhaust(&Tree::table(PageNo(2)), &snapshot));
    assert!(outcome.is_err());
    assert!(met <= pages as usize, "{met} rows of one");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_may_change(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        in_headers in any::<bool>(),
    ) {
        thread_local! {
            static SOUND: (Vec<u8>, Vec<Known>) = sound();
        }
        SOUND.with(|(bytes, known)| {
            let mut damaged = bytes.clone();
            for (at, byte) in &changes {
                let mut at = 512 + at.index(bytes.len() - 512);
                if in_headers {
                    // The first bytes of a page decide the most.
                    at = at / 512 * 512 + at % 24;
                }
                damaged[at] = *byte;
            }
            let snapshot = common::snapshot_of(&damaged);
            for known in known {
                // Pages hold at most 100 cells of four bytes and more.
                let (met, _) = block_on(exhaust(&known.tree, &snapshot));
                assert!(met <= bytes.len() / 512 * 128);
            }
        });
    }
}
