//! Trees at their extremes: grown from nothing to many levels and emptied again, rooted in page 1, made and dropped
//! under `auto_vacuum`, and across the lock-byte page.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

mod common;

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};

use bytes::Bytes;
use common::draft::Draft;
use common::image::FileImage;
use common::{block_on, integrity, problems, scratch, stock, subject};
use fastrand::Rng;
use heddle_base::PageNo;
use heddle_btree::changes::{Change, Sorted};
use heddle_btree::compact::compact;
use heddle_btree::header::Header;
use heddle_btree::key::{KeyColumn, KeyShape, encode_record, encode_rowid};
use heddle_btree::layout::PageView;
use heddle_btree::merge::{Applied, apply};
use heddle_btree::page::PageBuf;
use heddle_btree::pages::PagesMut;
use heddle_btree::record::{self, Record};
use heddle_btree::roots::{MovedRoot, clear_tree, create_tree, drop_tree};
use heddle_btree::text::Encoding;
use heddle_btree::tree::{Tree, TreeKind};
use heddle_btree::value::ValueRef;

fn shape() -> KeyShape {
    KeyShape::new([KeyColumn::default(), KeyColumn::default()], Encoding::Utf8)
}

fn merge(draft: &mut Draft, tree: &Tree, changes: &BTreeMap<Bytes, Option<Bytes>>) -> Applied {
    let changes = changes.iter().map(|(key, value)| (key.clone(), value.clone()));
    block_on(apply(draft, tree, Sorted(changes))).expect("merges")
}

fn entries(draft: &Draft, tree: &Tree) -> Vec<(Vec<u8>, Vec<u8>)> {
    let image = FileImage::new(&draft.bytes(), false).expect("a database");
    let mut cursor = tree.cursor(image);
    let mut out = Vec::new();
    block_on(async {
        while cursor.next().await.expect("a sound tree") {
            let (key, value) = cursor.entry().await.expect("a sound entry");
            out.push((key.to_vec(), value.to_vec()));
        }
    });
    out
}

/// Levels of a tree, by its leftmost way down.
fn depth(draft: &mut Draft, tree: &Tree) -> usize {
    let usable = draft.usable_size();
    let mut page = tree.root();
    for depth in 1.. {
        let image = block_on(draft.page(page)).expect("a page");
        let view = PageView::parse(page, &image, usable).expect("a page of a tree");
        if view.kind().is_leaf() {
            return depth;
        }
        page = view.child(0).expect("a child");
    }
    unreachable!("a tree ends")
}

fn row(id: i64, len: usize) -> Change {
    let mut record = Vec::new();
    let blob = vec![id as u8; len];
    record::encode([ValueRef::Null, ValueRef::Blob(&blob)], &mut record).expect("within limits");
    (Bytes::copy_from_slice(&encode_rowid(id)), Some(record.into()))
}

fn entry(id: i64, len: usize) -> Change {
    let text = format!("{:08}{}", id * 7919 % 1_000_003, "x".repeat(len));
    let mut record = Vec::new();
    let values = [ValueRef::Text(text.as_bytes()), ValueRef::Integer(id)];
    record::encode(values, &mut record).expect("within limits");
    let mut key = Vec::new();
    encode_record(&shape(), &Record::parse(&record).expect("a record"), &mut key).expect("a key");
    (key.into(), Some(record.into()))
}

fn new_database(page_size: u32, auto_vacuum: bool) -> Draft {
    let mut header = Header::new(page_size, Encoding::Utf8);
    if auto_vacuum {
        header.largest_root = PageNo(1);
    }
    Draft::empty(header)
}

/// Compares a tree with its model, and lets our own check look at the file.
fn assert_holds(draft: &Draft, trees: &[(&Tree, &BTreeMap<Bytes, Bytes>)], what: &str) {
    // The schema's own is known.
    let others = trees.iter().filter(|(tree, _)| tree.root().get() != 1);
    let subjects: Vec<_> = others.map(|(tree, _)| subject(tree)).collect();
    assert_eq!(problems(&draft.bytes(), &subjects), [], "{what}");
    for (tree, model) in trees {
        let found = entries(draft, tree);
        assert_eq!(found.len(), model.len(), "{what}");
        assert!(found.iter().zip(*model).all(|(f, m)| f.0 == *m.0 && f.1 == *m.1), "{what}");
    }
}

/// A tree of each kind grows from nothing in batches to four levels, and shrinks to nothing in others.
fn grow_and_shrink(auto_vacuum: bool, in_order: bool, rows: i64) {
    let mut draft = new_database(512, auto_vacuum);
    let mut random = Rng::with_seed(3);
    let index_kind = TreeKind::Index(shape());
    let table = block_on(create_tree(&mut draft, &TreeKind::Table)).expect("makes");
    let index = block_on(create_tree(&mut draft, &index_kind)).expect("makes");
    let table = (Tree::table(table), row as fn(i64, usize) -> Change);
    let index = (Tree::index(index, shape()), entry as fn(i64, usize) -> Change);
    let mut models = [BTreeMap::new(), BTreeMap::new()];
    let mut ids: Vec<i64> = (1..=rows).collect();
    if !in_order {
        random.shuffle(&mut ids);
    }
    for (round, ids) in ids.chunks(rows as usize / 9).enumerate() {
        for ((tree, make), model) in [&table, &index].into_iter().zip(&mut models) {
            let changes: BTreeMap<_, _> =
                ids.iter().map(|&id| make(id, if id % 200 == 0 { 1500 } else { 60 })).collect();
            let applied = merge(&mut draft, tree, &changes);
            assert_eq!(applied.inserted, ids.len() as u64);
            model.extend(changes.into_iter().map(|(key, value)| (key, value.expect("a record"))));
        }
        let trees = [(&table.0, &models[0]), (&index.0, &models[1])];
        assert_holds(&draft, &trees, &format!("grown {round}"));
    }
    assert!(depth(&mut draft, &table.0) >= 3);
    assert!(depth(&mut draft, &index.0) >= 4);
    random.shuffle(&mut ids);
    if in_order {
        ids.sort_unstable();
    }
    for (round, ids) in ids.chunks(rows as usize / 7).enumerate() {
        for ((tree, make), model) in [&table, &index].into_iter().zip(&mut models) {
            let changes: BTreeMap<_, _> = ids
                .iter()
                .map(|&id| (make(id, if id % 200 == 0 { 1500 } else { 60 }).0, None))
                .collect();
            let applied = merge(&mut draft, tree, &changes);
            assert_eq!(applied.deleted, ids.len() as u64);
            model.retain(|key, _| !changes.contains_key(key));
        }
        if auto_vacuum {
            block_on(compact(&mut draft)).expect("compacts");
            assert_eq!(draft.header().freelist_count, 0);
        }
        let trees = [(&table.0, &models[0]), (&index.0, &models[1])];
        assert_holds(&draft, &trees, &format!("shrunk {round}"));
    }
    assert_eq!((depth(&mut draft, &table.0), depth(&mut draft, &index.0)), (1, 1));
    if auto_vacuum {
        assert_eq!(draft.page_count(), 4);
    }
}

#[test]
fn trees_grow_to_many_levels_and_shrink_to_nothing() {
    grow_and_shrink(false, false, 4000);
    grow_and_shrink(true, false, 3000);
}

#[test]
fn trees_grow_at_their_end_and_shrink_from_their_start() {
    grow_and_shrink(false, true, 4000);
    grow_and_shrink(true, true, 3000);
}

#[test]
fn a_tree_that_grows_at_its_end_has_full_pages() {
    let mut draft = new_database(4096, false);
    let root = block_on(create_tree(&mut draft, &TreeKind::Table)).expect("makes");
    let tree = Tree::table(root);
    for batch in 0..40 {
        let changes = (batch * 500..(batch + 1) * 500).map(|id| row(id, 90)).collect();
        merge(&mut draft, &tree, &changes);
    }
    // 96 bytes or so each: 41 fit in a page.
    let least = 20_000 / 41;
    assert!(draft.page_count() < least + least / 20, "{} pages", draft.page_count());
}

#[test]
fn changes_that_change_nothing_write_no_page_of_the_tree() {
    let mut draft = new_database(512, false);
    let index_kind = TreeKind::Index(shape());
    let root = block_on(create_tree(&mut draft, &index_kind)).expect("makes");
    let tree = Tree::index(root, shape());
    merge(&mut draft, &tree, &(0..2000).map(|id| entry(id * 2, 30)).collect());
    let before = draft.bytes();
    let absent = (0..2000).map(|id| (entry(id * 2 + 1, 30).0, None)).collect();
    let applied = merge(&mut draft, &tree, &absent);
    assert_eq!(applied, Applied { missed: 2000, ..Applied::default() });
    assert!(draft.bytes() == before);
    assert_eq!(merge(&mut draft, &tree, &BTreeMap::new()), Applied::default());
    // One entry replaced by one as long: its page alone.
    let one = entry(500, 30);
    let applied = merge(&mut draft, &tree, &[one].into_iter().collect());
    assert!(applied.replaced == 1 && applied.pages <= 2, "{applied:?}");
}

/// Checkpoints run wherever the runtime puts them.
#[test]
fn merging_may_move_between_threads() {
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let mut draft = new_database(512, true);
    let root = block_on(is_send(create_tree(&mut draft, &TreeKind::Table))).expect("makes");
    let tree = Tree::table(root);
    let rows = vec![row(1, 9)].into_iter();
    block_on(is_send(apply(&mut draft, &tree, Sorted(rows)))).expect("merges");
    block_on(is_send(compact(&mut draft))).expect("compacts");
    assert_eq!(block_on(is_send(clear_tree(&mut draft, &tree))).expect("clears"), 1);
    assert_eq!(block_on(is_send(drop_tree(&mut draft, &tree))).expect("drops"), None);
}

#[test]
fn changes_out_of_order_are_refused() {
    let mut draft = new_database(512, false);
    let tree = Tree::table(block_on(create_tree(&mut draft, &TreeKind::Table)).expect("makes"));
    for bad in [vec![row(2, 1), row(1, 1)], vec![row(1, 1), row(1, 2)], vec![entry(1, 1)]] {
        let outcome = block_on(apply(&mut draft, &tree, Sorted(bad.into_iter())));
        assert!(matches!(outcome, Err(heddle_btree::Error::BadChange { .. })), "{outcome:?}");
    }
}

/// A row of `sqlite_schema`.
fn schema_row(kind: &str, name: &str, root: u32, sql: &str) -> Bytes {
    let mut record = Vec::new();
    let values = [
        ValueRef::Text(kind.as_bytes()),
        ValueRef::Text(name.as_bytes()),
        ValueRef::Text(name.as_bytes()),
        ValueRef::Integer(i64::from(root)),
        ValueRef::Text(sql.as_bytes()),
    ];
    record::encode(values, &mut record).expect("within limits");
    record.into()
}

/// The schema's tree has its root in page 1, which has less room than the page that it takes the place of.
#[test]
fn the_schemas_tree_grows_and_shrinks_in_page_1() {
    let mut random = Rng::with_seed(11);
    for page_size in [512, 1024] {
        let file = scratch();
        let mut draft = new_database(page_size, false);
        let tree = Tree::table(PageNo(1));
        let mut present = BTreeMap::new();
        for round in 0..200 {
            let mut changes = BTreeMap::new();
            for _ in 0..random.usize(1..12) {
                let id = random.i64(1..if round % 20 < 10 { 200 } else { 8 });
                let key = Bytes::copy_from_slice(&encode_rowid(id));
                let name = format!("view_{id}");
                let longest = [30, 330, 900][random.usize(0..3)];
                let pad = "x".repeat(random.usize(0..longest));
                let sql = format!("CREATE VIEW {name} AS SELECT 1 AS {pad}x");
                match round % 20 {
                    10.. => changes.insert(key, None),
                    _ => changes.insert(key, Some(schema_row("view", &name, 0, &sql))),
                };
            }
            if round % 20 == 19 {
                let keep = random.usize(0..3);
                changes =
                    present.keys().skip(keep).map(|key: &Bytes| (key.clone(), None)).collect();
            }
            merge(&mut draft, &tree, &changes);
            for (key, value) in changes {
                match value {
                    Some(value) => present.insert(key, value),
                    None => present.remove(&key),
                };
            }
            assert_holds(&draft, &[(&tree, &present)], &format!("round {round}"));
            std::fs::write(&file.path, draft.bytes()).expect("writes");
            assert_eq!(integrity(&file.path), ["ok"], "round {round}");
        }
    }
}

/// Trees come and go under `auto_vacuum`, whose roots lie together; the schema follows.
#[test]
fn roots_stay_together_under_auto_vacuum() {
    for (seed, page_size) in [(1, 512), (2, 1024), (3, 512)] {
        let file = scratch();
        drop(stock(
            &file.path,
            &format!(
                "PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = 1;
                 CREATE TABLE first(id INTEGER PRIMARY KEY, b); DROP TABLE first;"
            ),
        ));
        let mut draft = Draft::new(&std::fs::read(&file.path).expect("the file"));
        let mut random = Rng::with_seed(seed);
        // By rowid in the schema.
        let mut trees: BTreeMap<i64, (PageNo, BTreeMap<Bytes, Bytes>)> = BTreeMap::new();
        for round in 0..150 {
            let mut schema = BTreeMap::new();
            let id = random.i64(1..30);
            match trees.remove(&id) {
                Some((root, _)) if random.bool() => {
                    let moved = block_on(drop_tree(&mut draft, &Tree::table(root))).expect("drops");
                    schema.insert(id, None);
                    if let Some(MovedRoot { from, to }) = moved {
                        let other = trees.iter_mut().find(|(_, (root, _))| *root == from);
                        let (other, (root, _)) = other.expect("a known tree moved");
                        *root = to;
                        schema.insert(*other, Some(to));
                    }
                }
                Some((root, mut model)) => {
                    let entries = block_on(clear_tree(&mut draft, &Tree::table(root)));
                    assert_eq!(entries.expect("clears"), model.len() as u64);
                    model.clear();
                    trees.insert(id, (root, model));
                }
                None => {
                    let root = block_on(create_tree(&mut draft, &TreeKind::Table)).expect("makes");
                    schema.insert(id, Some(root));
                    trees.insert(id, (root, BTreeMap::new()));
                }
            }
            let schema = schema.into_iter().map(|(id, root)| {
                let name = format!("t{id}");
                let sql = format!("CREATE TABLE {name}(id INTEGER PRIMARY KEY, b)");
                let record = root.map(|root| schema_row("table", &name, root.get(), &sql));
                (Bytes::copy_from_slice(&encode_rowid(id)), record)
            });
            merge(&mut draft, &Tree::table(PageNo(1)), &schema.collect());
            for (root, model) in trees.values_mut().filter(|_| round % 3 == 0) {
                let rows: Vec<_> = (0..random.usize(0..30))
                    .map(|_| row(random.i64(0..200), random.usize(0..1200)))
                    .collect();
                merge(&mut draft, &Tree::table(*root), &rows.iter().cloned().collect());
                model.extend(rows.into_iter().map(|(key, value)| (key, value.expect("a record"))));
            }
            if random.u8(0..4) == 0 {
                block_on(compact(&mut draft)).expect("compacts");
            }
            if round % 10 == 0 {
                std::fs::write(&file.path, draft.bytes()).expect("writes");
                assert_eq!(integrity(&file.path), ["ok"], "seed {seed}, round {round}");
                for (root, model) in trees.values() {
                    assert_eq!(entries(&draft, &Tree::table(*root)).len(), model.len());
                }
            }
        }
    }
}

/// At 1 GiB lies the page with SQLite's lock bytes, which holds nothing.
#[test]
fn the_lock_byte_page_is_left_out() {
    const LOCK_PAGE: u32 = 16_385;
    let file = scratch();
    drop(stock(&file.path, "PRAGMA page_size = 65536; CREATE TABLE t(id INTEGER PRIMARY KEY, b);"));
    let mut draft = Draft::new(&std::fs::read(&file.path).expect("the file"));
    // Everything up to the lock page is free, but hidden, so that new pages come from the end.
    draft.put(PageNo(LOCK_PAGE - 1), PageBuf::zeroed(65_536));
    let mut trunk = PageBuf::zeroed(65_536);
    let leaves = LOCK_PAGE - 1 - 3;
    trunk[4..8].copy_from_slice(&leaves.to_be_bytes());
    for (i, leaf) in (4..LOCK_PAGE).enumerate() {
        trunk[8 + 4 * i..12 + 4 * i].copy_from_slice(&leaf.to_be_bytes());
    }
    draft.put(PageNo(3), trunk);
    let rows = (0..5).map(|id| row(id, 40_000)).collect();
    merge(&mut draft, &Tree::table(PageNo(2)), &rows);
    assert!(draft.page_count() > LOCK_PAGE);
    draft.header_mut().freelist_trunk = PageNo(3);
    draft.header_mut().freelist_count = leaves + 1;
    // The file is mostly holes.
    let mut out = std::fs::File::create(&file.path).expect("creates");
    let header = draft.header().clone();
    for page in (1..=3).chain(LOCK_PAGE + 1..=draft.page_count()) {
        let mut image = block_on(draft.page(PageNo(page))).expect("a page").to_vec();
        if page == 1 {
            header.write_into(&mut image);
        }
        out.seek(SeekFrom::Start(u64::from(page - 1) * 65_536)).expect("seeks");
        out.write_all(&image).expect("writes");
    }
    drop(out);
    assert_eq!(integrity(&file.path), ["ok"]);
}
