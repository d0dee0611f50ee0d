//! States of a database, one after another: files made by stock, which a test writes through the pager.
#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use std::path::Path;

use heddle_base::PageNo;
use heddle_btree::Result;
use heddle_btree::header::Header;
use heddle_btree::page::PageBuf;
use heddle_btree::page_writer::PageWriter;
use heddle_btree::pager::{Pager, PagerOptions, Snapshot};
use heddle_btree::pages::{Pages, PagesMut};
use heddle_io::Env;
use rusqlite::Connection;

use super::{block_on, scratch, stock};

/// The bytes of `count` states of a file: all rows say which state it is, and the file grows and shrinks.
pub fn states(page_size: u32, reserved: u8, count: u32) -> Vec<Vec<u8>> {
    let x = scratch();
    let options = PagerOptions { page_size, reserved, ..PagerOptions::default() };
    block_on(async {
        let (pager, found) = Pager::open(&Env::blocking(), &x.path, options).await.unwrap();
        assert!(found.created);
        pager.close().await.unwrap();
    });
    let rows = 60 * i64::from(page_size / 512).min(16);
    let stock = stock(
        &x.path,
        &format!(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER, pad TEXT);
             WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {rows})
             INSERT INTO t SELECT i, 0, printf('%0150d', i) FROM c;"
        ),
    );
    let next = |state: u32| {
        let more =
            format!("INSERT INTO t(v, pad) SELECT {state}, pad FROM t WHERE id <= {rows} / 2;");
        let fewer = format!("DELETE FROM t WHERE id > {rows} / 2 + {state}; VACUUM;");
        let resize = if state.is_multiple_of(2) { fewer } else { more };
        stock.execute_batch(&format!("UPDATE t SET v = {state}; {resize}")).unwrap();
        stock.execute_batch(&format!("PRAGMA user_version = {state}")).unwrap();
        std::fs::read(&x.path).unwrap()
    };
    (0..count).map(next).collect()
}

/// Makes the next state what `file` is, putting only pages that are not as in `before`.
pub fn put(writer: &mut PageWriter, before: &[u8], file: &[u8]) {
    let size = writer.page_size();
    writer.set_page_count((file.len() / size) as u32);
    for (at, image) in file.chunks(size).enumerate() {
        if before.get(at * size..(at + 1) * size) != Some(image) {
            writer.put(PageNo(at as u32 + 1), PageBuf::copy_of(image));
        }
    }
    *writer.header_mut() =
        Header { page_count: (file.len() / size) as u32, ..Header::parse(file).unwrap() };
}

/// Writes, publishes and carries into the file a state.
pub async fn checkpoint(pager: &Pager, before: &[u8], file: &[u8]) -> Result<Snapshot> {
    let mut writer = pager.begin_write().await?;
    put(&mut writer, before, file);
    writer.spill().await?;
    writer.write_frames().await?;
    writer.sync_wal().await?;
    let (_, backfill) = writer.publish();
    let snapshot = pager.snapshot();
    backfill.reset().await?;
    Ok(snapshot)
}

/// Whether a snapshot shows the bytes of this file, page by page.
pub async fn shows(snapshot: &Snapshot, file: &[u8]) -> Result<bool> {
    let size = snapshot.header().page_size as usize;
    if file.len() != snapshot.page_count() as usize * size {
        return Ok(false);
    }
    for (at, image) in file.chunks(size).enumerate() {
        if *snapshot.page(PageNo(at as u32 + 1)).await? != *image {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Which state stock finds in a file, which must be sound and all of one state.
pub fn judge(path: &Path) -> i64 {
    let stock = Connection::open(path).unwrap();
    let one = |sql: &str| stock.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let check: String = stock.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let version = one("PRAGMA user_version");
    assert_eq!((one("SELECT min(v) FROM t"), one("SELECT max(v) FROM t")), (version, version));
    version
}
