//! The B-tree cursor of HeddleDB over a file, with nothing above it: no transaction, no snapshot's versions, no row.
//! What a scan could cost at best. No peer: it can only scan.

use anyhow::{Result, bail, ensure};
use heddle_base::PageNo;
use heddle_btree::cursor::Step;
use heddle_btree::pager::{Pager, PagerOptions};
use heddle_btree::record::Record;
use heddle_btree::tree::Tree;
use heddle_io::Env;

use super::heddle::Heddle;
use super::sqlite::FILE;
use crate::peer::{CACHE_BYTES, Peer, Upkeep};
use crate::report::Sample;
use crate::workloads::{Bed, whole};

/// A file that HeddleDB loaded and closed, and the time of the best of several scans.
pub fn scan(bed: &Bed<'_>) -> Result<Sample> {
    bed.runtime.block_on(async {
        let peer = Heddle::open(bed.at, Upkeep::Automatic).await?;
        peer.load(bed.rows).await?;
        peer.close().await?;
        let path = bed.at.join(FILE);
        let root = rusqlite::Connection::open(&path)?.query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'rows'",
            [],
            |row| row.get(0),
        )?;
        let tree = Tree::table(PageNo(root));
        let options = PagerOptions { cache_bytes: CACHE_BYTES, ..PagerOptions::default() };
        let (pager, _) = Pager::open(&Env::system(), &path, options).await?;
        let mut scans = whole::Scans::default();
        while scans.go_on() {
            let mut cursor = tree.cursor(pager.snapshot());
            let (mut count, mut sum) = (0, 0);
            scans.begin();
            loop {
                match cursor.try_next()? {
                    Step::NeedsIo => cursor.load().await?,
                    Step::End => break,
                    Step::Row => {
                        let Some(row) = cursor.try_row()? else { bail!("a row overflows") };
                        let n = Record::parse(cursor.record_at(row))?.column(1)?;
                        sum += n.and_then(|n| n.integer()).unwrap_or(0);
                        count += 1;
                    }
                }
            }
            scans.end();
            ensure!(count == bed.rows && sum == 0, "{count} rows with sum {sum}");
        }
        Ok(scans.sample())
    })
}
