//! Snapshots of states: what they show while later states come, and what bounds the memory and the disk they take.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod common;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::states::{checkpoint, judge, put, shows, states};
use common::{block_on, scratch};
use heddle_base::PageNo;
use heddle_btree::Error;
use heddle_btree::changes::Sorted;
use heddle_btree::key;
use heddle_btree::merge::apply;
use heddle_btree::page::PageBuf;
use heddle_btree::pager::{AutoVacuum, Pager, PagerOptions, Snapshot};
use heddle_btree::pages::{Pages, PagesMut};
use heddle_btree::roots::create_tree;
use heddle_btree::tree::{Tree, TreeKind};
use heddle_io::Env;
use rusqlite::Connection;

fn tiny() -> PagerOptions {
    PagerOptions { cache_bytes: 50_000, write_bytes: 20_000, ..PagerOptions::default() }
}

/// Every page size, with and without reserved bytes: each state is read back while it waits in `-wal`, once it is in
/// the file, and after all the states that followed; and stock finds the last one sound.
#[test]
fn every_state_shows_its_own_pages_until_the_end() {
    for shift in 9..=16 {
        for reserved in [0, 32] {
            let (size, x) = (1 << shift, scratch());
            let files = states(size, reserved, 5);
            std::fs::write(&x.path, &files[0]).unwrap();
            block_on(async {
                let env = Env::blocking();
                let (pager, _) = Pager::open(&env, &x.path, tiny()).await.unwrap();
                let mut held = vec![pager.snapshot()];
                for pair in files.windows(2) {
                    let mut writer = pager.begin_write().await.unwrap();
                    put(&mut writer, &pair[0], &pair[1]);
                    writer.write_frames().await.unwrap();
                    writer.sync_wal().await.unwrap();
                    let (_, backfill) = writer.publish();
                    held.push(pager.snapshot());
                    assert!(shows(&pager.snapshot(), &pair[1]).await.unwrap(), "from -wal");
                    assert!(shows(&held[0], &files[0]).await.unwrap(), "beside -wal");
                    backfill.reset().await.unwrap();
                    for (snapshot, file) in held.iter().zip(&files) {
                        assert!(shows(snapshot, file).await.unwrap(), "size {size}");
                    }
                    assert!(pager.stats().cached_bytes <= 50_000);
                }
                assert!(pager.stats().old_images > 0);
                held.clear();
                checkpoint(&pager, &files[4], &files[0]).await.unwrap();
                assert_eq!(pager.stats().old_images, 0, "nobody needs them");
                checkpoint(&pager, &files[0], &files[4]).await.unwrap();
                pager.close().await.unwrap();
            });
            assert!(!x.path.with_extension("db-wal").exists());
            assert_eq!(judge(&x.path), 4, "size {size}");
        }
    }
}

#[test]
fn over_the_budget_the_oldest_snapshots_end_and_no_others() {
    let x = scratch();
    let files = states(512, 0, 6);
    std::fs::write(&x.path, &files[0]).unwrap();
    block_on(async {
        let env = Env::blocking();
        let pages = files[1].len() as u64;
        let options = PagerOptions { cache_bytes: 0, old_image_bytes: pages * 2, ..tiny() };
        let (pager, _) = Pager::open(&env, &x.path, options).await.unwrap();
        let mut held = vec![pager.snapshot()];
        for pair in files.windows(2) {
            held.push(checkpoint(&pager, &pair[0], &pair[1]).await.unwrap());
        }
        let mut ended = 0;
        for (snapshot, file) in held.iter().zip(&files) {
            match shows(snapshot, file).await {
                Ok(same) => assert!(same),
                Err(Error::SnapshotTooOld) => ended += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(matches!(held[0].page(PageNo(2)).await, Err(Error::SnapshotTooOld)));
        assert!((1..5).contains(&ended), "{ended} ended");
        assert!(
            shows(&held[5], &files[5]).await.unwrap() && shows(&held[4], &files[4]).await.unwrap()
        );
    });
}

/// A load into an empty tree reads no page back, and still writes frames early.
#[test]
fn a_large_load_in_key_order_takes_bounded_memory() {
    let x = scratch();
    block_on(async {
        let options = PagerOptions { write_bytes: 40_000, ..tiny() };
        let (pager, _) = Pager::open(&Env::blocking(), &x.path, options).await.unwrap();
        let mut writer = pager.begin_write().await.unwrap();
        let root = create_tree(&mut writer, &TreeKind::Table).await.unwrap();
        // A record of one blob of 200 bytes.
        let record = Bytes::from([&[3, 0x83, 0x1c][..], &[7; 200]].concat());
        let rows = (1..=5000_i64)
            .map(|n| (Bytes::copy_from_slice(&key::encode_rowid(n)), Some(record.clone())));
        apply(&mut writer, &Tree::table(root), Sorted(rows)).await.unwrap();
        assert!(writer.dirty_bytes() < 80_000, "{} bytes", writer.dirty_bytes());
        assert!(writer.frame_count() > 200);
    });
}

/// A writer that holds far more than its budget writes frames early, reads them back, and puts pages anew.
#[test]
fn a_large_state_takes_bounded_memory() {
    let x = scratch();
    block_on(async {
        let options = PagerOptions { write_bytes: 40_000, cache_bytes: 40_000, ..tiny() };
        let (pager, _) = Pager::open(&Env::blocking(), &x.path, options).await.unwrap();
        let mut writer = pager.begin_write().await.unwrap();
        for round in 0..3_u8 {
            for page in 2..500 {
                if round > 0 {
                    assert_eq!(PagesMut::page(&mut writer, PageNo(page)).await.unwrap()[9], round);
                }
                let mut image = PageBuf::zeroed(4096);
                image[9] = round + 1;
                writer.put(PageNo(page), image);
                writer.spill().await.unwrap();
                assert!(writer.dirty_bytes() <= 40_000);
            }
        }
        writer.set_page_count(400);
        writer.write_frames().await.unwrap();
        writer.sync_wal().await.unwrap();
        writer.publish().1.reset().await.unwrap();
        let snapshot = pager.snapshot();
        let all: Vec<PageNo> = (1..=401).map(PageNo).collect();
        snapshot.prefetch(&all).await;
        for page in 2..=400 {
            assert_eq!(snapshot.page(PageNo(page)).await.unwrap()[9], 3);
        }
        assert!(
            snapshot.page(PageNo(401)).await.is_err() && snapshot.page(PageNo(0)).await.is_err()
        );
        assert_eq!(std::fs::metadata(&x.path).unwrap().len(), 400 * 4096);
    });
}

#[test]
fn a_left_over_wal_is_read_through_without_a_write() {
    let (x, y) = (scratch(), scratch());
    let live = common::stock(
        &x.path,
        "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(a);
         INSERT INTO t VALUES (zeroblob(20000)); PRAGMA user_version=9;",
    );
    let wal = |path: &Path| path.with_extension("db-wal");
    std::fs::copy(&x.path, &y.path).unwrap();
    std::fs::copy(wal(&x.path), wal(&y.path)).unwrap();
    drop(live);
    let before = (std::fs::read(&y.path).unwrap(), std::fs::read(wal(&y.path)).unwrap());
    let options = PagerOptions { read_only: true, ..tiny() };
    block_on(async {
        let (pager, found) = Pager::open(&Env::blocking(), &y.path, options).await.unwrap();
        assert!(found.wal_had_commits && found.header.user_version == 9);
        assert!(shows(&pager.snapshot(), &std::fs::read(&x.path).unwrap()).await.unwrap());
        assert!(matches!(pager.begin_write().await, Err(Error::ReadOnly { .. })));
        let busy = Connection::open(&y.path).unwrap().query_row("SELECT * FROM t", [], |_| Ok(()));
        assert!(busy.is_err(), "stock is kept from checkpointing under us");
        pager.close().await.unwrap();
    });
    assert!(before == (std::fs::read(&y.path).unwrap(), std::fs::read(wal(&y.path)).unwrap()));
}

#[test]
fn a_fenced_file_is_read_by_stock_and_not_written() {
    let x = scratch();
    std::fs::write(&x.path, &states(1024, 0, 1)[0]).unwrap();
    let set = |version| {
        block_on(async {
            let (pager, found) = Pager::open(&Env::blocking(), &x.path, tiny()).await.unwrap();
            pager.set_write_version(version).await.unwrap();
            assert_eq!(pager.snapshot().header().write_version, version);
            assert_eq!(pager.snapshot().page(PageNo(1)).await.unwrap()[18], version);
            found.header.write_version
        })
    };
    assert_eq!(set(3), 1);
    assert_eq!(judge(&x.path), 0);
    assert!(Connection::open(&x.path).unwrap().execute("INSERT INTO t(v) VALUES (0)", []).is_err());
    assert_eq!(set(1), 3);
    Connection::open(&x.path).unwrap().execute("INSERT INTO t(v) VALUES (0)", []).unwrap();
}

#[test]
fn stock_goes_on_with_a_database_that_we_made() {
    let modes = [(AutoVacuum::None, 0), (AutoVacuum::Full, 1), (AutoVacuum::Incremental, 2)];
    for (auto_vacuum, mode) in modes {
        for size in [512, 4096, 65_536] {
            let x = scratch();
            let options = PagerOptions {
                auto_vacuum,
                page_size: size,
                reserved: 16,
                ..PagerOptions::default()
            };
            drop(block_on(Pager::open(&Env::blocking(), &x.path, options)).unwrap());
            let stock = common::stock(
                &x.path,
                "CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(300000)); CREATE INDEX i ON t(a);
                 DELETE FROM t;",
            );
            let one = |sql: &str| stock.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!((one("PRAGMA auto_vacuum"), one("PRAGMA page_size")), (mode, size.into()));
            let check: String =
                stock.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(check, "ok");
        }
    }
}

#[test]
fn headers_that_promise_too_much_are_refused() {
    let x = scratch();
    let good = states(512, 0, 1).remove(0);
    let open = |bytes: &[u8]| {
        std::fs::write(&x.path, bytes).unwrap();
        block_on(Pager::open(&Env::blocking(), &x.path, tiny())).map(|(pager, _)| pager.snapshot())
    };
    assert!(matches!(open(&good[..good.len() - 600]), Err(Error::Corrupt { .. })));
    let mut newer = good.clone();
    newer[19] = 3;
    assert!(matches!(open(&newer), Err(Error::Unsupported { .. })));
    // A counter that does not match: the length counts.
    let mut older = good.clone();
    older[95] ^= 1;
    older[31] ^= 1;
    assert_eq!(open(&older).unwrap().page_count() as usize, good.len() / 512);
}

/// Readers at random states beside a writer that publishes, spills, cuts and carries, with a cache of a few pages.
fn readers_beside_a_writer(env: &Env, path: &Path) {
    const PAGES: u32 = 150;
    let options = PagerOptions { cache_bytes: 100_000, write_bytes: 30_000, ..tiny() };
    let pager = block_on(Pager::open(env, path, options)).unwrap().0;
    // What each state has: a mark for each page from the second on.
    type State = (Snapshot, Arc<Vec<u64>>);
    let shared: Mutex<VecDeque<State>> = Mutex::default();
    let done = AtomicBool::new(false);
    let check = |random: &mut fastrand::Rng, (snapshot, marks): &State| {
        block_on(async {
            let first = random.u32(2..PAGES);
            if random.u8(..8) == 0 {
                let pages: Vec<PageNo> = (first..first + 10).map(PageNo).collect();
                snapshot.prefetch(&pages).await;
            }
            for page in first..first + 10 {
                let image = snapshot.page(PageNo(page)).await;
                match marks.get(page as usize - 2) {
                    Some(&mark) => {
                        let image = image.unwrap();
                        let ends = [&image[..8], &image[4088..]].map(|b| b.try_into().unwrap());
                        assert_eq!(ends.map(u64::from_le_bytes), [mark; 2], "{snapshot:?} {page}");
                    }
                    None => assert!(image.is_err()),
                }
            }
        });
    };
    let (shared, done, check) = (&shared, &done, &check);
    std::thread::scope(|scope| {
        for seed in 0..3 {
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                let mut held: Option<State> = None;
                while !done.load(Ordering::Relaxed) {
                    let states: Vec<State> = shared.lock().unwrap().iter().cloned().collect();
                    states.iter().chain(&held).for_each(|state| check(&mut random, state));
                    if random.u8(..20) == 0 {
                        held = states.first().cloned();
                    }
                }
            });
        }
        let mut random = fastrand::Rng::with_seed(9);
        let mut marks: Vec<u64> = Vec::new();
        for state in 1..=120_u64 {
            block_on(async {
                let mut writer = pager.begin_write().await.unwrap();
                let count = random.u32(PAGES / 2..PAGES) as usize;
                writer.set_page_count(count as u32 + 1);
                marks.truncate(count);
                for page in 0..count {
                    if page >= marks.len() || random.u8(..5) == 0 {
                        let mut image = PageBuf::zeroed(4096);
                        let mark = state << 32 | page as u64;
                        image[..8].copy_from_slice(&mark.to_le_bytes());
                        image[4088..].copy_from_slice(&mark.to_le_bytes());
                        writer.put(PageNo(page as u32 + 2), image);
                        writer.spill().await.unwrap();
                        if page < marks.len() { marks[page] = mark } else { marks.push(mark) }
                    }
                }
                writer.write_frames().await.unwrap();
                writer.sync_wal().await.unwrap();
                let (_, backfill) = writer.publish();
                {
                    let mut states = shared.lock().unwrap();
                    states.push_back((pager.snapshot(), Arc::new(marks.clone())));
                    if states.len() > 4 {
                        states.pop_front();
                    }
                }
                backfill.reset().await.unwrap();
                assert!(pager.stats().cached_bytes <= 100_000);
            });
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn readers_beside_a_writer_in_memory() {
    readers_beside_a_writer(&Env::memory(), Path::new("/x.db"));
}

#[test]
fn readers_beside_a_writer_on_disk() {
    let x = scratch();
    readers_beside_a_writer(&Env::system(), &x.path);
}
