//! SQLite's rollback journal: finds one that a crash left hot, and rolls it back.
//!
//! A journal is one or more segments. Each begins at a sector boundary with a header (magic, number of records, nonce,
//! the database's page count of before; in the first one also the sector and the page size), padded to a sector. A
//! record is a page number, the page's image of before, and a checksum over every 200th byte, begun with the nonce.
//!
//! What counts is what stock SQLite counts: the first record that is cut off or fails its checksum ends the journal,
//! since a page is written to the database only after its record was synced.
//!
//! Invariants:
//! 1. The journal is removed only after the restored pages are synced. So rolling back can be repeated.
//! 2. No page beyond the page count of before is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use heddle_io::{Env, File, IoBuf, OpenOptions};

use crate::error::{Error, Result};
use crate::finisher::join_all;
use crate::lock::FileLock;
use crate::pager::{PagerOptions, beside, dir_of};
use crate::stream::Stream;

const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// Bytes of a header that mean something.
const HEADER: usize = 28;
/// Restored pages written at the same moment.
const AT_ONCE: usize = 32;
/// A super-journal's name may not be longer; stock has a similar bound.
const LONGEST_NAME: u64 = 4096;

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Rolls back the journal beside a database if it is hot. The caller holds the database's locks. True if it did.
pub(crate) async fn recover(
    env: &Env,
    path: &Path,
    file: &Arc<dyn File>,
    options: &PagerOptions,
) -> Result<bool> {
    let name = beside(path, "-journal");
    if env.io.metadata(&name).await?.is_none_or(|journal| journal.len == 0) {
        return Ok(false);
    }
    let journal = env.io.open(&name, OpenOptions::READ).await?;
    let (read, first) = journal.read_at(IoBuf::zeroed(1), 0).await;
    // SQLite ends a transaction by removing its journal, by cutting it to nothing or by zeroing its header.
    if read? == 0 || first[0] == 0 {
        return Ok(false);
    }
    if options.read_only {
        if !options.without_locks && FileLock::writer_is_active(&**file)? {
            return Ok(false);
        }
        let what = "a transaction was interrupted: opening it for writing once rolls it back";
        return Err(Error::Unsupported { path: path.to_owned(), what });
    }
    let applies = match super_journal(&*journal).await? {
        None => true,
        // Its transaction over several files was committed: removing the super-journal was the commit.
        Some(super_name) if env.io.metadata(&super_name).await?.is_none() => false,
        Some(_) => {
            let what = "a transaction over several databases was interrupted: its super-journal is there, \
                        and stock SQLite must roll it back";
            return Err(Error::Unsupported { path: path.to_owned(), what });
        }
    };
    // A database of no bytes has nothing to restore: its journal is of a creation, or of another file.
    let applies = applies && file.len().await? > 0;
    if applies {
        Rollback::new(file, journal).await?.run().await?;
        file.sync_data().await?;
    }
    env.io.remove(&name).await?;
    env.io.sync_dir(dir_of(path)).await?;
    Ok(applies)
}

/// The name at the end of the journal of a transaction over several files.
async fn super_journal(journal: &dyn File) -> Result<Option<PathBuf>> {
    let len = journal.len().await?;
    let Some(tail_at) = len.checked_sub(16) else { return Ok(None) };
    let (read, tail) = journal.read_at(IoBuf::zeroed(16), tail_at).await;
    if read? < 16 || tail[8..] != MAGIC {
        return Ok(None);
    }
    let name_len = u64::from(word(&tail, 0));
    let Some(name_at) = tail_at.checked_sub(name_len).filter(|_| name_len <= LONGEST_NAME) else {
        return Ok(None);
    };
    let (read, name) = journal.read_at(IoBuf::zeroed(name_len as usize), name_at).await;
    // A sum over signed characters, as stock's compilers have them.
    let sum = name.iter().fold(0_u32, |sum, &byte| sum.wrapping_add(byte.cast_signed() as u32));
    if read? < name.len() || name.is_empty() || sum != word(&tail, 4) {
        return Ok(None);
    }
    Ok(Some(PathBuf::from(String::from_utf8_lossy(&name).into_owned())))
}

/// A rollback on its way.
struct Rollback<'a> {
    file: &'a Arc<dyn File>,
    journal: Stream,
    len: u64,
    /// Where the next header or record lies.
    at: u64,
    sector: u64,
    page_size: u32,
    page_count: u32,
    restored: Vec<(IoBuf, u64)>,
}

impl<'a> Rollback<'a> {
    async fn new(file: &'a Arc<dyn File>, journal: Arc<dyn File>) -> Result<Self> {
        let len = journal.len().await?;
        let journal = Stream::new(journal);
        let (restored, page_size, page_count) = (Vec::new(), 0, 0);
        Ok(Self { file, journal, len, at: 0, sector: 0, page_size, page_count, restored })
    }

    async fn run(&mut self) -> Result<()> {
        while let Some((records, nonce)) = self.header().await? {
            for _ in 0..records {
                if !self.record(nonce).await? {
                    return self.write_restored().await;
                }
            }
        }
        self.write_restored().await
    }

    /// Reads a segment's header: how many records follow, and their nonce. `None` where there is none any more.
    async fn header(&mut self) -> Result<Option<(u64, u32)>> {
        if self.sector > 0 {
            self.at = self.at.next_multiple_of(self.sector);
        }
        let (len, first) = (self.len, self.at == 0);
        let header = self.journal.at(self.at, HEADER).await?;
        if header.len() < HEADER || header[..8] != MAGIC {
            return Ok(None);
        }
        let [records, nonce, pages, sector, page_size] =
            [8, 12, 16, 20, 24].map(|at| word(header, at));
        if first {
            let fits =
                |size: u32, least| (least..=65_536).contains(&size) && size.is_power_of_two();
            if !fits(sector, 32) || !fits(page_size, 512) {
                return Ok(None);
            }
            (self.sector, self.page_size, self.page_count) = (u64::from(sector), page_size, pages);
            let before = u64::from(pages) * u64::from(page_size);
            if self.file.len().await? > before {
                self.file.set_len(before).await?;
            }
        }
        self.at += self.sector;
        if self.at > len {
            return Ok(None);
        }
        let there = (len - self.at) / self.record_len();
        // All ones: the number was never filled in, since nothing is synced; every record there is counts.
        let records = if records == u32::MAX { there } else { u64::from(records).min(there) };
        Ok(Some((records, nonce)))
    }

    fn record_len(&self) -> u64 {
        u64::from(self.page_size) + 8
    }

    /// Takes up one record; false if the journal ends before it.
    async fn record(&mut self, nonce: u32) -> Result<bool> {
        let size = self.page_size as usize;
        let record = self.journal.at(self.at, size + 8).await?;
        if record.len() < size + 8 {
            return Ok(false);
        }
        let (page, image) = (word(record, 0), &record[4..4 + size]);
        let lock_page = 0x4000_0000 / self.page_size + 1;
        if page == 0 || page == lock_page || checksum(nonce, image) != word(record, 4 + size) {
            return Ok(false);
        }
        if page <= self.page_count {
            let offset = u64::from(page - 1) * u64::from(self.page_size);
            self.restored.push((IoBuf::copy_of(image), offset));
        }
        self.at += self.record_len();
        if self.restored.len() >= AT_ONCE {
            self.write_restored().await?;
        }
        Ok(true)
    }

    async fn write_restored(&mut self) -> Result<()> {
        // A page may be there twice, and then the last one counts, as in stock, which writes in order.
        self.restored.reverse();
        self.restored.sort_by_key(|(_, offset)| *offset);
        self.restored.dedup_by_key(|(_, offset)| *offset);
        let file = self.file;
        let writes = self.restored.drain(..).map(|(buf, offset)| file.write_at(buf, offset));
        join_all(writes).await.into_iter().try_for_each(|(done, _)| Ok(done?))
    }
}

fn checksum(nonce: u32, image: &[u8]) -> u32 {
    let from_the_end =
        (1..).map_while(|step| image.len().checked_sub(200 * step)).take_while(|&at| at > 0);
    from_the_end.fold(nonce, |sum, at| sum.wrapping_add(u32::from(image[at])))
}
