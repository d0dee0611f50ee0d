//! The pager and stock SQLite on the same file, both ways.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod common;

use common::{block_on, scratch, stock};
use heddle_base::PageNo;
use heddle_btree::Error;
use heddle_btree::page::PageBuf;
use heddle_btree::pager::{Pager, PagerOptions};
use heddle_btree::pages::{Pages, PagesMut};
use heddle_io::Env;
use rusqlite::Connection;

fn verdict(path: &std::path::Path) -> (String, i64) {
    let stock = Connection::open(path).unwrap();
    let check = stock.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    (check, stock.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap())
}

/// A new database, checkpointed up to each step and abandoned there, is sound to stock, which sees the new version
/// as soon as the frames are synced; so it is when we open the file in between.
#[test]
fn a_checkpoint_may_stop_after_any_step() {
    for size in [512, 4096, 65_536] {
        for (step, ours) in (0..5).flat_map(|step| [(step, false), (step, true)]) {
            let x = scratch();
            let env = Env::blocking();
            let options = PagerOptions { page_size: size, ..PagerOptions::default() };
            block_on(async {
                let pager = Pager::open(&env, &x.path, options.clone()).await.unwrap().0;
                let old = pager.snapshot();
                let mut writer = pager.begin_write().await.unwrap();
                writer.header_mut().user_version = 7;
                if step >= 1 {
                    writer.write_frames().await.unwrap();
                    writer.sync_wal().await.unwrap();
                }
                if step >= 2 {
                    let (_, mut backfill) = writer.publish();
                    backfill.pages_but_first().await.unwrap();
                    if step >= 3 {
                        backfill.first_page().await.unwrap();
                    }
                    if step >= 4 {
                        backfill.reset().await.unwrap();
                    } else {
                        drop(backfill);
                        assert!(matches!(pager.begin_write().await, Err(Error::WriterActive)));
                    }
                    let seen = old.page(PageNo(1)).await.unwrap();
                    assert_eq!(seen[63], 0, "an old snapshot keeps its page");
                    assert_eq!(pager.snapshot().page(PageNo(1)).await.unwrap()[63], 7);
                }
            });
            if ours {
                let pager = block_on(Pager::open(&env, &x.path, options)).unwrap().0;
                assert_eq!(pager.snapshot().header().user_version, if step == 0 { 0 } else { 7 });
            }
            let version = if step == 0 { 0 } else { 7 };
            assert_eq!(verdict(&x.path), ("ok".to_owned(), version), "size {size}, step {step}");
        }
    }
}

/// The files of a stock process that died before its checkpoint; and a torn tail after the last commit.
#[test]
fn a_left_over_wal_is_taken_in() {
    let (x, y) = (scratch(), scratch());
    let live = stock(
        &x.path,
        "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(a); PRAGMA user_version=9;",
    );
    let wal = |path: &std::path::Path| path.with_extension("db-wal");
    let env = Env::blocking();
    // First of all: the locks of stock go when this process closes any descriptor of the file.
    let locked = block_on(Pager::open(&env, &x.path, PagerOptions::default()));
    assert!(matches!(locked, Err(Error::Locked { .. })), "stock holds it");
    std::fs::copy(&x.path, &y.path).unwrap();
    let mut bytes = std::fs::read(wal(&x.path)).unwrap();
    bytes.extend_from_slice(&[5; 3000]);
    std::fs::write(wal(&y.path), bytes).unwrap();
    let (pager, found) = block_on(Pager::open(&env, &y.path, PagerOptions::default())).unwrap();
    assert!(found.wal_had_commits && !found.created && found.header.write_version == 2);
    assert_eq!(pager.snapshot().header().user_version, 9);
    let shut = Connection::open(&y.path).unwrap().query_row("SELECT * FROM t", [], |_| Ok(()));
    assert!(shut.is_err_and(|error| error.to_string().contains("locked")));
    drop(pager);
    assert_eq!(verdict(&y.path), ("ok".to_owned(), 9));
    drop(live);
}

#[test]
fn what_is_no_database_is_refused() {
    let x = scratch();
    std::fs::write(&x.path, [1; 4096]).unwrap();
    let opened = block_on(Pager::open(&Env::blocking(), &x.path, PagerOptions::default()));
    assert!(matches!(opened, Err(Error::NotADatabase { .. })));
}

/// Pages that are cut off stay readable by the older state, and do not come back when the file grows again.
#[test]
fn truncation_keeps_old_states() {
    let x = scratch();
    let env = Env::blocking();
    block_on(async {
        let pager = Pager::open(&env, &x.path, PagerOptions::default()).await.unwrap().0;
        let mut held = Vec::new();
        for (count, mark) in [(3_u32, 1_u8), (1, 2), (3, 3)] {
            let mut writer = pager.begin_write().await.unwrap();
            writer.set_page_count(1);
            for page in 2..=count {
                let mut image = PageBuf::zeroed(4096);
                image[0] = mark;
                writer.put(PageNo(page), image);
            }
            writer.write_frames().await.unwrap();
            writer.sync_wal().await.unwrap();
            writer.publish().1.reset().await.unwrap();
            held.push(pager.snapshot());
        }
        assert_eq!(held[0].page(PageNo(3)).await.unwrap()[0], 1);
        assert!(held[1].page(PageNo(3)).await.is_err());
        assert_eq!(held[2].page(PageNo(3)).await.unwrap()[0], 3);
    });
}
