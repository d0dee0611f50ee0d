//! How a database is opened: locks, a hot journal, a left-over `-wal`, or a new file.
//!
//! | found | done |
//! | --- | --- |
//! | a file of no bytes, or of zeros alone (a creation that was interrupted) | any `-wal` removed, page 1 written |
//! | a hot `-journal` | rolled back first ([`crate::journal`]); refused when only reading |
//! | a `-wal` with commits | carried into the file; when only reading, read through |
//! | a `-wal` without commits | left, and overwritten by the next state |
//!
//! Invariants:
//! 1. When only reading, nothing is written, made or removed.
//! 2. An interrupted opening leaves a file that is opened the same way.

use std::path::Path;
use std::sync::Arc;

use heddle_base::sync::Mutex;
use heddle_base::sync::atomic::AtomicBool;
use heddle_base::{Generation, PageNo};
use heddle_io::{Env, File, IoBuf, OpenOptions};

use crate::backfill::Backfill;
use crate::cache::PageCache;
use crate::error::{Error, Result};
use crate::finisher::Finisher;
use crate::header::{self, Header};
use crate::journal;
use crate::lock::FileLock;
use crate::old_images::OldImages;
use crate::page_writer::Permit;
use crate::pager::{AutoVacuum, Found, Pager, PagerOptions, beside, dir_of};
use crate::sqlite_wal::{self, Committed};
use crate::state::{Base, Core};
use crate::versions::{Pending, Versions};

/// See [`Pager::open`].
pub(crate) async fn open(env: &Env, path: &Path, options: PagerOptions) -> Result<(Pager, Found)> {
    let access = if options.read_only { OpenOptions::READ } else { OpenOptions::CREATE };
    let file = env.io.open(path, access).await?;
    let lock = lock(env, path, &*file, &options).await?;
    let journal = journal::recover(env, path, &file, &options).await?;
    let created = is_blank(&file).await?;
    if created {
        create(env, path, &file, &options).await?;
    }
    let wal = left_over(env, path, &options).await?;
    let header = header(path, &file, wal.as_ref()).await?;
    let most = options.old_image_bytes / u64::from(header.page_size);
    let mut versions = Versions::new(OldImages::new(u32::try_from(most).unwrap_or(u32::MAX)));
    let pending = wal.map(|(wal, committed)| (wal, Arc::new(committed.frames)));
    versions.pending = pending.as_ref().map(|(wal, frames)| Pending {
        generation: 1,
        page_count: header.page_count,
        frames: Arc::clone(frames),
        wal: Arc::clone(wal),
    });
    let core = Arc::new(Core {
        cache: PageCache::new(options.cache_bytes, header.page_size as usize),
        versions: Mutex::new(versions),
        file,
        env: env.clone(),
        path: path.to_owned(),
        finisher: Finisher::new(Arc::clone(&env.runtime)),
        poisoned: AtomicBool::new(false),
    });
    let found = Found {
        created,
        journal_rolled_back: journal,
        wal_had_commits: pending.is_some(),
        header: header.clone(),
    };
    let read_only = options.read_only;
    let pager = Pager::new(Base::new(&core, Generation(1), header), options, lock);
    if let Some((wal, frames)) = pending.filter(|_| !read_only) {
        // Stock may have died before it synced its `-wal`, under synchronous=NORMAL.
        core.sync(&wal).await?;
        pager.0.adopt(frames, wal);
        if let Some(permit) = Permit::take(&pager.0) {
            Backfill::new(permit, pager.snapshot()).reset().await?;
        }
    }
    Ok((pager, found))
}

async fn lock(env: &Env, path: &Path, file: &dyn File, options: &PagerOptions) -> Result<FileLock> {
    let taken = match (options.without_locks, options.read_only) {
        (true, _) => return Ok(FileLock::none()),
        (false, false) => FileLock::exclusive(path, file),
        (false, true) => FileLock::shared(path, file),
    };
    let no_locks = |error: &heddle_io::Error| {
        use std::io::ErrorKind::{InvalidInput, Unsupported};
        error.operation() == heddle_io::Operation::Lock
            && matches!(error.kind(), InvalidInput | Unsupported)
    };
    let lock = match taken {
        Err(Error::Io(error)) if no_locks(&error) => {
            let what =
                "its file system has no locks of open files, and no option says to do without";
            return Err(Error::Unsupported { path: path.to_owned(), what });
        }
        taken => taken?,
    };
    if !options.read_only {
        return Ok(lock);
    }
    let wal = env.io.metadata(&beside(path, "-wal")).await?;
    let (read, first) = file.read_at(IoBuf::zeroed(20), 0).await;
    let uses_wal = read? == 20 && first[19] == 2;
    if uses_wal || wal.is_some_and(|wal| wal.len > 0) {
        return lock.alone(env, path, file).await;
    }
    Ok(lock)
}

/// Whether nothing was ever written to the file, or no more than a [`create`] that was cut off.
async fn is_blank(file: &Arc<dyn File>) -> Result<bool> {
    if file.len().await? > 65_536 {
        return Ok(false);
    }
    let (read, bytes) = file.read_at(IoBuf::zeroed(65_536), 0).await;
    Ok(is_unfinished(&bytes[..read?]))
}

/// Whether these bytes are all zeros, or the first of a new database's first page and then zeros: nobody has stored anything
/// there, and without the rest it is no database.
fn is_unfinished(bytes: &[u8]) -> bool {
    /// Where the first page says how full it is: after this it has zeros while it is empty.
    const FILL: usize = 105;
    let at = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let written = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let is_new = bytes.iter().zip(header::MAGIC).all(|(byte, magic)| *byte == *magic || *byte == 0);
    // Of a page of 65,536 bytes the fill is written as 0: it is whole if it says what kind of page it is.
    let is_whole = bytes.len() == 65_536 && (at(16), at(17)) == (0, 1) && at(100) != 0;
    written <= FILL && is_new && !is_whole
}

async fn create(
    env: &Env,
    path: &Path,
    file: &Arc<dyn File>,
    options: &PagerOptions,
) -> Result<()> {
    let unsupported = |what| Err(Error::Unsupported { path: path.to_owned(), what });
    if options.read_only {
        return Err(Error::NotADatabase { path: path.to_owned(), reason: "it is empty" });
    }
    let size = options.page_size;
    if !(512..=65_536).contains(&size) || !size.is_power_of_two() {
        return unsupported("the page size asked for is no power of two from 512 to 65536");
    }
    if size - u32::from(options.reserved) < 480 {
        return unsupported("the bytes to be reserved leave fewer than 480 of each page");
    }
    // As stock does: without a database there is nothing that a `-wal` could belong to.
    let wal = beside(path, "-wal");
    if env.io.metadata(&wal).await?.is_some() {
        env.io.remove(&wal).await?;
        env.io.sync_dir(dir_of(path)).await?;
    }
    let mut header = Header::new(size, options.encoding);
    header.reserved = options.reserved;
    header.largest_root = PageNo(u32::from(options.auto_vacuum != AutoVacuum::None));
    header.incremental_vacuum = u32::from(options.auto_vacuum == AutoVacuum::Incremental);
    let mut page = IoBuf::zeroed(size as usize);
    header.write_into(&mut page);
    // An empty leaf of a table: kind 13, no cell, content from the end of what is in use (0 stands for 65536).
    page[100] = 13;
    let content = u16::try_from(header.usable_size()).unwrap_or(0);
    page[105..107].copy_from_slice(&content.to_be_bytes());
    // First the length, in zeros, so that what follows changes one sector alone: it is there, or it is not.
    file.set_len(u64::from(size)).await?;
    file.sync_data().await?;
    file.write_at(page, 0).await.0?;
    file.sync_data().await?;
    env.io.sync_dir(dir_of(path)).await?;
    Ok(())
}

/// The `-wal` beside the file, if it has commits.
async fn left_over(
    env: &Env,
    path: &Path,
    options: &PagerOptions,
) -> Result<Option<(Arc<dyn File>, Committed)>> {
    let wal = beside(path, "-wal");
    if env.io.metadata(&wal).await?.is_none_or(|wal| wal.len == 0) {
        return Ok(None);
    }
    let access = if options.read_only { OpenOptions::READ } else { OpenOptions::WRITE };
    let wal = env.io.open(&wal, access).await?;
    let committed = sqlite_wal::read(path, Arc::clone(&wal)).await?;
    Ok(committed.map(|committed| (wal, committed)))
}

/// The header of the newest state, with the page count that holds.
async fn header(
    path: &Path,
    file: &Arc<dyn File>,
    wal: Option<&(Arc<dyn File>, Committed)>,
) -> Result<Header> {
    let not_a_database = |reason| Error::NotADatabase { path: path.to_owned(), reason };
    let corrupt = |reason: &'static str| Error::Corrupt { page: PageNo(1), reason: reason.into() };
    let frame = wal
        .and_then(|(wal, committed)| committed.frames.get(&PageNo(1)).map(|&offset| (wal, offset)));
    let (from, offset) = frame.unwrap_or((file, 0));
    let (read, first) = from.read_at(IoBuf::zeroed(Header::SIZE), offset).await;
    let mut header = Header::parse(&first[..read?]).map_err(not_a_database)?;
    if header.read_version > 2 {
        let what = "its read version says that newer software is needed";
        return Err(Error::Unsupported { path: path.to_owned(), what });
    }
    if let Some((_, committed)) = wal {
        if committed.page_size != header.page_size {
            return Err(corrupt("its header and its -wal have different page sizes"));
        }
        header.page_count = committed.page_count;
        return Ok(header);
    }
    let pages = file.len().await?.div_ceil(u64::from(header.page_size));
    let pages = u32::try_from(pages).unwrap_or(u32::MAX - 1);
    // As stock does: the count in the header holds only if the counter beside it matches.
    if header.page_count == 0 || header.change_counter != header.version_valid_for {
        header.page_count = pages;
    }
    if header.page_count > pages {
        return Err(corrupt("the file is shorter than the page count in its header"));
    }
    Ok(header)
}
